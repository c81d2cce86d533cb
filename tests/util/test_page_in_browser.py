"""The pages in a real browser: they play, step to the right frame, wipe, fit a phone and follow into the dark.

Needs the package playwright and Chromium or Chrome on the PATH, else everything here is skipped, or fails where
``NEED_BROWSER=1``. ``SCREENSHOTS=FOLDER`` keeps pictures of all pages.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.training.run_page import write_run_page
from options.config import TrainConfig
from util.media.pictures import write_picture
from util.media.video import write_video
from util.report.page import write_page
from util.report.page_data import Estimate, PageVideo, Part, Section
from util.report.plots import Point, curves, scatter

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NUM_FRAMES, SIDE = 24, 96
LABELS = ("Semantics (input)", "Real", "Teacher, every frame", "Student on key-frames + motion compensation")
# the frame that a video shows: five black or white stripes are the digits of its number
NUMBER_SHOWN = """video => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0);
  const across = (digit) => (digit + 0.5) * canvas.width / 5;
  return [0, 1, 2, 3, 4].reduce((sum, digit) =>
    sum + (context.getImageData(across(digit), canvas.height * 0.75, 1, 1).data[0] > 127 ? 2 ** digit : 0), 0);
}"""
SETTLED = "[...document.querySelectorAll('video')].every(video => !video.seeking && video.readyState >= 2)"

Open = Callable[..., "Page"]


def missing(reason: str) -> None:
    if os.environ.get("NEED_BROWSER") == "1":
        pytest.fail(f"NEED_BROWSER=1, but {reason}")
    pytest.skip(f"{reason} (CONTRIBUTING.md says how to get it)")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the package playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing("neither chromium nor google-chrome is on the PATH")
    with sync_playwright() as playwright:
        # in containers there is no sandbox for root, and little shared memory
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[Open]:
    """Opens a file as a page of some width, and fails where the page had an error or asked for anything outside."""
    faults: list[str] = []
    contexts = []

    def open_one(path: Path, *, width: int = 1280, dark: bool = False, script: bool = True) -> "Page":
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(f"failed: {request.url[:200]}"))
        page.on("request", lambda request: faults.extend([request.url] if request.url.startswith("http") else []))
        page.goto(path.as_uri())
        if script:
            page.wait_for_function(SETTLED)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []


def striped(number: int, *, shade: int) -> np.ndarray:
    """A picture of its number: digits below, an even shade above."""
    picture = np.full((SIDE, SIDE * 5 // 3, 3), shade, np.uint8)
    digits = np.array([(number >> digit) % 2 for digit in range(5)], np.uint8) * 255
    picture[SIDE // 2 :] = np.repeat(digits, SIDE // 3)[None, :, None]
    return picture


def make_results(folder: Path) -> Path:
    videos = []
    for shade, label in enumerate(LABELS):
        path = folder / f"method{shade}" / "clip.mp4"
        write_video(path, (striped(n, shade=60 * shade) for n in range(NUM_FRAMES)), frames_per_second=12)
        videos.append(PageVideo(label, path))
    waves = {label: [None, *(20 + np.sin(np.arange(1, NUM_FRAMES) / 4 + n))] for n, label in enumerate(LABELS[2:])}
    times: dict[str, list[float | None]] = {
        LABELS[2]: [None, *[400.0] * (NUM_FRAMES - 1)],
        LABELS[3]: [None, *(300.0 if number % 4 == 0 else 9.0 for number in range(1, NUM_FRAMES))],
    }
    section = Section("clip", videos, NUM_FRAMES, 12.0, list(range(0, NUM_FRAMES, 4)), 1, waves, times)
    write_page(
        folder / "index.html",
        title="Fast-Vid2Vid: results",
        intro="What test.py writes.",
        sections=[section],
        table=[{"method": label, "PSNR (dB)": 20.5, "SSIM": 0.61, "frames / s": 2.3} for label in LABELS],
        commands=["python test.py --checkpoint checkpoints/face_sample_student --dataroot datasets/face_sample " * 2],
    )  # fmt: skip
    return folder / "index.html"


def make_training(folder: Path) -> Path:
    steps = range(10, 1000, 10)
    terms = {"G_GAN": 1.5, "G_pixel": 20.0, "D_fake": 0.4, "D_real": 0.5, "learning_rate": 0.0004}
    rows = [
        {"step": step} | {name: value * (0.5 + 30 / (step + 20)) for name, value in terms.items()} for step in steps
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loss_log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for step in (100, 500, 990):
        pictures = [striped(step // 50, shade=shade) for shade in (0, 90, 180, 250)]
        write_picture(folder / "pictures" / f"{step:07d}.png", np.hstack(pictures))
    metadata = {"command": "python train.py --name face", "components": ["reference flow: dis"]}
    write_run_page(folder, config=TrainConfig(), metadata=metadata, step=990, num_steps=2000, seconds=600)
    return folder / "index.html"


def make_table(folder: Path) -> Path:
    points = [Point(label, 10.0**n, 20.0 + n, (19.5 + n, 20.4 + n)) for n, label in enumerate(LABELS)]
    lines = {label: [20 + n - number / 10 for number in range(20)] for n, label in enumerate(LABELS)}
    heading = "psnr ↑"
    write_page(
        folder / "index.html",
        title="Table: face",
        intro="What benchmark.py table writes.",
        sections=[],
        table=[{"method": label, heading: Estimate(20.0, 19.5, 20.4), "FPS": 3.0} for label in LABELS],
        commands=["python benchmark.py table"],
        parts=[
            Part(
                heading,
                drawings=[
                    scatter(points, x_label="milliseconds a frame", y_label=heading),
                    curves(lines, x_label="frame", y_label=heading),
                ],
            )
        ],
    )  # fmt: skip
    return folder / "index.html"


MAKERS = {"results": make_results, "training": make_training, "table": make_table}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


def keep(page: "Page", name: str) -> None:
    if "SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["SCREENSHOTS"]) / f"{name}.png", full_page=True)


def background(page: "Page") -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("name", MAKERS)
def test_a_page_fits_a_phone_and_is_dark_where_the_reader_is(
    pages: dict[str, Path], open_page: Open, name: str
) -> None:
    desktop, dark, phone = (
        open_page(pages[name]),
        open_page(pages[name], dark=True),
        open_page(pages[name], width=390, dark=True),
    )
    assert desktop.evaluate("document.documentElement.scrollWidth") <= 1280
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert background(desktop) != background(dark) == background(phone)
    drawn = ".drawings svg > rect, .chart > .paper"
    light_paper, dark_paper = (
        page.locator(drawn).first.evaluate("element => getComputedStyle(element).fill") for page in (desktop, dark)
    )
    assert light_paper != dark_paper
    for page, label in ((desktop, "light"), (dark, "dark"), (phone, "phone")):
        keep(page, f"{name}_{label}")


def test_all_videos_play_in_step_and_stop(pages: dict[str, Path], open_page: Open) -> None:
    page = open_page(pages["results"])
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('.player').classList.contains('playing')")
    page.wait_for_function("[...document.querySelectorAll('video')].every(video => video.currentTime > 0.4)")
    page.keyboard.press(" ")
    page.wait_for_function("[...document.querySelectorAll('video')].every(video => video.paused)")
    page.wait_for_function(SETTLED)
    shown = [video.evaluate(NUMBER_SHOWN) for video in page.locator("video").all()]
    assert len(shown) == 4 and len(set(shown)) == 1
    assert page.locator(".readout b").inner_text() == str(shown[0])


def test_stepping_shows_the_frame_that_is_told(pages: dict[str, Path], open_page: Open) -> None:
    page = open_page(pages["results"])
    video = page.locator("video").last

    def check(number: int) -> None:
        page.wait_for_function(SETTLED)
        assert page.locator(".readout b").inner_text() == str(number)
        assert video.evaluate(NUMBER_SHOWN) == number

    check(12)
    for number in (13, 14, 15, 16, 17):
        page.keyboard.press("ArrowRight")
        check(number)
    page.get_by_label("One frame back").click()
    check(16)
    page.keyboard.press("ArrowLeft")  # the button does not keep the keyboard
    check(15)
    box = page.locator(".timeline").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 3.5 / NUM_FRAMES, box["y"] + box["height"] / 2)
    check(3)
    values = page.locator(".legend output").all_inner_texts()
    assert values[2:] == ["400 ms", "9.00 ms"] and values[0].endswith(" dB")


def test_the_wipe_clips_the_left_video_by_mouse_and_keyboard(pages: dict[str, Path], open_page: Open) -> None:
    page = open_page(pages["results"])
    page.get_by_text("wipe", exact=True).click()
    keep(page, "results_wipe")
    shown = page.locator("figure:visible figcaption > span:not(.swatch)").all_inner_texts()
    assert shown == [LABELS[1], LABELS[3]]
    page.locator("select.left").select_option(LABELS[2])
    box = page.locator(".wiping .videos").bounding_box()
    assert box is not None
    width = box["width"]

    def left_share() -> float:
        """By what is seen: the upper halves are even, the left one of shade 120, the right one of 180."""
        clip = {"x": box["x"], "y": box["y"] + box["height"] / 5, "width": width, "height": 1}
        picture = np.asarray(page_picture(page, clip))[0, :, 0].astype(int)
        return float(np.mean(np.abs(picture - 120) < np.abs(picture - 180)))

    assert left_share() == pytest.approx(0.5, abs=0.02)
    page.mouse.move(box["x"] + width / 2, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + width * 0.8, box["y"] + 60, steps=4)
    page.mouse.up()
    assert left_share() == pytest.approx(0.8, abs=0.03)
    page.locator(".wipe").focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert left_share() == pytest.approx(0.7, abs=0.03)
    assert page.locator(".readout b").inner_text() == "12"
    page.locator("select.right").select_option(LABELS[2])  # the same on both sides: they change places
    assert page.locator("select.left").input_value() == "3"


def page_picture(page: "Page", clip: dict[str, float]) -> np.ndarray:
    import cv2

    found = cv2.imdecode(np.frombuffer(page.screenshot(clip=clip), np.uint8), cv2.IMREAD_COLOR)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_video_is_downloaded_from_the_page_itself(pages: dict[str, Path], open_page: Open, tmp_path: Path) -> None:
    alone = tmp_path / "mailed.html"
    shutil.copy(pages["results"], alone)
    page = open_page(alone)
    with page.expect_download() as waiting:
        page.locator(".download").last.click()
    assert waiting.value.suggested_filename == "method3_clip.mp4"
    saved = Path(waiting.value.path())
    assert saved.read_bytes() == (pages["results"].parent / "method3" / "clip.mp4").read_bytes()


def test_paper_and_browsers_without_scripts_get_frames(pages: dict[str, Path], open_page: Open) -> None:
    page = open_page(pages["results"], dark=True)
    assert not page.locator(".strips").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".strips img").count() == 4 and page.locator(".strips img").first.is_visible()
    assert not page.locator("video").first.is_visible() and not page.locator(".controls").is_visible()
    assert background(page) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 31, 36)"
    keep(page, "results_print")
    bare = open_page(pages["results"], script=False)
    assert bare.locator(".strips").is_visible() and bare.locator("video[controls]").first.is_visible()
    assert not bare.locator(".keys").is_visible()
    keep(bare, "results_without_script")


def test_the_pictures_of_a_training_are_there(pages: dict[str, Path], open_page: Open) -> None:
    page = open_page(pages["training"])
    for image in page.locator(".pictures img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth === 640)")
    assert page.locator(".pictures figcaption").all_inner_texts() == ["step 990", "step 500", "step 100"]
