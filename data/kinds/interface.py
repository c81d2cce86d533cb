"""The interface of a kind of data: an ``Encoder`` of semantic frames, and the ``Frames`` of one sequence.

A kind is a subclass of ``Encoder`` and one of ``Frames``, and an entry in ``data/build.py``.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from torch import Tensor

from data.layout import SequenceFiles
from data.storage.picture_files import (
    ArrayCache,
    depth_note,
    is_transparent,
    picture_size,
    profile_note,
    read_picture,
)
from data.transforms import Box, View
from util.errors import UserError


class Encoder(ABC):
    """What the channels of a semantic frame are; it knows no files."""

    @property
    @abstractmethod
    def num_channels(self) -> int:
        """Channels of a semantic frame as networks see it."""

    def finish(self, planes: Tensor) -> Tensor:
        """Make semantic frames of what a loader packed, on the device where the planes are.

        What is many times larger than its file, such as one-hot labels, is made here and not in the loader.

        Args:
            planes: [..., K, H, W], what the kind's ``Frames.semantic`` gives.

        Returns:
            [..., num_channels, H, W] float32.
        """
        return planes

    def foreground(self, semantic: Tensor) -> Tensor | None:
        """Where the foreground is: [..., 1, H, W] of 0 and 1 from semantic frames [..., C, H, W]; None without one."""
        return None

    def face(self, semantic: Tensor) -> Tensor | None:
        """Where faces are: [..., 1, H, W], above 0, from semantic frames [..., C, H, W]; None if it cannot be known."""
        return None

    @abstractmethod
    def picture(self, semantic: Tensor) -> np.ndarray:
        """Show one semantic frame [C, H, W] to a person, uint8 [H, W, 3]."""


class Frames(ABC):
    """The frames of one sequence as they lie on disk, in native pixels."""

    def __init__(self, files: SequenceFiles, *, cache: ArrayCache) -> None:
        """Args: where the frames lie, and what keeps those that were decoded."""
        self.files = files
        self.cache = cache

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.files.leading)

    @abstractmethod
    def semantic(self, index: int, *, view: View, rng: np.random.Generator | None) -> Tensor:
        """The planes [K, H, W] from which the kind's encoder makes semantic frame ``index``.

        Args:
            index: of the frame.
            view: the geometric transform that all frames of the clip share.
            rng: the clip's own, for encodings that are random in training; None in testing.

        Raises:
            UserError: the frame's files are broken.
        """

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of frame ``index``, from the header of its file."""
        return picture_size(self.files.leading[index])

    def subject_width(self, index: int) -> float | None:
        """How wide that is, in pixels, by whose size frame ``index`` is encoded; None: size is of no matter."""
        return None

    def box(self, index: int) -> Box:
        """The part that a clip keeps whose first frame is ``index``: the whole frame."""
        height, width = self.size(index)
        return Box(0, 0, width, height)

    def check(self, part: str, index: int, *, size: tuple[int, int]) -> str | None:
        """Read the file of frame ``index`` in one of the sequence's parts, as training will.

        Args:
            part: the key in ``files.parts``.
            index: of the frame.
            size: height and width of the sequence's frames.

        Returns:
            What is suspicious in it though training goes on, such as nobody in the picture; None: nothing.

        Raises:
            UserError: it is broken.
        """
        self.picture(index, size=size)
        return picture_note(self.files.parts[part][index])

    def picture(self, index: int, *, size: tuple[int, int]) -> np.ndarray | None:
        """The real frame ``index``, uint8 [H, W, 3]; None where there is no real video.

        Raises:
            UserError: the picture is broken, or of another height and width than ``size``.
        """
        if not self.files.images:
            return None
        path = self.files.images[index]
        return of_size(self.cache.get(path, lambda: read_picture(path)), size, path=path)

    def image(self, index: int, *, view: View) -> Tensor | None:
        """The real frame ``index`` as networks see it, float32 [3, H, W] in [-1, 1]; None without a real video."""
        picture = self.picture(index, size=view.size)
        return None if picture is None else signed(view.of_frame(picture, filter="bicubic"))


def picture_note(path: Path) -> str | None:
    """What to tell of a picture that is transparent somewhere, is converted, or dark; None: nothing."""
    if is_transparent(path):
        return "transparent in part, which is laid over black; save it without transparency"
    return profile_note(path) or depth_note(path)


def of_size(picture: np.ndarray, size: tuple[int, int], *, path: object) -> np.ndarray:
    """``picture`` [H, W, ...] if it has this height and width: one crop serves the whole sequence.

    Raises:
        UserError: it has not; ``path`` is named.
    """
    if picture.shape[:2] != size:
        raise wrong_size(path, picture.shape[:2], size)
    return picture


def wrong_size(path: object, size: tuple[int, ...], expected: tuple[int, int]) -> UserError:
    """The error for a picture of another height and width than the others of its sequence."""
    return UserError(
        f"{path}: expected {expected[1]} x {expected[0]} pixels like the other frames of its sequence, "
        f"found {size[1]} x {size[0]}; give the sequence one size"
    )


def signed(picture: Tensor) -> Tensor:
    """A uint8 picture as float32 in [-1, 1]."""
    return picture.float() / 127.5 - 1
