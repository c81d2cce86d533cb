"""Single frames of a video file, read from the key-frame before them, bit-equal to reading all.

The frames of ``talk.mp4`` are addressed as ``talk.mp4/00000``, ``talk.mp4/00001``, ... as if they were files in it.
"""

import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.stream import VideoStream

from data.storage.shards import stamp
from data.storage.size_index import kept
from util.errors import UserError
from util.media.containers import opened_video
from util.media.display import shown
from util.media.video import check_size, probe, scan_packets

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".avi")
# Loaders ask for a frame's picture and then for its edges; more is the business of their own cache.
_NUM_RECENT = 4


class VideoTable(NamedTuple):
    """What must be known of a video file to find its frames."""

    num_frames: int
    frames_per_second: float
    height: int
    width: int
    times: list[int]
    """Presentation time of every frame, in ticks of the stream; empty where the file has none that can be trusted."""
    key_times: list[int]
    """Those at which decoding can begin."""


def is_video_frame(path: Path) -> bool:
    """Whether ``path`` is a frame of a video file rather than a file of its own."""
    return not path.suffix and path.parent.suffix.lower() in VIDEO_SUFFIXES


def video_table(path: Path) -> VideoTable:
    """The table of the video file ``path``: the file is read through once, and the table kept beside it.

    Raises:
        UserError: it is no whole video.
    """
    try:
        size, changed = stamp(path)
    except OSError as error:
        raise UserError(f"{path}: expected a video file, found none; check the path") from error
    return _table(path, size, changed)


def frames_of(path: Path) -> list[Path]:
    """How the frames of the video file ``path`` are addressed, in order.

    Raises:
        UserError: it is no whole video.
    """
    return [path / f"{number:05d}" for number in range(video_table(path).num_frames)]


def read_video_frame(path: Path) -> np.ndarray:
    """One frame of a video file, uint8 [H, W, 3] RGB, bit by bit as ``util.media.video.read_video`` gives it.

    Args:
        path: as from ``frames_of``.

    Raises:
        UserError: the file is missing, damaged, or has fewer frames.
    """
    table = video_table(path.parent)
    number = int(path.name) if path.name.isdecimal() else table.num_frames
    if number >= table.num_frames:
        raise UserError(f"{path}: expected a frame of 0 to {table.num_frames - 1}, found no such one in the video")
    # a forked worker must not move the file position of its parent: each process opens its own
    return _reader(path.parent, *stamp(path.parent), os.getpid()).frame(number)


class VideoReader:
    """An open video at some position. Going on from there costs one frame, jumping costs those since a key-frame."""

    def __init__(self, path: Path, table: VideoTable) -> None:
        """Nothing is opened yet."""
        self.path = path
        self.table = table
        self._numbers = {time: number for number, time in enumerate(table.times)}
        self._recent: OrderedDict[int, np.ndarray] = OrderedDict()
        self._coming: Iterator[tuple[int, av.VideoFrame, VideoStream]] = iter(())
        self._next = table.num_frames

    def frame(self, number: int) -> np.ndarray:
        """Frame ``number``, uint8 [H, W, 3] RGB.

        Raises:
            UserError: the video is damaged before it.
        """
        if number not in self._recent:
            self._recent[number] = self._decoded(number)
            if len(self._recent) > _NUM_RECENT:
                self._recent.popitem(last=False)
        return self._recent[number]

    def _decoded(self, number: int) -> np.ndarray:
        start = self._start_for(number)
        # beginning anew is worth it to go back, or to leap over whole groups of frames
        if number < self._next or start > self._next:
            self._coming = self._decode(start)
        for attempt in (self._coming, None):
            if attempt is None:  # the container's seek led elsewhere: from the first frame on it cannot
                self._coming = self._decode(0)
            for found, frame, stream in self._coming:
                self._next = found + 1
                if found == number:
                    picture = shown(frame, stream)
                    check_size(self.path, number, picture, (self.table.height, self.table.width))
                    return picture
                if found > number:
                    break
        self._next = self.table.num_frames
        raise UserError(
            f"{self.path}: expected {self.table.num_frames} frames, but frame {number} cannot be decoded; "
            "re-encode the video"
        )

    def _start_for(self, number: int) -> int:
        """The last frame, not after ``number``, at which decoding can begin."""
        if not self.table.times:
            return 0
        place = bisect_right(self.table.key_times, self.table.times[number])
        return self._numbers[self.table.key_times[place - 1]] if place else 0

    def _decode(self, start: int) -> Iterator[tuple[int, av.VideoFrame, VideoStream]]:
        """Frames with their numbers from ``start`` on, which is 0 or a key-frame."""
        with opened_video(self.path) as (container, stream):
            # one thread: workers are processes, and threads do not survive a fork
            stream.codec_context.thread_count = 1
            if start:
                container.seek(self.table.times[start], stream=stream)
            is_first = True
            try:
                for packet in container.demux(stream):
                    if is_first and start and (packet.pts is None or packet.pts > self.table.times[start]):
                        return
                    is_first = False
                    for frame in packet.decode():
                        if not self.table.times:
                            yield start, frame, stream
                            start += 1
                        elif frame.pts in self._numbers:
                            yield self._numbers[frame.pts], frame, stream
            except av.FFmpegError as error:
                raise UserError(
                    f"{self.path}: expected a whole video, but it is damaged after frame {self._next} "
                    f"({error.strerror}); copy the file again or re-encode it"
                ) from error


@lru_cache(maxsize=4096)
def _table(path: Path, size: int, changed: int) -> VideoTable:
    (found,) = kept([path], _scan, stamp=stamp, index=path.with_name(f".{path.name}.json"), label="reading videos")
    if isinstance(found, UserError):
        raise found
    return VideoTable(*found)


@lru_cache(maxsize=8)
def _reader(path: Path, size: int, changed: int, process: int) -> VideoReader:
    return VideoReader(path, video_table(path))


def _scan(path: Path) -> VideoTable:
    """Read through a video file without decoding it, where its times tell all."""
    info, packets = probe(path), scan_packets(path)
    # without times that can be trusted (AVI, some camera streams) it is read, and counted, from its beginning
    num_frames = len(packets.times) or _count(path)
    return VideoTable(num_frames, info.frames_per_second, info.height, info.width, packets.times, packets.key_times)


def _count(path: Path) -> int:
    with opened_video(path) as (container, stream):
        return sum(1 for _ in container.decode(stream))
