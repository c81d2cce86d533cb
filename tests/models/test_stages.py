"""The trainings on a tiny random clip; the terms of the published discriminators are in test_golden_terms."""

import dataclasses

import pytest
import torch

from models.flow.dis import DenseInverseSearch
from models.losses.table import LossWeights
from models.networks.generator import CompositeGenerator
from models.networks.single_image import GlobalGenerator
from models.training.assembly import build_optimizers
from models.training.rollout import unroll
from models.training.stages.first_frame import FirstFrame
from models.training.stages.tkd import TemporalDistillation
from models.training.stages.vid2vid import Vid2Vid
from options.training_config import ScheduleConfig
from tests.tiny_stages import CHANNELS, SIDE, chunks, distilling, make_clip, make_generator, parts, teacher_of


def test_every_frame_but_the_given_ones_is_generated_once_and_in_order() -> None:
    found = chunks(Vid2Vid(**parts()), make_clip(9), 3)
    drawn = torch.cat([rollout.index[:, rollout.num_given :] for _, rollout in found], dim=1)
    assert drawn.tolist() == [[7, 8, 9, 10, 11, 12, 13]]


def test_chunks_roll_as_one_clip_does() -> None:
    stage, clip = Vid2Vid(**parts()), make_clip(8)
    stage.generator.eval()
    with torch.no_grad():
        whole = unroll(stage.generator, clip, clip.image[:, :2], num_frames=3)  # type: ignore[arg-type]
        pieces = torch.cat([rollout.generated for _, rollout in chunks(stage, clip, 2)], dim=1)
    assert torch.allclose(whole.generated, pieces, atol=1e-6)


def test_the_teacher_has_all_published_terms() -> None:
    stage = Vid2Vid(**parts())
    chunk, rollout = chunks(stage, make_clip(9), 7)[0]
    generator, discriminators = stage.losses(chunk, rollout).generator, stage.losses(chunk, rollout).discriminator
    adversarial = {f"G{scale}_GAN{kind}" for scale in ("", "_T0", "_T1") for kind in ("", "_Feat")}
    assert set(generator.terms) == adversarial | {"G_VGG", "G_pixel", "G_Warp", "F_Flow", "F_Warp"}
    assert set(discriminators.terms) == {
        f"D{scale}_{kind}" for scale in ("", "_T0", "_T1") for kind in ("real", "fake")
    }
    assert torch.isfinite(generator.total()) and torch.isfinite(discriminators.total())


def test_without_raw_terms_only_the_pixel_term_sees_the_raw_image() -> None:
    table: dict[str, torch.Tensor] = {}
    spared: dict[str, torch.Tensor] = {}
    for judges_raw, terms in ((True, table), (False, spared)):
        stage = Vid2Vid(**parts(judges_raw=judges_raw))
        [(chunk, rollout)] = chunks(stage, make_clip(3), 1)
        terms |= stage.losses(chunk, rollout).generator.detached()
    assert spared.keys() == table.keys()
    assert spared["G_pixel"] == table["G_pixel"]
    for name in ("G_GAN", "G_GAN_Feat", "G_VGG"):
        assert spared[name] < table[name]
    assert spared["F_Flow"] == table["F_Flow"]


def test_the_heads_of_flow_and_blending_learn_at_their_own_rate() -> None:
    stage = Vid2Vid(**parts())
    others, heads = build_optimizers(ScheduleConfig(lr=1e-3, lr_heads=0.05), stage)["generator"].param_groups
    assert (others["lr"], heads["lr"]) == (1e-3, 5e-5)
    generator = stage.generator
    assert isinstance(generator, CompositeGenerator)
    weights = [*generator.model_final_flow.parameters(), *generator.model_final_w.parameters()]
    assert {id(one) for one in heads["params"]} == {id(one) for one in weights}
    assert len(others["params"]) + len(heads["params"]) == len(list(stage.generator.parameters()))


def test_generator_terms_reach_the_generator_alone_and_discriminator_terms_the_discriminators_alone() -> None:
    stage = Vid2Vid(**parts())
    chunk, rollout = chunks(stage, make_clip(9), 7)[0]
    stage.losses(chunk, rollout).generator.total().backward()
    assert all(parameter.grad is not None for parameter in stage.generator.parameters())
    assert all(parameter.grad is None for parameter in stage.discriminators.parameters())
    stage.generator.zero_grad()
    stage.losses(chunk, rollout).discriminator.total().backward()
    assert all(parameter.grad is not None for parameter in stage.discriminators.parameters())
    assert all(parameter.grad is None for parameter in stage.generator.parameters())


