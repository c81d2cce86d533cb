"""Multiply-accumulates and parameters of a network.

Counted exactly, and in the way of the Fast-Vid2Vid paper, so that our tables stand beside its own. Modules on the
``meta`` device are counted too: the largest generator takes no memory and a fraction of a second.
"""

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class MacCount:
    """Multiply-accumulates (MACs).

    Attributes:
        exact: those that convolutions, transposed convolutions and linear layers do. Padding counts like any other
            input, as in every published count; norms, activations, resizing and warping do not count.
        paper: the convention of the paper's tables: a transposed convolution as if every output position saw the whole
            kernel (stride^2 times too many), and 2 per output element of a batch norm.
        batch_norm: what batch norms have in ``paper``. The paper's figures of the student leave it out.
    """

    exact: int = 0
    paper: int = 0
    batch_norm: int = 0

    def __add__(self, other: "MacCount") -> "MacCount":
        """Both together."""
        return MacCount(self.exact + other.exact, self.paper + other.paper, self.batch_norm + other.batch_norm)


def count_macs(module: nn.Module, *inputs: Any, **kwargs: Any) -> MacCount:
    """Count the multiply-accumulates of ``module(*inputs, **kwargs)``; a batch counts all of its items.

    The module runs once, in eval mode and without gradients, and is left as it was. What is not made of the layers
    ``Conv2d``, ``ConvTranspose2d``, ``Linear`` and ``BatchNorm2d`` counts 0.

    Args:
        module: the network, on any device; on ``meta`` nothing is computed.
        inputs: what its forward takes, on the same device.
        kwargs: the same, by name.
    """
    count = MacCount()

    def add(layer: nn.Module, layer_inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal count
        count += _macs_of_layer(layer, layer_inputs[0], output)

    modes = {part: part.training for part in module.modules()}
    with ExitStack() as hooks, torch.no_grad():
        for part in modes:
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d)):
                hooks.callback(part.register_forward_hook(add).remove)
        try:
            module.eval()
            module(*inputs, **kwargs)
        finally:
            for part, is_training in modes.items():
                part.training = is_training
    return count


def count_parameters(module: nn.Module) -> int:
    """How many numbers training may change; running statistics are none of them, shared ones count once."""
    return sum(parameter.numel() for parameter in module.parameters())


def _macs_of_layer(layer: nn.Module, x: Tensor, output: Tensor) -> MacCount:
    if isinstance(layer, nn.Linear):
        macs = output.numel() * layer.in_features
        return MacCount(macs, macs)
    if isinstance(layer, nn.BatchNorm2d):
        return MacCount(0, 2 * output.numel(), 2 * output.numel())
    assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    kernel_area = math.prod(layer.kernel_size)
    gathered = output.numel() * kernel_area * layer.in_channels // layer.groups
    if isinstance(layer, nn.ConvTranspose2d):
        # every input position spreads over the kernel once, however many output positions there are
        return MacCount(x.numel() * kernel_area * layer.out_channels // layer.groups, gathered)
    return MacCount(gathered, gathered)
