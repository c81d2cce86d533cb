"""Losses, metrics and interpolation agree with the exact motion of the sample worlds.

That the motion itself is right is tested in ``test_toy_city.py`` and ``test_puppet.py``, estimated flow there too.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.metrics.warping_error import flicker, visible, warping_error
from data.clips import Clip
from data.samples.worlds.city import City
from data.samples.worlds.puppet import Puppet
from models.flow.reference import confidence
from models.flow.warp import warp
from models.interpolation.choose import make_interpolator
from models.interpolation.motion_compensation import straight_flows
from models.training.rollout import Rollout
from models.training.stages.vid2vid import Vid2Vid
from tests.tiny_stages import CHANNELS, parts

pytestmark = pytest.mark.slow
NUM_FRAMES = 4


@dataclass
class World:
    """Frames [T, 3, H, W] in [-1, 1] and the exact motion between them."""

    frames: Tensor
    forward: Tensor
    """[T, 2, H, W]: into the next frame."""
    backward: Tensor
    """[T, 2, H, W]: into the frame before, so that ``warp(before, backward)`` is the frame."""
    is_seen: Tensor
    """[T, 1, H, W]: 1 where the frame before shows the pixel too."""

    def estimator(self, target: Tensor, source: Tensor) -> Tensor:
        """The exact flow as a ``models.flow.reference.FlowEstimator``, for neighbours in time."""
        later, earlier = (
            next(number for number, frame in enumerate(self.frames) if torch.equal(frame, image[0]))
            for image in (target, source)
        )
        assert later == earlier + 1
        return self.backward[later : later + 1]


def city() -> World:
    drive = City(2).frames(NUM_FRAMES, frames_per_second=17, height=96, width=192)
    return world([(one.image, one.forward.flow, one.backward.flow, one.backward.is_hidden) for one in drive])


def puppet() -> World:
    dancer = Puppet(0)
    moments = [dancer.moment(40 + time) for time in range(NUM_FRAMES)]
    as_last = [(one.forward.flow.transpose(1, 2, 0), one.backward.flow.transpose(1, 2, 0)) for one in moments]
    return world([(one.image, *flows, one.backward.is_hidden) for one, flows in zip(moments, as_last, strict=True)])


def world(metadata: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> World:
    images, forward, backward, hidden = (torch.from_numpy(np.stack(one)) for one in zip(*metadata, strict=True))
    forward, backward = (flow.permute(0, 3, 1, 2).float() for flow in (forward, backward))
    return World(images.permute(0, 3, 1, 2).float() / 127.5 - 1, forward, backward, (~hidden)[:, None].float())


@pytest.fixture(scope="module", params=[city, puppet], ids=["city", "puppet"])
def exact(request: pytest.FixtureRequest) -> World:
    found: World = request.param()
    return found


def psnr(one: Tensor, other: Tensor) -> float:
    return float(-10 * torch.log10(((one - other) / 2).square().mean()))


def motion_losses(exact: World, *, flow: Tensor, image: Tensor) -> dict[str, float]:
    """The rows of the teacher's loss table about motion, were these the generated flow and frames."""
    clip = Clip(
        semantic=torch.zeros(1, NUM_FRAMES, CHANNELS, *exact.frames.shape[-2:]),
        image=exact.frames[None],
        foreground=None,
        index=torch.arange(NUM_FRAMES)[None],
        names=["world"],
    )
    stage = Vid2Vid(**parts(estimator=exact.estimator))
    chunk = next(stage.prepare(clip, torch.Generator().manual_seed(0)).chunks(NUM_FRAMES, context=stage.context))
    drawn, num_given = image[None], chunk.num_given
    rollout = Rollout(
        image=drawn, raw=drawn[:, num_given:], flow=flow[None, num_given:],
        weight=torch.ones_like(flow[None, num_given:, :1]), index=clip.index, num_given=num_given,
    )  # fmt: skip
    table = stage.losses(chunk, rollout).generator.detached()
    return {name: float(table[name]) for name in ("F_Flow", "F_Warp", "G_Warp")}


