"""Faces of other sizes than the training's are drawn at the training's size, and what was done is told."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.build import build_clips, build_sequences
from data.camera import CameraCounts, Captured, camera_frames
from data.prepare.face import LandmarkFinder, prepare_face
from data.samples.face import sample_landmarks
from data.subject_size import UsualWidths, factor_for, note_on_sizes
from data.video_source import own_video
from options.config import DataConfig, ScheduleConfig
from tests.tiny_face import SHRINK, SIZE
from tests.tiny_video import write_talk
from util.errors import UserError
from util.video import read_video

FACE = DataConfig(loadSize=64)
POINTS = np.rint(sample_landmarks()[0] / SHRINK)
WIDTH = float(np.ptp(POINTS[:, 0]))


def find_still_face(picture: np.ndarray) -> np.ndarray:
    """The same face in every picture, as large as the picture shows it."""
    return POINTS * (picture.shape[0] / SIZE[0])


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> LandmarkFinder:
    for room in ("data.video_source", "data.camera"):
        monkeypatch.setattr(f"{room}.load_landmark_finder", lambda: find_still_face)
    return find_still_face


widths = st.floats(1, 3000)


@given(widths, st.tuples(widths, widths).map(sorted))
def test_a_face_is_brought_to_the_sizes_of_the_training_and_no_further(width: float, usual: list[float]) -> None:
    smallest, largest = usual
    factor = UsualWidths(smallest, largest).factor(width)
    assert smallest / 1.11 <= width * factor <= largest * 1.11
    assert factor >= 1 or width > largest
    assert factor <= 1 or width < smallest


def test_frames_are_not_enlarged_beyond_what_a_detector_can_bear() -> None:
    assert factor_for(10, UsualWidths(200, 200), size=(480, 640))[0] == 3
    assert factor_for(10, UsualWidths(200, 200), size=(2160, 3840))[0] == 1
    assert factor_for(400, UsualWidths(200, 200), size=(2160, 3840))[0] == 0.5


@pytest.mark.parametrize("factor", [2, 0.5])
def test_a_video_of_another_size_is_drawn_as_the_dataset_that_is_prepared_at_the_training_s(
    tmp_path: Path, find: LandmarkFinder, factor: float
) -> None:
    video = write_talk(tmp_path / "talk.mp4", num_frames=7)
    prepare_face(video, tmp_path / "data", phase="test", name="talk", find_landmarks=find, enlarge=factor)
    (prepared,) = build_sequences(FACE, root=tmp_path / "data", phase="test")
    sequence, note = own_video(video, FACE, usual=UsualWidths(WIDTH * factor, WIDTH * factor))
    for number in range(7):
        assert torch.equal(sequence.semantic(number), prepared.semantic(number))
        image, expected = sequence.image(number), prepared.image(number)
        assert image is not None and expected is not None and torch.equal(image, expected)
    assert f"resized {factor} times: its face is {WIDTH:.0f} pixels wide, those of the training" in note


def test_a_camera_s_pictures_are_resized_as_a_video_s_are(
    tmp_path: Path, find: LandmarkFinder, capsys: pytest.CaptureFixture[str]
) -> None:
    video, usual = write_talk(tmp_path / "talk.mp4", num_frames=7), UsualWidths(WIDTH * 2, WIDTH * 2)
    sequence, _ = own_video(video, FACE, usual=usual)
    pictures = (Captured(number, picture) for number, picture in enumerate(read_video(video)))
    for number, frame in enumerate(camera_frames(pictures, FACE, counts=CameraCounts(), usual=usual)):
        assert torch.equal(frame.semantic, sequence.semantic(number))
    assert "--webcam: resized 2 times" in capsys.readouterr().out


def test_a_video_without_a_face_has_no_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.video_source.load_landmark_finder", lambda: lambda picture: None)
    with pytest.raises(UserError, match="expected a face, found none in 3 frames"):
        own_video(write_talk(tmp_path / "talk.mp4", num_frames=3), FACE, usual=UsualWidths(9, 9))


def test_a_training_set_tells_the_sizes_of_its_faces_and_others_are_measured_by_them(
    tmp_path: Path, find: LandmarkFinder
) -> None:
    video = write_talk(tmp_path / "talk.mp4", num_frames=7)
    prepare_face(video, tmp_path, phase="train", name="talk", find_landmarks=find)
    prepare_face(video, tmp_path, phase="test", name="alike", find_landmarks=find)
    usual = build_clips(FACE, ScheduleConfig(), root=tmp_path, seed=0).usual_widths()
    assert usual is not None and usual == pytest.approx((WIDTH, WIDTH), abs=0.02)
    assert note_on_sizes(build_sequences(FACE, root=tmp_path, phase="test"), usual) is None
    prepare_face(video, tmp_path, phase="test", name="large", find_landmarks=find, enlarge=2)
    note = note_on_sizes(build_sequences(FACE, root=tmp_path, phase="test"), usual)
    assert note is not None and "1 of 2 sequences" in note and "--enlarge 0.5" in note
    assert note_on_sizes(build_sequences(FACE, root=tmp_path, phase="test"), None) is None
