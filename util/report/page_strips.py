"""Strips of frames: what a page shows of its videos on paper, and in a browser without scripts."""

import base64

from dominate import tags

from util.media.pictures import jpeg_of
from util.media.video import read_video
from util.report.page_data import PageVideo, Section

NUM_FRAMES = 6


def strip_frames(num_frames: int) -> list[int]:
    """Numbers of frames evenly spread over a video, each once."""
    return sorted({(2 * place + 1) * num_frames // (2 * NUM_FRAMES) for place in range(NUM_FRAMES)})


def draw_strips(section: Section) -> None:
    """Add a strip of frames of every video to the open HTML element, embedded as JPEG files."""
    numbers = strip_frames(section.num_frames)
    with tags.div(cls="strips"):
        tags.p(f"Frames {', '.join(map(str, numbers))}", cls="quiet")
        for video in section.videos:
            with tags.figure():
                tags.figcaption(video.label)
                content = base64.b64encode(_strip(video, numbers)).decode("ascii")
                tags.img(src=f"data:image/jpeg;base64,{content}", alt=f"{video.label}, frames side by side")


def _strip(video: PageVideo, numbers: list[int]) -> bytes:
    pictures = []
    for number, picture in enumerate(read_video(video.path)):
        if number in numbers:
            pictures.append(picture)
        if number >= numbers[-1]:
            break
    return jpeg_of(*pictures)
