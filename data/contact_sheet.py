"""A page for a person: the first frame of each sequence, what the model will be given, and one over the other."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from dominate import document, tags
from dominate.util import raw
from PIL import Image

from data.build import build_geometry, build_kind
from data.kinds.interface import Frames
from data.layout import Problems
from data.storage.picture_files import ArrayCache
from data.transforms import View
from options.data_config import DataConfig
from util.errors import UserError
from util.files import write_text
from util.media.pictures import to_uint8

# sides of a drawing, at most; more tells no more and makes the page large
LARGEST_SIDE = 320
STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; width: min(100% - 2rem, 90rem) }
figure { display: inline-block; margin: 0 1.5rem 1.5rem 0; max-width: 100%; vertical-align: top }
img { display: block; max-width: 100% } figcaption { max-width: 60rem } .error { color: #d04050 }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
"""


def write_contact_sheet(path: Path, config: DataConfig, *, root: Path, phases: Sequence[str], outcome: str) -> None:
    """Write an HTML file that needs no other: a row of pictures for each sequence of the dataset ``root``.

    Args:
        path: of the page.
        config: how files become tensors.
        root: the dataset's folder.
        phases: parts of it.
        outcome: what was found, in a few lines.
    """
    kind = build_kind(config)
    page = document(title=f"{root.name}: first frames")
    page.set_attribute("lang", "en")
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        tags.style(raw(STYLE))
    with page:
        tags.h1(f"{root.name}: first frames")
        tags.p("Of each sequence: the real frame, its semantics, one over the other. Do they fit?")
        for phase in phases:
            tags.h2(phase)
            # what is broken was told already: the rest is drawn
            found = kind.files(root, phase=phase, needs_images=False, problems=Problems(is_raised=False))
            for files in found:
                _draw(kind.frames(files, cache=ArrayCache(max_bytes=0)), config)
        tags.h2("Findings")
        tags.pre(outcome)
    write_text(path, page.render(pretty=False) + "\n")


def _draw(frames: Frames, config: DataConfig) -> None:
    """A sequence's figure; where its first frame is broken, the error."""
    caption = f"{frames.files.name}, {len(frames)} frames"
    with tags.figure():
        try:
            pictures = first_frame(frames, config)
        except UserError as error:
            tags.figcaption(caption)
            tags.p(str(error), cls="error")
            return
        height, width = frames.size(0)
        tags.img(src=_embedded(np.hstack(pictures)), alt=caption)
        tags.figcaption(f"{caption} of {width} x {height}")


def first_frame(frames: Frames, config: DataConfig) -> list[np.ndarray]:
    """Pictures of the first frame as the model is given it, uint8 [H, W, 3]: real, semantics, one over the other.

    Semantics alone where there is no real video.

    Raises:
        UserError: a file is broken.
    """
    encoder = build_kind(config).encoder
    view = View(frames.size(0), build_geometry(config).place(frames.box(0)))
    semantics = encoder.picture(encoder.finish(frames.semantic(0, view=view, rng=None)))
    image = frames.image(0, view=view)
    if image is None:
        return [semantics]
    real = to_uint8(image)
    return [real, semantics, real // 2 + semantics // 2]


def _embedded(picture: np.ndarray) -> str:
    image, written = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((3 * LARGEST_SIDE, LARGEST_SIDE))
    image.save(written, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode()
