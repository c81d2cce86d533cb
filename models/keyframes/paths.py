"""Cheapest and shortest paths through a video's frames; a gap costs as much as linear interpolation misses."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from models.keyframes.thumbnails import Thumbnails

# added to squared distances before the logarithm: below it, frames count as equal
_NEGLIGIBLE = 0.5

LEAST_MAX_GAP = 32


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
