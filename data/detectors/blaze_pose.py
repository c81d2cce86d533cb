"""BlazePose: the body of one person as OpenPose would write it, BODY_25; other networks add face and hands.

Networks of MediaPipe, Apache-2.0, by ``python -m data.fetch detectors``. They need OpenVINO: OpenCV cannot read the
detector.
"""

from collections.abc import Callable

import numpy as np

from data.detectors.blaze import (
    LOOK_AROUND,
    Crop,
    Detection,
    OpenVINONetwork,
    anchors,
    decode,
    merged,
    nearest,
    tiles,
    whole_picture,
)
from data.detectors.face_mesh import FaceMesh
from data.detectors.hands import HandLandmarks
from data.fetch import fetched_file, sha256_of
from data.kinds.openpose import BODY, FACE, LEFT_HAND, MIDDLE_HIP, NECK, NUM_POINTS, RIGHT_HAND

DETECTOR_FILE = "pose_detection.tflite"
POSE_FILE = "pose_landmark_full.tflite"
VERSION = 3
"""Of the rules in this file: another one may find other points."""

# the point of BlazePose for each of BODY_25; neck and middle of the hip lie between two, small toes are not known
_BODY_25 = {
    0: 0, 2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15, 9: 24, 10: 26, 11: 28, 12: 23, 13: 25, 14: 27, 15: 5, 16: 2, 17: 8,
    18: 7, 19: 31, 21: 29, 22: 32, 24: 30,
}  # fmt: skip
_BETWEEN = {NECK: (2, 5), MIDDLE_HIP: (9, 12)}
# points beyond the 33 of the body, made to follow it: the middle of the hip, and one at the rim of the whole person
_HIP, _RIM = 33, 34
_DETECTOR_SIZE, _POSE_SIZE = 224, 256
_MIN_SCORE = 0.5
_MARGIN = 1.25
# wrist, little finger, index finger of a hand
_HANDS = ((LEFT_HAND, [15, 17, 19]), (RIGHT_HAND, [16, 18, 20]))
# faces of fewer pixels than this from ear to ear show no mesh worth having
_SMALLEST_FACE = 24
# landmarks are moved to the weighted middle of the heat around them, in so many cells
_HEAT_REACH = 3
# crops are averaged from so many times their side at most; more takes long
_MOST_TIMES = 4


BodyFinder = Callable[[np.ndarray], np.ndarray | None]
"""From a picture, uint8 [H, W, 3] RGB, to one person's points [137, 3] of ``openpose.py``; None: nobody is seen."""


