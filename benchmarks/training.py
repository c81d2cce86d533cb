"""Time of an optimisation step of each stage, by part, and what sharing work between losses saves.

The plain variant computes everything where the published programs do. The image discriminator looks at the same real
frames beside final and raw images. Every discriminator looks at generated frames once for each side, and gradients of
the generator's terms reach its weights for nothing. Frozen networks look at the same frames once for every term. The
teacher draws with a graph, Adam is torch's default, and every step makes its pictures. Its losses must be equal.
"""

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from benchmarks.command_line import STAGES
from data.clips import Clip
from models.losses.adversarial import DiscriminatorOutput, add_discriminator_terms, add_generator_terms
from models.losses.perceptual import FrameFeatures
from models.losses.table import LossTable
from models.networks.coarse_to_fine import VideoGenerator
from models.training.assembly import assemble, load_teacher
from models.training.chunks import Chunk
from models.training.rollout import Rollout, unroll
from models.training.run import Training, clip_loader
from models.training.stages.base import Stage, StageLosses
from models.training.stages.skd import FrozenTeacher, TeacherRollout
from models.training.stages.vid2vid import Vid2Vid
from models.training.step import chunk_picture, training_step
from options.cli import parse
from options.config import TrainConfig
from util.allocations import AllocationCounter
from util.errors import UserError
from util.files import write_json
from util.report.tables import text_table
from util.report.training_log import TrainingLog

# sums in another order; the published order of computations gives the same numbers otherwise
TOLERANCE = 1e-3
GB = 1e9


class Measured(NamedTuple):
    """One stage, timed.

    Attributes:
        stage: its name.
        seconds: of one step, the median.
        plain_seconds: the same of the plain variant.
        ratio: how many times longer that takes.
        peak_gb: the most memory that tensors take in a step, in 10^9 bytes, weights and optimizers left out on a CPU.
        plain_peak_gb: the same of the plain variant.
        largest_difference: between the two variants' losses, relative.
        shares: of the step, by part; they add up to 1.
    """

    stage: str
    seconds: float
    plain_seconds: float
    ratio: float
    peak_gb: float
    plain_peak_gb: float
    largest_difference: float
    shares: dict[str, float]


class Stopwatches:
    """Seconds by part; a part within a part is not counted twice."""

    def __init__(self, device: torch.device) -> None:
        """Args: where the work is done."""
        self.device = device
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = []

    def now(self) -> float:
        """Seconds, when the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time the block as ``name``, without the parts inside it."""
        started = self.now()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = self.now() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - self._inner.pop()
            if self._inner:
                self._inner[-1] += whole

    def watch(self, owner: object, method: str, name: str) -> None:
        """Time every call of a method as ``name``."""
        original = getattr(owner, method)

        @functools.wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return original(*args, **kwargs)

        setattr(owner, method, timed)


