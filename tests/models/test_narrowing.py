"""Narrower generators keep the most important channels, the same ones everywhere."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from models.build import build_generator
from models.checkpoint import transfer_weights
from models.networks.narrowing import channel_importance, group_sizes, layers_of, narrow, tensors_of
from options.network_config import GeneratorConfig
from tests.golden import fill_state

CHANNELS = 3
NETWORKS: dict[str, dict[str, Any]] = {
    "composite": {"netG": "composite", "fg": True},
    "instance": {"netG": "composite", "norm": "instance"},
    "student": {"netG": "sr_mobile_composite", "low_demand": True, "fg": True},
    "deep": {"netG": "sr_mobile_composite", "low_demand": True, "n_downsample_G": 3, "fg": True},
    "scales": {"netG": "composite", "n_scales_spatial": 2, "n_blocks_local": 1, "fg": True},
    "global": {"netG": "global"},
}


def make(kind: str, *, ngf: int, **settings: Any) -> nn.Module:
    config = GeneratorConfig(**({"n_downsample_G": 2, "n_blocks": 2, "ngf": ngf} | NETWORKS[kind] | settings))
    generator = build_generator(config, semantic_channels=CHANNELS)
    fill_state(generator, "narrow")
    return generator.eval()


def draw(kind: str, generator: nn.Module) -> list[torch.Tensor]:
    torch.manual_seed(0)
    if kind == "global":
        return [generator(torch.rand(1, CHANNELS, 32, 32))]
    output = generator(
        torch.rand(1, 3 * CHANNELS, 32, 32), torch.rand(1, 6, 32, 32), foreground_mask=torch.rand(1, 1, 32, 32).round()
    )
    return [output.final, output.raw, output.flow, output.weight]


def take_over(source: nn.Module, target: nn.Module) -> tuple[int, int]:
    chosen = narrow(source.state_dict(), source=source, target=target)
    return transfer_weights(target, chosen.weights)


@torch.no_grad()
def silence_half(generator: nn.Module) -> None:
    """Half of the channels of every group, other ones in each, are 0 wherever they are written, normed or read."""
    layers, state = layers_of(generator), generator.state_dict()
    random = torch.Generator().manual_seed(1)
    silent = {group: torch.randperm(size, generator=random)[size // 2 :] for group, size in group_sizes(layers).items()}
    for name, side, group in tensors_of(layers):
        if name in state and group in silent and not group.startswith("output"):
            state[name].index_fill_(side, silent[group], float(name.endswith("running_var")))


@pytest.mark.parametrize("kind", NETWORKS)
def test_same_width_is_the_same_network(kind: str) -> None:
    source, target = make(kind, ngf=8), make(kind, ngf=8)
    for parameter in target.parameters():
        nn.init.zeros_(parameter)
    taken, total = take_over(source, target)
    assert taken == total
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value), name


@pytest.mark.parametrize("kind", NETWORKS)
def test_without_silent_channels_a_network_draws_the_same(kind: str) -> None:
    source, target = make(kind, ngf=8), make(kind, ngf=4)
    silence_half(source)
    taken, total = take_over(source, target)
    assert taken == total
    for wide, thin in zip(draw(kind, source), draw(kind, target), strict=True):
        assert wide.std() > 1e-3
        torch.testing.assert_close(thin, wide, rtol=0, atol=1e-5)


def test_the_flow_branch_alone_may_be_narrower() -> None:
    source, target = make("student", ngf=8), make("student", ngf=8, ngf_flow=2)
    taken, total = take_over(source, target)
    assert taken == total
    wide, thin = draw("student", source), draw("student", target)
    assert torch.equal(wide[1], thin[1])
    assert not torch.equal(wide[2], thin[2])


def test_fewer_blocks_are_the_first_ones() -> None:
    source, target = make("composite", ngf=8, n_blocks=4), make("composite", ngf=4, n_blocks=2)
    taken, total = take_over(source, target)
    assert taken == total


def test_a_teacher_gives_a_narrow_student_all_but_its_mobile_blocks() -> None:
    teacher, student = make("composite", ngf=8), make("student", ngf=4)
    taken, total = take_over(teacher, student)
    mobile = [name for name in student.state_dict() if ".conv." in name]
    assert taken == total - len(mobile)


def test_the_largest_filters_are_kept_and_counted() -> None:
    source, target = make("student", ngf=8), make("student", ngf=4)
    chosen = narrow(source.state_dict(), source=source, target=target)
    sizes = {group: size for group, size in group_sizes(layers_of(source)).items() if not group.startswith("output")}
    assert (chosen.num_kept, chosen.num_channels) == (sum(sizes.values()) // 2, sum(sizes.values()))
    importance = channel_importance(source.state_dict(), layers_of(source))["image"]
    expected = importance.argsort(descending=True)[:4].sort().values
    head = "model_final_img.1.weight"
    assert torch.equal(chosen.weights[head], source.state_dict()[head][:, expected])


def test_a_wider_network_takes_over_nothing_that_does_not_fit() -> None:
    source, target = make("student", ngf=4), make("student", ngf=8)
    before = copy.deepcopy(target.state_dict())
    chosen = narrow(source.state_dict(), source=source, target=target)
    assert (chosen.num_kept, chosen.num_channels) == (0, 0)
    transfer_weights(target, chosen.weights)
    assert torch.equal(before["model_up_img.0.weight"], target.state_dict()["model_up_img.0.weight"])
