"""How is a run put together, fresh or taken up where it was saved? Everything around the loop of ``train.py``."""

import dataclasses
import math
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from data.build import build_clips
from data.clips import Clip, ClipRequest, RequestSampler, VideoClips, collate_clips, use_one_thread
from data.labels import settled
from models.build import blank_inputs, build_generator, build_stage, load_generator
from models.coarse_to_fine import CoarseToFine, VideoGenerator
from models.first_frame import GlobalGenerator
from models.generator import CompositeGenerator
from models.guard import Collapse, Guard, gradient_norm, refuse_collapse, refuse_hopeless_scale
from models.parallel import Learner, synchronised
from models.schedule import Schedule
from models.stages.base import Episode, Stage
from models.stages.tkd import TemporalDistillation
from models.statistics import measured_anew
from options.config import ScheduleConfig, TrainConfig
from util import checkpoint as checkpoints
from util.device import choose_device
from util.errors import UserError
from util.processes import ALONE, Processes

# draws are counted anew from a multiple of this after a collapse, so that the run goes on with other clips
DRAWS_PER_ROLLBACK = 2**32
FIRST_EXTRA_DRAW = 2**50  # draws that no training reaches: clips for other ends than a step
# what a resumed run may be told anew; everything else must be as it was
MAY_CHANGE = {
    "run": ("resume", "device", "nThreads", "print_freq", "display_freq", "save_latest_freq", "save_epoch_freq",
            "debug", "dataroot", "checkpoints_dir", "teacher", "init", "compile", "guard_lr_factor",
            "guard_max_failures", "validation_freq", "validation_frames", "val_phase"),
    "schedule": ("niter", "niter_decay", "max_minutes", "recalibrate", "batchSize", "accumulate"),
}  # fmt: skip


def clips_per_step(config: ScheduleConfig, processes: Processes) -> int:
    """Clips behind one update of the weights, over all processes."""
    return config.batchSize * config.accumulate * processes.size


def build_schedule(config: ScheduleConfig, *, num_sequences: int, clips_per_step: int) -> Schedule:
    """The curriculum of a config; an epoch draws every sequence once unless ``--steps_per_epoch`` says otherwise."""
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
    """Adam for the generator and for the critics (vid2vid's settings; two time scales with ``--TTUR``)."""
    betas = (0.0, 0.9) if config.TTUR else (config.beta1, 0.999)
    rates = (config.lr / 2, config.lr * 2) if config.TTUR else (config.lr, config.lr)
    heads = [one for name, one in stage.generator.named_parameters() if is_motion_head(name)]
    others = [one for name, one in stage.generator.named_parameters() if not is_motion_head(name)]
    groups: list[dict[str, Any]] = [{"params": others}]
    if heads:
        groups.append({"params": heads, "lr": rates[0] * config.lr_heads})
    return {
        # fused: one call for all tensors; in small trainings the plain one spends more on calls than on arithmetic
        "generator": torch.optim.Adam(groups, lr=rates[0], betas=betas, fused=True),
        "critics": torch.optim.Adam(stage.critics.parameters(), lr=rates[1], betas=betas, fused=True),
    }


