"""A run of training: what it trains, how far it has come, how it is saved, and what its loop asks of it."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from data.clips import Clip, ClipRequest, PackedClip, RequestSampler, VideoClips, collate_clips, use_one_thread
from models import checkpoint as checkpoints
from models.networks.batch_norm import recompute_batch_norm
from models.networks.coarse_to_fine import CoarseToFine
from models.training.chunks import ChunkedClip
from models.training.distributed import DistributedLoss
from models.training.divergence import Guard, NonFiniteError, check_finite, check_scale, gradient_norm
from models.training.ema import GeneratorAverage
from models.training.run_page import write_run_page
from models.training.saved_state import check_state, saved_optimizer
from models.training.schedule import Schedule
from models.training.stages.base import Stage
from options.config import TrainConfig
from util.distributed import DistributedContext
from util.errors import UserError

# clips are numbered from a multiple of this after a failure, so that the run goes on with other clips
DRAWS_PER_ROLLBACK = 2**32
AVERAGE_CLIPS = 8  # clips that the running statistics of the moving average are measured on without --recalibrate
FIRST_EXTRA_DRAW = 2**50  # numbers of clips that no training reaches, for other ends than a step


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
    metadata: dict[str, Any]
    distributed_losses: dict[str, DistributedLoss]
    guard: Guard
    processes: DistributedContext
    average: GeneratorAverage | None = None
    step: int = 0
    seconds: float = 0.0  # of training, in all processes that worked on the run

    @property
    def folder(self) -> Path:
        """Where the run lives."""
        return Path(self.config.run.checkpoints_dir) / self.config.run.name

    @property
    def num_given(self) -> int:
        """Frames of a clip that are given, not generated."""
        return 0 if self.config.run.stage == "first_frame" else self.config.generator.n_frames_G - 1

    def clip_frames(self, step: int) -> int:
        """Frames of this step's clips, the given ones included; no more than the longest sequence has."""
        return min(self.schedule.clip_frames_at(step) + self.num_given, self.dataset.max_clip_frames)

    def ready(self, clip: PackedClip) -> Clip:
        """A loader's clip as the stages see it: on the device, its semantic frames finished there."""
        return clip.to(self.device).finished(self.dataset.encoder)

    @property
    def batches(self) -> range:
        """Which batches of a step are this process's own, of ``accumulate`` times the number of processes."""
        count = self.config.schedule.accumulate
        return range(self.processes.rank * count, (self.processes.rank + 1) * count)

    def next_clips(self, loader: Iterator[PackedClip]) -> list[Clip]:
        """The clips of a step, of this process."""
        return [self.ready(next_clip(loader)) for _ in self.batches]

    def prepare(self, clip: Clip, batch: int) -> ChunkedClip:
        """Prepare a clip of this step; what is random in it follows from the seed, the step and ``batch`` alone."""
        random = torch.Generator().manual_seed(self.config.run.seed * 1_000_003 + self.step)
        return self.stage.prepare(clip, random, first_item=batch * self.config.schedule.batchSize)

    def zero_grad(self) -> None:
        """Before the chunks of the next update."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    @contextmanager
    def no_sync(self, wanted: bool) -> Iterator[None]:
        """In the block no gradients are averaged over the processes, if ``wanted``: more are to be added first."""
        with ExitStack() as stack:
            for one in self.distributed_losses.values():
                stack.enter_context(one.no_sync(wanted))
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
        best = self.metadata.get("best")
        if best is not None and best["value"] >= value:
            return False
        self.metadata["best"] = {"metric": metric, "value": value, "step": self.step}
        return True

    def update(self, losses: dict[str, Tensor]) -> None:
        """One step of every optimizer down the gradients that are there, or none at all.

        Args:
            losses: the losses behind the gradients, by name.

        Raises:
            NonFiniteError: when a loss or a gradient is not finite; no weight was touched.
        """
        norms: dict[str, Tensor] = {}
        for name, optimizer in self.optimizers.items():
            self.scaler.unscale_(optimizer)
            parameters = [one for group in optimizer.param_groups for one in group["params"]]
            norms[name] = gradient_norm(parameters, limit=self.config.schedule.clip_grad)
        # half precision overflows now and then: the scaler skips that step and halves its scale
        check_finite(losses, {} if self.scaler.is_enabled() else norms, processes=self.processes)
        for optimizer in self.optimizers.values():
            self.scaler.step(optimizer)
        self.scaler.update()
        check_scale(self.scaler)
        if self.average is not None:
            self.average.update(self.stage.generator)

    def networks(self) -> dict[str, nn.Module]:
        """What a save keeps, by file name."""
        average = {} if self.average is None else {checkpoints.GENERATOR_AVERAGE: self.average.network}
        return {checkpoints.GENERATOR: self.stage.generator, **average, **self.stage.adapters} | {
            f"{checkpoints.DISCRIMINATOR_FILES}{name}": discriminator
            for name, discriminator in self.stage.discriminators.items()
        }

    @property
    def best_generator(self) -> nn.Module:
        """What frames are generated with outside of training: the moving average, if there is one."""
        return self.stage.generator if self.average is None else self.average.network

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision, where it is asked for."""
        dtype = torch.float16 if self.config.run.amp == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype=dtype, enabled=self.config.run.amp != "off")

    def save(self, label: str) -> None:
        """Write ``checkpoints/<name>/<label>/`` and the run's page; one process writes, the others wait."""
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
                    "average_updates": 0 if self.average is None else self.average.num_updates,
                    "guard": self.guard.state(),
                },
                metadata=self.metadata,
            )
            write_run_page(
                self.folder,
                config=self.config,
                metadata=self.metadata,
                step=self.step,
                num_steps=self.schedule.num_steps,
                seconds=self.seconds,
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
        check_state(state, self.optimizers, where=saved.folder / checkpoints.STATE_FILE)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(saved_optimizer(state, name))
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["rng"])
        self.guard.restore(state.get("guard", {}))
        if self.average is not None:
            self.average.num_updates = state["average_updates"]
        # what an older save does not know yet, this run does
        self.step, self.metadata, self.seconds = saved.step, self.metadata | saved.metadata, state["seconds"]

    def roll_back(self, error: NonFiniteError) -> str:
        """Go back to the last save after a failure, and on with other clips; what happened, for the log."""
        failed_at, guard = self.step, self.guard
        guard.count(error, step=failed_at, where=self.folder)
        after, seconds = guard.state(), self.seconds
        self.restore(checkpoints.load(self.folder / "latest", flag="--resume"))
        guard.restore(after)
        self.seconds = seconds
        return (
            f"collapse after step {failed_at}, not finite: {error}; no weight was touched. Back to the save of "
            f"step {self.step}, on with other clips and {guard.lr_scale:g} of the learning rate "
            f"(failure {guard.failures} of at most {guard.max_failures})"
        )


