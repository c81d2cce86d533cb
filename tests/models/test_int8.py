"""Eight bits: near enough to 32, refused where not, kept for the weights and data they were made from."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models import checkpoint as checkpoints
from models.build import build_generator, load_generator
from models.inference.calibration import Calibration, Footage, calibration_data, decibels
from models.inference.exported import export_int8
from models.inference.int8 import choose_int8, expectation, kept_path
from models.inference.runtimes.engines import load_runtime
from models.inference.runtimes.quantise import Extremes, layers
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.single_image import GlobalGenerator
from options.cli import parse
from options.config import TestConfig, TrainConfig
from tests.models.test_runtimes import composite, settled
from tests.tiny_face import STUDENT, TINY, write_tiny_face
from util.errors import UserError


def video(channels: int) -> tuple[Callable[[int], Tensor], Callable[[int], Tensor], int]:
    """Squares that move, and frames of their colours."""
    random = torch.Generator().manual_seed(2)
    picture = torch.rand(channels + 3, 4, 8, generator=random).repeat_interleave(8, 1).repeat_interleave(8, 2)

    def semantic(number: int) -> Tensor:
        return (picture[:channels].roll(number, 2) > 0.7).float()

    return semantic, lambda number: 2 * picture[channels:].roll(number, 2) - 1, 18


def calibrated(generator: VideoGenerator, runtime: str, *, channels: int = 3) -> Calibration:
    data = calibration_data([video(channels)], num_given=2)
    has_mask = generator.has_foreground
    mask = (lambda maps: maps[:, :1]) if has_mask else None
    return Calibration(generator, data, runtime=runtime, num_frames=3, foreground=mask)


def student(**settings: object) -> VideoGenerator:
    return settled(composite(block="mobile", low_demand=True, **settings))


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_rollout_in_8_bits_stays_within_35_db_of_fp32(runtime: str) -> None:
    assert calibrated(student(), runtime).model(()).decibels >= 35


def test_label_tables_heads_and_masks_stay_as_they_are() -> None:
    generator = student(semantic_channels=17, has_foreground=True)
    calibration = calibrated(generator, "openvino", channels=17)
    assert calibration.reader is not None
    assert calibration.model(()).decibels >= 35
    assert not [name for name in layers(generator) if "final" in name]


def test_frames_too_far_from_fp32_are_refused_with_the_layers_that_mend_them() -> None:
    calibration = calibrated(student(), "openvino")
    least = calibration.model(()).decibels + 0.3
    with pytest.raises(UserError, match=r"dB of fp32, found .* --float_layers model_\S+ \("):
        calibration.checked("", least=least)
    mended = calibration.checked("auto", least=least)
    assert mended.in_float and mended.decibels >= least
    assert calibration.checked(",".join(mended.in_float), least=least) == mended
    with pytest.raises(UserError, match="use --precision fp32"):
        calibration.checked("auto", least=math.inf)
    with pytest.raises(UserError, match="no such layer"):
        calibration.checked("model_down_seg.99")


def test_ranges_leave_out_exactly_the_outermost_values() -> None:
    values = torch.randn(4, 100_000, generator=torch.Generator().manual_seed(0))
    extremes = Extremes()
    for frame in values:
        extremes.see(frame)
    ordered = np.sort(values.flatten().numpy())
    assert extremes.range() == (ordered[2], ordered[-3])  # 400 000 values: two on each side are left out


def test_the_end_of_the_last_video_is_held_out_and_many_videos_share_the_frames() -> None:
    videos = [video(3)] * 12
    data = calibration_data(videos, num_given=2)
    assert list(data.held_out.numbers) == list(range(12, 18)) and len(data.held_out.first_frames) == 2
    assert len(data.seen) == 2 * 4 and max(data.seen[-2].numbers) < 12
    other = replace_first(data.held_out)
    assert data.digest() != data._replace(held_out=other).digest() == data._replace(held_out=other).digest()
    with pytest.raises(UserError, match="at least 9 frames"):
        calibration_data([(*video(3)[:2], 8)], num_given=2)


def replace_first(footage: Footage) -> Footage:
    return footage._replace(first_frames=[one + 0.1 for one in footage.first_frames])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_face(tmp_path_factory.mktemp("data"), phase="train", num_frames=12)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A student that was never trained."""
    write_checkpoint(tmp_path / "student", seed=0)
    return tmp_path / "student"


