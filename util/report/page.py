"""How does a person look at a result? One HTML page that needs nothing but a browser.

Videos, style and script are inside the file: it can be mailed, archived and opened without a network. The style is
``page.css`` and the script ``page.js``, beside this file.
"""

import base64
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from dominate import document, svg, tags
from dominate.util import raw

from util.errors import UserError
from util.files import write_text

EMBED_LIMIT = 40 * 2**20
# A frame closer to the real one than this is a copy of it; the chart's axis ends below, so that curves stay readable.
PSNR_OF_A_COPY = 60.0
NUM_CURVE_COLOURS = 6
MISSING = "–"


@dataclass(frozen=True)
class PageVideo:
    """One of the videos that play side by side.

    Attributes:
        label: who made it, shown below; a curve of the same label gets the same colour.
        path: the mp4 file.
        note: a few words more, such as the frame rate of its making.
    """

    label: str
    path: Path
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One sequence: its videos and what happened in each of its frames.

    Attributes:
        name: the sequence's name.
        videos: what plays side by side; every one has ``num_frames`` frames at ``frames_per_second``.
        num_frames: the length of the sequence.
        frames_per_second: the rate at which the videos play.
        key_frames: the frames that the part-time student generated, counted from 0.
        given_frames: how many frames at the start were given.
        curves: by label, the PSNR of each frame in decibel; None where a frame has none.
    """

    name: str
    videos: list[PageVideo]
    num_frames: int
    frames_per_second: float
    key_frames: list[int]
    given_frames: int
    curves: dict[str, list[float | None]]

    def __post_init__(self) -> None:
        """Refuse what could only be drawn wrong."""
        if self.num_frames < 1 or self.frames_per_second <= 0:
            raise ValueError(
                f"section {self.name}: expected at least 1 frame and a rate above 0, "
                f"got {self.num_frames} and {self.frames_per_second}"
            )
        outside = [frame for frame in self.key_frames if not 0 <= frame < self.num_frames]
        if outside or not 0 <= self.given_frames <= self.num_frames:
            raise ValueError(
                f"section {self.name}: expected key-frames and given frames within {self.num_frames} "
                f"frames, got key-frames {outside} and {self.given_frames} given frames"
            )
        for label, curve in self.curves.items():
            if len(curve) != self.num_frames:
                raise ValueError(
                    f"section {self.name}: expected {self.num_frames} values in the curve of {label}, got {len(curve)}"
                )


class Estimate(NamedTuple):
    """A value of a table with its interval, which is told below it in small print.

    Attributes:
        value, low, high: it and the ends of its interval; None: no interval.
        is_difference: it is told with its sign, and none of a column is the best.
    """

    value: float
    low: float | None = None
    high: float | None = None
    is_difference: bool = False


@dataclass(frozen=True)
class Part:
    """A further part of a page, below its numbers; what is empty is left out.

    Attributes:
        title: its headline.
        text: what the reader must know.
        rows: a table, see ``write_page``.
        drawings: SVG documents, side by side.
        links: relative addresses of files.
    """

    title: str
    text: str = ""
    rows: list[dict[str, object]] = field(default_factory=list)
    drawings: Sequence[str] = ()
    links: Sequence[str] = ()


def write_page(
    path: Path,
    *,
    title: str,
    intro: str,
    sections: list[Section],
    table: list[dict[str, object]],
    commands: list[str],
    notes: Sequence[str] = (),
    parts: Sequence[Part] = (),
    embed_limit: int = EMBED_LIMIT,
) -> None:
    """Write the result page: videos with one shared control, timelines, curves, numbers and commands.

    Args:
        path: the HTML file to write.
        title: the headline.
        intro: what the page shows, in a sentence or two.
        sections: the sequences, each with a player of its own.
        table: one dict per row; the columns are their keys in order of first appearance, the first one names the row.
            Missing values become a dash; the best values are bold in the columns of PSNR and SSIM, and in those whose
            name ends with ↑ or ↓.
        commands: what was typed to get here, one command per item.
        notes: what the reader must know to judge the result.
        parts: what else there is, between the table and the commands.
        embed_limit: with more bytes of embedded videos than this (40 MiB) they are linked relative to the page
            instead, and the page says so.

    Raises:
        UserError: a video is missing.
        OSError: the page cannot be written.
    """
    videos = [video.path for section in sections for video in section.videos]
    is_embedded = _embedded_bytes(videos) <= embed_limit
    folder = None if is_embedded else path.parent
    beside = Path(__file__)

    page = document(title=title)
    page.set_attribute("lang", "en")
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        tags.link(rel="icon", href="data:,")
        tags.style(raw(beside.with_suffix(".css").read_text(encoding="utf-8")))
    with page:
        with tags.header():
            tags.h1(title)
            tags.p(intro, cls="intro")
        with tags.main():
            for section in sections:
                _section(section, folder)
            if table:
                with tags.section(aria_label="Numbers"):
                    tags.h2("Numbers")
                    _table(table)
            for part in parts:
                _part(part)
            _commands(commands)
            _notes(notes)
        with tags.footer():
            if videos:
                _keys()
            tags.p(_where_videos_are(len(videos), is_embedded), cls="quiet")
        tags.script(raw(beside.with_suffix(".js").read_text(encoding="utf-8")))
    write_text(path, page.render(pretty=False) + "\n")


# ---- videos ----------------------------------------------------------------------------------------------------------


def _embedded_bytes(paths: list[Path]) -> int:
    """How much longer base64 of these files makes a page; base64 writes 3 bytes as 4 letters."""
    for path in paths:
        if not path.is_file():
            raise UserError(
                f"{path}: expected a video for the result page, found no such file; write the videos before the page"
            )
    return sum(math.ceil(path.stat().st_size / 3) * 4 for path in paths)


def _video_source(path: Path, folder: Path | None) -> str:
    """A data URI, or a link relative to ``folder``."""
    if folder is None:
        return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _where_videos_are(num_videos: int, is_embedded: bool) -> str:
    if num_videos == 0:
        return "This page is one file and needs no network."
    if is_embedded:
        return "This page is one file: the videos are inside it, and it needs no network."
    return (
        "The videos are too large to be inside this page: it links to the video files and finds them "
        "only where they were written. Move the page together with them."
    )


def _section(section: Section, folder: Path | None) -> None:
    curves = {label: [_rounded(value) for value in curve] for label, curve in section.curves.items()}
    with tags.section(aria_label=f"Sequence {section.name}"):
        player = tags.div(
            cls="player without-script",
            style=f"--frames: {section.num_frames}",
            data_frames=str(section.num_frames),
            data_rate=repr(float(section.frames_per_second)),
            data_given=str(section.given_frames),
            data_keys=json.dumps(sorted(set(section.key_frames))),
            data_curves=json.dumps(list(curves.values())),
        )
        with player:
            with tags.div(cls="heading"):
                tags.h2(section.name)
                tags.p(_metadata(section), cls="facts")
            _videos(section, folder)
            _controls()
            with tags.div(cls="axis"):
                tags.input_(
                    cls="scrubber",
                    type="range",
                    min="0",
                    max=str(section.num_frames - 1),
                    step="1",
                    value="0",
                    aria_label="Frame",
                )
                _timeline(section)
            _timeline_legend(section)
            if curves:
                _chart(section, curves)


def _rounded(value: float | None) -> float | None:
    """What a curve shows: two decimals; NaN is no value, and infinity (a copy) is finite, since JSON has neither."""
    if value is None or math.isnan(value):
        return None
    return round(min(max(value, 0.0), 100.0), 2)


def _metadata(section: Section) -> str:
    num_keys = len(set(section.key_frames))
    metadata = [_count(section.num_frames, "frame"), f"{section.frames_per_second:g} frames per second"]
    if section.given_frames:
        metadata.append(f"{section.given_frames} given")
    if num_keys:
        metadata.append(f"{_count(num_keys, 'key-frame')} ({num_keys / section.num_frames:.0%})")
    return " · ".join(metadata)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _videos(section: Section, folder: Path | None) -> None:
    colours = {label: _colour(i) for i, label in enumerate(section.curves)}
    with tags.div(cls="videos", style=f"--count: {len(section.videos)}"):
        for video in section.videos:
            with tags.figure():
                # controls are for browsers without scripts: the script takes them away
                tags.video(
                    src=_video_source(video.path, folder),
                    muted=True,
                    playsinline=True,
                    controls=True,
                    preload="auto",
                    aria_label=f"{video.label}, sequence {section.name}",
                )
                with tags.figcaption():
                    if video.label in colours:
                        tags.span(cls="swatch", style=f"--colour: {colours[video.label]}")
                    tags.span(video.label)
                    if video.note:
                        tags.small(video.note)


def _colour(index: int) -> str:
    return f"var(--curve{index % NUM_CURVE_COLOURS})"


# ---- controls and time -----------------------------------------------------------------------------------------------

ICONS = {
    "play": "M6 3.5v17l14.5-8.5z",
    "pause": "M5.5 4h4.5v16H5.5z M14 4h4.5v16H14z",
    "back": "M4 4h3v16H4z M20 4v16L8.5 12z",
    "forward": "M17 4h3v16h-3z M4 4v16l11.5-8z",
}


def _icon(name: str, cls: str = "") -> None:
    with svg.svg(viewBox="0 0 24 24", cls=cls, aria_hidden="true"):
        svg.path(d=ICONS[name])


def _controls() -> None:
    """Play, step, frame number, speed and loop: one set for all videos of a section."""
    with tags.div(cls="controls"):
        with tags.div(cls="buttons"):
            with tags.button(type="button", data_step="-1", aria_label="One frame back"):
                _icon("back")
            with tags.button(type="button", cls="play", aria_label="Play"):
                _icon("play", "play-icon")
                _icon("pause", "pause-icon")
            with tags.button(type="button", data_step="1", aria_label="One frame forward"):
                _icon("forward")
        tags.span(cls="readout")
        # radio buttons without a form would join the other players' group by name: each player gets its own form
        with tags.form(), tags.fieldset(cls="choice"):
            tags.legend("speed")
            for speed, label in (("1", "1×"), ("0.5", "½×"), ("0.25", "¼×")):
                with tags.label(aria_label=f"{speed} times"):
                    radio = tags.input_(type="radio", name="speed", value=speed)
                    if speed == "1":
                        radio["checked"] = "checked"
                    tags.span(label)
        with tags.label(cls="loop"):
            tags.input_(type="checkbox", checked=True)
            tags.span("loop")


def _share(position: float, num_frames: int) -> str:
    return f"{position / num_frames * 100:.4g}%"


def _cursor(num_frames: int) -> None:
    middle = _share(0.5, num_frames)
    svg.line(cls="cursor", x1=middle, x2=middle, y1="0", y2="100%")


def _timeline(section: Section) -> None:
    """A bar of frames: given ones, key-frames, and the rest between them."""
    total = section.num_frames
    with svg.svg(cls="timeline", role="img", aria_label=_timeline_in_words(section)):
        svg.rect(cls="track", width="100%", height="100%", rx="4")
        if section.given_frames:
            svg.rect(cls="given", width=_share(section.given_frames, total), height="100%")
        for frame in sorted(set(section.key_frames)):
            # a given frame that is also a key-frame shows both
            top, height = ("60%", "40%") if frame < section.given_frames else ("0", "100%")
            svg.rect(cls="key", x=_share(frame, total), y=top, width=_share(1, total), height=height)
        # seams between frames help to count, while there is room for them
        for frame in range(1, total) if total <= 120 else ():
            svg.line(cls="seam", x1=_share(frame, total), x2=_share(frame, total), y1="0", y2="100%")
        _cursor(total)


def _timeline_in_words(section: Section) -> str:
    words = f"Timeline of {_count(section.num_frames, 'frame')}; {section.given_frames} given at the start"
    if not section.key_frames:
        return words
    return f"{words}; key-frames " + ", ".join(str(frame) for frame in sorted(set(section.key_frames)))


def _timeline_legend(section: Section) -> None:
    kinds = [("var(--given)", "given")] if section.given_frames else []
    if section.key_frames:
        kinds += [("var(--key)", "key-frame"), ("var(--between)", "between key-frames")]
    if kinds:
        with tags.ul(cls="legend quiet"):
            for colour, label in kinds:
                with tags.li():
                    tags.span(cls="block", style=f"background: {colour}")
                    tags.span(label)


# ---- curves ----------------------------------------------------------------------------------------------------------


def _chart(section: Section, curves: dict[str, list[float | None]]) -> None:
    """PSNR per frame on the timeline's axis; a curve is broken where a frame has no value."""
    low, high, step = _decibel_axis([value for curve in curves.values() for value in curve if value is not None])
    total = section.num_frames

    def height(value: float) -> float:
        return 100 * (high - min(max(value, low), high)) / (high - low)

    with tags.div(cls="curves"):
        with tags.div(cls="axis"), svg.svg(cls="chart", role="img", aria_label=_chart_in_words(curves)):
            svg.rect(cls="paper", width="100%", height="100%")
            for level in range(low, high + 1, step):
                svg.line(cls="grid", x1="0", x2="100%", y1=f"{height(level):.4g}%", y2=f"{height(level):.4g}%")
                svg.text(str(level), x="-8", y=f"{height(level):.4g}%", dy="0.32em", text_anchor="end")
            with svg.svg(width="100%", height="100%", viewBox=f"0 0 {total} 100", preserveAspectRatio="none"):
                for i, curve in enumerate(curves.values()):
                    for points in _unbroken(curve):
                        # a lone value is a line of no length: its round ends make a dot
                        points = points * 2 if len(points) == 1 else points
                        svg.polyline(
                            points=" ".join(f"{frame + 0.5:g},{height(value):.5g}" for frame, value in points),
                            style=f"--colour: {_colour(i)}",
                        )
            _cursor(total)
        with tags.ul(cls="legend"):
            tags.li("PSNR per frame, dB", cls="quiet")
            for i, label in enumerate(curves):
                with tags.li():
                    tags.span(cls="swatch", style=f"--colour: {_colour(i)}")
                    tags.span(f"{label} ")
                    tags.output(MISSING)
        if any(value is not None and value > high for curve in curves.values() for value in curve):
            tags.p(
                f"Values above {high} dB, of frames that are copies of the real ones, are drawn at the upper edge.",
                cls="quiet legend",
            )


