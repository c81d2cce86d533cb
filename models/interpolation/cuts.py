"""Cuts: nothing lies between two scenes, so the nearest key-frame is held."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.flow.dis import DenseInverseSearch
from models.interpolation.base import SMALLEST_SIDE, Interpolator, check_neighbours, nearest
from models.interpolation.block_search import block_flows
from models.interpolation.motion_compensation import (
    flow_both_ways,
    luma,
    pixel_grid,
    sample_cubic,
    sample_cubic_in_torch,
)

# what may be left of the difference of two frames of one scene after motion compensation: 32 grey levels
_CUT_DISTANCE = 0.25


class HoldAcrossCuts:
    """An interpolator that repeats the nearest key-frame where the scene changes: nothing lies between two scenes."""

    def __init__(self, within_scene: Interpolator) -> None:
        """Wrap the interpolator that is used ``within_scene``."""
        self.within_scene = within_scene

    def __call__(self, first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
        """See ``Interpolator``."""
        check_neighbours(first, last, times)
        if first.device.type == "cuda":  # without a wait for the answer
            held, moved = nearest(first, last, times), self.within_scene(first, last, times)
            return torch.where(is_cut_on_device(first, last), held, moved)
        interpolate = nearest if is_cut(first, last) else self.within_scene
        return interpolate(first, last, times)


def is_cut(first: Tensor, last: Tensor) -> bool:
    """Whether the scene changes between two frames [3, H, W] in [-1, 1].

    It does where one frame, moved onto the other in either direction, still differs from it by a mean of over 32 grey
    levels of 255: so much of the wrong scene would show through. Without the motion taken out no threshold parts cuts
    from fast motion (real street scene, frames 6 apart: 99 % of the pairs within a scene are below 27, cuts above 38).
    Seen in luma, 64 pixels wide or high; frames with a side below 12 pixels count as one scene.
    """
    height, width = _small_size(first)
    start, end = (_shrunk(frame, (height, width)) for frame in (first, last))
    if min(height, width) < SMALLEST_SIDE or _luma_distance(start, end) < _CUT_DISTANCE:
        return False
    forward, backward = flow_both_ways(DenseInverseSearch(patch_stride=3))(start, end)
    grid = pixel_grid(start)
    left_over = max(
        _luma_distance(start, sample_cubic(end, grid + forward, out=torch.empty_like(end))),
        _luma_distance(end, sample_cubic(start, grid + backward, out=torch.empty_like(start))),
    )
    return left_over > _CUT_DISTANCE


def is_cut_on_device(first: Tensor, last: Tensor) -> Tensor:
    """See ``is_cut``; a bool [] on the device of the frames, by block search: nobody waits for it."""
    size = _small_size(first)
    if min(size) < SMALLEST_SIDE:
        return torch.zeros((), dtype=torch.bool, device=first.device)
    start, end = (
        F.adaptive_avg_pool2d(frame.detach().float(), size).permute(1, 2, 0).contiguous() for frame in (first, last)
    )
    forward, backward = block_flows(start, end)
    grid = pixel_grid(start)
    left_over = [
        (luma(to) - luma(sample_cubic_in_torch(of, grid + flow))).abs().mean()
        for to, of, flow in ((start, end, forward), (end, start, backward))
    ]
    far_apart = (luma(start) - luma(end)).abs().mean() >= _CUT_DISTANCE
    return far_apart & (torch.maximum(*left_over) > _CUT_DISTANCE)


def _small_size(frame: Tensor) -> tuple[int, int]:
    """Height and width at which a frame [3, H, W] is looked at."""
    scale = min(1.0, max(64 / max(frame.shape[1:]), SMALLEST_SIDE / min(frame.shape[1:])))
    height, width = (round(side * scale) for side in frame.shape[1:])
    return height, width


def _shrunk(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """Means over areas of a frame [3, H, W] as [*size, 3], on the CPU."""
    if frame.device.type != "cpu":
        return F.adaptive_avg_pool2d(frame.detach().float(), size).cpu().permute(1, 2, 0).contiguous()
    planes = frame.detach().float()
    picture = planes.permute(1, 2, 0)
    if picture.is_contiguous():
        return torch.from_numpy(cv2.resize(picture.numpy(), size[::-1], interpolation=cv2.INTER_AREA))
    small = [cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA) for plane in planes.numpy()]
    return torch.from_numpy(np.dstack(small))


def _luma_distance(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference of two frames [H, W, 3] in luma."""
    return float((luma(a) - luma(b)).abs().mean())
