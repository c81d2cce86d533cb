"""Reference flow between real frames: the interface of its estimators, its confidence, and a cache for a clip."""

from typing import Protocol

import torch
from torch import Tensor

from models.flow.warp import warp


class FlowEstimator(Protocol):
    """Estimates the flow that carries ``source`` onto ``target``.

    Attributes:
        name: which estimator, and for a trained one which weights, for the log and the checkpoint.
    """

    name: str

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        """Flow [B, 2, H, W] in pixels, x then y: ``warp(source, flow)`` looks like ``target``.

        Args:
            target, source: [B, 3, H, W] in [-1, 1].
        """
        ...


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


class ReferenceFlows:
    """Flow and confidence between the real frames of a clip; every pair of frames is estimated once."""

    def __init__(self, estimator: FlowEstimator, image: Tensor) -> None:
        """Args: the estimator, and the real frames [B, T, 3, H, W]."""
        self._estimator = estimator
        self._image = image
        self._known: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def without_first(self, count: int) -> "ReferenceFlows":
        """The same, counted from frame ``count``; what was known of the frames before it is forgotten."""
        later = ReferenceFlows(self._estimator, self._image[:, count:])
        later._known = {
            (target - count, source - count): flow
            for (target, source), flow in self._known.items()
            if min(target, source) >= count
        }
        return later

    def between(self, target: int, source: int) -> tuple[Tensor, Tensor]:
        """Flow [B, 2, H, W] that carries frame ``source`` onto frame ``target``, and its confidence [B, 1, H, W]."""
        if (target, source) not in self._known:
            to, of = self._image[:, target], self._image[:, source]
            with torch.no_grad(), torch.autocast(to.device.type, enabled=False):
                flow = self._estimator(to, of)
                self._known[target, source] = (flow, confidence(to, of, flow))
        return self._known[target, source]
