"""Street and paired data from files to a page, through all three stages."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks import testing as program
from data.storage.picture_files import read_picture
from models import checkpoint as checkpoints
from models.training import loop as train
from options.cli import parse
from options.config import TestConfig, TrainConfig
from tests.tiny_street import TINY, write_tiny_paired, write_tiny_street
from util.errors import UserError
from util.media.video import read_video

STUDENT = ["--netG", "sr_mobile_composite", "--low_demand"]
LABELS = [{"name": name, "id": id, "color": [id, id, 0]} for name, id in (("sky", 23), ("house", 11), ("road", 7))]
KINDS = {
    "street": ["--dataset_mode", "street", "--use_instance", "--fg"],
    "paired": ["--dataset_mode", "paired", "--input_nc", "1"],
}


def run(data: Path, runs: Path, name: str, *more: str) -> train.Training:
    flags = [*TINY, "--dataroot", str(data), "--checkpoints_dir", str(runs), "--name", name, *more]
    return train.run(parse(TrainConfig, flags, description="test"))


def write(kind: str, root: Path, *, phase: str, num_frames: int) -> Path:
    return (write_tiny_street if kind == "street" else write_tiny_paired)(root, phase=phase, num_frames=num_frames)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["street", "paired"])
def test_all_three_stages_and_the_test_run_from_files_to_a_page(kind: str, tmp_path: Path) -> None:
    data = write(kind, tmp_path / "data", phase="train", num_frames=6)
    write(kind, data, phase="test", num_frames=5)
    runs, flags = tmp_path / "runs", KINDS[kind]
    run(data, runs, "teacher", *flags)
    student = [*flags, *STUDENT, "--teacher", str(runs / "teacher")]
    run(data, runs, "skd", "--stage", "skd", *student)
    run(data, runs, "tkd", "--stage", "tkd", *student, "--init", str(runs / "skd"))
    out = tmp_path / "out"
    tested = ["--checkpoint", str(runs / "tkd"), "--teacher", str(runs / "teacher"), "--dataroot", str(data)]
    program.run(parse(TestConfig, [*tested, "--output", str(out), "--device", "cpu"], description="test"))
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["frames"], summary["size"]) == (5, [32, 64])
    assert "psnr" in summary["methods"]["fast"]
    assert read_picture(out / "fast" / "drive" / "00004.png").shape == (32, 64, 3)
    shown = next(iter(read_video(out / "semantics" / "drive.mp4")))
    sky = (70, 130, 180) if kind == "street" else (146, 146, 146)
    assert np.abs(shown[2, 32].astype(int) - sky).max() < 40, "the sky is at the top, in its colour"


def test_labels_of_ones_own_need_their_file_only_once(tmp_path: Path) -> None:
    data = write_tiny_street(tmp_path / "data", phase="train", num_frames=5)
    labels = tmp_path / "mine.json"
    labels.write_text(json.dumps(LABELS))
    flags = ["--dataset_mode", "street", "--label_set", str(labels), "--ignore_label", "7"]
    run(data, tmp_path, "own", *flags)
    labels.unlink()
    pictures = sorted((tmp_path / "own" / "pictures").iterdir())
    assert read_picture(pictures[-1])[2, 32].tolist() == [23, 23, 0], "the sky is at the top, in its colour"
    saved = checkpoints.load(tmp_path / "own", flag="--checkpoint")
    assert (saved.metadata["semantic_channels"], saved.metadata["subject_widths"]) == (3, None)
    weights = load_file(tmp_path / "own" / "latest" / "generator.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())
    write_tiny_street(data, phase="test", num_frames=4)
    out = tmp_path / "out"
    tested = ["--checkpoint", str(tmp_path / "own"), "--dataroot", str(data), "--output", str(out), "--device", "cpu"]
    program.run(parse(TestConfig, tested, description="test"))
    assert len(list((out / "fast" / "drive").iterdir())) == 4


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--label_set", "cityscapes"], "--label_set 'cityscapes': expected one of cityscapes35"),
        (["--label_set", "plain20", "--fg"], "--fg_labels"),
        (["--label_set", "plain20"], "00000.png: expected ids of the 20 labels"),
        (["--label_nc", "20"], "--label_nc 20: expected a channel for each of the 35 labels"),
        (["--fg_labels", "cars"], "--fg_labels cars"),
        (["--fg_labels", "99"], "--fg_labels 99"),
        (["--ignore_label", "99"], "--ignore_label 99"),
        (["--dataset_mode", "face"], "--use_instance is for label maps: add --dataset_mode street"),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path: Path, more: list[str], expected: str) -> None:
    data = write_tiny_street(tmp_path / "data", phase="train", num_frames=3)
    with pytest.raises(UserError) as caught:
        run(data, tmp_path / "runs", "mistake", "--dataset_mode", "street", "--use_instance", *more)
    assert expected in str(caught.value) and "\n" not in str(caught.value)
