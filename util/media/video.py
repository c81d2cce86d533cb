"""Video files, read and written frame by frame.

Frames are uint8 arrays [H, W, 3] in RGB, one at a time: a video of any length needs the memory of a few frames.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from util.errors import UserError
from util.files import atomic_write
from util.media.sound import Sound, sound_of


class VideoInfo(NamedTuple):
    """What a video file says of itself; ``num_frames`` is None where the file does not tell."""

    frames_per_second: float
    num_frames: int | None
    height: int
    width: int


class Timing(NamedTuple):
    """When each frame of a video is shown, where that is more than a rate: phones and screen recorders vary.

    Attributes:
        time_base: seconds of a tick.
        times: of every frame, in ticks, ascending.
        end: of the last frame, in ticks.
    """

    time_base: Fraction
    times: Sequence[int]
    end: int


def probe(path: Path) -> VideoInfo:
    """What is in the video file ``path``, by its header and first frame.

    The size is that of the frames of ``read_video``: after the rotation that a phone notes in the file.

    Raises:
        UserError: the file is missing, or holds no frame that can be decoded.
    """
    height, width, _ = next(read_video(path)).shape
    with opened_video(path) as (_, stream):
        rate = stream.average_rate or stream.guessed_rate
        if not rate:
            raise UserError(f"{path}: expected a video with a frame rate, found none; convert it to mp4 first")
        return VideoInfo(float(rate), stream.frames or None, height, width)


def read_video(path: Path) -> Iterator[np.ndarray]:
    """Every frame of a video file in presentation order, uint8 [H, W, 3] RGB, turned upright.

    Raises:
        UserError: at the first frame when the file is missing or no video; at a later one when it is damaged there.
    """
    num_frames = 0
    with opened_video(path) as (container, stream):
        stream.thread_type = "AUTO"
        try:
            for packet in container.demux(stream):
                if packet.is_corrupt:  # the file ends inside a frame; decoders pass over that in silence
                    raise av.InvalidDataError(0, "the file is cut off")
                for frame in packet.decode():
                    yield upright(frame)
                    num_frames += 1
        except av.FFmpegError as error:
            raise UserError(
                f"{path}: expected a whole video, but it is damaged after frame {num_frames} "
                f"({error.strerror}); copy the file again or re-encode it"
            ) from error
    if num_frames == 0:
        raise UserError(f"{path}: expected a video, found no frame in it; copy the file again or re-encode it")


def upright(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as uint8 [H, W, 3] RGB, after the rotation that the file notes."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90))


class VideoWriter:
    """A context that streams frames into an H.264 file which every browser plays.

    The file is mp4 for the suffix ``.mp4`` (its index first, so that it plays while it loads), yuv420p, BT.709. Odd
    sides are made even, as yuv420p demands, by repeating the last row or column. The file appears at ``path`` when the
    block ends well; after an error there is nothing, or what was there before.
    """

    def __init__(
        self,
        path: Path,
        *,
        frames_per_second: float,
        crf: int = 18,
        timing: Timing | None = None,
        sound_from: Path | None = None,
    ) -> None:
        """Prepare to write; nothing is opened before the block begins.

        Args:
            path: where the video goes; missing folders are made.
            frames_per_second: the rate; broadcast rates such as 30000 / 1001 are kept exactly.
            crf: x264's constant rate factor, 0 (best) .. 51; 18 looks lossless.
            timing: when each frame is shown; None: at equal distances.
            sound_from: a file whose sound goes into the video, at its own times; ``self.sound`` says how.

        Raises:
            ValueError: a rate that is not positive.
        """
        if not frames_per_second > 0:
            raise ValueError(f"expected a positive frame rate, got {frames_per_second}")
        self.path = path
        # no rate in use has a larger denominator than the 1001 of television
        self.rate = Fraction(frames_per_second).limit_denominator(1001)
        self.crf = crf
        self.timing = timing
        self.sound_from = sound_from
        self.sound: Sound | None = None
        self.num_frames = 0

    def __enter__(self) -> "VideoWriter":
        with ExitStack() as steps:
            scratch = steps.enter_context(atomic_write(self.path))
            options = {"movflags": "+faststart"}
            if self.timing is not None:  # else the first frame's time is rounded to a millisecond
                options["movie_timescale"] = str(self.timing.time_base.denominator)
            self._container = steps.enter_context(av.open(str(scratch), "w", options=options))
            if self.sound_from is not None:
                self.sound = steps.enter_context(sound_of(self.sound_from, target=self._container))
            steps.push(self._finish)
            # from here on, leaving the block takes these steps backwards: finish, close, keep or remove the file
            self._leave = steps.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave.__exit__(kind, error, trace)

    def write(self, frame: np.ndarray) -> None:
        """Append ``frame``, uint8 [H, W, 3] RGB.

        Raises:
            ValueError: another type or shape, another size than the frame before, or more frames than have times.
            UserError: the sound is damaged there.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"expected a uint8 frame [H, W, 3], got {frame.dtype} {list(frame.shape)}")
        if self.num_frames == 0:
            self._shape = frame.shape
            self._stream = self._new_stream(*_even(frame).shape[:2])
        if frame.shape != self._shape:
            raise ValueError(f"expected frames of shape {list(self._shape)} throughout, got {list(frame.shape)}")
        picture = av.VideoFrame.from_ndarray(_even(frame), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        picture.pts, self._last_duration = self._time_and_duration()
        picture.time_base = self._time_base
        self._mux(self._stream.encode(picture))
        if self.sound is not None:  # side by side in the file, so that a player need not jump about in it
            self.sound.write(until=picture.pts * self._time_base)
        self.num_frames += 1

    @property
    def _time_base(self) -> Fraction:
        return 1 / self.rate if self.timing is None else self.timing.time_base

    def _time_and_duration(self) -> tuple[int, int]:
        """Of the next frame, in ticks."""
        if self.timing is None:
            return self.num_frames, 1
        if self.num_frames >= len(self.timing.times):
            raise ValueError(f"{self.path}: expected {len(self.timing.times)} frames, which have times, got more")
        time = self.timing.times[self.num_frames]
        is_last = self.num_frames == len(self.timing.times) - 1
        return time, (self.timing.end if is_last else self.timing.times[self.num_frames + 1]) - time

    def _finish(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the frames that the encoder still holds, unless the block failed."""
        if error is not None:
            return
        if self.num_frames == 0:
            raise ValueError(f"{self.path}: a video needs at least one frame")
        self._mux(self._stream.encode(None))
        if self.sound is not None:
            self.sound.write(until=None)

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            if self.timing is not None:  # a frame lasts until the next one; only the last one's own is ever looked at
                packet.duration = self._last_duration
            self._container.mux(packet)

    def _new_stream(self, height: int, width: int) -> VideoStream:
        """An H.264 stream of ``self.rate``, labelled BT.709 so that players need not guess the colours."""
        options = {"crf": str(self.crf)}
        if self.timing is not None:  # frames in their order: only then does the last one's duration reach the file
            options["bf"] = "0"
        stream = self._container.add_stream("libx264", rate=self.rate, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._time_base
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709 in all three tables
        context.color_range = ColorRange.MPEG
        return stream


def write_video(path: Path, frames: Iterable[np.ndarray], *, frames_per_second: float) -> None:
    """Write ``frames``, uint8 [H, W, 3] RGB, to the video file ``path``; see ``VideoWriter``."""
    with VideoWriter(path, frames_per_second=frames_per_second) as video:
        for frame in frames:
            video.write(frame)


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The opened file and its first video stream.

    Raises:
        UserError: the file is missing or no video.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected a video file, found none; check the path")
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise UserError(f"{path}: expected a video file, found something else ({error.strerror})") from error
    with container:
        if not container.streams.video:
            raise UserError(f"{path}: expected a video file, found no video stream in it")
        yield container, container.streams.video[0]


def _even(frame: np.ndarray) -> np.ndarray:
    """``frame`` with its last row and column repeated where a side is odd."""
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
