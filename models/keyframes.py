"""Which frames are worth generating? The others are interpolated between them.

Everything here looks only at the *semantic* video, which is known in full before the first frame is generated.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

METHODS = ("dp", "uniform", "published", "all")

_THUMBNAIL_SIDE = 64
# added to squared distances before the logarithm: below it, frames count as equal
_NEGLIGIBLE = 0.5
# the longest stretch of frames that one dynamic program sees, and the least bound on the gap it may leave
_STRETCH = 1024
_LEAST_MAX_GAP = 32


def thumbnail(semantic: Tensor) -> Tensor:
    """Shrink a semantic frame so that a whole video of them can be compared in memory.

    Args:
        semantic: one frame, [C, H, W], in the units that the generator sees ([0, 1], or one-hot).

    Returns:
        The means over areas of a grid with a longer side of at most 64 cells, flattened to [D], float32.
    """
    shrink = min(1.0, _THUMBNAIL_SIDE / max(semantic.shape[1:]))
    height, width = (max(1, round(side * shrink)) for side in semantic.shape[1:])
    return F.adaptive_avg_pool2d(semantic.float(), (height, width)).flatten()


def choose_keyframes(thumbnails: Tensor, *, method: str, share: float, num_given: int) -> list[int]:
    """Choose the frames that are generated (or given); all others will be interpolated between them.

    Args:
        thumbnails: ``thumbnail`` of every semantic frame, [N, D].
        method: how to choose, one of
            "dp": so that the dropped semantic frames are predicted best from their neighbours (``cheapest_keyframes``);
            "uniform": at equal distances, as far as whole frames allow;
            "published": where the semantic change is a local maximum (paper, section 3.4), and the first
            ``num_given + 1``; ignores ``share``;
            "all": every frame.
        share: how many of the frames that are not given are generated, in (0, 1]; at least one is. With
            ``num_given = 0`` the first frame is among them, since nothing could be interpolated before it.
        num_given: how many first frames are there already.

    Returns:
        Sorted absolute indices. The given frames and the last frame are always among them.

    Raises:
        ValueError: an unknown method, a share outside (0, 1], thumbnails that are not [N, D], or N = 0.
    """
    if method not in METHODS:
        raise ValueError(f"expected a key-frame method of {', '.join(METHODS)}, got {method!r}")
    if not 0 < share <= 1:
        raise ValueError(f"expected a key-frame share in (0, 1], got {share}")
    if thumbnails.ndim != 2 or len(thumbnails) == 0 or num_given < 0:
        raise ValueError(f"expected thumbnails [N, D] and num_given >= 0, got {list(thumbnails.shape)}, {num_given}")

    num_frames = len(thumbnails)
    start = max(num_given - 1, 0)  # the first gap can begin here
    length = num_frames - 1 - start
    if method == "all" or length <= 0:
        return list(range(num_frames))
    if method == "published":
        differences = thumbnails.diff(dim=0).abs().sum(dim=1)
        return sorted({*range(num_given + 1), *published_keyframes(differences), num_frames - 1})
    num_generated = round(share * (num_frames - num_given))
    num_chosen = min(max(num_generated - (num_given == 0), 1), length)
    choose = cheapest_keyframes if method == "dp" else _uniform_keyframes
    chosen = choose(thumbnails[start:], num_chosen=num_chosen)
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


def cheapest_keyframes(thumbnails: Tensor, *, num_chosen: int) -> list[int]:
    """Drop the frames that linear interpolation between their neighbours predicts best (dynamic programming).

    Minimises the sum over the dropped frames of ``log(|S_m - lerp(S_i, S_j)|^2 + 0.5)``, where i < m < j are the
    key-frames around it: exactly, among choices whose gaps are at most G = ``max(32, 4 * the mean gap)`` long, and in
    videos of over 1024 frames separately in stretches of that length, each with its share of the key-frames. So memory
    grows as N x G and time as N x G x G. Not in the paper: it beats its rule at the same number of key-frames.

    Args:
        thumbnails: ``thumbnail`` of every frame, [N, D], N > 1; frame 0 is a key-frame already.
        num_chosen: how many of the others to choose, in 1 .. N - 1; the last frame is always chosen.

    Returns:
        Sorted indices, without 0, with N - 1.
    """
    length = len(thumbnails) - 1
    num_stretches = min(math.ceil(length / _STRETCH), num_chosen)
    ends = [stretch * length // num_stretches for stretch in range(num_stretches + 1)]
    chosen: list[int] = []
    for start, end in pairwise(ends):
        num_until_end = (2 * num_chosen * end + length) // (2 * length)  # rounded
        stretch = thumbnails[start : end + 1]
        chosen += [start + index for index in _cheapest_path(stretch, num_steps=num_until_end - len(chosen))]
    return chosen


def _uniform_keyframes(thumbnails: Tensor, *, num_chosen: int) -> list[int]:
    """``num_chosen`` frames at equal distances after frame 0, the last frame among them."""
    length = len(thumbnails) - 1
    return [(2 * step * length + num_chosen) // (2 * num_chosen) for step in range(1, num_chosen + 1)]  # rounded


def _cheapest_path(thumbnails: Tensor, *, num_steps: int) -> list[int]:
    """Walk from the first frame to the last in exactly ``num_steps`` gaps, so that the gaps' costs are least."""
    length = len(thumbnails) - 1
    max_gap = min(length, max(_LEAST_MAX_GAP, math.ceil(4 * length / num_steps)))
    costs = _gap_costs(thumbnails, max_gap=max_gap)
    best = torch.full((length + 1,), math.inf, dtype=costs.dtype)
    best[0] = 0
    origins = []
    for _ in range(num_steps):
        # row j: the best ways to frames j - max_gap .. j - 1 with one step less
        before = F.pad(best, (max_gap, 0), value=math.inf).unfold(0, max_gap, 1)[:-1]
        best, column = (before + costs).min(dim=1)
        origins.append(torch.arange(length + 1) - max_gap + column)
    path = [length]
    for origin in reversed(origins[1:]):
        path.append(int(origin[path[-1]]))
    return path[::-1]


def _gap_costs(thumbnails: Tensor, *, max_gap: int) -> Tensor:
    """Cost [N, max_gap] of dropping all frames between j and an earlier i: row j, column i - j + max_gap.

    Gaps that would begin before frame 0 cost infinity. The squared norms unfold into products of two frames,
    ``|m - a i - b j|^2 = mm + a a ii + b b jj - 2 a mi - 2 b mj + 2 a b ij``, so one banded Gram matrix serves all.
    """
    gram = _banded_gram(thumbnails, max_gap=max_gap).double().cpu()
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
        costs[gap:, max_gap - gap] = (distances + _NEGLIGIBLE).log().sum(dim=1)
    return costs


def _banded_gram(thumbnails: Tensor, *, max_gap: int) -> Tensor:
    """Scalar products of each frame j with the frames j - d before it: [N, max_gap + 1], column d; junk for d > j."""
    # the cost does not change when all frames are moved together, and small numbers cancel with smaller errors
    centred = thumbnails - thumbnails.mean(dim=0)
    bands = []
    for start in range(0, len(centred), max_gap):
        rows = centred[start : start + max_gap]
        origin = max(start - max_gap, 0)
        products = rows @ centred[origin : start + len(rows)].T
        j = torch.arange(start, start + len(rows), device=rows.device)[:, None]
        earlier = j - torch.arange(max_gap + 1, device=rows.device) - origin
        bands.append(products.gather(1, earlier.clamp(min=0)))
    return torch.cat(bands)
