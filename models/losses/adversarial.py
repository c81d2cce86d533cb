"""Adversarial losses: GAN criteria, feature matching, and discriminators that judge each image once for both updates.

A discriminator that has judged a generated frame has done most of the work that both gradients need. The published
programs let it judge every generated frame twice: once for the generator, once for itself.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.losses.pixel import l1
from models.losses.table import LossTable

DiscriminatorMaps = list[list[Tensor]]  # per spatial scale, the outputs of every layer; the last are the logits


class DiscriminatorInput(NamedTuple):
    """Generated and real images as one discriminator sees them.

    Attributes:
        discriminator: its name: ``image``, ``face``, ``temporal_0``, ``temporal_1``, …
        fake, real: its input, [N, C, H, W].
        weight: of the generator's terms.
    """

    discriminator: str
    fake: Tensor
    real: Tensor
    weight: float = 1.0


class DiscriminatorOutput(NamedTuple):
    """What a discriminator made of a ``DiscriminatorInput``; the attributes have its meanings."""

    discriminator: str
    fake: DiscriminatorMaps
    real: DiscriminatorMaps
    weight: float = 1.0


class TermNames(NamedTuple):
    """Names of the loss terms of one discriminator."""

    gan: str
    features: str
    fake: str
    real: str
    gradient: str


def term_names(discriminator: str) -> TermNames:
    """The loss terms of a discriminator, by its name; ``G_T0_GAN`` is that of ``temporal_0``."""
    if discriminator == "image":
        return TermNames("G_GAN", "G_GAN_Feat", "D_fake", "D_real", "D_R1")
    if discriminator == "face":
        return TermNames("G_f_GAN", "G_f_GAN_Feat", "D_f_fake", "D_f_real", "D_f_R1")
    scale = discriminator.removeprefix("temporal_")
    return TermNames(*(f"{side}_T{scale}_{term}" for side, term in (
        ("G", "GAN"), ("G", "GAN_Feat"), ("D", "fake"), ("D", "real"), ("D", "R1"))))  # fmt: skip


def discriminate(discriminators: nn.ModuleDict, inputs: Iterable[DiscriminatorInput]) -> list[DiscriminatorOutput]:
    """Run every input through its discriminator; real images that several inputs share are judged once.

    Real and fake are no single batch, though a discriminator without batch statistics would say the same: the
    generator's gradient would pass through both halves, and only one of them has any.
    """
    of_real: dict[str, DiscriminatorMaps] = {}
    outputs = []
    for name, fake, real, weight in inputs:
        if name not in of_real:
            of_real[name] = discriminators[name](real)
        outputs.append(DiscriminatorOutput(name, discriminators[name](fake), of_real[name], weight))
    return outputs


def add_generator_terms(table: LossTable, output: DiscriminatorOutput, *, gan_mode: str, feature_weight: float) -> None:
    """Add what the generator minimises: the GAN loss and feature matching."""
    names = term_names(output.discriminator)
    loss = multiscale_adversarial(output.fake, is_real=True, mode=gan_mode, for_discriminator=False)
    table.add(names.gan, loss, weight=output.weight)
    if feature_weight > 0:
        distance = feature_matching(output.fake, output.real)
        table.add(names.features, distance, weight=feature_weight * output.weight)


def add_discriminator_terms(table: LossTable, output: DiscriminatorOutput, *, gan_mode: str) -> None:
    """Add what the discriminator minimises: half for generated, half for real images."""
    names = term_names(output.discriminator)
    for name, maps, is_real in ((names.fake, output.fake, False), (names.real, output.real, True)):
        loss = multiscale_adversarial(maps, is_real=is_real, mode=gan_mode, for_discriminator=True)
        table.add(name, loss, weight=0.5)


def add_gradient_penalty(
    table: LossTable, discriminators: nn.ModuleDict, inputs: Iterable[DiscriminatorInput], *, weight: float
) -> None:
    """Add R1: the squared gradient of every discriminator's scores at real images, half its weight (Mescheder 2018)."""
    for name, real in {one.discriminator: one.real for one in inputs}.items():
        at = real.detach().requires_grad_()
        scores = sum(layers[-1].float().sum() for layers in discriminators[name](at))
        (gradient,) = torch.autograd.grad(scores, at, create_graph=True)
        table.add(term_names(name).gradient, gradient.float().square().sum(dim=(1, 2, 3)).mean(), weight=weight / 2)


