"""The drawing of a person from OpenPose's points, as the published programs drew it.

What a stroke does to the pixels below it was derived from golden drawings and agrees with them to the pixel; ``_line``
says where not.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from data.kinds.openpose import FACE, LEFT_HAND, RIGHT_HAND, is_seen

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
