"""What a result page shows: sequences with their videos and curves, values with their intervals, further parts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

MISSING = "–"


@dataclass(frozen=True)
class PageVideo:
    """One of the videos that play side by side.

    Attributes:
        label: the method, shown below; a curve of the same label gets the same colour.
        path: the mp4 file.
        note: a few words more, such as how fast it was generated.
    """

    label: str
    path: Path
    note: str = ""


class Chart(NamedTuple):
    """Curves of one quantity over the frames of a sequence.

    Attributes:
        title: what it is.
        unit: behind its values.
        curves: by label; None where a frame has no value. Two decimals, no NaN, nothing infinite: JSON has neither.
        ceiling: larger values are drawn at the upper edge, so that the others stay readable.
        why_above: what such values mean.
    """

    title: str
    unit: str
    curves: dict[str, list[float | None]]
    ceiling: float = math.inf
    why_above: str = ""


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
        milliseconds: by label, the time that each frame took; None where a frame has none.
    """

    name: str
    videos: list[PageVideo]
    num_frames: int
    frames_per_second: float
    key_frames: list[int]
    given_frames: int
    curves: dict[str, list[float | None]]
    milliseconds: dict[str, list[float | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
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
        for label, curve in (*self.curves.items(), *self.milliseconds.items()):
            if len(curve) != self.num_frames:
                raise ValueError(
                    f"section {self.name}: expected {self.num_frames} values in the curve of {label}, got {len(curve)}"
                )

    @property
    def sorted_keys(self) -> list[int]:
        """The key-frames in order, each once."""
        return sorted(set(self.key_frames))

    @property
    def labels(self) -> list[str]:
        """Those who have a curve; the place of one decides its colour."""
        return list(dict.fromkeys([*self.curves, *self.milliseconds]))

    @property
    def charts(self) -> list[Chart]:
        """What is drawn over the frames, without what has no curve."""
        # a frame that is a copy of the real one has infinite PSNR
        quality = {label: [_rounded(value, most=100.0) for value in curve] for label, curve in self.curves.items()}
        times = {label: [_rounded(value, most=1e9) for value in curve] for label, curve in self.milliseconds.items()}
        found = [
            Chart("PSNR of each frame", "dB", quality, 60.0, "frames that are copies of the real ones"),
            Chart("Time of each frame", "ms", times),
        ]
        return [chart for chart in found if chart.curves]


def _rounded(value: float | None, *, most: float) -> float | None:
    return None if value is None or math.isnan(value) else round(min(max(value, 0.0), most), 2)


class Estimate(NamedTuple):
    """A value of a table with its interval, which stands below it in small print.

    Attributes:
        value: the number itself.
        low, high: the ends of its interval; None: no interval.
        is_difference: it is printed with its sign, and none of a column is the best.
    """

    value: float
    low: float | None = None
    high: float | None = None
    is_difference: bool = False


class Picture(NamedTuple):
    """A picture file on a page.

    Attributes:
        address: relative to the page.
        caption: what it shows.
    """

    address: str
    caption: str


@dataclass(frozen=True)
class Part:
    """A further part of a page, below its numbers; what is empty is left out.

    Attributes:
        title: its headline.
        text: what the reader must know.
        rows: a table, see ``write_page``.
        drawings: SVG documents, side by side.
        pictures: files, side by side where there is room.
        links: relative addresses of files.
    """

    title: str
    text: str = ""
    rows: list[dict[str, object]] = field(default_factory=list)
    drawings: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    links: Sequence[str] = ()
