"""A config becomes a stage of training: where option names meet discriminators, losses and stages."""

from typing import TypedDict

from torch import nn

from models.build import build_generator
from models.flow.estimators import make_flow
from models.flow.reference import FlowEstimator
from models.losses.distillation import FeatureDistillation
from models.losses.perceptual import PerceptualChoice, PerceptualLoss, make_perceptual
from models.losses.table import LossWeights
from models.losses.temporal import make_global_loss
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.discriminator import MultiscaleDiscriminator
from models.networks.generator import IMAGE_CHANNELS
from models.training.stages.base import Stage
from models.training.stages.face_region import FaceFinder
from models.training.stages.first_frame import FirstFrame
from models.training.stages.skd import FrozenTeacher, SpatialDistillation
from models.training.stages.tkd import TemporalDistillation
from models.training.stages.vid2vid import Vid2Vid
from options.config import TrainConfig
from options.network_config import DiscriminatorConfig
from options.training_config import LossConfig

FLOW_CHANNELS = 2


def build_discriminators(
    config: DiscriminatorConfig, *, semantic_channels: int, norm: str, has_temporal: bool
) -> nn.ModuleDict:
    """The image discriminator, one temporal discriminator a scale, and the face discriminator where it is asked for."""

    def discriminator(channels: int, *, num_scales: int = config.num_D) -> MultiscaleDiscriminator:
        return MultiscaleDiscriminator(
            input_channels=channels,
            base_channels=config.ndf,
            num_layers=config.n_layers_D,
            num_scales=num_scales,
            norm=norm,
            spectral_norm=config.spectral_norm,
        )

    discriminators = nn.ModuleDict({"image": discriminator(semantic_channels + IMAGE_CHANNELS)})
    window = config.n_frames_D * IMAGE_CHANNELS + (config.n_frames_D - 1) * FLOW_CHANNELS
    for scale in range(config.n_scales_temporal if has_temporal else 0):
        discriminators[f"temporal_{scale}"] = discriminator(window)
    if config.add_face_disc:
        # a face is small: two scales less (vid2vid)
        discriminators["face"] = discriminator(semantic_channels + IMAGE_CHANNELS, num_scales=max(1, config.num_D - 2))
    return discriminators


def build_loss_weights(
    config: LossConfig, perceptual: PerceptualChoice, *, draws_first: bool, num_scales: int = 1
) -> LossWeights:
    """Weights of the loss terms; some defaults depend on the backbone, or on whether first frames are learned.

    A flow in pixels doubles with every spatial scale, and its term counts half as much.
    """
    return LossWeights(
        features=config.lambda_feat,
        perceptual=perceptual.weight if config.lambda_perceptual is None else config.lambda_perceptual,
        pixel=config.lambda_pixel,
        flow=config.lambda_F / 2 ** (num_scales - 1),
        flow_warp=config.lambda_F,
        temporal_warp=config.lambda_T,
        trust_warp=float(draws_first) if config.lambda_W is None else config.lambda_W,
        face=config.lambda_face,
        r1=config.lambda_R1,
    )


class StageParts(TypedDict):
    """What every stage is made of; see ``Stage``."""

    generator: nn.Module
    discriminators: nn.ModuleDict
    perceptual: PerceptualLoss | None
    estimator: FlowEstimator
    weights: LossWeights
    gan_mode: str
    judges_raw: bool
    augments: bool
    find_face: FaceFinder | None


def build_stage(
    config: TrainConfig,
    *,
    semantic_channels: int,
    teacher: VideoGenerator | None,
    find_face: FaceFinder | None = None,
) -> tuple[Stage, list[str]]:
    """The training of a config, with fresh weights, and its components in lines for the log and the checkpoint."""
    perceptual = make_perceptual(
        config.loss.perceptual, vgg_weights=config.loss.vgg_weights, vgg_input=config.loss.vgg_input
    )
    estimator = make_flow(config.loss.flow, weights=config.loss.flow_weights)
    components = [perceptual.description, f"reference flow: {estimator.name}"]
    parts = StageParts(
        generator=build_generator(config.generator, semantic_channels=semantic_channels),
        discriminators=build_discriminators(
            config.discriminator,
            semantic_channels=semantic_channels,
            norm=config.generator.norm,
            has_temporal=config.run.stage != "first_frame",
        ),
        perceptual=perceptual.loss,
        estimator=estimator,
        weights=build_loss_weights(
            config.loss,
            perceptual,
            draws_first=config.schedule.no_first_img,
            num_scales=config.generator.n_scales_spatial,
        ),
        gan_mode=config.discriminator.gan_mode,
        judges_raw=config.loss.raw_rows == "all",
        augments=config.discriminator.diff_augment,
        find_face=find_face,
    )
    if config.run.stage == "first_frame":
        return FirstFrame(**parts), components
    distillation: SpatialDistillation | TemporalDistillation | None = None
    if teacher is not None:
        distillation, lines = build_distillation(config, teacher, parts["generator"])
        components += lines
    return Vid2Vid(
        **parts,
        num_frames=config.generator.n_frames_G,
        num_discriminator_frames=config.discriminator.n_frames_D,
        given_noise=config.schedule.given_noise,
        cond_noise=config.schedule.cond_noise,
        cond_dropout=config.schedule.cond_dropout,
        draws_first=config.schedule.no_first_img,
        sparse_windows=config.discriminator.sparse_D,
        distillation=distillation,
    ), components


def build_distillation(
    config: TrainConfig, teacher: VideoGenerator, student: nn.Module
) -> tuple[SpatialDistillation | TemporalDistillation, list[str]]:
    """What a student learns from its teacher, and lines for the log."""
    features, lines = build_feature_distillation(config, teacher, student)
    frozen = FrozenTeacher(
        teacher,
        num_frames=config.generator.n_frames_G,
        draws_first=config.schedule.no_first_img,
        keeps_bottleneck=features is not None,
    )
    if config.run.stage == "skd":
        weight, kd_mask = config.loss.lambda_kd, config.loss.kd_mask
        return SpatialDistillation(frozen, weight=weight, kd_mask=kd_mask, features=features), lines
    global_loss, description = make_global_loss(config.loss.i3d_weights)
    distillation = TemporalDistillation(
        frozen,
        local_weight=config.loss.lambda_kd_local,
        global_weight=config.loss.lambda_kd_global,
        global_loss=global_loss,
        kd_mask=config.loss.kd_mask,
        features=features,
        every_frame_share=config.schedule.every_frame_share,
    )
    return distillation, [description, *lines]


def build_feature_distillation(
    config: TrainConfig, teacher: VideoGenerator, student: nn.Module
) -> tuple[FeatureDistillation | None, list[str]]:
    """The comparison of inner features, where it is asked for, and a line for the log."""
    weight = config.loss.lambda_kd_feat
    if weight == 0 or not isinstance(student, VideoGenerator):
        return None, []
    ours, theirs = student.bottleneck_channels, teacher.bottleneck_channels
    found = FeatureDistillation(student_channels=ours, teacher_channels=theirs, weight=weight)
    return found, [f"feature distillation: 1x1 convolution from {ours} to {theirs} channels"]
