"""What keeps a discriminator from winning: augmented images, a gradient penalty, spectral norm."""

import torch
from torch import Tensor, nn

from models.losses.adversarial import DiscriminatorInput, add_gradient_penalty
from models.losses.augmentation import Augmentation
from models.losses.table import LossTable, LossWeights
from models.networks.discriminator import MultiscaleDiscriminator
from models.training.stages.base import augmented
from models.training.stages.vid2vid import Vid2Vid
from tests.tiny_stages import chunks, make_clip, parts


class Linear(nn.Module):
    def forward(self, x: Tensor) -> list[list[Tensor]]:
        return [[3 * x.sum(dim=(1, 2, 3))]]


def nothing_but(number: int = 2, **changed: Tensor) -> Augmentation:
    """The draw that changes nothing, but for a hole far outside."""
    one = torch.ones(number, 1, 1, 1)
    neutral = Augmentation(one * 0, one, one, torch.zeros(number, 2), torch.full((number, 2), 9.0))
    return neutral._replace(**changed)


def test_the_neutral_draw_changes_nothing() -> None:
    x = torch.rand(2, 5, 16, 24)
    torch.testing.assert_close(nothing_but()(x), x)


def test_colours_change_in_the_image_alone_and_places_in_all_channels() -> None:
    x = torch.rand(2, 5, 16, 24)
    brighter = nothing_but(brightness=torch.full((2, 1, 1, 1), 0.25))(x)
    torch.testing.assert_close(brighter[:, :2], x[:, :2])
    torch.testing.assert_close(brighter[:, 2:], x[:, 2:] + 0.25)
    shifted = nothing_but(shift=torch.tensor([[1.0, 0.0], [0.0, -1.0]]))(x)
    torch.testing.assert_close(shifted[0, :, :-2], x[0, :, 2:])
    torch.testing.assert_close(shifted[1, :, :, 3:], x[1, :, :, :-3])
    assert (shifted[0, :, -2:] == 0).all() and (shifted[1, :, :, :3] == 0).all()


def test_the_hole_is_half_a_picture_wide_and_high() -> None:
    holed = nothing_but(1, hole=torch.tensor([[0.5, 0.5]]))(torch.ones(1, 5, 16, 24))
    assert (holed[0, :, 4:13, 6:19] == 0).all() and holed[0, 0].sum() == 16 * 24 - 9 * 13


def test_gradients_pass_through_the_augmentation() -> None:
    draw = Augmentation(*(one.double() for one in Augmentation.draw(2, torch.Generator())))
    assert torch.autograd.gradcheck(draw.__call__, torch.rand(2, 4, 8, 8, dtype=torch.float64, requires_grad=True))


def test_all_that_a_discriminator_sees_is_augmented_alike() -> None:
    semantic, image = torch.rand(2, 4, 16, 16), torch.rand(2, 3, 16, 16)
    real = torch.cat([semantic, image], dim=1)
    inputs = [DiscriminatorInput("image", real, real), DiscriminatorInput("image", real * 1, real)]
    seen = [tensor for one in augmented(inputs, seed=1) for tensor in (one.fake, one.real)]
    assert all(torch.equal(one, seen[0]) for one in seen)
    assert not torch.equal(seen[0], real) and not torch.equal(seen[0], augmented(inputs, seed=2)[0].fake)


def test_windows_of_time_are_not_augmented() -> None:
    stage = Vid2Vid(**parts(augments=True))
    chunk, rollout = chunks(stage, make_clip(5), 2)[-1]
    inputs = list(stage.discriminator_inputs(chunk, rollout))
    changed = {
        one.discriminator: one.fake is not before.fake
        for one, before in zip(augmented(inputs, seed=1), inputs, strict=True)
    }
    assert changed == {"image": True, "temporal_0": False}
    losses = stage.losses(chunk, rollout)
    assert "D_R1" not in losses.discriminator.terms
    losses.generator.total().backward()
    assert all(one.grad is not None for one in stage.generator.parameters())


def test_the_penalty_is_the_squared_gradient_at_real_images() -> None:
    table, real = LossTable(), torch.rand(2, 4, 3, 3)
    inputs = [DiscriminatorInput("image", real * 0, real), DiscriminatorInput("image", real, real)]
    add_gradient_penalty(table, nn.ModuleDict({"image": Linear()}), inputs, weight=10.0)
    assert {name: (float(value), weight) for name, (value, weight) in table.terms.items()} == {
        "D_R1": (9.0 * 4 * 3 * 3, 5.0)
    }


def test_the_penalty_reaches_every_discriminator_and_no_generator() -> None:
    stage = Vid2Vid(**parts(weights=LossWeights(r1=2.0)))
    chunk, rollout = chunks(stage, make_clip(5), 2)[-1]
    table = stage.losses(chunk, rollout).discriminator
    assert {"D_R1", "D_T0_R1"} <= set(table.terms)
    table.terms = {name: term for name, term in table.terms.items() if name.endswith("R1")}
    table.total().backward()
    assert all(one.grad is None for one in stage.generator.parameters())
    assert all(one.grad is not None for one in stage.discriminators["image"].parameters() if one.ndim == 4)


def test_no_convolution_with_spectral_norm_enlarges_anything() -> None:
    torch.manual_seed(0)
    network = MultiscaleDiscriminator(input_channels=4, base_channels=8, spectral_norm=True)
    for _ in range(30):  # power iterations, one a call
        network(torch.rand(1, 4, 32, 32))
    weights = [one.weight.flatten(1) for one in network.modules() if isinstance(one, nn.Conv2d)]
    assert len(weights) == 10
    largest = torch.stack([torch.linalg.matrix_norm(one, ord=2) for one in weights])
    torch.testing.assert_close(largest, torch.ones(10), atol=0.02, rtol=0)
