"""Pixel positions, cubic samples and luma of frames [H, W, 3]."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def luma(frame: Tensor) -> Tensor:
    """[H, W, 3] -> [H, W] in [-1, 1]."""
    return (frame @ frame.new_tensor([0.299, 0.587, 0.114])).clamp(-1, 1)


def pixel_grid(frame: Tensor) -> Tensor:
    """The position of every pixel of ``frame`` [H, W, 3]: [H, W, 2], x then y."""
    y, x = (torch.arange(side, dtype=frame.dtype, device=frame.device) for side in frame.shape[:2])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def sample_cubic(frame: Tensor, positions: Tensor, *, out: Tensor) -> Tensor:
    """Cubic samples of ``frame`` [H, W, 3] at ``positions`` [H, W, 2], x then y in pixels; the border is repeated."""
    if frame.device.type != "cpu":
        return out.copy_(sample_cubic_in_torch(frame, positions))
    # the same kernel (a = -0.75), twice as fast
    dense = frame.numpy(), positions.numpy(), np.empty(0, np.float32)
    cv2.remap(*dense, cv2.INTER_CUBIC, dst=out.numpy(), borderMode=cv2.BORDER_REPLICATE)
    return out


def sample_cubic_in_torch(frame: Tensor, positions: Tensor) -> Tensor:
    """See ``sample_cubic``; on any device, sides of at least 2 pixels."""
    height, width, _ = frame.shape
    normalised = positions * (2 / positions.new_tensor([width - 1, height - 1])) - 1
    sampled = F.grid_sample(frame.permute(2, 0, 1)[None], normalised[None], "bicubic", "border", align_corners=True)
    return sampled[0].permute(1, 2, 0)
