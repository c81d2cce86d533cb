"""Report of a comparison: Markdown, CSV, JSON, plots, and a page that shows them all."""

import csv
import io
import shlex
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.methods import NOT_ZERO_OF_REAL, Comparison, MethodResult
from benchmarks.metrics.manifest import Result, table_warnings
from benchmarks.metrics.results_file import FORMAT
from benchmarks.protocol import write_protocol
from benchmarks.published import PUBLISHED, SOURCE, Published
from util.files import write_json, write_text
from util.report.page import write_page
from util.report.page_data import Estimate, PageVideo, Part, Section
from util.report.plots import Point, curves, scatter
from util.report.tables import text_table

MARKDOWN, CSV, JSON, PROTOCOL, PAGE = "table.md", "table.csv", "table.json", "protocol.json", "index.html"
PLOTS = "plots"
# of a page: more videos side by side are too small to see, more clips too long to scroll
MOST_SHOWN, MOST_CLIPS = 6, 3
COSTS = ("exact GMACs", "paper GMACs", "motion GMACs", "params (M)", "share", "FPS", "ms")
LEGEND = (
    "Exact: multiply-accumulates that the network really does, 10^9 per frame made; paper: in the paper's convention; "
    "motion: an estimate for motion compensation, within neither of the others (?: none).",
    "Share: generated frames per frame made. FPS and ms: generation and motion compensation, without reading, encoding "
    "and writing files. Intervals: 95 %, bootstrap.",
)


def write_report(
    comparison: Comparison,
    folder: Path,
    *,
    title: str,
    parts: Sequence[Part] = (),
    shown: Sequence[str] | None = None,
) -> str:
    """Write everything; ``frames`` are there already.

    Args:
        comparison: what was found.
        folder: where the files go.
        title: the headline.
        parts: what else was found; it stands between the table and the published rows.
        shown: labels of those whose videos and curves are shown; None: the first ones.

    Returns:
        The Markdown.
    """
    notes = notes_of(comparison)
    parts = [*parts, *published_part(comparison.task)]
    markdown = "\n".join([
        f"# {title}", "", "```bash", command_line(), "```", "",
        comparison_table(comparison.method_results), "",
        *(line for part in parts for line in part_as_text(part)),
        "## Notes", "", *(f"- {line}" for line in notes), "",
    ])  # fmt: skip
    write_text(folder / MARKDOWN, markdown)
    write_text(folder / CSV, as_csv(comparison))
    write_json(folder / JSON, as_json(comparison))
    write_protocol(folder / PROTOCOL, comparison.protocol)
    labels = list(comparison.results if shown is None else shown)[:MOST_SHOWN]
    visible = [one for one in comparison.method_results if one.entry.label in labels]
    plots = draw_plots(comparison.method_results, visible)
    for name, drawing in plots.items():
        write_text(folder / PLOTS / f"{name}.svg", drawing)
    files = [MARKDOWN, CSV, JSON, PROTOCOL, *(f"{PLOTS}/{plot}.svg" for plot in plots)]
    write_page(
        folder / PAGE,
        title=title,
        intro=" ".join(comparison.protocol.in_words()[:1]) + f" Timed on {comparison.device}.",
        sections=players(comparison, visible, folder / "frames"),
        table=[quality_row(one) for one in comparison.method_results],
        commands=[command_line()],
        notes=notes,
        parts=[
            Part("Cost", rows=[cost_row(one) for one in comparison.method_results]),
            *parts,
            *plot_parts(comparison.method_results, plots),
            Part("Files", links=files),
        ],
    )
    return markdown


def notes_of(comparison: Comparison) -> list[str]:
    """What a reader of the figures must know, a sentence or two each."""
    notes = [*comparison.protocol.in_words(), f"Timed on {comparison.device}.", *LEGEND]
    notes += [f"The real frames themselves have a {name} of {value:.4g}: {NOT_ZERO_OF_REAL[name]}."
             for name, value in comparison.of_real_frames.items()]  # fmt: skip
    whose: dict[tuple[str, str], list[str]] = {}
    for one in comparison.method_results:
        for result in one.results:
            if result.num_missed or result.value is None:
                whose.setdefault((result.manifest.metric, result.note), []).append(one.entry.label)
    for (metric, note), labels in whose.items():
        is_all = len(labels) == len(comparison.method_results)
        notes.append(f"{metric} of {'all methods' if is_all else '; '.join(labels)}: {note}.")
    notes += table_warnings(comparison.results)
    return notes + [f"Not measured: {reason}" for reason in comparison.not_measured.values()]


