"""Exported files draw what the checkpoint draws, and the test program runs them."""

import json
from pathlib import Path

import pytest

from benchmarks import testing as program
from models import checkpoint as checkpoints
from models.build import build_generator
from models.inference.exported import TOLERANCE, export_checkpoint
from options.cli import parse
from options.config import TestConfig, TrainConfig
from tests.tiny_face import STUDENT, TINY, write_tiny_face
from util.errors import UserError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that was never trained."""
    folder = tmp_path_factory.mktemp("runs") / "student"
    teacher = ["--stage", "skd", "--teacher", "nowhere"]
    config = parse(TrainConfig, [*TINY, *STUDENT, *teacher, "--no_canny_edge"], description="test")
    generator = build_generator(config.generator, semantic_channels=15)
    metadata = {"semantic_channels": 15}
    checkpoints.save(
        folder / "latest",
        config=config,
        step=1,
        networks={"generator": generator},
        training_state={},
        metadata=metadata,
    )
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_face(tmp_path_factory.mktemp("data"), phase="test", num_frames=14)


def run(checkpoint: Path, data: Path, output: Path, *more: str) -> tuple[dict, dict]:
    arguments = ["--checkpoint", str(checkpoint), "--dataroot", str(data), "--output", str(output), "--device", "cpu"]
    program.run(parse(TestConfig, [*arguments, *more], description="test"))
    summary = json.loads((output / "summary.json").read_text())["methods"]["fast"]
    return summary, json.loads((output / "metrics.json").read_text())["fast"][0]


@pytest.mark.parametrize(("kind", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml"), ("torchscript", ".pt")])
def test_the_test_program_draws_the_same_with_an_exported_file(
    kind: str, suffix: str, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"model{suffix}"
    assert export_checkpoint(str(checkpoint), path, kind=kind) <= TOLERANCE
    _, plain = run(checkpoint, data, tmp_path / "plain")
    _, exported = run(checkpoint, data, tmp_path / "exported", "--runtime_file", str(path))
    assert exported["key_frames"] == plain["key_frames"]
    assert exported["psnr"][2:] == pytest.approx(plain["psnr"][2:], abs=0.01)


@pytest.mark.parametrize("runtime", ["auto", "folded", "openvino", "onnx"])
def test_every_runtime_draws_the_same_video(
    runtime: str, checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, plain = run(checkpoint, data, tmp_path / "plain")
    _, fast = run(checkpoint, data, tmp_path / "fast", "--runtime", runtime)
    assert fast["psnr"][2:] == pytest.approx(plain["psnr"][2:], abs=0.01)
    assert "runtime: " in capsys.readouterr().out


def test_live_key_frames_keep_the_look_ahead_and_latency_is_told(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    summary, take = run(checkpoint, data, tmp_path / "live", "--lookahead", "4")
    gaps = [after - before for before, after in zip(take["key_frames"], take["key_frames"][1:], strict=False)]
    assert max(gaps) <= 4 and take["key_frames"][-1] == 13
    assert take["latency"]["frames"] == 14
    assert 0 < summary["latency_median_ms"] <= summary["latency_worst_ms"]


def test_mistakes_are_told_in_a_line(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a file name in .xml"):
        export_checkpoint(str(checkpoint), tmp_path / "model.onnx", kind="openvino")
    with pytest.raises(UserError, match="no such folder"):
        export_checkpoint(str(tmp_path / "nobody"), tmp_path / "model.onnx", kind="onnx")
    with pytest.raises(UserError, match="leave out --keyframes uniform"):
        parse(TestConfig, ["--checkpoint", "x", "--lookahead", "3", "--keyframes", "uniform"], description="test")
    with pytest.raises(UserError, match="brings its own runtime"):
        parse(TestConfig, ["--checkpoint", "x", "--runtime_file", "f", "--runtime", "onnx"], description="test")
