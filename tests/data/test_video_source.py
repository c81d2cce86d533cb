"""A video of one's own is drawn as a prepared dataset is, and what cannot be done is said in one line."""

import sys
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from data.build import build_sequences
from data.prepare.face import prepare_face
from data.sources.own_video import own_video, timing_of
from options.data_config import DataConfig
from tests.tiny_video import know_faces, landmark_finder, write_talk
from util.errors import UserError
from util.media.video import Timing

FACE = DataConfig(loadSize=64)
PAIRED = DataConfig(dataset_mode="paired", loadSize=64)


@pytest.mark.parametrize("without", [(), (0, 3, 4, 8)])
@pytest.mark.parametrize("config", [FACE, DataConfig(loadSize=64, no_canny_edge=True, no_dist_map=True)])
def test_a_face_video_is_the_dataset_that_would_be_prepared_of_it_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: DataConfig, without: tuple[int, ...]
) -> None:
    video = write_talk(tmp_path / "talk.mp4", num_frames=9)
    finder = landmark_finder(without=without)
    prepare_face(video, tmp_path / "data", phase="test", name="talk", find_landmarks=finder)
    (prepared,) = build_sequences(config, root=tmp_path / "data", phase="test")
    know_faces(monkeypatch, without=without)
    sequence, note = own_video(video, config)
    assert (sequence.num_frames, sequence.size) == (9, prepared.size)
    assert sequence.frames_per_second == prepared.frames_per_second
    for number in range(9):
        assert torch.equal(sequence.semantic(number), prepared.semantic(number))
        image, expected = sequence.image(number), prepared.image(number)
        assert image is not None and expected is not None and torch.equal(image, expected)
    found = f"face found in {9 - len(without)} frames, {len(without)} filled from their neighbours in time; "
    assert note == found + "frames keep their size: this checkpoint does not tell how large its training's faces are"


@pytest.mark.parametrize("channels", [None, 1])
def test_a_paired_model_draws_from_the_video_itself(tmp_path: Path, channels: int | None) -> None:
    video = write_talk(tmp_path / "A" / "test" / "talk.mp4", num_frames=4)
    config = DataConfig(dataset_mode="paired", loadSize=64, input_nc=channels)
    (prepared,) = build_sequences(config, root=tmp_path, phase="test")
    sequence, _ = own_video(video, config)
    assert torch.equal(sequence.semantic(3), prepared.semantic(3))
    assert sequence.image(0) is None


@pytest.mark.parametrize(("kind", "remedy"), [("street", "label maps"), ("pose", "DensePose")])
def test_what_no_video_shows_is_told_with_the_way_to_do_it(tmp_path: Path, kind: str, remedy: str) -> None:
    with pytest.raises(UserError, match=f"{remedy}.*--dataroot") as caught:
        own_video(tmp_path / "talk.mp4", DataConfig(dataset_mode=kind))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_video_without_a_face_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    know_faces(monkeypatch, without=range(3))
    with pytest.raises(UserError, match="expected a face, found none in 3 frames"):
        own_video(write_talk(tmp_path / "talk.mp4", num_frames=3), FACE)


def test_a_missing_dlib_is_told_with_its_requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(UserError, match="pip install -r data/prepare/requirements.txt"):
        own_video(write_talk(tmp_path / "talk.mp4", num_frames=2), FACE)


@pytest.mark.parametrize("name", ["nowhere.mp4", "notes.txt", "broken.mp4"])
def test_what_is_no_video_is_named(tmp_path: Path, name: str) -> None:
    for written in ("notes.txt", "broken.mp4"):
        (tmp_path / written).write_text("dear diary")
    with pytest.raises(UserError, match=f"{name}: expected a") as caught:
        own_video(tmp_path / name, PAIRED)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rate", [25, 30000 / 1001, 12.5])
def test_a_constant_rate_needs_no_times(tmp_path: Path, rate: float) -> None:
    assert timing_of(write_talk(tmp_path / "talk.mp4", num_frames=5, rate=rate)) is None


def test_the_times_of_a_varying_rate_are_read(tmp_path: Path) -> None:
    timing = Timing(Fraction(1, 90000), [0, 3000, 9000, 9500, 20000], 26000)
    assert timing_of(write_talk(tmp_path / "talk.mp4", num_frames=5, timing=timing)) == timing
