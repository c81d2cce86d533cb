"""Train: clip -> stage -> step -> log -> save. The only training loop; ``--stage`` says what is trained."""

import sys
import time

import numpy as np
import torch
from torch import Tensor

from data.clips import Clip
from models.losses import LossTable
from models.rollout import Rollout
from models.stages.base import Lesson
from models.training import Training, assemble, clip_loader, next_clip
from options.cli import parse
from options.config import TrainConfig
from util.errors import UserError, run_program
from util.logging import TrainingLog
from util.pictures import semantic_to_rgb, to_uint8


def update(training: Training, which: str, table: LossTable) -> None:
    """One step of one optimizer down the gradient of a loss table."""
    optimizer = training.optimizers[which]
    optimizer.zero_grad(set_to_none=True)
    training.scaler.scale(table.total()).backward()
    training.scaler.step(optimizer)


def set_learning_rate(training: Training) -> float:
    """Every optimizer follows the schedule; returns the factor."""
    factor = training.schedule.learning_rate_factor(training.step)
    for optimizer in training.optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor
    return factor


def train_on(training: Training, clip: Clip, log: TrainingLog) -> tuple[Lesson, Rollout]:
    """One step: a clip rolls, lesson by lesson; each lesson updates the generator, then the critics.

    Returns:
        The last lesson and what was drawn, for pictures.
    """
    stage, schedule, step = training.stage, training.schedule, training.step
    random = torch.Generator().manual_seed(training.config.run.seed * 1_000_003 + step)
    with training.autocast():
        episode = stage.prepare(clip, random)
    for lesson in episode.lessons(schedule.frames_per_step_at(step), context=stage.context):
        with training.autocast():
            rollout = stage.rollout(lesson, backpropagate=schedule.frames_backpropagate_at(step))
            rows = stage.generator_losses(lesson, rollout)
        update(training, "generator", rows)
        with training.autocast():
            verdicts = stage.critic_losses(lesson, rollout)
        update(training, "critics", verdicts)
        training.scaler.update()
        episode.record(rollout)
        log.count(rows.detached() | verdicts.detached())
    return lesson, rollout


def draw_picture(lesson: Lesson, rollout: Rollout) -> np.ndarray:
    """Semantics, drawn, raw and real frame of the last time of a clip, side by side, uint8 [H, W, 3]."""
    frames: list[Tensor] = [rollout.generated[0, -1], rollout.raw[0, -1], lesson.real[0, -1]]
    return np.concatenate(
        [semantic_to_rgb(lesson.clip.semantic[0, -1]), *(to_uint8(frame.detach()) for frame in frames)], axis=1
    )


def is_due(frequency: int, step: int) -> bool:
    """Whether something that happens every ``frequency`` steps happens now; never for 0."""
    return frequency > 0 and step % frequency == 0


def refuse_collapse(training: Training, means: dict[str, float]) -> None:
    """Stop before a broken network is saved.

    Raises:
        UserError: when a loss is not a number.
    """
    broken = [name for name, value in means.items() if not np.isfinite(value)]
    if broken:
        raise UserError(
            f"{training.folder}: {', '.join(broken)} not finite by step {training.step}; the last save is whole: "
            "resume from it with a lower --lr, or without --amp fp16"
        )


def is_late(training: Training) -> bool:
    """Whether ``--max_minutes`` are over."""
    return 0 < training.config.schedule.max_minutes * 60 <= training.seconds


def train(training: Training, log: TrainingLog) -> None:
    """The loop."""
    run = training.config.run
    steps_per_epoch = training.schedule.steps_per_epoch
    training.stage.generator.train()
    training.stage.critics.train()
    clips = iter(clip_loader(training))
    while training.step < training.schedule.num_steps and not is_late(training):
        started = time.monotonic()
        factor = set_learning_rate(training)
        lesson, rollout = train_on(training, next_clip(clips).to(training.device), log)
        training.step += 1
        training.seconds += time.monotonic() - started
        log.advance()
        is_last = is_late(training) or training.step == training.schedule.num_steps
        saves = is_last or is_due(run.save_latest_freq, training.step)
        keeps = is_due(run.save_epoch_freq * steps_per_epoch, training.step)
        if saves or keeps or is_due(run.print_freq, training.step):
            refuse_collapse(training, log.report(training.step, learning_rate=factor * training.config.schedule.lr))
        if is_last or is_due(run.display_freq, training.step):
            log.picture(training.step, draw_picture(lesson, rollout))
        if keeps:
            training.save(f"epoch_{training.step // steps_per_epoch}")
        if saves:
            training.save("latest")


def run(config: TrainConfig) -> Training:
    """Do a whole run, or what is left of it.

    Returns:
        The run at its end.
    """
    training, lines = assemble(config)
    title, num_steps = f"{config.run.stage} {config.run.name}", training.schedule.num_steps
    with TrainingLog(training.folder, first_step=training.step, num_steps=num_steps, title=title) as log:
        for line in lines:
            log.say(line)
        train(training, log)
        why = f", stopped by --max_minutes {config.schedule.max_minutes:g}" if is_late(training) else ""
        log.say(f"checkpoint: {training.folder / 'latest'} (step {training.step} of {num_steps}{why})")
    return training


def main() -> None:
    """Train as the command line says."""
    run(parse(TrainConfig, description=__doc__.splitlines()[0]))


if __name__ == "__main__":
    run_program(main, debug="--debug" in sys.argv)
