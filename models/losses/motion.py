"""Flow and warp losses against the reference flow between the real frames (vid2vid, section 3.2)."""

import torch
from torch import Tensor

from models.flow.warp import warp
from models.losses.pixel import masked_l1
from models.losses.table import LossTable, LossWeights


def add_temporal_warp_term(
    table: LossTable, generated: Tensor, previous: Tensor, reference: Tensor, confidence: Tensor, *, weight: float
) -> None:
    """Add the distance of generated frames to their predecessors, [N, 3, H, W], moved by the reference flow.

    That flow is [N, 2, H, W], and counts where its confidence [N, 1, H, W] is above 0.
    """
    followed = warp(previous, reference).detach()
    table.add("G_Warp", masked_l1(generated, followed, confidence), weight=weight)


def add_flow_terms(
    table: LossTable,
    flow: Tensor,
    blend_weight: Tensor,
    *,
    real: Tensor,
    before: Tensor,
    reference: Tensor,
    confidence: Tensor,
    weights: LossWeights,
) -> None:
    """Add the terms of the predicted flow [N, 2, H, W] and weight [N, 1, H, W]; ``before`` precedes ``real``.

    Losses warp exactly, whatever ``--warp_align_corners`` says of the generator: they measure real motion.
    """
    table.add("F_Flow", masked_l1(flow, reference, confidence), weight=weights.flow)
    table.add("F_Warp", masked_l1(real, warp(before, flow), confidence), weight=weights.flow_warp)
    if weights.trust_warp > 0:
        # where the flow can be trusted, show what was warped rather than what is generated anew
        table.add("W", masked_l1(blend_weight, torch.zeros_like(blend_weight), confidence), weight=weights.trust_warp)
