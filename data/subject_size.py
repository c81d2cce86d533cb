"""The size of what a video shows, in its own pixels, against its size in training.

The curves of a face and the edges around it are found in a frame's own pixels, and distances are counted in them: the
same face in frames of another size has other semantic frames. Kinds whose frames mean the same at any size have no
subject width.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.kinds.interface import Frames
from data.sequences import VideoSequence

# widths are looked up in so many training frames, evenly spaced
_MOST_FRAMES = 200
# widths within a tenth of those of the training count as those
_TOLERANCE = 1.1
# frames are not enlarged beyond this side: it would be slow, and show no more
_LARGEST_SIDE = 1920


class UsualWidths(NamedTuple):
    """Between which widths, in pixels and above 0, nine tenths of the training's subjects lie."""

    smallest: float
    largest: float

    def __str__(self) -> str:
        """In words."""
        low, high = f"{self.smallest:.0f}", f"{self.largest:.0f}"
        return f"{low} pixels" if low == high else f"{low} to {high} pixels"

    def factor(self, width: float) -> float:
        """By how much frames must be resized that show a subject of ``width`` > 0; 1 where it is like the training's.

        In thousandths, so that what is told of it can be given to a program.
        """
        if self.smallest / _TOLERANCE <= width <= self.largest * _TOLERANCE:
            return 1.0
        return max(round(float(np.clip(width, self.smallest, self.largest)) / width, 3), 0.001)


def usual_widths(sequences: Sequence[Frames]) -> UsualWidths | None:
    """The widths in a training set; None for kinds whose frames mean the same at any size.

    Raises:
        UserError: a file of landmarks is broken.
    """
    places = [(frames, number) for frames in sequences for number in range(len(frames))]
    chosen = [places[int(place)] for place in np.linspace(0, len(places) - 1, min(len(places), _MOST_FRAMES))]
    widths = [width for frames, number in chosen if (width := frames.subject_width(number)) is not None]
    return UsualWidths(*(float(one) for one in np.quantile(widths, (0.05, 0.95)))) if widths else None


class Resizing(NamedTuple):
    """By how much the frames of a video are resized, and why, in words for the log."""

    factor: float
    note: str


def resizing(widths: Sequence[float], usual: UsualWidths | None, *, size: tuple[int, int]) -> Resizing:
    """What to do with a video of faces.

    Args:
        widths: of the faces in some of its frames; the median counts, since a head that turns looks narrower and a
            detector errs now and then.
        usual: those of the training; None where the checkpoint does not tell.
        size: height and width of the frames.
    """
    if usual is None:
        return Resizing(1.0, "frames keep their size: this checkpoint does not tell how large its training's faces are")
    widths = [width for width in widths if width > 0]
    if not widths:
        return Resizing(1.0, "frames keep their size: no face in those that were looked at first")
    width = float(np.median(widths))
    wanted = usual.factor(width)
    factor = min(wanted, max(1.0, _LARGEST_SIDE * 1000 // max(size) / 1000))
    faces = f"faces are {width:.0f} pixels wide, those of the training {usual}"
    done = "keep their size" if factor == 1.0 else f"resized {factor:g} times"
    limit = f"; {wanted:g} times would make the frames too large" if factor < wanted else ""
    return Resizing(factor, f"frames {done}: {faces}{limit}")


def note_on_sizes(sequences: Sequence[VideoSequence], usual: UsualWidths | None) -> str | None:
    """What to tell of a dataset whose subjects have other sizes than the training's; None: nothing."""
    if usual is None:
        return None
    widths = {one.name: one.subject_width for one in sequences}
    others = {name: width for name, width in widths.items() if width is not None and usual.factor(width) != 1.0}
    if not others:
        return None
    name, width = next(iter(others.items()))
    return (
        f"note: {len(others)} of {len(widths)} sequences show faces of other sizes than the training's {usual}; "
        f"{name}: {width:.0f}, which `python -m data.prepare face --enlarge {usual.factor(width):g}` mends"
    )
