"""Landmarks of a stream are those of the whole video, where nobody must know the future."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.detectors.blaze import crowd_note
from data.detectors.landmarks import Follower
from data.detectors.smoothing import (
    filled,
    filled_in_order,
    held_in_order,
    in_pixels,
    in_steps,
    smoothed,
    smoothed_in_order,
)
from data.kinds.face import landmarks_as_text, read_landmarks


def moving(length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 500, (length, 68, 2))


@settings(max_examples=30, deadline=None)
@given(present=st.lists(st.booleans(), min_size=1, max_size=14).filter(any), seed=st.integers(0, 9))
def test_filling_in_order_is_filling_the_whole_video(present: list[bool], seed: int) -> None:
    points = moving(len(present), seed)
    found = [one if is_there else None for one, is_there in zip(points, present, strict=True)]
    assert np.allclose(np.stack(list(filled_in_order(found))), filled(found))


def test_without_any_face_nothing_is_filled() -> None:
    assert list(filled_in_order([None, None])) == []


@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 12), seed=st.integers(0, 9))
def test_smoothing_in_order_is_smoothing_the_whole_video(length: int, seed: int) -> None:
    points = moving(length, seed)
    assert np.allclose(np.stack(list(smoothed_in_order(points))), smoothed(points))


def test_smoothing_waits_for_two_frames_and_no_more() -> None:
    taken = 0

    def camera() -> Iterator[np.ndarray]:
        nonlocal taken
        for one in moving(12, 0):
            taken += 1
            yield one

    for number, _ in enumerate(smoothed_in_order(camera())):
        assert taken <= max(number + 2, 4) + 1


def test_a_camera_holds_the_last_landmarks_through_a_gap() -> None:
    first, second = moving(2, 0)
    held = list(held_in_order([None, first, None, None, second, None]))
    assert held[0] is None
    assert [one is first for one in held[1:4]] == [True] * 3
    assert held[4] is second and held[5] is second


def test_landmarks_in_memory_are_the_numbers_of_a_datasets_files(tmp_path: Path) -> None:
    (points,) = moving(1, 3)
    (tmp_path / "0.txt").write_text(landmarks_as_text(points))
    assert np.array_equal(in_pixels(in_steps(points)), read_landmarks(tmp_path / "0.txt"))


class Box(NamedTuple):
    """A rectangle as dlib has them."""

    x: int
    side: int

    def left(self) -> int:
        return self.x

    def top(self) -> int:
        return 0

    def right(self) -> int:
        return self.x + self.side

    def bottom(self) -> int:
        return self.side


@pytest.mark.parametrize("follows", [True, False])
def test_the_face_that_is_largest_at_the_start_is_followed(follows: bool) -> None:
    """The other one grows beyond it; one picture shows that one alone."""
    pictures = [[Box(0, 100 - number), Box(200, 80 + 5 * number)] for number in range(8)]
    pictures[5] = pictures[5][1:]
    shown = iter(pictures)
    find = Follower(
        lambda picture, doubled: next(shown), lambda picture, box: np.tile(box[:2], (68, 1)), follows=follows
    )
    found = [find(np.zeros((1, 1, 3), np.uint8)) for _ in pictures]
    lefts = [None if points is None else points[0, 0] for points in found]
    assert lefts == ([0] * 5 + [None] + [0] * 2 if follows else [0] * 4 + [200] * 4)
    assert crowd_note(find, "faces") == "up to 2 faces at once, the largest at the start is followed"
    assert crowd_note(len, "faces") == ""
