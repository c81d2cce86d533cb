"""Imitation of how the published program filled the frames between key-frames, to compare with alone.

It knows no times: key-frames become a video of a constant rate, whose rate is raised by ffmpeg's motion interpolation
in 4:2:0 and through compressed files, and frames are deleted at random until their number is right.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from util.media.video import VideoWriter, read_video

_RATE = 10  # of the video of key-frames; only the ratio to the raised rate matters
_CRF = 23  # what x264 does when nothing is asked of it


def published_pipeline(keyframes: Sequence[np.ndarray], *, num_frames: int, seed: int) -> list[np.ndarray]:
    """The video that the published program would make of ``keyframes``.

    Args:
        keyframes: at least one, uint8 [H, W, 3], sides of at least 32 pixels; their times are not asked for.
        num_frames: of the video.
        seed: of the deletions.
    """
    height, width, _ = keyframes[0].shape
    steps = max(len(keyframes) - 1, 1)
    factor = -(-num_frames // steps) + 1  # the filter never shows the last interval
    with TemporaryDirectory() as folder:
        before, after = Path(folder) / "keyframes.mp4", Path(folder) / "all.mp4"
        _write(before, keyframes, rate=_RATE)
        _write(after, _raised(read_video(before), rate=_RATE * factor), rate=_RATE * factor)
        frames = [frame[:height, :width] for frame in read_video(after)]
    frames += [frames[-1]] * (num_frames - len(frames))
    kept = np.random.default_rng(seed).choice(len(frames), num_frames, replace=False)
    return [frames[number] for number in sorted(kept)]


def _write(path: Path, frames: Sequence[np.ndarray] | Iterator[np.ndarray], *, rate: int) -> None:
    with VideoWriter(path, frames_per_second=rate, crf=_CRF) as video:
        for frame in frames:
            video.write(frame)


def _raised(frames: Iterator[np.ndarray], *, rate: int) -> Iterator[np.ndarray]:
    """A video of ``_RATE`` frames a second at ``rate``; of a single frame nothing else can be made."""
    pictures = [av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p") for frame in frames]
    graph = av.filter.Graph()
    first = pictures[0]
    source = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=Fraction(1, _RATE))
    motion = graph.add("minterpolate", f"fps={rate}:mi_mode=mci:mc_mode=obmc:me=epzs")
    sink = graph.add("buffersink")
    source.link_to(motion)
    motion.link_to(sink)
    graph.configure()
    num_shown = 0
    for number, picture in enumerate([*pictures, None]):
        if picture is not None:
            picture.pts, picture.time_base = number, Fraction(1, _RATE)
        graph.push(picture)
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                yield graph.vpull().to_ndarray(format="rgb24")
                num_shown += 1
    if num_shown == 0:
        yield first.to_ndarray(format="rgb24")
