"""The moving average of the generator's weights, alone and in a training."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from models import checkpoint as checkpoints
from models.build import load_generator
from models.inference.pipeline import make_methods
from models.training import loop as train
from models.training.ema import GeneratorAverage
from options.cli import parse
from options.config import TestConfig, TrainConfig
from tests.tiny_face import TINY, write_tiny_face
from util.errors import UserError

NOISY = ["--ema", "0.9", "--cond_noise", "0.1", "--cond_dropout", "0.5"]


def test_the_average_follows_fast_at_first_and_by_the_decay_later() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = GeneratorAverage(network, decay=0.5)
    nn.init.ones_(network.weight)
    expected = 0.0
    for number in range(20):
        decay = min(0.5, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay)
        average.update(network)
        assert average.network.state_dict()["weight"].item() == pytest.approx(expected, rel=1e-6)
    assert average.num_updates == 20


def test_the_average_has_the_statistics_of_the_trained_network_and_never_trains() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2))
    average = GeneratorAverage(network, decay=0.9)
    network(torch.rand(4, 2, 3, 3))
    average.update(network)
    assert torch.equal(average.network.state_dict()["0.running_mean"], network.state_dict()["0.running_mean"])
    assert not average.network.training
    assert not any(one.requires_grad for one in average.network.parameters())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_face(tmp_path_factory.mktemp("data"), phase="train", num_frames=12)


def run(data: Path, runs: Path, name: str, *more: str) -> train.Training:
    arguments = [*TINY, *NOISY, "--dataroot", str(data), "--checkpoints_dir", str(runs), "--name", name, *more]
    return train.run(parse(TrainConfig, arguments, description="test"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    run(data, runs, "whole")
    return runs


def test_a_run_with_average_and_noise_resumes_bit_by_bit(data: Path, whole: Path) -> None:
    run(data, whole, "half", "--niter", "3", "--niter_decay", "0")
    run(data, whole, "half", "--resume")
    names = ("generator", "generator_ema", "critic_image", "critic_temporal_0")
    for name in names:
        first, second = (load_file(whole / one / "latest" / f"{name}.safetensors") for one in ("whole", "half"))
        assert [key for key in first if not torch.equal(first[key], second[key])] == [], name
    saves = [checkpoints.load(whole / one, flag="--resume").training_state() for one in ("whole", "half")]
    assert saves[0]["average_updates"] == saves[1]["average_updates"] > 0


def test_the_average_is_what_a_checkpoint_generates_with(whole: Path) -> None:
    saved = checkpoints.load(whole / "whole", flag="--checkpoint")
    used, raw = (load_generator(saved, raw=raw).state_dict() for raw in (False, True))
    assert all(torch.equal(used[name], value) for name, value in saved.weights("generator_ema").items())
    assert all(torch.equal(raw[name], value) for name, value in saved.weights("generator").items())
    parameters = [name for name in used if name.endswith(".weight") and not torch.equal(used[name], raw[name])]
    statistics = [name for name in used if name.endswith("running_mean") and not torch.equal(used[name], raw[name])]
    # the statistics are those of the averaged weights
    assert parameters and statistics


@pytest.mark.parametrize(("more", "file"), [((), "generator_ema"), (("--raw_weights",), "generator")])
def test_raw_weights_are_taken_on_demand(whole: Path, more: tuple[str, ...], file: str) -> None:
    config = parse(TestConfig, ["--checkpoint", str(whole / "whole"), "--device", "cpu", *more], description="test")
    [method] = make_methods(config, torch.device("cpu"))
    expected = checkpoints.load(whole / "whole", flag="--checkpoint").weights(file)["model_final_img.1.bias"]
    network = method.engine.generator
    assert isinstance(network, nn.Module)
    assert torch.equal(network.state_dict()["model_final_img.1.bias"], expected)


def test_an_average_can_neither_be_begun_nor_dropped_in_the_middle_of_a_run(data: Path, whole: Path) -> None:
    with pytest.raises(UserError, match="started with --ema 0.9, found 0.0"):
        run(data, whole, "whole", "--resume", "--ema", "0")


@pytest.mark.parametrize("flags", [("--ema", "1"), ("--cond_dropout", "1.5"), ("--cond_noise", "-1")])
def test_impossible_values_are_refused(flags: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=flags[0]):
        parse(TrainConfig, [*flags], description="test")
