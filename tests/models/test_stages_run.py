"""Whole runs of the training program with what vid2vid can do beyond its defaults, on a tiny dataset."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.training import loop as train
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import TINY, write_tiny_face


def run(data: Path, runs: Path, name: str, *more: str) -> train.Training:
    given = [*TINY, "--dataroot", str(data), "--checkpoints_dir", str(runs), "--name", name, *more]
    return train.run(parse(TrainConfig, given, description="test"))


def coarse_weights(runs: Path, name: str, *, prefix: str) -> dict[str, torch.Tensor]:
    """The coarsest scale of a run, parameters and running statistics."""
    found = load_file(runs / name / "latest" / "generator.safetensors")
    return {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}


@pytest.mark.slow
def test_a_coarse_generator_starts_several_scales_and_rests_for_the_first_epochs(tmp_path: Path) -> None:
    data = write_tiny_face(tmp_path / "data", phase="train", num_frames=8)
    # several scales want larger frames: what was learned at 32 pixels is the coarse scale at 64
    brief = ["--ngf", "8", "--niter_decay", "0"]
    run(data, tmp_path, "coarse", *brief, "--niter", "1")
    scales = [*brief, "--loadSize", "64", "--n_scales_spatial", "2", "--niter_fix_global", "1"]
    given = [*scales, "--init", str(tmp_path / "coarse")]
    run(data, tmp_path, "fine", *given, "--niter", "1")
    before = coarse_weights(tmp_path, "coarse", prefix="")
    resting = coarse_weights(tmp_path, "fine", prefix="G0.")
    assert before.keys() == resting.keys()
    assert all(torch.equal(before[name], resting[name]) for name in before)
    run(data, tmp_path, "fine", *given, "--niter", "2", "--resume")
    moved = coarse_weights(tmp_path, "fine", prefix="G0.")
    assert any(not torch.equal(before[name], moved[name]) for name in before)


@pytest.mark.slow
def test_face_discriminator_sparse_windows_and_two_time_scales_go_together(tmp_path: Path) -> None:
    data = write_tiny_face(tmp_path / "data", phase="train", num_frames=8)
    more = ["--add_face_disc", "--sparse_D", "--TTUR", "--gan_mode", "hinge", "--niter", "1", "--niter_decay", "1"]
    training = run(data, tmp_path, "faces", *more)
    logged = json.loads((tmp_path / "faces" / "loss_log.jsonl").read_text().splitlines()[-1])
    assert {"G_f_GAN", "G_f_GAN_Feat", "D_f_real", "D_f_fake"} <= set(logged)
    assert (tmp_path / "faces" / "latest" / "critic_face.safetensors").is_file()
    # every optimizer is decayed: the last of 2 epochs has half the rate
    groups = {name: optimizer.param_groups[0] for name, optimizer in training.optimizers.items()}
    assert {name: group["lr"] for name, group in groups.items()} == pytest.approx(
        {"generator": 5e-5, "discriminators": 2e-4}
    )
    assert all(group["betas"] == (0.0, 0.9) for group in groups.values())