class BlazePose:
    """Finds the body of one person in the pictures of a video, one after another.

    It follows the person by the last points and looks anew where it is lost. The largest person at the start is the
    one that is followed.

    Attributes:
        most_at_once: people, in the pictures in which all were looked for.
    """

    def __init__(self, *, follows: bool = True) -> None:
        """Load the networks; without ``follows`` every picture is looked at as if it were the first.

        Raises:
            UserError: the networks were not fetched, or OpenVINO is missing.
        """
        self._follows = follows
        self._detector = OpenVINONetwork(fetched_file("detectors", DETECTOR_FILE))
        self._pose = OpenVINONetwork(fetched_file("detectors", POSE_FILE))
        self._face, self._hand = FaceMesh(), HandLandmarks()
        self._cells = anchors(_DETECTOR_SIZE, strides=(8, 16, 32, 32, 32))
        self._last: Crop | None = None
        self._num_lost = 0
        self._num_pictures = 0
        self.most_at_once = 0

    def __call__(self, picture: np.ndarray) -> np.ndarray | None:
        """The person in ``picture``, uint8 [H, W, 3] RGB, float64 [137, 3] as in ``openpose.py``; None: not seen."""
        if not self._follows:
            self._last, self._num_lost = None, 0
        if self._num_pictures % LOOK_AROUND == 0:
            self.most_at_once = max(self.most_at_once, len(self.people(picture)))
        self._num_pictures += 1
        points = self._points(picture, self._last) if self._last is not None and not self._num_lost else None
        if points is None:
            person = nearest(self.people(picture), self._last, num_lost=self._num_lost)
            # the detector's box is rough, the points' own is not: look twice
            points = None if person is None else self._points(picture, _around(*person.points[:2]))
            points = None if points is None else self._points(picture, _around(*points[[_HIP, _RIM], :2]))
        if points is None:
            self._num_lost += 1
            return None
        self._last, self._num_lost = _around(*points[[_HIP, _RIM], :2]), 0
        result = np.zeros((NUM_POINTS, 3))
        result[BODY] = body_25(points, size=picture.shape[:2])
        result[FACE] = self._face_points(picture, points)
        for part, (wrist, *knuckles) in _HANDS:
            if points[[wrist, *knuckles], 2].min() >= _MIN_SCORE:
                hand = self._hand(picture, points[wrist, :2], points[knuckles, :2].mean(axis=0))
                result[part] = 0 if hand is None else hand
        return result

    def people(self, picture: np.ndarray) -> list[Detection]:
        """Everybody in a picture; in parts of it, enlarged, where there is nobody in the whole."""
        for crops in ([whole_picture(picture)], tiles(picture, float(min(picture.shape[:2])))):
            found = merged([person for crop in crops for person in self._people(picture, crop)])
            if found:
                return found
        return []

    def _people(self, picture: np.ndarray, crop: Crop) -> list[Detection]:
        numbers, scores = self._detector(crop.cut(picture, _DETECTOR_SIZE, most_times=_MOST_TIMES) * 2 - 1)
        found = decode(
            numbers[0], scores.ravel(), cells=self._cells, crop=crop, size=_DETECTOR_SIZE, min_score=_MIN_SCORE
        )
        return [_whole_body(one) for one in found]

    def _points(self, picture: np.ndarray, crop: Crop) -> np.ndarray | None:
        """Points of a person in a crop, float64 [39, 3]: x, y, how sure; None where it shows nobody."""
        values, score, _, heat, _ = self._pose(crop.cut(picture, _POSE_SIZE, most_times=_MOST_TIMES))
        if score.item() < _MIN_SCORE:
            return None
        values = values.reshape(-1, 5).astype(np.float64)
        places = refined(values[:, :2] / _POSE_SIZE, heat[0]) * _POSE_SIZE
        sure = 1 / (1 + np.exp(-values[:, 3:].min(axis=1)))
        return np.concatenate((crop.to_picture(places, _POSE_SIZE), sure[:, None]), axis=1)

    def _face_points(self, picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The 70 points of OpenPose's face, [70, 3]; zeros where it is too small or turned away."""
        found = np.zeros((FACE.stop - FACE.start, 3))
        right_ear, left_ear, right_eye, left_eye, nose = points[[8, 7, 5, 2, 0]]
        width = float(np.hypot(*(left_ear - right_ear)[:2]))
        if min(width, 1e3 * nose[2]) < _SMALLEST_FACE or not np.isfinite(width):
            return found
        x, y = (left_eye - right_eye)[:2]
        landmarks = self._face.within(picture, Crop(nose[:2], 1.8 * width, float(np.arctan2(y, x))))
        if landmarks is not None:
            pupils = np.stack((landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)))
            found[:, :2] = np.concatenate((landmarks, pupils))
            found[:, 2] = nose[2]
        return found


def body_25(points: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """OpenPose's 25 points [25, 3]; zeros for what is not sure, or outside the picture of ``size``."""
    body = np.zeros((25, 3))
    body[list(_BODY_25)] = points[list(_BODY_25.values())]
    for middle, (right, left) in _BETWEEN.items():
        body[middle] = (*(body[right, :2] + body[left, :2]) / 2, min(body[right, 2], body[left, 2]))
    height, width = size
    is_inside = (body[:, :2] >= 0).all(axis=1) & (body[:, 0] <= width) & (body[:, 1] <= height)
    body[:, :2] -= 0.5  # files have (0, 0) in the middle of the first pixel
    body[~is_inside | (body[:, 2] < _MIN_SCORE)] = 0
    return body


def refined(places: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Places [P, 2] in shares of the crop, moved to the middle of the heat [H, W, P] around them."""
    height, width, _ = heat.shape
    result = places.copy()
    for number, (x, y) in enumerate(places):
        column, row = int(x * width), int(y * height)
        if not (0 <= column < width and 0 <= row < height):
            continue
        rows = slice(max(0, row - _HEAT_REACH), row + _HEAT_REACH + 1)
        columns = slice(max(0, column - _HEAT_REACH), column + _HEAT_REACH + 1)
        chances = 1 / (1 + np.exp(-heat[rows, columns, number].astype(np.float64)))
        if chances.max() < _MIN_SCORE:
            continue
        down, right = (np.average(place, weights=chances) for place in np.indices(chances.shape))
        result[number] = ((columns.start + right) / width, (rows.start + down) / height)
    return result


def body_finder_note() -> str:
    """What a dataset notes of its finder: name, version and the beginning of its file's SHA-256."""
    return f"blazepose {VERSION} {sha256_of(fetched_file('detectors', POSE_FILE))[:16]}"


def _whole_body(found: Detection) -> Detection:
    """A detection with the box of the whole person in place of that of the head."""
    hip, rim = found.points[:2]
    reach = np.hypot(*(rim - hip))
    return Detection(found.score, np.concatenate((hip - reach, hip + reach)), found.points)


def _around(hip: np.ndarray, rim: np.ndarray) -> Crop:
    """The crop of a person who is upright in it."""
    x, y = rim - hip
    return Crop(hip, 2 * _MARGIN * float(np.hypot(x, y)), float(np.arctan2(x, -y)))
