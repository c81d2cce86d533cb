"""Pixel distances: L1, masked L1, and L1 at several spatial scales."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from models.losses.table import LossTable


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


def add_pixel_terms(table: LossTable, images: Sequence[Tensor], real: Tensor, *, weight: float) -> None:
    """Add the L1 distance of each of ``images`` [N, 3, H, W] to the real ones."""
    for image in images:
        table.add("G_pixel", l1(image, real), weight=weight)
