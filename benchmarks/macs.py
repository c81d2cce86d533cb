"""Multiply-accumulates and parameters of the generators, beside the paper's own figures.

Networks are traced on the ``meta`` device: no memory, no weights, no data.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch

from benchmarks.motion_macs import motion_macs
from data.build import build_encoder, build_geometry
from data.transforms import Box
from models import checkpoint as checkpoints
from models.build import blank_inputs, build_generator
from models.interpolation.choose import resolve_interpolation
from options.cli import PRESETS, parse
from options.config import TrainConfig
from options.network_config import GeneratorConfig
from util.count_macs import MacCount, count_macs, count_parameters
from util.errors import UserError
from util.files import write_json
from util.report.tables import text_table

TEACHER = "vid2vid (original, every frame)"
STUDENT = "student (one frame)"
PART_TIME = "Fast-Vid2Vid (student on key-frames)"
LEAN = "ours, without flow and foreground branch"
LEAN_SHARE = 0.1  # of key-frames; docs/inference.md says why this is fair
PAPER_CLIP = 28  # frames of a clip of the published evaluation


@dataclass(frozen=True)
class Task:
    """A task of the paper: its published setting, and what it states of both generators in 10^9 MACs a frame."""

    height: int
    width: int
    semantic_channels: int
    has_foreground: bool
    published_teacher: float
    published_student: float


TASKS = {
    "face": Task(512, 512, 15, False, 2066.0, 282.0),
    "street": Task(256, 512, 36, True, 1254.0, 132.0),
    "pose": Task(512, 448, 6, False, 1769.0, 191.0),
}


@dataclass(frozen=True)
class Row:
    """One line of the table; multiply-accumulates are in 10^9 per frame of the output video.

    Attributes:
        task: ``face``, ``street`` or ``pose``.
        network: what it is.
        size: height x width of the frames.
        exact_gmacs: every multiply-accumulate that is really done, and no other.
        paper_gmacs: in the paper's convention, see docs/benchmark.md.
        batch_norm_gmacs: 2 per output element of batch norms: within ``paper_gmacs`` for ``composite``
            generators, not within it for students, since that is what reproduces the published figures.
        motion_gmacs: estimated operations of motion compensation, within none of the others; None: no estimate.
        params_m: parameters in 10^6.
        keyframe_share: generated frames per output frame.
        published_gmacs: what the paper states; None where it states nothing.
    """

    task: str
    network: str
    size: str
    exact_gmacs: float
    paper_gmacs: float
    batch_norm_gmacs: float
    motion_gmacs: float | None
    params_m: float
    keyframe_share: float
    published_gmacs: float | None


def run(arguments: argparse.Namespace) -> None:
    """Count, print the table, write the JSON."""
    share, interpolation = arguments.keyframe_share, arguments.interpolation
    if not 0 < share <= 1:
        raise UserError(f"--keyframe_share {share}: expected more than 0, at most 1")
    # mistakes are reported before the large networks are counted
    ours = [*preset_rows(share=share, interpolation=interpolation)]
    ours += [checkpoint_row(path, share=share, interpolation=interpolation) for path in arguments.checkpoint]
    rows = [row for task in TASKS for row in published_rows(task, interpolation=interpolation)] + ours
    print(as_text(rows))
    if arguments.json is not None:
        write_json(arguments.json, [asdict(row) for row in rows])
        print(f"written: {arguments.json}")


def published_rows(task: str, *, interpolation: str) -> list[Row]:
    """The original generator, one frame of the student, and the key-frame share that the published figure implies."""
    setting = TASKS[task]
    original, small, lean = (
        measure(config, semantic_channels=setting.semantic_channels, size=(setting.height, setting.width))
        for config in (
            GeneratorConfig(fg=setting.has_foreground),
            GeneratorConfig(netG="sr_mobile_composite", low_demand=True, fg=setting.has_foreground),
            GeneratorConfig(netG="sr_mobile_composite", low_demand=True, no_flow=True),
        )
    )

    def row(network: str, cost: Cost, *, share: float, published: float | None) -> Row:
        return make_row(task, network, cost, share=share, interpolation=interpolation, published=published)

    implied = setting.published_student * 1e9 / small.paper
    return [
        row(TEACHER, original, share=1.0, published=setting.published_teacher),
        row(STUDENT, small, share=1.0, published=None),
        row(PART_TIME, small, share=implied, published=setting.published_student),
        row(LEAN, lean, share=LEAN_SHARE, published=None),
    ]


def preset_rows(*, share: float, interpolation: str) -> Iterator[Row]:
    """Teacher and student of every preset; presets of the same networks share their rows."""
    same: dict[tuple[object, object], list[str]] = {}
    for path in sorted(PRESETS.glob("*.json")):
        config = parse(TrainConfig, ["--preset", str(path)], description="")
        same.setdefault((config.data, config.generator), []).append(path.stem)
    for names in same.values():
        config = parse(TrainConfig, ["--preset", names[0]], description="")
        student = ["--netG", "sr_mobile_composite", "--low_demand"]
        config_of_student = parse(
            TrainConfig, ["--preset", names[0], "--stage", "skd", "--teacher", "a", *student], description=""
        )
        for role, one, its_share in (("teacher", config, 1.0), ("student", config_of_student, share)):
            yield config_row(one, f"ours: {role} of {', '.join(names)}", share=its_share, interpolation=interpolation)


def config_row(config: TrainConfig, network: str, *, share: float, interpolation: str) -> Row:
    """The generator of a configuration, at the size that it has for frames of the task's published shape."""
    task = config.data.dataset_mode
    shape = TASKS.get(task, TASKS["face"])
    # the published pose frames are the middle half of pictures that are 896 wide
    whole = 2 if task == "pose" and not config.data.no_center_crop else 1
    frame = Box(0, 0, 4 * whole * shape.width, 4 * shape.height)
    size = build_geometry(config.data).place(frame).size
    cost = measure(config.generator, semantic_channels=build_encoder(config.data).num_channels, size=size)
    return make_row(task, network, cost, share=share, interpolation=interpolation, published=None)


