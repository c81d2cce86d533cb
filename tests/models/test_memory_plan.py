"""The memory that a training is said to need is what its tensors take, and what is suggested makes it fit."""

from pathlib import Path

import pytest
import torch

from models.training import memory_plan as plan
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import STUDENT
from tests.tiny_video import write_student
from util.allocations import AllocationCounter

TINY = [
    *("--dataroot", "nowhere", "--loadSize", "32", "--ngf", "4", "--n_blocks", "2", "--n_downsample_G", "2"),
    *("--ndf", "4", "--n_layers_D", "2", "--n_frames_total", "4", "--niter_step", "100", "--perceptual", "none"),
    *("--device", "cpu", "--plan", "--frames_per_step", "2", "--max_frames_per_gpu", "2"),
]


def config(*more: str) -> TrainConfig:
    return parse(TrainConfig, [*TINY, *more], description="test")


def test_tensors_are_counted_while_they_live() -> None:
    with AllocationCounter() as counter:
        first = torch.zeros(100)
        view = first[:50].add_(1)
        second = first + 1
        del second
        third = first * 2
    assert (counter.now, counter.peak) == (800, 800)
    del first, view, third
    assert counter.now == 0


TKD = ("--stage", "tkd", *STUDENT, "--resume", "--n_frames_total", "6", "--lambda_kd_feat", "1")


@pytest.mark.parametrize("more", [(), ("--batchSize", "2"), TKD])
def test_pretended_tensors_take_what_real_ones_do(more: tuple[str, ...], tmp_path: Path) -> None:
    teacher = ("--teacher", str(write_student(tmp_path / "teacher", channels=15))) if more == TKD else ()
    settings = config(*more, *teacher)
    scene, _ = plan.look_at(settings)
    found = plan.estimate(settings, scene)
    stage = plan._stage(settings, scene)
    stage.generator.train()
    stage.discriminators.train()
    with AllocationCounter() as counter:
        plan._hardest_chunk(settings, scene, stage)
    weights = sum(one.numel() * 4 for part in (stage.generator, stage.discriminators) for one in part.parameters())
    assert found.trained >= weights
    assert found.chunk + found.gradients == pytest.approx(counter.peak, rel=0.1)


def test_half_precision_and_smaller_batches_take_less() -> None:
    scene, _ = plan.look_at(config())
    large, small = (plan.estimate(config("--batchSize", count), scene).chunk for count in ("2", "1"))
    half = plan.estimate(config("--amp", "bf16"), scene).chunk
    assert half < small < large


@pytest.mark.slow
def test_what_does_not_fit_is_reduced_until_it_does() -> None:
    settings = config("--batchSize", "4")
    scene, _ = plan.look_at(settings)
    found = plan.estimate(settings, scene)
    budget = plan.on_device(found, torch.device("cpu")) - 0.3 * found.total
    told = plan.make_plan(config("--batchSize", "4", "--plan_memory_gb", str(budget / plan.GB)))
    assert "too much" in "\n".join(told)
    assert told[-1].endswith("fits")
    assert "fits into" in plan.make_plan(config())[-1]


def test_a_process_takes_more_than_its_tensors_on_every_device() -> None:
    found = plan.Estimate(trained=10**9, frozen=0, gradients=0, optimizers=0, chunk=0)
    cpu, cuda, other = (plan.on_device(found, torch.device(kind)) for kind in ("cpu", "cuda", "mps"))
    assert cuda == pytest.approx(1.75e9)
    assert other == cpu > found.total
