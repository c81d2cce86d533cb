"""Speed of whole pipelines, from semantics to mp4, beside vid2vid on every frame.

Networks have random weights: speed does not depend on them. The methods run in turn, so that what else the machine
does hits all alike. Every figure is a median over the rounds.
"""

import argparse
import gc
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from benchmarks.products import product_rates
from benchmarks.speed_methods import (
    FRAMES_PER_SECOND,
    NUM_GIVEN,
    SETTINGS,
    Setting,
    StreamPass,
    TimedMethod,
    make_methods,
)
from models.keyframes.offline import choose_keyframes
from util.device import choose_device, instruction_sets
from util.errors import UserError
from util.files import write_json
from util.media.pictures import to_uint8
from util.media.video import VideoWriter
from util.optional import is_installed
from util.report.tables import text_table

LOOKAHEAD = 12  # frames that our methods see ahead
WEIGHT_MB = 4 / 2**20  # of a parameter in fp32
_PACKAGES = {"openvino": ("openvino", "onnx"), "onnx": ("onnxruntime", "onnx")}


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the tables, write the JSON."""
    if arguments.rounds < 1 or not all(0 < share <= 1 for share in arguments.fewer_share):
        raise UserError("--rounds: expected at least 1; --fewer_share: expected more than 0, at most 1")
    if arguments.ngf < 0:
        raise UserError(f"--ngf {arguments.ngf}: expected at least 1, or 0 for the setting's")
    device = choose_device(arguments.device)
    names = list(SETTINGS) if arguments.setting == "all" else [arguments.setting]
    runtimes = arguments.runtimes or [
        name for name in ("folded", "openvino", "onnx") if all(map(is_installed, _PACKAGES.get(name, ())))
    ]
    products = product_rates(side=256 if arguments.quick else 2048, device=device)
    rate = products["fp32"]
    found: dict[str, object] = {
        "device": device_in_words(device),
        "instructions": instruction_sets(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "product_gmacs_per_second": products,
        "rounds": arguments.rounds,
    }
    settings: list[dict[str, object]] = []
    for name in names:
        setting = SETTINGS[name](is_quick=arguments.quick)
        ours = setting.with_student(no_flow=arguments.no_flow, no_fg=arguments.no_fg, ngf=arguments.ngf)
        methods = make_methods(
            setting,
            ours=ours,
            runtimes=runtimes,
            fewer_shares=arguments.fewer_share,
            precisions=arguments.precisions,
            interpolation=arguments.interpolation,
            device=device,
            fewer_interpolation=arguments.fewer_interpolation,
        )
        time_methods(methods, setting, rounds=arguments.rounds)
        settings.append(as_json(setting, methods, rate=rate, ours=ours))
        print(as_text(settings[-1]))
        del methods
        gc.collect()
    print(f"\n{summary(settings)}")
    print(
        f"\n{device_in_words(device)}, {torch.get_num_threads()} threads; instructions: "
        f"{', '.join(instruction_sets())}; GMACs/s of products of large matrices: "
        f"{', '.join(f'{name} {reached:.1f}' for name, reached in products.items())}; 'reached' is the generator's "
        "part of that in fp32"
    )
    if arguments.json is not None:
        write_json(arguments.json, found | {"settings": settings})
        print(f"written: {arguments.json}")


def time_methods(methods: list[TimedMethod], setting: Setting, *, rounds: int) -> None:
    """Let all methods run in turn, ``rounds`` times, after a round that is not counted."""
    for one in methods:
        one.engine.warm_up(setting.semantic(0))
    for _ in range(rounds):
        for one in methods:
            one.rounds.append(run_once(one, setting))


def run_once(one: TimedMethod, setting: Setting) -> StreamPass:
    """Semantics to mp4, once; frames that are given cost nothing and count for nothing."""
    gc.collect()
    device = one.engine.device
    before = _reset_peak_mb() if device.type == "cpu" else _reset_peak_of(device)
    encoding = [0.0]

    def semantic(number: int) -> Tensor:
        start = time.perf_counter()
        frame = setting.semantic(number)
        encoding[0] += time.perf_counter() - start
        return frame

    first_frames = [torch.zeros(3, *setting.size), torch.full((3, *setting.size), 0.1)]
    writing = 0.0
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with VideoWriter(Path(folder) / "clip.mp4", frames_per_second=FRAMES_PER_SECOND) as video:
            for frame in frames_of(one, semantic, first_frames):
                start_writing = time.perf_counter()
                video.write(to_uint8(frame))
                writing += time.perf_counter() - start_writing
        total = time.perf_counter() - start
    if video.num_frames != one.num_frames + NUM_GIVEN:
        raise RuntimeError(f"{one.name}: expected {one.num_frames + NUM_GIVEN} frames, got {video.num_frames}")
    watch = one.engine.stopwatch
    grown = _status_mb("VmHWM") if device.type == "cpu" else _peak_of(device)
    peak = None if before is None else WEIGHT_MB * one.cost.parameters + grown - before
    return StreamPass(
        total=total,
        encode=encoding[0],
        generator=watch.generator_seconds,
        interpolation=watch.interpolator_seconds,
        write=writing,
        calls=watch.generator_calls,
        peak_mb=peak,
    )


def frames_of(one: TimedMethod, semantic: Callable[[int], Tensor], first_frames: list[Tensor]) -> Iterator[Tensor]:
    """The method's clip, the given frames first."""
    numbers = range(one.num_frames + NUM_GIVEN)
    if one.is_live:
        stream: Iterable[Tensor] = map(semantic, numbers)
        return one.engine.live(stream, share=one.share, lookahead=LOOKAHEAD, first_frames=first_frames, overlapped=True)
    nothing = torch.zeros(len(numbers), 1)
    keys = choose_keyframes(nothing, method="uniform", share=one.share, num_given=NUM_GIVEN)
    return one.engine.frames(semantic, key_frames=keys, first_frames=first_frames)


