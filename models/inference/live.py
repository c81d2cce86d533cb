"""Live synthesis: a video that is made and watched while its input still arrives, from a camera or in place of one.

Every part has a thread of its own: camera, landmarks, drawing, motion compensation, JPEG, the page. What waits between
them is bounded; what is dropped is counted.
"""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from data.build import build_encoder
from data.kinds.interface import Encoder
from data.sequences import VideoSequence
from data.sources.camera import (
    CameraCounts,
    CameraStart,
    DropOldestQueue,
    LiveFrame,
    camera_frames,
    camera_pictures,
    sequence_frames,
)
from data.sources.own_video import own_video
from models.checkpoint import Checkpoint
from models.inference.first_frames import FirstFrames
from models.inference.pipeline import Method, make_first_frames, make_methods, noted_finder, noted_widths, sequences_of
from models.inference.threads import in_background
from models.interpolation.choose import resolve_interpolation
from options.config import LIVE_PORT, TestConfig
from util.device import choose_device
from util.errors import UserError
from util.media.pictures import jpeg_of, to_uint8
from util.report.live_page import LivePage, Picture, PlayoutClock

# where --lookahead does not say: a gap of up to 6 frames, a quarter of a second at 25 frames per second
LOOKAHEAD = 6
# figures that a source may have, and their words
COUNTS = {
    "dropped": "dropped at the input",
    "num_before_face": "before the first face or person",
    "num_held": "without one",
}


class StreamPass(NamedTuple):
    """A pass of a stream: a sequence from its beginning, or a camera until it ends."""

    frames: Iterator[LiveFrame]
    first_frames: list[Tensor]


def sequence_passes(sequences: Sequence[VideoSequence], first_frames: FirstFrames) -> Iterator[StreamPass]:
    """Sequences one after the other, again and again, each at its own rate."""
    while True:
        for sequence in sequences:
            yield StreamPass(sequence_frames(sequence), first_frames.frames(sequence))
            sequence.forget_encoded()


def camera_passes(frames: Iterator[LiveFrame], first_frames: FirstFrames, *, name: str) -> Iterator[StreamPass]:
    """A camera's frames, in one pass.

    Raises:
        UserError: it shows nothing that could be drawn from.
    """
    first = list(islice(frames, max(first_frames.count, 1)))
    if not first:
        raise UserError(f"--webcam {name}: expected a stream with a face or a person, as the model draws; found none")
    yield StreamPass(chain(first, frames), first_frames.frames(CameraStart(name, first)))


class LiveStream:
    """Every frame of a stream with what the engine made of it.

    Attributes:
        num_arrived: frames that went into the engine.
        num_drawn: those of them that the generator drew.
    """

    def __init__(self, method: Method, passes: Iterator[StreamPass]) -> None:
        """Args: who draws, and what."""
        self.num_arrived = 0
        self.num_drawn = 0
        self._method = method
        self._passes = passes

    @property
    def drawn_share(self) -> float:
        """Drawn frames per frame that went in."""
        return self.num_drawn / max(self.num_arrived, 1)

    def __iter__(self) -> Iterator[tuple[LiveFrame, Tensor]]:
        """Pairs in order; what arrives before the engine is warm, for frames of that size, counts as arriving then."""
        began = 0.0
        warm_sizes: set[torch.Size] = set()
        for frames, first_frames in self._passes:
            first = next(frames, None)
            if first is None:
                continue
            if first.semantic.shape not in warm_sizes:
                self._method.engine.warm_up(first.semantic)
                warm_sizes.add(first.semantic.shape)
                began = time.perf_counter()
            frames = chain([first], frames)
            num_drawn = self.num_drawn
            for frame, drawn in self._drawn(frames, first_frames):
                self.num_drawn = num_drawn + self._method.engine.stopwatch.generator_calls
                yield frame._replace(time=max(frame.time, began)), drawn

    def _drawn(self, frames: Iterator[LiveFrame], first_frames: list[Tensor]) -> Iterator[tuple[LiveFrame, Tensor]]:
        waiting: deque[LiveFrame] = deque()

        def semantics() -> Iterator[Tensor]:
            for frame in frames:
                self.num_arrived += 1
                waiting.append(frame)
                yield frame.semantic

        for drawn in self._method.synthesize_stream(semantics(), first_frames, overlapped=True):
            yield waiting.popleft(), drawn


class Source(NamedTuple):
    """Where a live stream comes from.

    Attributes:
        name: in words, for the page.
        passes: its frames.
        counts: what became of its pictures, for the page.
    """

    name: str
    passes: Iterator[StreamPass]
    counts: Callable[[], dict[str, float]]


