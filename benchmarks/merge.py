"""Mean and spread of figures over trainings that differ in their seed alone."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.metrics.manifest import Result, table_warnings
from benchmarks.metrics.results_file import read_results
from util.errors import UserError
from util.files import write_json, write_text
from util.json_files import read_json
from util.report.tables import text_table

MERGED_MARKDOWN, MERGED_JSON = "merged.md", "merged.json"
FORMAT = 1
Spread = dict[str, float | int | None]  # mean, std, n


@dataclass(frozen=True)
class _Cost:
    exact_gmacs: float


@dataclass(frozen=True)
class _Speed:
    ms: float


@dataclass(frozen=True)
class _Entry:
    training_seed: int | None = None


@dataclass(frozen=True)
class _Rest:
    """What a table's file says besides its figures."""

    costs: dict[str, _Cost]
    speed: dict[str, _Speed]
    entries: dict[str, _Entry]
    device: str

    def knows(self, label: str) -> bool:
        """Whether it says all of a method."""
        return label in self.costs and label in self.speed and label in self.entries


Table = tuple[dict[str, list[Result]], _Rest]  # results by method, and what else the file says


def merge(paths: Sequence[Path], folder: Path) -> str:
    """Mean and standard deviation of every figure over tables that differ in the training's seed.

    Args:
        paths: ``table.json`` of each seed, two or more.
        folder: gets ``merged.md`` and ``merged.json``.

    Returns:
        The Markdown.

    Raises:
        UserError: a file is missing or something else, there is one alone, or they share no method.
    """
    if len(paths) < 2 or len(set(paths)) < len(paths):
        raise UserError("--merge: expected two or more different table.json files, one a seed")
    tables = [(read_results(path), _rest(path)) for path in paths]
    labels = [label for label in tables[0][0] if all(rest.knows(label) and label in found for found, rest in tables)]
    if not labels:
        raise UserError(f"--merge {paths[0]}: shares no method with the others; merge tables of the same methods")
    warnings = _warnings(paths, tables, labels)
    merged = {label: _figures(label, tables) for label in labels}
    columns = list(dict.fromkeys(name for found in merged.values() for name in found))
    lines = [[label, *(_cell(merged[label].get(name), len(paths)) for name in columns)] for label in labels]
    markdown = "\n".join([
        f"Mean ± standard deviation over {len(paths)} tables (n: over fewer).",
        "", text_table(["method", *columns], lines), "", *(f"- {line}" for line in warnings), "",
    ])  # fmt: skip
    write_text(folder / MERGED_MARKDOWN, markdown)
    write_json(
        folder / MERGED_JSON,
        {"format": FORMAT, "tables": [str(path) for path in paths], "methods": merged, "warnings": warnings},
    )
    return markdown


def _figures(label: str, tables: Sequence[Table]) -> dict[str, Spread]:
    """Cost, time and every metric of a method."""
    values: dict[str, list[float]] = {
        "exact GMACs": [rest.costs[label].exact_gmacs for _, rest in tables],
        "ms": [rest.speed[label].ms for _, rest in tables],
    }
    for result in (result for found, _ in tables for result in found[label]):
        if result.value is not None:
            values.setdefault(_heading(result), []).append(result.value)
    return {name: _spread(one) for name, one in values.items()}


def _rest(path: Path) -> _Rest:
    """What a table knows besides its figures."""
    return read_json(path, _Rest, expected="the table.json of `benchmark.py table`")


def _heading(result: Result) -> str:
    return f"{result.manifest.metric} {'↑' if result.better == 'higher' else '↓'}"


def _spread(values: Sequence[float]) -> Spread:
    std = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "std": std, "n": len(values)}


def _cell(found: Spread | None, num_tables: int) -> str:
    if found is None:
        return ""
    if found["std"] is None:
        return f"{found['mean']:.4g} (n 1)"
    rest = "" if found["n"] == num_tables else f" (n {found['n']})"
    return f"{found['mean']:.4g} ± {found['std']:.2g}{rest}"


def _warnings(paths: Sequence[Path], tables: Sequence[Table], labels: Sequence[str]) -> list[str]:
    """What speaks against reading the figures as those of several seeds."""
    rows: dict[str, Sequence[Result]] = {}
    warnings = []
    for path, (found, rest) in zip(paths, tables, strict=True):
        rows |= {f"{label} in {path}": found[label] for label in labels}
        left_out = [label for label in found if label not in labels]
        if left_out:
            warnings.append(f"left out: {', '.join(left_out)} of {path}, which others lack")
        if rest.device != tables[0][1].device:
            warnings.append(f"warning: {path} was timed on {rest.device}, {paths[0]} on {tables[0][1].device}")
    for label in labels:
        seeds = [rest.entries[label].training_seed for _, rest in tables]
        if len(set(seeds)) < len(seeds):
            warnings.append(f"warning: {label} was trained with the seeds {seeds}; expected different ones")
    return table_warnings(rows) + warnings
