"""A config becomes networks and a stage of training: the only place where option names meet classes."""

from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from models.checkpoint import Checkpoint, load_weights
from models.flow.estimators import make_flow
from models.flow.reference import FlowEstimator
from models.losses.perceptual import PerceptualChoice, PerceptualLoss, make_perceptual
from models.losses.temporal import make_global_loss
from models.networks.coarse_to_fine import CoarseToFine, VideoGenerator
from models.networks.discriminator import MultiscaleDiscriminator
from models.networks.generator import CompositeGenerator
from models.networks.local_enhancer import LocalEnhancer
from models.networks.single_image import GlobalGenerator
from models.training.batch_norm import use_batch_statistics
from models.training.stages.base import LossWeights, Stage
from models.training.stages.face_region import FaceFinder
from models.training.stages.first_frame import FirstFrame
from models.training.stages.skd import FrozenTeacher, SpatialDistillation
from models.training.stages.tkd import TemporalDistillation
from models.training.stages.vid2vid import Vid2Vid
from options.config import DiscriminatorConfig, GeneratorConfig, LossConfig, TrainConfig

IMAGE_CHANNELS = 3
FLOW_CHANNELS = 2


def build_generator(config: GeneratorConfig, *, semantic_channels: int) -> VideoGenerator | GlobalGenerator:
    """The generator of a config, with fresh weights.

    Args:
        config: its architecture.
        semantic_channels: channels of one semantic frame.
    """
    if config.netG == "global":
        return GlobalGenerator(
            semantic_channels=semantic_channels,
            base_channels=config.ngf,
            num_downsamples=config.n_downsample_G,
            num_blocks=config.n_blocks,
            norm=config.norm,
        )
    common: dict[str, Any] = {
        "semantic_channels": semantic_channels,
        "num_frames": config.n_frames_G,
        "num_downsamples": config.n_downsample_G,
        "norm": config.norm,
        "has_foreground": config.fg,
        "has_flow": not config.no_flow,
        "align_corners": config.warp_align_corners,
    }
    coarse = CompositeGenerator(
        base_channels=config.ngf,
        num_blocks=config.n_blocks,
        block={"composite": "residual", "sr_mobile_composite": "mobile"}[config.netG],
        low_demand=config.low_demand,
        **common,
    )
    if config.n_scales_spatial == 1:
        return coarse
    finer = [
        LocalEnhancer(scale=scale, base_channels=config.ngf // 2**scale, num_blocks=config.n_blocks_local, **common)
        for scale in range(1, config.n_scales_spatial)
    ]
    return CoarseToFine(coarse, finer)


def blank_inputs(
    config: GeneratorConfig, *, semantic_channels: int, size: tuple[int, int]
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """What the generator of a config is called with, (arguments, keywords), zero: to count or check on ``meta``.

    Args:
        config: its architecture.
        semantic_channels: channels of one semantic frame.
        size: height and width of the frames.
    """
    if config.netG == "global":
        return [torch.zeros(1, semantic_channels, *size)], {}
    semantic = torch.zeros(1, semantic_channels * config.n_frames_G, *size)
    previous = torch.zeros(1, IMAGE_CHANNELS * (config.n_frames_G - 1), *size)
    return [semantic, previous], {"foreground_mask": torch.zeros(1, 1, *size)} if config.fg else {}


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
    )


def load_generator(checkpoint: Checkpoint) -> VideoGenerator | GlobalGenerator:
    """The generator of a checkpoint, rebuilt from its own config, with its weights, in eval mode.

    With ``batch_statistics`` (imported weights) it normalises by the statistics of what it sees, in eval mode too.

    Raises:
        UserError: when weights are missing or do not fit.
    """
    generator = build_generator(checkpoint.config.generator, semantic_channels=checkpoint.metadata["semantic_channels"])
    load_weights(generator, checkpoint.weights("generator"), where=checkpoint.folder)
    if checkpoint.config.generator.batch_statistics:
        use_batch_statistics(generator)
    return generator.eval()


class StageParts(TypedDict):
    """What every stage is made of; see ``Stage``."""

    generator: nn.Module
    discriminators: nn.ModuleDict
    perceptual: PerceptualLoss | None
    estimator: FlowEstimator
    weights: LossWeights
    gan_mode: str
    judges_raw: bool
    find_face: FaceFinder | None


def build_stage(
    config: TrainConfig,
    *,
    semantic_channels: int,
    teacher: VideoGenerator | None,
    find_face: FaceFinder | None = None,
) -> tuple[Stage, list[str]]:
    """The training of a config, with fresh weights.

    Args:
        config: of the run.
        semantic_channels: channels of one semantic frame.
        teacher: the frozen teacher, for the distilling stages.
        find_face: where the faces are in semantic frames, for ``--add_face_disc``.

    Returns:
        The stage, and its components, in lines for the log and the checkpoint.
    """
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
        find_face=find_face,
    )
    if config.run.stage == "first_frame":
        return FirstFrame(**parts), components
    distillation: SpatialDistillation | TemporalDistillation | None = None
    if teacher is not None:
        distillation, lines = build_distillation(config, teacher)
        components += lines
    return Vid2Vid(
        **parts,
        num_frames=config.generator.n_frames_G,
        num_discriminator_frames=config.discriminator.n_frames_D,
        given_noise=config.schedule.given_noise,
        draws_first=config.schedule.no_first_img,
        sparse_windows=config.discriminator.sparse_D,
        distillation=distillation,
    ), components


def build_distillation(
    config: TrainConfig, teacher: VideoGenerator
) -> tuple[SpatialDistillation | TemporalDistillation, list[str]]:
    """What a student learns from its teacher, and lines for the log."""
    frozen = FrozenTeacher(teacher, num_frames=config.generator.n_frames_G, draws_first=config.schedule.no_first_img)
    if config.run.stage == "skd":
        return SpatialDistillation(frozen, weight=config.loss.lambda_kd, kd_mask=config.loss.kd_mask), []
    global_loss, description = make_global_loss(config.loss.i3d_weights)
    distillation = TemporalDistillation(
        frozen,
        local_weight=config.loss.lambda_kd_local,
        global_weight=config.loss.lambda_kd_global,
        global_loss=global_loss,
        kd_mask=config.loss.kd_mask,
    )
    return distillation, [description]
