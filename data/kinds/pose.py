"""How do an OpenPose file and a DensePose picture become the semantic frame of a body?

Three channels of DensePose and three of OpenPose's skeleton, drawn as the published programs drew it. What a stroke
does to the pixels below it was derived from golden drawings, and agrees with them to the pixel; ``_line`` says where
not.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from data.kinds.base import Encoder, Frames, of_size, signed
from data.kinds.openpose import FACE, LEFT_HAND, NUM_POINTS, RIGHT_HAND, is_seen, most_prominent, read_people
from data.layout import PICTURE_SUFFIXES, Part, Problems, SequenceFiles, find_sequences, real_video
from data.storage.picture_files import ArrayCache, picture_size, read_picture
from data.transforms import View
from util.errors import UserError
from util.media.pictures import semantic_to_rgb

# DensePose numbers 24 parts of the body; the last two are the halves of the head.
NUM_DENSE_PARTS = 24
DENSE_HEAD = (23, 24)

# The limbs of BODY_25 and their colours in the order in which they are drawn. The first four are the head's.
_LIMBS: tuple[tuple[int, int, tuple[int, int, int]], ...] = (
    (17, 15, (153, 0, 153)),
    (15, 0, (153, 0, 102)),
    (0, 16, (102, 0, 153)),
    (16, 18, (51, 0, 153)),
    (0, 1, (153, 0, 51)),
    (1, 8, (153, 0, 0)),
    (1, 2, (153, 51, 0)),
    (2, 3, (153, 102, 0)),
    (3, 4, (153, 153, 0)),
    (1, 5, (102, 153, 0)),
    (5, 6, (51, 153, 0)),
    (6, 7, (0, 153, 0)),
    (8, 9, (0, 153, 51)),
    (9, 10, (0, 153, 102)),
    (10, 11, (0, 153, 153)),
    (11, 24, (0, 153, 153)),
    (11, 22, (0, 153, 153)),
    (22, 23, (0, 153, 153)),
    (8, 12, (0, 102, 153)),
    (12, 13, (0, 51, 153)),
    (13, 14, (0, 0, 153)),
    (14, 21, (0, 0, 153)),
    (14, 19, (0, 0, 153)),
    (19, 20, (0, 0, 153)),
)
_HEAD_LIMBS = range(4)
_HEAD_POINTS = [0, 15, 16, 17, 18]
_FINGERS = (((0, 1, 2, 3, 4), (204, 0, 0)), ((0, 5, 6, 7, 8), (163, 204, 0)), ((0, 9, 10, 11, 12), (0, 204, 82)),
            ((0, 13, 14, 15, 16), (0, 82, 204)), ((0, 17, 18, 19, 20), (163, 0, 204)))  # fmt: skip
# Brows, nose, its wings, eyes, lips: the outline of the face and its pupils are not drawn.
_FACE_CURVES = (range(17, 22), range(22, 27), range(27, 31), range(31, 36), (*range(36, 42), 36), (*range(42, 48), 42),
                (*range(48, 60), 48))  # fmt: skip
_LIMB_RADIUS, _FINE_RADIUS = 3, 1
# More than a stroke has: 36 places of its brush and 112 of its discs.
_MAX_STEPS = 256


class Stroke(NamedTuple):
    """A straight line of the drawing."""

    start: int
    end: int
    """Points of a person."""
    colour: tuple[int, int, int]
    radius: int
    part: int
    """What is dropped as one: 0..23 the limbs, 24 and 25 the hands, 26 the face."""


def _strokes() -> tuple[Stroke, ...]:
    """Everything that is drawn, in order."""
    strokes = [Stroke(*limb, _LIMB_RADIUS, number) for number, limb in enumerate(_LIMBS)]
    for part, hand in enumerate((LEFT_HAND, RIGHT_HAND), len(_LIMBS)):
        for finger, colour in _FINGERS:
            for start, end in zip(finger, finger[1:], strict=False):
                strokes.append(Stroke(hand.start + start, hand.start + end, colour, _FINE_RADIUS, part))
    for curve in _FACE_CURVES:
        for start, end in zip(curve, curve[1:], strict=False):
            strokes.append(Stroke(FACE.start + start, FACE.start + end, (255, 255, 255), _FINE_RADIUS, len(_LIMBS) + 2))
    return tuple(strokes)


STROKES = _strokes()
NUM_DRAWN_PARTS = len(_LIMBS) + 3
BASIC_PARTS = np.array([part >= len(_HEAD_LIMBS) and part < len(_LIMBS) for part in range(NUM_DRAWN_PARTS)])
"""What ``--basic_point_only`` leaves: limbs and feet, without head, hands and face."""


def draw_person(person: np.ndarray, *, size: tuple[int, int], is_kept: np.ndarray | None = None) -> np.ndarray:
    """Draw the skeleton, the hands and the face of a person.

    A stroke is a line under a square brush with a disc at either end. Where it meets what is drawn already, the two
    colours are mixed, place by place of the brush, so that the last strokes shine through the least.

    Args:
        person: [137, 3], see ``data.kinds.openpose``; points that were not seen take their strokes with them.
        size: height and width of the drawing.
        is_kept: bool [27], which parts (``Stroke.part``) are drawn; None is all.

    Returns:
        uint8 [H, W, 3]; what lies outside is drawn on the border (published).
    """
    height, width = size
    canvas = np.zeros((height * width, 3), np.uint8)
    seen = is_seen(person)
    for stroke in STROKES:
        if seen[stroke.start] and seen[stroke.end] and (is_kept is None or is_kept[stroke.part]):
            line = _line(person[stroke.start, :2], person[stroke.end, :2])
            if len(line):
                _mix(canvas, _touches(line, radius=stroke.radius, height=height, width=width), stroke.colour)
    return canvas.reshape(height, width, 3)


def _line(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The pixels (x, y) of a line, int [N, 2]; as published, one for each whole pixel of its extent.

    Published was a numeric fit, which lets a point on a whole pixel fall to the one before as SciPy's release has it;
    here it stays.
    """
    is_upright = abs(end[1] - start[1]) > abs(end[0] - start[0])
    (low, low_value), (high, high_value) = sorted(tuple(point[::-1] if is_upright else point) for point in (start, end))
    if high - low < 1:
        return np.empty((0, 2), np.int64)
    at = np.linspace(int(low), int(high), int(high - low))
    value = low_value + (high_value - low_value) / (high - low) * (at - low)
    # whole numbers must not fall to the pixel below for want of the last bit
    pixels = np.floor(np.stack((at, value), axis=1) + 1e-6).astype(np.int64)
    return pixels[:, ::-1] if is_upright else pixels


