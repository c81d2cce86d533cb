"""Semantic frames of a face, from 68 landmarks and the edges of the background.

One channel of edges, and one distance map for each of the 14 curves of a face (vid2vid's encoding of faces).
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from data.kinds.face_curves import canny_edges, curve_pixels, distance_map, is_tame, thick
from data.kinds.interface import Encoder, Frames
from data.layout import SequenceFiles
from data.storage.picture_files import ArrayCache, picture_size
from data.storage.shards import read_text
from data.transforms import Box, Placement, View, cut
from util.errors import UserError
from util.media.pictures import semantic_to_rgb

NUM_LANDMARKS = 68
_EYES, _MOUTH = slice(36, 48), slice(48, 68)
_FOREHEAD = range(NUM_LANDMARKS, NUM_LANDMARKS + 15)

# The curves of each part of the face, by landmark; the numbers from 68 on are the forehead of ``with_forehead``.
FACE_PARTS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((*range(17), *_FOREHEAD, 0),),
    (tuple(range(17, 22)),),
    (tuple(range(22, 27)),),
    ((28, 31), tuple(range(31, 36)), (35, 28)),
    ((36, 37, 38, 39), (39, 40, 41, 36)),
    ((42, 43, 44, 45), (45, 46, 47, 42)),
    (tuple(range(48, 55)), (54, 55, 56, 57, 58, 59, 48)),
    (tuple(range(60, 65)), (64, 65, 66, 67, 60)),
)
# face, brow, brow, nose, eye, eye, mouth, tongue
PART_LABELS = (1, 2, 2, 3, 4, 4, 5, 6)
FACE_CURVES = tuple(curve for part in FACE_PARTS for curve in part)
# In a mirror the left brow, side of the nose and eye are the right ones. The upper lid of either eye stays the upper.
_MIRRORED_CURVES = (0, 2, 1, 5, 4, 3, 8, 9, 6, 7, 10, 11, 12, 13)


def _pieces() -> tuple[np.ndarray, np.ndarray]:
    """The curves in pieces of three landmarks that share their ends, [S, 3], and the curve of each piece, [S].

    Two remaining landmarks make a line: the first counts twice.
    """
    pieces, owners = [], []
    for number, curve in enumerate(FACE_CURVES):
        for start in range(0, len(curve) - 1, 2):
            first, *middle, last = curve[start : start + 3]
            pieces.append((first, *(middle or (first,)), last))
            owners.append(number)
    return np.array(pieces), np.array(owners)


_PIECES, _PIECE_OWNERS = _pieces()

# Distances are stored as a third of them: 0..765 pixels in a byte.
PIXELS_PER_STEP = 3

# No camera sees farther; a number beyond it is no position in pixels.
_LARGEST_POSITION = 1e5
# A face fills its frame at most; wider ones come from broken landmarks, and cutting them out would fill the memory.
_LARGEST_SHARE, _LARGEST_WIDTH = 2, 4096


def read_landmarks(path: Path) -> np.ndarray:
    """The landmarks in ``path``: 68 lines ``x,y`` in pixels of the frame; float64 [68, 2].

    Raises:
        UserError: the file is missing, has another number of lines, or a line is not two positions in pixels.
    """
    try:
        lines = read_text(path).split("\n")
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: expected {NUM_LANDMARKS} lines x,y, found no file; make it with `python -m data.prepare face`"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected {NUM_LANDMARKS} lines x,y, but it cannot be read ({error})") from error
    lines = [line for line in lines if line.strip()]
    if len(lines) != NUM_LANDMARKS:
        raise UserError(f"{path}: expected {NUM_LANDMARKS} lines x,y, found {len(lines)}; make the file again")
    points = np.empty((NUM_LANDMARKS, 2))
    for number, line in enumerate(lines):
        try:
            points[number] = [float(value) for value in line.split(",")]
        except ValueError:
            points[number] = np.nan
        if not (np.abs(points[number]) <= _LARGEST_POSITION).all():  # also where they are no numbers
            raise UserError(
                f"{path}: expected x,y in line {number + 1}, found {line.strip()[:40]!r}; make the file again"
            )
    return points


def landmarks_as_text(points: np.ndarray) -> str:
    """The file that ``read_landmarks`` reads, to a hundredth of a pixel."""
    return "".join(f"{x:.2f},{y:.2f}\n" for x, y in points)


def with_forehead(points: np.ndarray) -> np.ndarray:
    """Add a forehead: the face's outline mirrored at the height of its ends, two thirds as tall; [68, 2] -> [83, 2].

    Its heights are whole pixels (published).
    """
    level = (points[0, 1] + points[16, 1]) / 2
    forehead = points[15:0:-1].copy()
    forehead[:, 1] = np.floor(level + (level - forehead[:, 1]) * 2 // 3)
    return np.concatenate((points, forehead))


def face_width(points: np.ndarray) -> float:
    """From the leftmost to the rightmost of ``points`` [68, 2], in pixels."""
    return float(np.ptp(points[:, 0]))


def face_box(points: np.ndarray, *, height: int, width: int, fits_frame: bool = True) -> Box:
    """The square that is cut out around a face: 2.5 times its width, pushed into the frame.

    Args:
        points: the landmarks [68, 2] of the first frame; the box stays for the whole clip or sequence.
        height: of the frame.
        width: of the frame.
        fits_frame: the square is at most as large as the frame. Published: it is not, so that close-ups get black bars.

    Raises:
        ValueError: the landmarks lie so close together, or so far apart, that there is no face.
    """
    left, top = points.min(axis=0)
    right, bottom = points.max(axis=0)
    if right - left > min(_LARGEST_SHARE * max(height, width), _LARGEST_WIDTH):
        raise ValueError(f"expected the landmarks of a face, found them {right - left:.0f} pixels apart")
    side = (right - left) * 2.5
    if fits_frame:
        side = min(side, height, width)
    half = side // 2
    if half < 1:
        raise ValueError(f"expected the landmarks of a face, found them all within {right - left:.1f} pixels")
    x = min(max(0, (left + right) // 2 - half) + side, width) - half
    y = min(max(0, (top * 3 + bottom) // 4 - half) + side, height) - half
    return Box(int(x - half), int(y - half), int(x + half), int(y + half))


def part_labels(points: np.ndarray, area: Box) -> np.ndarray:
    """Which part of the face covers each pixel of ``area``, uint8 [H, W]: 0 background, then ``PART_LABELS``."""
    points = with_forehead(points)
    labels = np.zeros((area.height, area.width), np.uint8)
    for curves, label in zip(FACE_PARTS, PART_LABELS, strict=True):
        outline = points[[number for curve in curves for number in curve]].astype(np.int32)
        cv2.fillPoly(labels, [outline - (area.left, area.top)], label)
    return labels


class FaceEncoder(Encoder):
    """Turns the landmarks of one frame into its semantic frame, [num_channels, H, W] in 0..1.

    Channel 0: the curves of the face, and the edges of the background where there is a picture to take them from.
    Channels 1..14: for each curve the distance to it, |dx| + |dy| in pixels of the original frame, 3 pixels a step of
    255, so that 0.1 means 76 pixels. Outside the frame all channels are 0 (published).
    """

    def __init__(self, *, with_canny_edges: bool = True, with_distance_maps: bool = True) -> None:
        """Choose the channels.

        Args:
            with_canny_edges: draw the edges of the background into channel 0 (off: ``--no_canny_edge``).
            with_distance_maps: append the 14 distance maps (off: ``--no_dist_map``).
        """
        self.with_canny_edges = with_canny_edges
        self.with_distance_maps = with_distance_maps

    @property
    def num_channels(self) -> int:
        """15, or 1 without distance maps."""
        return 1 + len(FACE_CURVES) if self.with_distance_maps else 1

    def background(self, picture: np.ndarray) -> np.ndarray:
        """Canny's edges of a whole frame, 0 or 255, for ``encode``; they depend on no crop and can be kept.

        Args:
            picture: the frame, uint8 [H, W, 3].

        Returns:
            uint8 [H, W]; all 0 where this encoder draws no such edges.
        """
        if not self.with_canny_edges:
            return np.zeros(picture.shape[:2], np.uint8)
        grey = np.asarray(Image.fromarray(picture).convert("L"))
        return canny_edges(grey).view(np.uint8) * np.uint8(255)

    def encode(
        self, points: np.ndarray, *, placement: Placement, size: tuple[int, int], background: np.ndarray | None
    ) -> Tensor:
        """Draw one frame in its own pixels, then cut and resize it as ``placement`` says.

        A mirrored placement also swaps the maps of left and right curves: a mirrored face looks like one whose
        landmarks were found in the mirror. (The published programs flipped without the swap.)

        Args:
            points: [68, 2] (x, y).
            placement: the transform of the clip.
            size: height and width of the frame.
            background: edges of the frame, uint8 [H, W], of which those outside the face are drawn; None: no picture.

        Returns:
            float32 [num_channels, *placement.size] in 0..1.
        """
        height, width = size
        box = placement.box
        area = box.within(height=height, width=width)
        curves = _drawn_curves(with_forehead(points), height=height, width=width)
        # nothing is drawn outside the frame
        fresh = np.empty if area == box else np.zeros
        planes = fresh((self.num_channels, box.height, box.width), np.uint8)
        planes[0] = 0
        inside = planes[:, area.top - box.top : area.bottom - box.top, area.left - box.left : area.right - box.left]
        if background is not None:
            inside[0] = cut(background, area) * (part_labels(points, area) == 0)
        _set(inside[0], np.concatenate(curves) - (area.left, area.top), 255)
        if self.with_distance_maps:
            distance = np.empty((area.height, area.width), np.int16)
            for plane, curve in zip(inside[1:], curves, strict=True):
                if len(curve):
                    _in_steps(distance_map(curve, area, out=distance), out=plane)
                else:
                    plane[:] = 255
            if placement.is_mirrored:
                planes[1:] = planes[1:][list(_MIRRORED_CURVES)]
        return placement.of_cut(torch.from_numpy(planes), filter="bilinear").float().div_(255)

    def face(self, semantic: Tensor) -> Tensor | None:
        """The curves of the face: where a distance is 0, or the edges where those of the background are left out."""
        if self.with_distance_maps:
            return semantic[..., 1:, :, :].amin(dim=-3, keepdim=True) < 1 / 255
        return None if self.with_canny_edges else semantic[..., :1, :, :] > 0

    def picture(self, semantic: Tensor) -> np.ndarray:
        """Edges in white over a glow around each curve, uint8 [H, W, 3]."""
        return semantic_to_rgb(semantic)


class FaceFrames(Frames):
    """The frames of one face video: landmarks, and pictures where there is a real video."""

    def __init__(self, files: SequenceFiles, *, cache: ArrayCache, encoder: FaceEncoder) -> None:
        """Args: where the frames lie, what keeps those that were read, and how landmarks are drawn."""
        super().__init__(files, cache=cache)
        self.encoder = encoder

    def points(self, index: int) -> np.ndarray:
        """The landmarks of frame ``index``, float64 [68, 2], (x, y)."""
        path = self.files.leading[index]
        return self.cache.get(path, lambda: read_landmarks(path))

    def semantic(self, index: int, *, view: View, rng: np.random.Generator | None) -> Tensor:
        """The semantic frame ``index``, float32 [C, H, W] in 0..1.

        Without pictures the edges of the background are missing from it.
        """
        points, background = view.of_points(self.points(index)), self.background(index, size=view.size)
        if background is not None:
            # moved like the picture, not found in it again: Canny takes half as long as all the rest
            background = view.moved(background, filter="nearest")
        return self.encoder.encode(points, placement=view.placement, size=view.size, background=background)

    def background(self, index: int, *, size: tuple[int, int]) -> np.ndarray | None:
        """The edges of frame ``index``, uint8 [H, W]; None where the encoder draws none, or without a real video."""
        if not self.encoder.with_canny_edges:
            return None
        picture = self.picture(index, size=size)
        if picture is None:
            return None
        return self.cache.get((self.files.images[index], "edges"), lambda: self.encoder.background(picture))

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of frame ``index``.

        Without pictures it is what ``video.json`` says, else a frame just large enough for the face's surroundings.
        """
        if self.files.images:
            return picture_size(self.files.images[index])
        if self.files.metadata.size is not None:
            return self.files.metadata.size
        box = self._box(index, height=2**20, width=2**20)
        return box.bottom, box.right

    def subject_width(self, index: int) -> float:
        """The width of the face in frame ``index``: curves and edges are drawn in the frame's own pixels."""
        return face_width(self.points(index))

    def check(self, part: str, index: int, *, size: tuple[int, int]) -> str | None:
        """See ``Frames.check``; landmarks outside the frame, and faces that lie or hang, are suspicious."""
        if part != "keypoints":
            return super().check(part, index, size=size)
        height, width = size
        self._box(index, height=height, width=width)
        x, y = self.points(index).T
        num_outside = int(((x < 0) | (y < 0) | (x >= width) | (y >= height)).sum())
        if num_outside:
            return f"{num_outside} of {NUM_LANDMARKS} landmarks lie outside the frame"
        x, y = self.points(index)[_MOUTH].mean(axis=0) - self.points(index)[_EYES].mean(axis=0)
        return None if y > abs(x) else "the mouth is not below the eyes; are its lines x,y, with y from the top?"

    def box(self, index: int) -> Box:
        """The surroundings of the face in frame ``index``."""
        height, width = self.size(index)
        return self._box(index, height=height, width=width)

    def _box(self, index: int, *, height: int, width: int) -> Box:
        try:
            return face_box(self.points(index), height=height, width=width)
        except ValueError as error:
            raise UserError(f"{self.files.leading[index]}: {error}; make the file again") from error


