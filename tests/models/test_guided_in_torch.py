"""Guided motion on the device of the frames is near the one on the CPU, whose flows are found in another way."""

import numpy as np
import pytest
import torch
from torch import Tensor

from models.flow.dis import DenseInverseSearch
from models.interpolation.base import blend
from models.interpolation.block_search import block_flow
from models.interpolation.cuts import is_cut_on_device
from models.interpolation.guided import GuidedMotion, guide_picture
from models.interpolation.guided_in_torch import guide_on_device, guided_on_device

SIZE = (96, 128)
TIMES = [0.25, 0.5, 0.75]


def scene(shift: float, *, kind: str = "street") -> tuple[Tensor, Tensor]:
    """A frame and its semantic frame: a patterned disc and a bar that move over a patterned ground."""
    height, width = SIZE
    y, x = torch.meshgrid(torch.arange(height) + 0.0, torch.arange(width) + 0.0, indexing="ij")
    disc = ((x - 36 - shift).square() + (y - 44).square() < 400).float()
    bar = ((x - 100 + shift / 2).abs() < 8).float() * (1 - disc)

    def pattern(along: Tensor, down: Tensor) -> Tensor:
        return torch.stack([torch.sin(along / 4.6 + down / 6.2), torch.cos(down / 5.4), torch.sin(along / 3.8)])

    frame = 0.3 * pattern(x, y) - 0.2
    frame = torch.where(bar.bool(), 0.5 * pattern(x + shift / 2, y) + 0.3, frame)
    frame = torch.where(disc.bool(), 0.6 * pattern(x - shift, y), frame)
    maps = torch.stack([1 - disc - bar, disc, bar])
    if kind == "face":
        edges = (torch.nn.functional.max_pool2d(maps[1:2], 3, 1, 1) - maps[1:2]).clamp(0, 1)
        maps = torch.cat((edges, (x / width)[None], (y / height)[None]))
    return frame, 2 * maps - 1 if kind == "pose" else maps


def dis(targets: Tensor, sources: Tensor) -> Tensor:
    """The search of the CPU, image flow as there and that between guides."""
    found = []
    for number, pair in enumerate(zip(targets, sources, strict=True)):
        search = DenseInverseSearch(patch_stride=5 if number < 2 else 4).search
        found.append(search(*(one[0].numpy().astype(np.uint8) for one in pair)))
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("kind", ["face", "street", "pose"])
def test_guides_are_those_of_the_cpu_up_to_a_grey_level(kind: str) -> None:
    _, semantic = scene(3, kind=kind)
    expected, found = guide_picture(semantic, kind=kind), guide_on_device(semantic, kind=kind)
    assert np.abs(expected.astype(float) - found.numpy()).max() <= 1


def both(shift: float, **how: object) -> tuple[Tensor, Tensor, Tensor]:
    """Frames by the CPU, frames in torch, and the true ones."""
    scenes = [scene(shift * time) for time in (0, *TIMES, 1)]
    (first, _), *between, (last, _) = scenes
    cpu = GuidedMotion(kind="street", holds_cuts=False)
    expected = cpu(first, last, TIMES, [cpu.guide(semantic) for _, semantic in scenes])
    guides = [guide_on_device(semantic, kind="street") for _, semantic in scenes]
    found = guided_on_device(first, last, TIMES, guides, holds_cuts=False, **how)  # type: ignore[arg-type]
    return expected, found, torch.stack([frame for frame, _ in between])


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean())


def test_with_opencv_s_flows_the_frames_are_near_those_of_the_cpu() -> None:
    expected, found, _ = both(6, find_flow=dis)
    assert (expected - found).abs().mean() < 0.02


def test_with_block_search_the_frames_are_within_5_db_of_the_cpu_and_better_than_a_cross_fade() -> None:
    expected, found, true = both(6)
    faded = blend(scene(0)[0], scene(6)[0], TIMES)
    assert error(found, true) < min(3 * error(expected, true), error(faded, true) / 1.5)


def test_block_search_leaves_flat_ground_where_it_is() -> None:
    flat = torch.full((1, 1, *SIZE), 30.0)
    assert block_flow(flat, flat).abs().max() < 0.1


def test_a_cut_is_held() -> None:
    (first, semantic), other = scene(0), torch.ones(3, *SIZE)
    assert not is_cut_on_device(first, first) and is_cut_on_device(first, other)
    guides = [guide_on_device(semantic, kind="street")] * 4
    frames = guided_on_device(first, other, [0.4, 0.6], guides)
    assert torch.equal(frames[0], first) and torch.equal(frames[1], other)
