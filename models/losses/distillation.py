"""Distillation losses: a student's frames against its teacher's (SKD, paper section 3.3; local TKD, section 3.4)."""

from typing import NamedTuple

import torch
from torch import Tensor

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


def _masked(student: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """The student's frames, with the teacher's where nothing is to be learned."""
    return student if mask is None else torch.where(mask > 0, student, target.to(student.dtype))
