"""A config becomes a generator: where option names meet the classes of networks."""

from typing import Any

import torch
from torch import Tensor

from models.checkpoint import Checkpoint, load_weights
from models.networks.batch_norm import use_batch_statistics
from models.networks.coarse_to_fine import CoarseToFine, VideoGenerator
from models.networks.generator import IMAGE_CHANNELS, CompositeGenerator
from models.networks.local_enhancer import LocalEnhancer
from models.networks.single_image import GlobalGenerator
from options.network_config import GeneratorConfig


def build_generator(config: GeneratorConfig, *, semantic_channels: int) -> VideoGenerator | GlobalGenerator:
    """The generator of a config, with fresh weights."""
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
    """What the generator of a config is called with, (arguments, keywords), zero, of height and width ``size``."""
    if config.netG == "global":
        return [torch.zeros(1, semantic_channels, *size)], {}
    semantic = torch.zeros(1, semantic_channels * config.n_frames_G, *size)
    previous = torch.zeros(1, IMAGE_CHANNELS * (config.n_frames_G - 1), *size)
    return [semantic, previous], {"foreground_mask": torch.zeros(1, 1, *size)} if config.fg else {}


def load_generator(checkpoint: Checkpoint, *, raw: bool = False) -> VideoGenerator | GlobalGenerator:
    """The generator of a checkpoint, rebuilt from its own config, with its weights, in eval mode.

    Its weights are the moving average where the run kept one, unless ``raw``.
    With ``batch_statistics`` (imported weights) it normalises by the statistics of what it sees, in eval mode too.

    Raises:
        UserError: when weights are missing or do not fit.
    """
    generator = build_generator(checkpoint.config.generator, semantic_channels=checkpoint.metadata["semantic_channels"])
    load_weights(generator, checkpoint.generator_weights(raw=raw), where=checkpoint.folder)
    if checkpoint.config.generator.batch_statistics:
        use_batch_statistics(generator)
    return generator.eval()
