"""Loss terms of a chunk against the published discriminators, and the temporal windows."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from data.clips import Clip
from models.flow.reference import ReferenceFlows
from models.flow.warp import warp
from models.losses.adversarial import DiscriminatorInput, add_discriminator_terms, add_generator_terms, discriminate
from models.losses.table import LossTable, LossWeights
from models.training.build_stage import build_discriminators
from models.training.chunks import Chunk, ChunkedClip
from models.training.rollout import Rollout
from models.training.stages.vid2vid import Vid2Vid
from options.network_config import DiscriminatorConfig
from tests.golden import fill_state, load_golden


class Known:
    """A reference flow that is given, not estimated."""

    name = "known"

    def __init__(self, flow: Tensor) -> None:
        self.flow = flow

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        return self.flow


@pytest.fixture(scope="module")
def arrays() -> dict[str, Tensor]:
    return {name: value.float() for name, value in load_golden("critic_D_street_numD2")[0].items()}


def make_chunk(arrays: dict[str, Tensor]) -> tuple[Chunk, Rollout]:
    """One frame to draw after one given frame, as the published program sees it."""
    get = {name.removeprefix("tensors/"): value for name, value in arrays.items()}
    semantic = get["real_A"].unsqueeze(1)
    clip = Clip(
        semantic=torch.cat([semantic, semantic], dim=1),
        image=torch.stack([get["real_B_prev"], get["real_B"]], dim=1),
        foreground=None,
        index=torch.tensor([[0, 1], [0, 1]]),
        names=["a", "b"],
    )
    given = get["fake_B_prev"].unsqueeze(1)
    motion = ReferenceFlows(Known(get["flow_ref"]), clip.image)
    motion._known[1, 0] = (get["flow_ref"], get["conf_ref"])
    chunk = Chunk(clip, given, given, None, None, motion, first_is_raw=False, num_blank=0)
    rollout = Rollout(
        image=torch.stack([get["fake_B_prev"], get["fake_B"]], dim=1),
        raw=get["fake_B_raw"].unsqueeze(1),
        flow=get["flow"].unsqueeze(1),
        weight=get["weight"].unsqueeze(1),
        index=clip.index,
        num_given=1,
    )
    return chunk, rollout


def make_stage(discriminators: nn.ModuleDict) -> Vid2Vid:
    return Vid2Vid(
        generator=nn.Identity(),
        discriminators=discriminators,
        perceptual=None,
        estimator=Known(torch.zeros(0)),
        weights=LossWeights(),
        num_frames=2,
    )


def make_discriminator(name: str, tag: str) -> nn.ModuleDict:
    config = DiscriminatorConfig(ndf=8, num_D=2, n_layers_D=3, n_scales_temporal=2)
    discriminators = build_discriminators(config, semantic_channels=36, norm="batch", has_temporal=True)
    discriminator = discriminators[name]
    fill_state(discriminator, f"D/street_numD2/{tag}")
    return nn.ModuleDict({name: discriminator.train()})


def test_image_and_motion_terms_are_the_published_ones(
    arrays: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    # the published program warps with align_corners=False on a grid made for True
    monkeypatch.setattr("models.losses.motion.warp", lambda image, flow: warp(image, flow, align_corners=False))
    stage = make_stage(make_discriminator("image", "netD"))
    chunk, rollout = make_chunk(arrays)
    generator, discriminators = stage.losses(chunk, rollout).generator, stage.losses(chunk, rollout).discriminator
    weighted = generator.detached()
    for term, published in {"G_GAN": "G_GAN", "G_GAN_Feat": "G_GAN_Feat", "G_Warp": "G_Warp"}.items():
        assert weighted[term].item() == pytest.approx(arrays[f"losses_mean/{published}"].item(), rel=1e-4), term
    for term in ("F_Flow", "F_Warp"):
        assert weighted[term].item() == pytest.approx(arrays[f"losses_mean/{term}"].item(), rel=1e-4), term
    for term in ("D_real", "D_fake"):
        assert discriminators.terms[term][0].item() == pytest.approx(arrays[f"losses_mean/{term}"].item(), rel=1e-4), (
            term
        )
    assert discriminators.total().item() == pytest.approx(arrays["get_losses/loss_D"].item(), rel=1e-4)


def test_the_gradient_of_the_image_and_motion_terms_is_the_published_one(
    arrays: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.losses.motion.warp", lambda image, flow: warp(image, flow, align_corners=False))
    stage = make_stage(make_discriminator("image", "netD"))
    chunk, rollout = make_chunk(arrays)
    assert rollout.flow is not None
    leaves = {"fake_B": rollout.image, "fake_B_raw": rollout.raw, "flow": rollout.flow}
    for leaf in leaves.values():
        leaf.requires_grad_()
    total = stage.losses(chunk, rollout).generator.total()
    gradients = torch.autograd.grad(total, list(leaves.values()))
    for name, gradient in zip(leaves, gradients, strict=True):
        expected = arrays[f"grad_loss_G/{name}"]
        thinned = gradient[:, -1].flatten()[::7]
        torch.testing.assert_close(thinned, expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-3)


def test_a_single_judged_image_has_the_published_discriminator_outputs(arrays: dict[str, Tensor]) -> None:
    stage = make_stage(make_discriminator("image", "netD"))
    chunk, rollout = make_chunk(arrays)
    single = dataclasses.replace(rollout, flow=None, weight=None)
    terms = stage.losses(chunk, single).discriminator.terms | stage.losses(chunk, single).generator.terms
    for number, name in enumerate(("D_real", "D_fake", "G_GAN", "G_GAN_Feat")):
        value, weight = terms[name]
        weight = 1.0 if name.startswith("D") else weight
        expected = arrays[f"compute_loss_D/{number}"].item()
        assert value.item() * weight == pytest.approx(expected, rel=1e-4), name


@pytest.mark.parametrize("scale", [0, 1])
def test_temporal_terms_are_the_published_ones(arrays: dict[str, Tensor], scale: int) -> None:
    discriminators = make_discriminator(f"temporal_{scale}", f"netD_T{scale}")
    name = f"temporal_{scale}"
    flows = (arrays["tensors_T/flow_ref"] / 20).flatten(1, 2) if "tensors_T/flow_ref" in arrays else None
    assert flows is not None
    fake, real = (torch.cat([arrays[f"tensors_T/{kind}_B"].flatten(1, 2), flows], dim=1) for kind in ("fake", "real"))
    table = LossTable()
    [output] = discriminate(discriminators, [DiscriminatorInput(name, fake, real)])
    add_generator_terms(table, output, gan_mode="ls", feature_weight=10.0)
    add_discriminator_terms(table, output, gan_mode="ls")
    weighted = table.detached()
    for term, published in ((f"G_T{scale}_GAN", "G_T_GAN"), (f"G_T{scale}_GAN_Feat", "G_T_GAN_Feat")):
        assert weighted[term].item() == pytest.approx(arrays[f"losses_T/{scale}/{published}"].item(), rel=1e-4), term
    for kind in ("real", "fake"):
        expected = arrays[f"losses_T/{scale}/D_T_{kind}"].item()
        assert table.terms[f"D_T{scale}_{kind}"][0].item() == pytest.approx(expected, rel=1e-4)


class SkippedFlow:
    """The golden flow of neighbours; 3 times the difference of the first two colours between other frames."""

    name = "skipped"

    def __init__(self, frames: Tensor, flows: Tensor) -> None:
        self.frames = frames
        self.flows = flows

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        later, earlier = (
            next(time for time in range(self.frames.shape[1]) if torch.equal(self.frames[:, time], frame))
            for frame in (target, source)
        )
        return self.flows[:, later] if later - earlier == 1 else 3 * (target - source)[:, :2]


@pytest.mark.parametrize("num_frames", [1, 2])
def test_temporal_windows_are_the_published_ones(num_frames: int) -> None:
    golden, _ = load_golden("frame_skipping")
    real, fake, flows = (
        torch.cat([golden[f"load1/{step}/kept/{kind}"][:, -1:] for step in range(12)], dim=1) for kind in range(3)
    )
    stage = make_stage(nn.ModuleDict({"temporal_0": nn.Identity(), "temporal_1": nn.Identity()}))
    estimator = SkippedFlow(real, flows)
    clip = Clip(torch.zeros(1, 12, 1, 4, 4), real, None, torch.arange(12)[None], ["clip"])
    chunked_clip = ChunkedClip(clip, fake[:, :0], fake[:, :0], None, estimator)
    for step, chunk in enumerate(chunked_clip.chunks(num_frames, context=stage.context)):
        end = chunk.start + chunk.clip.image.shape[1]
        drawn = fake[:, chunk.start + chunk.num_given : end]
        rollout = Rollout(torch.cat([chunk.given, drawn], dim=1), drawn, None, None, chunk.clip.index, chunk.num_given)
        for scale, distance in enumerate(stage.temporal_scales):
            windows = stage.temporal_inputs(chunk, rollout, distance)
            published = [golden.get(f"load{num_frames}/{step}/skipped/{kind}/{scale}") for kind in range(3)]
            assert (windows is None) == (published[0] is None), (step, scale)
            if windows is None:
                continue
            expected_real, expected_fake, expected_flow = (one.flatten(1, 2) for one in published if one is not None)
            torch.testing.assert_close(windows[0], torch.cat([expected_fake, expected_flow / 20], dim=1))
            torch.testing.assert_close(windows[1], torch.cat([expected_real, expected_flow / 20], dim=1))
        chunked_clip.record(rollout.generated)