def _decibel_axis(values: list[float]) -> tuple[int, int, int]:
    """Lowest and highest level of the chart and the step between its lines, in whole decibels."""
    values = [value for value in values if value < PSNR_OF_A_COPY] or [20.0, 30.0]
    spread = max(values) - min(values)
    step = next(step for step in (1, 2, 5, 10, 20) if spread / step <= 5)
    low = math.floor(min(values) / step) * step
    return low, max(math.ceil(max(values) / step) * step, low + step), step


def _unbroken(curve: list[float | None]) -> list[list[tuple[int, float]]]:
    """The runs of (frame, value) without a missing value between them."""
    runs: list[list[tuple[int, float]]] = [[]]
    for frame, value in enumerate(curve):
        if value is not None:
            runs[-1].append((frame, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _chart_in_words(curves: dict[str, list[float | None]]) -> str:
    means = []
    for label, curve in curves.items():
        values = [value for value in curve if value is not None]
        means.append(f"{label} {sum(values) / len(values):.2f} dB" if values else f"{label} none")
    return "PSNR per frame; mean: " + ", ".join(means)


# ---- numbers, commands, notes ----------------------------------------------------------------------------------------


def _part(part: Part) -> None:
    with tags.section(aria_label=part.title):
        tags.h2(part.title)
        if part.text:
            tags.p(part.text, cls="quiet")
        if part.rows:
            _table(part.rows)
        if part.drawings:
            with tags.div(cls="drawings"):
                for drawing in part.drawings:
                    tags.figure(raw(drawing))
        if part.links:
            with tags.p(cls="links"):
                for link in part.links:
                    tags.a(link, href=quote(link))


def _table(rows: list[dict[str, object]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    best = {column: _best(column, rows) for column in columns}
    with tags.div(cls="scroll", role="region", aria_label="Table of numbers", tabindex="0"), tags.table():
        with tags.thead(), tags.tr():
            for column in columns:
                tags.th(column, scope="col")
        with tags.tbody():
            for row in rows:
                with tags.tr():
                    tags.th(_cell(columns[0], row.get(columns[0])), scope="row")
                    for column in columns[1:]:
                        value = row.get(column)
                        text = _cell(column, value)
                        with tags.td():
                            (tags.b if text == best[column] else tags.span)(text)
                            if isinstance(value, Estimate) and value.low is not None and value.high is not None:
                                ends = (value._replace(value=end) for end in (value.low, value.high))
                                tags.small(" to ".join(_cell(column, end) for end in ends))


def _number(value: object) -> float | None:
    """What is compared with the other rows of a column; None where there is no number."""
    if isinstance(value, Estimate):
        value = None if value.is_difference else value.value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    return float(str(value)) if is_number else None


def _best(column: str, rows: list[dict[str, object]]) -> str | None:
    """The best value as it is printed, in columns that say what is better and have more than one; equals share it."""
    numbers = [number for row in rows if (number := _number(row.get(column))) is not None]
    better = min if column.endswith("↓") else max
    is_compared = column.endswith("↓") or any(sign in column.lower() for sign in ("psnr", "ssim", "↑"))
    return _cell(column, better(numbers)) if is_compared and len(numbers) > 1 else None


def _cell(column: str, value: object) -> str:
    """A value as the table prints it: decibels with 2 decimals, SSIM with 4, other fractions with 4 digits."""
    if isinstance(value, Estimate):
        if value.is_difference:
            return f"{value.value:+.3g}"
        value = value.value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    if "psnr" in column.lower():
        return f"{value:.2f}"
    if "ssim" in column.lower():
        return f"{value:.4f}"
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"


def _commands(commands: list[str]) -> None:
    if commands:
        with tags.section(aria_label="Commands"):
            tags.h2("Commands")
            with tags.pre(tabindex="0"):
                tags.code("\n".join(commands))


def _notes(notes: Sequence[str]) -> None:
    if notes:
        with tags.section(aria_label="Notes"):
            tags.h2("Notes")
            with tags.ul(cls="notes"):
                for note in notes:
                    tags.li(note)


def _keys() -> None:
    with tags.p(cls="quiet"):
        for key, meaning in (("Space", "plays and pauses"), ("←", "one frame back"), ("→", "one frame forward")):
            tags.kbd(key)
            tags.span(f" {meaning} \u2002")
        tags.span("Click or drag on a timeline or a chart to move. Frames are counted from 0.")
