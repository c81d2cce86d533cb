"""The player of a sequence on a result page: its videos side by side with one set of controls."""

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote

from dominate import svg, tags

from util.report.page_data import Section
from util.report.page_timeline import colour_of, count, draw_chart, draw_timeline, draw_timeline_legend, rounded

ICONS = {
    "play": "M6 3.5v17l14.5-8.5z",
    "pause": "M5.5 4h4.5v16H5.5z M14 4h4.5v16H14z",
    "back": "M4 4h3v16H4z M20 4v16L8.5 12z",
    "forward": "M17 4h3v16h-3z M4 4v16l11.5-8z",
}


def draw_player(section: Section, *, folder: Path | None) -> None:
    """Add the player of a sequence to the open HTML element.

    Args:
        section: the sequence.
        folder: videos are linked relative to it; None: they are embedded.
    """
    curves = {label: [rounded(value) for value in curve] for label, curve in section.curves.items()}
    with tags.section(aria_label=f"Sequence {section.name}"):
        player = tags.div(
            cls="player without-script",
            style=f"--frames: {section.num_frames}",
            data_frames=str(section.num_frames),
            data_rate=repr(float(section.frames_per_second)),
            data_given=str(section.given_frames),
            data_keys=json.dumps(section.sorted_keys),
            data_curves=json.dumps(list(curves.values())),
        )
        with player:
            with tags.div(cls="heading"):
                tags.h2(section.name)
                tags.p(_metadata(section), cls="facts")
            _draw_videos(section, folder)
            _draw_controls()
            with tags.div(cls="axis"):
                last = str(section.num_frames - 1)
                tags.input_(cls="scrubber", type="range", min="0", max=last, step="1", value="0", aria_label="Frame")
                draw_timeline(section)
            draw_timeline_legend(section)
            if curves:
                draw_chart(curves, num_frames=section.num_frames)


def _metadata(section: Section) -> str:
    num_keys = len(section.sorted_keys)
    metadata = [count(section.num_frames, "frame"), f"{section.frames_per_second:g} frames per second"]
    if section.given_frames:
        metadata.append(f"{section.given_frames} given")
    if num_keys:
        metadata.append(f"{count(num_keys, 'key-frame')} ({num_keys / section.num_frames:.0%})")
    return " · ".join(metadata)


def _draw_videos(section: Section, folder: Path | None) -> None:
    colours = {label: colour_of(number) for number, label in enumerate(section.curves)}
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
                        tags.span(cls="swatch", style=colours[video.label])
                    tags.span(video.label)
                    if video.note:
                        tags.small(video.note)


def _video_source(path: Path, folder: Path | None) -> str:
    """A data URI, or a link relative to ``folder``."""
    if folder is None:
        return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _draw_controls() -> None:
    """Play, step, frame number, speed and loop: one set for all videos of a section."""
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


def _draw_icon(name: str, cls: str = "") -> None:
    with svg.svg(viewBox="0 0 24 24", cls=cls, aria_hidden="true"):
        svg.path(d=ICONS[name])
