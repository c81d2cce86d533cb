"""Train: clip -> stage -> step -> log -> save. The only training loop; ``--stage`` says what is trained."""

import sys
import time
from collections.abc import Iterator

import numpy as np
from torch import Tensor

from data.clips import Clip, PackedClip
from data.kinds.base import Encoder
from models.losses.table import LossTable
from models.training.assembly import assemble
from models.training.divergence import NonFiniteError
from models.training.memory_plan import print_plan
from models.training.rollout import Rollout
from models.training.run import Training, clip_loader, fix_coarse_scales, next_clip, recalibrate
from models.training.stages.base import Chunk
from models.training.validation import METRIC, Validation
from options.cli import parse
from options.config import TrainConfig
from util.distributed import SINGLE_PROCESS, DistributedContext, joined
from util.errors import run_program
from util.media.pictures import to_uint8
from util.report.training_log import TrainingLog


def set_learning_rate(training: Training) -> float:
    """Every optimizer follows the schedule, and the guard after a collapse; returns the factor."""
    factor = training.schedule.learning_rate_factor(training.step, time_used=training.time_used)
    factor *= training.guard.lr_scale
    for optimizer in training.optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor
    return factor


def learn(training: Training, chunk: Chunk, *, share: float) -> tuple[Rollout, dict[str, Tensor]]:
    """Add a chunk's gradients to those of the generator and of the discriminators; no weight changes.

    Args:
        training: the run.
        chunk: what to draw.
        share: of this chunk in the update.

    Returns:
        What was drawn, and the losses by name.
    """
    stage, distributed_losses = training.stage, training.distributed_losses

    def drawn() -> tuple[LossTable, Rollout]:
        backpropagate = training.schedule.frames_backpropagate_at(training.step)
        rollout = stage.rollout(chunk, backpropagate=backpropagate)
        return stage.generator_losses(chunk, rollout), rollout

    with training.autocast():
        rows, rollout = distributed_losses["generator"].loss(drawn)
    training.scaler.scale(rows.total() * share).backward()
    with training.autocast():
        discriminator_outputs = distributed_losses["discriminators"].loss(
            lambda: stage.discriminator_losses(chunk, rollout)
        )
    # nothing is done with the gradient of the drawn frames that the discriminators looked at
    training.scaler.scale(discriminator_outputs.total() * share).backward(
        inputs=list(stage.discriminators.parameters())
    )
    return rollout, rows.detached() | discriminator_outputs.detached()


def train_on(training: Training, clips: list[Clip], log: TrainingLog) -> tuple[Chunk, Rollout]:
    """One step: clips roll side by side, chunk by chunk; each chunk updates the generator and the discriminators.

    Returns:
        The last chunk and what was drawn, for pictures.

    Raises:
        Collapse: when a loss or a gradient is not finite.
    """
    schedule, step = training.schedule, training.step
    with training.autocast():
        chunked_clips = [training.prepare(clip, batch) for clip, batch in zip(clips, training.batches, strict=True)]
    num_frames, context = schedule.frames_per_step_at(step), training.stage.context
    for chunks in zip(*(one.chunks(num_frames, context=context) for one in chunked_clips), strict=True):
        training.zero_grad()
        rows: dict[str, Tensor] = {}
        for number, (chunked_clip, chunk) in enumerate(zip(chunked_clips, chunks, strict=True)):
            with training.no_sync(number < len(chunked_clips) - 1):
                rollout, losses = learn(training, chunk, share=1 / len(chunked_clips))
            chunked_clip.record(rollout)
            log.count(losses)
            rows |= {f"{name} of batch {number}": value for name, value in losses.items()}
        training.update(rows)
    return chunk, rollout


