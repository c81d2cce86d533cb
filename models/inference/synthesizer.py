"""Semantic video -> video: key-frames are generated, the frames between are motion-compensated.

The engine streams: it holds a few frames at a time, whatever the video's length. ``test.py`` and the page use it, and
people can call it from Python::

    engine = Synthesizer(generator, num_frames=3, interpolator=make_interpolator("dis"), device=device)
    for frame in engine.frames(semantic, key_frames=numbers, first_frames=given):  # the whole semantic video is there
        ...
    for frame in engine.live(camera, share=0.3, lookahead=6):  # semantic frames come one by one
        ...
    print(engine.latency.summary())
"""

import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.inference.runtimes.engines import Runtime
from models.inference.threads import in_background
from models.interpolation.base import Guide, Interpolator, KeyFrame, fill_between
from models.interpolation.guided import GuidedMotion
from models.keyframes.live import LiveKeyframes
from models.keyframes.thumbnails import thumbnail
from util.latency import LatencyMeter

SemanticSource = Callable[[int], Tensor]  # frame number -> [C, H, W]
Foreground = Callable[[Tensor], Tensor | None]  # semantic frames [B, C, H, W] -> mask [B, 1, H, W]


class KeySemantic(NamedTuple):
    """What is known of a key-frame before it is drawn.

    Attributes:
        number: of the frame.
        semantic: its semantic frame, [C, H, W].
        guides: as in ``KeyFrame``; empty where the interpolator is not guided.
    """

    number: int
    semantic: Tensor
    guides: Sequence[Guide]


@dataclass
class Stopwatch:
    """Seconds spent on each part of the work; what the caller does with the frames is not in it.

    Attributes:
        encoder_seconds: reading and encoding semantic frames (what their source takes).
        generator_times: of every key-frame that was drawn, in order.
        interpolator_times: of every gap between two key-frames, in order.
    """

    encoder_seconds: float = 0.0
    # plain arrays: an hour of video is 90,000 numbers
    generator_times: "array[float]" = field(default_factory=lambda: array("d"))
    interpolator_times: "array[float]" = field(default_factory=lambda: array("d"))

    @property
    def generator_calls(self) -> int:
        """Key-frames drawn."""
        return len(self.generator_times)

    @property
    def generator_seconds(self) -> float:
        """Time of all drawing."""
        return sum(self.generator_times)

    @property
    def interpolator_seconds(self) -> float:
        """Time of all motion compensation."""
        return sum(self.interpolator_times)

    @property
    def seconds(self) -> float:
        """Drawing and motion compensation, without reading, encoding and writing."""
        return self.generator_seconds + self.interpolator_seconds

    def of_frames(self, key_frames: Sequence[int], *, num_first: int) -> list[float | None]:
        """Seconds of each frame of a video: a key-frame took its drawing, others an equal share of their gap.

        Args:
            key_frames: of the video that was timed.
            num_first: how many of them were there already; they have None.
        """
        found: list[float | None] = [None] * (key_frames[-1] + 1)
        for number, seconds in zip(key_frames[num_first:], self.generator_times, strict=True):
            found[number] = seconds
        gaps = [(i, j - i - 1) for i, j in pairwise(key_frames) if j - i > 1]
        for (number, length), seconds in zip(gaps, self.interpolator_times, strict=True):
            found[number + 1 : number + 1 + length] = [seconds / length] * length
        return found


