"""How does the part-time student learn? It draws key-frames; the teacher draws all frames."""

from typing import Any

import torch

from data.clips import Clip
from models.losses.table import LossTable, temporal_difference_distance
from models.networks.i3d import GlobalTemporalLoss
from models.training.rollout import Rollout
from models.training.stages.base import Chunk, ChunkedClip
from models.training.stages.skd import SpatialDistillation


class TemporalDistillation(SpatialDistillation):
    """Key-frames at a random gap, compared with the teacher at equal absolute times (paper, section 3.4)."""

    def __init__(self, *, global_loss: GlobalTemporalLoss | None = None, **parts: Any) -> None:
        """Put the training together.

        Args:
            global_loss: distance of whole key-frame sequences; without, multi-scale temporal differences stand in.
            **parts: what ``SpatialDistillation`` takes.
        """
        super().__init__(**parts)
        self.global_loss = global_loss

    @property
    def distillation(self) -> tuple[str, float]:
        """The local rows take the place of the spatial ones: same distance, other frames and weight."""
        return "kd_local", self.weights.kd_local

    def prepare(self, clip: Clip, random: torch.Generator, *, first_item: int = 0) -> ChunkedClip:
        """Only frames ``gap`` apart roll, after given ones that lie side by side as at the start of a test video.

        Flow and discriminators see key-frame to key-frame motion.
        """
        total, num_given = clip.image.shape[1], self.num_frames - 1
        gap = self._draw_gap(total, random)
        positions = [*range(num_given), *range(num_given - 1 + gap, total, gap)]
        # what comes after the last key-frame is nobody's target
        target = self._teacher_frames(clip.at(slice(positions[-1] + 1)))[:, positions]
        return self._chunked_clip(clip.at(positions), random, first_item=first_item, target=target)

    def _draw_gap(self, total: int, random: torch.Generator) -> int:
        """A gap from 2 to ``total - num_frames``, so that at least ``num_frames`` key-frames are left.

        Raises:
            ValueError: when the clip is too short for any.
        """
        largest = total - self.num_frames
        if largest < 2:
            raise ValueError(f"expected a clip of at least {self.num_frames + 2} frames, got {total}")
        return int(torch.randint(2, largest + 1, (), generator=random))

    def _add_generator_rows(self, table: LossTable, chunk: Chunk, rollout: Rollout) -> None:
        super()._add_generator_rows(table, chunk, rollout)
        assert chunk.target is not None
        # each sequence begins with its own frame before, so that even a single key-frame has a change to compare
        assert chunk.target_before is not None
        student = torch.cat([chunk.given[:, -1:], rollout.generated], dim=1)
        teacher = torch.cat([chunk.target_before, chunk.target], dim=1)
        distance = temporal_difference_distance if self.global_loss is None else self.global_loss
        if self.weights.kd_global > 0:
            table.add("kd_global", distance(student, teacher), weight=self.weights.kd_global)
