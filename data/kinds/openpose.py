"""OpenPose's JSON files, read into arrays of points and written.

A person is one array, float64 [137, 3]: x and y in pixels, and the detector's confidence in 0..1, of the 25 points of
OpenPose's BODY_25, the 70 of its face and the 21 of either hand. What was not seen is all zeros.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.storage.shards import read_text
from util.errors import UserError
from util.json_files import parse_json

BODY, FACE = slice(0, 25), slice(25, 95)
LEFT_HAND, RIGHT_HAND = slice(95, 116), slice(116, 137)
NUM_POINTS = 137

NOSE, NECK, MIDDLE_HIP = 0, 1, 8

# Below these a point counts as not seen. The body's is all but "there"; the detectors of face and hand guess more.
LEAST_CONFIDENCE = np.full(NUM_POINTS, 0.1)
LEAST_CONFIDENCE[BODY] = 0.01

# The keys of OpenPose 1.2 and later; before, they ended without "_2d".
_PARTS = {"pose": BODY, "face": FACE, "hand_left": LEFT_HAND, "hand_right": RIGHT_HAND}

# Which BODY_25 point each point of the smaller skeletons is. OpenPose's own BODY_18 (COCO with a neck), and plain
# COCO, whose neck is missing.
_BODY_18 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
_COCO_17 = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11)
_SKELETONS = {25: tuple(range(25)), 18: _BODY_18, 17: _COCO_17}

# No camera sees farther; a number beyond it is no position in pixels.
_LARGEST_POSITION = 1e5
# OpenPose's may be a little above 1.
_LARGEST_CONFIDENCE = 1.5
# How some tools write a point that was not found.
_ABSENT = (-1, -1)
# So many points within two pixels are no body.
_FEWEST_OF_A_BODY = 3


@dataclass(frozen=True)
class _People:
    """What an OpenPose file says."""

    people: list[Any]


def read_people(path: Path) -> list[np.ndarray]:
    """All people in the OpenPose file ``path``, each float64 [137, 3], in the order of the file.

    The body may be BODY_25, BODY_18 or COCO's 17 points, told apart by their number; face and hands may be absent.

    Raises:
        UserError: the file is missing or is no such file; the place in it is named.
    """
    return [_person(person, f"{path}: people[{number}]") for number, person in enumerate(_written_people(path))]


def num_put_outside(path: Path) -> int:
    """How many points of a file that ``read_people`` reads are said to be seen at -1,-1: they count as not seen."""
    people = [person for person in _written_people(path) if isinstance(person, dict)]
    keys = [f"{name}_keypoints{end}" for name in _PARTS for end in ("_2d", "")]
    parts = [_points(person.get(key) or [], str(path)) for person in people for key in keys]
    return sum(int(_is_absent(points).sum()) for points in parts)


def _written_people(path: Path) -> list[Any]:
    try:
        text = read_text(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected an OpenPose file, found no file; check the path") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected OpenPose's JSON, but it cannot be read ({_brief(error)})") from error
    return parse_json(text, _People, where=path, expected='{"people": [...]} as OpenPose\'s JSON has it').people


def people_as_json(people: list[np.ndarray]) -> dict[str, Any]:
    """What ``read_people`` reads, in OpenPose's BODY_25 format, to a hundredth of a pixel."""
    return {
        "version": 1.3,
        "people": [
            {f"{name}_keypoints_2d": _rounded(person[part]) for name, part in _PARTS.items()} for person in people
        ],
    }


def as_written(person: np.ndarray) -> np.ndarray:
    """The person [137, 3] as it is read after it was written."""
    return _person(people_as_json([person])["people"][0], "a person")


def is_seen(person: np.ndarray) -> np.ndarray:
    """Which of the points [..., 137, 3] were seen well enough to be drawn, bool [..., 137]."""
    return person[..., 2] >= LEAST_CONFIDENCE


