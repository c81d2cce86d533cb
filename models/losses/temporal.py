"""Global temporal distillation loss: distance of whole key-frame sequences (paper, section 3.4)."""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.losses.pixel import l1, pyramid_l1
from models.networks.i3d import I3D, load_i3d
from util.files import short_hash


def temporal_difference_distance(student: Tensor, teacher: Tensor, *, num_scales: int = 3) -> Tensor:
    """Distance of how two key-frame sequences change in time. Needs no weights.

    It stands in for the paper's global temporal loss (section 3.4) where I3D weights are absent: L1 between the
    differences of successive frames, at several spatial scales, each halving the sides.

    Args:
        student: [B, T, 3, H, W]; gradients reach it.
        teacher: the same frames of the teacher; none reach it.
        num_scales: spatial scales.

    Returns:
        A scalar; 0 where there are fewer than two frames.
    """
    if student.shape[1] < 2:
        return student.sum() * 0
    first = (student[:, 1:] - student[:, :-1]).flatten(0, 1)
    second = (teacher[:, 1:] - teacher[:, :-1]).flatten(0, 1).detach()
    return torch.stack(pyramid_l1(first, second, num_scales=num_scales)).mean()


class GlobalTemporalLoss(nn.Module):
    """L1 distance of the features of two key-frame sequences (paper, section 3.4); gradients reach the first alone."""

    def __init__(self, backbone: I3D) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Distance of [B, T, 3, H, W] to [B, T, 3, H, W], both in [-1, 1], T >= 2; a scalar."""
        with torch.no_grad():
            wanted = self.backbone(teacher)
        return l1(self.backbone(student), wanted)


def make_global_loss(weights: str | None) -> tuple[GlobalTemporalLoss | None, str]:
    """The global temporal loss of ``--i3d_weights``, and a line for the log.

    Returns:
        (the loss, or None for the stand-in that needs no weights, its description).

    Raises:
        UserError: when the weights cannot be read.
    """
    if weights is None:
        return None, "global temporal loss: multi-scale temporal differences, no weights needed (the paper: I3D)"
    loss = GlobalTemporalLoss(load_i3d(weights))
    return loss, f"global temporal loss: I3D features, {Path(weights).name}, sha256 {short_hash(Path(weights))}"
