from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.networks.single_image import (
    EnhancedGlobalGenerator,
    EnhancedGlobalGeneratorWithFeatures,
    FeatureEncoder,
    GlobalGenerator,
    GlobalGeneratorWithFeatures,
    average_per_instance,
)
from tests.golden import fill_state, load_golden, randn

SMALL: dict[str, Any] = {"base_channels": 4, "num_blocks": 1, "num_downsamples": 2}


def check_golden(name: str, network: nn.Module, mode: str, inputs: list[str]) -> None:
    arrays, meta = load_golden(name)
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == meta["state_shapes"]
    fill_state(network, name)
    network.train(mode == "train")
    shapes = meta["meta"]["input_shapes"]
    with torch.no_grad():
        output = network(*(stored_or_noise(arrays, name, key, shapes[key]) for key in inputs))
    expected = arrays[f"{mode}/out"]
    thinned = output.flatten()[::7] if expected.ndim == 1 else output
    torch.testing.assert_close(thinned, expected, atol=1e-4, rtol=1e-4)


def stored_or_noise(arrays: dict[str, Tensor], name: str, key: str, shape: list[int]) -> Tensor:
    stored = arrays.get(f"inputs/{key}")
    return torch.from_numpy(randn(f"{name}/in", tuple(shape))) if stored is None else stored.float()


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_global_agrees_with_the_published_program(mode: str) -> None:
    network = GlobalGenerator(semantic_channels=15, base_channels=8, num_blocks=3)
    check_golden("global_batch", network, mode, ["input"])


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_local_agrees_with_the_published_program(mode: str) -> None:
    network = EnhancedGlobalGenerator(
        semantic_channels=15,
        base_channels=4,
        num_downsamples=2,
        num_blocks=3,
        num_enhancer_blocks=2,
        norm="instance",
    )
    check_golden("local_instance", network, mode, ["input"])


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_global_with_features_agrees_with_the_published_program(mode: str) -> None:
    network = GlobalGeneratorWithFeatures(semantic_channels=15, feature_channels=5, base_channels=8, num_blocks=3)
    check_golden("global_with_features_batch", network, mode, ["x", "z"])


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_encoder_agrees_with_the_published_program(mode: str) -> None:
    network = FeatureEncoder(feature_channels=5, base_channels=4)
    check_golden("encoder_batch", network, mode, ["input", "inst"])


def test_channels_stop_at_1024() -> None:
    with torch.device("meta"):
        network = GlobalGenerator(semantic_channels=15, base_channels=64, num_downsamples=5, num_blocks=1)
        output = network(torch.empty(1, 15, 64, 64))
    assert max(part.out_channels for part in network.modules() if isinstance(part, nn.Conv2d)) == 1024
    assert output.shape == (1, 3, 64, 64)


@pytest.mark.parametrize("num_enhancers", [1, 2])
def test_enhancers_keep_the_size(num_enhancers: int) -> None:
    semantic, z = torch.zeros(1, 2, 32, 48), torch.zeros(1, 3, 32, 48)
    plain = EnhancedGlobalGenerator(semantic_channels=2, num_enhancers=num_enhancers, **SMALL).eval()
    rich = EnhancedGlobalGeneratorWithFeatures(
        semantic_channels=2, feature_channels=3, num_enhancers=num_enhancers, **SMALL
    ).eval()
    with torch.no_grad():
        assert plain(semantic).shape == rich(semantic, z).shape == (1, 3, 32, 48)


@pytest.mark.parametrize("network", [GlobalGeneratorWithFeatures, EnhancedGlobalGeneratorWithFeatures])
def test_features_change_the_image_and_train_every_parameter(network: type[nn.Module]) -> None:
    generator = network(semantic_channels=2, feature_channels=3, **SMALL)
    semantic = torch.from_numpy(randn("first/semantic", (2, 2, 16, 16)))
    z = torch.from_numpy(randn("first/z", (2, 3, 16, 16))).requires_grad_()
    generator(semantic, z).square().sum().backward()
    assert z.grad is not None and z.grad.abs().min() > 0
    assert [name for name, parameter in generator.named_parameters() if parameter.grad is None] == []


def test_objects_of_different_images_are_averaged_apart() -> None:
    x = torch.arange(8.0).view(2, 1, 2, 2)
    instance = torch.tensor([[[[7, 7], [7, 9]]], [[[9, 9], [-1, 7]]]])
    expected = torch.tensor([[[[1.0, 1.0], [1.0, 3.0]]], [[[4.5, 4.5], [6.0, 7.0]]]])
    torch.testing.assert_close(average_per_instance(x, instance), expected)


def test_average_passes_its_gradient_to_the_object() -> None:
    x = torch.zeros(1, 1, 2, 2, requires_grad=True)
    average_per_instance(x, torch.tensor([[[[0, 0], [1, 1]]]]))[0, 0, 0, 0].backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor([[[[0.5, 0.5], [0.0, 0.0]]]]))


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 2, 16, 18), (1, 2, 4, 16)])
def test_wrong_shapes_say_expected_and_got(shape: tuple[int, ...]) -> None:
    for network in (GlobalGenerator, EnhancedGlobalGenerator):
        with pytest.raises(ValueError, match=r"expected .* got [\[\(].*16"):
            network(semantic_channels=2, **SMALL)(torch.zeros(shape))
