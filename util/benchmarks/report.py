"""How is a comparison written down? Markdown, CSV, JSON, plots, and a page that shows them all."""

import csv
import io
import shlex
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from dominate import document, tags
from dominate.util import raw

from util import page as result_page
from util.benchmarks.contestants import Comparison, Standing
from util.benchmarks.protocol import write_protocol
from util.benchmarks.published import PUBLISHED, SOURCE, Published
from util.files import write_json, write_text
from util.metrics.manifest import Result, table_warnings
from util.metrics.table import FORMAT
from util.plots import Point, curves, scatter
from util.table import text_table

MARKDOWN, CSV, JSON, PROTOCOL, PAGE = "table.md", "table.csv", "table.json", "protocol.json", "index.html"
PLOTS = "plots"
COSTS = ("exact GMACs", "paper GMACs", "motion GMACs", "params (M)", "share", "FPS", "ms")
LEGEND = (
    "Exact: multiply-accumulates that the network really does, 10^9 per frame made; paper: in the paper's convention; "
    "motion: an estimate for motion compensation, within neither of the others (?: none).",
    "Share: drawn frames per frame made. FPS and ms: drawing and motion compensation, without reading, encoding and "
    "writing files. Intervals: 95 %, bootstrap.",
)


def write_report(
    comparison: Comparison, folder: Path, *, title: str, notes: Sequence[str] = (), sections: str = ""
) -> str:
    """Write everything; ``frames`` are there already.

    Args:
        comparison: what was found.
        folder: where the files go.
        title: the headline.
        notes: what the reader must know of this comparison besides.
        sections: further Markdown between the table and the published rows.

    Returns:
        The Markdown.
    """
    told = [*comparison.protocol.in_words(), f"Timed on {comparison.device}.", *LEGEND, *notes]
    told += [f"{one.entry.label}, {result.manifest.metric}: {result.note}"
             for one in comparison.standings for result in one.results if result.num_missed]  # fmt: skip
    told += table_warnings(comparison.results)
    told += [f"Not measured: {reason}" for reason in comparison.not_measured.values()]
    table = standings_table(comparison.standings)
    markdown = "\n".join(
        [
            f"# {title}",
            "",
            "```bash",
            command_line(),
            "```",
            "",
            table,
            *(["", sections] if sections else []),
            *published_section(comparison.task),
            "",
            "## Notes",
            "",
            *(f"- {line}" for line in told),
            "",
        ]
    )
    write_text(folder / MARKDOWN, markdown)
    write_text(folder / CSV, as_csv(comparison))
    write_json(folder / JSON, as_json(comparison))
    write_protocol(folder / PROTOCOL, comparison.protocol)
    plots = draw_plots(comparison.standings)
    for name, drawing in plots.items():
        write_text(folder / PLOTS / f"{name}.svg", drawing)
    write_page(folder / PAGE, comparison, title=title, plots=plots, notes=told)
    return markdown


def command_line() -> str:
    """What was typed."""
    return shlex.join(["python", *sys.argv])


def metrics_of(standings: Sequence[Standing]) -> dict[str, str]:
    """By name of the metric, its heading with the direction that is better."""
    return {
        result.manifest.metric: f"{result.manifest.metric} {'↑' if result.better == 'higher' else '↓'}"
        for one in standings
        for result in one.results
    }


def standings_table(standings: Sequence[Standing]) -> str:
    """Our contestants: costs, speed, quality with intervals."""
    metrics = metrics_of(standings)
    rows = []
    for one in standings:
        by_name = {result.manifest.metric: result for result in one.results}
        rows.append([one.entry.label, *cost_cells(one), *(quality_cell(by_name.get(name)) for name in metrics)])
    return text_table(["contestant", *COSTS, *metrics.values()], rows)


def cost_cells(one: Standing) -> list[str]:
    """One cell for each of ``COSTS``."""
    motion = "?" if one.cost.motion_gmacs is None else f"{one.cost.motion_gmacs:.3g}"
    return [
        f"{one.cost.exact_gmacs:.4g}", f"{one.cost.paper_gmacs:.4g}", motion, f"{one.cost.params_m:.3g}",
        f"{one.cost.keyframe_share:.3g}", f"{one.fps:.4g}", f"{one.ms:.4g}",
    ]  # fmt: skip


def quality_cell(result: Result | None) -> str:
    """The figure with its interval."""
    if result is None or result.value is None:
        return ""
    if result.interval is None:
        return f"{result.value:.4g}"
    return f"{result.value:.4g} ({result.interval[0]:.4g} to {result.interval[1]:.4g})"


def published_section(task: str) -> list[str]:
    """The paper's rows as a table of their own, so that nobody ranks them among ours."""
    rows = PUBLISHED.get(task, ())
    if not rows:
        return []
    return [
        "",
        "## Published",
        "",
        "The paper's own figures: a V100, other data, larger networks. They are here to be seen, not to be ranked "
        "among those above.",
        "",
        text_table(
            ["published", "paper GMACs", "FPS", "FID ↓", "FVD ↓", "PE ↓"],
            [[row.method, *("" if value is None else f"{value:g}" for value in row[1:])] for row in rows],
        ),
    ]