def test_backpropagation_is_cut_after_the_frames_it_may_cross() -> None:
    generator, clip = make_generator(), make_clip(6)

    rollouts = {cut: unroll(generator, clip, clip.image[:, :2], num_frames=3, backpropagate=cut) for cut in (None, 1)}
    assert torch.equal(rollouts[None].image, rollouts[1].image)
    # only the first drawn frame sees the first semantic frame: a gradient from the last one must cross all between
    clip.semantic.requires_grad_()
    for cut, expected in ((None, True), (1, False), (2, False), (3, False), (4, True)):
        rollout = unroll(generator, clip, clip.image[:, :2], num_frames=3, backpropagate=cut)
        (gradient,) = torch.autograd.grad(rollout.generated[:, -1].sum(), clip.semantic)
        assert bool(gradient[:, 0].abs().sum() > 0) is expected, cut


def test_noise_is_fed_but_never_judged() -> None:
    stage, clip = Vid2Vid(**parts(given_noise=0.5)), make_clip(5)
    chunked_clip = stage.prepare(clip, torch.Generator().manual_seed(3))
    chunk = next(chunked_clip.chunks(3, context=stage.context))
    assert not torch.equal(chunk.conditioning, chunk.given)
    assert torch.equal(stage.rollout(chunk).image[:, :2], clip.image[:, :2])


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_noisy_frames_are_fed_in_every_chunk_that_sees_them(num_frames: int) -> None:
    stage, clip = Vid2Vid(**parts(given_noise=0.5)), make_clip(5)
    stage.generator.eval()
    whole, cut = (stage.prepare(clip, torch.Generator().manual_seed(3)) for _ in range(2))
    with torch.no_grad():
        expected = stage.rollout(next(whole.chunks(3, context=stage.context))).generated
        for chunk in cut.chunks(num_frames, context=stage.context):
            cut.record(stage.rollout(chunk).generated)
    assert torch.allclose(cut.known[:, 2:], expected, atol=1e-6)


def test_a_model_that_draws_first_frames_sees_no_real_frame_and_no_window_of_nothing() -> None:
    stage = Vid2Vid(**parts(draws_first=True, weights=LossWeights(trust_warp=1.0)))
    found = chunks(stage, make_clip(6), 3)
    assert [rollout.generated.shape[1] for _, rollout in found] == [1, 3]
    assert found[0][0].given.abs().sum() == 0
    assert found[0][1].flow is None
    assert "G_T0_GAN" not in stage.losses(*found[0]).generator.terms
    second = stage.losses(*found[1]).generator.terms
    assert {"W", "F_Flow", "G_T0_GAN"} <= set(second)


def test_a_student_equal_to_its_teacher_has_no_spatial_distillation_loss() -> None:
    stage = distilling("skd", make_generator())
    chunk, rollout = chunks(stage, make_clip(6), 4)[0]
    terms = stage.losses(chunk, rollout).generator.terms
    assert terms["kd_pixel"][0].item() == pytest.approx(0, abs=1e-6)
    assert terms["kd_perceptual"][0].item() == pytest.approx(0, abs=1e-6)
    assert terms["kd_pixel"][1] == 1.0


def test_a_student_that_is_off_by_a_constant_has_that_loss() -> None:
    stage = distilling("skd", make_generator())
    chunk, rollout = chunks(stage, make_clip(6), 4)[0]
    shifted = dataclasses.replace(rollout, image=rollout.image + 0.25)
    assert stage.losses(chunk, shifted).generator.terms["kd_pixel"][0].item() == pytest.approx(0.25, rel=1e-5)


def test_temporal_distillation_compares_at_equal_absolute_times() -> None:
    stage, clip = distilling("tkd", make_generator()), make_clip(10)
    with torch.no_grad():
        teacher = unroll(teacher_of(stage), clip, clip.image[:, :2], num_frames=3).image
    gaps = set()
    for seed in range(40):
        chunked_clip = stage.prepare(clip, torch.Generator().manual_seed(seed))
        times = (chunked_clip.clip.index[0] - clip.index[0, 0]).tolist()
        gap = times[2] - 1
        gaps.add(gap)
        assert times == [0, 1, *range(1 + gap, 10, gap)]
        assert chunked_clip.target is not None
        assert torch.allclose(chunked_clip.target, teacher[:, times], atol=1e-6)
        assert torch.equal(chunked_clip.known, clip.image[:, :2])
    assert gaps == {2, 3, 4, 5, 6, 7}


def test_a_share_of_the_clips_keeps_every_frame() -> None:
    stage, clip = distilling("tkd", make_generator()), make_clip(10)
    assert isinstance(stage.distillation, TemporalDistillation)
    stage.distillation.every_frame_share = 0.5
    lengths = [stage.prepare(clip, torch.Generator().manual_seed(seed)).clip.index.shape[1] for seed in range(40)]
    assert 10 < sum(length == 10 for length in lengths) < 30
    assert max(length for length in lengths if length != 10) == 6  # a gap of 2


