"""The one geometric transform of a clip, which keeps all its frames aligned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from util.errors import UserError

SCALES = ("scaleWidth", "scaleHeight", "resize", "none", "randomScaleWidth", "randomScaleHeight")
CROPS = ("crop", "scaledCrop")

Filter = Literal["nearest", "bilinear", "bicubic"]


class Box(NamedTuple):
    """A rectangle of pixels; ``right`` and ``bottom`` are the first column and row that are not in it.

    It may stick out of the frame: what lies outside is black.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def height(self) -> int:
        """Its rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Its columns."""
        return self.right - self.left

    def within(self, *, height: int, width: int) -> "Box":
        """The part that lies in a frame of ``height`` x ``width``."""
        return Box(max(self.left, 0), max(self.top, 0), min(self.right, width), min(self.bottom, height))


@dataclass(frozen=True)
class Placement:
    """One geometric transform, drawn once for a clip: cut ``box`` out, resize, crop, mirror."""

    box: Box
    """The part of the frame that is kept."""
    resized: tuple[int, int]
    """Height and width that it gets."""
    crop: Box
    """The part of that which remains."""
    is_mirrored: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.crop.height, self.crop.width

    def of_frame(self, frame: np.ndarray, *, filter: Filter) -> Tensor:
        """Transform a frame, uint8 [H, W, C] or [H, W]; returns uint8 [C, height, width]."""
        planes = torch.from_numpy(cut(frame, self.box))
        return self.of_cut(planes[None] if planes.ndim == 2 else planes.permute(2, 0, 1), filter=filter)

    def of_cut(self, planes: Tensor, *, filter: Filter) -> Tensor:
        """Transform what was cut out of a frame, or drawn there: uint8 [C, box.height, box.width]."""
        planes = resize(planes, self.resized, filter=filter)
        if self.crop != Box(0, 0, self.resized[1], self.resized[0]):
            planes = torch.from_numpy(cut(planes.permute(1, 2, 0).numpy(), self.crop)).permute(2, 0, 1)
        return planes.flip(-1) if self.is_mirrored else planes