def as_csv(comparison: Comparison) -> str:
    """One line a contestant; published ones are marked, and their figures have columns of their own."""
    metrics = list(metrics_of(comparison.standings))
    costs = ("exact_gmacs", "paper_gmacs", "motion_gmacs", "params_m", "keyframe_share", "fps", "ms")
    quality = [f"{name}{end}" for name in metrics for end in ("", "_low", "_high")]
    theirs = [f"published_{name}" for name in Published._fields[1:]]
    with io.StringIO(newline="") as text:
        writer = csv.DictWriter(text, ["contestant", "source", *costs, *quality, *theirs], lineterminator="\n")
        writer.writeheader()
        for one in comparison.standings:
            values: dict[str, Any] = {"contestant": one.entry.label, "source": "ours", "fps": one.fps, "ms": one.ms}
            values |= {name: getattr(one.cost, name) for name in costs[:-2]}
            for result in one.results:
                name = result.manifest.metric
                low, high = result.interval or (None, None)
                values |= {name: result.value, f"{name}_low": low, f"{name}_high": high}
            writer.writerow(values)
        for row in PUBLISHED.get(comparison.task, ()):
            writer.writerow({"contestant": row.method, "source": SOURCE} | dict(zip(theirs, row[1:], strict=True)))
        return text.getvalue()


def as_json(comparison: Comparison) -> dict[str, Any]:
    """All that was found; ``util.metrics.table.read_results`` reads its figures, ``--beside`` shows them."""
    return {
        "format": FORMAT,
        "command": command_line(),
        "task": comparison.task,
        "device": comparison.device,
        "contestants": {label: [one.to_json() for one in found] for label, found in comparison.results.items()},
        "not_measured": comparison.not_measured,
        "costs": {one.entry.label: asdict(one.cost) for one in comparison.standings},
        "speed": {one.entry.label: {"fps": one.fps, "ms": one.ms} for one in comparison.standings},
        "entries": {one.entry.label: asdict(one.entry) | {"training_seed": one.training_seed}
                    for one in comparison.standings},
        "protocol": asdict(comparison.protocol),
        "published": [row._asdict() | {"source": SOURCE} for row in PUBLISHED.get(comparison.task, ())],
    }  # fmt: skip


def draw_plots(standings: Sequence[Standing]) -> dict[str, str]:
    """For every metric: against multiply-accumulates, against milliseconds, and frame by frame where it has frames."""
    plots = {}
    for name, heading in metrics_of(standings).items():
        there = [(one, result) for one in standings for result in one.results if result.manifest.metric == name]
        valued = [(one, result, result.value) for one, result in there if result.value is not None]
        if not valued:
            continue
        for place, x_label in (("macs", "exact GMACs a frame"), ("ms", "milliseconds a frame")):
            points = [
                Point(one.entry.label, one.cost.exact_gmacs if place == "macs" else one.ms, value, result.interval)
                for one, result, value in valued
            ]
            plots[f"{name}_{place}"] = scatter(points, x_label=x_label, y_label=heading)
        lines = {one.entry.label: mean_curve(result) for one, result, _ in valued if result.per_frame}
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


def write_page(path: Path, comparison: Comparison, *, title: str, plots: dict[str, str], notes: Sequence[str]) -> None:
    """One HTML file with the tables and plots inside it, and links to the files beside it."""
    style = Path(result_page.__file__).with_suffix(".css").read_text(encoding="utf-8")
    page = document(title=title)
    page.set_attribute("lang", "en")
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        tags.link(rel="icon", href="data:,")
        tags.style(raw(style))
    with page:
        with tags.header():
            tags.h1(title)
            tags.pre(tags.code(command_line()))
        with tags.main():
            with tags.section():
                tags.h2("Ours")
                html_table(standings_table(comparison.standings))
            if PUBLISHED.get(comparison.task):
                with tags.section():
                    tags.h2(f"Published ({SOURCE.removeprefix('published: ')}; not to be ranked among ours)")
                    html_table(published_section(comparison.task)[-1])
            with tags.section():
                tags.h2("Plots")
                for drawing in plots.values():
                    tags.figure(raw(drawing))
            with tags.section():
                tags.h2("Notes")
                tags.ul(*(tags.li(raw(escape(line))) for line in notes), cls="notes")
        with tags.footer(), tags.p("Files: "):
            for name in (MARKDOWN, CSV, JSON, PROTOCOL, *(f"{PLOTS}/{plot}.svg" for plot in plots)):
                tags.a(name, href=name)
                tags.span(" ")
    write_text(path, page.render(pretty=False) + "\n")


def html_table(markdown: str) -> None:
    """A Markdown table as HTML; the first column names the rows."""
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in markdown.splitlines()]
    with tags.div(cls="scroll", tabindex="0"), tags.table():
        tags.thead(tags.tr(*(tags.th(cell, scope="col") for cell in header)))
        with tags.tbody():
            for name, *cells in rows:
                tags.tr(tags.th(name, scope="row"), *(tags.td(cell) for cell in cells))
