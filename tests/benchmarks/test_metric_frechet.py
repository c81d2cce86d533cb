"""The Fréchet distance is the known one, and grows with visible damage."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.metrics.fid import make_frechet_lite0
from benchmarks.metrics.frechet import frechet_distance
from benchmarks.metrics.fvd import fvd_on, make_fvd
from benchmarks.metrics.measure import FrechetMetric, Rules, features_of_frames
from models.networks.i3d import I3D
from tests.benchmarks.metric_videos import moving_scene, noisy, pair_of, rises, shuffled
from tests.golden import fill_state
from util.errors import UserError

CPU = torch.device("cpu")


def sample(mean: np.ndarray, covariance: np.ndarray, *, num: int, seed: int) -> np.ndarray:
    """Vectors with exactly this mean and covariance."""
    noise = np.random.default_rng(seed).normal(size=(num, len(mean)))
    noise -= noise.mean(axis=0)
    white = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise.T))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def usual_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The textbook's formula with scipy's matrix root."""
    covariances = np.cov(first.T), np.cov(second.T)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    shift = np.sum((first.mean(axis=0) - second.mean(axis=0)) ** 2)
    return float(shift + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(root))


def test_normal_distributions_with_known_distance() -> None:
    variances = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.25])
    means = np.zeros(3), np.array([1.0, -2.0, 0.5])
    sets = [sample(mean, np.diag(one), num=50, seed=k) for k, (mean, one) in enumerate(zip(means, variances))]  # noqa: B905
    exact = np.sum((means[0] - means[1]) ** 2) + np.sum((np.sqrt(variances[0]) - np.sqrt(variances[1])) ** 2)
    assert frechet_distance(*sets) == pytest.approx(exact, rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_it_is_scipy_s(seed: int, num_features: int) -> None:
    random = np.random.default_rng(seed)
    sets = [random.normal(size=(60, num_features)) @ random.normal(size=(num_features, num_features)) + k
            for k in range(2)]  # fmt: skip
    assert frechet_distance(*sets) == pytest.approx(usual_distance(*sets), rel=1e-3)


def test_it_is_exact_with_fewer_vectors_than_features() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(7, 40)), 1 + random.normal(size=(9, 40))
    # the same sets in the coordinates of the space that they span: there scipy's root exists
    basis = np.linalg.qr(np.concatenate((first, second)).T)[0]
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(first @ basis, second @ basis), rel=1e-9)


def test_equal_sets_have_none_and_order_does_not_matter() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 5))
    assert frechet_distance(vectors, vectors[::-1]) == pytest.approx(0, abs=1e-9)
    other = vectors * 2
    assert frechet_distance(vectors, other) == pytest.approx(frechet_distance(other, vectors), rel=1e-9)


@pytest.mark.parametrize("wrong", [np.zeros((1, 3)), np.zeros((4, 2)), np.full((4, 3), np.nan)])
def test_what_cannot_be_compared_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        frechet_distance(np.zeros((4, 3)), wrong)


@pytest.fixture(scope="module")
def lite0() -> FrechetMetric:
    return make_frechet_lite0(device=CPU)


@pytest.mark.slow
def test_frechet_lite0_says_what_it_is(lite0: FrechetMetric) -> None:
    real = moving_scene(4)
    result = lite0.measure([pair_of(noisy(real, 0.1), real, num_given=2)], Rules(clip_length=3))
    assert result.manifest.metric == "frechet_lite0" and result.manifest.frames == 2
    assert result.manifest.backbone is not None and len(result.manifest.backbone.sha256) == 64
    assert result.manifest.clips == ("talk[2:3]", "talk[3:4]")
    assert "2 samples of 224 features" in result.note


def motion_features(clip: Tensor) -> Tensor:
    """A stand-in for I3D: colours and how they change, of halves of the clip."""
    change = clip.diff(dim=1).abs().mean(dim=(2, 3, 4))
    halves = change.chunk(2, dim=1)
    return torch.stack((clip.mean(dim=(1, 2, 3, 4)), *(half.mean(dim=1) for half in halves)), dim=1)


def test_fvd_takes_whole_clips_in_order_and_counts_the_rest() -> None:
    real = moving_scene(11)
    result = fvd_on(motion_features, None, device=CPU).measure([pair_of(real, real, num_given=2)], Rules(clip_length=4))
    assert result.manifest.clips == ("talk[0:4]", "talk[4:8]") and result.num_missed == 3
    assert "3 frames left out" in result.note
    assert result.value == pytest.approx(0, abs=1e-9)


def test_fvd_of_too_few_clips_is_no_figure_and_says_why() -> None:
    real = moving_scene(11)
    result = fvd_on(motion_features, None, device=CPU).measure([pair_of(real, real)], Rules(clip_length=28))
    assert result.value is None and result.interval is None and result.num_missed == 11
    assert "fill no clip of 28; no figure, it needs 2 samples or more" in result.note and "--clip_length" in result.note


def test_fvd_of_other_clips_than_the_paper_s_has_another_name() -> None:
    real = moving_scene(11)
    metric = fvd_on(motion_features, None, device=CPU)
    names = [metric.measure([pair_of(real, real)], Rules(clip_length=length)).manifest.metric for length in (4, 28)]
    assert names == ["fvd_4", "fvd"]
    assert replace(metric, takes_whole_clips=False).name_for(4) == "fvd", (
        "a distance of frames does not depend on how clips are cut"
    )


def test_fvd_notices_shuffling_which_a_distance_of_frames_cannot() -> None:
    real = moving_scene(12)
    fvd = fvd_on(motion_features, None, device=CPU)
    of_frames = FrechetMetric("colours", 1, features_of_frames(lambda x: x.mean(dim=(2, 3)), device=CPU), False)

    def figure(metric: FrechetMetric, share: float) -> float:
        value = metric.measure([pair_of(shuffled(real, share), real)], Rules(clip_length=4)).value
        assert value is not None
        return value

    assert rises(lambda share: figure(fvd, share), (0.0, 0.3, 1.0))
    assert figure(of_frames, 1.0) == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_i3d_features_of_random_weights_notice_shuffling() -> None:
    network = I3D()
    fill_state(network, "i3d", gain=2.0)  # fresh weights would let the signal die away
    real = moving_scene(16)
    fvd = fvd_on(lambda clip: network(clip, side=32), None, device=CPU)
    fine, spoilt = (
        fvd.measure([pair_of(one, real)], Rules(clip_length=8)).value for one in (real, shuffled(real, 1.0))
    )
    assert fine == pytest.approx(0, abs=1e-9) and spoilt is not None and spoilt > 1e-4


def test_fvd_without_weights_says_how_to_get_them() -> None:
    with pytest.raises(UserError, match="rgb_imagenet.pt.*--i3d_weights"):
        make_fvd(i3d_weights=None, device=CPU)
