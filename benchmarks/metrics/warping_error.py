"""Temporal consistency along the real video's motion: warping error and flicker."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.metrics.measure import MeanOverFrames, Scores
from benchmarks.metrics.videos import Pair
from models.flow.reference import FlowEstimator
from models.flow.warp import warp

# What one step may look like: the generated and real frame before, both now, the flow between the real ones that
# carries the one before onto the one now, and where it can be trusted ([B, 3, H, W], [B, 2, H, W], [B, 1, H, W]).
StepScore = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], float | None]


def visible(flow: Tensor, back: Tensor) -> Tensor:
    """Where a pixel of the later frame is seen in the earlier one: flows there and back cancel (Sundaram et al. 2010).

    Args:
        flow: carries the earlier frame onto the later one, [B, 2, H, W] in pixels.
        back: carries the later frame onto the earlier one.

    Returns:
        [B, 1, H, W]: 1 where the sum of both is short against them, and its origin lies in the frame; else 0.
    """
    returned = warp(back, flow)
    lengths = flow.square().sum(dim=1, keepdim=True) + returned.square().sum(dim=1, keepdim=True)
    is_consistent = (flow + returned).square().sum(dim=1, keepdim=True) < 0.01 * lengths + 0.5
    height, width = flow.shape[-2:]
    x = torch.arange(width, device=flow.device) + flow[:, :1]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1:]
    is_inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return (is_consistent & is_inside).to(flow.dtype)


def warping_error(before: Tensor, now: Tensor, flow: Tensor, mask: Tensor) -> float | None:
    """How far a frame is from the one before it, moved: squared colour distance, colours in [0, 1] (Lai et al. 2018).

    Args:
        before, now: two frames of one video, [B, 3, H, W] in [-1, 1].
        flow: carries the first onto the second, [B, 2, H, W].
        mask: the pixels that count, [B, 1, H, W].

    Returns:
        The mean over the pixels that count; None when there are none.
    """
    distance = ((now - warp(before, flow)) / 2).square().sum(dim=1, keepdim=True)
    return _masked_mean(distance, mask)


def flicker(error_before: Tensor, error_now: Tensor, flow: Tensor, mask: Tensor) -> float | None:
    """How much the error of a generated video changes from frame to frame: an error that moves along does not flicker.

    Args:
        error_before, error_now: generated less real frame, [B, 3, H, W].
        flow, mask: see ``warping_error``.

    Returns:
        The mean absolute change of a value over the pixels that count, in grey levels of 255; None without any.
    """
    change = (error_now - warp(error_before, flow)).abs().mean(dim=1, keepdim=True) * 127.5
    return _masked_mean(change, mask)


def _masked_mean(values: Tensor, mask: Tensor) -> float | None:
    total = float(mask.sum())
    return float((values * mask).sum()) / total if total > 0 else None


def make_warping_error(estimator: FlowEstimator) -> MeanOverFrames:
    """The warping error; the flow is that of the real frames, so a frozen video is not the best one."""

    def score(fake_before: Tensor, fake: Tensor, _: Tensor, __: Tensor, flow: Tensor, mask: Tensor) -> float | None:
        return warping_error(fake_before, fake, flow, mask)

    return _over_steps("warping_error", score, estimator, unit="squared distance, colours in [0, 1]")


def make_flicker(estimator: FlowEstimator) -> MeanOverFrames:
    """The flicker; see there."""

    def score(
        fake_before: Tensor, fake: Tensor, real_before: Tensor, real: Tensor, flow: Tensor, mask: Tensor
    ) -> float | None:
        return flicker(fake_before - real_before, fake - real, flow, mask)

    return _over_steps("flicker", score, estimator, unit="grey levels of 255")


def _over_steps(name: str, score: StepScore, estimator: FlowEstimator, *, unit: str) -> MeanOverFrames:
    """A metric that gives frame t the score of the step from t - 1; a given frame may be the earlier one."""

    def scores(pair: Pair) -> Scores:
        first = max(pair.num_given, 1)
        found: Scores = [None] * min(first, pair.num_frames)
        for number in range(first, pair.num_frames):
            (fake_before, real_before), (fake, real) = (
                [frame[None].float() for frame in pair.frames(one)] for one in (number - 1, number)
            )
            flow = estimator(real, real_before)
            mask = visible(flow, estimator(real_before, real))
            found.append(score(fake_before, fake, real_before, real, flow, mask))
        return found

    return MeanOverFrames(
        name,
        1,
        "lower",
        scores,
        needs_past=True,
        unit=unit,
        settings={"flow": f"{estimator.name}, of the real frames", "occlusion": "forward-backward, 0.01 and 0.5"},
    )
