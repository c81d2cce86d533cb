"""Bootstrap interval of a figure over clips."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from scipy import stats

T = TypeVar("T")


def bootstrap_interval(
    clips: Sequence[T], statistic: Callable[[list[T]], float], *, seed: int, num_resamples: int = 1000
) -> tuple[float, float] | None:
    """The 95 % interval of the percentile bootstrap.

    Clips are resampled whole, since frames of one clip depend on each other.

    Args:
        clips: what one clip contributes.
        statistic: the figure of a list of clips.
        seed: the same seed gives the same interval.
        num_resamples: how many lists of clips are made.

    Returns:
        Lower and upper end; None with fewer than two clips, which say nothing about others.
    """
    if len(clips) < 2:
        return None
    found = stats.bootstrap(
        (np.arange(len(clips)),),
        lambda numbers: statistic([clips[number] for number in numbers]),
        n_resamples=num_resamples,
        vectorized=False,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)
