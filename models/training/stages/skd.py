"""Spatial knowledge distillation: the student learns from the frozen teacher's frames (paper, section 3.3)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from data.clips import Clip
from models.losses.distillation import SPATIAL_TERMS, FeatureDistillation, FrameDistillation
from models.losses.perceptual import FrameFeatures
from models.losses.table import LossTable
from models.networks.coarse_to_fine import VideoGenerator
from models.training.chunks import Chunk
from models.training.rollout import Rollout, unroll

TeacherRollout = Callable[[Clip, Tensor, int], Rollout]
"""(clip, given frames, number of frames that are needed) -> the teacher's frames of at least so many times."""


class Targets(NamedTuple):
    """What the teacher shows: its frames [B, T, 3, H, W], and the bottleneck of those that roll [B, T - K, C, h, w]."""

    frames: Tensor
    bottleneck: Tensor | None


class FrozenTeacher:
    """A trained generator that shows a student what to generate; it never trains."""

    def __init__(
        self,
        generator: VideoGenerator,
        *,
        num_frames: int,
        draws_first: bool = False,
        keeps_bottleneck: bool = False,
    ) -> None:
        """Hold a generator.

        Args:
            generator: trained.
            num_frames: semantic frames that it sees.
            draws_first: its first frames come from nothing.
            keeps_bottleneck: show its inner features too.
        """
        self.generator = generator.requires_grad_(False).eval()
        self.num_frames = num_frames
        self.draws_first = draws_first
        self.keeps_bottleneck = keeps_bottleneck

    def __call__(self, clip: Clip, given: Tensor, num_needed: int) -> Rollout:
        """The first ``num_needed`` frames of ``clip``, from the clean given ones."""
        with torch.no_grad():
            return unroll(
                self.generator,
                clip.at(slice(num_needed)),
                given,
                num_frames=self.num_frames,
                first_is_raw=self.draws_first,
                keeps_bottleneck=self.keeps_bottleneck,
            )


class SpatialDistillation:
    """The frozen teacher's frames of the same clip as targets: ``kd_pixel`` and ``kd_perceptual``.

    With ``features`` its bottleneck is one too: ``kd_feat``.
    """

    def __init__(
        self,
        teacher: FrozenTeacher,
        *,
        weight: float = 1.0,
        kd_mask: bool = False,
        features: FeatureDistillation | None = None,
    ) -> None:
        """Hold a teacher; ``weight`` is that of both terms of frames.

        With ``kd_mask`` its frames count only where the reference flow of the real frames is confident. The paper has
        no mask; a published program took one from a *picture* of the flow.
        """
        self.teacher = teacher
        self.teacher_frames: TeacherRollout = teacher
        self.frames = FrameDistillation(SPATIAL_TERMS, weight=weight)
        self.kd_mask = kd_mask
        self.features = features

    @property
    def spatial(self) -> "SpatialDistillation":
        """What compares frames: this."""
        return self

    @property
    def frozen(self) -> list[nn.Module]:
        """The teacher."""
        return [self.teacher.generator]

    def prepare(self, clip: Clip, given: Tensor, random: torch.Generator) -> tuple[Clip, Targets]:
        """The frames that roll, and what the teacher shows at their times."""
        rollout = self.teacher_frames(clip, given, clip.image.shape[1])
        return clip, Targets(rollout.image, rollout.bottleneck)

    def add_perceptual_term(self, table: LossTable, chunk: Chunk, rollout: Rollout, features: FrameFeatures) -> None:
        """Add the perceptual distance to the teacher's frames."""
        student, target, mask = self._compared(chunk, rollout)
        self.frames.add_perceptual(table, features, student, target, mask=mask)

    def add_terms(self, table: LossTable, chunk: Chunk, rollout: Rollout) -> None:
        """Add the pixel distance to the teacher's frames, and that of inner features."""
        student, target, mask = self._compared(chunk, rollout)
        self.frames.add_pixel(table, student, target, mask=mask)
        if self.features is not None:
            assert rollout.bottleneck is not None and chunk.target_bottleneck is not None
            self.features.add_term(table, rollout.bottleneck.flatten(0, 1), chunk.target_bottleneck.flatten(0, 1))

    def _compared(self, chunk: Chunk, rollout: Rollout) -> tuple[Tensor, Tensor, Tensor | None]:
        """The student's frames [B * T, 3, H, W], the teacher's of the same times, and where they are compared."""
        assert chunk.target is not None
        mask = chunk.reference()[1] if self.kd_mask else None
        return rollout.generated.flatten(0, 1), chunk.target.flatten(0, 1), mask