def _touches(line: np.ndarray, *, radius: int, height: int, width: int) -> np.ndarray:
    """Which pixel (numbered along the rows) is touched at which step, int [M, 2], by pixel, then step, none twice.

    A step is one place of the brush along the whole line, or one of the disc at both ends.
    """
    brush, disc = _brushes(radius)
    x, y = line.T
    ends = [0, -1]
    column = np.concatenate([(x + brush[:, :1]).ravel(), (x[ends] + disc[:, :1]).ravel()])
    row = np.concatenate([(y + brush[:, 1:]).ravel(), (y[ends] + disc[:, 1:]).ravel()])
    step = np.repeat(np.arange(len(brush) + len(disc)), [len(line)] * len(brush) + [2] * len(disc))
    pixel = np.minimum(np.maximum(row, 0), height - 1) * width + np.minimum(np.maximum(column, 0), width - 1)
    # sorted as one number each, which is several times as fast as by rows
    touches = np.sort(pixel * _MAX_STEPS + step)
    is_new = np.append(True, touches[1:] != touches[:-1])
    return np.stack(np.divmod(touches[is_new], _MAX_STEPS), axis=1)


@cache
def _brushes(radius: int) -> tuple[np.ndarray, np.ndarray]:
    """The places (x, y) of the square brush, and of the disc of twice its size, row by row."""

    def offsets(reach: int) -> np.ndarray:
        y, x = np.mgrid[-reach:reach, -reach:reach]
        return np.stack((x.ravel(), y.ravel()), axis=1)

    wide = offsets(2 * radius)
    return offsets(radius), wide[(wide**2).sum(axis=1) < 4 * radius**2]


