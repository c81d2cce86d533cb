"""Spatial knowledge distillation: the student learns from the frozen teacher's frames (paper, section 3.3)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from data.clips import Clip
from models.losses.distillation import SPATIAL_TERMS, FrameDistillation
from models.losses.perceptual import FrameFeatures
from models.losses.table import LossTable
from models.networks.coarse_to_fine import VideoGenerator
from models.training.chunks import Chunk
from models.training.rollout import Rollout, unroll

TeacherRollout = Callable[[Clip, Tensor, int], Tensor]
"""(clip, given frames, number of frames that are needed) -> the teacher's frames of at least so many times."""


class FrozenTeacher:
    """A trained generator that shows a student what to generate; it never trains."""

    def __init__(self, generator: VideoGenerator, *, num_frames: int, draws_first: bool = False) -> None:
        """Args: the generator, how many semantic frames it sees, and whether its first frames come from nothing."""
        self.generator = generator.requires_grad_(False).eval()
        self.num_frames = num_frames
        self.draws_first = draws_first

    def __call__(self, clip: Clip, given: Tensor, num_needed: int) -> Tensor:
        """The first ``num_needed`` frames of ``clip``, from the clean given ones, [B, num_needed, 3, H, W]."""
        with torch.no_grad():
            return unroll(
                self.generator,
                clip.at(slice(num_needed)),
                given,
                num_frames=self.num_frames,
                first_is_raw=self.draws_first,
            ).image


class SpatialDistillation:
    """The frozen teacher's frames of the same clip as targets: ``kd_pixel`` and ``kd_perceptual``."""

    def __init__(self, teacher: FrozenTeacher, *, weight: float = 1.0, kd_mask: bool = False) -> None:
        """Hold a teacher; ``weight`` is that of both terms.

        With ``kd_mask`` its frames count only where the reference flow of the real frames is confident. The paper has
        no mask; a published program took one from a *picture* of the flow.
        """
        self.teacher = teacher
        self.teacher_frames: TeacherRollout = teacher
        self.frames = FrameDistillation(SPATIAL_TERMS, weight=weight)
        self.kd_mask = kd_mask

    @property
    def spatial(self) -> "SpatialDistillation":
        """What compares frames: this."""
        return self

    @property
    def frozen(self) -> list[nn.Module]:
        """The teacher."""
        return [self.teacher.generator]

    def prepare(self, clip: Clip, given: Tensor, random: torch.Generator) -> tuple[Clip, Tensor]:
        """The frames that roll, and the teacher's frames of their times, [B, T, 3, H, W]."""
        return clip, self.teacher_frames(clip, given, clip.image.shape[1])

    def add_perceptual_term(self, table: LossTable, chunk: Chunk, rollout: Rollout, features: FrameFeatures) -> None:
        """Add the perceptual distance to the teacher's frames."""
        student, target, mask = self._compared(chunk, rollout)
        self.frames.add_perceptual(table, features, student, target, mask=mask)

    def add_terms(self, table: LossTable, chunk: Chunk, rollout: Rollout) -> None:
        """Add the pixel distance to the teacher's frames."""
        student, target, mask = self._compared(chunk, rollout)
        self.frames.add_pixel(table, student, target, mask=mask)

    def _compared(self, chunk: Chunk, rollout: Rollout) -> tuple[Tensor, Tensor, Tensor | None]:
        """The student's frames [B * T, 3, H, W], the teacher's of the same times, and where they are compared."""
        assert chunk.target is not None
        mask = chunk.reference()[1] if self.kd_mask else None
        return rollout.generated.flatten(0, 1), chunk.target.flatten(0, 1), mask
