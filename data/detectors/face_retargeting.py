"""One person's face drives another's: size, place and proportions of the parts become those of the reference.

Everything is a median over time, so that expressions and turns of the head stay the driver's own.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.kinds.face import read_landmarks
from data.layout import face_files
from data.storage.picture_files import picture_size
from util.errors import UserError

# jaw, brows, nose, eyes, mouth
_PARTS = tuple(
    np.arange(first, end) for first, end in ((0, 17), (17, 22), (22, 27), (27, 36), (36, 42), (42, 48), (48, 68))
)
_PHASES = ("train", "test")


class FaceReference(NamedTuple):
    """Landmarks of the person to be driven, [T, 68, 2], and the size of that person's frames, (height, width)."""

    points: np.ndarray
    size: tuple[int, int]


def read_reference(root: Path) -> FaceReference:
    """The landmarks of the first sequence of a face dataset.

    Raises:
        UserError: there is none, or nothing tells the size of its frames.
    """
    for phase in _PHASES:
        if (root / f"{phase}_keypoints").is_dir():
            files = face_files(root, phase=phase, needs_images=False)[0]
            size = picture_size(files.images[0]) if files.images else files.metadata.size
            if size is None:
                raise UserError(f"{root}: expected pictures beside the landmarks, found none; give a whole dataset")
            return FaceReference(np.stack([read_landmarks(path) for path in files.leading]), size)
    raise UserError(f"--retarget {root}: expected a face dataset, found no train_keypoints; check the path")


def retargeted(points: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The landmarks of the driver, on the face of the reference.

    Args:
        points: of the driver, [T, 68, 2].
        reference: of the person to be driven, [S, 68, 2].

    Returns:
        [T, 68, 2] in pixels of the reference's frames.
    """
    scale, turn, place, shapes = _upright(points)
    reference_scale, reference_turn, reference_place, reference_shapes = (_medians(one) for one in _upright(reference))
    ratio = reference_scale / _medians(scale)
    carried = _with_proportions(shapes, reference_shapes)
    angle = turn - _medians(turn) + reference_turn
    moved = reference_place + (place - _medians(place)) * ratio
    return _turned(carried, angle) * (scale * ratio)[:, None, None] + moved[:, None]


def _medians(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.median(values, axis=0))


def _upright(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each frame's scale [T], turn in radians [T], place [T, 2], and the landmarks without them, [T, 68, 2].

    Place is the middle of the landmarks, scale their mean distance from it, turn that of the line between the eyes.
    """
    place = points.mean(axis=1)
    centred = points - place[:, None]
    scale = np.linalg.norm(centred, axis=2).mean(axis=1)
    between = points[:, 42:48].mean(axis=1) - points[:, 36:42].mean(axis=1)
    turn = np.arctan2(between[:, 1], between[:, 0])
    return scale, turn, place, _turned(centred, -turn) / scale[:, None, None]


def _turned(points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """``points`` [T, N, 2] turned around 0 by ``angle`` [T]."""
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack((cos * x - sin * y, sin * x + cos * y), axis=-1)


def _with_proportions(shapes: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Shapes [T, 68, 2] whose parts lie where the median shape ``reference`` [68, 2] has them, as large as there."""
    usual = _medians(shapes)
    result = np.empty_like(shapes)
    for part in _PARTS:
        mine, wanted = usual[part], reference[part]
        extent = np.ptp(mine, axis=0)
        larger = np.ptp(wanted, axis=0) / np.where(extent > 1e-9, extent, 1)
        middle = shapes[:, part].mean(axis=1, keepdims=True)
        # the part's own deformation, at its new size, on the reference's form; then how far the part has moved
        deformed = (shapes[:, part] - middle - (mine - mine.mean(axis=0))) * larger
        result[:, part] = wanted + deformed + (middle - mine.mean(axis=0))
    return result
