"""Video files, read and written frame by frame.

Frames are uint8 arrays [H, W, 3] in RGB, one at a time: a video of any length needs the memory of a few frames.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from util.errors import UserError
from util.files import atomic_write
from util.media.containers import address, is_attached_picture, opened_video
from util.media.display import conversions, shown
from util.media.sound import Sound, sound_of

_RATE_TOLERANCE = 0.01  # within it the header's rate counts, not frames by duration
# Frames whose distances differ by less are even: clocks of cameras waver.
_EVEN_STEPS = 1.5
# Of a camera; some encoders note the ticks of their clock.
_LARGEST_RATE = 240
# A file is cut off where its header promises so much more than it holds.
_SHORTER_SECONDS, _SHORTER_SHARE = 0.25, 0.01
_NUM_COMPARED = 12


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


class Packets(NamedTuple):
    """What the packets of a video file tell without being decoded.

    Attributes:
        times: presentation time of every frame, in ticks, ascending; empty where they cannot be trusted.
        key_times: those at which decoding can begin.
        frames_per_second: frames by duration; the header's rate where the two agree.
        time_base: seconds of a tick.
    """

    times: list[int]
    key_times: list[int]
    frames_per_second: float
    time_base: Fraction


def probe(path: Path) -> VideoInfo:
    """What is in the video file ``path``.

    The size is that of the frames of ``read_video``: upright, with square pixels.

    Raises:
        UserError: the file is missing, cut off, or holds no frame that can be decoded.
    """
    height, width, _ = next(read_video(path)).shape
    packets = scan_packets(path)
    with opened_video(path) as (_, stream):
        return VideoInfo(packets.frames_per_second, len(packets.times) or stream.frames or None, height, width)


def scan_packets(path: Path) -> Packets:
    """Read through a video file without decoding it.

    Raises:
        UserError: it is no whole video, or has no rate.
    """
    times: list[int] = []
    key_times: list[int] = []
    has_times, end = True, 0
    with opened_video(path) as (container, stream):
        header = float(stream.average_rate or stream.guessed_rate or 0)
        time_base = stream.time_base or Fraction(1, 1000)
        for packet in _whole_packets(path, container):
            if packet.stream.index != stream.index or not packet.size or packet.is_discard:
                continue
            if packet.pts is None:
                has_times = False
                continue
            times.append(packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
            if packet.is_keyframe:
                key_times.append(packet.pts)
    times.sort()
    if not key_times or len(set(times)) < len(times) or not has_times or not _are_times_of_frames(path, times):
        times, key_times = [], []
    rate = header
    if len(times) > 1:
        if end <= times[-1]:  # the file does not tell how long its last frame is shown
            end = times[-1] + (times[-1] - times[0]) // (len(times) - 1)
        measured = float(len(times) / ((end - times[0]) * time_base))
        if not header or abs(measured / header - 1) > _RATE_TOLERANCE:
            rate = measured
    if not rate:
        raise UserError(f"{path}: expected a video with a frame rate, found none; convert it to mp4 first")
    return Packets(times, sorted(key_times), rate, time_base)


def video_notes(path: Path) -> list[str]:
    """What a person should know of how a video is read: colours and pixels that are converted, uneven times.

    Raises:
        UserError: it is no whole video.
    """
    with opened_video(path) as (container, stream):
        frame = next(container.decode(stream), None)
        notes = [] if frame is None else conversions(frame, stream)
        num_others = sum(not is_attached_picture(one) for one in container.streams.video) - 1
        if num_others:
            notes.append(f"the first of {num_others + 1} video streams is read")
        no_times: int = Flags.no_timestamps.value  # type: ignore[assignment]
        has_times = not container.format.flags & no_times
        own_rate = None if stream.codec_context is None else stream.codec_context.framerate
    packets = scan_packets(path)
    rate, steps = packets.frames_per_second, np.diff(packets.times) * float(packets.time_base)
    if len(steps) and steps.max() > _EVEN_STEPS * steps.min():
        notes.append(
            f"its frames are {steps.min():.3g} to {steps.max():.3g} s apart; a dataset shows them at an even "
            f"{rate:.4g} per second"
        )
    else:
        notes += _rate_notes(rate, own_rate=float(own_rate or 0), has_times=has_times)
    return notes


def _rate_notes(rate: float, *, own_rate: float, has_times: bool) -> list[str]:
    """What to tell where a rate is only assumed, or is not the one that is coded in the pictures (0: none is)."""
    differs = 0 < own_rate <= _LARGEST_RATE and abs(rate / own_rate - 1) > _RATE_TOLERANCE
    says = f"its pictures say {own_rate:.4g}; " if differs else ""
    if not has_times:
        return [
            f"the file holds no times, {rate:.4g} frames per second are assumed; {says}give the true rate with --fps"
        ]
    return [f"{rate:.4g} frames per second; {says}give the true rate with --fps"] if differs else []


def read_video(path: Path) -> Iterator[np.ndarray]:
    """Every frame of a video file in presentation order as a player shows it, uint8 [H, W, 3] RGB.

    Raises:
        UserError: at the first frame when the file is missing or no video; at a later one when it is damaged there, or
            when that has another size.
    """
    num_frames = 0
    size: tuple[int, ...] = ()
    with opened_video(path) as (container, stream):
        stream.thread_type = "AUTO"
        try:
            for packet in _whole_packets(path, container):
                if packet.stream.index != stream.index:
                    continue
                for frame in packet.decode():
                    picture = shown(frame, stream)
                    size = size or picture.shape
                    check_size(path, num_frames, picture, (size[0], size[1]))
                    yield picture
                    num_frames += 1
        except av.FFmpegError as error:
            raise UserError(
                f"{path}: expected a whole video, but it is damaged after frame {num_frames} "
                f"({error.strerror}); copy the file again or re-encode it"
            ) from error
    if num_frames == 0:
        raise UserError(f"{path}: expected a video, found no frame in it; copy the file again or re-encode it")


def check_size(path: Path, number: int, picture: np.ndarray, size: tuple[int, int]) -> None:
    """Say which frame of a video has another size than its first.

    Raises:
        UserError: this one has.
    """
    if picture.shape[:2] != size:
        height, width = picture.shape[:2]
        raise UserError(
            f"{path}: expected frames of {size[1]} x {size[0]} like the first, found {width} x {height} at frame "
            f"{number}; re-encode the video in one size, or cut it there"
        )


def _whole_packets(path: Path, container: InputContainer) -> Iterator[av.Packet]:
    """The packets of all streams.

    Raises:
        UserError: the file ends before it should, which decoders pass over in silence.
    """
    end = Fraction(0)
    cut_off = UserError(f"{path}: expected a whole video, found it cut off; copy the file again or re-encode it")
    try:
        for packet in container.demux():
            if packet.is_corrupt:
                raise cut_off
            if packet.pts is not None and packet.time_base:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            yield packet
    except av.FFmpegError as error:
        raise UserError(
            f"{path}: expected a whole video, but it is damaged ({error.strerror}); copy it again or re-encode it"
        ) from error
    if container.duration is not None and not _has_index(container):
        header = container.duration / av.time_base
        if end < header - max(_SHORTER_SECONDS, _SHORTER_SHARE * header):
            raise cut_off


def _has_index(container: InputContainer) -> bool:
    """Whether the file has a table of all of its packets, so that one that is missing is noticed anyway."""
    return "mp4" in container.format.name


def _are_times_of_frames(path: Path, times: list[int]) -> bool:
    """Whether the first decoded frames bear the first ``times``: those of AVI packets are not those of its frames."""
    with opened_video(path) as (container, stream):
        stream.codec_context.thread_count = 1
        first = [frame.pts for frame in islice(container.decode(stream), _NUM_COMPARED)]
    return first == times[: len(first)]


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
            self._container = steps.enter_context(av.open(address(scratch), "w", options=options))
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
            self._shape, self._stream = frame.shape, self._new_stream(*_even(frame).shape[:2])
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


def _even(frame: np.ndarray) -> np.ndarray:
    """``frame`` with its last row and column repeated where a side is odd."""
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
