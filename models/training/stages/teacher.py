"""How does the vid2vid teacher learn? Every frame of a clip rolls; images, motion and time are judged."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from data.clips import Clip
from models.flow.warp import warp
from models.losses.table import LossTable, masked_l1
from models.training.rollout import Rollout, unroll
from models.training.stages.base import Chunk, ChunkedClip, Stage
from models.training.stages.discrimination import DiscriminatorInput

FLOW_SCALE = 20.0  # temporal discriminators see flow in units of 20 pixels


class Teacher(Stage):
    """The vid2vid training (paper section 3.2; vid2vid section 3)."""

    def __init__(
        self,
        *,
        num_frames: int,
        num_discriminator_frames: int = 3,
        given_noise: float = 0.0,
        draws_first: bool = False,
        sparse_windows: bool = False,
        **parts: Any,
    ) -> None:
        """Put the training together.

        Args:
            num_frames: semantic frames the generator sees.
            num_discriminator_frames: frames a temporal discriminator sees; scale t looks at frames ``num_discriminator_frames**t`` apart.
            given_noise: largest std of the noise on given frames; each clip draws its own strength.
            draws_first: learn to draw the first frames from nothing (``--no_first_img``).
            sparse_windows: temporal discriminator t judges only windows on a grid of frames ``num_discriminator_frames**t`` apart
                (``--sparse_D``); a slow discriminator then works in few of the steps.
            **parts: what ``Stage`` takes.
        """
        super().__init__(**parts)
        self.num_frames = num_frames
        self.num_discriminator_frames = num_discriminator_frames
        self.given_noise = given_noise
        self.draws_first = draws_first
        self.sparse_windows = sparse_windows

    @property
    def temporal_scales(self) -> list[int]:
        """Distance in frames of each temporal discriminator."""
        count = sum(name.startswith("temporal_") for name in self.discriminators)
        return [self.num_discriminator_frames**scale for scale in range(count)]

    @property
    def context(self) -> int:
        """Past frames that the generator and the slowest temporal discriminator need."""
        spans = [distance * (self.num_discriminator_frames - 1) for distance in self.temporal_scales]
        return max([self.num_frames - 1, *spans])

    def prepare(self, clip: Clip, random: torch.Generator, *, first_item: int = 0) -> ChunkedClip:
        """All frames roll; the first ``num_frames - 1`` are real."""
        return self._chunked_clip(clip, random, first_item=first_item, target=None)

    def _chunked_clip(
        self, clip: Clip, random: torch.Generator, *, first_item: int, target: Tensor | None
    ) -> ChunkedClip:
        given = self._given(clip)
        # noise is drawn on the CPU so that every device sees the same, and item by item, those before ours too
        each = [
            torch.rand(1, 1, 1, 1, generator=random) * self.given_noise * torch.randn(given.shape[1:], generator=random)
            for _ in range(first_item + given.shape[0])
        ]
        noise = torch.stack(each[first_item:])
        conditioning = given if self.draws_first else given + noise.to(given.device, given.dtype)
        return ChunkedClip(
            clip=clip,
            drawn=given,
            conditioning=conditioning,
            target=target,
            estimator=self.estimator,
            starts_raw=self.draws_first,
        )

    def _given(self, clip: Clip) -> Tensor:
        """The first frames: real ones, or nothing."""
        real = clip.image[:, : self.num_frames - 1]
        return torch.zeros_like(real) if self.draws_first else real

    def rollout(self, chunk: Chunk, *, backpropagate: int | None = None) -> Rollout:
        """Draw the chunk's frames, each from its predecessors."""
        return unroll(
            self.generator,  # type: ignore[arg-type]
            chunk.clip,
            chunk.given,
            num_frames=self.num_frames,
            backpropagate=backpropagate,
            conditioning=chunk.conditioning,
            first_is_raw=chunk.first_is_raw,
        )

    def _discriminator_inputs(self, chunk: Chunk, rollout: Rollout) -> Iterator[DiscriminatorInput]:
        yield from super()._discriminator_inputs(chunk, rollout)
        for scale, distance in enumerate(self.temporal_scales):
            windows = self._windows(chunk, rollout, distance)
            if windows is not None:
                yield DiscriminatorInput(f"temporal_{scale}", *windows)

    def _add_generator_rows(self, table: LossTable, chunk: Chunk, rollout: Rollout) -> None:
        super()._add_generator_rows(table, chunk, rollout)
        self._add_motion_rows(table, chunk, rollout)

    def _add_motion_rows(self, table: LossTable, chunk: Chunk, rollout: Rollout) -> None:
        """Flow and warp losses (vid2vid, section 3.2), against the reference flow between the real frames."""
        reference, trusted = self._reference(chunk)
        drawn = rollout.generated.flatten(0, 1)
        if not chunk.first_is_raw:
            followed = warp(rollout.previous.flatten(0, 1), reference).detach()
            table.add("G_Warp", masked_l1(drawn, followed, trusted), weight=self.weights.temporal_warp)
        if rollout.flow is None or rollout.weight is None:
            return
        flow = rollout.flow.flatten(0, 1)
        table.add("F_Flow", masked_l1(flow, reference, trusted), weight=self.weights.flow)
        real, before = chunk.real.flatten(0, 1), chunk.clip.image[:, chunk.num_given - 1 : -1].flatten(0, 1)
        table.add("F_Warp", masked_l1(real, warp(before, flow), trusted), weight=self.weights.flow_warp)
        if self.weights.trust_warp > 0:
            # where the flow can be trusted, show what was warped rather than what is drawn anew
            weight = rollout.weight.flatten(0, 1)
            table.add("W", masked_l1(weight, torch.zeros_like(weight), trusted), weight=self.weights.trust_warp)

    def _reference(self, chunk: Chunk) -> tuple[Tensor, Tensor]:
        """Reference flow [B * T, 2, H, W] onto each frame to draw, and its confidence [B * T, 1, H, W]."""
        times = range(chunk.num_given, chunk.clip.image.shape[1])
        pairs = [chunk.motion.between(time, time - 1) for time in times]
        flows, trusted = (torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*pairs, strict=True))
        return flows, trusted

    def _windows(self, chunk: Chunk, rollout: Rollout, distance: int) -> tuple[Tensor, Tensor] | None:
        """Input of a temporal discriminator: every ``num_discriminator_frames``-th window that ends in a generated frame.

        With sparse windows, every ``num_discriminator_frames``-th of those that end at a multiple of ``distance``.

        Returns:
            (fake, real), each [windows * B, 3 * frames + 2 * (frames - 1), H, W]: images, then the real frames' flow
            between them; None while the past is too short.
        """
        count, fakes, reals = self.num_discriminator_frames, [], []
        every = distance if self.sparse_windows else 1
        ends = range(chunk.clip.image.shape[1] - 1, chunk.num_given - 1, -1)
        for end in [end for end in ends if (chunk.start + end) % every == 0][::count]:
            start = end - distance * (count - 1)
            if start < chunk.num_blank:
                break
            times = list(range(start, end + 1, distance))
            flows = [
                chunk.motion.between(later, earlier)[0] / FLOW_SCALE
                for earlier, later in zip(times, times[1:], strict=False)
            ]
            fakes.append(torch.cat([*rollout.image[:, times].unbind(1), *flows], dim=1))
            reals.append(torch.cat([*chunk.clip.image[:, times].unbind(1), *flows], dim=1))
        return (torch.cat(fakes), torch.cat(reals)) if fakes else None
