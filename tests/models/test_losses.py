import pytest
import torch
from torch import Tensor

from models.losses.adversarial import adversarial, feature_matching, multiscale_adversarial
from models.losses.pixel import masked_l1, pyramid_l1
from models.losses.table import LossTable
from models.losses.temporal import temporal_difference_distance
from tests.golden import load_golden


def golden_predictions(arrays: dict[str, Tensor]) -> list[list[Tensor]]:
    return [[arrays[f"gan_preds/{scale}/{layer}"] for layer in range(3)] for scale in range(2)]


@pytest.mark.parametrize("is_real", [True, False])
def test_least_squares_agrees_with_the_published_program(is_real: bool) -> None:
    arrays, _ = load_golden("losses_small")
    got = multiscale_adversarial(golden_predictions(arrays), is_real=is_real, mode="ls", for_discriminator=True)
    assert got.item() == pytest.approx(arrays[f"gan_nested_{str(is_real).lower()}"].item(), rel=1e-5)


@pytest.mark.parametrize("is_real", [True, False])
def test_least_squares_of_a_single_discriminator_output_agrees_with_the_published_program(is_real: bool) -> None:
    arrays, _ = load_golden("losses_small")
    discriminator_output = golden_predictions(arrays)[0][-1]
    got = adversarial(discriminator_output, is_real=is_real, mode="ls", for_discriminator=True)
    assert got.item() == pytest.approx(arrays[f"gan_flat_{str(is_real).lower()}"].item(), rel=1e-5)


@pytest.mark.parametrize("is_masked", [True, False])
def test_l1_of_a_pyramid_agrees_with_the_published_program(is_masked: bool) -> None:
    arrays, _ = load_golden("losses_small")
    first, second, mask = (arrays[f"ms_in/{number}"] for number in range(3))
    distances = pyramid_l1(first, second, num_scales=5, mask=mask if is_masked else None)
    published = (1, 1 / 2, 1 / 4, 1 / 8, 1 / 8)  # weights of its five scales
    got = sum(weight * distance.item() for weight, distance in zip(published, distances, strict=True))
    expected = arrays["multiscale_l1_masked" if is_masked else "multiscale_l1"].item()
    assert got == pytest.approx(expected, rel=1e-5)


def test_masked_l1_agrees_with_the_published_program() -> None:
    arrays, _ = load_golden("losses_small")
    got = masked_l1(arrays["l1_in/0"], arrays["l1_in/1"], arrays["l1_in/2"])
    assert got.item() == pytest.approx(arrays["masked_l1"].item(), rel=1e-5)


def test_gan_modes_truly_differ() -> None:
    discriminator_output = torch.tensor([0.3, -2.0, 1.7])
    losses = {
        mode: adversarial(discriminator_output, is_real=True, mode=mode, for_discriminator=True)
        for mode in ("ls", "hinge", "original")
    }
    assert losses["ls"].item() == pytest.approx(((discriminator_output - 1) ** 2).mean().item())
    assert losses["hinge"].item() == pytest.approx((0.7 + 3.0 + 0.0) / 3)
    assert losses["original"].item() == pytest.approx(torch.log1p(torch.exp(-discriminator_output)).mean().item())
    generator = adversarial(discriminator_output, is_real=True, mode="hinge", for_discriminator=False)
    assert generator.item() == pytest.approx(-discriminator_output.mean().item())


def test_an_unknown_gan_mode_raises() -> None:
    with pytest.raises(ValueError, match="expected ls, hinge or original, got wasserstein"):
        adversarial(torch.zeros(1), is_real=True, mode="wasserstein", for_discriminator=True)


def test_feature_matching_leaves_out_the_discriminator_output_and_weighs_layers_and_scales() -> None:
    real = [[torch.zeros(2), torch.zeros(2), torch.zeros(2)] for _ in range(2)]
    fake = [[torch.full((2,), 1.0), torch.full((2,), 3.0), torch.full((2,), 100.0)] for _ in range(2)]
    assert feature_matching(fake, real).item() == pytest.approx((1 + 3) * (4 / 2))


def test_feature_matching_has_no_gradient_to_the_real_features() -> None:
    real = [[torch.ones(2, requires_grad=True), torch.ones(1)]]
    fake = [[torch.zeros(2, requires_grad=True), torch.ones(1)]]
    feature_matching(fake, real).backward()
    assert fake[0][0].grad is not None
    assert real[0][0].grad is None


def test_equal_sequences_have_no_temporal_distance_and_a_still_one_has() -> None:
    video = torch.rand(1, 4, 3, 16, 16)
    assert temporal_difference_distance(video, video).item() == 0
    assert temporal_difference_distance(video[:, :1].expand_as(video), video).item() > 0
    assert temporal_difference_distance(video[:, :1], video[:, :1]).item() == 0


def test_a_constant_offset_is_no_temporal_difference() -> None:
    video = torch.rand(1, 4, 3, 16, 16)
    assert temporal_difference_distance(video + 0.25, video).item() == pytest.approx(0, abs=1e-6)


def test_temporal_distance_has_a_gradient_to_the_student_alone() -> None:
    student, teacher = (torch.rand(1, 3, 3, 8, 8, requires_grad=True) for _ in range(2))
    temporal_difference_distance(student, teacher).backward()
    assert student.grad is not None and student.grad.abs().sum() > 0
    assert teacher.grad is None


def test_the_table_sums_weighted_terms_and_adds_terms_of_one_name() -> None:
    table = LossTable()
    table.add("first", torch.tensor(2.0), weight=10)
    table.add("second", torch.tensor(1.0))
    table.add("first", torch.tensor(3.0), weight=10)
    table.add("unwanted", torch.tensor(7.0), weight=0)
    assert table.total().item() == 51
    assert {name: value.item() for name, value in table.detached().items()} == {"first": 50, "second": 1}


def test_a_term_with_two_weights_is_refused() -> None:
    table = LossTable()
    table.add("term", torch.tensor(1.0), weight=2)
    with pytest.raises(ValueError, match="expected weight 2, got 3"):
        table.add("term", torch.tensor(1.0), weight=3)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        LossTable().total()
