"""Finders of landmarks by name, and which one belongs to which dataset.

Landmarks of two finders do not mean the same (the jaw lies elsewhere), so every dataset and checkpoint notes its own.
"""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from data.detectors import face_mesh
from data.detectors.blaze import Crop, Detection, nearest
from data.fetch import fetched_file, sha256_of
from util.errors import UserError

LandmarkFinder = Callable[[np.ndarray], np.ndarray | None]
"""From a picture, uint8 [H, W, 3] RGB, to the landmarks [68, 2] of one face; None where it sees no face.

It may follow the face from picture to picture: every video needs a finder of its own.
"""

DEFAULT_FINDER = "mesh"
REQUIREMENTS = "data/prepare/requirements.txt"


def load_landmark_finder(name: str = DEFAULT_FINDER, *, follows: bool = True) -> LandmarkFinder:
    """A fresh finder.

    Args:
        name: ``mesh`` (MediaPipe's FaceMesh) or ``dlib`` (its predictor of the 68 landmarks of iBUG 300-W).
        follows: may follow the face; False: every picture is looked at as if it were the first.

    Raises:
        UserError: what it needs is not there; the message says how to get it.
    """
    return FINDERS[name](follows)


def finder_note(name: str) -> str:
    """What a dataset notes of its finder: name, version and the beginning of its file's SHA-256.

    Raises:
        UserError: what the finder needs is not there.
    """
    if name == "dlib":
        return f"dlib {importlib.metadata.version('dlib-bin')} {sha256_of(_dlib_model())[:16]}"
    mesh = fetched_file("detectors", face_mesh.MESH_FILE)
    return f"mesh {face_mesh.VERSION} {sha256_of(mesh)[:16]}"


def common_finder(notes: Iterable[str | None]) -> str | None:
    """The one finder behind some sequences; None where none of them notes it.

    Raises:
        UserError: they note different ones.
    """
    found = sorted({note for note in notes if note is not None})
    if len(found) > 1:
        raise UserError(
            f"landmarks: expected those of one finder, found {' and '.join(found)} (noted in video.json); prepare the "
            "sequences again with one --finder"
        )
    return found[0] if found else None


def finder_name(note: str | None) -> str:
    """Which finder a note means; before there were notes there was dlib alone.

    Raises:
        UserError: none that we have.
    """
    name = "dlib" if note is None else note.split(" ")[0]
    if name not in FINDERS:
        raise UserError(f"landmarks: expected a finder {' or '.join(FINDERS)}, found {note}; use a newer version")
    return name


def _load_dlib(follows: bool) -> LandmarkFinder:
    try:
        import dlib
    except ImportError as error:
        raise UserError(f"expected the package dlib, found none; pip install -r {REQUIREMENTS}") from error
    predictor = dlib.shape_predictor(str(_dlib_model()))

    def landmarks(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        shape = predictor(picture, dlib.rectangle(*(int(side) for side in box)))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float64)

    return Follower(dlib.get_frontal_face_detector(), landmarks, follows=follows)


class Follower:
    """Finds landmarks by a detector that looks at every picture alone, of the same face all the time.

    Attributes:
        most_at_once: faces in one picture.
    """

    def __init__(
        self,
        detect: Callable[[np.ndarray, int], Iterable[Any]],
        landmarks: Callable[[np.ndarray, np.ndarray], np.ndarray],
        *,
        follows: bool,
    ) -> None:
        """Nothing is looked at yet.

        Args:
            detect: from a picture, doubled so many times, to rectangles as dlib has them.
            landmarks: from a picture and a box (left, top, right, bottom) to [68, 2].
            follows: see ``load_landmark_finder``.
        """
        self.most_at_once = 0
        self._detect = detect
        self._landmarks = landmarks
        self._follows = follows
        self._last: Crop | None = None
        self._num_lost = 0

    def __call__(self, picture: np.ndarray) -> np.ndarray | None:
        """The landmarks in ``picture``, float64 [68, 2]; None where the face is not seen."""
        # faces below 80 pixels are seen only in a picture of twice the size
        boxes = [
            np.array((one.left(), one.top(), one.right(), one.bottom()))
            for one in [*self._detect(picture, 0)] or self._detect(picture, 1)
        ]
        self.most_at_once = max(self.most_at_once, len(boxes))
        found = [Detection(1.0, box, np.zeros((0, 2))) for box in boxes]
        face = nearest(found, self._last if self._follows else None, num_lost=self._num_lost)
        if face is None:
            self._num_lost += 1
            return None
        self._last, self._num_lost = Crop(face.centre, face.side, 0.0), 0
        return self._landmarks(picture, face.box)


def _dlib_model() -> Path:
    # importing that package would need pkg_resources, which new environments lack; only its file is of use
    package = importlib.util.find_spec("face_recognition_models")
    for folder in (package.submodule_search_locations or ()) if package else ():
        path = Path(folder) / "models" / "shape_predictor_68_face_landmarks.dat"
        if path.is_file():
            return path
    raise UserError(
        "expected shape_predictor_68_face_landmarks.dat of the package face_recognition_models, found "
        f"none; pip install -r {REQUIREMENTS}"
    )


def _load_mesh(follows: bool) -> LandmarkFinder:
    return face_mesh.FaceMesh(follows=follows)


FINDERS: dict[str, Callable[[bool], LandmarkFinder]] = {"mesh": _load_mesh, "dlib": _load_dlib}
