"""``test.py`` with a video of a dancer or a camera, for a model that draws from poses alone."""

from pathlib import Path

import pytest
import torch

from benchmarks import testing as program
from data.build import build_sequences
from data.prepare.__main__ import build_parser, main
from data.sources.own_video import own_video
from models import checkpoint as checkpoints
from models.inference.live import run_live
from options.cli import parse
from options.config import TestConfig
from tests.tiny_video import body_finder, packets, write_student, write_talk, write_tone
from util.errors import UserError
from util.media.video import probe

POSE = ("--dataset_mode", "pose", "--openpose_only", "--no_center_crop", "--resize_or_crop", "scaleHeight")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_student(tmp_path_factory.mktemp("runs") / "dance", *POSE, channels=3)


@pytest.fixture(autouse=True)
def bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("data.sources.own_video", "data.sources.camera", "data.prepare.pose_video"):
        monkeypatch.setattr(f"{room}.BlazePose", lambda: body_finder(without=[6]))
    for room in ("data.prepare.commands", "data.prepare.pose_video"):
        monkeypatch.setattr(f"{room}.body_finder_note", lambda: "blazepose 0 test")


def config_of(*words: object) -> TestConfig:
    return parse(TestConfig, [*map(str, words), "--device", "cpu"], description="test")


def test_a_dance_keeps_its_frames_its_times_and_its_sound(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tone = write_tone(tmp_path / "tone.mp4", seconds=1)
    video = write_talk(tmp_path / "dance.mp4", num_frames=14, rate=30000 / 1001, sound_from=tone)
    out = program.run_video(
        config_of("--checkpoint", student, "--video", video, "--output", tmp_path / "out.mp4", "--lookahead", "4")
    )
    assert (probe(out).frames_per_second, probe(out).num_frames) == (30000 / 1001, 14)
    assert [at for at, _ in packets(out, "video")] == [at for at, _ in packets(video, "video")]
    assert packets(out, "audio") == packets(video, "audio")
    told = capsys.readouterr().out
    assert "a person found in 13 of 14 frames" in told and "sound: aac copied" in told


def test_a_dance_is_drawn_as_the_dataset_that_would_be_prepared_of_it_bit_by_bit(student: Path, tmp_path: Path) -> None:
    video = write_talk(tmp_path / "dance.mp4", num_frames=9)
    main(build_parser().parse_args(["pose", str(video), "--out", str(tmp_path / "data"), "--phase", "test"]))
    config = checkpoints.load(str(student), flag="--checkpoint").config.data
    (prepared,) = build_sequences(config, root=tmp_path / "data", phase="test")
    sequence, _ = own_video(video, config, finder="blazepose 0 test")
    assert prepared.num_frames == sequence.num_frames == 9
    for number in range(9):
        image, expected = sequence.image(number), prepared.image(number)
        assert torch.equal(sequence.semantic(number), prepared.semantic(number))
        assert sequence.semantic(number).std() > 0
        assert image is not None and expected is not None and torch.equal(image, expected)


def test_a_dance_before_a_camera_is_shown_as_it_comes_and_counted(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_talk(tmp_path / "dance.mp4", num_frames=12, rate=100)
    run_live(config_of("--checkpoint", student, "--webcam", video, "--serve", "0", "--lookahead", "3"))
    figures = capsys.readouterr().out.splitlines()[-1]
    shown, dropped = (int(figures.split(word)[0].split()[-1]) for word in (" frames shown", " dropped"))
    assert shown > 0 and shown + dropped == 12


def test_a_model_of_densepose_says_what_to_do(tmp_path: Path) -> None:
    both = write_student(tmp_path / "both", "--dataset_mode", "pose", channels=6)
    video = write_talk(tmp_path / "dance.mp4", num_frames=2)
    with pytest.raises(UserError, match="train one with --openpose_only"):
        program.run_video(config_of("--checkpoint", both, "--video", video))


def test_somebody_else_in_a_dance_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finder = body_finder(without=[])
    monkeypatch.setattr(finder, "most_at_once", 2, raising=False)
    monkeypatch.setattr("data.prepare.pose_video.BlazePose", lambda: finder)
    video = write_talk(tmp_path / "dance.mp4", num_frames=4)
    main(build_parser().parse_args(["pose", str(video), "--out", str(tmp_path / "data"), "--phase", "test"]))
    assert f"{video}: up to 2 people at once, the largest at the start is followed" in capsys.readouterr().out