def draw_picture(chunk: Chunk, rollout: Rollout, *, encoder: Encoder) -> np.ndarray:
    """Semantics, drawn, raw and real frame of the last time of a clip, side by side, uint8 [H, W, 3]."""
    frames: list[Tensor] = [rollout.generated[0, -1], rollout.raw[0, -1], chunk.real[0, -1]]
    return np.concatenate(
        [encoder.picture(chunk.clip.semantic[0, -1]), *(to_uint8(frame.detach()) for frame in frames)], axis=1
    )


def is_due(frequency: int, step: int) -> bool:
    """Whether something that happens every ``frequency`` steps happens now; never for 0."""
    return frequency > 0 and step % frequency == 0


def is_late(training: Training) -> bool:
    """Whether ``--max_minutes`` are over."""
    return training.time_used >= 1


def next_clips(training: Training, loader: Iterator[PackedClip]) -> list[Clip]:
    """The clips of a step, of this process."""
    return [training.ready(next_clip(loader)) for _ in training.batches]


def train(training: Training, log: TrainingLog, validation: Validation) -> None:
    """The loop.

    Raises:
        Collapse: when a loss or a gradient is not finite; the last save is whole.
    """
    run = training.config.run
    steps_per_epoch = training.schedule.steps_per_epoch
    training.stage.generator.train()
    training.stage.discriminators.train()
    loader = iter(clip_loader(training))
    while training.step < training.schedule.num_steps and not is_late(training):
        started = time.monotonic()
        factor = set_learning_rate(training)
        fix_coarse_scales(training)
        clips = next_clips(training, loader)
        training.save_beginning()
        chunk, rollout = train_on(training, clips, log)
        training.step += 1
        training.count_seconds(time.monotonic() - started)
        log.advance()
        is_last = is_late(training) or training.step == training.schedule.num_steps
        saves = is_last or is_due(run.save_latest_freq, training.step)
        keeps = is_due(run.save_epoch_freq * steps_per_epoch, training.step)
        validates = validation.is_possible and (is_last or is_due(run.validation_freq * steps_per_epoch, training.step))
        if is_last or validates:
            recalibrate(training)
        told = {"learning_rate": factor * training.config.schedule.lr}
        if validates:
            told[METRIC] = validation.score(training)
        if saves or keeps or validates or is_due(run.print_freq, training.step):
            log.report(training.step, **told)
        if is_last or is_due(run.display_freq, training.step):
            log.picture(training.step, draw_picture(chunk, rollout, encoder=training.dataset.encoder))
        if validates and training.is_best(METRIC, told[METRIC]):
            training.save("best")
            log.say(f"best so far: {METRIC} {told[METRIC]:.2f} dB on '{run.val_phase}' at step {training.step}")
        if keeps:
            training.save(f"epoch_{training.step // steps_per_epoch}")
        if saves:
            training.save("latest")


def run(config: TrainConfig, *, processes: DistributedContext = SINGLE_PROCESS) -> Training:
    """Do a whole run, or what is left of it.

    Returns:
        The run at its end.
    """
    training, lines = assemble(config, processes=processes)
    validation = Validation(config, processes)
    lines += validation.lines
    title, num_steps = f"{config.run.stage} {config.run.name}", training.schedule.num_steps
    has_ended = False
    while not has_ended:
        with TrainingLog(
            training.folder, first_step=training.step, num_steps=num_steps, title=title, processes=processes
        ) as log:
            for line in lines:
                log.say(line)
            try:
                train(training, log, validation)
                has_ended = True
            except NonFiniteError as collapse:
                lines = [training.roll_back(collapse)]
    why = f", stopped by --max_minutes {config.schedule.max_minutes:g}" if is_late(training) else ""
    log.say(f"checkpoint: {training.folder / 'latest'} (step {training.step} of {num_steps}{why})")
    return training


def main() -> None:
    """Train as the command line says."""
    config = parse(TrainConfig, description=__doc__.splitlines()[0])
    if config.run.plan:
        print_plan(config)
        return
    with joined(config.run.device) as processes:
        run(config, processes=processes)


if __name__ == "__main__":
    run_program(main, debug="--debug" in sys.argv)
