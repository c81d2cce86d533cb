import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.feature import canny

from data.kinds.face_curves import canny_edges, curve_pixels, distance_map, is_tame, thick
from data.transforms import Box
from tests.golden import load_golden

GOLDEN, _ = load_golden("data_face")
# 8: the published curve does not exist; 9: there the published iterative fit misses its own points by 4 pixels
CURVES = [number for number in range(11) if number not in (8, 9)]


@pytest.mark.parametrize("number", CURVES)
def test_curve_equals_published_one_to_a_pixel(number: int) -> None:
    points = GOLDEN[f"interp{number}_in"].numpy().T
    pixels, curve = curve_pixels(points[None])
    expected = GOLDEN[f"interp{number}_out"].numpy().T
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max(initial=0) <= 1
    assert (curve == 0).all()


@pytest.mark.parametrize("number", [*CURVES, 8])
def test_drawing_equals_published_one(number: int) -> None:
    pixels, _ = curve_pixels(GOLDEN[f"interp{number}_in"].numpy().T[None])
    drawn = np.zeros((48, 48), np.bool_)
    for x, y in thick(pixels, height=48, width=48).reshape(-1, 2):
        drawn[y, x] = True
    expected = GOLDEN[f"draw{number}_bw1_ep0"].numpy().max(axis=-1) > 0
    assert (drawn != expected).sum() <= 8


def test_many_curves_at_once_equal_each_alone() -> None:
    points = np.random.default_rng(0).uniform(0, 60, (20, 3, 2))
    pixels, curve = curve_pixels(points)
    for number, one in enumerate(points):
        np.testing.assert_array_equal(pixels[curve == number], curve_pixels(one[None])[0])


def test_line_through_two_points_meets_both() -> None:
    pixels, _ = curve_pixels(np.array([[[3.0, 4.0], [20.0, 10.0]]]))
    assert pixels[0].tolist() == [3, 4] and pixels[-1].tolist() == [20, 10]


def test_curve_around_a_corner_is_not_tame_and_a_gentle_one_is() -> None:
    mouth_corner = [[217.8, 259.2], [228.0, 247.8], [236.2, 247.0]]
    brow = [[124.0, 104.0], [133.0, 99.0], [142.0, 97.0]]
    not_drawn = [[10.0, 10.0], [20.0, 15.0], [10.0, 20.0]]
    assert is_tame(np.array([mouth_corner, brow, not_drawn])).tolist() == [False, True, False]


@given(seed=st.integers(0, 10**6), left=st.integers(-30, 40), top=st.integers(-30, 40))
@settings(max_examples=25, deadline=None)
def test_distance_map_is_distance_to_nearest_pixel(seed: int, left: int, top: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 40, (6, 2))
    box = Box(left, top, left + 25, top + 20)
    y, x = np.mgrid[box.top : box.bottom, box.left : box.right]
    every = np.abs(x[..., None] - pixels[:, 0]) + np.abs(y[..., None] - pixels[:, 1])
    np.testing.assert_array_equal(distance_map(pixels, box), every.min(axis=-1))


@given(seed=st.integers(0, 10**6), height=st.integers(12, 60), width=st.integers(12, 60))
@settings(max_examples=15, deadline=None)
def test_canny_equals_scikit_image(seed: int, height: int, width: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1), dtype=np.uint8)
    grey = np.kron(grey, np.ones((4, 4), np.uint8))[:height, :width]
    # single precision may decide a tie differently
    assert (canny_edges(grey) != canny(grey)).mean() <= 0.01


def test_canny_of_flat_picture_is_empty() -> None:
    assert not canny_edges(np.full((30, 30), 200, np.uint8)).any()
