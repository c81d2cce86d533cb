"""The test program: every frame in its place, honest numbers, and one line for every broken input."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from benchmarks import testing as program
from data.storage.picture_files import read_picture
from models.training import loop as train
from options.cli import parse
from options.config import TestConfig, TrainConfig
from tests.tiny_face import STUDENT, TINY, write_tiny_face
from util.errors import UserError
from util.media.pictures import write_picture
from util.media.video import probe, read_video

BRIEF = ["--niter", "1", "--niter_decay", "0"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher, a student and a single-image generator, hardly trained."""
    data = write_tiny_face(tmp_path_factory.mktemp("data"), phase="train", num_frames=8)
    folder = tmp_path_factory.mktemp("runs")
    common = [*TINY, *BRIEF, "--dataroot", str(data), "--checkpoints_dir", str(folder)]
    given = ["--teacher", str(folder / "teacher")]
    for more in (
        ["--name", "teacher"],
        ["--name", "skd", "--stage", "skd", *STUDENT, *given],
        ["--name", "single", "--stage", "first_frame", "--netG", "global"],
    ):
        with patch.object(sys, "argv", ["train.py", *more]):
            train.run(parse(TrainConfig, [*common, *more], description="test"))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_tiny_face(root, phase="test", num_frames=11)
    return write_tiny_face(root, phase="train", num_frames=6)


def run(runs: Path, data: Path, output: Path, *more: str) -> dict:
    arguments = ["--checkpoint", str(runs / "skd"), "--dataroot", str(data), "--output", str(output), "--device", "cpu"]
    program.run(parse(TestConfig, [*arguments, *more], description="test"))
    return json.loads((output / "summary.json").read_text())


def test_all_methods_have_all_frames_a_video_and_their_numbers(runs: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = run(runs, data, out, "--teacher", str(runs / "teacher"), "--student_all", "--baselines")
    assert list(summary["methods"]) == ["teacher", "student_all", "fast", "repeat_last_given", "mean_frame"]
    assert (summary["frames"], summary["size"], summary["device"]) == (11, [32, 32], "cpu")
    for name in summary["methods"]:
        assert [path.name for path in sorted((out / name / "talk").iterdir())] == [f"{n:05d}.png" for n in range(11)]
        assert len(list(read_video(out / name / "talk.mp4"))) == 11
    fast, teacher = (summary["methods"][name] for name in ("fast", "teacher"))
    assert set(fast) == {"psnr", "ssim", "fps", "gmacs_per_frame", "keyframe_share"}
    assert (teacher["keyframe_share"], fast["keyframe_share"]) == (1.0, pytest.approx(3 / 9, abs=1e-3))
    assert summary["methods"]["student_all"]["gmacs_per_frame"] * 3 / 9 == pytest.approx(
        fast["gmacs_per_frame"], rel=0.02
    )
    assert set(summary["methods"]["mean_frame"]) == {"psnr", "ssim"}
    assert "data:video/mp4;base64" in (out / "index.html").read_text()
    sequence_results = json.loads((out / "metrics.json").read_text())["fast"]
    assert sequence_results[0]["psnr"][:2] == [None, None] and len(sequence_results[0]["psnr"]) == 11
    assert summary["commands"][0] == "python train.py --name teacher"
    assert summary["commands"][1].startswith("python train.py --name skd --stage skd")
    assert len(summary["commands"]) == 3


def test_given_frames_are_the_real_ones_and_key_frames_those_of_the_student(
    runs: Path, data: Path, tmp_path: Path
) -> None:
    run(runs, data, tmp_path / "out", "--interpolation", "nearest", "--keyframes", "uniform")
    sequence_results = json.loads((tmp_path / "out" / "metrics.json").read_text())["fast"]
    assert sequence_results[0]["key_frames"] == [0, 1, 4, 7, 10]
    frames = [read_picture(tmp_path / "out" / "fast" / "talk" / f"{number:05d}.png") for number in range(11)]
    assert np.array_equal(frames[5], frames[4]) and np.array_equal(frames[6], frames[7])
    assert not np.array_equal(frames[4], frames[7])


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("keyframes", ["dp", "published"])
def test_very_short_sequences_have_all_their_frames(runs: Path, tmp_path: Path, length: int, keyframes: str) -> None:
    data = write_tiny_face(tmp_path / "data", phase="test", num_frames=length)
    summary = run(runs, data, tmp_path / "out", "--teacher", str(runs / "teacher"), "--keyframes", keyframes)
    assert len(list((tmp_path / "out" / "fast" / "talk").iterdir())) == length
    assert ("psnr" in summary["methods"]["fast"]) is (length == 3)


def test_an_odd_sized_video_comes_out_at_the_generators_size(runs: Path, tmp_path: Path) -> None:
    data = write_tiny_face(tmp_path / "data", phase="test", num_frames=4)
    for path in (data / "test_img" / "talk").iterdir():
        write_picture(path, np.ascontiguousarray(read_picture(path)[:97, :121]))
    run(runs, data, tmp_path / "out")
    assert read_picture(tmp_path / "out" / "fast" / "talk" / "00003.png").shape == (32, 32, 3)


def test_the_rate_of_the_input_is_the_rate_of_the_output(runs: Path, tmp_path: Path) -> None:
    data = write_tiny_face(tmp_path / "data", phase="test", num_frames=4)
    (data / "test_img" / "talk" / "video.json").write_text('{"frames_per_second": 29.97}')
    run(runs, data, tmp_path / "out")
    assert probe(tmp_path / "out" / "fast" / "talk.mp4").frames_per_second == pytest.approx(29.97, abs=0.001)


def test_start_and_length_of_sequences_can_be_chosen(runs: Path, data: Path, tmp_path: Path) -> None:
    summary = run(runs, data, tmp_path / "out", "--start_frame", "3", "--max_frames", "5", "--image_format", "jpg")
    assert summary["frames"] == 5
    assert sorted(path.name for path in (tmp_path / "out" / "fast" / "talk").iterdir())[0] == "00003.jpg"


@pytest.mark.parametrize("kind", ["single", "generated"])
def test_a_video_without_real_frames_needs_none(runs: Path, tmp_path: Path, kind: str) -> None:
    data = write_tiny_face(tmp_path / "data", phase="test", num_frames=5)
    shutil.rmtree(data / "test_img")
    more = ["--single_checkpoint", str(runs / "single")] if kind == "single" else []
    summary = run(runs, data, tmp_path / "out", "--first_frame", kind, *more)
    assert len(list((tmp_path / "out" / "fast" / "talk").iterdir())) == 5
    assert "psnr" not in summary["methods"]["fast"]
    with pytest.raises(UserError, match="--first_frame generated"):
        run(runs, data, tmp_path / "other")


def cut_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:67]))


