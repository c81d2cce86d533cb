"""Small copies of semantic frames, so that a whole video of them can be compared in memory."""

from collections.abc import Callable
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

_THUMBNAIL_SIDE = 64


class Thumbnails(Protocol):
    """``thumbnail`` of every frame of a video, by slices [n, D]: a tensor [N, D], or ``LazyThumbnails``."""

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def __getitem__(self, frames: slice, /) -> Tensor:
        """Those of some frames in a row."""
        ...


class LazyThumbnails:
    """Thumbnails made when they are asked for: the choice of key-frames then needs the same memory for any length."""

    def __init__(self, semantic: Callable[[int], Tensor], *, num_frames: int) -> None:
        """Args: what gives the semantic frame [C, H, W] of a number, and how many there are."""
        self._semantic = semantic
        self._num_frames = num_frames

    def __len__(self) -> int:
        """Number of frames."""
        return self._num_frames

    def __getitem__(self, frames: slice, /) -> Tensor:
        """Those of ``frames``, [n, D]."""
        numbers = range(*frames.indices(len(self)))
        first = thumbnail(self._semantic(numbers[0]))
        rows = first.new_empty(len(numbers), len(first))
        rows[0] = first
        for row, number in zip(rows[1:], numbers[1:], strict=True):
            row.copy_(thumbnail(self._semantic(number)))
        return rows


def thumbnail(semantic: Tensor) -> Tensor:
    """Shrink a semantic frame so that a whole video of them can be compared in memory.

    Args:
        semantic: one frame, [C, H, W], in the units that the generator sees ([0, 1], or one-hot).

    Returns:
        The means over areas of a grid with a longer side of at most 64 cells, flattened to [D], float32.
    """
    shrink = min(1.0, _THUMBNAIL_SIDE / max(semantic.shape[1:]))
    height, width = (max(1, round(side * shrink)) for side in semantic.shape[1:])
    return F.adaptive_avg_pool2d(semantic.float(), (height, width)).flatten()
