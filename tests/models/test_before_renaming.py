"""Runs that were saved before the renaming of parts are read, resumed, and end with the same weights.

``tests/before/<run>/latest`` was written by that code after step 3; ``step_6.safetensors`` is the generator that the
same code made of it. No flow counts in these runs, since versions of OpenCV estimate different ones. Steps 4 to 6 are
computed in double precision, since processors round differently.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models import checkpoint as checkpoints
from models.training import loop as train
from options.cli import parse
from options.config import TrainConfig
from tests.double_training import compute_in_double
from tests.tiny_face import STUDENT, TINY, write_tiny_face

BEFORE = Path(__file__).parents[1] / "before"
FLAGS = [
    *(*TINY, "--ngf", "2", "--ndf", "2", "--n_blocks", "1", "--n_frames_total", "6", "--n_scales_temporal", "0"),
    *("--lambda_F", "0", "--lambda_T", "0", "--resume"),
]


@pytest.mark.parametrize("name", ["teacher", "tkd"])
def test_an_old_save_is_read_with_its_old_names(name: str) -> None:
    described = json.loads((BEFORE / name / "latest" / "config.json").read_text())
    saved = checkpoints.load(BEFORE / name, flag="--resume")
    assert saved.step == 3
    assert saved.metadata["components"] == described["facts"]["made_of"]
    assert saved.config.discriminator.ndf == described["config"]["critic"]["ndf"] == 2
    assert "critics" in saved.training_state()["optimizers"]


@pytest.mark.parametrize("name", ["teacher", "tkd"])
def test_an_old_run_is_resumed_and_ends_with_the_same_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute_in_double(monkeypatch.setattr)
    data = write_tiny_face(tmp_path / "data", phase="train", num_frames=8)
    shutil.copytree(BEFORE / name, tmp_path / name)
    flags = [*FLAGS, "--dataroot", str(data), "--checkpoints_dir", str(tmp_path), "--name", name]
    if name == "tkd":
        teacher, own = str(BEFORE / "teacher"), str(BEFORE / name)
        flags += ["--stage", "tkd", *STUDENT, "--teacher", teacher, "--init", own]
    assert train.run(parse(TrainConfig, flags, description="test")).step == 6
    found = load_file(tmp_path / name / "latest" / "generator.safetensors")
    expected = load_file(BEFORE / name / "step_6.safetensors")
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key].to(value.dtype), value, rtol=1e-5, atol=1e-5, msg=key)