def test_losses_of_motion_are_least_for_true_frames_and_their_exact_flow(exact: World) -> None:
    least = motion_losses(exact, flow=exact.backward, image=exact.frames)
    assert least["F_Flow"] == 0
    for shift in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)):
        shifted = motion_losses(exact, flow=exact.backward + torch.tensor(shift)[:, None, None], image=exact.frames)
        assert shifted["F_Flow"] > 0.3 and shifted["F_Warp"] > 1.5 * least["F_Warp"]
    still = motion_losses(exact, flow=torch.zeros_like(exact.backward), image=exact.frames)
    assert still["F_Flow"] > 0.1 and still["F_Warp"] > 1.5 * least["F_Warp"]
    # frames that flicker do not follow from each other
    flickering = exact.frames * torch.tensor([1, 0.8] * (NUM_FRAMES // 2))[:, None, None, None]
    assert motion_losses(exact, flow=exact.backward, image=flickering)["G_Warp"] > 1.5 * least["G_Warp"]


def test_the_warping_loss_leads_a_wrong_flow_to_the_exact_one(exact: World) -> None:
    """Its gradient alone moves a flow that is off by a pixel back to where it belongs."""
    before, now, seen = exact.frames[:1], exact.frames[1:2], exact.is_seen[1:2]
    shift = torch.tensor([1.0, -0.7]).requires_grad_()
    optimiser = torch.optim.Adam([shift], lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        moved = warp(before, exact.backward[1:2] + shift[None, :, None, None])
        ((moved - now).abs() * seen).mean().backward()
        optimiser.step()
    assert shift.detach().abs().max() < 0.15


def test_confidence_and_consistency_agree_with_what_is_seen(exact: World) -> None:
    for now in range(1, NUM_FRAMES):
        flow, seen = exact.backward[now : now + 1], exact.is_seen[now : now + 1].bool()
        trusted = confidence(exact.frames[now : now + 1], exact.frames[now - 1 : now], flow).bool()
        assert trusted[seen].float().mean() > trusted[~seen].float().mean() + 0.2
        consistent = visible(flow, exact.forward[now - 1 : now]).bool()
        assert (consistent == seen).float().mean() > 0.95


def test_temporal_metrics_are_small_for_true_frames_and_grow_with_flicker(exact: World) -> None:
    before, now = exact.frames[:1], exact.frames[1:2]
    flow, seen = exact.backward[1:2], exact.is_seen[1:2]
    true = warping_error(before, now, flow, seen)
    still = warping_error(before, now, torch.zeros_like(flow), seen)
    brighter = warping_error(before, (now + 0.2).clamp(-1, 1), flow, seen)
    assert true is not None and still is not None and brighter is not None
    assert true < 0.5 * still and true < 0.5 * brighter
    # an error that is painted on the scene moves with it and does not flicker; one that stays on the screen does
    painted = 0.3 * torch.randn(before.shape, generator=torch.Generator().manual_seed(0))
    moving, staying = (flicker(painted, after, flow, seen) for after in (warp(painted, flow), painted))
    assert moving is not None and staying is not None and moving < 1e-3 < staying


def test_straight_motion_at_half_time_is_the_exact_motion_of_the_frame_between(exact: World) -> None:
    """From both flows over two frames to the flows of the frame between them, which interpolation never sees."""
    forward = exact.forward[:1] + warp(exact.forward[1:2], exact.forward[:1])
    backward = exact.backward[2:3] + warp(exact.backward[1:2], exact.backward[2:3])
    there, back = (flow[0].permute(1, 2, 0) for flow in (forward, backward))
    to_start, to_end = (flow.permute(2, 0, 1) for flow in straight_flows(there, back, 0.5))
    for found, wanted in ((to_start, exact.backward[1]), (to_end, exact.forward[1])):
        error = (found - wanted).norm(dim=0)[exact.is_seen[1, 0].bool()]
        length = wanted.norm(dim=0).mean()
        # the flows are those of the ends' pixels, so that borders of things are off by the motion itself
        assert error.median() < 0.1 and error.mean() < 0.35 * length


@pytest.mark.parametrize("name", ["dis", "dis-medium", "blocks"])
def test_interpolation_finds_the_frame_between_better_than_fading_does(exact: World, name: str) -> None:
    for start in range(NUM_FRAMES - 2):
        first, wanted, last = exact.frames[start : start + 3]
        found, faded, repeated = (
            psnr(make_interpolator(one)(first, last, [0.5])[0], wanted) for one in (name, "blend", "nearest")
        )
        assert found > faded + 1 and found > repeated + 2, (name, found, faded, repeated)