@pytest.mark.parametrize(
    ("broken", "damage"),
    [
        ("test_keypoints/talk/00003.txt", Path.unlink),
        ("test_keypoints/talk/00003.txt", drop_line),
        ("test_keypoints/talk/00003.txt", lambda path: path.write_text("one,two\n" * 68)),
        ("test_img/talk/00003.png", cut_file),
        ("test_img/talk/00003.png", Path.unlink),
    ],
)
def test_a_broken_input_is_named_in_one_line_and_nothing_is_written(runs: Path, tmp_path: Path, broken, damage) -> None:  # type: ignore[no-untyped-def]
    data = write_tiny_face(tmp_path / "data", phase="test", num_frames=6)
    damage(data / broken)
    with pytest.raises(UserError) as caught:
        run(runs, data, tmp_path / "out")
    assert broken in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_results_are_not_written_over_somebodys_folder(runs: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("dear diary")
    with pytest.raises(UserError, match="expected a folder of results"):
        run(runs, data, tmp_path)
    assert (tmp_path / "mine.txt").is_file()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--teacher", "nowhere"], "--teacher nowhere: expected a checkpoint"),
        (["--first_frame", "single", "--single_checkpoint", "{runs}/teacher"], "--stage first_frame"),
        (["--checkpoint", "{runs}/single"], "draws single images"),
        (["--phase", "nowhere"], "nowhere_keypoints"),
        (["--start_frame", "50"], "--start_frame"),
    ],
)
def test_mistakes_are_named(runs: Path, data: Path, tmp_path: Path, more: list[str], expected: str) -> None:
    with pytest.raises(UserError) as caught:
        run(runs, data, tmp_path / "out", *(word.format(runs=runs) for word in more))
    assert expected in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_program_ends_a_mistake_with_one_line_and_code_2() -> None:
    done = subprocess.run([sys.executable, "test.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--checkpoint is missing" in done.stderr
