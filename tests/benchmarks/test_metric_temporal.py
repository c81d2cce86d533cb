"""Temporal metrics notice what happens between frames, and only that."""

import pytest
import torch

from benchmarks.metrics.measure import MeanOverFrames, Rules, over_frames
from benchmarks.metrics.warping_error import flicker, make_flicker, make_warping_error, visible, warping_error
from models.flow.estimators import make_flow
from tests.benchmarks.metric_videos import SIDE, blurred, moving_scene, noisy, pair_of, rises, shuffled
from util.image_quality import psnr

METRICS = {"warping_error": make_warping_error, "flicker": make_flicker}


def figure(metric: MeanOverFrames, fake: list[torch.Tensor], real: list[torch.Tensor]) -> float:
    value = metric.measure([pair_of(fake, real)], Rules()).value
    assert value is not None
    return value


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest) -> MeanOverFrames:
    return METRICS[request.param](make_flow("dis"))


def test_they_grow_with_noise(metric: MeanOverFrames) -> None:
    real = moving_scene()
    assert rises(lambda std: figure(metric, noisy(real, std), real), (0.0, 0.05, 0.15, 0.4))


def test_they_notice_shuffling(metric: MeanOverFrames) -> None:
    real = moving_scene()
    assert rises(lambda share: figure(metric, shuffled(real, share), real), (0.0, 0.3, 1.0))


def test_they_notice_shuffling_where_psnr_hardly_does() -> None:
    # a still scene in which one small thing moves
    scene = moving_scene(1)[0]
    real = []
    for number in range(12):
        frame = scene.clone()
        frame[:, 20:28, 3 * number : 3 * number + 8] = 1.0
        real.append(frame)
    fake = shuffled(real, 1.0)
    still = MeanOverFrames("psnr", 1, "higher", over_frames(psnr))
    assert figure(still, fake, real) > 15
    steady = make_warping_error(make_flow("dis"))
    assert figure(steady, fake, real) > 2 * figure(steady, real, real)


def test_flicker_notices_a_shift_in_time() -> None:
    real = moving_scene(20)
    metric = make_flicker(make_flow("dis"))

    def shifted(frames: float) -> float:
        late = [real[max(number - int(frames), 0)] for number in range(20)]
        return figure(metric, late[8:], real[8:])

    assert rises(shifted, (0, 1, 2))


def test_an_error_that_stays_does_not_flicker() -> None:
    real = moving_scene()
    metric = make_flicker(make_flow("dis"))
    darker = [frame * 0.5 for frame in real]
    flickering = [frame * (0.5 if number % 2 else 0.6) for number, frame in enumerate(real)]
    assert figure(metric, [frame - 0.25 for frame in real], real) < 1e-3
    assert figure(metric, darker, real) < figure(metric, flickering, real)
    assert figure(metric, blurred(real, 2.0), real) < figure(metric, noisy(real, 0.4), real)


def test_the_first_frame_and_given_frames_have_no_score() -> None:
    real = moving_scene(5)
    metric = make_warping_error(make_flow("dis"))
    for num_given, first in ((0, 1), (1, 1), (2, 2)):
        result = metric.measure([pair_of(real, real, num_given=num_given)], Rules())
        scores = result.per_frame["talk"]
        assert scores[:first] == [None] * first and None not in scores[first:]
        assert result.num_missed == 0 and result.manifest.frames == 5 - first


def test_what_comes_into_view_does_not_count() -> None:
    flow = torch.zeros(1, 2, SIDE, SIDE)
    flow[:, 0] = -5.0  # everything came from 5 pixels to the left
    mask = visible(flow, -flow)
    assert mask[..., :5].sum() == 0 and mask[..., 5:].all()
    contradicted = visible(flow, torch.zeros_like(flow))
    assert contradicted.sum() == 0


def test_nothing_visible_is_no_score() -> None:
    frame, flow, mask = torch.zeros(1, 3, 8, 8), torch.zeros(1, 2, 8, 8), torch.zeros(1, 1, 8, 8)
    assert warping_error(frame, frame, flow, mask) is None and flicker(frame, frame, flow, mask) is None


def test_the_units_are_those_that_are_told() -> None:
    black, white = torch.full((1, 3, 8, 8), -1.0), torch.ones(1, 3, 8, 8)
    flow, mask = torch.zeros(1, 2, 8, 8), torch.ones(1, 1, 8, 8)
    assert warping_error(black, white, flow, mask) == pytest.approx(3.0)
    assert flicker(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 2 / 255), flow, mask) == pytest.approx(1.0)
