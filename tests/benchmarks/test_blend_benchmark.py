"""``benchmark.py blend``: what is drawn, what is moved, and how much of each is shown."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from benchmarks import blend
from models import checkpoint as checkpoints
from models.build import blank_inputs, load_generator
from models.training import loop as train
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import TINY, write_tiny_face
from util.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, and the checkpoint of a generator that begins as a copy and has hardly learned."""
    root = tmp_path_factory.mktemp("blend")
    write_tiny_face(root, phase="train", num_frames=8)
    write_tiny_face(root, phase="test", num_frames=8)
    small = (*TINY, "--ngf", "2", "--ndf", "2", "--n_blocks", "1", "--lr", "1e-9", "--begin_as_copy")
    flags = ["--dataroot", str(root), "--checkpoints_dir", str(root), "--name", "copy", *small]
    train.run(parse(TrainConfig, flags, description="test"))
    return root


def test_a_copy_moves_nothing_and_shows_a_fifth_of_what_it_draws(folder: Path) -> None:
    out = folder / "rows.json"
    blend.run(
        Namespace(
            checkpoint=[str(folder / "copy")], dataroot=str(folder), phase="test", shift=[0.0, -20.0, 20.0], json=out
        )
    )
    (row,) = json.loads(out.read_text())
    assert row["weight"] == pytest.approx(0.2, abs=1e-3)
    assert row["flow_pixels"] < 1e-3
    assert row["moved"] == pytest.approx(row["unmoved"], abs=0.01)
    # nothing drawn is a still frame, and nothing moved is what is drawn from drawn frames
    assert row["rollouts"]["-20"] == pytest.approx(row["still"], abs=0.01)
    assert row["rollouts"]["20"] == pytest.approx(row["drawn"], abs=1)
    assert row["drawn"] < row["rollouts"]["0"] < row["still"]


def test_a_copy_for_inference_may_have_another_blend(folder: Path) -> None:
    saved, shifted = checkpoints.load(folder / "copy", flag="--checkpoint"), folder / "shifted"
    checkpoints.save_for_inference(saved, shifted, blend_shift=-20)
    out = folder / "shifted.json"
    blend.run(
        Namespace(checkpoint=[str(shifted)], dataroot=str(folder), phase="test", shift=[0.0], json=out),
    )
    (row,) = json.loads(out.read_text())
    assert row["weight"] < 1e-6
    assert row["rollouts"]["0"] == pytest.approx(row["still"], abs=0.01)


def test_a_copy_for_inference_may_leave_the_flow_out_and_then_shows_what_is_drawn(folder: Path) -> None:
    saved = checkpoints.load(folder / "copy", flag="--checkpoint")
    checkpoints.save_for_inference(saved, folder / "drawn", has_flow=False)
    full, drawn = (load_generator(checkpoints.load(folder / name, flag="--checkpoint")) for name in ("copy", "drawn"))
    inputs, keywords = blank_inputs(saved.config.generator, semantic_channels=15, size=(64, 64))
    inputs = [torch.rand_like(one) for one in inputs]
    # the copy for inference has 16 bits
    torch.testing.assert_close(
        drawn.eval()(*inputs, **keywords).final, full.eval()(*inputs, **keywords).raw, atol=0.01, rtol=0
    )
    with pytest.raises(ValueError, match="expected a generator with a blending head"):
        checkpoints.save_for_inference(saved, folder / "neither", has_flow=False, blend_shift=-1)


def test_a_video_without_enough_real_frames_is_told(folder: Path) -> None:
    flags = Namespace(checkpoint=[str(folder / "copy")], dataroot=str(folder), phase="none", shift=[0.0], json=None)
    with pytest.raises(UserError, match="none"):
        blend.run(flags)
