"""How does the spatially low-demand student learn? As the teacher did, and from the teacher's frames."""

from typing import Any

import torch
from torch import Tensor

from data.clips import Clip
from models.losses.perceptual import PerceptualLoss
from models.losses.table import LossTable, l1
from models.networks.coarse_to_fine import VideoGenerator
from models.training.rollout import Rollout, unroll
from models.training.stages.base import Chunk, ChunkedClip
from models.training.stages.teacher import Teacher


class SpatialDistillation(Teacher):
    """The teacher's training plus its frozen frames as targets (paper, section 3.3)."""

    def __init__(self, *, teacher: VideoGenerator, kd_mask: bool = False, **parts: Any) -> None:
        """Put the training together.

        Args:
            teacher: the trained generator; it is frozen here, in eval mode.
            kd_mask: learn from the teacher's frames only where the reference flow of the real frames is confident.
                The paper has no mask; a published program took one from a *picture* of the flow.
            **parts: what ``Teacher`` takes.
        """
        super().__init__(**parts)
        self.teacher = teacher.requires_grad_(False).eval()
        self.kd_mask = kd_mask

    @property
    def distillation(self) -> tuple[str, float]:
        """What the rows that compare frames are called, and their weight."""
        return "kd", self.weights.kd

    def prepare(self, clip: Clip, random: torch.Generator, *, first_item: int = 0) -> ChunkedClip:
        """All frames roll; the teacher's frames of the whole clip are the targets."""
        return self._chunked_clip(clip, random, first_item=first_item, target=self._teacher_frames(clip))

    def _teacher_frames(self, clip: Clip) -> Tensor:
        """What the teacher makes of the clip, from the clean given frames, [B, T, 3, H, W]."""
        with torch.no_grad():
            return unroll(
                self.teacher, clip, self._given(clip), num_frames=self.num_frames, first_is_raw=self.draws_first
            ).image

    def _add_generator_rows(self, table: LossTable, chunk: Chunk, rollout: Rollout) -> None:
        super()._add_generator_rows(table, chunk, rollout)
        name, weight = self.distillation
        table.add(f"{name}_pixel", l1(*self._compared(chunk, rollout.generated.flatten(0, 1))), weight=weight)

    def _add_perceptual_rows(
        self, table: LossTable, perceptual: PerceptualLoss, chunk: Chunk, judged: list[Tensor]
    ) -> list[Tensor] | None:
        features = super()._add_perceptual_rows(table, perceptual, chunk, judged)
        name, weight = self.distillation
        if weight == 0:
            return features
        student, target = self._compared(chunk, judged[0])
        if features is None or self.kd_mask:
            features = list(perceptual.backbone(student))
        table.add(f"{name}_perceptual", perceptual.between(features, perceptual.features(target)), weight=weight)
        return features

    def _compared(self, chunk: Chunk, student: Tensor) -> tuple[Tensor, Tensor]:
        """The student's frames [B * T, 3, H, W] and the teacher's of the same absolute times."""
        assert chunk.target is not None
        target = chunk.target.flatten(0, 1)
        if self.kd_mask:
            _, trusted = self._reference(chunk)
            student = torch.where(trusted > 0, student, target.to(student.dtype))
        return student, target
