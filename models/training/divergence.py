"""Guard against divergence: losses and gradients are checked before any weight changes."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from util.distributed import DistributedContext
from util.errors import UserError

# half precision halves its scale whenever gradients overflow; below this it is not the scale that is too large
SMALLEST_SCALE = 2.0**-10


class NonFiniteError(Exception):
    """A loss or a gradient is not finite; no weight was touched. The message names what."""


def gradient_norm(parameters: Iterable[Tensor], *, limit: float) -> Tensor:
    """Norm of all gradients together; they are scaled down to ``limit`` where it is larger; 0: never."""
    # without a limit this multiplies by 1, which changes no bit
    return torch.nn.utils.clip_grad_norm_(parameters, limit if limit > 0 else float("inf"))


def check_finite(losses: dict[str, Tensor], norms: dict[str, Tensor], *, processes: DistributedContext) -> None:
    """Stop all processes with a ``NonFiniteError`` unless every loss, and gradient norm by network, is finite."""
    values = losses | {f"gradient of {name}": norm for name, norm in norms.items()}
    # one number crosses from the device, not one a loss
    finite = torch.isfinite(torch.stack([value.detach().float() for value in values.values()]))
    if processes.all(bool(finite.all())):
        return
    broken = [name for name, holds in zip(values, finite.tolist(), strict=True) if not holds]
    raise NonFiniteError(", ".join(broken) if broken else "a loss of another process")


def check_scale(scaler: torch.amp.GradScaler) -> None:
    """Stop with a ``NonFiniteError`` when half precision has no scale left at which gradients are finite."""
    if scaler.is_enabled() and scaler.get_scale() < SMALLEST_SCALE:
        raise NonFiniteError(f"gradients, even scaled by {scaler.get_scale():g} (--amp fp16)")


@dataclass
class Guard:
    """How often a run has diverged, and what it does about it.

    Attributes:
        max_failures: failures without a save between that end the run (``--guard_max_failures``).
        lr_factor: what the learning rate is multiplied by at each (``--guard_lr_factor``).
        failures: since the last save.
        rollbacks: failures in all; each makes the run go on with other clips, since the same would end the same.
        lr_scale: what the learning rate is multiplied by now.
    """

    max_failures: int
    lr_factor: float
    failures: int = 0
    rollbacks: int = 0
    lr_scale: float = 1.0

    def state(self) -> dict[str, float]:
        """What a save keeps."""
        return {"rollbacks": self.rollbacks, "lr_scale": self.lr_scale}

    def restore(self, state: dict[str, float]) -> None:
        """Take up what a save kept; one of an older version keeps nothing."""
        self.rollbacks, self.lr_scale = int(state.get("rollbacks", 0)), float(state.get("lr_scale", 1.0))

    def count(self, error: NonFiniteError, *, step: int, where: object) -> None:
        """Count a failure; a ``UserError`` ends the run when it is one too many."""
        self.failures += 1
        self.rollbacks += 1
        self.lr_scale *= self.lr_factor
        if self.failures > self.max_failures:
            raise UserError(
                f"{where}: not finite after step {step}: {error}; the run collapsed {self.failures} times without a "
                "save between and the last save is whole: resume from it with a lower --guard_lr_factor, --clip_grad "
                "or without --amp fp16"
            )