@dataclass
class Training:
    """A run: what is trained, with what, and how far it has come."""

    config: TrainConfig
    device: torch.device
    stage: Stage
    dataset: VideoClips
    schedule: Schedule
    optimizers: dict[str, torch.optim.Adam]
    scaler: torch.amp.GradScaler
    facts: dict[str, Any]
    learners: dict[str, Learner]
    guard: Guard
    processes: Processes
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

    def ready(self, clip: Clip) -> Clip:
        """A loader's clip as the stages see it: on the device, its semantic frames finished there."""
        return clip.to(self.device).finished(self.dataset.encoder)

    @property
    def batches(self) -> range:
        """Which batches of a step are this process's own, of ``accumulate`` times the number of processes."""
        count = self.config.schedule.accumulate
        return range(self.processes.rank * count, (self.processes.rank + 1) * count)

    def prepare(self, clip: Clip, batch: int) -> Episode:
        """Set out on a clip of this step; what is random in it follows from the seed, the step and ``batch`` alone."""
        random = torch.Generator().manual_seed(self.config.run.seed * 1_000_003 + self.step)
        return self.stage.prepare(clip, random, first_item=batch * self.config.schedule.batchSize)

    def forget_gradients(self) -> None:
        """Before the lessons of the next update."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    @contextmanager
    def gradients_stay_here(self, wanted: bool) -> Iterator[None]:
        """In the block no gradients are averaged over the processes, if ``wanted``: more are to be added first."""
        with ExitStack() as stack:
            for learner in self.learners.values():
                stack.enter_context(learner.alone(wanted))
            yield

    @property
    def time_used(self) -> float:
        """Share of ``--max_minutes`` that is over; 0 where there is no such limit."""
        limit = self.config.schedule.max_minutes * 60
        return self.seconds / limit if limit else 0.0

    def count_seconds(self, seconds: float) -> None:
        """Add to the time of the training; process 0 keeps it, so that all end at the same step."""
        self.seconds = self.processes.first(self.seconds + seconds)

    def is_best(self, metric: str, value: float) -> bool:
        """Whether ``value`` is higher than that of any save before; if so it is remembered with the saves."""
        best = self.facts.get("best")
        if best is not None and best["value"] >= value:
            return False
        self.facts["best"] = {"metric": metric, "value": value, "step": self.step}
        return True

    def update(self, rows: dict[str, Tensor]) -> None:
        """One step of every optimizer down the gradients that are there, or none at all.

        Args:
            rows: the losses behind the gradients, by name.

        Raises:
            Collapse: when a loss or a gradient is not finite; no weight was touched.
        """
        norms: dict[str, Tensor] = {}
        for name, optimizer in self.optimizers.items():
            self.scaler.unscale_(optimizer)
            parameters = [one for group in optimizer.param_groups for one in group["params"]]
            norms[name] = gradient_norm(parameters, limit=self.config.schedule.clip_grad)
        # half precision overflows now and then: the scaler skips that step and halves its scale
        refuse_collapse(rows, {} if self.scaler.is_enabled() else norms, processes=self.processes)
        for optimizer in self.optimizers.values():
            self.scaler.step(optimizer)
        self.scaler.update()
        refuse_hopeless_scale(self.scaler)

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
        """Write ``checkpoints/<name>/<label>/``; one process writes, the others wait."""
        self.guard.failures = 0  # it counts those without a save between
        self.processes.average_buffers(self.networks().values())
        if self.processes.is_writer:
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
                    "guard": self.guard.state(),
                },
                facts=self.facts,
            )
        self.processes.wait()

    def save_beginning(self) -> None:
        """Save what a run begins with, so that there is always something to go back to."""
        if self.step == 0 and self.processes.first(float(not checkpoints.is_save(self.folder / "latest"))):
            self.save("latest")

    def restore(self, saved: checkpoints.Checkpoint) -> None:
        """Take up the run where ``saved`` left it."""
        for name, network in self.networks().items():
            checkpoints.load_weights(network, saved.weights(name), where=saved.folder)
        state = saved.training_state()
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["rng"])
        self.guard.restore(state.get("guard", {}))
        self.step, self.facts, self.seconds = saved.step, saved.facts, state["seconds"]

    def roll_back(self, collapse: Collapse) -> str:
        """Go back to the last save after a collapse, and on from there with other clips.

        Returns:
            What happened, for the log.

        Raises:
            UserError: when the run collapsed too often.
        """
        collapsed_at, guard = self.step, self.guard
        guard.count(collapse, step=collapsed_at, where=self.folder)
        after, seconds = guard.state(), self.seconds
        self.restore(checkpoints.load(self.folder / "latest", flag="--resume"))
        guard.restore(after)
        self.seconds = seconds
        return (
            f"collapse after step {collapsed_at}, not finite: {collapse}; no weight was touched. Back to the save of "
            f"step {self.step}, on with other clips and {guard.lr_scale:g} of the learning rate "
            f"(failure {guard.failures} of at most {guard.max_failures})"
        )


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


def settle_generator(config: TrainConfig) -> TrainConfig:
    """The part-time student *is* the generator of spatial distillation: its architecture comes from ``--init``."""
    if config.run.stage != "tkd" or config.run.init is None:
        return config
    saved = checkpoints.load(config.run.init, flag="--init")
    if not saved.config.generator.low_demand:
        raise UserError(f"--init {config.run.init}: expected the generator of --stage skd, found another one")
    return dataclasses.replace(config, generator=saved.config.generator)


def settle_labels(config: TrainConfig) -> TrainConfig:
    """Labels of the user's own go into the checkpoint, which must not depend on where their file lies."""
    if config.data.dataset_mode != "street":
        return config
    return dataclasses.replace(config, data=dataclasses.replace(config.data, label_set=settled(config.data.label_set)))


