"""A run is put together, fresh or taken up where it was saved."""

import dataclasses
import difflib
import shlex
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data.build import build_clips
from models import checkpoint as checkpoints
from models.build import check_size, described_generator, load_generator
from models.inference.runtimes.in_torch import prepare_for_inference
from models.networks.coarse_to_fine import CoarseToFine, VideoGenerator
from models.networks.generator import CompositeGenerator
from models.networks.narrowing import narrow
from models.networks.single_image import GlobalGenerator
from models.training.build_stage import build_stage
from models.training.checks import (
    check_batches,
    check_clip_lengths,
    check_compile,
    check_foreground,
    check_sizes,
    check_unchanged,
    resolve_generator,
    resolve_labels,
)
from models.training.distributed import DistributedLoss, synchronised
from models.training.divergence import Guard
from models.training.ema import GeneratorAverage
from models.training.run import Training
from models.training.schedule import Schedule
from models.training.stages.base import Stage
from options.config import TrainConfig
from options.training_config import ScheduleConfig
from util.device import choose_device
from util.distributed import SINGLE_PROCESS, DistributedContext
from util.errors import UserError
from util.folders import recover
from util.names import natural_key


def clips_per_step(config: ScheduleConfig, processes: DistributedContext) -> int:
    """Clips behind one update of the weights, over all processes."""
    return config.batchSize * config.accumulate * processes.size