def open_source(config: TestConfig, saved: Checkpoint, first_frames: FirstFrames) -> Source:
    """A camera (``--webcam``), a video of one's own (``--video``), or the sequences of a dataset, for a checkpoint.

    Raises:
        UserError: there is no such thing, or the model cannot draw from it.
    """
    data, usual, finder = saved.config.data, noted_widths(saved), noted_finder(saved)
    if config.webcam is not None:
        pictures, counts = DropOldestQueue(camera_pictures(config.webcam)), CameraCounts()
        found = camera_frames(pictures, data, counts=counts, usual=usual, finder=finder, segmenter=config.segmenter)
        frames = in_background(found)
        return Source(
            f"camera {config.webcam}" if config.webcam.isdecimal() else Path(config.webcam).name,
            camera_passes(frames, first_frames, name=config.webcam),
            lambda: {"dropped": pictures.num_dropped, **vars(counts)},
        )
    if config.video is not None:
        sequence, note = own_video(
            Path(config.video), data, usual=usual, finder=finder, segmenter=config.segmenter, retarget=config.retarget
        )
        sequences = [sequence]
        if note:
            print(note)
    else:
        sequences = sequences_of(config, saved)
    name, rate = Path(config.video or config.dataroot).name, sequences[0].frames_per_second
    return Source(
        f"{name}, {rate:.4g} frames/s, again and again",
        sequence_passes(sequences, first_frames),
        lambda: {"dropped": 0},
    )


def pictures_of(stream: LiveStream, encoder: Encoder) -> Iterator[Picture]:
    """Semantics and video side by side, as files."""
    for frame, drawn in stream:
        jpeg = jpeg_of(encoder.picture(frame.semantic), to_uint8(drawn))
        yield Picture(frame.time, time.perf_counter(), jpeg)


def show(pictures: Iterator[Picture], page: LivePage, *, ahead: int) -> None:
    """Show pictures evenly, until there are no more; ``ahead`` of them may wait.

    Where one more is ready the oldest is shown at once: else those after a stall would wait as long as it took, which
    would hold up the engine, whose pictures would come late again.
    """
    playout, is_crowded = PlayoutClock(), threading.Event()

    def noticed() -> Iterator[Picture]:
        for number, picture in enumerate(pictures, start=1):
            if number - page.num_shown > ahead + 1:  # besides those that wait one is in hand below
                is_crowded.set()
            yield picture

    for picture in in_background(noticed(), ahead=ahead):
        due = playout.when(arrived=picture.arrived, ready=picture.ready)
        is_crowded.wait(max(0.0, due - time.perf_counter()))
        page.show(picture.jpeg, arrived=picture.arrived)
        is_crowded.clear()


@contextmanager
def interrupted_once() -> Iterator[None]:
    """From the first Ctrl-C on others wait, so that threads and files end as they should."""
    if threading.current_thread() is not threading.main_thread():  # where signals never come
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _title(save: Path) -> str:
    """A run's name and which of its saves it is, such as ``face, latest``; the name alone where it is the whole run."""
    is_of_run = save.name in ("latest", "best") or save.name.startswith("epoch_")
    return f"{save.parent.name}, {save.name}" if is_of_run else save.name


def run_live(config: TestConfig) -> None:
    """Show a stream on a page of this machine (``--serve``, ``--webcam``) until it ends, or Ctrl-C.

    Raises:
        UserError: the port is taken, or the source or checkpoint is not what it should be.
    """
    device = choose_device(config.device)
    torch.manual_seed(config.seed)
    method = make_methods(replace(config, lookahead=config.lookahead or LOOKAHEAD), device)[0]
    data, generator = method.saved.config.data, method.saved.config.generator
    first_frames = make_first_frames(config, data=data, count=generator.n_frames_G - 1, device=device)
    source = open_source(config, method.saved, first_frames)
    stream = LiveStream(method, source.passes)
    metadata = {
        "title": "Fast-Vid2Vid, live",
        "source": source.name,
        "checkpoint": _title(method.saved.folder.resolve()),
        "rows": {
            "Device": str(device),
            "Runtime": Path(config.runtime_file).name if config.runtime_file else config.runtime,
            "Look-ahead": f"{method.lookahead} frames",
            "Motion compensation": resolve_interpolation(config.interpolation, kind=data.dataset_mode),
        },
    }
    page = LivePage(
        port=LIVE_PORT if config.serve is None else config.serve,
        metadata=metadata,
        counts=lambda: source.counts() | {"generated_share": stream.drawn_share},
    )
    with interrupted_once(), page:
        print(f"live: {page.url} (Ctrl-C ends it)", flush=True)
        try:
            show(pictures_of(stream, build_encoder(data)), page, ahead=method.lookahead + 2)
        except KeyboardInterrupt:
            print()
        print(closing_words(page.status()))


def closing_words(status: Mapping[str, Any]) -> str:
    """The figures of a stream that has ended, in a line."""
    latency = status["latency"]
    times = ", ".join(f"{name} {latency[name]:.0f}" for name in ("median", "95th", "worst") if name in latency)
    counts = ", ".join(f"{status[name]} {words}" for name, words in COUNTS.items() if name in status)
    return f"{status['shown']} frames shown in {status['seconds']} s, {counts}; latency in ms: {times or 'none'}"
