from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.transforms import (
    Box,
    Filter,
    Geometry,
    Placement,
    cut,
    moved_frame,
    moved_points,
    multiple_of_32,
    random_affine,
    resize,
)
from tests.golden import load_golden
from util.errors import UserError

GOLDEN, META = load_golden("data_params")
ROWS: list[list[Any]] = META["img_params"]


def test_sizes_of_every_mode_equal_published_ones() -> None:
    for mode, load_size, fine_size, width, height, seed, expected in ROWS:
        rng = np.random.default_rng(seed)
        placement = Geometry(mode, load_size, fine_size).place(Box(0, 0, width, height), rng=rng)
        if "random" not in mode or load_size == fine_size and "scaledCrop" not in mode:
            # random modes draw from fine..load; published ones from fine..load + 1, which rounds to more at times
            tolerance = 0 if "random" not in mode else 32
            assert abs(placement.resized[1] - expected[0]) <= tolerance, (mode, width, height)
            assert abs(placement.resized[0] - expected[1]) <= tolerance, (mode, width, height)
        if "rop" in mode:
            assert (placement.crop.width, placement.crop.height) == (expected[2], expected[3]), (mode, width, height)
        else:
            assert placement.size == placement.resized


def test_random_crops_lie_where_published_ones_may() -> None:
    geometry = Geometry("scaleWidth_and_crop", 768, 512)
    boxes = [geometry.place(Box(0, 0, 640, 480), rng=np.random.default_rng(seed)).crop for seed in range(200)]
    assert all(0 <= box.left <= 256 and 0 <= box.top <= 64 for box in boxes)
    assert 110 < np.mean([box.left for box in boxes]) < 146
    assert geometry.place(Box(0, 0, 640, 480)).crop.left == 128


def test_random_scale_stays_between_fine_and_load_size() -> None:
    geometry = Geometry("randomScaleWidth", 768, 512)
    sides = {geometry.place(Box(0, 0, 640, 480), rng=np.random.default_rng(seed)).size[1] for seed in range(100)}
    assert min(sides) == 512 and max(sides) == 768 and len(sides) > 4


def test_rounding_equals_published_one() -> None:
    assert all(multiple_of_32(side) == expected for side, expected in META["make_power_2"])


@pytest.mark.parametrize("filter", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_resized_picture_equals_published_one_to_a_step(filter: Filter, is_mirrored: bool) -> None:
    placement = Placement(Box(0, 0, 53, 37), (64, 32), Box(0, 0, 32, 64), is_mirrored)
    picture = placement.of_frame(GOLDEN["tr_img"].numpy(), filter=filter).float() / 127.5 - 1
    labels = placement.of_frame(GOLDEN["tr_lab"].numpy(), filter=filter).float() / 255
    assert (picture - GOLDEN[f"tr_{filter}_flip{int(is_mirrored)}"]).abs().max() <= 1.01 / 127.5
    assert (labels - GOLDEN[f"trlab_{filter}_flip{int(is_mirrored)}"]).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("mode", ["scalewidth", "scaleWidth_and_cut", "", "crop_and_crop"])
def test_unknown_mode_is_refused_with_the_choices(mode: str) -> None:
    with pytest.raises(UserError, match="scaleWidth"):
        Geometry(mode)


def test_a_frame_too_thin_is_refused() -> None:
    with pytest.raises(UserError, match="2000 x 10"):
        Geometry("scaleWidth", 64, 64).place(Box(0, 0, 2000, 10))


def test_cut_outside_the_frame_is_black() -> None:
    frame = np.full((4, 5, 3), 9, np.uint8)
    part = cut(frame, Box(-1, -2, 3, 6))
    assert part.shape == (8, 4, 3)
    assert (part[2:6, 1:] == 9).all() and part.sum() == 9 * 3 * 12


def test_crop_beyond_the_scaled_frame_keeps_its_size() -> None:
    placement = Geometry("scaleWidth_and_crop", 64, 64).place(Box(0, 0, 200, 100))
    planes = placement.of_frame(np.full((100, 200), 7, np.uint8), filter="bilinear")
    assert planes.shape == (1, 64, 64)
    assert (planes[0, :32] == 7).all() and (planes[0, 32:] == 0).all()


def test_resizing_many_planes_equals_each_alone() -> None:
    planes = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, 50, 40), dtype=np.uint8))
    together = resize(planes, (24, 32), filter="bilinear")
    for plane, expected in zip(planes, together, strict=True):
        alone = resize(plane[None], (24, 32), filter="bilinear")[0]
        assert (alone.int() - expected.int()).abs().max() <= 1


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_affine_moves_points_and_picture_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    point = rng.uniform(30, 70, 2).round()
    frame = np.zeros((100, 100, 3), np.uint8)
    x, y = point.astype(int)
    frame[y - 1 : y + 2, x - 1 : x + 2] = 255
    matrix = random_affine(rng, strength=1, box=Box(0, 0, 100, 100))
    moved = moved_frame(frame, matrix, filter="bilinear")[..., 0].astype(float)
    rows, columns = np.mgrid[:100, :100]
    found = np.array([(columns * moved).sum(), (rows * moved).sum()]) / moved.sum()
    np.testing.assert_allclose(found, moved_points(point[None], matrix)[0], atol=0.2)


def test_affine_of_strength_zero_is_identity() -> None:
    matrix = random_affine(np.random.default_rng(0), strength=0, box=Box(3, 4, 50, 60))
    np.testing.assert_allclose(matrix, [[1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_affine_repeats_the_border() -> None:
    frame = np.full((20, 30, 3), 50, np.uint8)
    matrix = random_affine(np.random.default_rng(0), strength=2, box=Box(0, 0, 30, 20))
    assert (moved_frame(frame, matrix, filter="bilinear") == 50).all()
