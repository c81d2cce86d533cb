"""Cost against width: of students at a paper setting, or the width at which a plain generator costs as much as one.

The second is the simplest compression to compare with.
"""

import argparse
import gc
import statistics
import sys
from bisect import bisect_left
from dataclasses import asdict, dataclass, replace

import torch

from benchmarks.macs import config_row, make_row, measure
from benchmarks.speed import time_methods
from benchmarks.speed_methods import SETTINGS, Setting, TimedMethod, fast_runtime, make_method, network, within_scene
from models import checkpoint as checkpoints
from options.config import TrainConfig
from util.errors import UserError
from util.files import write_json
from util.report.tables import text_table

CPU = torch.device("cpu")
RUNTIME = "folded"
EVERY_FRAME = 2  # frames of a clip that is drawn frame by frame


def run(arguments: argparse.Namespace) -> None:
    """A table of widths, or with --checkpoint and --target the one that is asked for."""
    share = arguments.keyframe_share
    if not 0 < share <= 1:
        raise UserError(f"--keyframe_share {share}: expected more than 0, at most 1")
    if (arguments.checkpoint is None) != (arguments.target is None):
        raise UserError("--checkpoint and --target go together: give both, or none for a table of widths")
    if arguments.checkpoint is not None:
        print_equal_width(arguments)
        return
    if arguments.rounds < 0 or min(arguments.widths) < 1:
        raise UserError(f"--rounds {arguments.rounds} --widths {arguments.widths}: expected at least 0, and at least 1")
    setting = SETTINGS[arguments.setting](is_quick=arguments.quick)
    setting = setting.with_student(no_flow=arguments.no_flow, no_fg=arguments.no_fg)
    rows = [student_row(replace(setting, ngf=ngf), share=share, rounds=arguments.rounds) for ngf in arguments.widths]
    print(as_text(rows, setting, share=share))
    if arguments.json is not None:
        write_json(arguments.json, {"setting": setting.name, "size": setting.size, "keyframe_share": share,
                                    "rounds": arguments.rounds, "threads": torch.get_num_threads(),
                                    "rows": [asdict(row) for row in rows]})  # fmt: skip
        print(f"written: {arguments.json}")


@dataclass(frozen=True)
class WidthRow:
    """What a student of one width costs; multiply-accumulates are in 10^9 a frame of the output video.

    Attributes:
        ngf: its width.
        params_m: parameters in 10^6.
        student_gmacs: exact ones, drawing every frame.
        pipeline_gmacs: exact ones of the network, drawing key-frames alone.
        motion_gmacs: estimate of what motion compensation adds to the pipeline.
        student_ms, pipeline_ms: of network and motion compensation, a frame; None: not timed.
    """

    ngf: int
    params_m: float
    student_gmacs: float
    pipeline_gmacs: float
    motion_gmacs: float | None
    student_ms: float | None
    pipeline_ms: float | None


def student_row(setting: Setting, *, share: float, rounds: int) -> WidthRow:
    """Count, and time unless ``rounds`` is 0, the low-demand student of the setting's width, with random weights."""
    config, channels = setting.config(is_student=True), setting.semantic(0).shape[0]
    cost = measure(config, semantic_channels=channels, size=setting.size)
    every, part_time = (
        make_row(setting.kind, "student", cost, share=one, interpolation="dis", published=None) for one in (1.0, share)
    )
    student_ms = pipeline_ms = None
    if rounds > 0:
        torch.manual_seed(0)
        student, _ = network(setting, is_student=True)
        runtime, between = (
            fast_runtime(student, setting, runtime=RUNTIME, precision="fp32", device=CPU),
            within_scene("dis", setting),
        )
        methods = [
            make_method(
                setting, "student", runtime, cost, device=CPU, share=1.0, interpolator=between, num_frames=EVERY_FRAME
            ),
            make_method(
                setting, "pipeline", runtime, cost, device=CPU, share=share, interpolator=between, is_live=True
            ),
        ]
        time_methods(methods, setting, rounds=rounds)
        student_ms, pipeline_ms = map(milliseconds, methods)
        gc.collect()
    return WidthRow(
        ngf=setting.ngf,
        params_m=every.params_m,
        student_gmacs=every.exact_gmacs,
        pipeline_gmacs=part_time.exact_gmacs,
        motion_gmacs=part_time.motion_gmacs,
        student_ms=student_ms,
        pipeline_ms=pipeline_ms,
    )


