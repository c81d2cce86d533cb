"""FaceMesh: 468 points of a face, of which 68 stand for the landmarks of iBUG 300-W; BlazeFace finds the face first.

Networks of MediaPipe, Apache-2.0, by ``python -m data.fetch detectors``.
"""

import numpy as np

from data.detectors.blaze import (
    LOOK_AROUND,
    Crop,
    Detection,
    OpenCVNetwork,
    anchors,
    decode,
    merged,
    nearest,
    tiles,
    whole_picture,
)
from data.fetch import fetched_file

DETECTOR_FILE = "face_detection_short_range.tflite"
MESH_FILE = "face_landmark.tflite"
VERSION = 1
"""Of the rules in this file: another one may find other landmarks."""

# the points of the mesh that lie where iBUG 300-W has its 68 landmarks
LANDMARKS = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),  # jaw
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),  # brows
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
)
_OUTER_EYES = (33, 263)
_DETECTOR_SIZE, _MESH_SIZE = 128, 192
_MIN_SCORE = 0.5
# the crop is so many times as large as the detector's box, or the box of the last landmarks
_MARGIN = 1.5


class FaceMesh:
    """Finds the landmarks of one face in the pictures of a video, one after another.

    It follows the face by its last landmarks and looks for it anew where it is lost. The largest face at the start is
    the one that is followed.

    Attributes:
        most_at_once: faces, in the pictures in which all were looked for.
    """

    def __init__(self, *, follows: bool = True) -> None:
        """Load the networks; without ``follows`` every picture is looked at as if it were the first.

        Raises:
            UserError: the networks were not fetched.
        """
        self._follows = follows
        self._detector = OpenCVNetwork(fetched_file("detectors", DETECTOR_FILE))
        self._mesh = OpenCVNetwork(fetched_file("detectors", MESH_FILE))
        self._cells = anchors(_DETECTOR_SIZE, strides=(8, 16, 16, 16))
        self._last: Crop | None = None
        self._num_lost = 0
        self._num_pictures = 0
        self.most_at_once = 0

    def __call__(self, picture: np.ndarray) -> np.ndarray | None:
        """The landmarks in ``picture``, uint8 [H, W, 3] RGB: float64 [68, 2]; None where the face is not seen."""
        if not self._follows:
            self._last, self._num_lost = None, 0
        if self._num_pictures % LOOK_AROUND == 0:
            self.most_at_once = max(self.most_at_once, len(self.faces(picture)))
        self._num_pictures += 1
        points = self._points(picture, self._last) if self._last is not None and not self._num_lost else None
        if points is None:
            face = nearest(self.faces(picture), self._last, num_lost=self._num_lost)
            # the detector's box is rough, the landmarks' own is not: look twice
            points = None if face is None else self._points(picture, _around_eyes(face))
            points = None if points is None else self._points(picture, _around(points))
        if points is None:
            self._num_lost += 1
            return None
        self._last, self._num_lost = _around(points), 0
        return points[list(LANDMARKS)] - 0.5  # a landmark file has (0, 0) in the middle of the first pixel

    def within(self, picture: np.ndarray, crop: Crop) -> np.ndarray | None:
        """The landmarks of the face that roughly fills a crop, float64 [68, 2]; None where it shows none."""
        points = self._points(picture, crop)
        points = None if points is None else self._points(picture, _around(points))
        return None if points is None else points[list(LANDMARKS)] - 0.5

    def faces(self, picture: np.ndarray) -> list[Detection]:
        """All faces in a picture; in parts of it, enlarged, where there is none in the whole."""
        short = float(min(picture.shape[:2]))
        # many parts take long: small faces are looked for at the start, and then now and then
        closest = tiles(picture, short / 2) if self._last is None and self._num_lost % 8 == 0 else []
        for crops in ([whole_picture(picture)], tiles(picture, short), closest):
            found = merged([face for crop in crops for face in self._faces(picture, crop)])
            if found:
                return found
        return []

    def _faces(self, picture: np.ndarray, crop: Crop) -> list[Detection]:
        numbers, scores = self._detector(crop.cut(picture, _DETECTOR_SIZE) * 2 - 1)
        return decode(
            numbers[0], scores.ravel(), cells=self._cells, crop=crop, size=_DETECTOR_SIZE, min_score=_MIN_SCORE
        )

    def _points(self, picture: np.ndarray, crop: Crop) -> np.ndarray | None:
        """The 468 points in a crop; None where it shows no face."""
        points, score = self._mesh(crop.cut(picture, _MESH_SIZE))
        if score.item() < 0:  # a logit
            return None
        return crop.to_picture(points.reshape(-1, 3)[:, :2].astype(np.float64), _MESH_SIZE)


def _around_eyes(face: Detection) -> Crop:
    """The crop for a detection; its first two points are the eyes."""
    return Crop(face.centre, face.side * _MARGIN, _slope(face.points[0], face.points[1]))


def _around(points: np.ndarray) -> Crop:
    """The crop for points of the mesh, upright by its eyes."""
    low, high = points.min(axis=0), points.max(axis=0)
    angle = _slope(*points[list(_OUTER_EYES)])
    return Crop((low + high) / 2, float((high - low).max()) * _MARGIN, angle)


def _slope(left: np.ndarray, right: np.ndarray) -> float:
    x, y = right - left
    return float(np.arctan2(y, x))
