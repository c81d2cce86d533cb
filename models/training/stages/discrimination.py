"""What did the discriminators say in a chunk? Each is asked once; generator and discriminators learn from the same answers.

A discriminator that has judged a drawn frame has done most of the work that the generator's gradient and its own need. The
published programs let it judge every drawn frame twice: once for the generator, once for itself.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from models.losses.table import DiscriminatorMaps, LossTable


class DiscriminatorInput(NamedTuple):
    """Something drawn, and the real thing in its place, as a discriminator sees them.

    Attributes:
        discriminator: its name.
        fake, real: its input, [N, C, H, W].
        weight: of the generator's rows.
    """

    discriminator: str
    fake: Tensor
    real: Tensor
    weight: float = 1.0


class DiscriminatorOutput(NamedTuple):
    """What a discriminator said of an exhibit.

    Attributes:
        discriminator: its name.
        fake, real: what it said.
        weight: of the generator's rows.
    """

    discriminator: str
    fake: DiscriminatorMaps
    real: DiscriminatorMaps
    weight: float = 1.0


def ask(discriminators: nn.ModuleDict, judged_inputs: Iterable[DiscriminatorInput]) -> list[DiscriminatorOutput]:
    """Show every exhibit to its discriminator; all exhibits of one discriminator have the same real part, and it is shown once.

    Real and fake are no single batch, though a discriminator without batch statistics would say the same: the generator's
    gradient would pass through both halves, and only one of them has any.
    """
    of_real: dict[str, DiscriminatorMaps] = {}
    discriminator_outputs = []
    for discriminator, fake, real, weight in judged_inputs:
        if discriminator not in of_real:
            of_real[discriminator] = discriminators[discriminator](real)
        discriminator_outputs.append(
            DiscriminatorOutput(discriminator, discriminators[discriminator](fake), of_real[discriminator], weight)
        )
    return discriminator_outputs


def bridge_gradients(rows: LossTable, *, shown: Sequence[Tensor], drawn: Sequence[Tensor]) -> LossTable:
    """The same rows, whose gradients go on from what the discriminators were shown to what was drawn.

    Args:
        rows: of the discriminators' answers; their graph also leads to the discriminators' weights, and is kept for those.
        shown: leaves of that graph.
        drawn: the tensors of which ``shown`` are copies.

    Returns:
        Rows of the same values. Their gradients reach ``drawn``, and no weight of a discriminator.
    """
    values = _Relay.apply([value for value, _ in rows.rows.values()], shown, *drawn) if rows.rows else ()
    weights = {name: weight for name, (_, weight) in rows.rows.items()}
    return LossTable({name: (value, weights[name]) for name, value in zip(weights, values, strict=True)})


class _Relay(torch.autograd.Function):
    """Ends one graph and begins another: what comes back to the values is sent down theirs, as far as the leaves.

    It happens within the backward pass of the second graph, once for all values, so that the loss scale of half
    precision, weights of rows and shares of batches are in what is sent down.
    """

    @staticmethod
    def forward(ctx: Any, values: list[Tensor], leaves: Sequence[Tensor], *_: Tensor) -> tuple[Tensor, ...]:
        """``values`` are in lists so that autograd does not see their graph."""
        ctx.values, ctx.leaves = values, leaves
        return tuple(value.clone() for value in values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Of the leaves, in place of the drawn tensors."""
        # the discriminators' own backward pass is still to come
        found = torch.autograd.grad(ctx.values, ctx.leaves, gradients, retain_graph=True, allow_unused=True)
        return (None, None, *found)
