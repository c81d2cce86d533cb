"""Long rollouts: a short test video, played forwards and backwards."""

import torch
from torch import Tensor

from data.sequences import VideoSequence


class BackAndForth(VideoSequence):
    """A test video that plays forwards and backwards until ``num_frames`` are reached."""

    def __init__(self, sequence: VideoSequence, *, num_frames: int) -> None:
        """Args: a video of at least 2 frames, and how many frames shall be shown."""
        self._sequence = sequence
        self._num_frames = num_frames
        self.encoder = sequence.encoder

    def shown(self, index: int) -> int:
        """Which frame of the video is shown as frame ``index``; it is first shown under its own number."""
        last = self._sequence.num_frames - 1
        return last - abs(index % (2 * last) - last)

    @property
    def name(self) -> str:
        """See ``VideoSequence``."""
        return f"{self._sequence.name}_back_and_forth"

    @property
    def num_frames(self) -> int:
        """See ``VideoSequence``."""
        return self._num_frames

    @property
    def frames_per_second(self) -> float:
        """See ``VideoSequence``."""
        return self._sequence.frames_per_second

    @property
    def size(self) -> tuple[int, int]:
        """See ``VideoSequence``."""
        return self._sequence.size

    def semantic(self, index: int, *, device: torch.device | str = "cpu") -> Tensor:
        """See ``VideoSequence``."""
        return self._sequence.semantic(self.shown(index), device=device)

    def forget_encoded(self) -> None:
        """See ``VideoSequence``."""
        self._sequence.forget_encoded()

    def image(self, index: int) -> Tensor | None:
        """See ``VideoSequence``."""
        return self._sequence.image(self.shown(index))

    def frame_name(self, index: int) -> str:
        """The number of the frame, since each is shown several times."""
        return f"{index:05d}"
