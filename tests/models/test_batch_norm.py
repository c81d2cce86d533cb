"""Running statistics measured anew: the plain mean over the calls, and nothing else changes."""

import pytest
import torch
from torch import nn

from models.networks.batch_norm import recompute_batch_norm


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(3), nn.InstanceNorm2d(3, track_running_stats=True)])
def test_every_call_counts_alike(layer: nn.BatchNorm2d | nn.InstanceNorm2d) -> None:
    torch.manual_seed(0)
    layer.eval()
    batches = [torch.randn(1, 3, 8, 8) * scale + scale for scale in (1, 3, 5)]
    with recompute_batch_norm(layer):
        for batch in batches:
            layer(batch)
    means = torch.stack([batch.mean(dim=(0, 2, 3)) for batch in batches]).mean(dim=0)
    variances = torch.stack([batch.transpose(0, 1).flatten(1).var(dim=1) for batch in batches]).mean(dim=0)
    assert torch.allclose(layer.running_mean, means, atol=1e-5)  # type: ignore[arg-type]
    assert torch.allclose(layer.running_var, variances, atol=1e-4)  # type: ignore[arg-type]
    assert layer.momentum == 0.1 and not layer.training


def test_a_frame_drawn_in_eval_mode_comes_closer_to_the_one_drawn_in_train_mode() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3), nn.BatchNorm2d(3))
    clip = [torch.rand(1, 3, 16, 16) * 4 + 2 for _ in range(4)]
    wanted = torch.stack([network.train()(frame) for frame in clip]).detach()

    def distance() -> float:
        drawn = torch.stack([network.eval()(frame) for frame in clip])
        return (drawn - wanted).abs().mean().item()

    before = distance()
    with torch.no_grad(), recompute_batch_norm(network):
        for frame in clip:
            network(frame)
    assert distance() < 0.2 * before


def test_a_layer_that_is_never_called_keeps_its_statistics() -> None:
    layer = nn.BatchNorm2d(2)
    layer(torch.randn(4, 2, 3, 3))
    before = layer.running_mean.clone()  # type: ignore[union-attr]
    with recompute_batch_norm(layer):
        pass
    assert torch.equal(layer.running_mean, before)  # type: ignore[arg-type]
