"""Quality of generated frames: ``benchmark.py metrics results/NAME/PHASE_LABEL`` or ``--fake DIR --real DIR``."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from benchmarks.command_line import RESULT_FILE
from benchmarks.metrics.manifest import Result, table_warnings
from benchmarks.metrics.measure import Metric, Rules
from benchmarks.metrics.registry import METRICS, Sources, make_metric
from benchmarks.metrics.results_file import as_text, read_results, write_results
from benchmarks.metrics.videos import NUM_GIVEN, Pair, Video, find_videos, pair_videos
from data.build import build_sequences
from models import checkpoint as checkpoints
from util.device import choose_device
from util.errors import UserError
from util.json_files import read_json

# folders of results that are no methods
REFERENCES = ("real", "semantics")


def run(arguments: argparse.Namespace) -> None:
    """Measure every method, print the table, write the JSON."""
    _check(arguments)
    folders = arguments.fake or _method_folders(arguments.results)
    rules = Rules(clip_length=arguments.clip_length, seed=arguments.seed, crop=_crop(arguments))
    metrics, not_measured = _metrics(arguments)
    rows: dict[str, Sequence[Result]] = {}
    for folder in folders:
        pairs = _pairs(arguments, folder)
        rows[folder.name] = [metric.measure(pairs, rules) for metric in metrics]
    path = arguments.json or (arguments.results or arguments.fake[0]) / RESULT_FILE
    write_results(path, rows, not_measured=not_measured)
    for earlier in arguments.beside:
        rows |= {f"{earlier.stem}: {name}": results for name, results in read_results(earlier).items()}
    print(as_text(rows))
    for method, results in rows.items():
        for result in results:
            if result.note:
                print(f"{method}, {result.manifest.metric}: {result.note}")
    for line in (*table_warnings(rows), *(f"not measured: {reason}" for reason in not_measured.values())):
        print(line)
    print(f"written: {path}")


def _check(arguments: argparse.Namespace) -> None:
    if (arguments.results is None) == (not arguments.fake):
        raise UserError("give either RESULTS_DIR or --fake DIR")
    if (arguments.real is None) == (arguments.checkpoint is None):
        raise UserError("the real frames are missing: give either --real DIR or --checkpoint FOLDER")
    if arguments.clip_length < 2:
        raise UserError(f"--clip_length {arguments.clip_length}: expected at least 2")
    names = [folder.name for folder in arguments.fake]
    if len(set(names)) < len(names):
        raise UserError(f"--fake {' '.join(names)}: expected folders of different names, since they name methods")


def _metrics(arguments: argparse.Namespace) -> tuple[list[Metric], dict[str, str]]:
    """The metrics that can be had, and why the others cannot."""
    names = [name.strip() for name in arguments.metrics.split(",") if name.strip()]
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names:
        raise UserError(f"--metrics {arguments.metrics}: expected some of {', '.join(METRICS)}")
    given = vars(arguments)
    sources = Sources(**{name: given[name] for name in Sources.__dataclass_fields__})
    device = choose_device(arguments.device)
    metrics, not_measured = [], {}
    for name in dict.fromkeys(names):
        try:
            metrics.append(make_metric(name, sources, device=device))
        except UserError as error:
            not_measured[name] = str(error)
    if not metrics:
        raise UserError(next(iter(not_measured.values())))
    return metrics, not_measured


def _method_folders(results: Path) -> list[Path]:
    """The folders of test.py's results that hold frames."""
    if not results.is_dir():
        raise UserError(f"{results}: expected the folder of test.py's results, found none")
    folders = [one for one in sorted(results.iterdir()) if one.is_dir() and one.name not in REFERENCES]
    folders = [one for one in folders if any(inner.is_dir() for inner in one.iterdir())]
    if not folders:
        raise UserError(f"{results}: expected a folder of frames a method, found none; run test.py first")
    return folders


def _pairs(arguments: argparse.Namespace, folder: Path) -> list[Pair]:
    fakes = find_videos(folder)
    return pair_videos(fakes, _real_videos(arguments), num_given=_num_given(arguments, folder.name))


def _real_videos(arguments: argparse.Namespace) -> Sequence[Video]:
    if arguments.real is not None:
        return find_videos(arguments.real)
    dataroot = arguments.dataroot or _dataset(arguments)
    if dataroot is None:
        raise UserError("--checkpoint says how frames are cut, not where they are: give --dataroot too")
    data = checkpoints.load(arguments.checkpoint, flag="--checkpoint").config.data
    return build_sequences(
        data,
        root=Path(dataroot),
        phase=arguments.phase,
        first_frame=arguments.start_frame,
        max_frames=arguments.max_frames or None,
    )


def _crop(arguments: argparse.Namespace) -> str:
    if arguments.checkpoint is None:
        return "as written"
    data = checkpoints.load(arguments.checkpoint, flag="--checkpoint").config.data
    return f"{data.dataset_mode}, {data.resize_or_crop}, loadSize {data.loadSize}, fineSize {data.fineSize}"


def _num_given(arguments: argparse.Namespace, method: str) -> dict[str, int] | int:
    if arguments.num_given is not None:
        return int(arguments.num_given)
    path = _results_file(arguments, "metrics.json")
    found = {} if path is None else read_json(path, dict[str, list[_SequenceResult]], expected=_WRITTEN)
    return {one.sequence: one.num_given for one in found[method]} if method in found else NUM_GIVEN


_WRITTEN = "what test.py writes; run it again"


@dataclass(frozen=True)
class _SequenceResult:
    sequence: str
    num_given: Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True)
class _Summary:
    dataset: str | None = None


def _dataset(arguments: argparse.Namespace) -> str | None:
    path = _results_file(arguments, "summary.json")
    return None if path is None else read_json(path, _Summary, expected=_WRITTEN).dataset


def _results_file(arguments: argparse.Namespace, name: str) -> Path | None:
    """A JSON file of test.py's results; None where there is none."""
    path = None if arguments.results is None else arguments.results / name
    return path if path is not None and path.is_file() else None
