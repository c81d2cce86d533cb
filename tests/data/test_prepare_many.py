"""Folders of videos become one dataset: split, shared among processes, and resumed."""

import argparse
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from data.prepare.__main__ import build_parser, main
from data.prepare.many import Task, find_videos, plan
from tests.fetched import fetched_or_skip
from tests.tiny_video import landmark_finder, write_talk
from util.errors import UserError
from util.media.video import Timing


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder with three videos of ten frames."""
    for name in ("a.mp4", "deep/b.mp4", "c.mp4", ".trash/d.mp4"):
        write_talk(tmp_path / "videos" / name, num_frames=10)
    (tmp_path / "videos/notes.txt").write_text("not a video")
    return tmp_path / "videos"


@pytest.fixture(autouse=True)
def finder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.prepare.face.load_landmark_finder", lambda name: landmark_finder())
    for room in ("commands", "face"):
        monkeypatch.setattr(f"data.prepare.{room}.finder_note", lambda name: f"{name} 1 abc")


def prepare(videos: Path, out: Path, *flags: str) -> None:
    arguments: argparse.Namespace = build_parser().parse_args(["face", str(videos), "--out", str(out), *flags])
    main(arguments)


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_videos_are_found_at_any_depth_and_others_are_named(videos: Path) -> None:
    found = find_videos([videos, videos / "a.mp4"])
    assert [path.name for path in found] == ["a.mp4", "c.mp4", "b.mp4", "a.mp4"]
    with pytest.raises(UserError, match="nowhere: expected a video, or a folder of videos"):
        find_videos([videos / "nowhere"])


def test_the_end_of_each_video_or_whole_videos_are_held_out(videos: Path) -> None:
    found = find_videos([videos])
    ends = plan(found, phase=None, name=None, frames=(2, None))
    assert [(one.phase, one.name, one.first_frame, one.end_frame) for one in ends[:2]] == [
        ("train", "a", 2, 8),
        ("test", "a", 8, 10),
    ]
    whole = plan(found, phase=None, name=None, whole_videos=True)
    assert [one.phase for one in whole] == ["train", "train", "test"]
    assert {one.phase for one in plan(found, phase="val", name=None)} == {"val"}
    assert {one.phase for one in plan(found, phase=None, name=None, test_share=0)} == {"train"}
    with pytest.raises(UserError, match="a.mp4: expected a name of its own"):
        plan([*found, found[0]], phase=None, name=None)


def test_a_folder_becomes_a_dataset_and_a_second_run_changes_nothing(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(videos, tmp_path / "data")
    assert "6 sequences written, 0 were there, 0 failed" in capsys.readouterr().out
    assert len(list((tmp_path / "data").glob("*_img/*/*.png"))) == 30
    before = contents(tmp_path / "data")
    prepare(videos, tmp_path / "data")
    assert "0 sequences written, 6 were there, 0 failed" in capsys.readouterr().out
    assert contents(tmp_path / "data") == before


def test_what_was_stopped_is_done_again_with_the_same_bytes(videos: Path, tmp_path: Path) -> None:
    prepare(videos, tmp_path / "data")
    before = contents(tmp_path / "data")
    shutil.rmtree(tmp_path / "data/train_keypoints/a")  # stopped between its folders
    shutil.rmtree(tmp_path / "data/test_img/c")
    shutil.rmtree(tmp_path / "data/test_keypoints/c")
    (tmp_path / "data/test_img/.c.12345.part").mkdir()  # stopped within
    prepare(videos, tmp_path / "data")
    assert contents(tmp_path / "data") == before
    assert not (tmp_path / "data/test_img/.c.12345.part").exists()


def test_processes_share_the_videos(videos: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        prepare(videos, tmp_path / "shared", "--shard", f"{number}/2")
    prepare(videos, tmp_path / "alone")
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")


def test_several_processes_write_the_same_bytes(tmp_path: Path) -> None:
    fetched_or_skip("detectors", "face_landmark.tflite")
    video = fetched_or_skip("face_sample", "WolfgangLanger_Pexels.mp4")
    command = [sys.executable, "-m", "data.prepare", "face", str(video), "--frames", "240:250", "--format", "jpg"]
    for jobs in ("1", "2"):
        subprocess.run([*command, "--out", str(tmp_path / jobs), "--jobs", jobs], check=True, capture_output=True)
    assert contents(tmp_path / "1") == contents(tmp_path / "2") and len(contents(tmp_path / "1")) == 22


def test_one_bad_video_does_not_stop_the_others(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = iter([landmark_finder(), landmark_finder(), lambda picture: None, lambda picture: None])
    monkeypatch.setattr("data.prepare.face.load_landmark_finder", lambda name: next(faces, landmark_finder()))
    with pytest.raises(UserError, match="2 of 6 sequences failed"):
        prepare(videos, tmp_path / "data")
    assert "4 sequences written, 0 were there, 2 failed" in capsys.readouterr().out


def test_another_video_of_the_same_name_is_refused(videos: Path, tmp_path: Path) -> None:
    prepare(videos / "a.mp4", tmp_path / "data", "--phase", "train")
    with pytest.raises(UserError, match="expected a sequence of a.mp4 2:, found one of a.mp4 0:"):
        prepare(videos / "a.mp4", tmp_path / "data", "--phase", "train", "--frames", "2:")
    with pytest.raises(UserError, match="expected those of one finder"):
        prepare(videos / "c.mp4", tmp_path / "data", "--finder", "dlib")


def test_folders_of_others_are_never_removed(videos: Path, tmp_path: Path) -> None:
    mine = tmp_path / "data/train_img/a/00000.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(UserError, match="expected no such folder yet"):
        prepare(videos / "a.mp4", tmp_path / "data", "--phase", "train")
    assert mine.read_bytes() == b"mine"


def test_a_varying_rate_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    timing = Timing(Fraction(1, 1000), [0, 40, 160, 200, 240, 280, 320], 360)
    write_talk(tmp_path / "videos/steady.mp4", num_frames=7)
    prepare(write_talk(tmp_path / "videos/phone.mp4", num_frames=7, timing=timing).parent, tmp_path / "data")
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "s apart" in line]
    assert "phone.mp4" in said


def test_nonsense_is_refused() -> None:
    parser = build_parser()
    for wrong in (["--jobs", "0"], ["--shard", "0/2"], ["--shard", "3/2"], ["--test_share", "1"]):
        with pytest.raises(UserError, match=wrong[0]):
            parser.parse_args(["face", "a.mp4", "--out", "b", *wrong])
    assert Task(Path("x/a.mp4"), "train", "a", 3, None).source == "a.mp4 3:"
