"""Trainings on a tiny random clip, put together without a dataset."""

import copy
from typing import Any

import torch
from torch import Tensor

from data.clips import Clip
from models.flow.dis import DenseInverseSearch
from models.losses.distillation import FeatureDistillation
from models.losses.perceptual import PerceptualLoss
from models.losses.table import LossWeights
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.generator import CompositeGenerator
from models.training.build_stage import build_discriminators
from models.training.chunks import Chunk
from models.training.rollout import Rollout
from models.training.stages.base import Stage
from models.training.stages.skd import FrozenTeacher, SpatialDistillation
from models.training.stages.tkd import TemporalDistillation
from models.training.stages.vid2vid import Vid2Vid
from options.network_config import DiscriminatorConfig

CHANNELS = 4
SIDE = 32


def make_clip(num_frames: int, *, batch: int = 1) -> Clip:
    random = torch.Generator().manual_seed(1)
    return Clip(
        semantic=torch.rand(batch, num_frames, CHANNELS, SIDE, SIDE, generator=random),
        image=torch.rand(batch, num_frames, 3, SIDE, SIDE, generator=random) * 2 - 1,
        foreground=None,
        index=torch.arange(num_frames).expand(batch, -1) + 5,
        names=["clip"] * batch,
    )


def make_generator(**settings: Any) -> CompositeGenerator:
    torch.manual_seed(0)
    return CompositeGenerator(semantic_channels=CHANNELS, base_channels=4, num_downsamples=2, num_blocks=2, **settings)


class Colours(torch.nn.Module):
    def forward(self, image: Tensor) -> list[Tensor]:
        return [image]


def parts(generator: torch.nn.Module | None = None, **settings: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    discriminators = DiscriminatorConfig(ndf=4, n_layers_D=2, num_D=2, n_scales_temporal=2)
    return {
        "generator": generator or make_generator(),
        "discriminators": build_discriminators(
            discriminators, semantic_channels=CHANNELS, norm="batch", has_temporal=True
        ),
        "perceptual": PerceptualLoss(Colours(), layer_weights=(1.0,), relative=False),
        "estimator": DenseInverseSearch(),
        "weights": LossWeights(pixel=1.0),
        "num_frames": 3,
    } | settings


def chunks(stage: Stage, clip: Clip, num_frames: int) -> list[tuple[Chunk, Rollout]]:
    chunked_clip = stage.prepare(clip, torch.Generator().manual_seed(0))
    found = []
    for chunk in chunked_clip.chunks(num_frames, context=stage.context):
        rollout = stage.rollout(chunk)
        chunked_clip.record(rollout.generated)
        found.append((chunk, rollout))
    return found


def distilling(
    kind: str,
    generator: CompositeGenerator,
    *,
    kd_mask: bool = False,
    features: FeatureDistillation | None = None,
    **settings: Any,
) -> Vid2Vid:
    """A student of stage ``kind`` in eval mode, equal to its teacher until someone changes it."""
    teacher = FrozenTeacher(copy.deepcopy(generator), num_frames=3, keeps_bottleneck=features is not None)
    make = SpatialDistillation if kind == "skd" else TemporalDistillation
    distillation = make(teacher, kd_mask=kd_mask, features=features)
    return Vid2Vid(**parts(generator.eval(), **settings), distillation=distillation)


def teacher_of(stage: Vid2Vid) -> VideoGenerator:
    assert stage.distillation is not None
    return stage.distillation.teacher.generator
