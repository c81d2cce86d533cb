"""Distillation losses: a student's frames against its teacher's (SKD, paper section 3.3; local TKD, section 3.4).

Inner features may be compared too (FitNets, Romero et al. 2015).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.losses.perceptual import FrameFeatures
from models.losses.pixel import l1
from models.losses.table import LossTable


class DistillationTerms(NamedTuple):
    """Names of the terms that compare frames."""

    pixel: str
    perceptual: str


SPATIAL_TERMS = DistillationTerms("kd_pixel", "kd_perceptual")
LOCAL_TERMS = DistillationTerms("kd_local_pixel", "kd_local_perceptual")
GLOBAL_TERM = "kd_global"
FEATURE_TERM = "kd_feat"


class FrameDistillation:
    """L1 and perceptual distance of a student's frames to its teacher's at equal times."""

    def __init__(self, names: DistillationTerms, *, weight: float) -> None:
        """Args: what the terms are called, and the weight of both."""
        self.names = names
        self.weight = weight

    def add_pixel(self, table: LossTable, student: Tensor, target: Tensor, *, mask: Tensor | None) -> None:
        """Add the L1 distance of frames [N, 3, H, W], where ``mask`` [N, 1, H, W] is above 0."""
        table.add(self.names.pixel, l1(_masked(student, target, mask), target), weight=self.weight)

    def add_perceptual(
        self, table: LossTable, features: FrameFeatures, student: Tensor, target: Tensor, *, mask: Tensor | None
    ) -> None:
        """Add the distance of the features of the same frames; without a mask those known of the final images do."""
        if self.weight == 0:
            return
        perceptual = features.perceptual
        found = features.of_final() if mask is None else list(perceptual.backbone(_masked(student, target, mask)))
        distance = perceptual.between(found, perceptual.features(target))
        table.add(self.names.perceptual, distance, weight=self.weight)


class FeatureDistillation(nn.Module):
    """Distance of a student's bottleneck to its teacher's, through a learned 1x1 convolution (FitNets' hint).

    Both may have any number of channels and any size. The convolution is trained with the student and is no part of it.
    FitNets takes the squared distance; here it is a share of the teacher's mean square, so that one weight serves any
    teacher: 1 is what features of nothing but 0 would cost.
    """

    def __init__(self, *, student_channels: int, teacher_channels: int, weight: float) -> None:
        """Args: channels of both bottlenecks, and the weight of the term."""
        super().__init__()
        self.adapter = nn.Conv2d(student_channels, teacher_channels, 1)
        self.weight = weight

    def add_term(self, table: LossTable, student: Tensor, teacher: Tensor) -> None:
        """Add the distance of features [N, C, h, w]; the teacher's are brought to the student's size."""
        target = teacher.float()
        if target.shape[-2:] != student.shape[-2:]:
            target = F.interpolate(target, size=student.shape[-2:], mode="bilinear", align_corners=False)
        distance = F.mse_loss(self.adapter(student).float(), target)
        table.add(FEATURE_TERM, distance / target.square().mean().clamp(min=1e-8), weight=self.weight)


def _masked(student: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """The student's frames, with the teacher's where nothing is to be learned."""
    return student if mask is None else torch.where(mask > 0, student, target.to(student.dtype))
