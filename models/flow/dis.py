"""Dense inverse search (DIS), OpenCV's optical flow on the CPU."""

import math
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor


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

    def __init__(
        self,
        *,
        patch_stride: int | None = None,
        finest_scale: int = 1,
        iterations: int = 25,
        ignores_brightness: bool = True,
    ) -> None:
        """Set the search up; by default it is OpenCV's fast preset.

        Args:
            patch_stride: a patch at every so many pixels, without variational refinement: on our videos as good as
                with it. None: as the preset has both.
            finest_scale: 0 searches down to the full resolution, 1 to half of it, 2 to a quarter.
            iterations: of a patch at every scale, at most; the preset's without ``patch_stride``.
            ignores_brightness: patches are compared without their means, since light changes.
        """
        self.patch_stride = patch_stride
        self.finest_scale = finest_scale
        self.iterations = iterations
        self.ignores_brightness = ignores_brightness

    def search(self, target: np.ndarray, source: np.ndarray, *, guess: np.ndarray | None = None) -> np.ndarray:
        """Flow [H, W, 2] that carries ``source`` onto ``target``: luma, uint8 [H, W], sides of at least 12 pixels.

        The search begins at the ``guess``, where there is one, else at no motion.
        """
        preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if self.patch_stride is None else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
        search = make_search(preset, smallest_side=min(target.shape))
        if self.patch_stride is not None:
            search.setFinestScale(min(self.finest_scale, search.getCoarsestScale()))
            search.setPatchStride(self.patch_stride)
            search.setGradientDescentIterations(self.iterations)
            search.setVariationalRefinementIterations(0)
        search.setUseMeanNormalization(self.ignores_brightness)
        return np.asarray(search.calc(target, source, guess))

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        """See ``FlowEstimator``; frames with a side below 12 pixels get zero flow."""
        if min(target.shape[-2:]) < self.smallest_side:
            return target.new_zeros(target.shape[0], 2, *target.shape[-2:])
        flows = np.stack([self.search(to, of) for to, of in zip(_gray(target), _gray(source), strict=True)])
        return torch.from_numpy(flows).permute(0, 3, 1, 2).to(target.device, target.dtype).contiguous()


def _gray(frames: Tensor) -> list[np.ndarray]:
    """[B, 3, H, W] in [-1, 1] -> B luma pictures, uint8."""
    luma = frames.detach().float() * frames.new_tensor([0.299, 0.587, 0.114]).float().view(1, 3, 1, 1)
    pixels = ((luma.sum(dim=1) + 1) * 127.5).round().clamp(0, 255)
    return list(pixels.to("cpu", torch.uint8).numpy())
