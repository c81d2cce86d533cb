"""Optical flow by block search on the device of the frames."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.flow.warp import warp
from models.interpolation.motion_compensation import luma

# block search: the side of a cell, and of the window around it that is compared, in pixels of the level
_CELL, _WINDOW = 4, 12


# how much better a step must be than none, in grey levels of a window's mean: on flat ground nothing moves
_INERTIA = 1e-3


def block_flows(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Flow by block search on luma, on the device of the frames; see ``FlowBothWays``."""
    pair = 127.5 * torch.stack((luma(start), luma(end)))[:, None]
    forward, backward = block_flow(pair, pair.flip(0)).permute(0, 2, 3, 1)
    return forward, backward


def block_flow(target: Tensor, source: Tensor) -> Tensor:
    """Flow [B, 2, H, W] in pixels that carries ``source`` onto ``target``, grey levels [B, 1, H, W] both.

    Coarse to fine, from 1/16 (1/8, ... for small frames) to half resolution. At every level each cell of 4 pixels takes
    twice a step of at most a pixel: the one under which its window of 12 pixels differs least, refined by a
    parabola. Between the cells the vectors are interpolated, so that no block has an edge.
    """
    batch, _, height, width = target.shape
    num_levels = 4
    while num_levels > 1 and min(height, width) < 16 * 2**num_levels:
        num_levels -= 1
    multiple = _CELL * 2**num_levels
    level = F.pad(torch.cat((target, source)), (0, -width % multiple, 0, -height % multiple), mode="replicate")
    pyramid = [level := F.avg_pool2d(level, 2) for _ in range(num_levels)]

    flow = level.new_zeros(batch, 2, level.shape[2] // _CELL // 2, level.shape[3] // _CELL // 2)
    for level in reversed(pyramid):
        flow = 2 * F.interpolate(flow, [side // _CELL for side in level.shape[2:]], mode="bilinear")
        for _ in range(2):
            flow = flow + _best_steps(level[:batch], level[batch:], flow)
    return 2 * F.interpolate(flow, scale_factor=2 * _CELL, mode="bilinear")[:, :, :height, :width]


def _best_steps(target: Tensor, source: Tensor, flow: Tensor) -> Tensor:
    """The steps of at most a pixel, [B, 2, h, w], that bring ``source`` closest to ``target`` after ``flow``.

    Args:
        target, source: grey levels, [B, 1, H, W].
        flow: of every cell, [B, 2, H / 4, W / 4], in pixels.
    """
    batch, _, height, width = target.shape
    moved = warp(source, F.interpolate(flow, scale_factor=_CELL, mode="bilinear"))
    # the 9 neighbours of every pixel, row by row: candidate 4 is the pixel itself
    candidates = F.unfold(F.pad(moved, (1, 1, 1, 1), mode="replicate"), 3).view(batch, 9, height, width)
    margin = (_WINDOW - _CELL) // 2
    costs = F.avg_pool2d((target - candidates).abs(), _WINDOW, _CELL, margin, count_include_pad=False)
    still = costs[:, 4:5] - _INERTIA
    best = torch.cat((costs[:, :4], still, costs[:, 5:]), dim=1).argmin(dim=1)
    step_x = torch.where(best == 4, _vertex(costs[:, 3], costs[:, 4], costs[:, 5]), best % 3 - 1)
    step_y = torch.where(best == 4, _vertex(costs[:, 1], costs[:, 4], costs[:, 7]), best // 3 - 1)
    return torch.stack((step_x, step_y), dim=1)


def _vertex(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    """Where the parabola through the values at -1, 0, 1 is lowest, if ``middle`` is the least of them."""
    curvature = (before - 2 * middle + after).clamp(min=_INERTIA)
    return ((before - after) / (2 * curvature)).clamp(-0.5, 0.5)
