"""Checks before a run begins, and the config that it has in the end."""

import dataclasses
import os
import shutil
from pathlib import Path

import torch

from data.kinds.label_sets import resolved
from models import checkpoint as checkpoints
from models.build import blank_inputs, build_generator, check_size
from models.training.run import Training
from options.config import TrainConfig
from util.errors import UserError

# what a resumed run may change; everything else must be as it was
MAY_CHANGE = {
    "run": ("resume", "device", "nThreads", "print_freq", "display_freq", "save_latest_freq", "save_epoch_freq",
            "debug", "dataroot", "name", "checkpoints_dir", "teacher", "init", "compile", "guard_lr_factor",
            "guard_max_failures", "validation_freq", "validation_frames", "val_phase"),
    "schedule": ("niter", "niter_decay", "max_minutes", "recalibrate", "batchSize", "accumulate"),
}  # fmt: skip


def resolve_generator(config: TrainConfig) -> TrainConfig:
    """The part-time student *is* the generator of spatial distillation: its architecture comes from ``--init``."""
    if config.run.stage != "tkd" or config.run.init is None:
        return config
    saved = checkpoints.load(config.run.init, flag="--init")
    check_size(saved)
    if not saved.config.generator.low_demand:
        raise UserError(f"--init {config.run.init}: expected the generator of --stage skd, found another one")
    return dataclasses.replace(config, generator=saved.config.generator)


def resolve_labels(config: TrainConfig) -> TrainConfig:
    """Labels of the user's own go into the checkpoint, which must not depend on where their file lies."""
    if config.data.dataset_mode != "street":
        return config
    return dataclasses.replace(config, data=dataclasses.replace(config.data, label_set=resolved(config.data.label_set)))


def check_unchanged(now: TrainConfig, saved: TrainConfig, *, where: Path) -> None:
    """Refuse to resume a run with a flag that would change its outcome."""
    for section in dataclasses.fields(now):
        for one in dataclasses.fields(getattr(now, section.name)):
            before, after = (getattr(getattr(config, section.name), one.name) for config in (saved, now))
            if before != after and one.name not in MAY_CHANGE.get(section.name, ()):
                raise UserError(
                    f"{where}: this run was started with --{one.name} {before}, found {after}; "
                    "give the same flags with --resume, or another --name"
                )


def check_batches(saved: checkpoints.Checkpoint, now: int) -> None:
    """Refuse to resume a run with another number of clips a step; it counts over all processes."""
    before = saved.metadata.get("clips_per_step", saved.config.schedule.batchSize)
    if before != now:
        raise UserError(
            f"{saved.folder}: this run was started with {before} clips a step, found {now}: --batchSize x --accumulate "
            "x processes must stay; change them together"
        )


def check_compile() -> None:
    """Fail now, not at the first step, when there is nothing to compile with."""
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")):
        raise UserError("--compile: torch.compile needs a C++ compiler and found none; install g++ or leave it out")


def check_clip_lengths(training: Training) -> None:
    """Fail now, not at the first step, when the sequences are too short for the stage."""
    needed = training.num_given + 1
    if training.config.run.stage == "tkd":
        needed = training.num_given + 3
    if training.dataset.max_clip_frames < needed:
        raise UserError(
            f"{training.config.run.dataroot}: expected a sequence of at least {needed} frames for "
            f"--stage {training.config.run.stage}, the longest has {training.dataset.max_clip_frames}"
        )


def check_foreground(training: Training) -> None:
    """Fail now, not at the first step, when ``--fg`` has nothing to generate."""
    config, encoder = training.config, training.dataset.encoder
    if config.generator.fg and encoder.foreground(torch.zeros(encoder.num_channels, 1, 1)) is None:
        raise UserError(
            f"--fg: expected a label 'car' in --label_set {config.data.label_set[:60]}, found none; name the "
            "foreground with --fg_labels ID,ID"
        )


def check_sizes(training: Training) -> None:
    """Fail now, not at the first step, when the generator cannot generate frames of the dataset's size."""
    config, channels = training.config, training.dataset.encoder.num_channels
    height, width = training.dataset.frame_size
    with torch.device("meta"):
        generator = build_generator(config.generator, semantic_channels=channels)
        inputs, named = blank_inputs(config.generator, semantic_channels=channels, size=(height, width))
    try:
        generator(*inputs, **named)
    except ValueError as error:
        raise UserError(f"--loadSize {config.data.loadSize} gives frames of {height} x {width}: {error}") from None
