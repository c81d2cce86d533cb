"""The vid2vid training beyond its defaults: foreground, sparse windows, faces, adversarial modes."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from data.clips import Clip
from models.losses.table import LossWeights
from models.training.build_stage import build_discriminators
from models.training.stages.face_region import FaceRegion
from models.training.stages.vid2vid import Vid2Vid
from options.network_config import DiscriminatorConfig
from tests.tiny_stages import CHANNELS, SIDE, chunks, distilling, make_clip, make_generator, parts


def with_foreground(clip: Clip) -> Clip:
    """The lower half of every frame is foreground."""
    mask = torch.zeros_like(clip.image[:, :, :1])
    mask[..., SIDE // 2 :, :] = 1
    return dataclasses.replace(clip, foreground=mask)


def test_the_foreground_branch_learns_from_its_own_pixels_alone() -> None:
    stage = Vid2Vid(**parts(make_generator(has_foreground=True)))
    _, rollout = chunks(stage, with_foreground(make_clip(3)), 1)[0]
    branch = [parameter for name, parameter in stage.generator.named_parameters() if name.startswith("indv_")]
    for rows, expected in ((slice(SIDE // 2), False), (slice(SIDE // 2, SIDE), True)):
        gradients = torch.autograd.grad(rollout.generated[..., rows, :].sum(), branch, retain_graph=True)
        assert any(gradient.abs().sum() > 0 for gradient in gradients) is expected


def test_a_foreground_adds_no_terms_and_a_student_can_have_one() -> None:
    clip = with_foreground(make_clip(5))
    plain, drawn = Vid2Vid(**parts()), Vid2Vid(**parts(make_generator(has_foreground=True)))
    without, within = (stage.losses(*chunks(stage, clip, 3)[0]).generator.terms for stage in (plain, drawn))
    assert set(without) == set(within)
    student = distilling("skd", make_generator(has_foreground=True))
    terms = student.losses(*chunks(student, clip, 3)[0]).generator.terms
    assert terms["kd_pixel"][0].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("num_frames", [1, 2, 4])
def test_sparse_windows_end_on_the_grid_of_their_scale(num_frames: int) -> None:
    stage, clip = Vid2Vid(**parts(sparse_windows=True)), make_clip(14)
    # every frame is painted with its number, so that a window tells which frames it shows
    clip.image[:] = torch.arange(14.0).view(1, 14, 1, 1, 1)
    ends: dict[int, list[int]] = {1: [], 3: []}
    for chunk, rollout in chunks(stage, clip, num_frames):
        for distance, found in ends.items():
            windows = stage.temporal_inputs(chunk, rollout, distance)
            if windows is not None:
                shown = windows[1][:, [0, 3, 6], 0, 0]
                assert torch.all(shown.diff(dim=1) == distance)
                found += shown[:, -1].int().tolist()
    # of two that end in one chunk, 6 and 9, the later is judged: windows of a chunk share no frame
    assert sorted(ends[3]) == ([9, 12] if num_frames == 4 else [6, 9, 12])
    assert len(ends[1]) == {1: 12, 2: 6, 4: 6}[num_frames]


def test_sparse_windows_leave_the_fastest_discriminator_as_it_is() -> None:
    clip = make_clip(9)
    dense, sparse = (Vid2Vid(**parts(sparse_windows=sparse)) for sparse in (False, True))
    first, second = (stage.losses(*chunks(stage, clip, 7)[0]).discriminator.terms for stage in (dense, sparse))
    assert first["D_T0_real"][0].item() == second["D_T0_real"][0].item()


def test_any_number_of_temporal_scales_is_judged() -> None:
    discriminators = build_discriminators(
        DiscriminatorConfig(ndf=4, n_layers_D=2, num_D=1, n_scales_temporal=3, n_frames_D=2),
        semantic_channels=CHANNELS,
        norm="batch",
        has_temporal=True,
    )
    stage = Vid2Vid(**parts(discriminators=discriminators, num_discriminator_frames=2))
    terms = stage.losses(*chunks(stage, make_clip(8), 6)[0]).generator.terms
    assert {"G_T0_GAN", "G_T1_GAN", "G_T2_GAN"} <= set(terms)


def test_adversarial_modes_give_other_losses_and_other_gradients() -> None:
    found = {}
    for mode in ("ls", "hinge", "original"):
        stage = Vid2Vid(**parts(gan_mode=mode))
        chunk, rollout = chunks(stage, make_clip(5), 3)[0]
        generator, discriminators = stage.losses(chunk, rollout).generator, stage.losses(chunk, rollout).discriminator
        weight = stage.generator.get_parameter("model_final_img.1.weight")
        (gradient,) = torch.autograd.grad(generator.terms["G_GAN"][0], weight)
        found[mode] = (
            generator.terms["G_GAN"][0].item(),
            discriminators.terms["D_fake"][0].item(),
            gradient.norm().item(),
        )
    for first, second in (("ls", "hinge"), ("ls", "original"), ("hinge", "original")):
        assert all(one != pytest.approx(other) for one, other in zip(found[first], found[second], strict=True))


def spot(*places: tuple[int, int] | None, side: int = 32) -> Tensor:
    """A mask a place, with a face of one pixel there."""
    masks = torch.zeros(len(places), 1, side, side)
    for mask, place in zip(masks, places, strict=True):
        if place is not None:
            mask[0, place[0], place[1]] = 1
    return masks


def test_face_regions_are_centred_and_moved_into_the_frame() -> None:
    region = FaceRegion.around(spot((16, 12), None, (0, 31)))
    assert region.side == 8
    assert region.frames.tolist() == [0, 2]
    assert region.top.tolist() == [12, 0]
    assert region.left.tolist() == [8, 24]
    cut = region.cut(spot((16, 12), (5, 5), (0, 31)))
    assert cut.shape == (2, 1, 8, 8)
    assert cut.nonzero().tolist() == [[0, 0, 4, 4], [1, 0, 0, 7]]


def test_a_face_region_is_centred_on_all_of_the_face() -> None:
    region = FaceRegion.around(torch.maximum(spot((4, 10)), spot((20, 20))))
    assert (region.top.item(), region.left.item()) == (12 - 4, 15 - 4)


def with_face_discriminator(**settings: Any) -> Vid2Vid:
    discriminators = build_discriminators(
        DiscriminatorConfig(ndf=4, n_layers_D=2, num_D=2, n_scales_temporal=0, add_face_disc=True),
        semantic_channels=CHANNELS,
        norm="batch",
        has_temporal=True,
    )
    return Vid2Vid(**parts(discriminators=discriminators, **settings))


def test_the_face_discriminator_judges_the_face_alone_with_the_published_weight() -> None:
    stage = with_face_discriminator(find_face=lambda semantic: spot(*[(20, 6)] * len(semantic)))
    chunk, rollout = chunks(stage, make_clip(5), 3)[0]
    terms, discriminator_outputs = (
        stage.losses(chunk, rollout).generator.terms,
        stage.losses(chunk, rollout).discriminator.terms,
    )
    assert (terms["G_f_GAN"][1], terms["G_f_GAN_Feat"][1]) == (2.0, 20.0)
    assert {"D_f_real", "D_f_fake"} <= set(discriminator_outputs)
    (gradient,) = torch.autograd.grad(terms["G_f_GAN"][0], rollout.image)
    touched = gradient.abs().sum(dim=(0, 1, 2)).nonzero()
    assert (touched.amin(dim=0).tolist(), touched.amax(dim=0).tolist()) == ([16, 2], [23, 9])


def test_frames_without_a_face_are_left_out() -> None:
    faces: list[tuple[int, int] | None] = [(8, 8), None, (9, 9)]
    stage = with_face_discriminator(find_face=lambda semantic: spot(*faces))
    found = stage.face_inputs(*chunks(stage, make_clip(5), 3)[0])
    assert found is not None and len(found[0]) == 2
    stage = with_face_discriminator(find_face=lambda semantic: spot(*[None] * len(semantic)))
    chunk, rollout = chunks(stage, make_clip(5), 3)[0]
    assert "G_f_GAN" not in stage.losses(chunk, rollout).generator.terms
    assert "D_f_real" not in stage.losses(chunk, rollout).discriminator.terms


def test_a_face_discriminator_without_faces_to_find_is_refused() -> None:
    with pytest.raises(ValueError, match="find_face"):
        with_face_discriminator()
    stage = with_face_discriminator(find_face=lambda semantic: None)
    with pytest.raises(ValueError, match="tell where faces are"):
        stage.losses(*chunks(stage, make_clip(5), 3)[0])


class Counting:
    """Counts the pairs of frames that it is asked for."""

    name = "counting"

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        self.asked += 1
        return target.new_zeros(target.shape[0], 2, *target.shape[-2:])


def test_the_flow_of_a_pair_of_real_frames_is_estimated_once_an_chunked_clip() -> None:
    stage = Vid2Vid(**parts(estimator=Counting(), weights=LossWeights()))
    chunked_clip = stage.prepare(make_clip(10), torch.Generator().manual_seed(0))
    for chunk in chunked_clip.chunks(1, context=stage.context):
        rollout = stage.rollout(chunk)
        stage.losses(chunk, rollout)
        stage.losses(chunk, rollout)
        chunked_clip.record(rollout.generated)
    neighbours, three_apart = 9, 7
    assert stage.estimator.asked == neighbours + three_apart  # type: ignore[attr-defined]
