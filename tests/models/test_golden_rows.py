"""The loss rows of one lesson against the published critics (`critic_D_street_numD2`)."""

import pytest
import torch
from torch import Tensor, nn

from data.clips import Clip
from models.build import build_critics
from models.losses import LossTable
from models.rollout import Rollout
from models.stages.base import Lesson, LossWeights, RealMotion
from models.stages.teacher import Teacher
from models.warp import warp
from options.config import CriticConfig
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


def make_lesson(arrays: dict[str, Tensor]) -> tuple[Lesson, Rollout]:
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
    motion = RealMotion(Known(get["flow_ref"]), clip.image)
    motion._known[1, 0] = (get["flow_ref"], get["conf_ref"])
    lesson = Lesson(clip, given, given, None, None, motion, first_is_raw=False, num_void=0)
    rollout = Rollout(
        image=torch.stack([get["fake_B_prev"], get["fake_B"]], dim=1),
        raw=get["fake_B_raw"].unsqueeze(1),
        flow=get["flow"].unsqueeze(1),
        weight=get["weight"].unsqueeze(1),
        index=clip.index,
        num_given=1,
    )
    return lesson, rollout


def make_stage(critics: nn.ModuleDict) -> Teacher:
    return Teacher(
        generator=nn.Identity(),
        critics=critics,
        perceptual=None,
        estimator=Known(torch.zeros(0)),
        weights=LossWeights(),
        num_frames=2,
    )


def make_critic(name: str, tag: str) -> nn.ModuleDict:
    config = CriticConfig(ndf=8, num_D=2, n_layers_D=3, n_scales_temporal=2)
    critics = build_critics(config, semantic_channels=36, norm="batch", has_temporal=True)
    critic = critics[name]
    fill_state(critic, f"D/street_numD2/{tag}")
    return nn.ModuleDict({name: critic.train()})


def test_image_and_motion_rows_are_the_published_ones(
    arrays: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    # the published program warps with align_corners=False on a grid made for True
    monkeypatch.setattr("models.stages.teacher.warp", lambda image, flow: warp(image, flow, align_corners=False))
    stage = make_stage(make_critic("image", "netD"))
    lesson, rollout = make_lesson(arrays)
    generator, critics = stage.generator_losses(lesson, rollout), stage.critic_losses(lesson, rollout)
    weighted = generator.detached()
    for row, published in {"G_GAN": "G_GAN", "G_GAN_Feat": "G_GAN_Feat", "G_Warp": "G_Warp"}.items():
        assert weighted[row].item() == pytest.approx(arrays[f"losses_mean/{published}"].item(), rel=1e-4), row
    for row in ("F_Flow", "F_Warp"):
        assert weighted[row].item() == pytest.approx(arrays[f"losses_mean/{row}"].item(), rel=1e-4), row
    for row in ("D_real", "D_fake"):
        assert critics.rows[row][0].item() == pytest.approx(arrays[f"losses_mean/{row}"].item(), rel=1e-4), row
    assert critics.total().item() == pytest.approx(arrays["get_losses/loss_D"].item(), rel=1e-4)


@pytest.mark.parametrize("scale", [0, 1])
def test_temporal_rows_are_the_published_ones(arrays: dict[str, Tensor], scale: int) -> None:
    critics = make_critic(f"temporal_{scale}", f"netD_T{scale}")
    name = f"temporal_{scale}"
    stage = make_stage(critics)
    flows = (arrays["tensors_T/flow_ref"] / 20).flatten(1, 2) if "tensors_T/flow_ref" in arrays else None
    assert flows is not None
    fake, real = (torch.cat([arrays[f"tensors_T/{kind}_B"].flatten(1, 2), flows], dim=1) for kind in ("fake", "real"))
    lesson, _ = make_lesson(arrays)
    table = LossTable()
    stage._add_adversarial_rows(table, name, lesson, fake, real)
    stage._add_verdict_rows(table, name, lesson, fake.detach(), real)
    weighted = table.detached()
    for row, published in ((f"G_T{scale}_GAN", "G_T_GAN"), (f"G_T{scale}_GAN_Feat", "G_T_GAN_Feat")):
        assert weighted[row].item() == pytest.approx(arrays[f"losses_T/{scale}/{published}"].item(), rel=1e-4), row
    for kind in ("real", "fake"):
        expected = arrays[f"losses_T/{scale}/D_T_{kind}"].item()
        assert table.rows[f"D_T{scale}_{kind}"][0].item() == pytest.approx(expected, rel=1e-4)
