"""What the BlazeFace and BlazePose networks share: how they are read, and from boxes of a picture to upright crops.

Coordinates are pixels, (x, y), with (0, 0) at the picture's corner. Files of landmarks and poses have (0, 0) in the
middle of the first pixel: who writes them takes half a pixel off.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from util.optional import require

# detections that overlap more are of one subject
_SAME_SUBJECT = 0.3
# pictures from one count of everybody to the next, while one is followed
LOOK_AROUND = 10


class Detection(NamedTuple):
    """A subject that was found in a picture."""

    score: float
    box: np.ndarray
    """Left, top, right, bottom."""
    points: np.ndarray
    """[P, 2]: which ones is the network's affair."""

    @property
    def centre(self) -> np.ndarray:
        """The middle of the box."""
        return (self.box[:2] + self.box[2:]) / 2

    @property
    def side(self) -> float:
        """The longer side of the box."""
        return float((self.box[2:] - self.box[:2]).max())


class Crop(NamedTuple):
    """A square of a picture, turned about its middle."""

    centre: np.ndarray
    side: float
    angle: float
    """Radians, clockwise as it is seen."""

    def cut(self, picture: np.ndarray, size: int, *, most_times: int = 1) -> np.ndarray:
        """The square as float32 [size, size, 3] in [0, 1]; black outside the picture.

        Pixels of a larger square are means of up to ``most_times`` x ``most_times`` of its own; by single ones, points
        of a whole body moved by 1.5 pixels when grey levels changed by one, by means 0.7. Close-ups gain nothing.
        """
        times = int(np.clip(self.side // size, 1, most_times))
        to_crop = self._to_crop(times * size)
        # from corners to middles of pixels, on both sides
        to_crop[:, 2] += to_crop[:, :2] @ (0.5, 0.5) - 0.5
        square = cv2.warpAffine(picture, to_crop, (times * size, times * size), flags=cv2.INTER_LINEAR)
        return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255

    def to_picture(self, points: np.ndarray, size: int) -> np.ndarray:
        """Points [P, 2] of the cut square in the picture."""
        back = cv2.invertAffineTransform(self._to_crop(size))
        return points @ back[:, :2].T + back[:, 2]

    def _to_crop(self, size: int) -> np.ndarray:
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turn = np.array(((cosine, sine), (-sine, cosine))) * (size / self.side)
        return np.concatenate((turn, (size / 2 - turn @ self.centre)[:, None]), axis=1)


class OpenCVNetwork:
    """A TFLite network in OpenCV."""

    def __init__(self, path: Path) -> None:
        """Args: its file."""
        # since OpenCV 5 there is a second engine, the default one, which drops outputs of these networks
        engine = [cv2.dnn.ENGINE_CLASSIC] if hasattr(cv2.dnn, "ENGINE_CLASSIC") else []
        self._network = cv2.dnn.readNetFromTFLite(str(path), *engine)
        self._outputs = self._network.getUnconnectedOutLayersNames()

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """The outputs, largest first, for ``picture``, float32 [H, W, 3]."""
        self._network.setInput(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
        return sorted(self._network.forward(self._outputs), key=lambda output: -output.size)


class OpenVINONetwork:
    """A TFLite network in OpenVINO, in full precision: with fewer bits poses move."""

    def __init__(self, path: Path) -> None:
        """Args: its file. Raises: UserError without OpenVINO."""
        openvino = require("openvino", instead="use OpenPose and --openpose")
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        self._network = openvino.Core().compile_model(str(path), "CPU", settings)

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """The outputs in the file's order for ``picture``, float32 [H, W, 3]."""
        return [np.array(output) for output in self._network(picture[None]).values()]


def anchors(size: int, *, strides: Sequence[int]) -> np.ndarray:
    """The middles of a detector's cells, [A, 2] in shares of its input; two a cell for each stride."""
    grids = []
    for stride in strides:
        steps = (np.arange(size // stride) + 0.5) / (size // stride)
        x, y = np.meshgrid(steps, steps)
        grids.append(np.stack((x, y), axis=-1).reshape(-1, 1, 2).repeat(2, axis=1).reshape(-1, 2))
    # cells of equal strides come interleaved
    merged: list[np.ndarray] = []
    for stride in dict.fromkeys(strides):
        same = [grid.reshape(-1, 2, 2) for grid, its in zip(grids, strides, strict=True) if its == stride]
        merged.append(np.concatenate(same, axis=1).reshape(-1, 2))
    return np.concatenate(merged)


def decode(
    numbers: np.ndarray, scores: np.ndarray, *, cells: np.ndarray, crop: Crop, size: int, min_score: float
) -> list[Detection]:
    """The detections in a crop, in the picture's pixels, best first.

    Args:
        numbers: [A, 4 + 2P], in pixels of the detector's input: middle and size of the box, then points.
        scores: [A] logits.
        cells: see ``anchors``.
        crop: what the detector looked at.
        size: side of its input.
        min_score: of those that count, 0 .. 1.
    """
    chances = 1 / (1 + np.exp(-np.clip(scores, -80, 80)))
    kept = chances >= min_score
    found = []
    for chance, values, cell in zip(chances[kept], numbers[kept], cells[kept], strict=True):
        pairs = values.reshape(-1, 2)
        middle, extent = pairs[0] + cell * size, np.abs(pairs[1])
        corners = crop.to_picture(np.stack((middle - extent / 2, middle + extent / 2)), size)
        points = crop.to_picture(pairs[2:] + cell * size, size)
        found.append(Detection(float(chance), corners.ravel(), points))
    return merged(found)


def merged(found: list[Detection]) -> list[Detection]:
    """One detection for each subject: the mean, weighted by their scores, of those that overlap; best first."""
    left = sorted(found, key=lambda one: -one.score)
    result = []
    while left:
        same = [one for one in left if overlap(left[0].box, one.box) > _SAME_SUBJECT] or left[:1]
        weights = [one.score for one in same]
        box = np.average([one.box for one in same], axis=0, weights=weights)
        points = np.average([one.points for one in same], axis=0, weights=weights)
        result.append(Detection(same[0].score, box, points))
        left = [one for one in left if not any(one is other for other in same)]
    return result


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    whole = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - common
    return common / whole if whole > 0 else 0.0


def nearest(found: list[Detection], last: Crop | None, *, num_lost: int) -> Detection | None:
    """Whom to follow: the largest where nobody was followed yet, else the one where the last one may be by now.

    Args:
        found: everybody in the picture.
        last: where the followed one was seen last.
        num_lost: pictures since then; one who is gone for long may come back farther away.
    """
    if last is None:
        return max(found, key=lambda one: one.side, default=None)
    reach = last.side * (0.75 + num_lost / 25)
    near = [one for one in found if np.linalg.norm(one.centre - last.centre) < reach]
    return min(near, key=lambda one: float(np.linalg.norm(one.centre - last.centre)), default=None)


def crowd_note(finder: object, subjects: str) -> str:
    """What to tell of a finder that saw several ``subjects`` at once; empty where it did not.

    Args:
        finder: counts in ``most_at_once``; one that does not count saw one.
        subjects: ``faces`` or ``people``.
    """
    most = getattr(finder, "most_at_once", 1)
    return f"up to {most} {subjects} at once, the largest at the start is followed" if most > 1 else ""


def whole_picture(picture: np.ndarray) -> Crop:
    """The square around a picture."""
    height, width = picture.shape[:2]
    return Crop(np.array((width / 2, height / 2)), max(height, width), 0.0)


def tiles(picture: np.ndarray, side: float) -> list[Crop]:
    """Squares of that side which cover a picture and overlap by a third or more, so that none cuts every face."""
    height, width = picture.shape[:2]

    def middles(length: int) -> np.ndarray:
        count = 1 + int(np.ceil(max(0.0, length - side) / (side * 2 / 3)))
        return np.linspace(side / 2, length - side / 2, count) if count > 1 else np.array((length / 2,))

    return [Crop(np.array((x, y)), side, 0.0) for y in middles(height) for x in middles(width)]