class _Estimator:
    """A flow estimator whose call can be timed."""

    def __init__(self, estimate: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.name = getattr(estimate, "name", "flow")
        self.estimate = estimate

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        return self.estimate(target, source)


def watch(training: Training) -> Stopwatches:
    """Time the parts of a step; what is not named is the backward pass."""
    stage, watches = training.stage, Stopwatches(training.device)
    estimator = _Estimator(stage.estimator)
    stage.estimator = estimator
    watches.watch(estimator, "estimate", "flow")
    watches.watch(stage, "prepare", "preparing, teacher")
    watches.watch(stage, "rollout", "generator")
    watches.watch(stage, "losses", "other losses")
    watches.watch(training, "update", "optimizers")
    for discriminator in stage.discriminators.values():
        watches.watch(discriminator, "forward", "discriminators")
    if stage.perceptual is not None:
        watches.watch(stage.perceptual.backbone, "forward", "perceptual")
    return watches


class _Losses:
    """Takes the place of the log and keeps the losses of every chunk."""

    def __init__(self) -> None:
        self.chunks: list[dict[str, float]] = []

    def count(self, losses: dict[str, Tensor]) -> None:
        """Keep the losses of one chunk."""
        self.chunks.append({name: float(value) for name, value in losses.items()})


class SeparateFeatures(FrameFeatures):
    """Every frame passes through the backbone again for every term."""

    def distance_to_real(self) -> Tensor:
        """Sum over the judged images of their distance to the real ones; a scalar."""
        distances = [self.perceptual(image, self.perceptual.features(self.real)) for image in self.generated]
        return torch.stack(distances).sum()

    def of_final(self) -> list[Tensor]:
        """Features of the final images."""
        return list(self.perceptual.backbone(self.generated[0]))


def judge_separately(stage: Stage, chunk: Chunk, rollout: Rollout) -> StageLosses:
    """Adversarial terms of both sides; every discriminator sees generated images once for each side."""
    generator, discriminator = LossTable(), LossTable()
    for name, fake, real, weight in stage.discriminator_inputs(chunk, rollout):
        judge = stage.discriminators[name]
        of_real, of_copy, of_fake = judge(real), judge(fake.detach()), judge(fake)
        add_generator_terms(
            generator,
            DiscriminatorOutput(name, of_fake, of_real, weight),
            gan_mode=stage.gan_mode,
            feature_weight=stage.weights.features,
        )
        add_discriminator_terms(discriminator, DiscriminatorOutput(name, of_copy, of_real), gan_mode=stage.gan_mode)
    return StageLosses(generator, discriminator)


def draw_with_graph(teacher: FrozenTeacher) -> TeacherRollout:
    """The teacher draws all frames of the clip, also those after the last one that is compared, with a graph."""

    def draw(clip: Clip, given: Tensor, num_needed: int) -> Rollout:
        teacher.generator.requires_grad_(True)
        rollout = unroll(
            teacher.generator,
            clip,
            given,
            num_frames=teacher.num_frames,
            first_is_raw=teacher.draws_first,
            keeps_bottleneck=teacher.keeps_bottleneck,
        )
        teacher.generator.requires_grad_(False)
        return replace(rollout, image=rollout.image.detach())

    return draw


def make_plain(stage: Stage, teacher: VideoGenerator | None) -> None:
    """Make a stage compute everything where the published programs do, with the teacher as it was trained."""
    stage.adversarial, stage.features = judge_separately, SeparateFeatures
    if isinstance(stage, Vid2Vid) and stage.distillation is not None and teacher is not None:
        stage.distillation.teacher.generator = teacher
        stage.distillation.spatial.teacher_frames = draw_with_graph(stage.distillation.teacher)


def trained_teacher(config: TrainConfig, device: torch.device) -> VideoGenerator | None:
    """The frozen teacher as it was trained, not made faster for drawing."""
    teacher = load_teacher(config)
    if teacher is None:
        return None
    layout = torch.channels_last if config.run.channels_last else torch.contiguous_format
    return teacher.requires_grad_(False).eval().to(device).to(memory_format=layout)


class Runner:
    """One variant of a training, step by step."""

    def __init__(self, config: TrainConfig, *, is_plain: bool) -> None:
        """Args: of the training; whether it shares nothing."""
        self.training, _ = assemble(config)
        self.is_plain = is_plain
        if is_plain:
            make_plain(self.training.stage, trained_teacher(config, self.training.device))
        self.training.stage.generator.train()
        self.training.stage.discriminators.train()
        self.watches = watch(self.training)
        self.loader = iter(clip_loader(self.training))

    def take_over(self, other: "Runner") -> None:
        """Begin the next step with the weights and the optimizers of ``other``."""
        for name, network in self.training.networks().items():
            network.load_state_dict(other.training.networks()[name].state_dict())
        for name, optimizer in self.training.optimizers.items():
            optimizer.load_state_dict(other.training.optimizers[name].state_dict())
            for group in optimizer.param_groups:
                group["fused"] = not self.is_plain  # the published programs take torch's default

    def step(self) -> tuple[float, list[dict[str, float]]]:
        """Seconds of one step, and the losses of its chunks."""
        losses, training = _Losses(), self.training
        started = self.watches.now()
        with self.watches.part("data"):
            clips = training.next_clips(self.loader)
        with self.watches.part("backward"):
            generated = training_step(training, clips, cast(TrainingLog, losses))
            if self.is_plain:
                chunk_picture(*generated, encoder=training.dataset.encoder)
        training.step += 1
        return self.watches.now() - started, losses.chunks

    def peak(self) -> float:
        """The most bytes that tensors take in one step."""
        device = self.training.device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.step()
            return float(torch.cuda.max_memory_allocated(device))
        with AllocationCounter() as counter:
            self.step()
        return float(counter.peak)


def largest_difference(first: dict[str, float], second: dict[str, float]) -> float:
    """Between losses of the same names, relative to the larger; tiny ones count as equal.

    Raises:
        RuntimeError: when the names differ, or a loss differs by more than ``TOLERANCE``.
    """
    if first.keys() != second.keys():
        raise RuntimeError(f"expected the same losses, got {sorted(first.keys() ^ second.keys())} in one alone")
    differences = {name: abs(value - second[name]) / max(abs(value), abs(second[name]), 1e-3)
                   for name, value in first.items()}  # fmt: skip
    worst = max(differences, key=lambda name: differences[name])
    if differences[worst] > TOLERANCE:
        raise RuntimeError(f"expected equal losses, got {worst} {first[worst]} and {second[worst]}")
    return differences[worst]


def measure(config: TrainConfig, *, num_steps: int) -> Measured:
    """Time both variants of a stage in turn, each step from the same weights and on the same clip."""
    ours, plain = Runner(config, is_plain=False), Runner(config, is_plain=True)
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    difference = 0.0
    for number in range(num_steps + 1):
        plain.take_over(ours)
        plain_seconds, plain_losses = plain.step()
        own_seconds, losses = ours.step()
        # later chunks of a step begin with weights that rounding has already set apart
        difference = max(difference, largest_difference(losses[0], plain_losses[0]))
        if number == 0:
            ours.watches.seconds.clear()  # the first step warms up
            continue
        seconds["ours"].append(own_seconds)
        seconds["plain"].append(plain_seconds)
    whole = sum(ours.watches.seconds.values())
    shares = {name: round(one / whole, 4) for name, one in ours.watches.seconds.items()}
    own, other = statistics.median(seconds["ours"]), statistics.median(seconds["plain"])
    return Measured(
        stage=config.run.stage,
        seconds=round(own, 4),
        plain_seconds=round(other, 4),
        ratio=round(other / own, 3),
        peak_gb=round(ours.peak() / GB, 4),
        plain_peak_gb=round(plain.peak() / GB, 4),
        largest_difference=difference,
        shares=dict(sorted(shares.items(), key=lambda item: -item[1])),
    )


def stage_flags(stage: str, *, runs: Path) -> list[str]:
    """What a stage needs beside the flags that all share: the checkpoints of those before it."""
    flags = ["--stage", stage, "--checkpoints_dir", str(runs), "--name", stage]
    if stage == "teacher":
        return flags
    flags += ["--netG", "sr_mobile_composite", "--low_demand", "--begin_as_copy", "false"]
    flags += ["--teacher", str(runs / "teacher")]
    return flags if stage == "skd" else [*flags, "--init", str(runs / "skd")]


def run(arguments: argparse.Namespace) -> None:
    """Time the stages and print a table."""
    if arguments.steps < 1:
        raise UserError(f"--steps {arguments.steps}: expected at least 1")
    # enough steps for warming up and for looking at the memory
    length = ["--niter", "1", "--niter_decay", "0", "--steps_per_epoch", str(arguments.steps + 3)]
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES[: 1 + max(STAGES.index(one) for one in arguments.stages)]:
            flags = [*arguments.train_flags, *length, *stage_flags(stage, runs=Path(folder))]
            config = parse(TrainConfig, flags, description="flags of train.py")
            if stage in arguments.stages:
                found.append(measure(config, num_steps=arguments.steps))
            # the next stage starts from this one, untrained: times do not depend on weights
            assemble(config)[0].save("latest")
    print_table(found)
    if arguments.json:
        flags_told = " ".join(arguments.train_flags)
        write_json(Path(arguments.json), {"flags": flags_told, "stages": [one._asdict() for one in found]})


def print_table(found: list[Measured]) -> None:
    """A row a stage, and the shares of its parts."""
    header = ["stage", "s a step", "plain", "ratio", "peak GB", "plain GB", "losses differ by"]
    rows = [
        [
            one.stage,
            f"{one.seconds:.3f}",
            f"{one.plain_seconds:.3f}",
            f"{one.ratio:.2f}",
            f"{one.peak_gb:.3f}",
            f"{one.plain_peak_gb:.3f}",
            f"{one.largest_difference:.1e}",
        ]
        for one in found
    ]
    print(text_table(header, rows))
    for one in found:
        print(f"{one.stage}: " + ", ".join(f"{name} {share:.1%}" for name, share in one.shares.items()))
