"""Choice of key-frames from a semantic video that is known in full."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from models.keyframes.paths import LEAST_MAX_GAP, cheapest_path, largest_distance, shortest_path
from models.keyframes.thumbnails import Thumbnails

METHODS = ("dp", "uniform", "published", "all")

# the longest stretch of frames that one dynamic program sees, and the least bound on the gap it may leave
_STRETCH = 1024


def choose_keyframes(
    thumbnails: Thumbnails, *, method: str, share: float, num_given: int, quality: float | None = None
) -> list[int]:
    """Choose the frames that are generated (or given); all others will be interpolated between them.

    Args:
        thumbnails: ``thumbnail`` of every semantic frame, [N, D]; lazy ones are made about once each.
        method: how to choose, one of
            "dp": so that the dropped semantic frames are predicted best from their neighbours (``cheapest_keyframes``);
            "uniform": at equal distances, as far as whole frames allow;
            "published": where the semantic change is a local maximum (paper, section 3.4), and the first
            ``num_given + 1``; ignores ``share``;
            "all": every frame.
        share: how many of the frames that are not given are generated, in (0, 1]; at least one is. With
            ``num_given = 0`` the first frame is among them, since nothing could be interpolated before it.
        num_given: how many first frames are there already.
        quality: with "dp", in place of the share: as few key-frames as reach it (``fewest_keyframes``).

    Returns:
        Sorted absolute indices. The given frames and the last frame are always among them.

    Raises:
        ValueError: an unknown method, a share outside (0, 1], thumbnails that are not [N, D], or N = 0.
    """
    if method not in METHODS:
        raise ValueError(f"expected a key-frame method of {', '.join(METHODS)}, got {method!r}")
    if not 0 < share <= 1:
        raise ValueError(f"expected a key-frame share in (0, 1], got {share}")
    shape = list(thumbnails.shape) if isinstance(thumbnails, Tensor) else [len(thumbnails), "D"]
    if len(shape) != 2 or shape[0] == 0 or num_given < 0:
        raise ValueError(f"expected thumbnails [N, D] and num_given >= 0, got {shape}, {num_given}")

    num_frames = len(thumbnails)
    start = max(num_given - 1, 0)  # the first gap can begin here
    length = num_frames - 1 - start
    if method == "all" or length <= 0:
        return list(range(num_frames))
    if method == "published":
        differences = _changes(thumbnails)
        return sorted({*range(num_given + 1), *published_keyframes(differences), num_frames - 1})
    if method == "dp" and quality is not None:
        return [*range(start + 1), *(start + one for one in fewest_keyframes(thumbnails, quality=quality, start=start))]
    num_generated = round(share * (num_frames - num_given))
    num_chosen = min(max(num_generated - (num_given == 0), 1), length)
    if method == "dp":
        chosen = cheapest_keyframes(thumbnails, num_chosen=num_chosen, start=start)
    else:
        chosen = _uniform_keyframes(length, num_chosen=num_chosen)
    return [*range(start + 1), *(start + index for index in chosen)]


def published_keyframes(differences: Tensor) -> list[int]:
    """The published rule: frames that differ from their predecessor more than both neighbouring frames do.

    The published program smooths with a Hanning window of 3 first; its weights are [0, 1, 0], so we do not.

    Args:
        differences: change from frame i to frame i + 1, [N - 1].

    Returns:
        Sorted indices of the frames *after* the strict local maxima of the change.
    """
    change = differences.double()
    is_peak = (change[1:-1] > change[:-2]) & (change[1:-1] > change[2:])
    return [int(index) + 2 for index in is_peak.nonzero()]


def cheapest_keyframes(thumbnails: Thumbnails, *, num_chosen: int, start: int = 0) -> list[int]:
    """Drop the frames that linear interpolation between their neighbours predicts best (dynamic programming).

    Minimises the sum over the dropped frames of ``log(|S_m - lerp(S_i, S_j)|^2 + 0.5)``, where i < m < j are the
    key-frames around it: exactly, among choices whose gaps are at most G = ``max(32, 4 * the mean gap)`` long, and in
    videos of over 1024 frames separately in stretches of that length, each with its share of the key-frames. So memory
    grows as N x G and time as N x G x G. Not in the paper: it beats its rule at the same number of key-frames.

    Args:
        thumbnails: ``thumbnail`` of every frame, [N, D]; frame ``start`` is a key-frame already.
        num_chosen: how many of the frames after it to choose, in 1 .. N - 1 - start; the last is always chosen.
        start: where to begin, below N - 1.

    Returns:
        Sorted indices counted from ``start``, without 0, with N - 1 - start.
    """
    length = len(thumbnails) - 1 - start
    num_stretches = min(math.ceil(length / _STRETCH), num_chosen)
    ends = [stretch * length // num_stretches for stretch in range(num_stretches + 1)]
    chosen: list[int] = []
    for first, last in pairwise(ends):
        num_until_last = (2 * num_chosen * last + length) // (2 * length)  # rounded
        path = cheapest_path(thumbnails, start + first, start + last, num_steps=num_until_last - len(chosen))
        chosen += [first + index for index in path]
    return chosen


def fewest_keyframes(thumbnails: Thumbnails, *, quality: float, start: int = 0) -> list[int]:
    """Drop as many frames as linear interpolation between their neighbours predicts well enough.

    Among the choices with as few key-frames, the one of which ``cheapest_keyframes`` thinks best. No gap is longer than
    32 frames; videos of over 1024 frames are seen in stretches of that length. The memory does not grow with the
    quality, and the time as N x 32 for each key-frame of a stretch.

    Args:
        thumbnails: as in ``cheapest_keyframes``.
        quality: how close the prediction of each dropped semantic frame comes at least, in decibels: ``-10 log10`` of
            the mean squared difference of the thumbnails. What a figure means depends on the kind of data.
        start: where to begin, below N - 1.

    Returns:
        Sorted indices counted from ``start``, without 0, with N - 1 - start.
    """
    length = len(thumbnails) - 1 - start
    limit = largest_distance(quality, num_values=thumbnails[:1].shape[1])
    num_stretches = math.ceil(length / _STRETCH)
    ends = [stretch * length // num_stretches for stretch in range(num_stretches + 1)]
    chosen: list[int] = []
    for first, last in pairwise(ends):
        chosen += [first + index for index in shortest_path(thumbnails, start + first, start + last, limit=limit)]
    return chosen


def _changes(thumbnails: Thumbnails) -> Tensor:
    """Sum of absolute differences between each frame and the next, [N - 1]."""
    pairs = [thumbnails[start : start + LEAST_MAX_GAP + 1] for start in range(0, len(thumbnails) - 1, LEAST_MAX_GAP)]
    return torch.cat([block.diff(dim=0).abs().sum(dim=1) for block in pairs])


def _uniform_keyframes(length: int, *, num_chosen: int) -> list[int]:
    """``num_chosen`` frames at equal distances after frame 0, frame ``length`` among them."""
    return [(2 * step * length + num_chosen) // (2 * num_chosen) for step in range(1, num_chosen + 1)]  # rounded
