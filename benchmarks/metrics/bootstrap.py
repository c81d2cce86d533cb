"""How far would a figure move if other clips had been filmed?"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def bootstrap_interval(
    clips: Sequence[T],
    statistic: Callable[[list[T]], float],
    *,
    seed: int,
    num_resamples: int = 1000,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """The percentile bootstrap over clips: they are drawn with replacement, whole, since their frames hang together.

    Args:
        clips: what one clip contributes.
        statistic: the figure of a list of clips.
        seed: the same seed gives the same interval.
        num_resamples: how many lists are drawn.
        level: the share of resampled figures in the interval.

    Returns:
        Lower and upper end; None with fewer than two clips, which tell nothing of others.

    Raises:
        ValueError: when the level is not between 0 and 1, or there are no resamples.
    """
    if not 0 < level < 1 or num_resamples < 1:
        raise ValueError(f"expected a level in (0, 1) and 1 or more resamples, got {level} and {num_resamples}")
    if len(clips) < 2:
        return None
    random = np.random.default_rng(seed)
    drawn = random.integers(len(clips), size=(num_resamples, len(clips)))
    figures = [statistic([clips[number] for number in numbers]) for numbers in drawn]
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
