"""Curves through landmarks, distances to them, and the edges of a picture.

The rules are the published ones, so that old checkpoints see what they were trained on; the algorithms are closed
forms.
"""

from typing import NamedTuple

import cv2
import numpy as np

from data.transforms import Box

# Canny as scikit-image does it by default: a Gaussian of 1 pixel, and thresholds on the gradient of a 0..1 picture.
_GAUSSIAN = np.exp(-0.5 * np.arange(-4, 5, dtype=np.float64) ** 2)
_GAUSSIAN /= _GAUSSIAN.sum()
WEAK_EDGE, STRONG_EDGE = np.float32(0.1), np.float32(0.2)

STEEPEST_PARABOLA = 1.0


class _Curves(NamedTuple):
    """S curves as functions of x, or of y where their points are farther apart in y; arrays [S] or [S, 3].

    value = offset + slope * (t - t0) + bend * (t - t0) * (t - t1): Newton's divided differences.
    """

    is_upright: np.ndarray
    along: np.ndarray
    across: np.ndarray
    offset: np.ndarray
    slope: np.ndarray
    bend: np.ndarray


def curve_pixels(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pixels on S short curves: a line through 2 points, or a parabola through 3.

    As published, a parabola that is steeper than x^2 is not drawn, nor is a curve that ends where it began.

    Args:
        points: [S, 2, 2] or [S, 3, 2]; curve, point, (x, y). Of three points the first two may be the same: a line.

    Returns:
        The pixels (x, y) of all curves, int [N, 2], and the curve that each belongs to, int [N], ascending.
    """
    if points.shape[1] == 2:
        points = points[:, [0, 0, 1]]
    is_upright, along, across, offset, slope, bend = _fitted(points)
    length = np.abs(along[:, 2] - along[:, 0]).astype(np.int64)
    length[np.abs(bend) > STEEPEST_PARABOLA] = 0
    curve = np.repeat(np.arange(len(points)), length)
    step = np.arange(len(curve)) - np.repeat(np.cumsum(length) - length, length)
    # both ends belong to the curve: as many pixels as steps, spread a little
    share = step / np.maximum(length[curve] - 1, 1)
    low, high = np.minimum(along[:, 0], along[:, 2])[curve], np.maximum(along[:, 0], along[:, 2])[curve]
    at = low + (high - low) * share
    from_start = at - along[curve, 0]
    value = offset[curve] + slope[curve] * from_start + bend[curve] * from_start * (at - along[curve, 1])
    # whole numbers must not fall to the pixel below for want of the last bit
    pixels = np.floor(np.stack((at, value), axis=1) + 1e-6).astype(np.int64)
    return np.where(is_upright[curve, None], pixels[:, ::-1], pixels), curve


def is_tame(points: np.ndarray) -> np.ndarray:
    """Whether the parabolas through ``points`` [S, 3, 2] are drawn, and stay near their points; bool [S].

    Three points around a corner can make one that swings far out. 2 pixels and a sixteenth of the curve's extent are
    near.
    """
    _, along, across, offset, slope, bend = _fitted(points)
    extent = np.ptp(points, axis=1).max(axis=1)
    is_bent = bend != 0
    start, middle, end = along.T
    summit = (start + middle) / 2 - slope / np.where(is_bent, 2 * bend, 1)
    height = offset + slope * (summit - start) + bend * (summit - start) * (summit - middle)
    is_between = is_bent & (summit > np.minimum(start, end)) & (summit < np.maximum(start, end))
    excess = np.maximum(height - across.max(axis=1), across.min(axis=1) - height)
    swings_out = is_between & (excess > 2 + extent / 16)
    return ~swings_out & (np.abs(bend) <= STEEPEST_PARABOLA) & (np.abs(end - start) >= 1)


def _fitted(points: np.ndarray) -> _Curves:
    """The parabolas through ``points`` [S, 3, 2].

    Where the middle point lies just above or below an end, no function of x meets all three: a straight line.
    """
    steps = np.abs(np.diff(points, axis=1)).max(axis=1)
    is_upright = steps[:, 0] < steps[:, 1]
    along = np.where(is_upright[:, None], points[..., 1], points[..., 0])
    across = np.where(is_upright[:, None], points[..., 0], points[..., 1])
    first, second, whole = along[:, 1] - along[:, 0], along[:, 2] - along[:, 1], along[:, 2] - along[:, 0]
    is_function = (first != 0) & (second != 0) & (whole != 0)
    first, second, whole = (np.where(step == 0, 1, step) for step in (first, second, whole))
    straight = (across[:, 2] - across[:, 0]) / whole
    slope = np.where(is_function, (across[:, 1] - across[:, 0]) / first, straight)
    bend = np.where(is_function, ((across[:, 2] - across[:, 1]) / second - slope) / whole, 0)
    return _Curves(is_upright, along, across, across[:, 0], slope, bend)


def thick(pixels: np.ndarray, *, height: int, width: int, radius: int = 1) -> np.ndarray:
    """``pixels`` [N, 2] (x, y) drawn with a square brush from -``radius`` to ``radius`` - 1: int [N, 4 radius^2, 2].

    What falls outside the frame is drawn on its border (as published), so that no curve vanishes altogether.
    """
    reach = np.arange(-radius, radius)
    brush = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
    return np.clip(pixels[:, None] + brush, 0, (width - 1, height - 1))


def distance_map(pixels: np.ndarray, box: Box, *, out: np.ndarray | None = None) -> np.ndarray:
    """Distance in pixels from each place in ``box`` to the nearest of ``pixels``, |dx| + |dy|: int16 [H, W].

    Args:
        pixels: [N, 2] (x, y), N > 0; they may lie outside the box.
        box: where the distance is wanted.
        out: where to write it; fresh memory for each of many maps takes longer than the arithmetic.
    """
    left, top, width, height = cv2.boundingRect(pixels.astype(np.int32))
    core = np.ones((height, width), np.uint8)
    core[pixels[:, 1] - top, pixels[:, 0] - left] = 0
    near = cv2.distanceTransform(core, cv2.DIST_L1, 3).astype(np.int16)
    # beyond the curve's own rectangle the distance grows by one with each pixel: exact, and far cheaper
    columns, inside, steps = _nearest_places(box.left - left, box.width, size=width)
    padding = inside.start, box.width - inside.stop
    beside = cv2.copyMakeBorder(near[:, columns], 0, 0, *padding, cv2.BORDER_REPLICATE) + steps
    rows, inside, steps = _nearest_places(box.top - top, box.height, size=height)
    beside, steps = beside[rows], steps[:, None]
    distance = np.empty((box.height, box.width), np.int16) if out is None else out
    above, below = slice(None, inside.start), slice(inside.stop, None)
    for part, source in ((above, beside[0]), (inside, beside), (below, beside[-1])):
        np.add(source, steps[part], out=distance[part])
    return distance


def _nearest_places(start: int, length: int, *, size: int) -> tuple[slice, slice, np.ndarray]:
    """The places of a row of ``size`` that are nearest to those from ``start`` to ``start + length``.

    Returns:
        These places; where they stand in the ``length``, before and after which the first and the last are repeated;
        and how far each of the ``length`` is from its nearest, int16.
    """
    places = np.arange(start, start + length, dtype=np.int16)
    nearest = np.minimum(np.maximum(places, 0), size - 1)
    first, last = int(nearest[0]), int(nearest[-1])
    # a row that lies wholly before or behind has a single nearest place
    before = min(max(first - start, 0), length - 1)
    return slice(first, last + 1), slice(before, before + last + 1 - first), np.abs(places - nearest)


def canny_edges(grey: np.ndarray) -> np.ndarray:
    """Canny's edges of a grey picture, equal to scikit-image's ``feature.canny`` with its defaults, 4 times as fast.

    Args:
        grey: uint8 [H, W].

    Returns:
        bool [H, W].
    """
    height, width = grey.shape
    across, along, strength = _gradient(grey)
    # only weak edges off the border are worth a look: a list of places instead of pictures from here on
    candidate = strength >= WEAK_EDGE
    candidate[[0, -1]] = False
    candidate[:, [0, -1]] = False
    place = np.flatnonzero(candidate)
    place = place[_is_ridge(across.ravel()[place], along.ravel()[place], strength.ravel(), place, width)]

    weak = np.zeros(height * width, np.uint8)
    weak[place] = 1
    num_labels, labels = cv2.connectedComponents(weak.reshape(height, width), connectivity=8)
    label = labels.ravel()[place]
    is_strong = np.zeros(num_labels, np.bool_)
    is_strong[label[strength.ravel()[place] >= STRONG_EDGE]] = True
    edges = np.zeros(height * width, np.bool_)
    edges[place[is_strong[label]]] = True
    return edges.reshape(height, width)


def _gradient(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sobel's gradient (x, y) of the smoothed picture in 0..1, and its length; float32 [H, W] each."""
    kernel = _GAUSSIAN.astype(np.float32)
    smooth = cv2.sepFilter2D(grey.astype(np.float32) / 255, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    # near the border a part of the Gaussian sees nothing: weigh by what it does see
    seen = [np.convolve(np.ones(side), _GAUSSIAN)[4:-4].astype(np.float32) for side in grey.shape]
    smooth = smooth / (seen[0][:, None] * seen[1])
    across = cv2.Sobel(smooth, -1, 1, 0, borderType=cv2.BORDER_REFLECT)
    along = cv2.Sobel(smooth, -1, 0, 1, borderType=cv2.BORDER_REFLECT)
    return across, along, cv2.magnitude(across, along)


def _is_ridge(x: np.ndarray, y: np.ndarray, strength: np.ndarray, place: np.ndarray, width: int) -> np.ndarray:
    """Whether no gradient up or down the slope is stronger, between the two neighbours that it points between.

    Args:
        x: the gradient at each place, to the right.
        y: the gradient at each place, downwards.
        strength: the gradient's length, of the flattened picture.
        place: indices into ``strength``.
        width: of the picture.
    """
    x_size, y_size = np.abs(x), np.abs(y)
    is_steep = y_size > x_size
    share = np.minimum(x_size, y_size) / np.maximum(x_size, y_size)
    kind = is_steep * np.uint8(2) + (x * y >= 0)
    # flat or steep, rising or falling to the right
    straight = np.array((1, 1, width, width)).take(kind)
    diagonal = np.array((1 - width, 1 + width, width - 1, width + 1)).take(kind)

    def between(near: np.ndarray, far: np.ndarray) -> np.ndarray:
        value = strength.take(near)
        return value + share * (strength.take(far) - value)

    here = strength.take(place)
    is_peak = between(place + straight, place + diagonal) <= here
    return is_peak & (between(place - straight, place - diagonal) <= here)
