"""The result page is whole, harmless and true to its numbers, whatever it is given."""

import base64
import io
import json
import math
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from util.errors import UserError
from util.media.video import write_video
from util.report.page import write_page
from util.report.page_data import Estimate, PageVideo, Part, Section
from util.report.page_strips import strip_frames

VOID = {"meta", "link", "input", "br", "img"}
HOSTILE = "<script>alert(\"x\")</script> & 'quoted' </style>"
NO_ROWS: list[dict[str, object]] = []


class Element:
    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.children: list[Element] = []
        self.own_text = ""

    def all(self, tag: str, cls: str = "") -> "list[Element]":
        found = [self] if self.tag == tag and cls in ("", *self.attributes.get("class", "").split()) else []
        return found + [element for child in self.children for element in child.all(tag, cls)]

    @property
    def text(self) -> str:
        return self.own_text + "".join(child.text for child in self.children)


class Tree(HTMLParser):
    """Parses a page and fails where an element is closed by another one."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = Element("root", {})
        self.open = [self.root]
        self.feed(html)
        self.close()
        assert len(self.open) == 1, f"<{self.open[-1].tag}> is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].own_text += data


def make_video(folder: Path, name: str = "clip.mp4") -> Path:
    path = folder / name
    write_video(path, [np.full((16, 16, 3), 40 * number, np.uint8) for number in range(4)], frames_per_second=25)
    return path


def make_section(
    *videos: PageVideo,
    name: str = "clip",
    num_frames: int = 4,
    key_frames: tuple[int, ...] = (0, 2, 3),
    given_frames: int = 1,
    curves: dict[str, list[float | None]] | None = None,
) -> Section:
    return Section(name, list(videos), num_frames, 25.0, list(key_frames), given_frames, curves or {})


def write(
    path: Path,
    *sections: Section,
    table: list[dict[str, object]] = NO_ROWS,
    text: str = "text",
    parts: Sequence[Part] = (),
    embed_limit: int = 100_000,
) -> Element:
    write_page(
        path,
        title=text,
        intro=text,
        sections=list(sections),
        table=table,
        commands=[text],
        notes=[text],
        parts=parts,
        embed_limit=embed_limit,
    )
    return Tree(path.read_text(encoding="utf-8")).root


def table_of(page: Element) -> list[list[str]]:
    return [[cell.text for cell in row.children] for row in page.all("tr")]


def test_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    video = PageVideo("teacher", make_video(tmp_path))
    page = write(tmp_path / "index.html", make_section(video, curves={"teacher": [None, 20.0, 21.0, 22.0]}))
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not any(word in html for word in ("http:", "https:", "//cdn", "@import", "url("))
    sources = [
        element.attributes[name]
        for tag in ("video", "link", "script", "img")
        for element in page.all(tag)
        for name in ("src", "href")
        if name in element.attributes
    ]
    assert sources and all(source.startswith("data:") for source in sources)


def test_video_is_inside_the_page(tmp_path: Path) -> None:
    path = make_video(tmp_path)
    page = write(tmp_path / "index.html", make_section(PageVideo("real", path)))
    (video,) = page.all("video")
    head, data = video.attributes["src"].split(",")
    assert head == "data:video/mp4;base64" and base64.b64decode(data) == path.read_bytes()
    assert "videos are inside" in page.all("footer")[0].text


def test_large_videos_are_linked_and_the_page_says_so(tmp_path: Path) -> None:
    near = PageVideo("near", make_video(tmp_path, "out/a b#1%.mp4"))
    far = PageVideo("far", make_video(tmp_path, "far.mp4"))
    page = write(tmp_path / "out" / "index.html", make_section(near, far), embed_limit=1000)
    assert [video.attributes["src"] for video in page.all("video")] == ["a%20b%231%25.mp4", "../far.mp4"]
    assert "Move the page together with them" in page.all("footer")[0].text


def test_every_video_can_be_downloaded_and_printed(tmp_path: Path) -> None:
    video = PageVideo("fast", make_video(tmp_path, "fast/talk.mp4"))
    page = write(tmp_path / "index.html", make_section(video))
    (link,) = page.all("a", "download")
    assert (link.attributes["href"], link.attributes["download"]) == ("fast/talk.mp4", "fast_talk.mp4")
    (strip,) = page.all("div", "strips")[0].all("img")
    data = base64.b64decode(strip.attributes["src"].removeprefix("data:image/jpeg;base64,"))
    picture = np.asarray(Image.open(io.BytesIO(data)))
    assert picture.shape == (16, 4 * 16, 3)
    assert np.allclose(picture[8, 8::16, 0], [0, 40, 80, 120], atol=6)


@pytest.mark.parametrize("num_frames", [1, 5, 6, 7, 46, 1000])
def test_strips_spread_over_the_whole_video(num_frames: int) -> None:
    numbers = strip_frames(num_frames)
    assert len(numbers) == min(num_frames, 6) and numbers == sorted(set(numbers))
    assert numbers[0] + numbers[-1] in (num_frames - 1, num_frames) and max(numbers) < num_frames


def test_the_wipe_begins_with_the_real_video_and_the_last(tmp_path: Path) -> None:
    path = make_video(tmp_path)
    videos = [PageVideo(label, path) for label in ("Semantics (input)", "Real", "teacher", "fast")]
    page = write(tmp_path / "a.html", make_section(*videos))
    chosen = [option.text for option in page.all("option") if "selected" in option.attributes]
    assert chosen == ["Real", "fast"]
    alone = write(tmp_path / "b.html", make_section(*videos[:1]))
    assert not alone.all("select") and not alone.all("input", "wipe")


def test_time_has_a_chart_of_its_own_in_the_colour_of_its_method(tmp_path: Path) -> None:
    section = Section(
        "clip", [], 4, 25.0, [0, 3], 1, {"teacher": [None, 20.0, 21.0, 22.0]},
        {"fast": [None, 2.0, 2.0, 200.0], "teacher": [None, 400.0, 410.0, 405.0]},
    )  # fmt: skip
    page = write(tmp_path / "a.html", section)
    quality, time = page.all("svg", "chart")
    assert time.attributes["aria-label"] == "Time of each frame; mean: fast 68.00 ms, teacher 405.00 ms"
    styles = [line.attributes["style"] for chart in (quality, time) for line in chart.all("polyline")]
    assert styles == ["--colour: var(--curve0)", "--colour: var(--curve1)", "--colour: var(--curve0)"]
    assert any(item.text == "Time of each frame, ms, logarithmic" for item in page.all("li"))
    (player,) = page.all("div", "player")
    assert json.loads(player.attributes["data-units"]) == ["dB", "ms", "ms"]


def test_every_text_is_escaped(tmp_path: Path) -> None:
    video = PageVideo(HOSTILE, make_video(tmp_path), note=HOSTILE)
    section = make_section(video, name=HOSTILE, curves={HOSTILE: [1.0] * 4})
    page = write(tmp_path / "index.html", section, table=[{HOSTILE: HOSTILE, "b": HOSTILE}], text=HOSTILE)
    assert len(page.all("script")) == 1
    for tag in ("title", "h1", "h2", "small", "code", "th"):
        assert any(element.text == HOSTILE for element in page.all(tag)), tag
    assert page.all("p", "intro")[0].text == HOSTILE and page.all("ul", "notes")[0].text == HOSTILE


def test_commands_keep_their_lines(tmp_path: Path) -> None:
    write_page(tmp_path / "a.html", title="t", intro="i", sections=[], table=[], commands=["a  --b", "c > d"])
    (pre,) = Tree((tmp_path / "a.html").read_text(encoding="utf-8")).root.all("pre")
    assert pre.text == "a  --b\nc > d"


def test_missing_values_are_dashes_and_columns_keep_their_order(tmp_path: Path) -> None:
    page = write(
        tmp_path / "a.html",
        table=[
            {"name": "a", "fps": 9.876, "share": None},
            {"name": "b", "gmacs": 1717.2, "share": math.nan, "frames": 12345},
        ],
    )
    assert table_of(page) == [
        ["name", "fps", "share", "gmacs", "frames"],
        ["a", "9.876", "–", "–", "–"],
        ["b", "–", "–", "1,717", "12,345"],
    ]


def test_best_psnr_and_ssim_are_bold_and_nothing_else(tmp_path: Path) -> None:
    page = write(
        tmp_path / "a.html",
        table=[
            {"name": "a", "PSNR dB": 24.612, "mean_ssim": 0.81, "fps": 99.0},
            {"name": "b", "PSNR dB": 24.614, "mean_ssim": 0.80, "fps": 1.0},
            {"name": "c", "PSNR dB": 9.5, "mean_ssim": None},
        ],
    )
    assert [bold.text for bold in page.all("td") for bold in bold.all("b")] == ["24.61", "0.8100", "24.61"]


def test_figures_say_which_direction_is_better_and_tell_their_interval(tmp_path: Path) -> None:
    better = Estimate(0.5, 0.4, 0.6)
    page = write(
        tmp_path / "a.html",
        table=[
            {"name": "a", "flicker ↓": better, "made ↑": 1.0, "gain ↑": Estimate(0.25, -0.5, 1.0, is_difference=True)},
            {"name": "b", "flicker ↓": Estimate(0.7), "made ↑": 2.0, "gain ↑": Estimate(0.5, is_difference=True)},
        ],
    )
    assert [bold.text for bold in page.all("td") for bold in bold.all("b")] == ["0.5", "2"]
    assert [small.text for small in page.all("small")] == ["0.4 to 0.6", "-0.5 to +1"]
    assert "+0.25" in table_of(page)[1][3]


def test_parts_have_words_tables_drawings_and_links(tmp_path: Path) -> None:
    parts = [
        Part("Cost", f"in {HOSTILE}", rows=[{"name": "a", "ms": 3.5}]),
        Part("Plots", drawings=["<svg></svg>", "<svg></svg>"]),
        Part("Files", links=["plots/a b.svg"]),
    ]
    page = write(tmp_path / "a.html", table=NO_ROWS, parts=parts)
    assert [title.text for title in page.all("h2")][:3] == ["Cost", "Plots", "Files"]
    assert HOSTILE in page.text and len(page.all("div", "drawings")[0].all("svg")) == 2
    assert [link.attributes["href"] for link in page.all("a")] == ["plots/a%20b.svg"]


def test_a_number_without_rival_is_not_best(tmp_path: Path) -> None:
    assert not write(tmp_path / "a.html", table=[{"name": "a", "psnr": 20.0}, {"name": "b"}]).all("b")


def test_timeline_shows_given_frames_and_every_key_frame(tmp_path: Path) -> None:
    page = write(tmp_path / "a.html", make_section(num_frames=8, key_frames=(0, 1, 4, 4, 7), given_frames=2))
    (timeline,) = page.all("svg", "timeline")
    assert [key.attributes["x"] for key in timeline.all("rect", "key")] == ["0%", "12.5%", "50%", "87.5%"]
    assert timeline.all("rect", "given")[0].attributes["width"] == "25%"
    assert timeline.attributes["aria-label"] == "Timeline of 8 frames; 2 given at the start; key-frames 0, 1, 4, 7"
    assert page.all("p", "facts")[0].text == "8 frames · 25 frames per second · 2 given · 4 key-frames (50%)"


def test_a_curve_breaks_where_values_are_missing(tmp_path: Path) -> None:
    curve = [None, 20.0, 22.0, None, math.nan, 21.0]
    page = write(tmp_path / "a.html", make_section(num_frames=6, curves={"teacher": curve}))
    assert [line.attributes["points"] for line in page.all("polyline")] == ["1.5,94.6 2.5,5.4", "5.5,50.0 5.5,50.0"]
    (player,) = page.all("div", "player")
    assert json.loads(player.attributes["data-curves"]) == [[None, 20.0, 22.0, None, None, 21.0]]


def test_copies_of_the_real_frames_do_not_flatten_the_chart(tmp_path: Path) -> None:
    page = write(tmp_path / "a.html", make_section(curves={"fast": [100.0, math.inf, 22.0, 20.0]}))
    assert page.all("polyline")[0].attributes["points"] == "0.5,0.0 1.5,0.0 2.5,5.4 3.5,94.6"
    assert any("drawn at the upper edge" in note.text for note in page.all("p"))


def test_video_and_curve_of_one_label_share_a_colour(tmp_path: Path) -> None:
    path = make_video(tmp_path)
    curves: dict[str, list[float | None]] = {"teacher": [1.0] * 4, "fast": [2.0] * 4}
    page = write(tmp_path / "a.html", make_section(PageVideo("real", path), PageVideo("fast", path), curves=curves))
    captions = page.all("figcaption")
    assert not captions[0].all("span", "swatch")
    assert captions[1].all("span", "swatch")[0].attributes["style"] == page.all("polyline")[1].attributes["style"]


def test_controls_are_named_and_every_video_too(tmp_path: Path) -> None:
    page = write(tmp_path / "a.html", make_section(PageVideo("real", make_video(tmp_path))))
    named = page.all("button") + page.all("video") + page.all("input", "scrubber") + page.all("svg", "timeline")
    assert len(named) == 6 and all(element.attributes["aria-label"] for element in named)


@settings(max_examples=15, deadline=None)
@given(num_frames=st.integers(1, 400), data=st.data())
def test_any_sequence_makes_a_well_formed_page(
    num_frames: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    frames = st.integers(0, num_frames - 1)
    section = make_section(
        num_frames=num_frames,
        given_frames=data.draw(st.integers(0, num_frames)),
        key_frames=tuple(data.draw(st.lists(frames, max_size=6))),
        curves={"a": data.draw(st.lists(st.none() | st.floats(), min_size=num_frames, max_size=num_frames))},
    )
    page = write(tmp_path_factory.mktemp("page") / "a.html", section)
    values = json.loads(page.all("div", "player")[0].attributes["data-curves"])[0]
    assert len(values) == num_frames
    assert all(value is None or 0 <= value <= 100 for value in values)


def test_a_missing_video_is_a_user_error_and_leaves_no_page(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gone.mp4: expected a video"):
        write(tmp_path / "a.html", make_section(PageVideo("real", tmp_path / "gone.mp4")))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_frames": 0},
        {"key_frames": (4,)},
        {"key_frames": (-1,)},
        {"given_frames": 5},
        {"curves": {"a": [1.0, 2.0]}},
    ],
)
def test_a_section_that_contradicts_itself_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="section clip: expected"):
        make_section(**wrong)
