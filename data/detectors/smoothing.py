"""How do the landmarks that a detector finds become steady ones, frame by frame, in memory that does not grow?

The rules are those of ``data.prepare.face``, so that a video is drawn as the videos of the training were; there the
whole video is at hand, here it passes by.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from data.prepare.face import SMOOTHING_WINDOW, smoothed

# 0.01 pixels, as the files of a dataset have them
STEPS_PER_PIXEL = 100


def filled_in_order(found: Iterable[np.ndarray | None]) -> Iterator[np.ndarray]:
    """Landmarks for every frame, as ``data.prepare.face.filled`` gives them; nothing where there is no face at all.

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
    """``data.prepare.face.smoothed``, two frames behind its input; ``points`` are [68, 2] each."""
    window: deque[np.ndarray] = deque(maxlen=SMOOTHING_WINDOW)
    behind = SMOOTHING_WINDOW // 2
    for number, one in enumerate(points, start=1):
        window.append(one)
        if number == SMOOTHING_WINDOW:
            yield from smoothed(np.stack(window))[: behind + 1]
        elif number > SMOOTHING_WINDOW:
            yield smoothed(np.stack(window))[behind]
    if len(window) == SMOOTHING_WINDOW:
        yield from smoothed(np.stack(window))[behind + 1 :]
    else:
        yield from window


def in_steps(points: np.ndarray) -> np.ndarray:
    """Landmarks in whole steps of 0.01 pixels, int32: half the memory, and the numbers of a dataset's files."""
    return np.rint(points * STEPS_PER_PIXEL).astype(np.int32)


def in_pixels(steps: np.ndarray) -> np.ndarray:
    """The way back, float64: the very numbers that are read from a dataset's files."""
    return steps / STEPS_PER_PIXEL
