"""A config becomes a generator: where option names meet the classes of networks."""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from models.checkpoint import Checkpoint, load_weights
from models.networks.batch_norm import use_batch_statistics
from models.networks.coarse_to_fine import CoarseToFine, VideoGenerator
from models.networks.generator import IMAGE_CHANNELS, CompositeGenerator
from models.networks.local_enhancer import LocalEnhancer
from models.networks.single_image import GlobalGenerator
from models.weights_file import check_fit, shapes_of
from options.network_config import GeneratorConfig
from util.errors import UserError


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
        flow_channels=config.ngf_flow or None,
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


class _NoDrawing(TorchFunctionMode):
    """Weights without memory need no random numbers, whose drawing would load half of torch first."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Everything is done but drawing."""
        if getattr(func, "__name__", "") in ("uniform_", "normal_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def check_size(checkpoint: Checkpoint, *, raw: bool = False) -> None:
    """Refuse a config that describes another generator than the weights beside it, before memory is asked for.

    Raises:
        UserError: names or shapes differ.
    """
    config, name = checkpoint.config.generator, checkpoint.generator_name(raw=raw)
    shapes, where = checkpoint.shapes(name), f"{checkpoint.folder / name}.safetensors"
    # every block has a tensor or more, and every frame that is seen channels of one
    most = max(len(shapes), *(side for shape in shapes.values() for side in shape), 1)
    for option in ("ngf", "ngf_flow", "n_blocks", "n_blocks_local", "n_frames_G"):
        if getattr(config, option) > most:
            raise UserError(
                f"{where}: expected weights of a generator with --{option} {getattr(config, option)}, found "
                f"{len(shapes)} tensors of sides up to {most}; use another save of the run"
            )
    wanted = shapes_of(described_generator(checkpoint).state_dict())
    counters = {key: () for key in wanted if key.endswith("num_batches_tracked")}
    check_fit(counters | shapes, wanted, where=where, expected="the weights of the generator its config describes")


def described_generator(checkpoint: Checkpoint) -> VideoGenerator | GlobalGenerator:
    """The generator of a checkpoint's config, on the ``meta`` device: names and shapes, no weights."""
    with torch.device("meta"), _NoDrawing():
        return build_generator(checkpoint.config.generator, semantic_channels=checkpoint.metadata["semantic_channels"])


def load_generator(checkpoint: Checkpoint, *, raw: bool = False) -> VideoGenerator | GlobalGenerator:
    """The generator of a checkpoint, rebuilt from its own config, with its weights, in eval mode.

    Its weights are the moving average where the run kept one, unless ``raw``.
    With ``batch_statistics`` (imported weights) it normalises by the statistics of what it sees, in eval mode too.

    Raises:
        UserError: when weights are missing or do not fit.
    """
    check_size(checkpoint, raw=raw)
    generator = build_generator(checkpoint.config.generator, semantic_channels=checkpoint.metadata["semantic_channels"])
    load_weights(generator, checkpoint.generator_weights(raw=raw), where=checkpoint.folder)
    if checkpoint.config.generator.batch_statistics:
        use_batch_statistics(generator)
    return generator.eval()