def write_checkpoint(folder: Path, *, seed: int) -> None:
    teacher = ["--stage", "skd", "--teacher", "nowhere", "--no_canny_edge"]
    config = parse(TrainConfig, [*TINY, *STUDENT, *teacher], description="test")
    torch.manual_seed(seed)
    checkpoints.save(
        folder / "latest",
        config=config,
        step=1,
        networks={"generator": build_generator(config.generator, semantic_channels=15)},
        training_state={},
        metadata={"semantic_channels": 15},
    )


def choose(checkpoint: Path, data: Path | str, precision: str, *, runtime: str = "openvino", floats: str = "") -> str:
    """What is chosen, in words; empty where it is no 8 bits."""
    saved = checkpoints.load(checkpoint, flag="--checkpoint")
    generator = load_generator(saved)
    assert not isinstance(generator, GlobalGenerator)
    told = choose_int8(
        saved, generator, runtime=runtime, precision=precision, dataroot=str(data), float_layers=floats, raw=False
    )
    return "" if told is None else told.description


def test_a_model_is_kept_beside_the_checkpoint_until_its_weights_or_data_change(
    checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def calibrations() -> int:
        return capsys.readouterr().out.count("calibrating")

    assert choose(checkpoint, data, "auto") == "" == choose(checkpoint, data, "fp32")
    with pytest.raises(UserError, match="expected a training part in --dataroot"):
        choose(checkpoint, tmp_path / "none", "int8")
    assert "openvino, int8" in choose(checkpoint, data, "int8") and calibrations() == 1
    saved = checkpoints.load(checkpoint, flag="--checkpoint")
    assert kept_path(saved, "openvino").is_file() and saved.weights("generator")  # its list of files still holds
    assert "dB to fp32" in choose(checkpoint, data, "int8") and calibrations() == 0
    assert choose(checkpoint, tmp_path / "none", "int8") == choose(checkpoint, data, "auto") != ""
    assert choose(checkpoint, data, "auto", runtime="onnx") == "" == choose(checkpoint, data, "auto", runtime="eager")
    kept_path(saved, "openvino").write_bytes(b"half a file")
    assert choose(checkpoint, data, "auto") == ""
    other = write_tiny_face(tmp_path / "other", phase="train", num_frames=12, first=3)
    assert choose(checkpoint, other, "int8") and choose(checkpoint, data, "int8") and calibrations() == 2
    write_checkpoint(checkpoint, seed=1)
    assert choose(checkpoint, data, "auto") == "" and choose(checkpoint, data, "int8") and calibrations() == 1


def test_what_does_not_go_together_is_refused(checkpoint: Path, data: Path) -> None:
    with pytest.raises(UserError, match="openvino or onnx, found --runtime folded"):
        choose(checkpoint, data, "int8", runtime="folded")
    with pytest.raises(UserError, match="--float_layers goes with --precision int8"):
        replace(TestConfig(checkpoint="x"), float_layers="auto")


def test_an_exported_file_in_8_bits_draws_nearly_the_same(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    note = export_int8(str(checkpoint), path, kind="openvino", dataroot=str(data), float_layers="")
    assert note.decibels >= 35
    generator = load_generator(checkpoints.load(checkpoint, flag="--checkpoint"))
    inputs = torch.zeros(1, 45, 32, 32), torch.zeros(1, 6, 32, 32)
    with torch.no_grad():
        assert decibels(load_runtime(path)(*inputs).final, generator(*inputs).final) > 30
    with pytest.raises(UserError, match="goes with --format openvino or onnx"):
        export_int8(str(checkpoint), tmp_path / "model.pt", kind="torchscript", dataroot=str(data), float_layers="")


def test_the_report_says_what_the_processor_can_do() -> None:
    assert expectation(["AVX2"]) == "instructions: AVX2; none for products of bytes, so expect little more than fp32"
    assert expectation(["AVX2", "VNNI"]) == "instructions: AVX2, VNNI"
