"""Hands of a person whose body is known: MediaPipe's network of hands, in crops that BlazePose's points lead to.

Apache-2.0, by ``python -m data.fetch detectors``. Its 21 points are OpenPose's 21, in the same order.
"""

import numpy as np

from data.detectors.blaze import Crop, OpenVINONetwork
from data.fetch import fetched_file

HAND_FILE = "hand_landmark_full.tflite"
_SIZE = 224
# the network is rarely wrong above this; below it draws hands into sleeves and shadows
_MIN_SCORE = 0.9
# a palm of fewer pixels from the wrist to the knuckles shows no fingers
_SMALLEST_PALM = 12
_KNUCKLES = [5, 9, 13]
# how far from the wrist, in palms, the middle of the first crop lies, and its side; then the side in extents of a hand
_FORWARD, _FIRST_SIDE, _MARGIN = 1.2, 4.5, 1.6


class HandLandmarks:
    """Finds the 21 points of a hand in a picture."""

    def __init__(self) -> None:
        """Load the network.

        Raises:
            UserError: it was not fetched, or OpenVINO is missing.
        """
        self._network = OpenVINONetwork(fetched_file("detectors", HAND_FILE))

    def __call__(self, picture: np.ndarray, wrist: np.ndarray, knuckles: np.ndarray) -> np.ndarray | None:
        """The points of one hand, float64 [21, 3]: x, y, how sure; None where it is too small or not seen.

        Points outside the picture are zeros.

        Args:
            picture: uint8 [H, W, 3] RGB.
            wrist: of the body, (x, y) in pixels of the picture.
            knuckles: the middle of those of the index and the little finger, likewise.
        """
        palm = float(np.hypot(*(knuckles - wrist)))
        if not palm >= _SMALLEST_PALM:
            return None
        crop = Crop(wrist + _FORWARD * (knuckles - wrist), _FIRST_SIDE * palm, _upright(wrist, knuckles))
        # the body's points are rough, the hand's own are not: look twice
        rough, _ = self._points(picture, crop)
        points, score = self._points(picture, _around(rough))
        if score < _MIN_SCORE or np.hypot(*(points[0] - wrist)) > palm:
            return None
        height, width = picture.shape[:2]
        is_inside = np.all((points >= 0) & (points <= (width, height)), axis=1)
        sure = np.where(is_inside, score, 0)
        # files have (0, 0) in the middle of the first pixel
        return np.column_stack((points - 0.5, sure)) * is_inside[:, None]

    def _points(self, picture: np.ndarray, crop: Crop) -> tuple[np.ndarray, float]:
        values, score, *_ = self._network(crop.cut(picture, _SIZE, most_times=4))
        return crop.to_picture(values.reshape(-1, 3)[:, :2].astype(np.float64), _SIZE), float(score.item())


def _upright(wrist: np.ndarray, knuckles: np.ndarray) -> float:
    """The angle of a crop in which the hand points up."""
    x, y = knuckles - wrist
    return float(np.arctan2(x, -y))


def _around(points: np.ndarray) -> Crop:
    """The crop of a hand that points up in it."""
    angle = _upright(points[0], points[_KNUCKLES].mean(axis=0))
    turn = np.array(((np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))))
    turned = points @ turn.T
    least, most = turned.min(axis=0), turned.max(axis=0)
    return Crop((least + most) / 2 @ turn, _MARGIN * float((most - least).max()), angle)