def bridge_gradients(terms: LossTable, *, copies: Sequence[Tensor], originals: Sequence[Tensor]) -> LossTable:
    """The same terms, whose gradients go on from ``copies`` to ``originals`` and reach no discriminator's weights.

    Args:
        terms: of the discriminators' outputs; their graph is kept for the discriminators' own backward pass.
        copies: leaves of that graph.
        originals: the generated tensors that were copied.
    """
    values = _Bridge.apply([value for value, _ in terms.terms.values()], copies, *originals) if terms.terms else ()
    weights = {name: weight for name, (_, weight) in terms.terms.items()}
    return LossTable({name: (value, weights[name]) for name, value in zip(weights, values, strict=True)})


class _Bridge(torch.autograd.Function):
    """Ends one graph and begins another: gradients of the values are sent down their own graph, as far as the leaves.

    It happens within the backward pass of the second graph, once for all values, so that the loss scale of half
    precision, weights of terms and shares of batches are in what is sent down.
    """

    @staticmethod
    def forward(ctx: Any, values: list[Tensor], leaves: Sequence[Tensor], *_: Tensor) -> tuple[Tensor, ...]:
        """``values`` are in lists so that autograd does not see their graph."""
        ctx.values, ctx.leaves = values, leaves
        return tuple(value.clone() for value in values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the leaves, in place of the originals'."""
        # the discriminators' own backward pass is still to come
        found = torch.autograd.grad(ctx.values, ctx.leaves, gradients, retain_graph=True, allow_unused=True)
        return (None, None, *found)


def adversarial(logits: Tensor, *, is_real: bool, mode: str, for_discriminator: bool) -> Tensor:
    """Adversarial loss of one map of logits.

    Args:
        logits: of the discriminator's last layer, any shape.
        is_real: what the discriminator was shown, or should have been made to believe.
        mode: ``ls`` (least squares), ``hinge`` or ``original`` (cross entropy on logits).
        for_discriminator: the hinge is different for discriminator and generator.

    Raises:
        ValueError: when the mode is unknown.
    """
    logits = logits.float()
    if mode == "ls":
        return F.mse_loss(logits, torch.full_like(logits, float(is_real)))
    if mode == "original":
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))
    if mode == "hinge":
        if not for_discriminator:
            return -logits.mean()
        return F.relu(1 - logits if is_real else 1 + logits).mean()
    raise ValueError(f"gan mode: expected ls, hinge or original, got {mode}")


def multiscale_adversarial(output: DiscriminatorMaps, *, is_real: bool, mode: str, for_discriminator: bool) -> Tensor:
    """Sum over the discriminator's spatial scales of the adversarial loss of its logits."""
    return torch.stack(
        [adversarial(layers[-1], is_real=is_real, mode=mode, for_discriminator=for_discriminator) for layers in output]
    ).sum()


def feature_matching(fake: DiscriminatorMaps, real: DiscriminatorMaps) -> Tensor:
    """L1 between the discriminator's inner features of fake and real (vid2vid, section 3.3; weight 10).

    Every layer counts 4 / (number of layers), every scale 1 / (number of scales); the logits are left out.
    """
    total = fake[0][0].new_zeros((), dtype=torch.float32)
    for fake_layers, real_layers in zip(fake, real, strict=True):
        inner = list(zip(fake_layers[:-1], real_layers[:-1], strict=True))
        for fake_feature, real_feature in inner:
            total = total + l1(fake_feature, real_feature.detach()) * (4 / len(inner)) / len(fake)
    return total
