"""Networks that never train."""

from torch import nn


class Frozen(nn.Module):
    """A backbone that never trains: no gradients to its weights, always in eval mode."""

    def freeze(self) -> None:
        """Call at the end of ``__init__``."""
        self.requires_grad_(False)
        super().train(False)

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in eval mode, whatever the training around it does."""
        return self