def _now(device: torch.device) -> float:
    """The time when everything asked of ``device`` so far is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


class Synthesizer:
    """Draws the key-frames of a semantic video with a generator and fills the rest (paper, section 3.1)."""

    def __init__(
        self,
        generator: Runtime,
        *,
        num_frames: int,
        interpolator: Interpolator,
        device: torch.device,
        foreground: Foreground | None = None,
    ) -> None:
        """Put an engine together.

        Args:
            generator: draws a frame from ``num_frames`` semantic frames and ``num_frames - 1`` earlier frames: a
                ``VideoGenerator``, or a faster ``models.inference.runtimes.choose.make_runtime`` of one.
            num_frames: ``--n_frames_G``.
            interpolator: motion compensation.
            device: where to compute.
            foreground: where the foreground is, for generators with a branch that draws it.
        """
        self.generator = generator.to(device).eval() if isinstance(generator, nn.Module) else generator
        self.foreground = foreground
        self.num_frames = num_frames
        self.interpolator = interpolator
        self._guided = interpolator if isinstance(interpolator, GuidedMotion) else None
        self.device = device
        self.stopwatch = Stopwatch()
        self.latency = LatencyMeter()

    def warm_up(self, semantic: Tensor) -> None:
        """Draw two frames from ``semantic`` [C, H, W] and forget them: the first call of a network is slow.

        Two, because a first frame may be drawn in another way than those that have a past.
        """
        list(self.frames(lambda number: semantic, key_frames=[0, 1]))

    def frames(
        self,
        semantic: SemanticSource,
        *,
        key_frames: Sequence[int],
        first_frames: Sequence[Tensor] = (),
        overlapped: bool = False,
    ) -> Iterator[Tensor]:
        """All frames of the video in order, one for every frame number from 0 to the last key-frame.

        Args:
            semantic: gives the semantic frame [C, H, W] of a number; asked for key-frames alone, unless the
                interpolator is guided by the others.
            key_frames: sorted numbers of the frames that are given or drawn, from 0 to the video's last frame.
            first_frames: frames [3, H, W] in [-1, 1] that are there already, for the first key-frames. Without any,
                the first frame is drawn from its semantics alone.
            overlapped: draw and compensate in threads of their own, some frames ahead of the caller. The frames are
                the same, bit by bit; the parts of the stopwatch then add up to more than the time that passes.

        Yields:
            Frames [3, H, W] in [-1, 1] on the engine's device; key-frames as the generator drew them, bit by bit.

        Raises:
            ValueError: when the key-frames are not sorted from 0, or there are fewer than first frames.
        """
        if list(key_frames) != sorted(set(key_frames)) or not key_frames or key_frames[0] != 0:
            raise ValueError(f"expected sorted key-frames from 0, got {list(key_frames)[:5]}…")
        if len(key_frames) < len(first_frames):
            raise ValueError(
                f"expected a key-frame for each of {len(first_frames)} first frames, got {len(key_frames)}"
            )
        self.stopwatch = Stopwatch()
        yield from self._filled(self._chosen(semantic, key_frames), first_frames, overlapped=overlapped)

    def live(
        self,
        semantics: Iterable[Tensor],
        *,
        share: float,
        lookahead: int,
        first_frames: Sequence[Tensor] = (),
        overlapped: bool = False,
        quality: float | None = None,
    ) -> Iterator[Tensor]:
        """The frames of a semantic stream, each as soon as it can be known; ``self.latency`` measures every one.

        The same frames as ``frames`` gives for the same key-frames (``LiveKeyframes``), bit by bit.

        Args:
            semantics: semantic frames [C, H, W], of a camera or any length of video; read no further ahead than needed.
            share: key-frames per frame that is not given, in (0, 1].
            lookahead: a frame waits for at most so many frames, itself included; 1 draws every frame.
            first_frames: as in ``frames``.
            overlapped: as in ``frames``; the stream is then read some frames ahead.
            quality: in place of the share, as in ``LiveKeyframes``.

        Yields:
            As many frames as ``semantics`` has, [3, H, W] in [-1, 1].
        """
        self.stopwatch, self.latency = Stopwatch(), LatencyMeter()
        chooser = LiveKeyframes(share=share, lookahead=lookahead, num_given=len(first_frames), quality=quality)
        chosen = self._chosen_live(self.latency.arriving(semantics), chooser)
        yield from self.latency.leaving(self._filled(chosen, first_frames, overlapped=overlapped))

    def _filled(
        self, chosen: Iterator[KeySemantic], first_frames: Sequence[Tensor], *, overlapped: bool
    ) -> Iterator[Tensor]:
        """All frames, from what is known of every key-frame before it is drawn."""
        keys = self._key_frames(chosen, first_frames)
        if overlapped:
            return in_background(fill_between(in_background(keys, ahead=1), self._timed_interpolator))
        return fill_between(keys, self._timed_interpolator)

    def _chosen(self, semantic: SemanticSource, key_frames: Sequence[int]) -> Iterator[KeySemantic]:
        before = -1
        for number in key_frames:
            start = time.perf_counter()
            dropped = range(before + 1, number) if self._guided is not None else ()
            guides = []
            for one in (*dropped, number):  # in order: videos are decoded forwards
                encoded = semantic(one)
                guides += self._guides([encoded])
            self.stopwatch.encoder_seconds += time.perf_counter() - start
            yield KeySemantic(number, encoded, guides)
            before = number

    def _guides(self, semantics: Iterable[Tensor]) -> list[Guide]:
        if self._guided is None:
            return []
        # on CUDA guides are made there; elsewhere on the CPU, where OpenCV searches
        place = self.device if self.device.type == "cuda" else None
        return [self._guided.guide(one if place is None else one.to(place)) for one in semantics]

    def _chosen_live(self, semantics: Iterator[Tensor], chooser: LiveKeyframes) -> Iterator[KeySemantic]:
        """The semantic frame of every key-frame, as soon as it is known; holds what may still be chosen."""
        waiting: dict[int, Tensor] = {}

        def taken(number: int) -> KeySemantic:
            passed = [waiting.pop(one) for one in sorted(waiting) if one <= number]
            return KeySemantic(number, passed[-1], self._guides(passed))

        for number, semantic in enumerate(semantics):
            waiting[number] = semantic
            key = chooser.push(thumbnail(semantic))
            if key is not None:
                yield taken(key)
        yield from map(taken, chooser.finish())

    def _timed_interpolator(
        self, first: Tensor, last: Tensor, times: Sequence[float], guides: Sequence[Guide] = ()
    ) -> Tensor:
        start = _now(self.device)
        if self._guided is not None:
            between = self._guided(first, last, times, guides)
        else:
            between = self.interpolator(first, last, times)
        self.stopwatch.interpolator_times.append(_now(self.device) - start)
        return between

    def _key_frames(self, chosen: Iterator[KeySemantic], first_frames: Sequence[Tensor]) -> Iterator[KeyFrame]:
        """Every key-frame, drawn; the past holds key-frames only, as in training."""
        maps: deque[Tensor] = deque(maxlen=self.num_frames)
        past: deque[Tensor] = deque(maxlen=self.num_frames - 1)
        for position, (number, semantic, guides) in enumerate(chosen):
            maps.append(semantic.to(self.device).unsqueeze(0))
            is_there = position < len(first_frames)
            frame = first_frames[position].to(self.device) if is_there else self._draw(maps, past)
            past.append(frame.unsqueeze(0))
            yield KeyFrame(number, frame, guides)

    @torch.inference_mode()
    def _draw(self, maps: deque[Tensor], past: deque[Tensor]) -> Tensor:
        start = _now(self.device)
        # at the start of a video the first map stands for those before it, and black-grey for the frames
        early = self.num_frames - len(maps)
        blank = maps[0].new_zeros(1, 3, *maps[0].shape[-2:])
        previous = [blank] * (self.num_frames - 1 - len(past)) + list(past)
        output = self.generator(
            torch.cat([maps[0]] * early + list(maps), dim=1),
            torch.cat(previous, dim=1),
            foreground_mask=None if self.foreground is None else self.foreground(maps[-1]),
            raw_only=not past,
        )
        self.stopwatch.generator_times.append(_now(self.device) - start)
        return output.final[0]
