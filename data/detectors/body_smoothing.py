"""The path of one body through a video: short gaps are filled, single outliers and jitter are smoothed."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data.detectors.smoothing import filtered_in_order
from data.kinds.openpose import NUM_POINTS, is_seen

# A gap of more frames than this is no slip of the detector: the person was gone.
LONGEST_GAP = 12
SMOOTHING = 1.0
"""Standard deviation in frames."""


def steady(
    bodies: Sequence[np.ndarray | None], *, smoothing: float = SMOOTHING, longest_gap: int = LONGEST_GAP
) -> np.ndarray:
    """What a finder saw in the frames of a video, each [137, 3] or None, filled and smoothed: [T, 137, 3]."""
    points = np.stack([np.zeros((NUM_POINTS, 3)) if body is None else body for body in bodies])
    return smoothed(filled(points, longest_gap=longest_gap)[0], deviation=smoothing)


def steady_in_order(bodies: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """``steady`` without gaps, four frames behind its input; ``bodies`` are [137, 3] each."""
    return filtered_in_order(bodies, smoothed, behind=math.ceil(3 * SMOOTHING) + 1)


def filled(points: np.ndarray, *, longest_gap: int = LONGEST_GAP) -> tuple[np.ndarray, int]:
    """Fill gaps in time by straight lines between their two neighbours.

    A filled point is half as sure as the less sure neighbour. A gap that is longer than ``longest_gap`` frames, or at
    either end, stays open: nobody knows what happened.

    Args:
        points: [T, 137, 3].
        longest_gap: in frames; 0 fills nothing.

    Returns:
        The same with gaps filled, and how many points that were.
    """
    points, seen, num_filled = points.copy(), is_seen(points), 0
    for number in range(points.shape[1]):
        known = np.flatnonzero(seen[:, number])
        for before, after in zip(known, known[1:], strict=False):
            if 1 < after - before <= longest_gap + 1:
                share = (np.arange(before + 1, after) - before)[:, None] / (after - before)
                line = points[before, number, :2] * (1 - share) + points[after, number, :2] * share
                points[before + 1 : after, number, :2] = line
                sure = 0.5 * min(points[before, number, 2], points[after, number, 2])
                points[before + 1 : after, number, 2] = max(sure, 0.11)
                num_filled += int(after - before - 1)
    return points, num_filled


def smoothed(points: np.ndarray, *, deviation: float = SMOOTHING) -> np.ndarray:
    """Smooth positions in time: first single outliers (a median of three), then jitter (a local straight line).

    Each position becomes that of the line which fits its neighbours best, weighted by a Gaussian in time and by their
    confidence. So steady motion stays exactly as it is, also at either end and beside points that are unsure. Points
    that were not seen count nothing and stay so.

    Args:
        points: [T, 137, 3].
        deviation: of the Gaussian in frames; 0 smooths nothing.
    """
    if deviation == 0 or len(points) < 3:
        return points
    seen = is_seen(points)
    position, result = points[..., :2].copy(), points.copy()
    inner = seen[:-2] & seen[1:-1] & seen[2:]
    median = np.median(np.stack((position[:-2], position[1:-1], position[2:])), axis=0)
    position[1:-1][inner] = median[inner]
    sure = np.where(seen, points[..., 2], 0)[..., None]
    # sums of weight * time^n, and of weight * time^n * position
    times, moved = np.zeros((3, *seen.shape, 1)), np.zeros((2, *position.shape))
    reach = min(int(np.ceil(3 * deviation)), len(points) - 1)
    for offset in range(-reach, reach + 1):
        here = slice(max(0, -offset), len(points) - max(0, offset))
        there = slice(max(0, offset), len(points) - max(0, -offset))
        weight = np.exp(-0.5 * (offset / deviation) ** 2) * sure[there]
        for power in range(3):
            times[power, here] += weight * offset**power
        for power in range(2):
            moved[power, here] += weight * offset**power * position[there]
    spread = times[0] * times[2] - times[1] ** 2
    # one neighbour alone makes no line
    is_line = spread > 1e-9 * times[0] ** 2
    line = (times[2] * moved[0] - times[1] * moved[1]) / np.where(is_line, spread, 1)
    mean = moved[0] / np.maximum(times[0], 1e-12)
    result[seen, :2] = np.where(is_line, line, mean)[seen]
    return result