def test_temporal_distillation_has_both_terms_with_gradients_and_published_weights() -> None:
    stage = distilling("tkd", make_generator())
    chunk, rollout = chunks(stage, make_clip(10), 8)[0]
    terms = stage.losses(chunk, rollout).generator.terms
    assert (terms["kd_local_pixel"][1], terms["kd_global"][1]) == (2.0, 15.0)
    assert "kd_pixel" not in terms
    (gradient,) = torch.autograd.grad(terms["kd_global"][0], stage.generator.get_parameter("model_final_img.1.weight"))
    assert gradient.abs().sum() > 0


def test_the_global_term_compares_changes_not_colours_however_short_the_chunk() -> None:
    stage, clip = distilling("tkd", make_generator()), make_clip(10)
    chunked_clip = stage.prepare(clip, torch.Generator().manual_seed(0))
    for chunk in chunked_clip.chunks(1, context=stage.context):
        assert chunk.target is not None and chunk.target_before is not None
        drawn = torch.cat([chunk.given, chunk.target + 0.25], dim=1)
        drawn[:, chunk.num_given - 1] = chunk.target_before[:, 0] + 0.25
        rollout = dataclasses.replace(stage.rollout(chunk), image=drawn)
        shifted = dataclasses.replace(chunk, given=drawn[:, : chunk.num_given])
        terms = stage.losses(shifted, rollout).generator.terms
        assert terms["kd_global"][0].item() == pytest.approx(0, abs=1e-6)
        assert terms["kd_local_pixel"][0].item() == pytest.approx(0.25, rel=1e-4)
        chunked_clip.record(rollout.generated)


def test_key_frame_flow_is_judged_over_the_same_pair_of_times() -> None:
    stage, clip = distilling("tkd", make_generator()), make_clip(10)
    chunked_clip = stage.prepare(clip, torch.Generator().manual_seed(0))
    chunk = next(chunked_clip.chunks(8, context=stage.context))
    gap = int(chunked_clip.clip.index[0, 2] - chunked_clip.clip.index[0, 1])
    flow, _ = chunk.flows.between(2, 1)
    assert torch.equal(flow, DenseInverseSearch()(clip.image[:, 1 + gap], clip.image[:, 1]))


def test_a_clip_too_short_for_temporal_distillation_is_refused() -> None:
    stage = distilling("tkd", make_generator())
    with pytest.raises(ValueError, match="at least 5 frames, got 4"):
        stage.prepare(make_clip(4), torch.Generator())


def test_the_teacher_never_learns_and_never_leaves_eval_mode() -> None:
    stage = distilling("skd", make_generator())
    before = {name: value.clone() for name, value in teacher_of(stage).state_dict().items()}
    stage.generator.train()
    chunk, rollout = chunks(stage, make_clip(6), 4)[0]
    stage.losses(chunk, rollout).generator.total().backward()
    assert not teacher_of(stage).training
    assert all(torch.equal(before[name], value) for name, value in teacher_of(stage).state_dict().items())
    assert all(parameter.grad is None for parameter in teacher_of(stage).parameters())


def test_single_images_are_generated_from_their_own_semantics() -> None:
    torch.manual_seed(0)
    generator = GlobalGenerator(semantic_channels=CHANNELS, base_channels=4, num_downsamples=1, num_blocks=1)
    settings = parts(generator)
    settings.pop("num_frames")
    stage = FirstFrame(**settings)
    chunk, rollout = chunks(stage, make_clip(3, batch=2), 3)[0]
    terms = stage.losses(chunk, rollout).generator.terms
    assert set(terms) == {"G_GAN", "G_GAN_Feat", "G_VGG", "G_pixel"}
    assert rollout.generated.shape == (2, 3, 3, SIDE, SIDE)


def test_loss_terms_do_not_depend_on_how_batches_are_put_together() -> None:
    stage = Vid2Vid(**parts())
    stage.generator.eval()
    stage.discriminators.eval()
    clip = make_clip(6, batch=2)
    both = stage.losses(*chunks(stage, clip, 4)[0]).generator.terms
    alone = []
    for item in range(2):
        one = dataclasses.replace(
            clip,
            semantic=clip.semantic[item : item + 1],
            image=clip.image[item : item + 1],
            index=clip.index[item : item + 1],
            names=["clip"],
        )
        alone.append(stage.losses(*chunks(stage, one, 4)[0]).generator.terms)
    for name, (value, _) in both.items():
        mean = (alone[0][name][0] + alone[1][name][0]) / 2
        assert value.item() == pytest.approx(mean.item(), rel=1e-3), name
