"""The training loop: clips -> step -> log -> save."""

import time
from contextlib import ExitStack
from pathlib import Path

from models.checkpoint import run_lock
from models.training.assembly import assemble
from models.training.divergence import NonFiniteError
from models.training.run import Training, clip_loader, fix_coarse_scales, recalibrate
from models.training.step import chunk_picture, training_step
from models.training.validation import METRIC, Validation
from options.config import TrainConfig
from util.distributed import SINGLE_PROCESS, DistributedContext
from util.report.training_log import TrainingLog
from util.stopping import EndRequest, deferred_end


def set_learning_rate(training: Training) -> float:
    """Set every optimizer's rate by the schedule, and by the guard after a failure; returns the factor."""
    factor = training.schedule.learning_rate_factor(training.step, time_used=training.time_used)
    factor *= training.guard.lr_scale
    for optimizer in training.optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor
    return factor


def is_due(frequency: int, step: int) -> bool:
    """Whether something that happens every ``frequency`` steps happens now; never for 0."""
    return frequency > 0 and step % frequency == 0


def is_late(training: Training) -> bool:
    """Whether ``--max_minutes`` are over."""
    return training.time_used >= 1


def train(training: Training, log: TrainingLog, validation: Validation, end: EndRequest) -> bool:
    """The loop; when an ``end`` is asked for, the update is finished and saved.

    Returns:
        Whether it ended for that reason.

    Raises:
        NonFiniteError: when a loss or a gradient is not finite; the last save is whole.
    """
    run = training.config.run
    steps_per_epoch = training.schedule.steps_per_epoch
    training.stage.generator.train()
    training.stage.discriminators.train()
    loader = iter(clip_loader(training))
    is_ended = False
    while training.step < training.schedule.num_steps and not is_late(training) and not is_ended:
        started = time.monotonic()
        factor = set_learning_rate(training)
        fix_coarse_scales(training)
        clips = training.next_clips(loader)
        training.save_beginning()
        chunk, rollout = training_step(training, clips, log)
        training.step += 1
        training.count_seconds(time.monotonic() - started)
        log.advance()
        is_last = is_late(training) or training.step == training.schedule.num_steps
        # where several processes train, a signal may reach one alone, or each at another step
        is_ended = not training.processes.all(end.signal is None)
        saves = is_last or is_ended or is_due(run.save_latest_freq, training.step)
        keeps = is_due(run.save_epoch_freq * steps_per_epoch, training.step)
        validates = validation.is_possible and (is_last or is_due(run.validation_freq * steps_per_epoch, training.step))
        if is_last or validates or (keeps and training.average is not None):
            recalibrate(training)
        scalars = {"learning_rate": factor * training.config.schedule.lr}
        if validates:
            scalars[METRIC] = validation.score(training)
        if saves or keeps or validates or is_due(run.print_freq, training.step):
            log.report(training.step, **scalars)
        if is_last or is_due(run.display_freq, training.step):
            log.picture(training.step, chunk_picture(chunk, rollout, encoder=training.dataset.encoder))
        if validates and training.is_best(METRIC, scalars[METRIC]):
            training.save("best")
            log.say(f"best so far: {METRIC} {scalars[METRIC]:.2f} dB on '{run.val_phase}' at step {training.step}")
        if keeps:
            training.save(f"epoch_{training.step // steps_per_epoch}")
        if saves:
            training.save("latest")
    return is_ended


def run(config: TrainConfig, *, processes: DistributedContext = SINGLE_PROCESS) -> Training:
    """Train a run to its end, from its start or from its last save.

    Returns:
        The run at its end.
    """
    with ExitStack() as held:
        if processes.is_writer:
            held.enter_context(run_lock(Path(config.run.checkpoints_dir) / config.run.name))
        return _run(config, processes)


def _run(config: TrainConfig, processes: DistributedContext) -> Training:
    training, lines = assemble(config, processes=processes)
    validation = Validation(config, processes)
    lines += validation.lines
    title, num_steps = f"{config.run.stage} {config.run.name}", training.schedule.num_steps
    has_ended = False
    with deferred_end() as end:
        while not has_ended:
            with TrainingLog(
                training.folder, first_step=training.step, num_steps=num_steps, title=title, processes=processes
            ) as log:
                for line in lines:
                    log.say(line)
                try:
                    is_asked = train(training, log, validation, end)
                    has_ended = True
                except NonFiniteError as error:
                    lines = [training.roll_back(error)]
        if is_asked:
            log.say(f"stopped by a signal, saved: {training.folder / 'latest'} (step {training.step} of {num_steps}); "
                    "go on with --resume")  # fmt: skip
            end.end()
    why = f", stopped by --max_minutes {config.schedule.max_minutes:g}" if is_late(training) else ""
    log.say(f"checkpoint: {training.folder / 'latest'} (step {training.step} of {num_steps}{why})")
    return training