def command_line() -> str:
    """What was typed."""
    return shlex.join(["python", *sys.argv])


def metrics_of(method_results: Sequence[MethodResult]) -> dict[str, str]:
    """By name of the metric, its heading with the direction that is better."""
    return {
        result.manifest.metric: f"{result.manifest.metric} {'↑' if result.better == 'higher' else '↓'}"
        for one in method_results
        for result in one.results
    }


def comparison_table(method_results: Sequence[MethodResult]) -> str:
    """Our methods: costs, speed, quality with intervals."""
    metrics = metrics_of(method_results)
    rows = []
    for one in method_results:
        by_name = {result.manifest.metric: result for result in one.results}
        rows.append([one.entry.label, *cost_cells(one), *(quality_cell(by_name.get(name)) for name in metrics)])
    return text_table(["method", *COSTS, *metrics.values()], rows)


def cost_cells(one: MethodResult) -> list[str]:
    """One cell for each of ``COSTS``."""
    motion = "?" if one.cost.motion_gmacs is None else f"{one.cost.motion_gmacs:.3g}"
    return [
        f"{one.cost.exact_gmacs:.4g}", f"{one.cost.paper_gmacs:.4g}", motion, f"{one.cost.params_m:.3g}",
        f"{one.cost.keyframe_share:.3g}", f"{one.fps:.4g}", f"{one.ms:.4g}",
    ]  # fmt: skip


def cost_row(one: MethodResult) -> dict[str, object]:
    """The same for the page."""
    return dict(zip(("method", *COSTS), (one.entry.label, *cost_cells(one)), strict=True))


def quality_cell(result: Result | None) -> str:
    """The figure with its interval."""
    if result is None or result.value is None:
        return ""
    if result.interval is None:
        return f"{result.value:.4g}"
    return f"{result.value:.4g} ({result.interval[0]:.4g} to {result.interval[1]:.4g})"


def quality_row(one: MethodResult) -> dict[str, object]:
    """A method on the page: what it costs in short, and its figures."""
    row: dict[str, object] = {"method": one.entry.label, "GMACs": one.cost.exact_gmacs, "FPS": one.fps}
    for result in one.results:
        heading = metrics_of([one])[result.manifest.metric]
        if result.value is None or result.interval is None:
            row[heading] = result.value
        else:
            row[heading] = Estimate(result.value, *result.interval)
    return row


def part_as_text(part: Part) -> list[str]:
    """A part as lines of Markdown."""
    columns = list(dict.fromkeys(column for row in part.rows for column in row))
    cells = [[_plain(row.get(column)) for column in columns] for row in part.rows]
    return [f"## {part.title}", "", *([part.text, ""] if part.text else []), text_table(columns, cells), ""]


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Estimate):
        interval = "" if value.low is None or value.high is None else f" ({value.low:+.3g} to {value.high:+.3g})"
        return f"{value.value:+.3g}{interval}"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def published_part(task: str) -> list[Part]:
    """The paper's rows as a table of their own, so that nobody ranks them among ours."""
    rows: list[dict[str, object]] = [
        {"published": row.method, "paper GMACs": row.gmacs, "FPS": row.fps} | _qualities(row)
        for row in PUBLISHED.get(task, ())
    ]
    if not rows:
        return []
    return [
        Part(
            "Published",
            "The paper's own figures: a V100, other data, larger networks. They are here to be seen, not to be ranked "
            "among those above.",
            rows,
        )
    ]


def _qualities(row: Published) -> dict[str, object]:
    return {"FID ↓": row.fid, "FVD ↓": row.fvd, "PE ↓": row.pose_error}


