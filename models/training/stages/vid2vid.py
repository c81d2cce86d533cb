"""The vid2vid training: every frame of a clip rolls; images, motion and time are judged. Students add distillation."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from data.clips import Clip
from models.losses.adversarial import DiscriminatorInput
from models.losses.motion import add_flow_terms, add_temporal_warp_term
from models.losses.perceptual import FrameFeatures
from models.losses.table import LossTable
from models.training.chunks import Chunk, ChunkedClip, draw_seed
from models.training.conditioning import ConditioningAugmentation
from models.training.rollout import Rollout, unroll
from models.training.stages.base import Stage
from models.training.stages.skd import SpatialDistillation
from models.training.stages.tkd import TemporalDistillation

DISCRIMINATOR_FLOW_UNIT = 20.0  # temporal discriminators see flow in units of 20 pixels


@dataclass(kw_only=True, eq=False)
class Vid2Vid(Stage):
    """The training of a video generator (paper section 3.2; vid2vid section 3).

    Attributes:
        num_frames: semantic frames the generator sees.
        num_discriminator_frames: frames a temporal discriminator sees; scale t looks at frames
            ``num_discriminator_frames**t`` apart.
        given_noise: largest std of the noise on given frames; each clip draws its own strength.
        cond_noise, cond_dropout: see ``ConditioningAugmentation``; both 0 for none.
        draws_first: learn to generate the first frames from nothing (``--no_first_img``).
        sparse_windows: temporal discriminator t judges only windows on a grid of frames
            ``num_discriminator_frames**t`` apart (``--sparse_D``); a slow one then works in few of the steps.
        distillation: what a student learns from its frozen teacher (SKD, TKD); None for the teacher itself.
    """

    num_frames: int
    num_discriminator_frames: int = 3
    given_noise: float = 0.0
    cond_noise: float = 0.0
    cond_dropout: float = 0.0
    draws_first: bool = False
    sparse_windows: bool = False
    distillation: SpatialDistillation | TemporalDistillation | None = None

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

    @property
    def frozen(self) -> list[nn.Module]:
        """The networks that are used and not trained, the teacher among them."""
        return super().frozen + ([] if self.distillation is None else self.distillation.frozen)

    @property
    def adapters(self) -> dict[str, nn.Module]:
        """The 1x1 convolution of feature distillation, if there is one."""
        features = None if self.distillation is None else self.distillation.spatial.features
        return {} if features is None else {"kd_adapter": features}

    def prepare(self, clip: Clip, random: torch.Generator, *, first_item: int = 0) -> ChunkedClip:
        """All frames roll, or those that the distillation chooses; the first ``num_frames - 1`` are real."""
        targets = None
        if self.distillation is not None:
            clip, targets = self.distillation.prepare(clip, self._given(clip), random)
        augmentation = None
        if self.cond_noise > 0 or self.cond_dropout > 0:
            seed = int(torch.randint(2**62, (), generator=random))
            augmentation = ConditioningAugmentation(self.cond_noise, self.cond_dropout, seed, first_item)
        given = self._given(clip)
        # noise is drawn on the CPU so that every device sees the same, and item by item, those before ours too
        each = [
            torch.rand(1, 1, 1, 1, generator=random) * self.given_noise * torch.randn(given.shape[1:], generator=random)
            for _ in range(first_item + given.shape[0])
        ]
        noise = torch.stack(each[first_item:])
        return ChunkedClip(
            clip=clip,
            known=given,
            conditioning=given if self.draws_first else given + noise.to(given.device, given.dtype),
            target=None if targets is None else targets.frames,
            target_bottleneck=None if targets is None else targets.bottleneck,
            estimator=self.estimator,
            starts_blank=self.draws_first,
            augmentation=augmentation,
            seed=draw_seed(random, first_item=first_item),
        )

    def _given(self, clip: Clip) -> Tensor:
        """The first frames: real ones, or nothing."""
        real = clip.image[:, : self.num_frames - 1]
        return torch.zeros_like(real) if self.draws_first else real

    def rollout(self, chunk: Chunk, *, backpropagate: int | None = None) -> Rollout:
        """Generate the chunk's frames, each from its predecessors."""
        return unroll(
            self.generator,  # type: ignore[arg-type]
            chunk.clip,
            chunk.given,
            num_frames=self.num_frames,
            backpropagate=backpropagate,
            conditioning=chunk.conditioning,
            first_is_raw=chunk.first_is_raw,
            keeps_bottleneck=chunk.target_bottleneck is not None,
        )

    def discriminator_inputs(self, chunk: Chunk, rollout: Rollout) -> Iterator[DiscriminatorInput]:
        """Images, faces, and for each temporal discriminator its windows of frames and flow."""
        yield from super().discriminator_inputs(chunk, rollout)
        for scale, distance in enumerate(self.temporal_scales):
            windows = self.temporal_inputs(chunk, rollout, distance)
            if windows is not None:
                yield DiscriminatorInput(f"temporal_{scale}", *windows)

    def add_video_terms(self, table: LossTable, chunk: Chunk, rollout: Rollout, features: FrameFeatures | None) -> None:
        """Add motion terms and, for students, distillation terms."""
        if self.distillation is not None and features is not None:
            self.distillation.add_perceptual_term(table, chunk, rollout, features)
        self._add_motion_terms(table, chunk, rollout)
        if self.distillation is not None:
            self.distillation.add_terms(table, chunk, rollout)

    def _add_motion_terms(self, table: LossTable, chunk: Chunk, rollout: Rollout) -> None:
        """Add flow and warp losses (vid2vid, section 3.2), against the reference flow between the real frames."""
        reference, confidence = chunk.reference()
        if not chunk.first_is_raw:
            add_temporal_warp_term(
                table,
                rollout.generated.flatten(0, 1),
                rollout.previous.flatten(0, 1),
                reference,
                confidence,
                weight=self.weights.temporal_warp,
            )
        if rollout.flow is not None and rollout.weight is not None:
            add_flow_terms(
                table,
                rollout.flow.flatten(0, 1),
                rollout.weight.flatten(0, 1),
                real=chunk.real,
                before=chunk.clip.image[:, chunk.num_given - 1 : -1].flatten(0, 1),
                reference=reference,
                confidence=confidence,
                weights=self.weights,
            )

    def temporal_inputs(self, chunk: Chunk, rollout: Rollout, distance: int) -> tuple[Tensor, Tensor] | None:
        """Input of a temporal discriminator: every ``num_discriminator_frames``-th window that ends in this chunk.

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
                chunk.flows.between(later, earlier)[0] / DISCRIMINATOR_FLOW_UNIT
                for earlier, later in zip(times, times[1:], strict=False)
            ]
            fakes.append(torch.cat([*rollout.image[:, times].unbind(1), *flows], dim=1))
            reals.append(torch.cat([*chunk.clip.image[:, times].unbind(1), *flows], dim=1))
        return (torch.cat(fakes), torch.cat(reals)) if fakes else None