def prominence(person: np.ndarray) -> float:
    """How much of a frame's subject a person [137, 3] is: the extent of the body, times the confidence in it."""
    body = person[BODY]
    seen = body[is_seen(person)[BODY], :2]
    if len(seen) == 0:
        return 0.0
    return float(np.hypot(*np.ptp(seen, axis=0)) * body[:, 2].sum())


def most_prominent(people: list[np.ndarray]) -> np.ndarray | None:
    """The person [137, 3] whom a frame is about; None where nobody is seen."""
    seen = [person for person in people if is_seen(person)[BODY].any()]
    return max(seen, key=prominence, default=None)


def _person(values: Any, where: str) -> np.ndarray:
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected an object of keypoints, found {_brief(values)}")
    person = np.zeros((NUM_POINTS, 3))
    for name, part in _PARTS.items():
        key = f"{name}_keypoints_2d" if f"{name}_keypoints_2d" in values else f"{name}_keypoints"
        numbers = values.get(key) or []
        points = _points(numbers, f"{where}: {key}")
        if name == "pose":
            person[part] = _body_25(points, f"{where}: {key}")
        elif len(points) == part.stop - part.start:
            person[part] = points
        elif len(points):
            raise UserError(f"{where}: {key}: expected {part.stop - part.start} points or none, found {len(points)}")
    if person[:, 2].max() > _LARGEST_CONFIDENCE:
        raise UserError(
            f"{where}: expected confidences of 0 to 1, found up to {person[:, 2].max():g}; divide percents by 100"
        )
    # OpenPose says (0, 0, 0) for what it did not see; some tools keep the position
    person[(person[:, 2] <= 0) | _is_absent(person)] = 0
    seen = person[person[:, 2] > 0, :2]
    if len(seen) >= _FEWEST_OF_A_BODY and np.abs(seen).max() <= 1:
        raise UserError(
            f"{where}: expected positions in pixels, found all {len(seen)} between -1 and 1; run OpenPose with "
            "--keypoint_scale 0, or multiply them by the frame's size"
        )
    return person


def _is_absent(points: np.ndarray) -> np.ndarray:
    """Which of the points [N, 3] stand where some tools put what was not found."""
    found: np.ndarray = (points[:, :2] == _ABSENT).all(axis=1) & (points[:, 2] > 0)
    return found


def _points(numbers: Any, where: str) -> np.ndarray:
    try:
        values = np.array(numbers, np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.array(np.nan)
    if values.ndim != 1 or len(values) % 3 or not np.isfinite(values).all():
        raise UserError(f"{where}: expected numbers x, y, confidence a point, found {_brief(numbers)}")
    points = values.reshape(-1, 3)
    if len(points) and np.abs(points).max() > _LARGEST_POSITION:
        raise UserError(f"{where}: expected positions in pixels, found {np.abs(points).max():.3g}; make the file again")
    return points


def _body_25(points: np.ndarray, where: str) -> np.ndarray:
    if len(points) == 0:
        return np.zeros((25, 3))
    if len(points) not in _SKELETONS:
        raise UserError(f"{where}: expected 25 (BODY_25), 18 (BODY_18) or 17 (COCO) points, found {len(points)}")
    body = np.zeros((25, 3))
    body[list(_SKELETONS[len(points)])] = points
    if len(points) == 17:
        body[NECK] = _middle(body[2], body[5])
    if len(points) < 25:
        body[MIDDLE_HIP] = _middle(body[9], body[12])
    return body


def _middle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The point [3] between two, as sure as the less sure of them; not seen where one is not."""
    confidence = min(first[2], second[2])
    return np.append((first[:2] + second[:2]) / 2, confidence) if confidence > 0 else np.zeros(3)


def _rounded(points: np.ndarray) -> list[float]:
    return [round(float(number), 2 if place % 3 < 2 else 3) for place, number in enumerate(points.ravel())]


def _brief(value: Any) -> str:
    return " ".join(str(value).split())[:60] or type(value).__name__