def as_csv(comparison: Comparison) -> str:
    """One line a method; published ones are marked, and their figures have columns of their own."""
    metrics = list(metrics_of(comparison.method_results))
    costs = ("exact_gmacs", "paper_gmacs", "motion_gmacs", "params_m", "keyframe_share", "fps", "ms")
    quality = [f"{name}{end}" for name in metrics for end in ("", "_low", "_high")]
    theirs = [f"published_{name}" for name in Published._fields[1:]]
    with io.StringIO(newline="") as text:
        writer = csv.DictWriter(text, ["method", "source", *costs, *quality, *theirs], lineterminator="\n")
        writer.writeheader()
        for one in comparison.method_results:
            values: dict[str, Any] = {"method": one.entry.label, "source": "ours", "fps": one.fps, "ms": one.ms}
            values |= {name: getattr(one.cost, name) for name in costs[:-2]}
            for result in one.results:
                name = result.manifest.metric
                low, high = result.interval or (None, None)
                values |= {name: result.value, f"{name}_low": low, f"{name}_high": high}
            writer.writerow(values)
        for row in PUBLISHED.get(comparison.task, ()):
            writer.writerow({"method": row.method, "source": SOURCE} | dict(zip(theirs, row[1:], strict=True)))
        return text.getvalue()


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Everything as JSON; ``read_results`` reads its figures, ``--beside`` shows them."""
    return {
        "format": FORMAT,
        "command": command_line(),
        "task": comparison.task,
        "device": comparison.device,
        "methods": {label: [one.to_json() for one in found] for label, found in comparison.results.items()},
        "not_measured": comparison.not_measured,
        "of_real_frames": comparison.of_real_frames,
        "costs": {one.entry.label: asdict(one.cost) for one in comparison.method_results},
        "speed": {one.entry.label: {"fps": one.fps, "ms": one.ms} for one in comparison.method_results},
        "entries": {one.entry.label: asdict(one.entry) | {"training_seed": one.training_seed}
                    for one in comparison.method_results},
        "protocol": asdict(comparison.protocol),
        "published": [row._asdict() | {"source": SOURCE} for row in PUBLISHED.get(comparison.task, ())],
    }  # fmt: skip


def draw_plots(method_results: Sequence[MethodResult], visible: Sequence[MethodResult]) -> dict[str, str]:
    """For every metric: against multiply-accumulates, against milliseconds, and frame by frame where it has frames.

    Args:
        method_results: all methods.
        visible: those with a curve frame by frame.
    """
    plots = {}
    for name, heading in metrics_of(method_results).items():
        there = [(one, result) for one in method_results for result in one.results if result.manifest.metric == name]
        valued = [(one, result, result.value) for one, result in there if result.value is not None]
        if not valued:
            continue
        for place, x_label in (("macs", "exact GMACs a frame"), ("ms", "milliseconds a frame")):
            points = [
                Point(
                    one.entry.label,
                    one.cost.exact_gmacs if place == "macs" else one.ms,
                    value,
                    result.interval,
                    one.entry.series,
                )
                for one, result, value in valued
            ]
            plots[f"{name}_{place}"] = scatter(points, x_label=x_label, y_label=heading)
        lines = {
            one.entry.label: mean_curve(result) for one, result, _ in valued if result.per_frame and one in visible
        }
        if lines:
            plots[f"{name}_frames"] = curves(lines, x_label="frame of a clip (mean over clips)", y_label=heading)
    return plots


def mean_curve(result: Result) -> list[float | None]:
    """The mean over all clips at every frame number of a clip; None where no clip has a value."""
    clips = list(result.per_frame.values())
    length = max(map(len, clips))
    columns = ([clip[number] for clip in clips if number < len(clip)] for number in range(length))
    there = ([value for value in column if value is not None] for column in columns)
    return [statistics.fmean(values) if values else None for values in there]


def plot_parts(method_results: Sequence[MethodResult], plots: dict[str, str]) -> list[Part]:
    """The plots of every metric side by side."""
    parts = []
    for name, heading in metrics_of(method_results).items():
        drawings = [plots[f"{name}_{kind}"] for kind in ("macs", "ms", "frames") if f"{name}_{kind}" in plots]
        if drawings:
            parts.append(Part(heading, drawings=drawings))
    return parts


def players(comparison: Comparison, visible: Sequence[MethodResult], frames: Path) -> list[Section]:
    """The first clips as videos side by side; the timeline is that of the method with the fewest key-frames."""
    rarest = min(visible, key=lambda one: one.cost.keyframe_share)
    sections = []
    for number, clip in enumerate(comparison.protocol.clips[:MOST_CLIPS]):
        sequence_results = {one.entry: one.sequence_results[number] for one in visible}
        references = {"Semantics (input)": "semantics", "Real": "real"}
        sections.append(
            Section(
                name=clip.name,
                videos=[
                    *(PageVideo(label, frames / name / f"{clip.name}.mp4") for label, name in references.items()),
                    *(PageVideo(one.label, frames / one.folder / f"{clip.name}.mp4") for one in sequence_results),
                ],
                num_frames=clip.num_frames,
                frames_per_second=comparison.frames_per_second,
                key_frames=sequence_results[rarest.entry].key_frames,
                given_frames=comparison.protocol.num_given,
                curves={one.label: sequence_result.psnr for one, sequence_result in sequence_results.items()},
                milliseconds={one.label: found.milliseconds for one, found in sequence_results.items()},
            )
        )
    return sections