def build_schedule(config: ScheduleConfig, *, num_sequences: int, clips_per_step: int) -> Schedule:
    """The curriculum of a config; an epoch takes every sequence once unless ``--steps_per_epoch`` says otherwise."""
    return Schedule(
        steps_per_epoch=config.steps_per_epoch or max(1, num_sequences // clips_per_step),
        num_constant=config.niter,
        num_decay=config.niter_decay,
        epochs_per_growth=config.niter_step,
        clip_frames=config.n_frames_total,
        max_clip_frames=config.max_clip_frames,
        frames_per_step=config.frames_per_step,
        max_frames_per_step=config.max_frames_per_gpu,
        frames_backpropagate=config.frames_backpropagate,
        max_frames_backpropagate=config.max_frames_backpropagate,
        num_fix_coarse=config.niter_fix_global,
    )


def is_motion_head(parameter: str) -> bool:
    """Whether a generator's parameter of that name belongs to a head that predicts flow or blending, at any scale."""
    return "model_final_flow." in parameter or "model_final_w." in parameter


def build_optimizers(config: ScheduleConfig, stage: Stage) -> dict[str, torch.optim.Adam]:
    """Adam for the generator and for the discriminators (vid2vid's settings; two time scales with ``--TTUR``)."""
    betas = (0.0, 0.9) if config.TTUR else (config.beta1, 0.999)
    rates = (config.lr / 2, config.lr * 2) if config.TTUR else (config.lr, config.lr)
    heads = [one for name, one in stage.generator.named_parameters() if is_motion_head(name)]
    others = [one for name, one in stage.generator.named_parameters() if not is_motion_head(name)]
    others += [one for adapter in stage.adapters.values() for one in adapter.parameters()]
    groups: list[dict[str, Any]] = [{"params": others}]
    if heads:
        groups.append({"params": heads, "lr": rates[0] * config.lr_heads})
    return {
        # fused: one call for all tensors; in small trainings the plain one spends more on calls than on arithmetic
        "generator": torch.optim.Adam(groups, lr=rates[0], betas=betas, fused=True),
        "discriminators": torch.optim.Adam(stage.discriminators.parameters(), lr=rates[1], betas=betas, fused=True),
    }


def load_teacher(config: TrainConfig) -> VideoGenerator | None:
    """The frozen teacher, rebuilt from its own checkpoint.

    Raises:
        UserError: when it sees other data than the student does.
    """
    if config.run.teacher is None:
        return None
    saved = checkpoints.load(config.run.teacher, flag="--teacher")
    for one in dataclasses.fields(config.data):
        theirs, ours = getattr(saved.config.data, one.name), getattr(config.data, one.name)
        if theirs != ours:
            raise UserError(f"--teacher {config.run.teacher} was trained with --{one.name} {theirs}, found {ours}")
    if saved.config.generator.n_frames_G != config.generator.n_frames_G:
        raise UserError(f"--teacher {config.run.teacher} needs --n_frames_G {saved.config.generator.n_frames_G}")
    if saved.config.schedule.no_first_img != config.schedule.no_first_img:
        raise UserError(
            f"--teacher {config.run.teacher} was trained with --no_first_img {saved.config.schedule.no_first_img}, "
            f"found {config.schedule.no_first_img}; train both alike"
        )
    teacher = load_generator(saved)
    if isinstance(teacher, GlobalGenerator):
        raise UserError(f"--teacher {config.run.teacher} draws single images; expected a video generator")
    return teacher


def assemble(config: TrainConfig, *, processes: DistributedContext = SINGLE_PROCESS) -> tuple[Training, list[str]]:
    """The run of a config, fresh or taken up from its last save, and lines for the log."""
    device = processes.device(choose_device(config.run.device))
    config = resolve_labels(resolve_generator(config))
    torch.manual_seed(config.run.seed)
    dataset = build_clips(config.data, config.schedule, root=Path(config.run.dataroot), seed=config.run.seed)
    widths = dataset.usual_widths()
    teacher = load_teacher(config)
    stage, components = build_stage(
        config,
        semantic_channels=dataset.encoder.num_channels,
        teacher=None if teacher is None else prepare_for_inference(teacher, device),
        find_face=dataset.encoder.face,
    )
    place(stage, config, device)
    per_step = clips_per_step(config.schedule, processes)
    training = Training(
        config=config,
        device=device,
        stage=stage,
        dataset=dataset,
        schedule=build_schedule(config.schedule, num_sequences=len(dataset), clips_per_step=per_step),
        optimizers=build_optimizers(config.schedule, stage),
        scaler=torch.amp.GradScaler(device.type, enabled=config.run.amp == "fp16"),
        metadata={
            "semantic_channels": dataset.encoder.num_channels,
            "subject_widths": widths,
            "finder": dataset.finder(),
            "components": components,
            "command": shlex.join([*processes.python_command(), *sys.argv]),
            "clips_per_step": per_step,
        },
        distributed_losses={
            "generator": DistributedLoss(nn.ModuleList([stage.generator, *stage.adapters.values()]), processes),
            "discriminators": DistributedLoss(stage.discriminators, processes),
        },
        guard=Guard(max_failures=config.run.guard_max_failures, lr_factor=config.run.guard_lr_factor),
        processes=processes,
        average=GeneratorAverage(stage.generator, decay=config.schedule.ema) if config.schedule.ema > 0 else None,
    )
    check_clip_lengths(training)
    check_foreground(training)
    check_sizes(training)
    lines = [
        f"device: {device}" + (f", {processes.size} processes" if processes.size > 1 else ""),
        *components,
        *tell_clip_lengths(training),
    ]
    lines += begin(training)
    if training.average is not None:
        if training.step == 0:
            training.average.begin(training.stage.generator)
        lines.append(f"moving average of the generator's weights: decay {config.schedule.ema:g}")
    return training, lines


def place(stage: Stage, config: TrainConfig, device: torch.device) -> None:
    """Bring the networks of a stage to the device, in the layout and the form that the config asks for."""
    for module in (stage.generator, *stage.adapters.values(), stage.discriminators, *stage.frozen):
        module.to(device)
        # a network of videos has tensors with a dimension too many for channels_last
        is_flat = all(one.ndim < 5 for one in module.parameters())
        wants_last = config.run.channels_last and is_flat
        module.to(memory_format=torch.channels_last if wants_last else torch.contiguous_format)
    if config.run.sync_bn:
        stage.generator, stage.discriminators = (
            synchronised(stage.generator, device),
            synchronised(stage.discriminators, device),
        )
    if config.run.compile:
        check_compile()
        stage.generator.compile()


def begin(training: Training) -> list[str]:
    """Start from the last save, another run's weights, or nothing; lines for the log say which.

    Raises:
        UserError: when there is a save and it is not asked for, or it is another run's.
    """
    config, latest = training.config, training.folder / "latest"
    if config.run.resume and checkpoints.is_save(latest):
        return [resume(training)]
    if checkpoints.is_save(latest):
        raise UserError(f"{latest} exists: add --resume to go on, or give another --name")
    lines = [no_save_note(training.folder)] if config.run.resume else []
    if config.run.init is None:
        if config.schedule.begin_as_copy and isinstance(training.stage.generator, CompositeGenerator):
            training.stage.generator.begin_as_copy()
        return lines
    lines.append(start_from(training, config.run.init))
    if config.run.stage == "tkd":
        lines.append(f"generator: built as the one of {config.run.init}; flags of its architecture are not used")
    if config.schedule.begin_as_copy:
        lines.append("--begin_as_copy is not used: the weights come from --init")
    return lines


def no_save_note(folder: Path) -> str:
    """What to tell where ``--resume`` finds nothing to go on with: perhaps the name is mistyped."""
    others = [path.name for path in folder.parent.glob("*") if checkpoints.is_save(path / "latest")]
    near = difflib.get_close_matches(folder.name, others, n=3) or sorted(others, key=natural_key)[:3]
    meant = f"; did you mean --name {' or '.join(near)}?" if near else ""
    return f"--resume: no save in {folder}, so this run begins anew{meant}"


def resume(training: Training) -> str:
    """Take up a run where it was saved, unless the save is another run's; what was done, for the log."""
    latest, components = training.folder / "latest", training.metadata["components"]
    if training.processes.is_writer:
        recover(latest)
    training.processes.wait()
    saved = checkpoints.load(latest, flag="--resume")
    check_unchanged(training.config, saved.config, where=saved.folder)
    check_batches(saved, training.metadata["clips_per_step"])
    started_with = saved.metadata.get("components", [])
    if started_with != components:
        before, now = ", ".join(started_with), ", ".join(components)
        raise UserError(f"{saved.folder}: this run was started with {before}; found {now}")
    training.restore(saved)
    return f"resumed from {saved.folder} at step {training.step}"


def start_from(training: Training, path: str) -> str:
    """Take over the weights of another run's generator and, where they fit, of all that is trained; say so for the log.

    A narrower generator keeps the most important channels.
    """
    saved = checkpoints.load(path, flag="--init")
    check_size(saved)
    target, prefix = training.stage.generator, ""
    if isinstance(target, CoarseToFine) and saved.config.generator.n_scales_spatial == 1:
        # trained at a smaller size, it is the coarsest of several scales
        target, prefix = target.G0, "G0."
    chosen = narrow(saved.generator_weights(), source=described_generator(saved), target=target)
    weights = {prefix + name: value for name, value in chosen.weights.items()}
    taken, total = checkpoints.transfer_weights(training.stage.generator, weights)
    if taken == 0 or (training.config.run.stage == "tkd" and taken < total):
        raise UserError(f"--init {path}: {taken} of {total} tensors fit this generator; expected the same architecture")
    said = [f"generator {taken} of {total} tensors"]
    if chosen.num_kept < chosen.num_channels:
        said.append(f"{chosen.num_kept} of {chosen.num_channels} inner channels (the most important)")
    discriminators = training.stage.discriminators.items()
    parts = [(f"discriminator {name}", checkpoints.DISCRIMINATOR_FILES + name, one) for name, one in discriminators]
    for name, file, network in [*parts, *((name, name, one) for name, one in training.stage.adapters.items())]:
        if saved.has(file):
            taken, total = checkpoints.transfer_weights(network, saved.weights(file))
            said.append(f"{name} {taken} of {total}")
    return f"weights from {path}: " + ", ".join(said)


def tell_clip_lengths(training: Training) -> list[str]:
    """How many sequences are long enough for the first and for the longest clips, in lines for the log."""
    lengths = {training.clip_frames(step) for step in (0, training.schedule.num_steps - 1)}
    total = len(training.dataset)
    return [
        f"clips of {length} frames: {training.dataset.num_fitting(length)} of {total} sequences are long enough"
        for length in sorted(lengths)
    ]
