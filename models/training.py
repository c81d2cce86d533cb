"""How is a run put together, fresh or taken up where it was saved? Everything around the loop of ``train.py``."""

import dataclasses
import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from data.build import build_clips
from data.clips import Clip, FaceClips, RequestSampler, collate_clips, use_one_thread
from models.build import build_generator, build_stage, load_generator
from models.generator import CompositeGenerator
from models.schedule import Schedule
from models.stages.base import Stage
from options.config import ScheduleConfig, TrainConfig
from util import checkpoint as checkpoints
from util.device import choose_device
from util.errors import UserError

# what a resumed run may be told anew; everything else must be as it was
MAY_CHANGE = {
    "run": ("resume", "device", "nThreads", "print_freq", "display_freq", "save_latest_freq", "save_epoch_freq",
            "debug", "dataroot", "checkpoints_dir", "teacher", "init"),
    "schedule": ("niter", "niter_decay", "max_minutes"),
}  # fmt: skip


def build_schedule(config: ScheduleConfig, *, num_sequences: int) -> Schedule:
    """The curriculum of a config; an epoch draws every sequence once unless ``--steps_per_epoch`` says otherwise."""
    return Schedule(
        steps_per_epoch=config.steps_per_epoch or max(1, num_sequences // config.batchSize),
        num_constant=config.niter,
        num_decay=config.niter_decay,
        epochs_per_growth=config.niter_step,
        clip_frames=config.n_frames_total,
        max_clip_frames=config.max_clip_frames,
        frames_per_step=config.frames_per_step,
        max_frames_per_step=config.max_frames_per_gpu,
        frames_backpropagate=config.frames_backpropagate,
        max_frames_backpropagate=config.max_frames_backpropagate,
    )


def build_optimizers(config: ScheduleConfig, stage: Stage) -> dict[str, torch.optim.Adam]:
    """Adam for the generator and for the critics (vid2vid's settings; two time scales with ``--TTUR``)."""
    betas = (0.0, 0.9) if config.TTUR else (config.beta1, 0.999)
    rates = (config.lr / 2, config.lr * 2) if config.TTUR else (config.lr, config.lr)
    return {
        # fused: one call for all tensors; in small trainings the plain one spends more on calls than on arithmetic
        "generator": torch.optim.Adam(stage.generator.parameters(), lr=rates[0], betas=betas, fused=True),
        "critics": torch.optim.Adam(stage.critics.parameters(), lr=rates[1], betas=betas, fused=True),
    }


@dataclass
class Training:
    """A run: what is trained, with what, and how far it has come."""

    config: TrainConfig
    device: torch.device
    stage: Stage
    dataset: FaceClips
    schedule: Schedule
    optimizers: dict[str, torch.optim.Adam]
    scaler: torch.amp.GradScaler
    facts: dict[str, Any]
    step: int = 0
    seconds: float = 0.0  # of training, in all processes that worked on the run

    @property
    def folder(self) -> Path:
        """Where the run lives."""
        return Path(self.config.run.checkpoints_dir) / self.config.run.name

    @property
    def num_given(self) -> int:
        """Frames of a clip that are given, not drawn."""
        return 0 if self.config.run.stage == "first_frame" else self.config.generator.n_frames_G - 1

    def clip_frames(self, step: int) -> int:
        """Frames of this step's clips, the given ones included; no more than the longest sequence has."""
        return min(self.schedule.clip_frames_at(step) + self.num_given, self.dataset.max_clip_frames)

    def networks(self) -> dict[str, nn.Module]:
        """What a save keeps, by file name."""
        return {"generator": self.stage.generator} | {
            f"critic_{name}": critic for name, critic in self.stage.critics.items()
        }

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision, where it is asked for."""
        dtype = torch.float16 if self.config.run.amp == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype=dtype, enabled=self.config.run.amp != "off")

    def save(self, label: str) -> None:
        """Write ``checkpoints/<name>/<label>/``."""
        checkpoints.save(
            self.folder / label,
            config=self.config,
            step=self.step,
            networks=self.networks(),
            training_state={
                "optimizers": {name: one.state_dict() for name, one in self.optimizers.items()},
                "scaler": self.scaler.state_dict(),
                "rng": torch.get_rng_state(),
                "seconds": self.seconds,
            },
            facts=self.facts,
        )

    def restore(self, saved: checkpoints.Checkpoint) -> None:
        """Take up the run where ``saved`` left it."""
        for name, network in self.networks().items():
            checkpoints.load_weights(network, saved.weights(name), where=saved.folder)
        state = saved.training_state()
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["rng"])
        self.step, self.facts, self.seconds = saved.step, saved.facts, state["seconds"]


def refuse_changes(now: TrainConfig, saved: TrainConfig, *, where: Path) -> None:
    """A resumed run must be the same run.

    Raises:
        UserError: when a flag that would change the outcome differs from the save's.
    """
    for section in dataclasses.fields(now):
        for one in dataclasses.fields(getattr(now, section.name)):
            before, after = (getattr(getattr(config, section.name), one.name) for config in (saved, now))
            if before != after and one.name not in MAY_CHANGE.get(section.name, ()):
                raise UserError(
                    f"{where}: this run was started with --{one.name} {before}, found {after}; "
                    "give the same flags with --resume, or another --name"
                )


def load_teacher(config: TrainConfig) -> CompositeGenerator | None:
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
    if not isinstance(teacher, CompositeGenerator):
        raise UserError(f"--teacher {config.run.teacher} draws single images; expected a video generator")
    return teacher


def settle_generator(config: TrainConfig) -> TrainConfig:
    """The part-time student *is* the generator of spatial distillation: its architecture comes from ``--init``."""
    if config.run.stage != "tkd" or config.run.init is None:
        return config
    saved = checkpoints.load(config.run.init, flag="--init")
    if not saved.config.generator.low_demand:
        raise UserError(f"--init {config.run.init}: expected the generator of --stage skd, found another one")
    return dataclasses.replace(config, generator=saved.config.generator)


def start_from(training: Training, path: str) -> str:
    """Take over the weights of another run's generator and, where they fit, its critics.

    Returns:
        What was taken over, for the log.
    """
    saved = checkpoints.load(path, flag="--init")
    taken, total = checkpoints.transfer_weights(training.stage.generator, saved.weights("generator"))
    if taken == 0 or (training.config.run.stage == "tkd" and taken < total):
        raise UserError(f"--init {path}: {taken} of {total} tensors fit this generator; expected the same architecture")
    said = [f"generator {taken} of {total} tensors"]
    for name, critic in training.stage.critics.items():
        if (saved.folder / f"critic_{name}.safetensors").is_file():
            taken, total = checkpoints.transfer_weights(critic, saved.weights(f"critic_{name}"))
            said.append(f"critic {name} {taken} of {total}")
    return f"weights from {path}: " + ", ".join(said)


def assemble(config: TrainConfig) -> tuple[Training, list[str]]:
    """Build the run of a config, fresh or taken up from its last save.

    Returns:
        The run, and lines for the log.
    """
    device = choose_device(config.run.device)
    config = settle_generator(config)
    torch.manual_seed(config.run.seed)
    dataset = build_clips(config.data, config.schedule, root=Path(config.run.dataroot), seed=config.run.seed)
    teacher = load_teacher(config)
    stage, described = build_stage(config, semantic_channels=dataset.encoder.num_channels, teacher=teacher)
    for module in (stage.generator, stage.critics, stage.perceptual, teacher):
        if module is not None:
            module.to(device)
            module.to(memory_format=torch.channels_last if config.run.channels_last else torch.contiguous_format)
    training = Training(
        config=config,
        device=device,
        stage=stage,
        dataset=dataset,
        schedule=build_schedule(config.schedule, num_sequences=len(dataset)),
        optimizers=build_optimizers(config.schedule, stage),
        scaler=torch.amp.GradScaler(device.type, enabled=config.run.amp == "fp16"),
        facts={
            "semantic_channels": dataset.encoder.num_channels,
            "made_of": described,
            "command": shlex.join(["python", *sys.argv]),
        },
    )
    refuse_short_clips(training)
    refuse_sizes(training)
    lines = [
        f"device: {device}",
        *described,
        *tell_clip_lengths(training),
    ]
    if config.run.resume and checkpoints.is_save(training.folder / "latest"):
        checkpoints.recover(training.folder / "latest")
        saved = checkpoints.load(training.folder / "latest", flag="--resume")
        refuse_changes(config, saved.config, where=saved.folder)
        if saved.facts["made_of"] != described:
            before, now = (", ".join(facts) for facts in (saved.facts["made_of"], described))
            raise UserError(f"{saved.folder}: this run was started with {before}; found {now}")
        training.restore(saved)
        lines.append(f"resumed from {saved.folder} at step {training.step}")
    elif checkpoints.is_save(training.folder / "latest"):
        raise UserError(f"{training.folder}/latest exists: add --resume to go on, or give another --name")
    elif config.run.init is not None:
        lines.append(start_from(training, config.run.init))
        if config.run.stage == "tkd":
            lines.append(f"generator: built as the one of {config.run.init}; flags of its architecture are not used")
        if config.schedule.begin_as_copy:
            lines.append("--begin_as_copy is not used: the weights come from --init")
    elif config.schedule.begin_as_copy and isinstance(stage.generator, CompositeGenerator):
        stage.generator.begin_as_copy()
    return training, lines


def refuse_short_clips(training: Training) -> None:
    """Fail now, not at the first step, when the sequences are too short for the stage.

    Raises:
        UserError: naming the shortest length that would do.
    """
    needed = training.num_given + 1
    if training.config.run.stage == "tkd":
        needed = training.num_given + 3
    if training.dataset.max_clip_frames < needed:
        raise UserError(
            f"{training.config.run.dataroot}: expected a sequence of at least {needed} frames for "
            f"--stage {training.config.run.stage}, the longest has {training.dataset.max_clip_frames}"
        )


def refuse_sizes(training: Training) -> None:
    """Fail now, not at the first step, when the generator cannot draw frames of the dataset's size.

    Raises:
        UserError: naming the size.
    """
    config, channels = training.config, training.dataset.encoder.num_channels
    height, width = training.dataset.frame_size
    frames = 1 if config.generator.netG == "global" else config.generator.n_frames_G
    with torch.device("meta"):
        generator = build_generator(config.generator, semantic_channels=channels)
        inputs = [torch.empty(1, channels * frames, height, width)]
        if frames > 1:
            inputs.append(torch.empty(1, 3 * (frames - 1), height, width))
    try:
        generator(*inputs)
    except ValueError as error:
        raise UserError(f"--loadSize {config.data.loadSize} gives frames of {height} x {width}: {error}") from None


def tell_clip_lengths(training: Training) -> list[str]:
    """How many sequences are long enough for the first and for the longest clips, in lines for the log."""
    lengths = {training.clip_frames(step) for step in (0, training.schedule.num_steps - 1)}
    total = len(training.dataset)
    return [
        f"clips of {length} frames: {training.dataset.num_fitting(length)} of {total} sequences are long enough"
        for length in sorted(lengths)
    ]


def clip_loader(training: Training) -> DataLoader[Clip]:
    """Clips of the steps that are still to do; what a step sees depends on the seed and the step alone."""
    sampler = RequestSampler(
        first_step=training.step,
        num_steps=training.schedule.num_steps,
        batch_size=training.config.schedule.batchSize,
        clip_frames=training.clip_frames,
    )
    workers = training.config.run.nThreads
    return DataLoader(
        training.dataset,
        batch_sampler=sampler,
        collate_fn=collate_clips,
        num_workers=workers,
        worker_init_fn=use_one_thread,
        persistent_workers=workers > 0,
        pin_memory=training.device.type == "cuda",
    )


def next_clip(clips: Iterator[Clip]) -> Clip:
    """The next clip; a mistake of the user that a loading process met is told in its own words.

    Raises:
        UserError: when a file is broken.
    """
    try:
        return next(clips)
    except UserError as error:
        # torch puts the process and its traceback before the message
        raise UserError(str(error).strip().splitlines()[-1].removeprefix("util.errors.UserError: ")) from None
