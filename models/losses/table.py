"""How far is a generated video from what it should be? Every criterion, and the table they are summed in."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

DiscriminatorMaps = list[list[Tensor]]  # per spatial scale, the outputs of every layer; the last is the verdict


@dataclass
class LossTable:
    """Named loss values and their weights; the total is what is minimised, the rows are what is logged."""

    rows: dict[str, tuple[Tensor, float]] = field(default_factory=dict)

    def add(self, name: str, value: Tensor, *, weight: float = 1.0) -> None:
        """Add a row; a row of weight 0 is left out, one of the same name adds up (raw and final image).

        Raises:
            ValueError: when the row is already there with another weight.
        """
        if weight == 0:
            return
        if name in self.rows:
            before, same_weight = self.rows[name]
            if same_weight != weight:
                raise ValueError(f"loss row {name}: expected weight {same_weight}, got {weight}")
            value = before + value
        self.rows[name] = (value, weight)

    def total(self) -> Tensor:
        """The weighted sum of all rows, a scalar.

        Raises:
            ValueError: when the table is empty.
        """
        if not self.rows:
            raise ValueError("the loss table is empty: every weight is 0")
        return torch.stack([value.float() * weight for value, weight in self.rows.values()]).sum()

    def detached(self) -> dict[str, Tensor]:
        """Weighted values by name, without a graph, for the log."""
        return {name: value.detach().float() * weight for name, (value, weight) in self.rows.items()}


def l1(first: Tensor, second: Tensor) -> Tensor:
    """Mean absolute difference, summed in float32."""
    return (first.float() - second.float()).abs().mean()


def masked_l1(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Mean over *all* pixels of the absolute difference where ``mask`` holds (vid2vid's convention).

    Args:
        first, second: [B, C, H, W].
        mask: [B, 1, H, W], 0..1.
    """
    return ((first.float() - second.float()) * mask).abs().mean()


def pyramid_l1(first: Tensor, second: Tensor, *, num_scales: int, mask: Tensor | None = None) -> list[Tensor]:
    """L1 at several spatial scales, each averaged to half the size of the one before (pix2pixHD's pyramid).

    Args:
        first, second: [B, C, H, W].
        num_scales: how many; the first is the full size.
        mask: [B, 1, H, W], 0..1, see ``masked_l1``; averaged like the images.

    Returns:
        A scalar a scale.
    """
    distances: list[Tensor] = []
    for scale in range(num_scales):
        if scale > 0:
            first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
            mask = None if mask is None else F.avg_pool2d(mask, 2)
        distances.append(l1(first, second) if mask is None else masked_l1(first, second, mask))
    return distances


def adversarial(discriminator_output: Tensor, *, is_real: bool, mode: str, for_discriminator: bool) -> Tensor:
    """Adversarial loss of one verdict map.

    Args:
        verdict: what the discriminator's last layer says, any shape.
        is_real: what the verdict should have been.
        mode: ``ls`` (least squares), ``hinge`` or ``original`` (cross entropy on logits).
        for_critic: the hinge is different for discriminator and generator.

    Raises:
        ValueError: when the mode is unknown.
    """
    discriminator_output = discriminator_output.float()
    if mode == "ls":
        return F.mse_loss(discriminator_output, torch.full_like(discriminator_output, float(is_real)))
    if mode == "original":
        return F.binary_cross_entropy_with_logits(
            discriminator_output, torch.full_like(discriminator_output, float(is_real))
        )
    if mode == "hinge":
        if not for_discriminator:
            return -discriminator_output.mean()
        return F.relu(1 - discriminator_output if is_real else 1 + discriminator_output).mean()
    raise ValueError(f"gan mode: expected ls, hinge or original, got {mode}")


def multiscale_adversarial(output: DiscriminatorMaps, *, is_real: bool, mode: str, for_discriminator: bool) -> Tensor:
    """Sum over the discriminator's spatial scales of the adversarial loss of each verdict."""
    return torch.stack(
        [adversarial(layers[-1], is_real=is_real, mode=mode, for_discriminator=for_discriminator) for layers in output]
    ).sum()


def feature_matching(fake: DiscriminatorMaps, real: DiscriminatorMaps) -> Tensor:
    """L1 between the discriminator's inner features of fake and real (vid2vid, section 3.3; weight 10).

    Every layer counts 4 / (number of layers), every scale 1 / (number of scales); the verdict is left out.
    """
    total = fake[0][0].new_zeros((), dtype=torch.float32)
    for fake_layers, real_layers in zip(fake, real, strict=True):
        inner = list(zip(fake_layers[:-1], real_layers[:-1], strict=True))
        for fake_feature, real_feature in inner:
            total = total + l1(fake_feature, real_feature.detach()) * (4 / len(inner)) / len(fake)
    return total


def temporal_difference_distance(student: Tensor, teacher: Tensor, *, num_scales: int = 3) -> Tensor:
    """How differently do two key-frame sequences change in time? Needs no weights.

    It stands in for the paper's global temporal loss (section 3.4) where I3D weights are absent: L1 between the
    differences of successive frames, at several spatial scales, each halving the sides.

    Args:
        student: [B, T, 3, H, W]; gradients reach it.
        teacher: the same frames of the teacher; none reach it.
        num_scales: spatial scales.

    Returns:
        A scalar; 0 where there are fewer than two frames.
    """
    if student.shape[1] < 2:
        return student.sum() * 0
    first = (student[:, 1:] - student[:, :-1]).flatten(0, 1)
    second = (teacher[:, 1:] - teacher[:, :-1]).flatten(0, 1).detach()
    return torch.stack(pyramid_l1(first, second, num_scales=num_scales)).mean()


def weighted_feature_l1(
    first: Sequence[Tensor], second: Sequence[Tensor], weights: Sequence[float], *, relative: bool
) -> Tensor:
    """Weighted L1 between two lists of features; gradients reach only ``first``.

    Args:
        first, second: features of the same layers, each [B, C, H, W].
        weights: one a layer.
        relative: divide each layer's distance by the mean size of ``second``'s features, so that layers compare.
    """
    total = first[0].new_zeros((), dtype=torch.float32)
    for one, other, weight in zip(first, second, weights, strict=True):
        other = other.detach()
        distance = l1(one, other)
        if relative:
            distance = distance / other.abs().mean().clamp_min(1e-6)
        total = total + distance * weight
    return total
