"""The player of a sequence on a result page: its videos side by side with one set of controls."""

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote

from dominate import svg, tags

from util.report.page_data import PageVideo, Section
from util.report.page_strips import draw_strips
from util.report.page_timeline import colour_of, count, draw_charts, draw_timeline, draw_timeline_legend

ICONS = {
    "play": "M6 3.5v17l14.5-8.5z",
    "pause": "M5.5 4h4.5v16H5.5z M14 4h4.5v16H14z",
    "back": "M4 4h3v16H4z M20 4v16L8.5 12z",
    "forward": "M17 4h3v16h-3z M4 4v16l11.5-8z",
}


def draw_player(section: Section, *, folder: Path, is_embedded: bool) -> None:
    """Add the player of a sequence to the open HTML element.

    Args:
        section: the sequence.
        folder: of the page.
        is_embedded: the videos are inside the page; else they are linked.
    """
    curves = [(chart.unit, curve) for chart in section.charts for curve in chart.curves.values()]
    with tags.section(aria_label=f"Sequence {section.name}"):
        player = tags.div(
            cls="player without-script",
            style=f"--frames: {section.num_frames}",
            data_frames=str(section.num_frames),
            data_rate=repr(float(section.frames_per_second)),
            data_given=str(section.given_frames),
            data_keys=json.dumps(section.sorted_keys),
            data_curves=json.dumps([curve for _, curve in curves]),
            data_units=json.dumps([unit for unit, _ in curves]),
        )
        with player:
            with tags.div(cls="heading"):
                tags.h2(section.name)
                tags.p(_metadata(section), cls="facts")
            _draw_videos(section, folder, is_embedded)
            draw_strips(section)
            _draw_controls(section)
            with tags.div(cls="axis"):
                last = str(section.num_frames - 1)
                tags.input_(cls="scrubber", type="range", min="0", max=last, step="1", value="0", aria_label="Frame")
                draw_timeline(section)
            draw_timeline_legend(section)
            draw_charts(section)


def _metadata(section: Section) -> str:
    num_keys = len(section.sorted_keys)
    metadata = [count(section.num_frames, "frame"), f"{section.frames_per_second:g} frames per second"]
    if section.given_frames:
        metadata.append(f"{section.given_frames} given")
    if num_keys:
        metadata.append(f"{count(num_keys, 'key-frame')} ({num_keys / section.num_frames:.0%})")
    return " · ".join(metadata)


def _draw_videos(section: Section, folder: Path, is_embedded: bool) -> None:
    colours = {label: colour_of(number) for number, label in enumerate(section.labels)}
    with tags.div(cls="videos", style=f"--count: {len(section.videos)}"):
        for video in section.videos:
            with tags.figure():
                # controls are for browsers without scripts: the script takes them away
                tags.video(
                    src=_embedded(video.path) if is_embedded else _link(video.path, folder),
                    muted=True,
                    playsinline=True,
                    controls=True,
                    preload="auto",
                    aria_label=f"{video.label}, sequence {section.name}",
                )
                with tags.figcaption():
                    _draw_download(video, folder)
                    if video.label in colours:
                        tags.span(cls="swatch", style=colours[video.label])
                    tags.span(video.label)
                    if video.note:
                        tags.small(video.note)
        if len(section.videos) > 1:
            tags.input_(cls="wipe", type="range", min="0", max="100", step="1", value="50", aria_label="Wipe")
            tags.span(cls="edge")


def _draw_download(video: PageVideo, folder: Path) -> None:
    """A link to the file beside the page; where the video is inside the page, the script takes that one."""
    name = f"{video.path.parent.name}_{video.path.name}"
    tags.a("mp4", cls="download", href=_link(video.path, folder), download=name, title=f"Download {name}")


def _embedded(path: Path) -> str:
    return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _link(path: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _draw_controls(section: Section) -> None:
    """Play, step, frame number, speed, loop and view: one set for all videos of a section."""
    with tags.div(cls="controls"):
        with tags.div(cls="buttons"):
            with tags.button(type="button", data_step="-1", aria_label="One frame back"):
                _draw_icon("back")
            with tags.button(type="button", cls="play", aria_label="Play"):
                _draw_icon("play", "play-icon")
                _draw_icon("pause", "pause-icon")
            with tags.button(type="button", data_step="1", aria_label="One frame forward"):
                _draw_icon("forward")
        tags.span(cls="readout")
        _draw_choice("speed", {"1": "1×", "0.5": "½×", "0.25": "¼×"})
        with tags.label(cls="loop"):
            tags.input_(type="checkbox", checked=True)
            tags.span("loop")
        if len(section.videos) > 1:
            _draw_choice("view", {"side": "side by side", "wipe": "wipe"})
            _draw_sides([video.label for video in section.videos])


def _draw_choice(name: str, choices: dict[str, str]) -> None:
    """Radio buttons, the first one chosen; without a form of their own, those of all players would be one group."""
    with tags.form(cls=f"of-{name}"), tags.fieldset(cls="choice"):
        tags.legend(name)
        for number, (value, label) in enumerate(choices.items()):
            with tags.label():
                tags.input_(type="radio", name=name, value=value, **({} if number else {"checked": "checked"}))
                tags.span(label)


def _draw_sides(labels: list[str]) -> None:
    """Which two videos the wipe compares: at first the real one, or the first, and the last."""
    first = labels.index("Real") if "Real" in labels else 0
    with tags.form(cls="sides"):
        for side, chosen in (("left", first), ("right", len(labels) - 1)):
            with tags.label(f"{side} "), tags.select(cls=side):
                for number, label in enumerate(labels):
                    tags.option(label, value=str(number), **({"selected": "selected"} if number == chosen else {}))


def _draw_icon(name: str, cls: str = "") -> None:
    with svg.svg(viewBox="0 0 24 24", cls=cls, aria_hidden="true"):
        svg.path(d=ICONS[name])
