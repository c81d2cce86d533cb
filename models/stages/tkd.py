"""How does the part-time student learn? It draws key-frames; the teacher draws all frames."""

import torch

from data.clips import Clip
from models.losses import LossTable, temporal_difference_distance
from models.rollout import Rollout
from models.stages.base import Episode, Lesson
from models.stages.skd import SpatialDistillation


class TemporalDistillation(SpatialDistillation):
    """Key-frames at a random gap, compared with the teacher at equal absolute times (paper, section 3.4)."""

    def prepare(self, clip: Clip, random: torch.Generator) -> Episode:
        """Only frames ``gap`` apart roll, after given ones that lie side by side as at the start of a test video.

        Flow and critics see key-frame to key-frame motion.
        """
        total, num_given = clip.image.shape[1], self.num_frames - 1
        gap = self._draw_gap(total, random)
        positions = [*range(num_given), *range(num_given - 1 + gap, total, gap)]
        target = self._teacher_frames(clip)[:, positions]
        return self._episode(clip.at(positions), random, target=target)

    def _draw_gap(self, total: int, random: torch.Generator) -> int:
        """A gap from 2 to ``total - num_frames``, so that at least ``num_frames`` key-frames are left.

        Raises:
            ValueError: when the clip is too short for any.
        """
        largest = total - self.num_frames
        if largest < 2:
            raise ValueError(f"expected a clip of at least {self.num_frames + 2} frames, got {total}")
        return int(torch.randint(2, largest + 1, (), generator=random))

    def _add_generator_rows(self, table: LossTable, lesson: Lesson, rollout: Rollout) -> None:
        # the local rows take the place of the spatial ones: same distance, other frames and weight
        super(SpatialDistillation, self)._add_generator_rows(table, lesson, rollout)
        self._add_distillation_rows(table, "kd_local", lesson, rollout, weight=self.weights.kd_local)
        assert lesson.target is not None
        # each sequence begins with its own frame before, so that even a single key-frame has a change to compare
        assert lesson.target_before is not None
        student = torch.cat([lesson.given[:, -1:], rollout.generated], dim=1)
        teacher = torch.cat([lesson.target_before, lesson.target], dim=1)
        table.add("kd_global", temporal_difference_distance(student, teacher), weight=self.weights.kd_global)