def checkpoint_row(path: str, *, share: float, interpolation: str) -> Row:
    """A trained model as its checkpoint describes it; a student is counted at the given key-frame share."""
    saved = checkpoints.load(path, flag="--checkpoint")
    its_share = share if saved.config.generator.low_demand else 1.0
    return config_row(saved.config, f"checkpoint {path}", share=its_share, interpolation=interpolation)


class Cost(NamedTuple):
    """What generating one frame costs; ``paper`` is how the published figures count this kind of generator."""

    size: tuple[int, int]
    macs: MacCount
    paper: int
    parameters: int


def measure(config: GeneratorConfig, *, semantic_channels: int, size: tuple[int, int]) -> Cost:
    """Count one frame of any generator, also of several scales or for single images, without memory.

    Args:
        config: its architecture.
        semantic_channels: channels of one semantic frame.
        size: height and width of the frame.
    """
    with torch.device("meta"):
        generator = build_generator(config, semantic_channels=semantic_channels)
        inputs, keywords = blank_inputs(config, semantic_channels=semantic_channels, size=size)
    count = count_macs(generator, *inputs, **keywords)
    # the published figures count the original's batch norms and leave the student's out
    paper = count.paper - count.batch_norm if config.low_demand else count.paper
    return Cost(size, count, paper, count_parameters(generator))


def make_row(task: str, network: str, cost: Cost, *, share: float, interpolation: str, published: float | None) -> Row:
    """Spread what the key-frames cost over all frames."""
    height, width = cost.size
    interpolation = resolve_interpolation(interpolation, kind=task)
    motion = motion_macs(interpolation, height=height, width=width, keyframe_share=share)
    return Row(
        task=task,
        network=network,
        size=f"{height}x{width}",
        exact_gmacs=round(share * cost.macs.exact / 1e9, 6),
        paper_gmacs=round(share * cost.paper / 1e9, 6),
        batch_norm_gmacs=round(share * cost.macs.batch_norm / 1e9, 6),
        motion_gmacs=None if motion is None else round(motion / 1e9, 6),
        params_m=round(cost.parameters / 1e6, 6),
        keyframe_share=round(share, 6),
        published_gmacs=published,
    )


def as_text(rows: list[Row]) -> str:
    """The rows as a Markdown table, and what its columns mean."""
    header = ["task", "network", "size", "exact", "paper", "published", "motion", "params (M)", "key-frame share"]
    lines = [
        [
            row.task,
            row.network,
            row.size,
            _number(row.exact_gmacs),
            _number(row.paper_gmacs),
            "" if row.published_gmacs is None else f"{row.published_gmacs:g}",
            "?" if row.motion_gmacs is None else _number(row.motion_gmacs),
            f"{row.params_m:.2f}",
            _share(row),
        ]
        for row in rows
    ]
    return text_table(header, lines) + (
        "\n\nexact, paper, published and motion: 10^9 multiply-accumulates per frame of the output video; exact: those "
        "that are done;\npaper: in the paper's convention; motion: an estimate for motion compensation, which no other "
        "column counts (docs/benchmark.md)."
    )


def _number(value: float) -> str:
    return f"{value:.1f}" if value >= 100 else f"{value:.3f}"


def _share(row: Row) -> str:
    if row.network != PART_TIME:
        return f"{row.keyframe_share:.3g}"
    return f"{row.keyframe_share:.3f}, implied ({row.keyframe_share * PAPER_CLIP:.1f} of {PAPER_CLIP})"
