"""Are PSNR and SSIM those that everyone else computes from the written frames?"""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from util.image_quality import psnr, ssim


def random_picture(seed: int, height: int = 24, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def to_frame(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 127.5 - 1


@pytest.mark.parametrize("step", [1, 10, 255])
def test_psnr_of_a_constant_difference_is_the_formula(step: int) -> None:
    black = np.zeros((16, 16, 3), np.uint8)
    assert psnr(to_frame(black), to_frame(black + np.uint8(step))) == pytest.approx(20 * math.log10(255 / step))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_psnr_is_skimage_s_on_uint8(first: int, second: int) -> None:
    a, b = random_picture(first), random_picture(second + 1001)
    assert psnr(to_frame(a), to_frame(b)) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255))


def test_metrics_see_what_is_written_not_the_float_behind_it() -> None:
    frame = to_frame(random_picture(0))
    assert psnr(frame, frame + 0.4 / 127.5) == psnr(frame, frame)
    assert ssim(frame, frame + 0.4 / 127.5) == ssim(frame, frame)


def test_values_outside_the_range_are_clipped_as_in_the_file() -> None:
    white = torch.ones(3, 16, 16)
    assert psnr(white, white * 1.5) == 100.0


def test_identical_frames_have_finite_figures_that_json_can_hold() -> None:
    frame = to_frame(random_picture(1))
    assert json.loads(json.dumps([psnr(frame, frame), ssim(frame, frame)], allow_nan=False)) == [100.0, 1.0]


def test_psnr_never_passes_that_of_identical_frames() -> None:
    frame = torch.zeros(3, 8, 8)
    other = frame.clone()
    other[0, 0, 0] = 2 / 255 + 0.001
    assert 40 < psnr(frame, other) < 100.0


def test_ssim_is_skimage_s_on_luma() -> None:
    a = random_picture(2)
    b = np.clip(a + np.random.default_rng(3).normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    luma = [0.299 * x[..., 0] + 0.587 * x[..., 1] + 0.114 * x[..., 2] for x in (a, b)]
    expected = structural_similarity(
        *luma, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(to_frame(a), to_frame(b)) == pytest.approx(expected, abs=1e-9)


def test_ssim_of_two_flat_frames_is_the_luminance_term() -> None:
    first, second = 100.0, 150.0
    c1 = (0.01 * 255) ** 2
    expected = (2 * first * second + c1) / (first**2 + second**2 + c1)
    frames = [to_frame(np.full((16, 16, 3), value, np.uint8)) for value in (first, second)]
    assert ssim(*frames) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_metrics_are_symmetric_and_best_for_equal_frames(seed: int) -> None:
    a, b = to_frame(random_picture(seed)), to_frame(random_picture(seed + 1))
    assert psnr(a, b) == psnr(b, a) < psnr(a, a)
    assert ssim(a, b) == pytest.approx(ssim(b, a)) and ssim(a, b) < ssim(a, a)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type_is_accepted(dtype: torch.dtype) -> None:
    frame = torch.zeros(3, 16, 16, dtype=dtype)
    assert psnr(frame, frame) == 100.0 and ssim(frame, frame) == 1.0


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_frames_of_two_shapes_are_refused(metric) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"one shape, got \(3, 16, 16\) and \(3, 16, 17\)"):
        metric(torch.zeros(3, 16, 16), torch.zeros(3, 16, 17))


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_a_nan_is_refused_rather_than_measured(metric) -> None:  # type: ignore[no-untyped-def]
    frame = torch.zeros(3, 16, 16)
    with pytest.raises(ValueError, match="finite"):
        metric(frame, frame * math.nan)


def test_ssim_needs_its_window() -> None:
    with pytest.raises(ValueError, match="at least 11 x 11"):
        ssim(torch.zeros(3, 10, 30), torch.zeros(3, 10, 30))