def milliseconds(method: TimedMethod) -> float:
    """Of network and motion compensation for a frame, the median of the rounds; encoding and writing left out."""
    seconds = statistics.median(one.generator + one.interpolation for one in method.rounds)
    return round(1000 * seconds / method.num_frames, 3)


def as_text(rows: list[WidthRow], setting: Setting, *, share: float) -> str:
    """The rows as a Markdown table; in brackets the part of the first row's."""
    header = [
        "ngf",
        "params (M)",
        "GMACs, every frame",
        "GMACs, key-frames",
        "motion",
        "ms, every frame",
        "ms, key-frames",
    ]
    first = rows[0]

    def told(row: WidthRow, name: str) -> str:
        value, whole = getattr(row, name), getattr(first, name)
        return "" if value is None else f"{value:.4g} ({value / whole:.2f})" if row is not first else f"{value:.4g}"

    lines = [
        [
            str(row.ngf),
            *(told(row, name) for name in ("params_m", "student_gmacs", "pipeline_gmacs")),
            "?" if row.motion_gmacs is None else f"{row.motion_gmacs:.3g}",
            *(told(row, name) for name in ("student_ms", "pipeline_ms")),
        ]
        for row in rows
    ]
    height, width = setting.size
    return text_table(header, lines) + (
        f"\n\n{setting.name}, {height}x{width}: the low-demand student on every frame, and on a share of {share:g} as "
        f"key-frames.\nGMACs: exact, a frame of the output video, those of motion compensation (dis) estimated; ms: "
        f"network and motion compensation\non the CPU, {torch.get_num_threads()} threads, runtime {RUNTIME}; in "
        "brackets: of the first row."
    )


def print_equal_width(arguments: argparse.Namespace) -> None:
    """Print the width alone, so that scripts can read it; the rest goes to stderr."""
    share = arguments.keyframe_share
    config = checkpoints.load(arguments.checkpoint, flag="--checkpoint").config
    target = share * gmacs(checkpoints.load(arguments.target, flag="--target").config)
    width = nearest_width(config, target=target)
    found = gmacs(with_width(config, width))
    print(f"ngf {width}: {found:.4g} GMACs a frame, wanted {target:.4g}", file=sys.stderr)
    print(width)


def nearest_width(config: TrainConfig, *, target: float) -> int:
    """The ``--ngf`` at which a generator's cost is nearest to ``target``, no wider than it is.

    Args:
        config: of the generator.
        target: 10^9 exact multiply-accumulates of a generated frame.
    """
    # every finer scale halves the channels
    step = 2**config.generator.n_scales_spatial if config.generator.n_scales_spatial > 1 else 1
    widths = range(step, config.generator.ngf + 1, step)
    # a wider generator costs more, so the first one above the target and the one before it are the candidates
    above = bisect_left(widths, target, key=lambda width: gmacs(with_width(config, width)))
    candidates = [widths[place] for place in (above - 1, above) if 0 <= place < len(widths)]
    return min(candidates, key=lambda width: abs(gmacs(with_width(config, width)) - target))


def with_width(config: TrainConfig, width: int) -> TrainConfig:
    """The same training with another ``--ngf``."""
    return replace(config, generator=replace(config.generator, ngf=width))


def gmacs(config: TrainConfig) -> float:
    """10^9 exact multiply-accumulates of one generated frame."""
    return config_row(config, "", share=1.0, interpolation="nearest").exact_gmacs
