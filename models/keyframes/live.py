"""Choice of key-frames in a stream, of which no more is known than a few frames ahead."""

from collections import deque

import torch
from torch import Tensor

from models.keyframes.offline import cheapest_path, largest_distance, shortest_path


class LiveKeyframes:
    """Chooses the key-frames of a stream, of which no more is known than a few frames ahead.

    When ``lookahead`` frames after the newest key-frame are there, the cheapest path through them is sought
    (``cheapest_keyframes``) with as many steps as the share allows by then, and its first step is taken. No gap is
    longer than the look-ahead. Over a stream the share is kept: there are at most 3 key-frames more than ``share``
    times its frames; where the look-ahead is shorter than the mean gap, 1 / share, each gap is as long as the look-
    ahead. With a quality, the path has as few steps as reach it (``fewest_keyframes``), whatever the share.
    """

    def __init__(self, *, share: float, lookahead: int, num_given: int = 0, quality: float | None = None) -> None:
        """Begin a stream.

        Args:
            share: key-frames per frame that is not given, in (0, 1].
            lookahead: frames that are waited for after a key-frame, at least 1; with 1 every frame is a key-frame.
            num_given: how many first frames are there already; all are key-frames. Without any, frame 0 is one.
            quality: in place of the share, as in ``fewest_keyframes``.

        Raises:
            ValueError: a share or look-ahead out of range.
        """
        if not 0 < share <= 1 or lookahead < 1 or num_given < 0:
            raise ValueError(
                f"expected a share in (0, 1], a look-ahead of at least 1 and num_given >= 0, got {share}, {lookahead}, "
                f"{num_given}"
            )
        self.share = share
        self.lookahead = lookahead
        self.quality = quality
        self._num_first = max(num_given, 1)
        self._num_frames = 0
        self._num_generated = -num_given
        self._newest = -1  # the newest key-frame
        self._window: deque[Tensor] = deque(maxlen=lookahead + 1)  # from the newest key-frame on
        self._num_given = num_given

    def push(self, frame: Tensor) -> int | None:
        """Take the ``thumbnail`` [D] of the next frame; give the number of the next key-frame once it is known."""
        number = self._num_frames
        self._num_frames += 1
        self._window.append(frame)
        if number < self._num_first:
            return self._take(number)
        return self._next() if len(self._window) > self.lookahead else None

    def finish(self) -> list[int]:
        """The remaining key-frames of a stream that has ended; its last frame is among them."""
        chosen = []
        while self._newest < self._num_frames - 1:
            chosen.append(self._next())
        return chosen

    def _next(self) -> int:
        last = len(self._window) - 1
        window = torch.stack(list(self._window))
        if self.quality is not None:
            limit = largest_distance(self.quality, num_values=window.shape[1])
            return self._take(self._newest + shortest_path(window, 0, last, limit=limit)[0])
        due = round(self.share * (self._newest + last + 1 - self._num_given))
        num_steps = min(max(due - self._num_generated, 1), last)
        path = cheapest_path(window, 0, last, num_steps=num_steps)
        return self._take(self._newest + path[0])

    def _take(self, number: int) -> int:
        for _ in range(min(number - self._newest, len(self._window) - 1)):
            self._window.popleft()
        self._newest = number
        self._num_generated += 1
        return number