def fix_coarse_scales(training: Training) -> None:
    """In the first ``--niter_fix_global`` epochs the finest of several spatial scales is trained alone."""
    if isinstance(training.stage.generator, CoarseToFine):
        training.stage.generator.fix_coarse(training.schedule.is_coarse_fixed_at(training.step))


def recalibrate(training: Training) -> None:
    """Measure running statistics anew on ``--recalibrate`` training clips, generated as at inference.

    The moving average of the weights always has its own measured: those of the trained weights do not fit it.
    """
    count = training.config.schedule.recalibrate
    if count > 0:
        measure_statistics(training, training.stage.generator, num_clips=count)
    if training.average is not None:
        measure_statistics(training, training.average.network, num_clips=count or AVERAGE_CLIPS)


def measure_statistics(training: Training, generator: nn.Module, *, num_clips: int) -> None:
    """Measure the running statistics of ``generator`` on the first of the clips that no step sees.

    Several processes share the clips; each does as many, so that the number is rounded up.
    """
    stage, step = training.stage, training.step
    rank, size = training.processes.rank, training.processes.size
    random = torch.Generator().manual_seed(training.config.run.seed)
    numbers = range(rank, math.ceil(num_clips / size) * size, size)
    num_frames = training.clip_frames(max(0, step - 1))
    trained, stage.generator = stage.generator, generator
    try:
        with torch.no_grad(), recompute_batch_norm(generator):
            for number in numbers:
                request = ClipRequest(FIRST_EXTRA_DRAW + number, num_frames)
                with training.autocast():
                    # noise against drift is for training alone
                    clip = stage.prepare(training.ready(training.dataset[request]), random).without_noise()
                    for chunk in clip.chunks(training.schedule.frames_per_step_at(step), context=stage.context):
                        clip.record(stage.rollout(chunk).generated)
    finally:
        stage.generator = trained
    training.processes.average_buffers([generator])


def clip_loader(training: Training) -> DataLoader[PackedClip]:
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


def next_clip(clips: Iterator[PackedClip]) -> PackedClip:
    """The next clip; an error of the user that a loading process met comes without its traceback."""
    try:
        return next(clips)
    except UserError as error:
        # torch puts the process and its traceback before the message
        raise UserError(str(error).strip().splitlines()[-1].removeprefix("util.errors.UserError: ")) from None