def start_from(training: Training, path: str) -> str:
    """Take over the weights of another run's generator and, where they fit, its critics.

    Returns:
        What was taken over, for the log.
    """
    saved = checkpoints.load(path, flag="--init")
    weights = saved.weights("generator")
    if isinstance(training.stage.generator, CoarseToFine) and saved.config.generator.n_scales_spatial == 1:
        # trained at a smaller size, it is the coarsest of several scales
        weights = {f"G0.{name}": value for name, value in weights.items()}
    taken, total = checkpoints.transfer_weights(training.stage.generator, weights)
    if taken == 0 or (training.config.run.stage == "tkd" and taken < total):
        raise UserError(f"--init {path}: {taken} of {total} tensors fit this generator; expected the same architecture")
    said = [f"generator {taken} of {total} tensors"]
    for name, critic in training.stage.critics.items():
        if (saved.folder / f"critic_{name}.safetensors").is_file():
            taken, total = checkpoints.transfer_weights(critic, saved.weights(f"critic_{name}"))
            said.append(f"critic {name} {taken} of {total}")
    return f"weights from {path}: " + ", ".join(said)


def refuse_other_batches(saved: checkpoints.Checkpoint, now: int) -> None:
    """A resumed run takes as many clips a step as it did, however many processes share them.

    Raises:
        UserError: when it would not.
    """
    before = saved.facts.get("clips_per_step", saved.config.schedule.batchSize)
    if before != now:
        raise UserError(
            f"{saved.folder}: this run was started with {before} clips a step, found {now}: --batchSize x --accumulate "
            "x processes must stay; change them together"
        )


def refuse_compile() -> None:
    """Fail now, not at the first step, when there is nothing to compile with.

    Raises:
        UserError: saying what is missing.
    """
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")):
        raise UserError("--compile: torch.compile needs a C++ compiler and found none; install g++ or leave it out")


