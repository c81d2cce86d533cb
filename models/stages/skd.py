"""How does the spatially low-demand student learn? As the teacher did, and from the teacher's frames."""

from typing import Any

import torch
from torch import Tensor

from data.clips import Clip
from models.generator import CompositeGenerator
from models.losses import LossTable, l1
from models.rollout import Rollout, unroll
from models.stages.base import Episode, Lesson
from models.stages.teacher import Teacher


class SpatialDistillation(Teacher):
    """The teacher's training plus its frozen frames as targets (paper, section 3.3)."""

    def __init__(self, *, teacher: CompositeGenerator, **parts: Any) -> None:
        """Put the training together.

        Args:
            teacher: the trained generator; it is frozen here, in eval mode.
            **parts: what ``Teacher`` takes.
        """
        super().__init__(**parts)
        self.teacher = teacher.requires_grad_(False).eval()

    def prepare(self, clip: Clip, random: torch.Generator) -> Episode:
        """All frames roll; the teacher's frames of the whole clip are the targets."""
        return self._episode(clip, random, target=self._teacher_frames(clip))

    def _teacher_frames(self, clip: Clip) -> Tensor:
        """What the teacher makes of the clip, from the clean given frames, [B, T, 3, H, W]."""
        with torch.no_grad():
            return unroll(
                self.teacher, clip, self._given(clip), num_frames=self.num_frames, first_is_raw=self.draws_first
            ).image

    def _add_generator_rows(self, table: LossTable, lesson: Lesson, rollout: Rollout) -> None:
        super()._add_generator_rows(table, lesson, rollout)
        self._add_distillation_rows(table, "kd", lesson, rollout, weight=self.weights.kd)

    def _add_distillation_rows(
        self, table: LossTable, name: str, lesson: Lesson, rollout: Rollout, *, weight: float
    ) -> None:
        """L1 and perceptual distance to the teacher's frames of the same absolute times."""
        assert lesson.target is not None
        student, target = rollout.generated.flatten(0, 1), lesson.target.flatten(0, 1)
        table.add(f"{name}_pixel", l1(student, target), weight=weight)
        if self.perceptual is not None:
            table.add(f"{name}_perceptual", self.perceptual(student, self.perceptual.features(target)), weight=weight)
