"""Distillation: every kd_* term, where it counts and where its gradient goes."""

import dataclasses

import pytest
import torch
from torch import Tensor

from data.clips import Clip
from models.losses.distillation import FeatureDistillation
from models.losses.perceptual import PerceptualLoss
from models.losses.table import LossTable
from models.training.stages.vid2vid import Vid2Vid
from tests.tiny_stages import CHANNELS, chunks, distilling, make_clip, make_generator, teacher_of

KINDS = {"skd": ("kd", 1.0), "tkd": ("kd_local", 2.0)}  # beginnings of the terms' names, and their weights


def kd_terms(stage: Vid2Vid, clip: Clip) -> dict[str, float]:
    """The kd_* terms of the first chunk."""
    terms = stage.losses(*chunks(stage, clip, 8)[0]).generator.terms
    return {name: value.item() for name, (value, _) in terms.items() if name.startswith("kd_")}


def clip_of_equals(num_frames: int, *, batch: int) -> Clip:
    """All frames of a clip are the same."""
    clip = make_clip(num_frames, batch=batch)
    return dataclasses.replace(
        clip, semantic=clip.semantic[:, :1].repeat(1, num_frames, 1, 1, 1), image=torch.zeros_like(clip.image)
    )


@pytest.mark.parametrize("kd_mask", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_student_equal_to_its_teacher_has_no_term_above_zero(kind: str, kd_mask: bool) -> None:
    # a frame in between changes what follows: both draw the same only where a frame does not depend on the past
    generator = make_generator(has_flow=False)
    torch.nn.init.zeros_(generator.get_parameter("model_down_img.1.weight"))
    stage = distilling(kind, generator, kd_mask=kd_mask)
    terms = kd_terms(stage, clip_of_equals(10, batch=2))
    assert set(terms) == ({"kd_pixel", "kd_perceptual"} if kind == "skd" else
                         {"kd_local_pixel", "kd_local_perceptual", "kd_global"})  # fmt: skip
    assert all(value == pytest.approx(0, abs=1e-6) for value in terms.values()), terms


@pytest.mark.parametrize("kind", KINDS)
def test_a_shifted_student_has_the_shift_as_its_terms(kind: str) -> None:
    stage = distilling(kind, make_generator())
    chunk, rollout = chunks(stage, make_clip(10), 8)[0]
    assert chunk.target is not None
    shifted = dataclasses.replace(rollout, image=torch.cat([chunk.given, chunk.target + 0.25], dim=1))
    terms = stage.losses(chunk, shifted).generator.terms
    name, weight = KINDS[kind]
    for term in (f"{name}_pixel", f"{name}_perceptual"):
        assert terms[term][0].item() == pytest.approx(0.25, rel=1e-4)
        assert terms[term][1] == weight
    if kind == "tkd":
        # only the step from the given frame to the first drawn one changes by the shift, at each of the scales
        assert terms["kd_global"][0].item() == pytest.approx(0.25 / chunk.target.shape[1], rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_item_of_a_batch_matters(kind: str) -> None:
    stage, clip = distilling(kind, make_generator()), make_clip(10, batch=2)
    teacher_of(stage).get_parameter("model_final_img.1.weight").mul_(3)
    before = kd_terms(stage, clip)
    clip.image[1] = 0
    after = kd_terms(stage, clip)
    assert all(before[name] != pytest.approx(after[name], rel=1e-6) for name in before), (before, after)


@pytest.mark.parametrize("kind", KINDS)
def test_every_term_has_a_gradient_to_the_student_and_none_to_the_teacher(kind: str) -> None:
    stage = distilling(kind, make_generator())
    teacher_of(stage).get_parameter("model_final_img.1.weight").mul_(3)
    chunk, rollout = chunks(stage, make_clip(10), 8)[0]
    assert chunk.target is not None and not chunk.target.requires_grad
    table = stage.losses(chunk, rollout).generator
    weight = stage.generator.get_parameter("model_final_img.1.weight")
    for name, (value, _) in table.terms.items():
        if name.startswith("kd_"):
            (gradient,) = torch.autograd.grad(value, weight, retain_graph=True)
            assert gradient.abs().sum() > 0, name
    table.total().backward()
    assert all(parameter.grad is None for parameter in teacher_of(stage).parameters())


def half_still_clip(num_frames: int) -> Clip:
    """The left half of the frames never changes, the right half is another one every time."""
    clip = make_clip(num_frames)
    clip.image[..., :16] = 0
    return clip


class Still:
    """Nothing moves."""

    name = "still"

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        return target.new_zeros(target.shape[0], 2, *target.shape[-2:])


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_leaves_what_the_flow_cannot_explain_to_the_student(kind: str) -> None:
    clip = half_still_clip(10)
    plain, masked = (distilling(kind, make_generator(), kd_mask=mask, estimator=Still()) for mask in (False, True))
    name, _ = KINDS[kind]
    for stage, share in ((plain, 1.0), (masked, 0.5)):
        chunk, rollout = chunks(stage, clip, 8)[0]
        assert chunk.target is not None
        shifted = dataclasses.replace(rollout, image=torch.cat([chunk.given, chunk.target + 0.25], dim=1))
        shifted.image.requires_grad_()
        terms = stage.losses(chunk, shifted).generator.terms
        for term in (f"{name}_pixel", f"{name}_perceptual"):
            assert terms[term][0].item() == pytest.approx(0.25 * share, rel=0.02)
            (gradient,) = torch.autograd.grad(terms[term][0], shifted.image, retain_graph=True)
            assert bool(gradient[..., 17:].abs().sum() > 1e-2 * gradient.abs().sum()) is (stage is plain)


class CountingColours(torch.nn.Module):
    """Colours as features; counts the images it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, image: Tensor) -> list[Tensor]:
        self.seen += len(image)
        return [image]


def test_the_backbone_sees_every_image_once() -> None:
    backbone = CountingColours()
    generator = make_generator()
    perceptual = PerceptualLoss(backbone, layer_weights=(1.0,), relative=False)
    stage = distilling("skd", generator, perceptual=perceptual)
    chunk, rollout = chunks(stage, make_clip(6), 4)[0]
    stage.losses(chunk, rollout)
    assert backbone.seen == 4 * len(("final", "raw", "real", "teacher's"))


def test_the_teacher_draws_nothing_after_the_last_key_frame() -> None:
    stage, clip = distilling("tkd", make_generator()), make_clip(10)
    seen: list[int] = []
    teacher_of(stage).register_forward_hook(lambda *_: seen.append(1))
    for seed in range(8):
        seen.clear()
        chunked_clip = stage.prepare(clip, torch.Generator().manual_seed(seed))
        last = int(chunked_clip.clip.index[0, -1] - clip.index[0, 0])
        assert len(seen) == last + 1 - 2


def feature_distance(student: Tensor, teacher: Tensor, features: FeatureDistillation) -> Tensor:
    table = LossTable()
    features.add_term(table, student, teacher)
    return table.terms["kd_feat"][0]


def test_features_are_compared_through_any_width_and_size() -> None:
    torch.manual_seed(0)
    features = FeatureDistillation(student_channels=2, teacher_channels=3, weight=1.0)
    student = torch.rand(4, 2, 8, 8)
    with torch.no_grad():
        equal = features.adapter(student)
    assert feature_distance(student, equal, features).item() == pytest.approx(0, abs=1e-12)
    assert feature_distance(student, 10 * equal, features).item() == pytest.approx(0.81)
    # features of nothing but 0 cost 1, whatever the scale of the teacher's is
    torch.nn.init.zeros_(features.adapter.weight)
    torch.nn.init.zeros_(features.get_parameter("adapter.bias"))
    larger = torch.rand(4, 3, 16, 16)
    assert feature_distance(student, larger, features).item() == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_features_of_equal_times_are_compared_and_teach_both_student_and_adapter(kind: str) -> None:
    # a frame depends on its own semantic frame alone, so that equal times have equal features
    generator = make_generator(has_flow=False)
    torch.nn.init.zeros_(generator.get_parameter("model_down_img.1.weight"))
    torch.nn.init.zeros_(generator.get_parameter("model_down_seg.1.weight")[:, : 2 * CHANNELS])
    features = FeatureDistillation(student_channels=16, teacher_channels=16, weight=2.0)
    torch.nn.init.dirac_(features.adapter.weight)
    torch.nn.init.zeros_(features.get_parameter("adapter.bias"))
    stage = distilling(kind, generator, features=features)
    teacher_of(stage).requires_grad_(False)
    for chunk, rollout in chunks(stage, make_clip(10, batch=2), 3):
        assert chunk.target_bottleneck is not None
        value, weight = stage.losses(chunk, rollout).generator.terms["kd_feat"]
        assert (value.item(), weight) == (pytest.approx(0, abs=1e-10), 2.0)
    torch.nn.init.zeros_(features.adapter.weight)
    stage.losses(chunk, rollout).generator.terms["kd_feat"][0].backward()
    gradient = features.adapter.weight.grad
    assert gradient is not None and gradient.abs().sum() > 0
    assert list(stage.adapters) == ["kd_adapter"]


def test_without_features_nothing_is_kept_of_them() -> None:
    stage = distilling("skd", make_generator())
    chunk, rollout = chunks(stage, make_clip(10), 8)[0]
    assert chunk.target_bottleneck is None and rollout.bottleneck is None and stage.adapters == {}
