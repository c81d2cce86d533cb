"""Backward warping: an image sampled where a flow points."""

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(image: Tensor, flow: Tensor, *, align_corners: bool = True) -> Tensor:
    """Sample ``image`` where ``flow`` points, so that a frame moves onto its successor.

    Positions and samples are computed in 32 bits or more, whatever the inputs and autocast say: 8 bits
    of mantissa cannot tell the pixels of a 512-pixel row apart.

    Args:
        image: what to sample, [B, C, H, W].
        flow: displacement of every target pixel into ``image``, [B, 2, H, W], in pixels, x then y.
        align_corners: True for our own models. The published Fast-Vid2Vid weights were trained with
            False on a grid made for True, so that even a zero flow blurs; their configs say False.

    Returns:
        The warped image, [B, C, H, W], in the type of ``image``; outside ``image`` the border is repeated.

    Raises:
        ValueError: when the two do not have the same batch and size.
    """
    batch, _, height, width = image.shape
    if flow.shape != (batch, 2, height, width):
        raise ValueError(f"expected flow of shape {(batch, 2, height, width)}, got {tuple(flow.shape)}")
    precision = torch.promote_types(torch.promote_types(image.dtype, flow.dtype), torch.float32)
    flow = flow.to(precision)
    x = torch.linspace(-1, 1, width, device=flow.device, dtype=precision)
    y = torch.linspace(-1, 1, height, device=flow.device, dtype=precision)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    # pixels -> the [-1, 1] of grid_sample: width - 1 pixels span 2 units
    sampled_x = grid_x + flow[:, 0] * (2 / max(width - 1, 1))
    sampled_y = grid_y + flow[:, 1] * (2 / max(height - 1, 1))
    grid = torch.stack((sampled_x, sampled_y), dim=-1)
    sampled = F.grid_sample(
        image.to(precision), grid, mode="bilinear", padding_mode="border", align_corners=align_corners
    )
    return sampled.to(image.dtype)
