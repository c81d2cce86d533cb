"""Exponential moving average of the generator's weights: what a run is judged and used by (``--ema``)."""

import copy

import torch
from torch import nn


class GeneratorAverage:
    """A second generator whose weights follow those of the trained one slowly.

    Running statistics are copied as they are; ``recalibrate`` measures them for the averaged weights.

    Attributes:
        network: the generator with the averaged weights, in eval mode.
        num_updates: how often it has followed.
    """

    def __init__(self, generator: nn.Module, *, decay: float) -> None:
        """Args: the generator that is trained, and how much of the average stays at an update, in the long run."""
        self.network = copy.deepcopy(generator).requires_grad_(False).eval()
        self.decay = decay
        self.num_updates = 0

    @torch.no_grad()
    def update(self, generator: nn.Module) -> None:
        """Follow the weights of ``generator``, fast at first: the start is soon forgotten."""
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        for average, parameter in zip(self.network.parameters(), generator.parameters(), strict=True):
            average.lerp_(parameter, 1 - decay)
        for mine, theirs in zip(self.network.buffers(), generator.buffers(), strict=True):
            mine.copy_(theirs)

    def begin(self, generator: nn.Module) -> None:
        """Begin anew with the weights of ``generator``."""
        self.network.load_state_dict(generator.state_dict())
        self.num_updates = 0