def device_in_words(device: torch.device) -> str:
    """What computes, such as the name of a GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _reset_peak_mb() -> float | None:
    """Forget the largest resident memory of this process; returns what it has now. None where Linux is not."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _status_mb("VmRSS")


def _reset_peak_of(device: torch.device) -> float | None:
    """The same for the memory of a GPU."""
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device) / 2**20


def _peak_of(device: torch.device) -> float:
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else 0.0


def _status_mb(name: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def as_json(setting: Setting, methods: list[TimedMethod], *, rate: float, ours: Setting) -> dict[str, object]:
    """A setting's figures; the first method's frame rate is the unit of ``ratio_to_vid2vid``."""
    first = _frames_per_second(methods[0])
    return {
        "name": setting.name,
        "size": list(setting.size),
        "ngf": setting.ngf,
        "our_student": {"ngf": ours.ngf, "flow": not ours.no_flow, "fg": ours.foreground is not None},
        "methods": [_figures(one, first=first, rate=rate) for one in methods],
    }


def _frames_per_second(one: TimedMethod) -> float:
    return one.num_frames / statistics.median(run.total for run in one.rounds)


def _figures(one: TimedMethod, *, first: float, rate: float) -> dict[str, object]:
    fps = _frames_per_second(one)
    parts = {
        part: round(1000 * statistics.median(getattr(run, part) for run in one.rounds) / one.num_frames, 3)
        for part in ("encode", "generator", "interpolation", "write")
    }
    calls, gmacs = one.rounds[0].calls, one.cost.macs.exact / 1e9
    reached = gmacs * calls / statistics.median(run.generator for run in one.rounds)
    peaks = [run.peak_mb for run in one.rounds if run.peak_mb is not None]
    return {
        "name": one.name,
        "runtime": one.runtime,
        "precision": one.precision,
        "fps": round(fps, 4),
        "ms_per_frame": parts,
        "peak_mb": round(max(peaks), 1) if peaks else None,
        "keyframe_share": round(calls / one.num_frames, 4),
        "ratio_to_vid2vid": round(fps / first, 3),
        "gmacs_per_frame": round(gmacs * calls / one.num_frames, 3),
        "generator_gmacs_per_second": round(reached, 3),
        "of_matrix_product": round(reached / rate, 3),
    }


def summary(settings: list[dict[str, object]]) -> str:
    """How many times vid2vid on every frame each method is, by setting."""
    columns: dict[str, dict[str, dict]] = {
        str(one["name"]): {row["name"]: row for row in cast(list[dict], one["methods"])} for one in settings
    }
    methods = list(dict.fromkeys(name for rows in columns.values() for name in rows))
    lines = []
    for name in methods:
        row = next(rows[name] for rows in columns.values() if name in rows)
        told = [f"{rows[name]['ratio_to_vid2vid']:.1f}" if name in rows else "" for rows in columns.values()]
        lines.append([name, row["runtime"], row["precision"], *told])
    return text_table(["times vid2vid", "runtime", "precision", *columns], lines)


def as_text(setting: dict) -> str:
    """A setting's table."""
    header = ["method", "frames/s", "x vid2vid", "encode", "generator", "interp.", "write", "peak MB", "share",
              "GMACs/frame", "GMACs/s", "reached"]  # fmt: skip
    rows = [
        [
            one["name"],
            f"{one['fps']:.3g}",
            f"{one['ratio_to_vid2vid']:.2f}",
            *(f"{value:.1f}" for value in one["ms_per_frame"].values()),
            "?" if one["peak_mb"] is None else f"{one['peak_mb']:.0f}",
            f"{one['keyframe_share']:.2f}",
            f"{one['gmacs_per_frame']:.4g}",
            f"{one['generator_gmacs_per_second']:.1f}",
            f"{one['of_matrix_product']:.2f}",
        ]
        for one in setting["methods"]
    ]
    height, width = setting["size"]
    title = f"\n{setting['name']}, {height}x{width}, ngf {setting['ngf']}; parts in milliseconds per frame made\n\n"
    student = setting["our_student"]
    branches = " and ".join(name for name in ("flow", "fg") if student[name]) or "none"
    title += f"our student: ngf {student['ngf']}, branches beside the image's: {branches}\n\n"
    return title + text_table(header, rows)
