"""The square of a frame that the face discriminator sees: a fixed size, around what marks the face."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# semantic frames [N, C, H, W] -> [N, 1, H, W], above 0 on the face; None if it cannot be known
FaceFinder = Callable[[Tensor], Tensor | None]

SHARE = 4  # the square's side is this part of the frame's longer side (vid2vid)


@dataclass(frozen=True)
class FaceRegion:
    """A square in each of some frames.

    Attributes:
        frames: which of the frames have a face, [M].
        top, left: corner of each square, [M].
        side: of all squares.
    """

    frames: Tensor
    top: Tensor
    left: Tensor
    side: int

    @classmethod
    def around(cls, face: Tensor) -> "FaceRegion":
        """Squares centred on the bounding boxes of the faces, moved into the frame where they would stick out.

        The published program took one square for the whole clip, from the faces of all its frames together.

        Args:
            face: above 0 on the face, [N, 1, H, W].
        """
        is_face = face[:, 0] > 0
        frames = is_face.flatten(1).any(dim=1).nonzero().flatten()
        height, width = is_face.shape[-2:]
        side = min(max(height, width) // SHARE, height, width)
        rows, columns = is_face[frames].any(dim=2), is_face[frames].any(dim=1)
        return cls(frames, _start(rows, side), _start(columns, side), side)

    def cut(self, frames: Tensor) -> Tensor:
        """The squares, [M, C, side, side], of ``frames`` [N, C, H, W]; gradients pass."""
        rows = self.top[:, None] + torch.arange(self.side, device=frames.device)
        columns = self.left[:, None] + torch.arange(self.side, device=frames.device)
        # advanced indices around a slice: the indexed dimensions come first, channels last
        cut = frames[self.frames[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return cut.permute(0, 3, 1, 2)


def _start(occupied: Tensor, side: int) -> Tensor:
    """Where squares of ``side`` begin on one axis, [M], centred on what is ``occupied`` [M, L] and kept inside."""
    length = occupied.shape[1]
    first = occupied.int().argmax(dim=1)
    last = length - 1 - occupied.flip(1).int().argmax(dim=1)
    return ((first + last) // 2 - side // 2).clamp(0, length - side)
