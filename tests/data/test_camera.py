"""What a camera sees becomes semantic frames in time, and what is lost on the way is counted."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.detectors.body_smoothing import smoothed, steady_in_order
from data.sources.camera import CameraCounts, Captured, DropOldestQueue, camera_frames, camera_pictures, paced
from data.sources.own_video import own_video
from options.data_config import DataConfig
from tests.tiny_video import body_finder, know_faces, write_talk
from util.errors import UserError
from util.media.video import read_video

FACE = DataConfig(loadSize=64)
BODY_ALONE = DataConfig(dataset_mode="pose", loadSize=64, no_center_crop=True, openpose_only=True)


def captured(video: Path) -> Iterator[Captured]:
    return (Captured(float(number), picture) for number, picture in enumerate(read_video(video)))


def test_those_that_wait_too_long_are_dropped_and_counted() -> None:
    was_taken, has_read = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 0
        was_taken.wait()
        yield from range(1, 10)
        has_read.set()

    newest = DropOldestQueue(items(), waiting=3)
    stream = iter(newest)
    assert next(stream) == 0
    was_taken.set()
    has_read.wait()
    assert list(stream) == [7, 8, 9]
    assert newest.num_dropped == 6


def test_a_reader_in_time_gets_everything() -> None:
    turn = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(20):
            yield number
            turn.acquire()

    newest = DropOldestQueue(items())
    found = []
    for item in newest:
        found.append(item)
        turn.release()
    assert (found, newest.num_dropped) == (list(range(20)), 0)


def test_an_error_of_the_camera_reaches_the_reader_after_what_came_before() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise UserError("unplugged")

    found = []
    with pytest.raises(UserError, match="unplugged"):
        for item in DropOldestQueue(items()):
            found.append(item)
    assert found == [1]


def test_items_come_no_faster_than_their_rate() -> None:
    times = [time for time, _ in paced(range(5), frames_per_second=200)]
    assert times[-1] - times[0] >= 3 / 200  # one frame may be late, and the next one then comes sooner


def test_a_face_that_is_always_seen_is_drawn_live_as_it_is_drawn_from_the_whole_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_faces(monkeypatch)
    video = write_talk(tmp_path / "talk.mp4", num_frames=9)
    sequence, _ = own_video(video, FACE)
    counts = CameraCounts()
    live = list(camera_frames(captured(video), FACE, counts=counts))
    assert [frame.time for frame in live] == list(range(9))
    assert counts == CameraCounts()
    for number, frame in enumerate(live):
        image = sequence.image(number)
        assert torch.equal(frame.semantic, sequence.semantic(number))
        assert frame.image is not None and image is not None and torch.equal(frame.image, image)


def test_a_paired_model_draws_live_as_from_the_whole_video(tmp_path: Path) -> None:
    config = DataConfig(dataset_mode="paired", loadSize=64, input_nc=1)
    video = write_talk(tmp_path / "talk.mp4", num_frames=4)
    sequence, _ = own_video(video, config)
    live = list(camera_frames(captured(video), config, counts=CameraCounts()))
    assert torch.equal(torch.stack([one.semantic for one in live]), torch.stack([*map(sequence.semantic, range(4))]))


def test_pictures_before_the_first_face_are_left_out_and_lost_faces_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_faces(monkeypatch, without=[0, 1, 4, 7])
    counts = CameraCounts()
    frames = camera_frames(captured(write_talk(tmp_path / "talk.mp4", num_frames=9)), FACE, counts=counts)
    assert [frame.time for frame in frames] == [2, 3, 4, 5, 6, 7, 8]
    assert counts == CameraCounts(num_before_face=2, num_held=2)


def test_a_body_is_drawn_live_as_it_is_drawn_from_the_whole_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for room in ("data.sources.own_video", "data.sources.camera"):
        monkeypatch.setattr(f"{room}.BlazePose", body_finder)
    video = write_talk(tmp_path / "dance.mp4", num_frames=13)
    sequence, note = own_video(video, BODY_ALONE)
    counts = CameraCounts()
    live = list(camera_frames(captured(video), BODY_ALONE, counts=counts))
    assert [frame.time for frame in live] == list(range(13)) and counts == CameraCounts()
    assert "13 of 13 frames" in note and "may differ" in note and "may differ" in capsys.readouterr().out
    for number, frame in enumerate(live):
        image = sequence.image(number)
        assert torch.equal(frame.semantic, sequence.semantic(number)) and frame.semantic.std() > 0
        assert frame.image is not None and image is not None and torch.equal(frame.image, image)


def test_a_lost_body_is_held_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.sources.camera.BlazePose", lambda: body_finder(without=[0, 4, 5]))
    counts = CameraCounts()
    video = captured(write_talk(tmp_path / "dance.mp4", num_frames=9))
    frames = list(camera_frames(video, BODY_ALONE, counts=counts, finder="blazepose 1 test"))
    assert [frame.time for frame in frames] == list(range(1, 9))
    assert counts == CameraCounts(num_before_face=1, num_held=2)


@given(length=st.integers(0, 25))
def test_bodies_are_smoothed_in_order_as_those_of_a_whole_video(length: int) -> None:
    random = np.random.default_rng(length)
    bodies = [np.concatenate((random.random((137, 2)) * 90, random.random((137, 1))), axis=1) for _ in range(length)]
    found = list(steady_in_order(bodies))
    assert len(found) == length and (not bodies or np.array_equal(np.stack(found), smoothed(np.stack(bodies))))


def test_a_video_file_stands_in_for_a_camera(tmp_path: Path) -> None:
    video = write_talk(tmp_path / "talk.mp4", num_frames=4, rate=200)
    assert len(list(camera_pictures(str(video)))) == 4


def test_a_missing_camera_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="--webcam 98: expected a camera"):
        camera_pictures("98")  # at once: nothing is announced before
    assert capfd.readouterr().err == ""


def test_what_no_camera_shows_is_refused() -> None:
    with pytest.raises(UserError, match="--webcam: a street model draws from label maps"):
        camera_frames(iter(()), DataConfig(dataset_mode="street"), counts=CameraCounts())