def python_command(processes: Processes) -> list[str]:
    """What starts a run of so many processes on one machine, without the program."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes.size)]
    return ["python", *(torchrun if processes.size > 1 else [])]


def assemble(config: TrainConfig, *, processes: Processes = ALONE) -> tuple[Training, list[str]]:
    """Build the run of a config, fresh or taken up from its last save.

    Returns:
        The run, and lines for the log.
    """
    device = processes.device(choose_device(config.run.device))
    config = settle_labels(settle_generator(config))
    torch.manual_seed(config.run.seed)
    dataset = build_clips(config.data, config.schedule, root=Path(config.run.dataroot), seed=config.run.seed)
    teacher = load_teacher(config)
    stage, described = build_stage(
        config,
        semantic_channels=dataset.encoder.num_channels,
        teacher=teacher,
        find_face=dataset.encoder.face,
    )
    for module in (stage.generator, stage.critics, stage.perceptual, stage.estimator, teacher):
        if isinstance(module, nn.Module):
            module.to(device)
            module.to(memory_format=torch.channels_last if config.run.channels_last else torch.contiguous_format)
    if isinstance(stage, TemporalDistillation) and stage.global_loss is not None:
        stage.global_loss.to(device)  # its tensors have a dimension too many for channels_last
    if config.run.sync_bn:
        stage.generator, stage.critics = synchronised(stage.generator, device), synchronised(stage.critics, device)
    if config.run.compile:
        refuse_compile()
        stage.generator.compile()
    per_step = clips_per_step(config.schedule, processes)
    training = Training(
        config=config,
        device=device,
        stage=stage,
        dataset=dataset,
        schedule=build_schedule(config.schedule, num_sequences=len(dataset), clips_per_step=per_step),
        optimizers=build_optimizers(config.schedule, stage),
        scaler=torch.amp.GradScaler(device.type, enabled=config.run.amp == "fp16"),
        facts={
            "semantic_channels": dataset.encoder.num_channels,
            "made_of": described,
            "command": shlex.join([*python_command(processes), *sys.argv]),
            "clips_per_step": per_step,
        },
        learners={"generator": Learner(stage.generator, processes), "critics": Learner(stage.critics, processes)},
        guard=Guard(max_failures=config.run.guard_max_failures, lr_factor=config.run.guard_lr_factor),
        processes=processes,
    )
    refuse_short_clips(training)
    refuse_no_foreground(training)
    refuse_sizes(training)
    lines = [
        f"device: {device}" + (f", {processes.size} processes" if processes.size > 1 else ""),
        *described,
        *tell_clip_lengths(training),
    ]
    if config.run.resume and checkpoints.is_save(training.folder / "latest"):
        if processes.is_writer:
            checkpoints.recover(training.folder / "latest")
        processes.wait()
        saved = checkpoints.load(training.folder / "latest", flag="--resume")
        refuse_changes(config, saved.config, where=saved.folder)
        refuse_other_batches(saved, per_step)
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


def refuse_no_foreground(training: Training) -> None:
    """Fail now, not at the first step, when ``--fg`` has nothing to draw.

    Raises:
        UserError: saying how to name the foreground.
    """
    config, encoder = training.config, training.dataset.encoder
    if config.generator.fg and encoder.foreground(torch.zeros(encoder.num_channels, 1, 1)) is None:
        raise UserError(
            f"--fg: expected a label 'car' in --label_set {config.data.label_set[:60]}, found none; name the "
            "foreground with --fg_labels ID,ID"
        )


def refuse_sizes(training: Training) -> None:
    """Fail now, not at the first step, when the generator cannot draw frames of the dataset's size.

    Raises:
        UserError: naming the size.
    """
    config, channels = training.config, training.dataset.encoder.num_channels
    height, width = training.dataset.frame_size
    with torch.device("meta"):
        generator = build_generator(config.generator, semantic_channels=channels)
        inputs, named = blank_inputs(config.generator, semantic_channels=channels, size=(height, width))
    try:
        generator(*inputs, **named)
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


def fix_coarse_scales(training: Training) -> None:
    """In the first ``--niter_fix_global`` epochs the finest of several spatial scales is trained alone."""
    if isinstance(training.stage.generator, CoarseToFine):
        training.stage.generator.fix_coarse(training.schedule.is_coarse_fixed_at(training.step))


def recalibrate(training: Training) -> None:
    """Measure the generator's running statistics anew on ``--recalibrate`` training clips, as it draws at inference.

    Several processes share the clips; each does as many, so that the number is rounded up.
    """
    count, stage, step = training.config.schedule.recalibrate, training.stage, training.step
    if count == 0:
        return
    rank, size = training.processes.rank, training.processes.size
    random = torch.Generator().manual_seed(training.config.run.seed)
    numbers = range(rank, math.ceil(count / size) * size, size)
    num_frames = training.clip_frames(max(0, step - 1))
    requests = [ClipRequest(FIRST_EXTRA_DRAW + number, num_frames) for number in numbers]
    with torch.no_grad(), measured_anew(stage.generator):
        for request in requests:
            with training.autocast():
                episode = stage.prepare(training.ready(training.dataset[request]), random)
                episode.fed = episode.drawn  # noise against drift is for training alone
                for lesson in episode.lessons(training.schedule.frames_per_step_at(step), context=stage.context):
                    episode.record(stage.rollout(lesson))
    training.processes.average_buffers([stage.generator])


def clip_loader(training: Training) -> DataLoader[Clip]:
    """Clips of the steps that are still to do; what a step sees depends on the seed and the step alone."""
    sampler = RequestSampler(
        first_step=training.step,
        num_steps=training.schedule.num_steps,
        batch_size=training.config.schedule.batchSize,
        clip_frames=training.clip_frames,
        batches=training.batches,
        num_batches=training.config.schedule.accumulate * training.processes.size,
        first_draw=training.guard.rollbacks * DRAWS_PER_ROLLBACK,
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
