"""Our checkpoints in the published form: a dict of tensors with the published names, as old programs load it."""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor

from models import checkpoint as checkpoints
from util.files import atomic_write


def export_generator(checkpoint: str | Path, out: Path) -> list[str]:
    """Write the generator of a checkpoint as a published file; with finer scales, one file a scale.

    Args:
        checkpoint: a run's folder or one of its saves.
        out: the file; with finer scales ``<out>_G0.pth``, ``<out>_G1.pth`` and so on take its place.

    Returns:
        What was written, and where the published program would draw other frames, in lines for the user.

    Raises:
        UserError: when there is no checkpoint, or it is broken.
    """
    saved = checkpoints.load(checkpoint, flag="--checkpoint")
    # shipped models have 16 bits, which no published file has
    weights = {name: one.float() if one.is_floating_point() else one for name, one in saved.generator_weights().items()}
    generator = saved.config.generator
    scales = {out: weights}
    if generator.n_scales_spatial > 1:
        scales = {
            out.with_name(f"{out.stem}_G{scale}{out.suffix}"): _of_scale(weights, f"G{scale}.")
            for scale in range(generator.n_scales_spatial)
        }
    lines = []
    for path, state in scales.items():
        with atomic_write(path) as scratch:
            torch.save(OrderedDict(state), scratch)
        lines.append(f"written: {path}, {len(state)} tensors")
    if generator.warp_align_corners and not generator.no_flow:
        lines.append(
            "note: it was trained with an exact warp; the published program's blurs, and draws slightly others"
        )
    if not generator.batch_statistics:
        lines.append("note: it was tested with running statistics; the published program uses each batch's own")
    return lines


def _of_scale(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
