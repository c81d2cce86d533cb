"""Guided motion compensation on the device of the frames: all dropped frames at once, and never a wait for the device.

The idea is that of ``models.interpolation.guided``, whose flows come from OpenCV and are found at half the resolution.
Here flows come from block search, and all three answers are drawn at full resolution and mixed one after another.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.flow.warp import warp
from models.interpolation.base import nearest
from models.interpolation.block_search import block_flow
from models.interpolation.cuts import is_cut_on_device
from models.interpolation.guided_rule import (
    CLEAR_OUTLINE,
    GOLDEN_RATIO,
    NEGLIGIBLE_DISAGREEMENT,
    NEGLIGIBLE_MISMATCH,
    NO_OUTLINE,
    REACH,
    WINDOW,
)

# (targets, sources), [B, 1, H, W] in grey levels -> flow [B, 2, H, W] in pixels, x then y
BatchedFlow = Callable[[Tensor, Tensor], Tensor]


class Flows(NamedTuple):
    """How many pixels further each pixel of the dropped frames is found in both key-frames, [T, 2, H, W] each."""

    to_start: Tensor
    to_end: Tensor


def guide_on_device(semantic: Tensor, *, kind: str) -> Tensor:
    """See ``guide_picture``; float32 [H, W] with whole grey levels, on the device of ``semantic``."""
    planes = semantic.detach().float()
    if kind == "face":
        grey = 0.5 * _blur(planes[:1], sigma=1.0)[0]
        if len(planes) > 1:
            grey = grey + 0.6 * planes[1:].mean(dim=0)
        return (255 * grey).clamp(0, 255).floor()
    if kind == "street":
        number = torch.arange(1, len(planes) + 1, device=planes.device, dtype=torch.float64)
        greys = (30 + 195 * (number * GOLDEN_RATIO % 1)).float()
        mixed = torch.tensordot(greys, planes, dims=1) / planes.sum(dim=0).clamp(min=1)
        return mixed.clamp(0, 255).floor()
    return ((planes.mean(dim=0) + 1) * 127.5).clamp(0, 255).floor()


def guided_on_device(
    first: Tensor,
    last: Tensor,
    times: Sequence[float],
    guides: Sequence[Tensor],
    *,
    holds_cuts: bool = True,
    find_flow: BatchedFlow = block_flow,
) -> Tensor:
    """The frames at ``times``; see ``GuidedMotion``.

    Args:
        first, last: the neighbours, [3, H, W] in [-1, 1].
        times: in (0, 1).
        guides: those of ``first``, of all ``times`` and of ``last``: ``guide_on_device``.
        holds_cuts: whether the nearest key-frame is held where the scene changes.
        find_flow: how motion is searched.
    """
    start, end = (frame.detach().float()[None] for frame in (first, last))
    pictures = torch.stack(list(guides))[:, None]
    when = torch.stack([start.new_full((1, 1, 1), time) for time in times])  # filled there, not copied: no wait
    image_flows, semantic_flows = _all_flows(start, end, pictures, when, find_flow)
    answers = (image_flows, semantic_flows, _corrected(image_flows, semantic_flows, pictures[1:-1]))
    mixed, so_far = _answer(start, end, answers[0], pictures, when)
    for flows in answers[1:]:
        moved, fit = _answer(start, end, flows, pictures, when)
        so_far = so_far + fit
        share = F.interpolate(fit / so_far, list(mixed.shape[2:]), mode="bilinear", align_corners=False)
        mixed = torch.lerp(mixed, moved, share)
    frames = mixed.clamp(-1, 1).to(first.dtype)
    return torch.where(is_cut_on_device(first, last), nearest(first, last, times), frames) if holds_cuts else frames


def _all_flows(
    start: Tensor, end: Tensor, pictures: Tensor, when: Tensor, find_flow: BatchedFlow
) -> tuple[Flows, Flows]:
    """Image flow, scaled to every time, and flow from the guide of every time to those of the key-frames."""
    count = len(when)
    greys = [_grey_levels(frame) for frame in (start, end)]
    between = pictures[1:-1]
    first, last = pictures[:1].expand_as(between), pictures[-1:].expand_as(between)
    found = find_flow(torch.cat((greys[0], greys[1], between, between)), torch.cat((greys[1], greys[0], first, last)))
    forward, backward = found[:1], found[1:2]
    image_flows = Flows(
        when**2 * backward - when * (1 - when) * forward, (1 - when) ** 2 * forward - when * (1 - when) * backward
    )
    return image_flows, Flows(found[2 : 2 + count], found[2 + count :])


def _corrected(flows: Flows, semantic: Flows, pictures: Tensor) -> Flows:
    """See ``models.interpolation.guided.corrected``."""
    size = list(pictures.shape[2:])
    half = [-(-side // 2) for side in size]
    outline = F.interpolate(_squared_gradient(pictures), half, mode="area").clamp(max=CLEAR_OUTLINE) / CLEAR_OUTLINE
    reached = _blur(outline, sigma=REACH / 2) + NO_OUTLINE

    def pulled(flow: Tensor, exact: Tensor) -> Tensor:
        difference = F.interpolate(exact - flow, half, mode="area")
        field = _blur(outline * difference, sigma=REACH / 2) / reached
        return flow + F.interpolate(field, size, mode="bilinear", align_corners=False)

    return Flows(pulled(flows.to_start, semantic.to_start), pulled(flows.to_end, semantic.to_end))


def _answer(start: Tensor, end: Tensor, flows: Flows, pictures: Tensor, when: Tensor) -> tuple[Tensor, Tensor]:
    """See ``models.interpolation.guided``: the frames [T, 3, H, W], and how well they fit [T, 1, H / 2, W / 2]."""
    between = pictures[1:-1]
    moved, mismatches = [], []
    for frame, guide, flow in ((start, pictures[:1], flows.to_start), (end, pictures[-1:], flows.to_end)):
        moved.append(sample(frame.expand(len(when), -1, -1, -1), flow, mode="bicubic"))
        whole = (32 * flow).round() / 32
        known = warp(guide.expand_as(between), whole)[:, :, ::2, ::2].round()
        mismatches.append((known - between[:, :, ::2, ::2]).abs())
    mismatch = torch.lerp(mismatches[0], mismatches[1], when)
    difference = (moved[0] - moved[1])[:, :, ::2, ::2]
    disagreement = difference.square().sum(dim=1, keepdim=True) * (127.5**2 / 3)
    mismatch, disagreement = _mean_around(mismatch), _mean_around(disagreement)
    fit = 1 / ((disagreement + NEGLIGIBLE_DISAGREEMENT) * (mismatch + NEGLIGIBLE_MISMATCH) ** 2)
    return torch.lerp(moved[0], moved[1], when), fit


def sample(image: Tensor, flow: Tensor, *, mode: str) -> Tensor:
    """``image`` [B, C, H, W] where ``flow`` [B, 2, H, W] points; the border is repeated."""
    height, width = image.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack((x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1), dim=-1)
    return F.grid_sample(image, grid, mode, "border", align_corners=True)


def _grey_levels(frame: Tensor) -> Tensor:
    """Luma of [1, 3, H, W] in [-1, 1], in whole grey levels, [1, 1, H, W]."""
    red, green, blue = frame.split(1, dim=1)
    return ((0.299 * red + 0.587 * green + 0.114 * blue).clamp(-1, 1) * 127.5 + 127.5).round()


def _squared_gradient(pictures: Tensor) -> Tensor:
    """Squared length of Sobel's gradient, [T, 1, H, W]."""
    padded = F.pad(pictures, (1, 1, 1, 1), mode="reflect")
    down = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    right = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    return (down[..., 2:] - down[..., :-2]).square() + (right[:, :, 2:] - right[:, :, :-2]).square()


def _mean_around(values: Tensor) -> Tensor:
    """Means over windows of ``WINDOW`` pixels, [T, 1, h, w]; the border is reflected."""
    return F.avg_pool2d(F.pad(values, (WINDOW // 2,) * 4, mode="reflect"), WINDOW, stride=1)


def _blur(values: Tensor, *, sigma: float) -> Tensor:
    """Gaussian blur of [..., H, W] as OpenCV has it: 4 sigma to each side, the border reflected."""
    reach = round(4 * sigma)
    distance = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    kernel = torch.softmax(-(distance**2) / (2 * sigma**2), dim=0)
    planes = F.pad(values.reshape(-1, 1, *values.shape[-2:]), (reach,) * 4, mode="reflect")
    blurred = F.conv2d(F.conv2d(planes, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return blurred.view(values.shape)
