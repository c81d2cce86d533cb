"""Quality of the sample models in fp32, bf16 and int8 on every held-out frame, each from its own earlier frames."""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.methods import run_clips
from benchmarks.metrics.measure import Rules
from benchmarks.metrics.registry import Sources, make_metric
from benchmarks.metrics.videos import NUM_GIVEN, find_videos, pair_videos
from data.build import build_sequences
from data.detectors.landmarks import finder_name
from models.inference.pipeline import Method, make_methods, noted_finder
from options.config import TestConfig
from util.device import instruction_sets
from util.errors import UserError
from util.files import write_json
from util.folders import atomic_directory
from util.optional import is_installed
from util.report.tables import text_table

CPU = torch.device("cpu")
METRICS = ("psnr", "ssim", "frechet_lite0", "warping_error")
OF_KIND = {"face": ("landmark_error",), "pose": ("body_error",)}
# name: runtime, precision; on processors without instructions for bf16 PyTorch computes as with them, slowly
WAYS = {
    "fp32": ("folded", "fp32"),
    "bf16": ("folded", "bf16"),
    "int8, openvino": ("openvino", "int8"),
    "int8, onnx": ("onnx", "int8"),
}


@dataclass(frozen=True)
class Row:
    """Figures of one model in one precision; ``decibels`` is PSNR to its frames in fp32, None for these."""

    model: str
    precision: str
    milliseconds: float
    decibels: float | None
    figures: dict[str, float | None]


def run(arguments: argparse.Namespace) -> None:
    """Measure every sample model that is there, print a table for each, write frames and JSON."""
    rows: list[Row] = []
    with atomic_directory(arguments.output) as scratch:
        for kind in arguments.kinds:
            found = list(measure_kind(kind, arguments, scratch / kind))
            print(as_table(found), end="\n\n")
            rows += found
        told = {"instructions": instruction_sets(), "torch": torch.__version__, "rows": [asdict(row) for row in rows]}
        write_json(scratch / "precision.json", told)
    print(f"instructions: {', '.join(instruction_sets())}; written: {arguments.output}")


def sample_model(kind: str, folder: Path) -> Path:
    """The student of a kind, or its teacher where there is no student.

    Raises:
        UserError: there is neither.
    """
    for name in (f"{kind}_sample_student", f"{kind}_sample_teacher"):
        if (folder / name).is_dir():
            return folder / name
    raise UserError(f"{folder}: expected {kind}_sample_student or {kind}_sample_teacher, found neither")


def make_ways(checkpoint: Path, dataroot: Path) -> list[Method]:
    """The model in every precision whose packages are there, on every frame."""
    there = {name: way for name, way in WAYS.items() if way[1] != "int8" or _can_run(way[0])}
    methods = []
    for name, (runtime, precision) in there.items():
        config = TestConfig(
            checkpoint=str(checkpoint),
            dataroot=str(dataroot),
            keyframes="all",
            interpolation="dis",
            runtime=runtime,  # type: ignore[arg-type]
            precision=precision,  # type: ignore[arg-type]
            float_layers="auto" if precision == "int8" else "",
        )
        methods.append(make_methods(config, CPU)[0])
        methods[-1].name = name.replace(", ", "_")
    return methods


def _can_run(runtime: str) -> bool:
    return is_installed("onnx") and is_installed({"onnx": "onnxruntime"}.get(runtime, runtime))


def measure_kind(kind: str, arguments: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """A row for each precision."""
    dataroot = arguments.datasets / f"{kind}_sample"
    checkpoint = sample_model(kind, arguments.checkpoints)
    methods = make_ways(checkpoint, dataroot)
    saved = methods[0].saved
    clips = build_sequences(saved.config.data, root=dataroot, phase="test", max_frames=arguments.max_frames or None)
    made = run_clips(methods, clips, arguments, num_given=NUM_GIVEN, folder=folder)
    sources = Sources(finder=finder_name(noted_finder(saved)))
    metrics = [make_metric(name, sources, device=CPU) for name in (*METRICS, *OF_KIND.get(kind, ()))]
    exact = find_videos(folder / methods[0].name)
    for one in methods:
        videos = find_videos(folder / one.name)
        pairs = pair_videos(videos, clips, num_given=NUM_GIVEN)
        near = None
        if one is not methods[0]:
            near = metrics[0].measure(pair_videos(videos, exact, num_given=NUM_GIVEN), Rules()).value
        figures = {metric.name: metric.measure(pairs, Rules()).value for metric in metrics}
        seconds = [statistics.median(result.seconds) / result.num_made for result in made[one.name]]
        yield Row(checkpoint.name, one.name, 1000 * statistics.fmean(seconds), near, figures)


def as_table(rows: list[Row]) -> str:
    """The rows of one model as text."""
    header = ["model", "precision", "ms/frame", "dB to fp32", *rows[0].figures]
    lines = []
    for row in rows:
        near = "" if row.decibels is None else f"{row.decibels:.2f}"
        figures = ["?" if one is None else f"{one:.4g}" for one in row.figures.values()]
        lines.append([row.model, row.precision, f"{row.milliseconds:.0f}", near, *figures])
    return text_table(header, lines)
