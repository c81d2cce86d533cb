"""Latency of the frames of a stream; the newest few thousand are remembered."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

_REMEMBERED = 10_000


class LatencyMeter:
    """Seconds between what goes into a stream and what comes out for it, in the same order.

    Attributes:
        num_frames: frames that came out.
        worst: the longest latency of all of them.
    """

    def __init__(self) -> None:
        """Nothing has gone in."""
        self.num_frames = 0
        self.worst = 0.0
        self._arrivals: deque[float] = deque()
        self._newest: deque[float] = deque(maxlen=_REMEMBERED)

    def arriving(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; the clock of each starts when it is there."""
        for item in items:
            self._arrivals.append(time.perf_counter())
            yield item

    def leaving(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; the clock of the oldest that arrived stops when one is there."""
        for item in items:
            self.record(time.perf_counter() - self._arrivals.popleft())
            yield item

    def record(self, latency: float) -> None:
        """Count a frame that took so many seconds, where somebody else has the clock."""
        self.num_frames += 1
        self.worst = max(self.worst, latency)
        self._newest.append(latency)

    def newest(self, count: int) -> list[float]:
        """The latencies of the last ``count`` frames, in seconds."""
        return list(self._newest)[-count:]

    def summary(self) -> dict[str, float]:
        """``median``, ``95th`` percentile (both of the newest 10,000 frames) and ``worst`` in milliseconds; ``frames``.

        Without any frame, ``frames`` alone.
        """
        if self.num_frames == 0:
            return {"frames": 0}
        median, high = np.percentile(self._newest, (50, 95))
        found = {"median": float(median), "95th": float(high), "worst": self.worst}
        return {"frames": self.num_frames} | {name: round(1000 * seconds, 3) for name, seconds in found.items()}
