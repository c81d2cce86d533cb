"""Figures of several methods as a table, and as a JSON file for later comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.metrics.manifest import Result
from util.files import write_json
from util.json_files import read_json
from util.report.tables import text_table

FORMAT = 1


def as_text(rows: dict[str, Sequence[Result]]) -> str:
    """A Markdown table: a row a method, a column a metric with its 95 % interval.

    Args:
        rows: results by method; not all need to have the same metrics.
    """
    better = {result.manifest.metric: result.better for results in rows.values() for result in results}
    header = ["method", *(f"{name} {'↑' if way == 'higher' else '↓'}" for name, way in better.items())]
    lines = []
    for method, results in rows.items():
        by_name = {result.manifest.metric: result for result in results}
        lines.append([method, *(_cell(by_name.get(name)) for name in better)])
    return text_table(header, lines)


def _cell(result: Result | None) -> str:
    if result is None or result.value is None:
        return ""
    if result.interval is None:
        return f"{result.value:.4g}"
    return f"{result.value:.4g} ({result.interval[0]:.4g} to {result.interval[1]:.4g})"


def write_results(path: Path, rows: dict[str, Sequence[Result]], *, not_measured: dict[str, str]) -> None:
    """Keep results with their manifests.

    Args:
        path: a JSON file.
        rows: results by method.
        not_measured: metrics that were asked for and could not be had, and why.
    """
    methods = {name: [result.to_json() for result in results] for name, results in rows.items()}
    write_json(path, {"format": FORMAT, "methods": methods, "not_measured": not_measured})


@dataclass(frozen=True)
class _Written:
    """A file of results; once they were called those of contestants."""

    format: Literal[1]
    methods: dict[str, list[Result]] = field(default_factory=dict)
    contestants: dict[str, list[Result]] | None = None


def read_results(path: Path) -> dict[str, list[Result]]:
    """What ``write_results`` wrote.

    Raises:
        UserError: the file is missing or something else.
    """
    content = read_json(path, _Written, expected="what `python benchmark.py metrics` writes")
    methods = content.methods if content.contestants is None else content.contestants
    return {name: list(results) for name, results in methods.items()}