@dataclass(frozen=True)
class Geometry:
    """The sizes that ``--resize_or_crop``, ``--loadSize`` and ``--fineSize`` stand for (as vid2vid spells them).

    A mode is a scale, a crop, or ``<scale>_and_<crop>``:

    - scales: ``scaleWidth`` (width = ``load_size``, the shape is kept), ``scaleHeight``, ``resize`` (a square),
      ``none``; ``randomScaleWidth`` and ``randomScaleHeight`` draw the side from ``fine_size`` .. ``load_size``;
    - crops: ``crop`` (a square of ``fine_size``), ``scaledCrop`` (``fine_size`` along the scaled side, the frame's
      shape kept).

    Sides are multiples of 32 (published: "power of 2"); before a crop they are multiples of 4.
    """

    resize_or_crop: str = "scaleWidth"
    load_size: int = 512
    fine_size: int = 512
    center_crop: bool = False
    """Whether only the middle half of the width remains after all that: a dancer in a wide video."""

    def __post_init__(self) -> None:
        """Refuse a mode that does not exist.

        Raises:
            UserError: an unknown mode, or a size below 32.
        """
        scale, crop = self._scale, self._crop
        if scale not in SCALES or (crop is not None and crop not in CROPS):
            raise UserError(
                f"--resize_or_crop {self.resize_or_crop}: expected a scale ({', '.join(SCALES)}), crop, or "
                f"<scale>_and_<crop> with a crop of {', '.join(CROPS)}"
            )
        if min(self.load_size, self.fine_size) < 32:
            raise UserError(f"--loadSize {self.load_size} --fineSize {self.fine_size}: expected at least 32 pixels")

    @property
    def _scale(self) -> str:
        return "none" if self.resize_or_crop == "crop" else self.resize_or_crop.partition("_and_")[0]

    @property
    def _crop(self) -> str | None:
        if self.resize_or_crop == "crop":
            return "crop"
        _, joint, crop = self.resize_or_crop.partition("_and_")
        return crop if joint else None

    def place(self, box: Box, *, rng: np.random.Generator | None = None, is_mirrored: bool = False) -> Placement:
        """Draw the transform of one clip.

        Args:
            box: the part of the frames that is kept, in their pixels; the whole frame, or the surroundings of a face.
            rng: where random scales and crops come from; None (testing): the largest scale and the mean crop.
            is_mirrored: whether the result is flipped left to right.

        Raises:
            UserError: the box is so thin that a side of the result would vanish.
        """
        height, width = (round(side / 4) * 4 for side in self._scaled(box.height, box.width, rng))
        if self._crop is None:
            height, width = multiple_of_32(height), multiple_of_32(width)
            crop = Box(0, 0, width, height)
        else:
            crop = self._drawn_crop(box, height, width, rng)
        if self.center_crop:
            crop = middle_half(crop)
        if min(height, width, crop.height, crop.width) < 1:
            raise UserError(
                f"--resize_or_crop {self.resize_or_crop} --loadSize {self.load_size}: expected frames of a "
                f"usual shape, found {box.width} x {box.height}, of which nothing would remain"
            )
        return Placement(box, (height, width), crop, is_mirrored)

    def _scaled(self, height: int, width: int, rng: np.random.Generator | None) -> tuple[int, int]:
        """Height and width after the scale, before rounding."""
        side = self.load_size
        if self._scale.startswith("random") and rng is not None:
            low, high = sorted((self.fine_size, self.load_size))
            side = int(rng.integers(low, high, endpoint=True))
        if self._scale.endswith("Width"):
            return side * height // width, side
        if self._scale.endswith("Height"):
            return side, side * width // height
        return (side, side) if self._scale == "resize" else (height, width)

    def _drawn_crop(self, box: Box, height: int, width: int, rng: np.random.Generator | None) -> Box:
        """The crop in a scaled frame of ``height`` x ``width``: published size, near the middle, in the upper part."""
        crop_height = crop_width = self.fine_size
        if self._crop == "scaledCrop" and self._scale.endswith("Width"):
            crop_height = self.fine_size * box.height // box.width
        elif self._crop == "scaledCrop":
            crop_width = self.fine_size * box.width // box.height
        crop_height, crop_width = multiple_of_32(crop_height), multiple_of_32(crop_width)
        # as published: across, a normal distribution of which 3 standard deviations fit; down, the upper eighth
        half_span = max(0, (width - crop_width) // 2)
        lowest = min(max(0, height - crop_height), height // 8)
        left, top = half_span, lowest // 2
        if rng is not None:
            left = int(np.clip(half_span + rng.standard_normal() * half_span / 3, 0, 2 * half_span))
            top = int(rng.integers(0, lowest, endpoint=True))
        return Box(left, top, left + crop_width, top + crop_height)


def multiple_of_32(side: int) -> int:
    """The multiple of 32 nearest to ``side``; halves go to the even multiple (published as ``make_power_2``)."""
    return round(side / 32) * 32


def middle_half(box: Box) -> Box:
    """The middle half of the width of ``box``; as published, each half of that is a multiple of 32.

    Of a box narrower than 128 pixels a multiple of 32 in all remains, 32 at least.
    """
    half = box.width // 4 // 32 * 32 or max(multiple_of_32(box.width // 2), 32) // 2
    middle = box.left + box.width // 2
    return Box(middle - half, box.top, middle + half, box.bottom)


def cut(frame: np.ndarray, box: Box) -> np.ndarray:
    """The part ``box`` of ``frame`` [H, W] or [H, W, C]; zeros where the box sticks out."""
    height, width = frame.shape[:2]
    top, bottom = np.clip((box.top, box.bottom), 0, height)
    left, right = np.clip((box.left, box.right), 0, width)
    part = frame[top:bottom, left:right]
    if part.shape[:2] == (box.height, box.width):
        return part.copy()  # of its own memory: frames are shared by the cache
    whole = np.zeros((box.height, box.width, *frame.shape[2:]), frame.dtype)
    whole[top - box.top : bottom - box.top, left - box.left : right - box.left] = part
    return whole


def resize(planes: Tensor, size: tuple[int, int], *, filter: Filter) -> Tensor:
    """Resize uint8 planes [C, H, W] to ``size`` (height, width) with an antialiased filter.

    Equal to Pillow's ``Image.resize``, by which the published programs made their inputs, but for one step of 255 here
    and there; several times as fast, since up to four planes at once take PyTorch's vector path.
    """
    if planes.shape[1:] == size:
        return planes.contiguous()
    if filter == "nearest":
        return F.interpolate(planes[None], size=size, mode="nearest-exact")[0]
    groups = [_interleaved(group) for group in planes.split(4)]
    return torch.cat([F.interpolate(group, size=size, mode=filter, antialias=True)[0] for group in groups])


def _interleaved(planes: Tensor) -> Tensor:
    """Planes [C, H, W] as [1, C, H, W] with the channels of a pixel side by side, which PyTorch resizes quickest."""
    if len(planes) == 1 or planes.stride(0) == 1:
        return planes[None]
    merged = cv2.merge([plane.numpy() for plane in planes])
    return torch.from_numpy(merged).permute(2, 0, 1)[None]


def random_affine(rng: np.random.Generator, *, strength: float, box: Box) -> np.ndarray:
    """Draw a small affine map of the frame about the middle of ``box``.

    Args:
        rng: where it comes from.
        strength: 1 stands for at most 8 degrees, 8 % of scale, 4 % of shear and shifts of 5 % of the box.
        box: the part of the frame that will be seen.

    Returns:
        The matrix [2, 3] from old to new pixel positions (x, y, 1).
    """
    angle, scale, shear_x, shear_y, shift_x, shift_y = strength * rng.uniform(-1, 1, size=6)
    angle = np.deg2rad(8 * angle)
    turn = (1 + 0.08 * scale) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[1, 0.04 * shear_x], [0.04 * shear_y, 1]])
    middle = np.array([(box.left + box.right - 1) / 2, (box.top + box.bottom - 1) / 2])
    shift = 0.05 * np.array([box.width * shift_x, box.height * shift_y])
    return np.column_stack((linear, middle - linear @ middle + shift))


