"""How does a config become networks and a training? The only place where names of options meet classes."""

from typing import Any

from torch import nn

from models.discriminator import MultiscaleDiscriminator
from models.features import PerceptualChoice, make_perceptual
from models.first_frame import GlobalGenerator
from models.flow import make_flow
from models.generator import CompositeGenerator
from models.stages.base import LossWeights, Stage
from models.stages.first_frame import FirstFrame
from models.stages.skd import SpatialDistillation
from models.stages.teacher import Teacher
from models.stages.tkd import TemporalDistillation
from options.config import CriticConfig, GeneratorConfig, LossConfig, TrainConfig
from util.checkpoint import Checkpoint, load_weights

IMAGE_CHANNELS = 3
FLOW_CHANNELS = 2


def build_generator(config: GeneratorConfig, *, semantic_channels: int) -> CompositeGenerator | GlobalGenerator:
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
    return CompositeGenerator(
        semantic_channels=semantic_channels,
        num_frames=config.n_frames_G,
        base_channels=config.ngf,
        num_downsamples=config.n_downsample_G,
        num_blocks=config.n_blocks,
        norm=config.norm,
        block={"composite": "residual", "sr_mobile_composite": "mobile"}[config.netG],
        low_demand=config.low_demand,
        has_flow=not config.no_flow,
        align_corners=config.warp_align_corners,
    )


def build_critics(config: CriticConfig, *, semantic_channels: int, norm: str, has_temporal: bool) -> nn.ModuleDict:
    """The image critic, and one temporal critic a scale."""

    def critic(channels: int) -> MultiscaleDiscriminator:
        return MultiscaleDiscriminator(
            input_channels=channels,
            base_channels=config.ndf,
            num_layers=config.n_layers_D,
            num_scales=config.num_D,
            norm=norm,
        )

    critics = nn.ModuleDict({"image": critic(semantic_channels + IMAGE_CHANNELS)})
    window = config.n_frames_D * IMAGE_CHANNELS + (config.n_frames_D - 1) * FLOW_CHANNELS
    for scale in range(config.n_scales_temporal if has_temporal else 0):
        critics[f"temporal_{scale}"] = critic(window)
    return critics


def build_loss_weights(config: LossConfig, perceptual: PerceptualChoice, *, draws_first: bool) -> LossWeights:
    """Weights of the loss rows; some defaults depend on the backbone, or on whether first frames are learned."""
    return LossWeights(
        features=config.lambda_feat,
        perceptual=perceptual.weight if config.lambda_perceptual is None else config.lambda_perceptual,
        pixel=config.lambda_pixel,
        flow=config.lambda_F,
        temporal_warp=config.lambda_T,
        trust_warp=float(draws_first) if config.lambda_W is None else config.lambda_W,
        kd=config.lambda_kd,
        kd_local=config.lambda_kd_local,
        kd_global=config.lambda_kd_global,
    )


def load_generator(checkpoint: Checkpoint) -> CompositeGenerator | GlobalGenerator:
    """The generator of a checkpoint, rebuilt from its own config, with its weights, in eval mode.

    Raises:
        UserError: when weights are missing or do not fit.
    """
    generator = build_generator(checkpoint.config.generator, semantic_channels=checkpoint.facts["semantic_channels"])
    load_weights(generator, checkpoint.weights("generator"), where=checkpoint.folder)
    return generator.eval()


def build_stage(
    config: TrainConfig, *, semantic_channels: int, teacher: CompositeGenerator | None
) -> tuple[Stage, list[str]]:
    """The training of a config, with fresh weights.

    Args:
        config: of the run.
        semantic_channels: channels of one semantic frame.
        teacher: the frozen teacher, for the distilling stages.

    Returns:
        The stage, and what it was made of, in lines for the log and the checkpoint.
    """
    perceptual = make_perceptual(config.loss.perceptual, vgg_weights=config.loss.vgg_weights)
    estimator = make_flow(config.loss.flow)
    described = [perceptual.description, f"reference flow: {estimator.name}"]
    parts: dict[str, Any] = {
        "generator": build_generator(config.generator, semantic_channels=semantic_channels),
        "critics": build_critics(
            config.critic,
            semantic_channels=semantic_channels,
            norm=config.generator.norm,
            has_temporal=config.run.stage != "first_frame",
        ),
        "perceptual": perceptual.loss,
        "estimator": estimator,
        "weights": build_loss_weights(config.loss, perceptual, draws_first=config.schedule.no_first_img),
        "gan_mode": config.critic.gan_mode,
    }
    if config.run.stage == "first_frame":
        return FirstFrame(**parts), described
    parts |= {
        "num_frames": config.generator.n_frames_G,
        "num_critic_frames": config.critic.n_frames_D,
        "given_noise": config.schedule.given_noise,
        "draws_first": config.schedule.no_first_img,
    }
    if config.run.stage == "teacher":
        return Teacher(**parts), described
    parts["teacher"] = teacher
    if config.run.stage == "skd":
        return SpatialDistillation(**parts), described
    described.append("global temporal loss: multi-scale temporal differences, no weights needed (the paper: I3D)")
    return TemporalDistillation(**parts), described
