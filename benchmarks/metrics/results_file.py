"""Figures of several methods as a table, and as a JSON file for later comparisons."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.metrics.manifest import Backbone, Manifest, Result
from util.errors import UserError
from util.files import write_json
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


def read_results(path: Path) -> dict[str, list[Result]]:
    """What ``write_results`` wrote.

    Raises:
        UserError: the file is missing or something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        return {
            name: [_result(one) for one in results]
            for name, results in content.get("methods", content.get("contestants")).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: expected what `python benchmark.py metrics` writes, found something else ({error})"
        ) from None


def _result(values: dict[str, Any]) -> Result:
    manifest = {one.name: values["manifest"][one.name] for one in fields(Manifest)}
    if manifest["backbone"] is not None:
        manifest["backbone"] = Backbone(**manifest["backbone"])
    # JSON knows no tuples
    manifest |= {"clips": tuple(manifest["clips"]), "sizes": tuple(manifest["sizes"])}
    interval = None if values["interval"] is None else tuple(values["interval"])
    return Result(**(values | {"manifest": Manifest(**manifest), "interval": interval}))
