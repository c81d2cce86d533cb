"""The page of a run, ``checkpoints/NAME/index.html``: how its losses went, what it draws, what it was told.

It is made at every save, of what lies in the run's folder, and links to the pictures in place of holding them, so that
it costs little in a long run.
"""

import dataclasses
import math
import re
import statistics
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from options.config import TrainConfig
from util.report.page import GENERATOR, write_page
from util.report.page_data import Part, Picture
from util.report.plots import curves

PAGE, LOG, PICTURES = "index.html", "loss_log.jsonl", "pictures"
MOST_POINTS, MOST_PICTURES = 200, 8
# of which plots come first: what a run is judged by, then both sides, then the rest
ORDER = ("validation", "G_", "kd_", "F_", "W", "D_")

Row = dict[str, float]


def write_run_page(
    folder: Path, *, config: TrainConfig, metadata: dict[str, Any], step: int, num_steps: int, seconds: float
) -> None:
    """Write the page of the run that lives in ``folder``, whole or not at all; another's page there stays.

    Args:
        folder: of the run.
        config, metadata: as the run's saves keep them.
        step, num_steps: how many steps are done, and how many there will be.
        seconds: of training so far.
    """
    path = folder / PAGE
    if path.exists() and GENERATOR not in path.read_text(encoding="utf-8", errors="replace")[:1000]:
        tqdm.write(f"{path}: is not ours, so it stays and this run has no page; move it to get one")
        return
    write_page(
        path,
        title=f"Training {config.run.name}",
        intro=_intro(config, metadata, step=step, num_steps=num_steps, seconds=seconds),
        sections=[],
        table=[],
        parts=[
            _loss_part(read_log(folder / LOG)),
            _picture_part(folder, step=step),
            Part("Flags that differ from their defaults", rows=changed_flags(config)),
            Part("Components", rows=[_component(line) for line in metadata["components"]]),
            Part("Files", links=[one for one in (LOG, "latest/config.json") if (folder / one).is_file()]),
        ],
        commands=[metadata["command"]],
    )


def _intro(config: TrainConfig, metadata: dict[str, Any], *, step: int, num_steps: int, seconds: float) -> str:
    now = datetime.now(timezone.utc)
    done = f"Stage {config.run.stage}: step {step:,} of {num_steps:,} ({step / max(num_steps, 1):.0%})"
    limit = config.schedule.max_minutes
    minutes = f"{seconds / 60:.1f}{f' of {limit:g}' if limit else ''} minutes of training"
    lines = [f"{done}, {minutes}.", f"Written at the save of {now:%Y-%m-%d %H:%M} UTC."]
    if best := metadata.get("best"):
        lines.insert(1, f"Best so far: {best['metric']} {best['value']:.2f} dB at step {best['step']:,}.")
    return " ".join([*lines, "Reload the page to see a later save."])


def read_log(path: Path) -> list[Row]:
    """The reports of a run; lines that are no report are left out, as the run itself says when it goes on."""
    rows: list[Row] = []
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            rows.append(msgspec.json.decode(line, type=Row))
        except msgspec.DecodeError:
            continue
    return [row for row in rows if "step" in row]


def _loss_part(rows: Sequence[Row]) -> Part:
    plots: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for row in rows for name in row if name != "step"):
        # what a discriminator says of real and of generated frames belongs together
        plots.setdefault(re.sub("_(real|fake)$", "", name), []).append(name)
    order = sorted(plots, key=lambda plot: next((n for n, start in enumerate(ORDER) if plot.startswith(start)), 99))
    drawings = [drawing for plot in order for drawing in _plot(plot, plots[plot], rows)]
    text = "Means since the report before, against the step. Adversarial losses are not meant to fall to 0."
    return Part("Losses", text if drawings else "None is reported yet: see the next save.", drawings=drawings)


def _plot(title: str, names: list[str], rows: Sequence[Row]) -> Iterator[str]:
    thin = list(thinned([row for row in rows if any(name in row for name in names)], names))
    if thin:
        yield curves(
            {name: [row.get(name) for row in thin] for name in names},
            x_label="step",
            y_label=title,
            x_values=[row["step"] for row in thin],
            may_be_logarithmic=True,
        )


def thinned(rows: Sequence[Row], names: Sequence[str]) -> Iterator[Row]:
    """At most ``MOST_POINTS`` rows: means of neighbours, each at the last one's step."""
    size = math.ceil(len(rows) / MOST_POINTS)
    for first in range(0, len(rows), max(size, 1)):
        group = rows[first : first + size]
        means = {name: statistics.fmean(row[name] for row in group if name in row)
                 for name in names if any(name in row for row in group)}  # fmt: skip
        yield {"step": group[-1]["step"]} | means


def _picture_part(folder: Path, *, step: int) -> Part:
    numbers = sorted(int(path.stem) for path in (folder / PICTURES).glob("*.png") if path.stem.isdecimal())
    numbers = [number for number in numbers if number <= step]
    last = len(numbers) - 1
    chosen = sorted({numbers[round(n * last / (MOST_PICTURES - 1))] for n in range(MOST_PICTURES)} if numbers else ())
    return Part(
        "Pictures",
        "Each is one frame of a training clip, from left to right: semantics, generated, before blending with the "
        "warped past, real. The newest is the first." if chosen else "None is drawn yet: see --display_freq.",
        pictures=[Picture(f"{PICTURES}/{number:07d}.png", f"step {number:,}") for number in reversed(chosen)],
    )  # fmt: skip


def changed_flags(config: Any) -> list[dict[str, object]]:
    """What a run was told that is not the default, or was found for it: one row a flag."""
    rows: list[dict[str, object]] = []
    for one in dataclasses.fields(config):
        value = getattr(config, one.name)
        if dataclasses.is_dataclass(value):
            rows += changed_flags(value)
        elif value != one.default:
            rows.append({"flag": f"--{one.name}", "value": str(value), "default": str(one.default)})
    return rows


def _component(line: str) -> dict[str, object]:
    part, _, made_of = line.partition(": ")
    return {"part": part, "made of": made_of}
