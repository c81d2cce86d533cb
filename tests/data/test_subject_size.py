"""Faces of other sizes than the training's are drawn at the training's size, and what was done is told."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.build import build_clips, build_sequences
from data.detectors.landmarks import LandmarkFinder
from data.prepare.face import prepare_face
from data.samples.face import sample_landmarks
from data.sources.camera import CameraCounts, Captured, camera_frames
from data.sources.own_video import own_video
from data.subject_size import UsualWidths, note_on_sizes, resizing
from options.data_config import DataConfig
from options.training_config import ScheduleConfig
from tests.tiny_face import SHRINK, SIZE
from tests.tiny_video import write_talk
from util.errors import UserError
from util.media.video import read_video

FACE = DataConfig(loadSize=64)
POINTS = np.rint(sample_landmarks()[0] / SHRINK)
WIDTH = float(np.ptp(POINTS[:, 0]))


def find_still_face(picture: np.ndarray) -> np.ndarray:
    """The same face in every picture, as large as the picture shows it; whole numbers are centres of pixels."""
    return (POINTS + 0.5) * (picture.shape[0] / SIZE[0]) - 0.5


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> LandmarkFinder:
    for room in ("data.sources.own_video", "data.sources.camera"):
        monkeypatch.setattr(f"{room}.load_landmark_finder", lambda name: find_still_face)
    return find_still_face


widths = st.floats(1, 3000)


@given(widths, st.tuples(widths, widths).map(sorted))
def test_a_face_is_brought_to_the_sizes_of_the_training_and_no_further(width: float, usual: list[float]) -> None:
    smallest, largest = usual
    factor = UsualWidths(smallest, largest).factor(width)
    assert smallest / 1.11 - 3 <= width * factor <= largest * 1.11 + 3, "3 pixels: a thousandth of the widest"
    assert factor >= 1 or width > largest
    assert factor <= 1 or width < smallest


@pytest.mark.parametrize(
    ("widths", "size", "factor", "told"),
    [
        ([10], (480, 640), 3, "frames resized 3 times: faces are 10 pixels wide, those of the training 200 pixels; 20"),
        ([100], (720, 1280), 1.5, "frames resized 1.5 times: faces are 100 pixels wide, those of the training 200"),
        (
            [10],
            (2160, 3840),
            1,
            "frames keep their size: faces are 10 pixels wide, those of the training 200 pixels; 2",
        ),
        ([400], (2160, 3840), 0.5, "frames resized 0.5 times: faces are 400 pixels wide"),
        ([205, 30, 210], (480, 640), 1, "frames keep their size: faces are 205 pixels wide, those of the training 200"),
        ([], (480, 640), 1, "frames keep their size: no face"),
        ([0.0], (480, 640), 1, "frames keep their size: no face"),
    ],
)
def test_the_median_face_decides_and_frames_are_not_enlarged_beyond_what_a_detector_can_bear(
    widths: list[float], size: tuple[int, int], factor: float, told: str
) -> None:
    found = resizing(widths, UsualWidths(200, 200), size=size)
    assert found.factor == factor
    assert found.note.startswith(told)


@pytest.mark.parametrize("factor", [2, 0.5, 1.37])
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
    assert f"frames resized {factor} times: faces are {WIDTH:.0f} pixels wide, those of the training" in note


def test_a_camera_s_pictures_are_resized_as_a_video_s_are(
    tmp_path: Path, find: LandmarkFinder, capsys: pytest.CaptureFixture[str]
) -> None:
    video, usual = write_talk(tmp_path / "talk.mp4", num_frames=7), UsualWidths(WIDTH * 2, WIDTH * 2)
    sequence, _ = own_video(video, FACE, usual=usual)
    pictures = (Captured(number, picture) for number, picture in enumerate(read_video(video)))
    for number, frame in enumerate(camera_frames(pictures, FACE, counts=CameraCounts(), usual=usual)):
        assert torch.equal(frame.semantic, sequence.semantic(number))
    assert "--webcam: frames resized 2 times" in capsys.readouterr().out


@pytest.mark.parametrize(("seen_at", "told"), [((), "3 frames; give"), (SIZE, "3 frames, resized 2 times to the size")])
def test_a_video_without_a_face_and_one_whose_face_is_lost_by_resizing_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen_at: tuple[int, ...], told: str
) -> None:
    def find(picture: np.ndarray) -> np.ndarray | None:
        return POINTS if picture.shape[:2] == seen_at else None

    monkeypatch.setattr("data.sources.own_video.load_landmark_finder", lambda name: find)
    with pytest.raises(UserError, match=f"expected a face, found none in {told}"):
        own_video(write_talk(tmp_path / "talk.mp4", num_frames=3), FACE, usual=UsualWidths(WIDTH * 2, WIDTH * 2))


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
