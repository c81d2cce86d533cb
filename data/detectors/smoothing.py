"""Gaps in the landmarks that a detector finds are filled, and its jitter is smoothed.

Both exist twice, with equal results: for a whole video at hand, and frame by frame in memory that does not grow.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from scipy.signal import savgol_filter

# 0.01 pixels, as the files of a dataset have them
STEPS_PER_PIXEL = 100

# Five frames, a parabola through them: takes the detector's jitter, leaves a blink.
SMOOTHING_WINDOW, SMOOTHING_ORDER = 5, 2


def filled(found: list[np.ndarray | None]) -> np.ndarray:
    """Landmarks for every frame, float64 [T, 68, 2]: a gap is a straight line in time between its neighbours.

    Before the first face and after the last, the nearest is repeated.

    Raises:
        ValueError: no face at all.
    """
    known = [number for number, points in enumerate(found) if points is not None]
    if not known:
        raise ValueError("expected landmarks in one frame at least, found none")
    there = np.stack([points for points in found if points is not None])
    values = there.reshape(len(known), -1)
    times = np.arange(len(found))
    columns = [np.interp(times, known, column) for column in values.T]
    return np.stack(columns, axis=1).reshape(len(found), *there.shape[1:])


def smoothed(points: np.ndarray) -> np.ndarray:
    """``points`` [T, 68, 2] smoothed in time (Savitzky-Golay), so that the detector's jitter is not learned.

    Steady motion, also accelerated, stays exactly as it is; so does a video shorter than the filter.
    """
    if len(points) < SMOOTHING_WINDOW:
        return points
    return savgol_filter(points, SMOOTHING_WINDOW, SMOOTHING_ORDER, axis=0)


def filled_in_order(found: Iterable[np.ndarray | None]) -> Iterator[np.ndarray]:
    """Landmarks for every frame, as ``filled`` gives them; nothing where there is no face at all.

    Args:
        found: of each frame in order, [68, 2], or None where no face was seen.

    Yields:
        [68, 2] float64; those of a gap come when it has ended.
    """
    before: np.ndarray | None = None
    num_missing = 0
    for points in found:
        if points is None:
            num_missing += 1
            continue
        start = points if before is None else before
        for step in range(1, num_missing + 1):
            yield start + (points - start) * (step / (num_missing + 1))
        yield points
        before, num_missing = points, 0
    if before is not None:
        for _ in range(num_missing):
            yield before


def held_in_order(found: Iterable[np.ndarray | None]) -> Iterator[np.ndarray | None]:
    """Landmarks for a camera, where nobody can wait for the end of a gap: the last ones stay; None before the first."""
    points: np.ndarray | None = None
    for one in found:
        points = points if one is None else one
        yield points


def smoothed_in_order(points: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """``smoothed``, two frames behind its input; ``points`` are [68, 2] each."""
    return filtered_in_order(points, smoothed, behind=SMOOTHING_WINDOW // 2)


def filtered_in_order(
    points: Iterable[np.ndarray], smooth: Callable[[np.ndarray], np.ndarray], *, behind: int
) -> Iterator[np.ndarray]:
    """What ``smooth`` makes of all points, ``behind`` frames behind its input.

    Args:
        points: of each frame, all of one shape.
        smooth: from [T, ...] to [T, ...]; what it makes of a frame follows from ``behind`` frames on either side.
        behind: in frames.
    """
    window: deque[np.ndarray] = deque(maxlen=2 * behind + 1)
    for number, one in enumerate(points, start=1):
        window.append(one)
        if number == window.maxlen:
            yield from smooth(np.stack(window))[: behind + 1]
        elif number > 2 * behind + 1:
            yield smooth(np.stack(window))[behind]
    if window:
        done = behind + 1 if len(window) == window.maxlen else 0
        yield from smooth(np.stack(window))[done:]


def in_steps(points: np.ndarray) -> np.ndarray:
    """Landmarks in whole steps of 0.01 pixels, int32: half the memory, and the numbers of a dataset's files."""
    return np.rint(points * STEPS_PER_PIXEL).astype(np.int32)


def in_pixels(steps: np.ndarray) -> np.ndarray:
    """The way back, float64: the very numbers that are read from a dataset's files."""
    return steps / STEPS_PER_PIXEL
