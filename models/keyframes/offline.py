"""Choice of key-frames from a semantic video that is known in full."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from models.keyframes.thumbnails import Thumbnails

METHODS = ("dp", "uniform", "published", "all")

# the longest stretch of frames that one dynamic program sees, and the least bound on the gap it may leave
_STRETCH = 1024
LEAST_MAX_GAP = 32

# added to squared distances before the logarithm: below it, frames count as equal
_NEGLIGIBLE = 0.5


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


def largest_distance(quality: float, *, num_values: int) -> float:
    """The squared distance of two thumbnails at which the one predicts the other with just that quality."""
    return float(num_values * 10 ** (-quality / 10))


def cheapest_path(thumbnails: Thumbnails, first: int, last: int, *, num_steps: int) -> list[int]:
    """Walk from ``first`` to ``last`` in ``num_steps`` gaps, so that their costs are least; without ``first``."""
    length = last - first
    max_gap = min(length, max(LEAST_MAX_GAP, math.ceil(4 * length / num_steps)))
    costs = _gap_costs(_banded_gram(thumbnails, first, last, max_gap=max_gap), max_gap=max_gap)
    walk = _Walk(costs)
    for _ in range(num_steps):
        walk.take_a_step()
    return walk.path()


def shortest_path(thumbnails: Thumbnails, first: int, last: int, *, limit: float) -> list[int]:
    """Walk in as few gaps as drop no frame with a squared distance above ``limit``; else as ``cheapest_path``."""
    max_gap = min(last - first, LEAST_MAX_GAP)
    costs = _gap_costs(_banded_gram(thumbnails, first, last, max_gap=max_gap), max_gap=max_gap, limit=limit)
    walk = _Walk(costs)
    while not walk.has_arrived():
        walk.take_a_step()
    return walk.path()


class _Walk:
    """The cheapest ways from frame 0 to every frame in so many steps, one step after another."""

    def __init__(self, costs: Tensor) -> None:
        """Args: ``_gap_costs``."""
        self._costs = costs
        self._best = torch.full((len(costs),), math.inf, dtype=costs.dtype)
        self._best[0] = 0
        self._origins: list[Tensor] = []

    def take_a_step(self) -> None:
        """Lengthen all ways by one gap."""
        num_frames, max_gap = self._costs.shape
        # row j: the best ways to frames j - max_gap .. j - 1 with one step less
        before = F.pad(self._best, (max_gap, 0), value=math.inf).unfold(0, max_gap, 1)[:-1]
        self._best, column = (before + self._costs).min(dim=1)
        self._origins.append(torch.arange(num_frames) - max_gap + column)

    def has_arrived(self) -> bool:
        """Whether a way of so many steps leads to the last frame."""
        return math.isfinite(self._best[-1])

    def path(self) -> list[int]:
        """The frames of the cheapest way to the last one, without frame 0."""
        path = [len(self._best) - 1]
        for origin in reversed(self._origins[1:]):
            path.append(int(origin[path[-1]]))
        return path[::-1]


def _gap_costs(gram: Tensor, *, max_gap: int, limit: float = math.inf) -> Tensor:
    """Cost [N, max_gap] of dropping all frames between j and an earlier i: row j, column i - j + max_gap.

    Gaps that would begin before frame 0 cost infinity. The squared norms unfold into products of two frames,
    ``|m - a i - b j|^2 = mm + a a ii + b b jj - 2 a mi - 2 b mj + 2 a b ij``, so one banded Gram matrix serves all.

    Args:
        gram: ``_banded_gram``, [N, max_gap + 1].
        max_gap: the longest gap.
        limit: gaps that drop a frame with a larger squared norm cost infinity.
    """
    num_frames = len(gram)
    j = torch.arange(num_frames)[:, None]
    costs = torch.full((num_frames, max_gap), math.inf, dtype=gram.dtype)
    for gap in range(1, min(max_gap, num_frames - 1) + 1):
        after = torch.arange(1, gap)  # how far j lies after m
        end = j[gap:]
        i, m = end - gap, end - after
        a = after / gap
        b = 1 - a
        squares = gram[m, 0] + a * a * gram[i, 0] + b * b * gram[end, 0]
        products = a * gram[m, gap - after] + b * gram[end, after] - a * b * gram[end, gap]
        distances = (squares - 2 * products).clamp(min=0)
        cost = (distances + _NEGLIGIBLE).log().sum(dim=1)
        costs[gap:, max_gap - gap] = cost.masked_fill((distances > limit).any(dim=1), math.inf)
    return costs


def _banded_gram(thumbnails: Thumbnails, first: int, last: int, *, max_gap: int) -> Tensor:
    """Scalar products of each frame j with the frames j - d before it: [N, max_gap + 1], column d; junk for d > j.

    Frames are counted from ``first``. ``max_gap`` are read at a time; those and as many before them are held.
    """
    num_frames = last - first + 1
    gram = torch.empty(num_frames, max_gap + 1, dtype=torch.float64)
    block = thumbnails[first : first + min(max_gap, num_frames)]
    # the cost does not change when all frames are moved together, and small numbers cancel with smaller errors
    centre = block.mean(dim=0)
    held = block.new_zeros(2 * max_gap, block.shape[1])
    for start in range(0, num_frames, max_gap):
        stop = min(start + max_gap, num_frames)
        if start > 0:
            block = thumbnails[first + start : first + stop]
        held[:max_gap] = held[max_gap:]
        rows = torch.sub(block, centre, out=held[max_gap : max_gap + stop - start])
        # row j - start, column d: frame j - d lies d before j in what is held
        place = torch.arange(max_gap, max_gap + stop - start, device=held.device)[:, None]
        earlier = place - torch.arange(max_gap + 1, device=held.device)
        gram[start:stop] = (rows @ held.T).gather(1, earlier)
    return gram
