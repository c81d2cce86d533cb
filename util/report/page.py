"""The result page: one HTML file that needs nothing but a browser.

Videos, style (``page.css``) and script (``page.js``) are inside it: it can be mailed, archived and opened offline.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from dominate import document, tags
from dominate.util import raw

from util.errors import UserError
from util.files import write_text
from util.report.page_data import Part, Section
from util.report.page_player import draw_player
from util.report.page_table import draw_table
from util.report.plots import COLOURS, GRID, INK, PAPER

EMBED_LIMIT = 40 * 2**20
# by which a page is known as ours
GENERATOR = "Fast-Vid2Vid"


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
        embed_limit: more bytes of embedded videos than this are linked relative to the page, which then says so.

    Raises:
        UserError: a video is missing.
        OSError: the page cannot be written.
    """
    videos = [video.path for section in sections for video in section.videos]
    is_embedded = _embedded_bytes(videos) <= embed_limit

    page = document(title=title)
    page.set_attribute("lang", "en")
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="generator", content=GENERATOR)
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        tags.link(rel="icon", href="data:,")
        # before page.css, whose dark colours replace these
        colours = "; ".join(f"--curve{number}: {colour}" for number, colour in enumerate(COLOURS))
        tags.style(raw(f":root {{ {colours} }}\n" + _text_beside("page.css") + _colours_of_drawings()))
    with page:
        with tags.header():
            tags.h1(title)
            tags.p(intro, cls="intro")
            if videos:
                _draw_keyboard_help()
        with tags.main():
            for section in sections:
                draw_player(section, folder=path.parent, is_embedded=is_embedded)
            if table:
                with _titled("Numbers"):
                    draw_table(table)
            for part in parts:
                _draw_part(part)
            if commands:
                with _titled("Commands"), tags.pre(tabindex="0"):
                    tags.code("\n".join(commands))
            if notes:
                with _titled("Notes"), tags.ul(cls="notes"):
                    for note in notes:
                        tags.li(note)
        with tags.footer():
            has_pictures = any(part.pictures for part in parts)
            tags.p(_where_videos_are(len(videos), is_embedded, has_pictures), cls="quiet")
        tags.script(raw(_text_beside("page.js")))
    write_text(path, page.render(pretty=False) + "\n")


def _text_beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _colours_of_drawings() -> str:
    """Style rules by which SVG documents, which are also files of their own, follow the page into the dark."""
    curves = [(colour, f"--curve{number}") for number, colour in enumerate(COLOURS)]
    rules = [*curves, (INK, "--ink"), (GRID, "--line"), (PAPER, "--card")]
    return "".join(
        f'.drawings [{way}="{colour}"] {{ {way}: var({name}) }}\n'
        for colour, name in rules
        for way in ("fill", "stroke")
    )


def _embedded_bytes(paths: list[Path]) -> int:
    """How much longer base64 of these files makes a page; base64 writes 3 bytes as 4 letters."""
    for path in paths:
        if not path.is_file():
            raise UserError(
                f"{path}: expected a video for the result page, found no such file; write the videos before the page"
            )
    return sum(math.ceil(path.stat().st_size / 3) * 4 for path in paths)


def _where_videos_are(num_videos: int, is_embedded: bool, has_pictures: bool) -> str:
    if has_pictures:
        return "This page shows picture files beside it and needs no network. Move it together with its folder."
    if num_videos == 0:
        return "This page is one file and needs no network."
    if is_embedded:
        return "This page is one file: the videos are inside it, and it needs no network."
    return (
        "The videos are too large to be inside this page: it links to the video files and finds them "
        "only where they were written. Move the page together with them."
    )


def _titled(title: str) -> tags.section:
    """A section with its headline."""
    section = tags.section(aria_label=title)
    section.add(tags.h2(title))
    return section


def _draw_part(part: Part) -> None:
    with _titled(part.title):
        if part.text:
            tags.p(part.text, cls="quiet")
        if part.rows:
            draw_table(part.rows)
        if part.drawings:
            with tags.div(cls="drawings"):
                for drawing in part.drawings:
                    tags.figure(raw(drawing))
        if part.pictures:
            with tags.div(cls="pictures"):
                for picture in part.pictures:
                    with tags.figure():
                        tags.img(src=quote(picture.address), alt=picture.caption, loading="lazy")
                        tags.figcaption(picture.caption)
        if part.links:
            with tags.p(cls="links"):
                for link in part.links:
                    tags.a(link, href=quote(link))


def _draw_keyboard_help() -> None:
    with tags.p(cls="quiet keys"):
        for keys, meaning in ((("Space",), "plays and pauses"), (("←", "→"), "step a frame")):
            for key in keys:
                tags.kbd(key)
            tags.span(f" {meaning}")
        tags.span("Click or drag in a chart to go to a frame; the first is 0.")
        tags.span("In the wipe, drag the line, or Tab to it and use ← →.")
