from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.networks.single_image import GlobalGenerator
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


def test_channels_stop_at_1024() -> None:
    with torch.device("meta"):
        network = GlobalGenerator(semantic_channels=15, base_channels=64, num_downsamples=5, num_blocks=1)
        output = network(torch.empty(1, 15, 64, 64))
    assert max(part.out_channels for part in network.modules() if isinstance(part, nn.Conv2d)) == 1024
    assert output.shape == (1, 3, 64, 64)


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 2, 16, 18), (1, 2, 4, 16)])
def test_wrong_shapes_say_expected_and_got(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected .* got [\[\(].*16"):
        GlobalGenerator(semantic_channels=2, **SMALL)(torch.zeros(shape))