def _mix(canvas: np.ndarray, touches: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Lay ``colour`` on the pixels of ``canvas``, uint8 [H * W, 3], step by step as ``_touches`` says.

    The published rule: a step that meets nothing but black sets the colour; any other step takes the mean of the colour
    and what is there, rounded down, on all of its pixels, black ones too.
    """
    pixels, steps = touches.T
    starts = np.flatnonzero(np.append(True, pixels[1:] != pixels[:-1]))
    num_touches = np.diff(starts, append=len(pixels))
    pixel, first_step = pixels[starts], steps[starts]
    old = canvas[pixel].astype(np.int32)
    # the step at which a pixel is not black any more, -1 for those that were coloured before
    coloured_at = np.where(old.any(axis=1), -1, first_step)
    is_fresh = np.ones(_MAX_STEPS, np.bool_)
    is_fresh[steps[np.repeat(coloured_at, num_touches) < steps]] = False
    is_set = is_fresh[first_step]
    paint = np.array(colour, np.int32)
    value = np.where(is_set[:, None], paint, old)
    num_means = num_touches - is_set
    # eight halvings bring any byte as near as rounding lets it come
    for mean in range(min(8, num_means.max())):
        value = np.where((num_means > mean)[:, None], (value + paint) >> 1, value)
    canvas[pixel] = value


class PoseEncoder(Encoder):
    """DensePose's U, V and part index, and the drawing of OpenPose's points, all in [-1, 1]; either may be left out.

    The frame's planes are bytes: the two pictures as they are, the part index as 0..24.
    """

    def __init__(
        self,
        *,
        with_densepose: bool = True,
        with_openpose: bool = True,
        drop_probability: float = 0.05,
        remove_face_labels: bool = False,
        basic_points_only: bool = False,
    ) -> None:
        """Choose the channels.

        Args:
            with_densepose: the first three channels.
            with_openpose: the last three.
            drop_probability: in training, the chance of each part of a frame to be left out; drawn for each frame, as
                a detector fails frame by frame.
            remove_face_labels: in training, leave the head out of DensePose and shake OpenPose's head a little, so that
                the generator does not trust a face that is too small to be found well.
            basic_points_only: leave out head, hands and face.

        Raises:
            ValueError: both are left out.
        """
        if not (with_densepose or with_openpose):
            raise ValueError("expected DensePose, OpenPose or both, got neither")
        self.with_densepose = with_densepose
        self.with_openpose = with_openpose
        self.drop_probability = drop_probability
        self.remove_face_labels = remove_face_labels
        self.basic_points_only = basic_points_only

    @property
    def num_channels(self) -> int:
        """6, or 3 where one of the two is left out."""
        return 3 * (self.with_densepose + self.with_openpose)

    def finish(self, planes: Tensor) -> Tensor:
        """Bytes [..., C, H, W] in [-1, 1]; the part index, 0..24, is spread over the full range."""
        semantic = signed(planes)
        if self.with_densepose:
            semantic[..., 2, :, :] = planes[..., 2, :, :].float() * (2 / NUM_DENSE_PARTS) - 1
        return semantic

    def face(self, semantic: Tensor) -> Tensor | None:
        """DensePose's head, else the white strokes of OpenPose's face: [..., 1, H, W]."""
        if self.with_densepose:
            return semantic[..., 2:3, :, :] > 2 * (DENSE_HEAD[0] - 0.5) / NUM_DENSE_PARTS - 1
        return semantic.amin(dim=-3, keepdim=True) > 0.5

    def picture(self, semantic: Tensor) -> np.ndarray:
        """The skeleton over the dimmed DensePose picture, uint8 [H, W, 3]."""
        return semantic_to_rgb(semantic)

    def draw(self, person: np.ndarray | None, *, size: tuple[int, int], rng: np.random.Generator | None) -> np.ndarray:
        """The drawing of a person [137, 3] (black for None), uint8 [H, W, 3]; with ``rng`` parts are dropped."""
        if person is None:
            return np.zeros((*size, 3), np.uint8)
        is_kept = BASIC_PARTS.copy() if self.basic_points_only else np.ones(NUM_DRAWN_PARTS, np.bool_)
        if rng is not None and self.drop_probability > 0:
            if self.remove_face_labels:
                person = shaken(person, heads=rng.standard_normal((5, 2)), face=rng.standard_normal(2))
            is_kept &= rng.random(NUM_DRAWN_PARTS) >= self.drop_probability
        return draw_person(person, size=size, is_kept=is_kept)

    def thinned(self, densepose: np.ndarray, *, rng: np.random.Generator | None) -> np.ndarray:
        """A DensePose picture, uint8 [H, W, 3], without the parts that ``rng`` drops."""
        if rng is None:
            return densepose
        is_dropped = rng.random(NUM_DENSE_PARTS + 1) < self.drop_probability
        is_dropped[0] = False
        if self.remove_face_labels:
            is_dropped[list(DENSE_HEAD)] = True
        return np.where(is_dropped[densepose[..., 2]][..., None], np.uint8(0), densepose)


def shaken(person: np.ndarray, *, heads: np.ndarray, face: np.ndarray) -> np.ndarray:
    """A person [137, 3] whose head points are moved by 5 ``heads`` [5, 2] and whose whole face by 2 ``face`` [2]."""
    person = person.copy()
    person[_HEAD_POINTS, :2] += 5 * heads
    person[FACE, :2] += 2 * face
    return person


class PoseFrames(Frames):
    """The frames of one video of a body: OpenPose files, DensePose pictures, real pictures, as far as there are any.

    Of several people the most prominent one is drawn (``data.kinds.openpose.most_prominent``). A frame in which nobody was
    found is drawn black, as published; the first such frame of a sequence is named on the screen. ``data.prepare pose``
    follows one person through a video and fills such gaps.
    """

    def __init__(self, files: SequenceFiles, *, cache: ArrayCache, encoder: PoseEncoder) -> None:
        """Args: where the frames lie, what keeps those that were read, and how they are drawn."""
        super().__init__(files, cache=cache)
        self.encoder = encoder
        self._has_told_of_gap = False

    def semantic(self, index: int, *, view: View, rng: np.random.Generator | None) -> Tensor:
        """The bytes of frame ``index``, uint8 [num_channels, H, W], resized without mixing colours (published)."""
        planes = []
        if self.encoder.with_densepose:
            densepose = self.encoder.thinned(self.densepose(index, size=view.size), rng=rng)
            planes.append(view.of_frame(densepose, filter="nearest"))
        if self.encoder.with_openpose:
            person = self.person(index)
            if person is not None:
                person = np.column_stack((view.of_points(person[:, :2]), person[:, 2]))
            drawing = self.encoder.draw(person, size=view.size, rng=rng)
            planes.append(view.placement.of_frame(drawing, filter="nearest"))
        return torch.cat(planes)

    def person(self, index: int) -> np.ndarray | None:
        """The person of frame ``index``, float64 [137, 3]; None where nobody was found."""
        path = self.files.parts["openpose"][index]

        def read() -> np.ndarray:
            person = most_prominent(read_people(path))
            return np.empty((0, 3)) if person is None else person

        person = self.cache.get(path, read)
        if len(person) == NUM_POINTS:
            return person
        if not self._has_told_of_gap:
            self._has_told_of_gap = True
            print(f"{path}: nobody was found, drawn black; `python -m data.prepare pose` fills such gaps")
        return None

    def check(self, part: str, index: int, *, size: tuple[int, int]) -> str | None:
        """See ``Frames.check``; frames without anybody are suspicious."""
        if part == "openpose":
            person = most_prominent(read_people(self.files.parts[part][index]))
            return "nobody was found" if person is None else None
        if part == "densepose":
            return None if self.densepose(index, size=size)[..., 2].any() else "DensePose found nobody"
        return super().check(part, index, size=size)

    def densepose(self, index: int, *, size: tuple[int, int]) -> np.ndarray:
        """DensePose's picture of frame ``index``: U, V and part index 0..24, uint8 [H, W, 3].

        Raises:
            UserError: it is broken, of another size than ``size``, or its third channel is no part index.
        """
        path = self.files.parts["densepose"][index]

        def read() -> np.ndarray:
            picture = read_picture(path)
            if picture[..., 2].max() > NUM_DENSE_PARTS:
                raise UserError(
                    f"{path}: expected DensePose's IUV, whose blue channel is a part of 0 to {NUM_DENSE_PARTS}, found "
                    f"{picture[..., 2].max()} in it; write it without scaling or colouring"
                )
            return picture

        return of_size(self.cache.get(path, read), size, path=path)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of frame ``index``: of its picture, its DensePose picture, or as ``video.json`` says.

        Raises:
            UserError: none of the three is there.
        """
        for pictures in (self.files.images, self.files.parts.get("densepose", [])):
            if pictures:
                return picture_size(pictures[index])
        if self.files.metadata.size is None:
            path = self.files.leading[index]
            raise UserError(
                f"{path}: expected a frame size, found OpenPose files alone; put a video.json beside them: "
                '{"frames_per_second": 25, "height": 512, "width": 896}'
            )
        return self.files.metadata.size


def pose_files(
    root: Path,
    *,
    phase: str,
    needs_images: bool,
    with_densepose: bool = True,
    with_openpose: bool = True,
    problems: Problems | None = None,
) -> list[SequenceFiles]:
    """The sequences of ``<phase>_openpose/<sequence>/*.json``, their ``<phase>_densepose`` and ``<phase>_img``.

    Args:
        root: the dataset's folder.
        phase: ``train``, ``test`` or what the folders' names begin with.
        needs_images: whether a sequence without any picture is an error (training) or fine (testing).
        with_densepose: whether DensePose pictures are read; else their folder is not looked at.
        with_openpose: the same for OpenPose files.
        problems: see ``data.layout.find_sequences``.

    Raises:
        UserError: see ``data.layout.find_sequences``.
    """
    parts = []
    if with_openpose:
        remedy = "make them with OpenPose (--write_json) and `python -m data.prepare pose`"
        openpose = root / f"{phase}_openpose"
        parts.append(Part("openpose", openpose, (".json",), "OpenPose files", remedy, stem=frame_of))
    if with_densepose:
        remedy = "make them with DensePose, or choose --openpose_only"
        parts.append(Part("densepose", root / f"{phase}_densepose", PICTURE_SUFFIXES, "DensePose pictures", remedy,
                          stem=frame_of))  # fmt: skip
    parts.append(real_video(root / f"{phase}_img", is_needed=needs_images))
    return find_sequences(parts, problems=problems)


def frame_of(path: Path) -> str:
    """The name of a file's frame: OpenPose and DensePose append what they are."""
    return path.stem.removesuffix("_keypoints").removesuffix("_IUV")
