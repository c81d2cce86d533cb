"""Runs that an older version saved, with its own names, load and go on to the weights that it reached."""

import json
import shutil
from pathlib import Path

import cv2
import pytest
import torch
from safetensors.torch import load_file

import train
from models import checkpoint as checkpoints
from models.build import load_generator
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import STUDENT, TINY, write_tiny_face

BEFORE = Path("tests/before")
# exact on the machine that wrote the runs; other CPUs round differently
TOLERANCE = 1e-5
STAGES = {
    "teacher": ["--name", "teacher"],
    "tkd": [
        *("--name", "tkd", "--stage", "tkd", *STUDENT, "--n_frames_total", "6"),
        *("--teacher", str(BEFORE / "teacher"), "--init", str(BEFORE / "tkd")),
    ],
}


@pytest.mark.parametrize("name", STAGES)
def test_an_old_save_is_read_with_its_old_names(name: str) -> None:
    folder = BEFORE / name / "epoch_3"
    described = json.loads((folder / "config.json").read_text())
    assert "made_of" in described["facts"] and "critic" in described["config"]
    saved = checkpoints.load(folder, flag="--checkpoint")
    assert saved.step == 3
    assert saved.metadata["components"] == described["facts"]["made_of"]
    assert saved.config.discriminator.ndf == described["config"]["critic"]["ndf"] == 2
    assert "critics" in saved.training_state()["optimizers"]
    assert not load_generator(saved).training


@pytest.mark.skipif(cv2.__version__.split(".")[0] != "5", reason="the runs saw the reference flow of OpenCV 5")
@pytest.mark.parametrize("name", STAGES)
def test_an_old_run_resumed_ends_with_the_weights_that_the_old_version_reached(name: str, tmp_path: Path) -> None:
    data = write_tiny_face(tmp_path / "data", phase="train", num_frames=8)
    shutil.copytree(BEFORE / name / "epoch_3", tmp_path / name / "latest")
    flags = ["--dataroot", str(data), "--checkpoints_dir", str(tmp_path), "--ngf", "2", "--ndf", "2", "--resume"]
    training = train.run(parse(TrainConfig, [*TINY, *flags, *STAGES[name]], description="test"))
    assert training.step == 6
    expected = load_file(BEFORE / name / "latest" / "generator.safetensors")
    found = training.stage.generator.state_dict()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=TOLERANCE, atol=TOLERANCE, msg=key)
