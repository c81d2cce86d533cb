"""How does a semantic video become a video? Key-frames are generated, the frames between are motion-compensated.

The engine streams: it holds a few frames at a time, whatever the video's length. ``test.py`` and the page use it, and
people can call it from Python.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.first_frame import GlobalGenerator
from models.generator import CompositeGenerator
from models.interpolate import Interpolator, fill_between

SemanticSource = Callable[[int], Tensor]  # frame number -> [C, H, W]


@dataclass
class Stopwatch:
    """Seconds spent on drawing and on motion compensation, without reading, encoding and writing.

    Attributes:
        generator_calls: key-frames drawn.
        generator_seconds, interpolator_seconds: time of each part.
    """

    generator_calls: int = 0
    generator_seconds: float = 0.0
    interpolator_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Both parts."""
        return self.generator_seconds + self.interpolator_seconds


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
        self, generator: CompositeGenerator, *, num_frames: int, interpolator: Interpolator, device: torch.device
    ) -> None:
        """Put an engine together.

        Args:
            generator: draws a frame from ``num_frames`` semantic frames and ``num_frames - 1`` earlier frames.
            num_frames: ``--n_frames_G``.
            interpolator: motion compensation.
            device: where to compute.
        """
        self.generator = generator.to(device).eval()
        self.num_frames = num_frames
        self.interpolator = interpolator
        self.device = device
        self.stopwatch = Stopwatch()

    def warm_up(self, semantic: Tensor) -> None:
        """Draw a frame from ``semantic`` [C, H, W] and forget it: the first call of a network is slower than others."""
        list(self.frames(lambda number: semantic, key_frames=[0]))

    def frames(
        self, semantic: SemanticSource, *, key_frames: Sequence[int], opening: Sequence[Tensor] = ()
    ) -> Iterator[Tensor]:
        """All frames of the video in order, one for every frame number from 0 to the last key-frame.

        Args:
            semantic: gives the semantic frame [C, H, W] of a number; asked for key-frames alone.
            key_frames: sorted numbers of the frames that are given or drawn, from 0 to the video's last frame.
            opening: frames [3, H, W] in [-1, 1] that are there already, for the first key-frames. Without any, the
                first frame is drawn from its semantics alone.

        Yields:
            Frames [3, H, W] in [-1, 1] on the engine's device; key-frames as the generator drew them, bit by bit.

        Raises:
            ValueError: when the key-frames are not sorted from 0, or there are fewer than opening frames.
        """
        if list(key_frames) != sorted(set(key_frames)) or not key_frames or key_frames[0] != 0:
            raise ValueError(f"expected sorted key-frames from 0, got {list(key_frames)[:5]}…")
        if len(key_frames) < len(opening):
            raise ValueError(f"expected a key-frame for each of {len(opening)} opening frames, got {len(key_frames)}")
        self.stopwatch = Stopwatch()
        keys = self._key_frames(semantic, key_frames, opening)
        yield from fill_between(keys, self._timed_interpolator)

    def _timed_interpolator(self, first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
        start = _now(self.device)
        between = self.interpolator(first, last, times)
        self.stopwatch.interpolator_seconds += _now(self.device) - start
        return between

    def _key_frames(
        self, semantic: SemanticSource, key_frames: Sequence[int], opening: Sequence[Tensor]
    ) -> Iterator[tuple[int, Tensor]]:
        """(number, frame) of every key-frame; the past holds key-frames only, as in training."""
        maps: deque[Tensor] = deque(maxlen=self.num_frames)
        past: deque[Tensor] = deque(maxlen=self.num_frames - 1)
        for position, number in enumerate(key_frames):
            maps.append(semantic(number).to(self.device).unsqueeze(0))
            is_there = position < len(opening)
            frame = opening[position].to(self.device) if is_there else self._draw(maps, past)
            past.append(frame.unsqueeze(0))
            yield number, frame

    @torch.inference_mode()
    def _draw(self, maps: deque[Tensor], past: deque[Tensor]) -> Tensor:
        start = _now(self.device)
        # at the start of a video the first map stands for those before it, and black-grey for the frames
        early = self.num_frames - len(maps)
        blank = maps[0].new_zeros(1, 3, *maps[0].shape[-2:])
        previous = [blank] * (self.num_frames - 1 - len(past)) + list(past)
        output = self.generator(
            torch.cat([maps[0]] * early + list(maps), dim=1), torch.cat(previous, dim=1), raw_only=not past
        )
        self.stopwatch.generator_seconds += _now(self.device) - start
        self.stopwatch.generator_calls += 1
        return output.final[0]


@torch.inference_mode()
def draw_opening(
    generator: GlobalGenerator, semantic: SemanticSource, *, count: int, device: torch.device
) -> list[Tensor]:
    """The first frames of a video from a single-image generator (``--first_frame single``).

    Args:
        generator: draws a frame from its own semantic frame.
        semantic: gives the semantic frame [C, H, W] of a number.
        count: frames to draw.
        device: where to compute.

    Returns:
        ``count`` frames [3, H, W] in [-1, 1].
    """
    generator = generator.to(device).eval()
    return [generator(semantic(number).to(device).unsqueeze(0))[0] for number in range(count)]
