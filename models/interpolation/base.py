"""Interpolators and the streams of key-frames they fill: every frame between two key-frames, each at its own time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

# OpenCV's dense inverse search refuses smaller frames; block search has nothing to find in them either
SMALLEST_SIDE = 12


# the picture of a semantic frame in which motion is searched: uint8 [H, W]; on CUDA float32 [H, W], whole grey levels
Guide = np.ndarray | Tensor


class Interpolator(Protocol):
    """Finds the frames between two others."""

    def __call__(self, first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
        """The frames at ``times``.

        Args:
            first, last: the neighbours, [3, H, W] in [-1, 1].
            times: strictly between 0 (``first``) and 1 (``last``).

        Returns:
            [len(times), 3, H, W] in [-1, 1], on the device and in the type of ``first``. The same on every run.

        Raises:
            ValueError: the neighbours differ in shape or are no RGB frames, or a time is not in (0, 1).
        """
        ...


class KeyFrame(NamedTuple):
    """A key-frame of a stream.

    Attributes:
        number: of the frame in the video.
        frame: [3, H, W] in [-1, 1].
        guides: pictures of the semantic frames after the key-frame before, up to this one's; or none. See
            ``models.interpolation.guided``.
    """

    number: int
    frame: Tensor
    guides: Sequence[Guide] = ()


def fill_between(
    keyframes: Mapping[int, Tensor] | Iterable[tuple[int, Tensor] | KeyFrame], interpolator: Interpolator
) -> Iterator[Tensor]:
    """All frames of a video, in order, from its key-frames; only the frames of one gap are held at a time.

    Args:
        keyframes: index -> frame [3, H, W], in ascending order; or such pairs, or ``KeyFrame``, as a stream, one by one
            as they are made.
        interpolator: what lies between two of them; where key-frames have guides, a ``GuidedMotion``.

    Yields:
        The key-frames themselves (the same tensors), and between neighbours i < j exactly j - i - 1 frames, frame k
        at time (k - i) / (j - i).

    Raises:
        ValueError: indices that do not ascend.
    """
    before: KeyFrame | None = None
    for pair in keyframes.items() if isinstance(keyframes, Mapping) else keyframes:
        key = KeyFrame(*pair)
        if before is not None:
            gap = key.number - before.number
            if gap < 1:
                raise ValueError(f"expected ascending key-frames, got {key.number} after {before.number}")
            if gap > 1:
                guides = {"guides": [before.guides[-1], *key.guides]} if key.guides else {}
                yield from interpolator(before.frame, key.frame, [step / gap for step in range(1, gap)], **guides)
        yield key.frame
        before = key


def nearest(first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
    """Repeat the nearer key-frame (the first at half-time); see ``Interpolator``."""
    check_neighbours(first, last, times)
    return torch.stack([first if time <= 0.5 else last for time in times])


def blend(first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
    """Cross-fade; see ``Interpolator``."""
    check_neighbours(first, last, times)
    weights = torch.tensor(times, dtype=torch.float32, device=first.device)[:, None, None, None]
    return torch.lerp(first.float(), last.float(), weights).to(first.dtype)


def check_neighbours(first: Tensor, last: Tensor, times: Sequence[float]) -> None:
    """Refuse what no ``Interpolator`` takes, with a ValueError."""
    if first.ndim != 3 or first.shape[0] != 3 or first.shape != last.shape:
        raise ValueError(f"expected two frames [3, H, W], got {list(first.shape)} and {list(last.shape)}")
    if not all(0 < time < 1 for time in times):
        raise ValueError(f"expected times strictly between 0 and 1, got {list(times)}")
