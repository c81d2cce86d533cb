import sys
from pathlib import Path

import numpy as np
import pytest

from data.build import build_sequences
from data.detectors.landmarks import load_landmark_finder
from data.detectors.smoothing import filled, smoothed
from data.kinds.face import read_landmarks
from data.prepare.__main__ import build_parser
from data.prepare.face import prepare_face
from data.storage.picture_files import read_picture
from data.transforms import enlarged
from options.data_config import DataConfig
from tests.data.synthetic_face import synthetic_points
from util.errors import UserError
from util.media.video import write_video

SIZE = (96, 128)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Six frames, each of a grey of its own."""
    path = tmp_path / "talk.mp4"
    write_video(path, [np.full((*SIZE, 3), 40 * number, np.uint8) for number in range(6)], frames_per_second=12)
    return path


def find_where_bright(picture: np.ndarray) -> np.ndarray | None:
    """A face that moves with the grey of the frame, and is hidden in one frame."""
    grey = float(picture.mean())
    return None if 60 < grey < 100 else synthetic_points(center=(50 + grey / 10, 50.0))


def test_video_becomes_a_dataset_that_can_be_read(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_face(video, tmp_path / "data", phase="test", name="talk", find_landmarks=find_where_bright)
    assert "6 frames at 12 per second; face found in 5, 1 filled" in capsys.readouterr().out
    (one,) = build_sequences(DataConfig(loadSize=64), root=tmp_path / "data", phase="test")
    assert (one.name, one.num_frames, one.frames_per_second) == ("talk", 6, 12)
    assert one.semantic(2).shape == (15, 64, 64)
    folders = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert folders == ["test_img", "test_keypoints"]
    points = read_landmarks(tmp_path / "data/test_keypoints/talk/00002.txt")
    expected = synthetic_points(center=(58.0, 50.0))  # between its neighbours
    assert np.abs(points - expected).max() < 0.5


def test_frames_and_size_can_be_chosen(video: Path, tmp_path: Path) -> None:
    prepare_face(
        video,
        tmp_path / "data",
        phase="train",
        name="part",
        find_landmarks=find_where_bright,
        enlarge=2,
        first_frame=3,
        end_frame=5,
        frames_per_second=30,
        suffix=".jpg",
    )
    images = sorted((tmp_path / "data/train_img/part").glob("*.jpg"))
    assert [path.name for path in images] == ["00000.jpg", "00001.jpg"]
    picture = read_picture(images[1])
    assert picture.shape == (192, 256, 3) and abs(picture.mean() - 160) < 3


@pytest.mark.parametrize(("first_frame", "complaint"), [(0, "expected a face"), (6, "expected frames 6:")])
def test_failure_leaves_nothing(video: Path, tmp_path: Path, first_frame: int, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        prepare_face(
            video,
            tmp_path / "data",
            phase="train",
            name="talk",
            find_landmarks=lambda picture: None,
            first_frame=first_frame,
        )
    assert not (tmp_path / "data").exists()


def test_existing_sequence_is_left_alone(video: Path, tmp_path: Path) -> None:
    def prepare() -> None:
        prepare_face(video, tmp_path / "data", phase="train", name="talk", find_landmarks=find_where_bright)

    prepare()
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "data").rglob("*"))
    with pytest.raises(UserError, match="found one"):
        prepare()
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "data").rglob("*")) == before


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden"])
def test_odd_names_are_refused(video: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="--name"):
        prepare_face(video, tmp_path / "data", phase="train", name=name, find_landmarks=find_where_bright)


def test_gaps_become_straight_lines_and_ends_repeat() -> None:
    a, b = np.zeros((68, 2)), np.full((68, 2), 6.0)
    points = filled([None, a, None, None, b, None])
    assert points[:, 0, 0].tolist() == [0, 0, 2, 4, 6, 6]


def test_smoothing_keeps_steady_motion_and_takes_jitter() -> None:
    time = np.arange(20.0)[:, None, None]
    steady = np.broadcast_to(3 + 2 * time + 0.1 * time**2, (20, 68, 2))
    np.testing.assert_allclose(smoothed(steady), steady, atol=1e-9)
    jitter = np.random.default_rng(0).standard_normal((20, 68, 2))
    assert smoothed(jitter).std() < 0.8 * jitter.std()
    assert smoothed(jitter[:4]) is not None and len(smoothed(jitter[:4])) == 4


def test_enlarging_by_one_changes_nothing() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    assert enlarged(picture, 1) is picture
    assert enlarged(picture, 3).shape == (21, 27, 3)


def test_missing_dlib_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(UserError, match=r"pip install -r data/prepare/requirements.txt"):
        load_landmark_finder("dlib")


def test_command_line_refuses_nonsense() -> None:
    parser = build_parser()
    assert parser.parse_args(["face", "a.mp4", "--out", "b", "--frames", "96:"]).frames == (96, None)
    for wrong in (["--frames", "9"], ["--frames", "5:5"], ["--enlarge", "0"], ["--fps", "abc"], ["--no_such_flag"]):
        with pytest.raises(UserError, match=wrong[0]):
            parser.parse_args(["face", "a.mp4", "--out", "b", *wrong])
