"""Coarse-to-fine generator: several spatial scales as one network (vid2vid)."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from models.networks.blocks import halve
from models.networks.generator import CompositeGenerator, GeneratorOutput
from models.networks.local_enhancer import LocalEnhancer


class CoarseToFine(nn.Module):
    """A composite generator at the smallest size and a local enhancer for every doubling of it.

    It is called like a ``CompositeGenerator``, at the largest size; only the finest scale's frame is returned. The
    scales are the submodules ``G0`` (coarsest), ``G1``, …, as the published files ``*_net_G0.pth``, ``*_net_G1.pth``.

    Every scale reads the same frames, averaged to its size (3x3, stride 2, as in the published pyramid). The published
    program fed each coarser scale its *own* earlier frames instead, except at the start of a clip; here the finest
    frames are the only memory, so that the network has no hidden state and a coarse scale cannot drift on its own.
    """

    def __init__(self, coarse: CompositeGenerator, finer: Sequence[LocalEnhancer]) -> None:
        """Put the scales together, each twice the size and with half the channels of the one before.

        Raises:
            ValueError: when the finer scales are not numbered 1, 2, … or there are none.
        """
        super().__init__()
        if not finer or [enhancer.scale for enhancer in finer] != list(range(1, len(finer) + 1)):
            raise ValueError(f"expected finer scales 1, 2, …, got {[enhancer.scale for enhancer in finer]}")
        self.G0 = coarse
        for enhancer in finer:
            self.add_module(f"G{enhancer.scale}", enhancer)
        self.num_scales = len(finer) + 1
        self.has_foreground = coarse.has_foreground
        self.has_flow = coarse.has_flow
        self.bottleneck_channels = coarse.bottleneck_channels
        self._is_coarse_fixed = False

    @property
    def finer(self) -> list[LocalEnhancer]:
        """The scales above the coarsest, the finest last."""
        return [self.get_submodule(f"G{scale}") for scale in range(1, self.num_scales)]  # type: ignore[misc]

    def fix_coarse(self, is_fixed: bool) -> None:
        """Train the finest scale alone (``--niter_fix_global``), or all scales.

        Fixed scales have no gradients and stay in eval mode: their running statistics do not drift either.
        """
        self._is_coarse_fixed = is_fixed
        for part in [self.G0, *self.finer[:-1]]:
            part.requires_grad_(not is_fixed)
        self.train(self.training)

    def train(self, mode: bool = True) -> "CoarseToFine":
        """Switch to training or, with False, to inference; fixed scales stay at inference."""
        super().train(mode)
        if self._is_coarse_fixed:
            for part in [self.G0, *self.finer[:-1]]:
                part.eval()
        return self

    def forward(
        self,
        semantic: Tensor,
        previous: Tensor,
        *,
        foreground_mask: Tensor | None = None,
        raw_only: bool = False,
    ) -> GeneratorOutput:
        """Generate one frame per batch item.

        Args:
            semantic: the last ``num_frames`` semantic frames, oldest first, [B, num_frames * C, H, W].
            previous: the last ``num_frames - 1`` generated frames, oldest first, [B, (num_frames - 1) * 3, H, W].
                H and W are divisible by 2**(num_downsamples + num_scales - 1).
            foreground_mask: 1 where the foreground branch draws, [B, 1, H, W]; needed with that branch.
            raw_only: as in ``CompositeGenerator``.

        Raises:
            ValueError: for a wrong number of channels, a size that cannot be halved, or a missing mask.
        """
        multiple = 2 ** (self.G0.num_downsamples + self.num_scales - 1)
        size = tuple(semantic.shape[-2:])
        if any(side % multiple for side in size):
            raise ValueError(f"expected sides divisible by {multiple} for {self.num_scales} scales, got {size}")
        semantics, past = self._pyramid(semantic), self._pyramid(previous)
        masks = [None] * self.num_scales if foreground_mask is None else self._pyramid(foreground_mask)
        with torch.no_grad() if self._is_coarse_fixed else nullcontext():
            output = self.G0(semantics[0], past[0], foreground_mask=masks[0], raw_only=raw_only)
            for scale, enhancer in enumerate(self.finer[:-1], start=1):
                output = enhancer(
                    semantics[scale], past[scale], output.features, foreground_mask=masks[scale], raw_only=raw_only
                )
        return self.finer[-1](semantic, previous, output.features, foreground_mask=foreground_mask, raw_only=raw_only)

    def _pyramid(self, frames: Tensor) -> list[Tensor]:
        """``frames`` at every scale, coarsest first."""
        levels = [frames]
        for _ in range(self.num_scales - 1):
            levels.insert(0, halve(levels[0]))
        return levels


VideoGenerator = CompositeGenerator | CoarseToFine
