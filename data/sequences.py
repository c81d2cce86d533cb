"""How is a video read frame by frame, in order, for testing (and as the raw frames of training clips)?"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from data.face import FaceEncoder, face_box, read_landmarks
from data.images import ArrayCache, picture_size, read_picture
from data.layout import FaceFiles, face_files
from data.transforms import Box, Geometry, Placement
from util.errors import UserError


@dataclass(frozen=True)
class FaceFrames:
    """The frames of one sequence as they lie on disk: landmarks and pictures in native pixels."""

    files: FaceFiles
    cache: ArrayCache

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.files.keypoints)

    def points(self, index: int) -> np.ndarray:
        """The landmarks of frame ``index``, float64 [68, 2], (x, y)."""
        path = self.files.keypoints[index]
        return self.cache.get(path, lambda: read_landmarks(path))

    def picture(self, index: int, *, size: tuple[int, int]) -> np.ndarray | None:
        """Frame ``index``, uint8 [H, W, 3]; None where there is no real video.

        Raises:
            UserError: it has another height and width than ``size``, so that one crop cannot serve the whole video.
        """
        if not self.files.images:
            return None
        path = self.files.images[index]
        picture = self.cache.get(path, lambda: read_picture(path))
        if picture.shape[:2] != size:
            raise UserError(
                f"{path}: expected {size[1]} x {size[0]} pixels like the other frames of its sequence, "
                f"found {picture.shape[1]} x {picture.shape[0]}; give the sequence one size"
            )
        return picture

    def background(self, index: int, *, size: tuple[int, int], encoder: FaceEncoder) -> np.ndarray | None:
        """The edges of frame ``index`` that ``encoder`` draws, uint8 [H, W]; None where there is no real video."""
        picture = self.picture(index, size=size)
        if picture is None:
            return None
        return self.cache.get((self.files.images[index], "edges"), lambda: encoder.background(picture))

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of frame ``index``.

        Without pictures it is what ``video.json`` says, else a frame just large enough for the face's surroundings.
        """
        if self.files.images:
            path = self.files.images[index]
            return picture_size(path)
        if self.files.facts.size is not None:
            return self.files.facts.size
        box = self._box(index, height=2**20, width=2**20)
        return box.bottom, box.right

    def box(self, index: int) -> Box:
        """The surroundings of the face in frame ``index``."""
        height, width = self.size(index)
        return self._box(index, height=height, width=width)

    def _box(self, index: int, *, height: int, width: int) -> Box:
        try:
            return face_box(self.points(index), height=height, width=width)
        except ValueError as error:
            raise UserError(f"{self.files.keypoints[index]}: {error}; make the file again") from error


class FaceSequence:
    """A face video for testing: the crop is chosen at its first frame and stays."""

    def __init__(self, files: FaceFiles, *, encoder: FaceEncoder, geometry: Geometry) -> None:
        """Choose the crop by the landmarks of the first frame.

        Raises:
            UserError: the first frame's files are broken.
        """
        # frames are read once and in order: a cache would only hold memory
        self._frames = FaceFrames(files, ArrayCache(max_bytes=0))
        self._encoder = encoder
        self._frame_size = self._frames.size(0)
        self._placement: Placement = geometry.place(self._frames.box(0))

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
        return self._frames.files.facts.frames_per_second

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames that it gives."""
        return self._placement.size

    def semantic(self, index: int) -> Tensor:
        """The semantic frame ``index``, float32 [C, H, W] in 0..1.

        Without pictures the edges of the background are missing from it.

        Raises:
            UserError: the frame's files are broken.
        """
        size, encoder = self._frame_size, self._encoder
        background = None
        if encoder.with_canny_edges:
            background = self._frames.background(index, size=size, encoder=encoder)
        return encoder.encode(self._frames.points(index), placement=self._placement, size=size, background=background)

    def image(self, index: int) -> Tensor | None:
        """The real frame ``index``, float32 [3, H, W] in [-1, 1]; None where there is no real video.

        Raises:
            UserError: the picture is broken.
        """
        picture = self._frames.picture(index, size=self._frame_size)
        return None if picture is None else signed(self._placement.of_frame(picture, filter="bicubic"))

    def frame_name(self, index: int) -> str:
        """The name of frame ``index``'s files without suffix, such as ``00007``."""
        return self._frames.files.keypoints[index].stem


def face_sequences(
    root: Path,
    *,
    phase: str = "test",
    encoder: FaceEncoder,
    geometry: Geometry,
    first_frame: int = 0,
    max_frames: int | None = None,
) -> list[FaceSequence]:
    """All sequences of a face dataset, by name; any length from 1 frame on, with or without a real video.

    Args:
        root: the dataset's folder, see ``data.layout.face_files``.
        phase: what the folders' names begin with.
        encoder: how landmarks become semantic frames.
        geometry: the size of the result.
        first_frame: where every sequence begins.
        max_frames: where it ends, counted from there; None is its own end.

    Raises:
        UserError: a folder or file is missing or broken, or a sequence ends before ``first_frame``.
    """
    found = face_files(root, phase=phase, needs_images=False)
    parts = [_part(files, first_frame, max_frames) for files in found]
    return [FaceSequence(files, encoder=encoder, geometry=geometry) for files in parts]


def _part(files: FaceFiles, first_frame: int, max_frames: int | None) -> FaceFiles:
    if first_frame >= len(files.keypoints):
        raise UserError(
            f"{files.keypoints[0].parent}: expected more than {first_frame} frames to start at that one, found "
            f"{len(files.keypoints)}; choose an earlier --start_frame"
        )
    chosen = slice(first_frame, None if max_frames is None else first_frame + max_frames)
    return replace(files, keypoints=files.keypoints[chosen], images=files.images[chosen])


def signed(picture: Tensor) -> Tensor:
    """A uint8 picture as float32 in [-1, 1]."""
    return picture.float() / 127.5 - 1
