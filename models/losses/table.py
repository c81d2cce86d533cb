"""The table of loss terms: what is logged, and the weighted sum that is minimised."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms, named after the options that set them."""

    features: float = 10.0
    perceptual: float = 10.0
    pixel: float = 0.0
    flow: float = 10.0
    flow_warp: float = 10.0
    temporal_warp: float = 10.0
    face: float = 2.0
    trust_warp: float = 0.0
    r1: float = 0.0


@dataclass
class LossTable:
    """Named loss values and their weights; the total is what is minimised, the single terms are what is logged."""

    terms: dict[str, tuple[Tensor, float]] = field(default_factory=dict)

    def add(self, name: str, value: Tensor, *, weight: float = 1.0) -> None:
        """Add a term. One of weight 0 is left out; values of the same name are summed (raw and final image).

        Raises:
            ValueError: when the term is already there with another weight.
        """
        if weight == 0:
            return
        if name in self.terms:
            before, same_weight = self.terms[name]
            if same_weight != weight:
                raise ValueError(f"loss term {name}: expected weight {same_weight}, got {weight}")
            value = before + value
        self.terms[name] = (value, weight)

    def total(self) -> Tensor:
        """The weighted sum of all terms, a scalar.

        Raises:
            ValueError: when the table is empty.
        """
        if not self.terms:
            raise ValueError("the loss table is empty: every weight is 0")
        return torch.stack([value.float() * weight for value, weight in self.terms.values()]).sum()

    def detached(self) -> dict[str, Tensor]:
        """Weighted values by name, without a graph, for the log."""
        return {name: value.detach().float() * weight for name, (value, weight) in self.terms.items()}
