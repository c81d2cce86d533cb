"""Where did every pixel of a frame come from? Reference flow between two real frames, behind one interface."""

import math
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from models.warp import warp


class FlowEstimator(Protocol):
    """Estimates the flow that carries ``source`` onto ``target``."""

    name: str

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        """Flow [B, 2, H, W] in pixels, x then y: ``warp(source, flow)`` looks like ``target``.

        Args:
            target, source: [B, 3, H, W] in [-1, 1].
        """
        ...


def make_search(preset: int, *, smallest_side: int) -> Any:
    """OpenCV's dense inverse search for frames whose smallest side is at least 12 pixels.

    Args:
        preset: ``cv2.DISOPTICAL_FLOW_PRESET_*``.
        smallest_side: of the frames. Patches must fit into the coarsest level: left to itself the search crashes on
            long, low frames.
    """
    search = cv2.DISOpticalFlow_create(preset)  # type: ignore[attr-defined]
    coarsest = int(math.log2(smallest_side / search.getPatchSize()))
    search.setCoarsestScale(coarsest)
    search.setFinestScale(min(search.getFinestScale(), 1, coarsest))
    return search


class DenseInverseSearch:
    """OpenCV's dense inverse search: needs no weights, runs on the CPU, the same at any number of threads."""

    name = "dis"
    smallest_side = 12

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        """See ``FlowEstimator``; frames with a side below 12 pixels get zero flow."""
        if min(target.shape[-2:]) < self.smallest_side:
            return target.new_zeros(target.shape[0], 2, *target.shape[-2:])
        estimator = make_search(cv2.DISOPTICAL_FLOW_PRESET_FAST, smallest_side=min(target.shape[-2:]))
        pairs = zip(_gray(target), _gray(source), strict=True)
        flows = np.stack([estimator.calc(to, of, None) for to, of in pairs])
        return torch.from_numpy(flows).permute(0, 3, 1, 2).to(target.device, target.dtype).contiguous()


def _gray(frames: Tensor) -> list[np.ndarray]:
    """[B, 3, H, W] in [-1, 1] -> B luma pictures, uint8."""
    luma = frames.detach().float() * frames.new_tensor([0.299, 0.587, 0.114]).float().view(1, 3, 1, 1)
    pixels = ((luma.sum(dim=1) + 1) * 127.5).round().clamp(0, 255)
    return list(pixels.to("cpu", torch.uint8).numpy())


def confidence(target: Tensor, source: Tensor, flow: Tensor, *, threshold: float = 0.02) -> Tensor:
    """1 where the warped source has the target's colour: squared colour distance below ``threshold`` (vid2vid).

    Args:
        target, source: [B, 3, H, W] in [-1, 1].
        flow: [B, 2, H, W] in pixels.
        threshold: on the sum over the colours of the squared difference.

    Returns:
        [B, 1, H, W], 0 or 1.
    """
    distance = (target - warp(source, flow)).square().sum(dim=1, keepdim=True)
    return (distance < threshold).to(target.dtype)


def make_flow(kind: str) -> FlowEstimator:
    """The reference flow of that name.

    Raises:
        ValueError: when the name is unknown.
    """
    if kind == "dis":
        return DenseInverseSearch()
    raise ValueError(f"reference flow: expected dis, got {kind}")
