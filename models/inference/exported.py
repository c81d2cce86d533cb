"""A generator as a file that runs without our code, compared with its checkpoint.

What is in the file: ``models/inference/export.py``. It is run before the program ends, at two sizes.
"""

from pathlib import Path

import torch

from models import checkpoint as checkpoints
from models.build import load_generator
from models.checkpoint import Checkpoint
from models.inference.calibration import OPENERS
from models.inference.int8 import Note, calibrate, read_calibration_data
from models.inference.runtimes.engines import load_runtime
from models.inference.runtimes.graph import check_suffix, example_inputs, export, smallest_size, write_model
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.single_image import GlobalGenerator
from util.errors import UserError

TOLERANCE = 1e-3  # on frames in [-1, 1]


@torch.inference_mode()
def largest_difference(path: Path, generator: VideoGenerator) -> float:
    """The largest difference of the frames of an exported file and its generator, at two sizes, on the CPU."""
    runtime = load_runtime(path)
    low, high = smallest_size(generator)
    differences = []
    for size in ((2 * low, 2 * high), (2 * high, 3 * low)):
        semantic, previous, *mask = example_inputs(generator, size=size)
        foreground_mask = mask[0] if mask else None
        expected, found = (draw(semantic, previous, foreground_mask=foreground_mask) for draw in (generator, runtime))
        differences += [(found.final - expected.final).abs().max(), (found.raw - expected.raw).abs().max()]
    return float(torch.stack(differences).max())


def export_checkpoint(checkpoint: str, path: Path, *, kind: str) -> float:
    """Write the generator of a checkpoint to a file, and give the largest difference of their frames in [-1, 1].

    Raises:
        UserError: no checkpoint, one that cannot be exported, a missing package, or a file that draws something else.
    """
    generator = _video_generator(checkpoints.load(checkpoint, flag="--checkpoint"), checkpoint)
    export(generator, path, kind=kind)
    difference = largest_difference(path, generator)
    if not difference <= TOLERANCE:
        raise UserError(
            f"{path}: draws other frames than {checkpoint}, by up to {difference:.2g} (at most {TOLERANCE:g} is "
            "expected); do not use it, choose another --format"
        )
    return difference


def export_int8(checkpoint: str, path: Path, *, kind: str, dataroot: str | None, float_layers: str) -> Note:
    """Write the generator of a checkpoint in 8 bits, calibrated on the training part of a dataset.

    Raises:
        UserError: as ``export_checkpoint``; no dataset, or frames too far from fp32.
    """
    if kind not in OPENERS:
        raise UserError(f"--precision int8 goes with --format {' or '.join(OPENERS)}, found {kind}")
    check_suffix(path, kind=kind)
    saved = checkpoints.load(checkpoint, flag="--checkpoint")
    generator = _video_generator(saved, checkpoint)
    data = None if dataroot is None else read_calibration_data(saved, dataroot)
    if data is None:
        raise UserError(
            "--precision int8 calibrates on training videos: expected a dataset with a training part as --dataroot, "
            f"found {dataroot or 'none'}"
        )
    found, note = calibrate(
        saved, generator, data, runtime=kind, float_layers=float_layers, raw=False, has_tables=False
    )
    write_model(found.model, path, kind=kind)
    return note


def _video_generator(saved: Checkpoint, path: str) -> VideoGenerator:
    generator = load_generator(saved)
    if isinstance(generator, GlobalGenerator):
        raise UserError(f"--checkpoint {path}: draws single images; expected a video generator")
    return generator
