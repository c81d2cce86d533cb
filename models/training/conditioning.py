"""Conditioning augmentation: noise on the frames that a generator continues, so that errors do not build up.

A generator that always sees clean previous frames learns to copy them, and melts when it is given its own. For a share
of the chunks it sees little or nothing of them here, and must generate from the semantic frames.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# std in units of colours in [-1, 1]
BLANK_NOISE = 0.3  # in place of the frames
HEAVY_NOISE = 0.5  # the largest that is added to them


@dataclass(frozen=True)
class ConditioningAugmentation:
    """What happens to the conditioning frames of a chunk.

    Attributes:
        noise: largest std of the noise on most chunks (``--cond_noise``); each draws its own strength.
        dropout: share of the other chunks (``--cond_dropout``): half of them see noise alone, half heavy noise.
        seed: of this clip.
        first_item: number of the batch's first item among all that are trained on in a step.
    """

    noise: float
    dropout: float
    seed: int
    first_item: int = 0

    def __call__(self, frames: Tensor, *, start: int) -> Tensor:
        """Conditioning frames [B, K, 3, H, W] of the chunk that begins at frame ``start`` of the clip.

        What an item sees follows from the seed, ``start`` and its number, however a batch is cut.
        """
        items = [
            self._augmented(item, np.random.default_rng((self.seed, start, self.first_item + number)))
            for number, item in enumerate(frames)
        ]
        return torch.stack(items)

    def _augmented(self, frames: Tensor, rng: np.random.Generator) -> Tensor:
        kind, strength = rng.random(2)
        # on the CPU, so that every device sees the same
        noise = torch.from_numpy(rng.standard_normal(tuple(frames.shape), dtype=np.float32)).to(frames)
        if kind < self.dropout / 2:
            return noise * BLANK_NOISE
        largest = HEAVY_NOISE if kind < self.dropout else self.noise
        return frames + noise * (largest * strength)
