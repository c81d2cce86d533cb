"""A video for testing, read frame by frame."""

from dataclasses import replace

import torch
from torch import Tensor

from data.kinds.interface import Encoder, Frames
from data.layout import SequenceFiles
from data.transforms import Geometry, Placement, View
from util.errors import UserError

# for encoded frames: the choice of key-frames, drawing, guide and page then encode each of them once
_KEPT_BYTES = 2**30


class VideoSequence:
    """A video for testing, with or without real frames: the crop is chosen at its first frame and stays.

    The first gigabyte of encoded semantic frames is kept until ``forget_encoded``. Frames beyond it are encoded again
    whenever they are needed: videos are read in order, so that dropping the oldest would leave none to find.
    """

    def __init__(self, frames: Frames, *, encoder: Encoder, geometry: Geometry) -> None:
        """Choose the crop.

        Raises:
            UserError: the first frame's files are broken.
        """
        self.encoder = encoder
        self._frames = frames
        self._view = View(frames.size(0), geometry.place(frames.box(0)))
        self._encoded: dict[int, Tensor] = {}

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self._frames.files.name

    @property
    def num_frames(self) -> int:
        """Number of frames, at least 1."""
        return len(self._frames)

    @property
    def frames_per_second(self) -> float:
        """The rate of the video it came from; 25 where nobody noted it."""
        return self._frames.files.metadata.frames_per_second

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames that it gives."""
        return self._view.placement.size

    @property
    def placement(self) -> Placement:
        """How each frame is cut out of the video and scaled."""
        return self._view.placement

    @property
    def subject_width(self) -> float | None:
        """See ``Frames.subject_width``, of the first frame."""
        return self._frames.subject_width(0)

    def semantic(self, index: int, *, device: torch.device | str = "cpu") -> Tensor:
        """The semantic frame ``index``, float32 [C, H, W] in the range of its encoding, made on ``device``.

        Raises:
            UserError: the frame's files are broken.
        """
        planes = self._encoded.get(index)
        if planes is None:
            planes = self._frames.semantic(index, view=self._view, rng=None)
            if (len(self._encoded) + 1) * planes.nbytes <= _KEPT_BYTES:
                self._encoded[index] = planes
        return self.encoder.finish(planes.to(device))

    def forget_encoded(self) -> None:
        """Free the memory of the frames that were kept."""
        self._encoded.clear()

    def image(self, index: int) -> Tensor | None:
        """The real frame ``index``, float32 [3, H, W] in [-1, 1]; None where there is no real video.

        Raises:
            UserError: the picture is broken.
        """
        return self._frames.image(index, view=self._view)

    def frame_name(self, index: int) -> str:
        """The name of frame ``index``'s files without suffix, such as ``00007``."""
        return self._frames.files.leading[index].stem


def part_of(files: SequenceFiles, *, first_frame: int, max_frames: int | None) -> SequenceFiles:
    """The frames of a sequence from ``first_frame`` on, ``max_frames`` at most.

    Raises:
        UserError: the sequence ends before.
    """
    if first_frame >= len(files.leading):
        raise UserError(
            f"{files.leading[0].parent}: expected more than {first_frame} frames to start at that one, found "
            f"{len(files.leading)}; choose an earlier --start_frame"
        )
    chosen = slice(first_frame, None if max_frames is None else first_frame + max_frames)
    return replace(files, parts={name: paths[chosen] for name, paths in files.parts.items()})
