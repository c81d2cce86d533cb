"""Width at which a plain generator costs what a student costs: the simplest compression to compare with."""

import argparse
import sys
from bisect import bisect_left
from dataclasses import replace

from benchmarks.macs import config_row
from models import checkpoint as checkpoints
from options.config import TrainConfig
from util.errors import UserError


def run(arguments: argparse.Namespace) -> None:
    """Print the width alone, so that scripts can read it; the rest goes to stderr."""
    share = arguments.keyframe_share
    if not 0 < share <= 1:
        raise UserError(f"--keyframe_share {share}: expected more than 0, at most 1")
    config = checkpoints.load(arguments.checkpoint, flag="--checkpoint").config
    target = share * gmacs(checkpoints.load(arguments.target, flag="--target").config)
    width = nearest_width(config, target=target)
    found = gmacs(with_width(config, width))
    print(f"ngf {width}: {found:.4g} GMACs a frame, wanted {target:.4g}", file=sys.stderr)
    print(width)


def nearest_width(config: TrainConfig, *, target: float) -> int:
    """The ``--ngf`` at which a generator's cost is nearest to ``target``, no wider than it is.

    Args:
        config: of the generator.
        target: 10^9 exact multiply-accumulates of a generated frame.
    """
    # every finer scale halves the channels
    step = 2**config.generator.n_scales_spatial if config.generator.n_scales_spatial > 1 else 1
    widths = range(step, config.generator.ngf + 1, step)
    # a wider generator costs more, so the first one above the target and the one before it are the candidates
    above = bisect_left(widths, target, key=lambda width: gmacs(with_width(config, width)))
    candidates = [widths[place] for place in (above - 1, above) if 0 <= place < len(widths)]
    return min(candidates, key=lambda width: abs(gmacs(with_width(config, width)) - target))


def with_width(config: TrainConfig, width: int) -> TrainConfig:
    """The same training with another ``--ngf``."""
    return replace(config, generator=replace(config.generator, ngf=width))


def gmacs(config: TrainConfig) -> float:
    """10^9 exact multiply-accumulates of one generated frame."""
    return config_row(config, "", share=1.0, interpolation="nearest").exact_gmacs
