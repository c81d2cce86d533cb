"""Hands beside a body: a drawn one is found again, wherever it points; walls and far hands are none."""

import cv2
import numpy as np
import pytest

from data.detectors.hands import HAND_FILE, HandLandmarks
from tests.fetched import fetched_or_skip

_SKIN, _CREASE, _WALL = (226, 178, 150), (200, 150, 124), (70, 90, 110)
_FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
_PALM = [0, 1, 5, 9, 13, 17]
_HAND = np.array(
    [
        *((0, 0), (-28, -18), (-48, -42), (-62, -64), (-74, -84)),
        *((-24, -88), (-29, -122), (-32, -145), (-34, -166), (0, -92), (0, -130), (0, -156), (0, -180)),
        *((22, -86), (25, -120), (27, -144), (29, -166), (42, -74), (50, -98), (55, -114), (59, -130)),
    ],
    dtype=float,
)


@pytest.fixture(scope="module")
def find() -> HandLandmarks:
    fetched_or_skip("detectors", HAND_FILE)
    return HandLandmarks()


def drawn_hand(*, scale: float, angle: float, wrist: tuple[int, int] = (320, 260)) -> tuple[np.ndarray, np.ndarray]:
    """A picture, uint8 [480, 640, 3], of a flat hand, and its 21 points."""
    turn = np.array(((np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))))
    points = scale * _HAND @ turn + wrist
    picture = np.full((480, 640, 3), _WALL, np.uint8)
    pixels = points.round().astype(int)
    arm = (points[0] + 1.2 * (points[0] - points[9])).astype(int)
    cv2.line(picture, pixels[0], arm, _SKIN, int(54 * scale))
    cv2.fillPoly(picture, [pixels[_PALM]], _SKIN)
    cv2.polylines(picture, [pixels[_PALM]], True, _SKIN, int(30 * scale))
    for finger in _FINGERS:
        cv2.polylines(picture, [pixels[list(finger)]], False, _SKIN, int(24 * scale))
        for joint in finger[1:3]:
            across = (8 * scale * np.array((1, 0)) @ turn).round().astype(int)
            cv2.line(picture, pixels[joint] - across, pixels[joint] + across, _CREASE, 2)
    return cv2.GaussianBlur(picture, (5, 5), 0), points


@pytest.mark.parametrize(("scale", "angle"), [(1, 0), (0.6, 0.5), (0.4, -1), (1, 2.5)])
def test_a_drawn_hand_is_found_where_it_is(find: HandLandmarks, scale: float, angle: float) -> None:
    picture, points = drawn_hand(scale=scale, angle=angle)
    found = find(picture, points[0] + 4 * scale, points[[5, 17]].mean(axis=0) - 3 * scale)
    assert found is not None and (found[:, 2] > 0.9).all()
    # the hand is 180 long
    assert np.linalg.norm(found[:, :2] - points, axis=1).mean() < 12 * scale


def test_points_outside_the_picture_are_zeros(find: HandLandmarks) -> None:
    picture, points = drawn_hand(scale=1, angle=0, wrist=(320, 160))
    found = find(picture, points[0], points[[5, 17]].mean(axis=0))
    assert found is not None and found[0, 2] > 0.9
    outside = points[:, 1] < -15
    assert outside.any() and not found[outside].any()


def test_a_wall_and_a_far_hand_are_no_hands(find: HandLandmarks) -> None:
    picture, points = drawn_hand(scale=0.1, angle=0)
    assert find(picture, points[0], points[[5, 17]].mean(axis=0)) is None
    assert find(np.full_like(picture, 90), _HAND[0] + 200, _HAND[9] + 200) is None
    assert find(picture, np.full(2, np.nan), points[9]) is None
