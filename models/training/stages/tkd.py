"""Temporal knowledge distillation: the part-time student generates key-frames, the teacher all frames (section 3.4)."""

import torch
from torch import Tensor, nn

from data.clips import Clip
from models.losses.distillation import GLOBAL_TERM, LOCAL_TERMS, FeatureDistillation, FrameDistillation
from models.losses.perceptual import FrameFeatures
from models.losses.table import LossTable
from models.losses.temporal import GlobalTemporalLoss, temporal_difference_distance
from models.training.chunks import Chunk
from models.training.rollout import Rollout
from models.training.stages.skd import FrozenTeacher, SpatialDistillation, Targets


class TemporalDistillation:
    """Key-frames at a random gap, compared with the teacher's at equal absolute times.

    The local terms are those of spatial distillation on other frames, with other names and another weight.
    """

    def __init__(
        self,
        teacher: FrozenTeacher,
        *,
        local_weight: float = 2.0,
        global_weight: float = 15.0,
        global_loss: GlobalTemporalLoss | None = None,
        kd_mask: bool = False,
        features: FeatureDistillation | None = None,
        every_frame_share: float = 0.0,
    ) -> None:
        """Hold a teacher.

        Args:
            teacher: the frozen generator.
            local_weight: of ``kd_local_pixel`` and ``kd_local_perceptual``.
            global_weight: of ``kd_global``.
            global_loss: distance of whole key-frame sequences; without, multi-scale temporal differences stand in.
            kd_mask, features: see ``SpatialDistillation``.
            every_frame_share: of the clips, how many keep every frame; ours, for students that draw every frame, too.
        """
        self.spatial = SpatialDistillation(teacher, kd_mask=kd_mask, features=features)
        self.spatial.frames = FrameDistillation(LOCAL_TERMS, weight=local_weight)
        self.global_weight = global_weight
        self.global_loss = global_loss
        self.every_frame_share = every_frame_share

    @property
    def teacher(self) -> FrozenTeacher:
        """The frozen generator."""
        return self.spatial.teacher

    @property
    def frozen(self) -> list[nn.Module]:
        """The teacher, and the network of the global loss."""
        return self.spatial.frozen + ([] if self.global_loss is None else [self.global_loss])

    def prepare(self, clip: Clip, given: Tensor, random: torch.Generator) -> tuple[Clip, Targets]:
        """Only frames ``gap`` apart roll, after given ones that lie side by side as at the start of a test video.

        Flow and discriminators see key-frame to key-frame motion.
        """
        total, num_given = clip.image.shape[1], given.shape[1]
        gap = self.draw_gap(total, random)
        positions = [*range(num_given), *range(num_given - 1 + gap, total, gap)]
        # what comes after the last key-frame is nobody's target
        rollout = self.spatial.teacher_frames(clip, given, positions[-1] + 1)
        bottleneck = rollout.bottleneck
        if bottleneck is not None:
            bottleneck = bottleneck[:, [position - num_given for position in positions[num_given:]]]
        return clip.at(positions), Targets(rollout.image[:, positions], bottleneck)

    def draw_gap(self, total: int, random: torch.Generator) -> int:
        """A gap from 2 to ``total - num_frames``, so that at least ``num_frames`` key-frames are left; or 1, by share.

        Raises:
            ValueError: when the clip is too short for any.
        """
        num_frames = self.teacher.num_frames
        largest = total - num_frames
        if largest < 2:
            raise ValueError(f"expected a clip of at least {num_frames + 2} frames, got {total}")
        if self.every_frame_share > 0 and float(torch.rand((), generator=random)) < self.every_frame_share:
            return 1
        return int(torch.randint(2, largest + 1, (), generator=random))

    def add_perceptual_term(self, table: LossTable, chunk: Chunk, rollout: Rollout, features: FrameFeatures) -> None:
        """Add the local perceptual distance."""
        self.spatial.add_perceptual_term(table, chunk, rollout, features)

    def add_terms(self, table: LossTable, chunk: Chunk, rollout: Rollout) -> None:
        """Add the local pixel distance and the global distance."""
        self.spatial.add_terms(table, chunk, rollout)
        # each sequence begins with its own frame before, so that even a single key-frame has a change to compare
        assert chunk.target is not None and chunk.target_before is not None
        student = torch.cat([chunk.given[:, -1:], rollout.generated], dim=1)
        teacher = torch.cat([chunk.target_before, chunk.target], dim=1)
        distance = temporal_difference_distance if self.global_loss is None else self.global_loss
        if self.global_weight > 0:
            table.add(GLOBAL_TERM, distance(student, teacher), weight=self.global_weight)