def _drawn_curves(points: np.ndarray, *, height: int, width: int) -> list[np.ndarray]:
    """The pixels (x, y) of each of the ``FACE_CURVES`` through the 83 ``points``: 14 arrays int [N, 2]."""
    pieces, owners = _tamed(points[_PIECES], _PIECE_OWNERS)
    pixels, piece = curve_pixels(pieces)
    # the pieces of a curve follow each other
    ends = np.searchsorted(owners[piece], np.arange(1, len(FACE_CURVES)))
    return [part.reshape(-1, 2) for part in np.split(thick(pixels, height=height, width=width), ends)]


def _tamed(pieces: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pieces [S, 3, 2] whose parabola would swing out, or not be drawn at all, become two straight lines.

    The published programs drew them as they are: rings around wide-open mouths, gaps in closed eyes.
    """
    is_wild = ~is_tame(pieces)
    if not is_wild.any():
        return pieces, owners
    wild = pieces[is_wild]
    pieces = np.concatenate((pieces[~is_wild], wild[:, [0, 0, 1]], wild[:, [1, 1, 2]]))
    owners = np.concatenate((owners[~is_wild], owners[is_wild], owners[is_wild]))
    order = np.argsort(owners, kind="stable")
    return pieces[order], owners[order]


def _set(plane: np.ndarray, pixels: np.ndarray, value: int) -> None:
    """Set ``pixels`` (x, y) of ``plane`` [H, W] to ``value``, as far as they are in it."""
    height, width = plane.shape
    x, y = pixels.T
    is_in = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    plane[y[is_in], x[is_in]] = value


def _in_steps(distance: np.ndarray, *, out: np.ndarray) -> None:
    """Distances in bytes, to ``out``: whole steps of ``PIXELS_PER_STEP``, 255 at most."""
    # rounding a third off makes it a floor, as whole pixels have no other remainders than 0, 1 and 2
    cv2.convertScaleAbs(distance, dst=out, alpha=1 / PIXELS_PER_STEP, beta=-1 / PIXELS_PER_STEP)
