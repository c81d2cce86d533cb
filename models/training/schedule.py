"""Schedule of clip lengths, learning rate and gradients: pure functions of the step, nothing to restore."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """The published curriculum (vid2vid): every ``epochs_per_growth`` epochs clips and gradients double.

    Attributes:
        steps_per_epoch: clips of an epoch, divided by the batch.
        num_constant, num_decay: epochs at the full learning rate, and those in which it falls linearly to 0.
        epochs_per_growth: epochs between two doublings.
        clip_frames, max_clip_frames: generated frames of a clip at first, and where doubling ends.
        frames_per_step, max_frames_per_step: the same for generated frames between two weight updates.
        frames_backpropagate, max_frames_backpropagate: the same for frames that a gradient crosses.
        num_fix_coarse: first epochs, in which the finest of several spatial scales is trained alone.
    """

    steps_per_epoch: int
    num_constant: int
    num_decay: int
    epochs_per_growth: int
    clip_frames: int
    max_clip_frames: int
    frames_per_step: int
    max_frames_per_step: int
    frames_backpropagate: int
    max_frames_backpropagate: int
    num_fix_coarse: int = 0

    @property
    def num_epochs(self) -> int:
        """Epochs of the whole training."""
        return self.num_constant + self.num_decay

    @property
    def num_steps(self) -> int:
        """Steps of the whole training."""
        return self.num_epochs * self.steps_per_epoch

    def learning_rate_factor(self, step: int, *, time_used: float = 0.0) -> float:
        """What the learning rate is multiplied by, from 1 down to 0; it changes with the epoch, or with the time.

        Args:
            step: steps done.
            time_used: share of ``--max_minutes`` that is over. A slow machine stops early; its learning rate falls
                in time, as it would have over all epochs, so that the training still ends gently.
        """
        late = max(0, step // self.steps_per_epoch - self.num_constant + 1)
        by_epoch = 1.0 - late / (self.num_decay + 1)
        if self.num_decay == 0:
            return by_epoch
        by_time = max(0.0, 1.0 - time_used) * self.num_epochs / self.num_decay
        return min(by_epoch, by_time)

    def _grown(self, first: int, largest: int, step: int) -> int:
        growth = step // self.steps_per_epoch // self.epochs_per_growth
        return max(first, min(first * 2**growth, largest))

    def clip_frames_at(self, step: int) -> int:
        """Generated frames of this step's clips."""
        return self._grown(self.clip_frames, self.max_clip_frames, step)

    def frames_per_step_at(self, step: int) -> int:
        """Generated frames between two weight updates."""
        return self._grown(self.frames_per_step, self.max_frames_per_step, step)

    def frames_backpropagate_at(self, step: int) -> int:
        """Generated frames that a gradient crosses."""
        return self._grown(self.frames_backpropagate, self.max_frames_backpropagate, step)

    def is_coarse_fixed_at(self, step: int) -> bool:
        """Whether the finest of several spatial scales is trained alone."""
        return step // self.steps_per_epoch < self.num_fix_coarse