def moved_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Where the affine ``matrix`` [2, 3] takes ``points`` [N, 2]."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def moved_frame(frame: np.ndarray, matrix: np.ndarray, *, filter: Literal["nearest", "bilinear"]) -> np.ndarray:
    """``frame`` [H, W, C] or [H, W] moved by the affine ``matrix`` [2, 3]; its border is repeated outwards."""
    height, width = frame.shape[:2]
    flags = cv2.INTER_NEAREST if filter == "nearest" else cv2.INTER_LINEAR
    return cv2.warpAffine(frame, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


@dataclass(frozen=True)
class View:
    """The geometric transform that all frames of a clip share: an affine map of the frame, then the placement."""

    size: tuple[int, int]
    """Height and width of the frames as they lie on disk."""
    placement: Placement
    matrix: np.ndarray | None = None
    """Affine map [2, 3] from old to new pixel positions (x, y, 1); None moves nothing."""

    def moved(self, frame: np.ndarray, *, filter: Literal["nearest", "bilinear"]) -> np.ndarray:
        """A frame [H, W, C] or [H, W] after the affine map alone."""
        return frame if self.matrix is None else moved_frame(frame, self.matrix, filter=filter)

    def of_points(self, points: np.ndarray) -> np.ndarray:
        """Positions [N, 2] (x, y) after the affine map alone, to draw at and place the drawing."""
        return points if self.matrix is None else moved_points(points, self.matrix)

    def of_frame(self, frame: np.ndarray, *, filter: Filter) -> Tensor:
        """Transform a frame, uint8 [H, W, C] or [H, W]; returns uint8 [C, height, width]."""
        moved = self.moved(frame, filter="nearest" if filter == "nearest" else "bilinear")
        return self.placement.of_frame(moved, filter=filter)


def enlarged_size(size: Sequence[int], factor: float) -> tuple[int, int]:
    """Height and width of a picture of ``size`` with ``factor`` times the sides."""
    height, width = (max(1, round(side * factor)) for side in size)
    return height, width


def enlarged(picture: np.ndarray, factor: float) -> np.ndarray:
    """``picture``, uint8 [H, W, 3], with ``factor`` times the sides, by a bicubic filter."""
    height, width = enlarged_size(picture.shape[:2], factor)
    if (height, width) == picture.shape[:2]:
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))
