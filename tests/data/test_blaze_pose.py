"""Bodies without OpenPose: the points' geometry on numbers, and the networks on frames of the fetched video."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from data.build import build_sequences
from data.detectors.blaze import Crop
from data.detectors.blaze_pose import POSE_FILE, BlazePose, body_25, body_finder_note, refined
from data.detectors.body_smoothing import steady
from data.kinds.openpose import FACE, MIDDLE_HIP, NECK
from data.prepare.__main__ import build_parser, main
from data.sources.own_video import own_video
from options.config import DataConfig
from tests.fetched import fetched_or_skip
from util.errors import UserError
from util.media.video import read_video, write_video


@pytest.fixture
def smile() -> Path:
    """The video of a woman from the shoulders up."""
    fetched_or_skip("detectors", POSE_FILE)
    return fetched_or_skip("face_sample", "WolfgangLanger_Pexels.mp4")


def test_points_become_body_25() -> None:
    points = np.zeros((39, 3))
    points[:, 0] = 10 + np.arange(39)
    points[:, 1:] = (50, 0.9)
    points[28] = (-3, 50, 0.9)  # the right ankle is outside of the picture
    points[25, 2] = 0.3  # the left knee is a guess
    body = body_25(points, size=(100, 80))
    np.testing.assert_allclose(body[0], (9.5, 49.5, 0.9))
    np.testing.assert_allclose(body[NECK, 0], 10 + 11.5 - 0.5)
    np.testing.assert_allclose(body[MIDDLE_HIP, 0], 10 + 23.5 - 0.5)
    assert not body[[11, 13, 20, 23]].any() and (body[[2, 5, 9, 12, 14, 21, 24], 2] == 0.9).all()


def test_places_move_to_the_middle_of_clear_heat_only() -> None:
    heat = np.full((64, 64, 2), -9.0, np.float32)
    heat[20:22, 30:32, 0] = 6
    places = np.array(((29 / 64, 22 / 64), (29 / 64, 22 / 64)))
    found = refined(places, heat)
    np.testing.assert_allclose(found[0] * 64, (30.5, 20.5), atol=0.05)
    np.testing.assert_array_equal(found[1], places[1])
    np.testing.assert_array_equal(refined(places + 1, heat), places + 1)


def test_a_crop_of_a_large_picture_has_the_means_of_its_pixels() -> None:
    board = np.indices((512, 512)).sum(axis=0) % 2 * 255
    picture = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    found = Crop(np.array((256.0, 256.0)), 512.0, 0.0).cut(picture, 128, most_times=4)
    np.testing.assert_allclose(found, 0.5, atol=0.01)


def test_gaps_are_filled_and_nobody_stays_nobody() -> None:
    person = np.ones((137, 3))
    points = steady([person, None, person, *[None] * 20])
    np.testing.assert_allclose(points[1, :, :2], 1)
    assert not points[-1].any()


def test_a_person_with_a_face_is_found_and_lost(smile: Path) -> None:
    find = BlazePose()
    bodies = [find(picture) for picture in islice(read_video(smile), 4)]
    for body in bodies:
        assert body is not None and (body[[0, 15, 16], 2] > 0.8).all() and (body[FACE, 2] > 0.8).all()
        assert np.abs(body[FACE][68, :2] - body[15, :2]).max() < 15  # pupils by the mesh, eyes by the body
    # nose and eyes of the first frame; with OpenCV 4.13 the first crop differs, and points by up to 4 pixels
    stored = [[418.48, 200.21, 0.97], [372.53, 172.43, 0.96], [468.19, 162.21, 0.94]]
    assert bodies[0] is not None
    np.testing.assert_allclose(bodies[0][[0, 15, 16]], stored, atol=6)
    assert find(np.full((360, 640, 3), 90, np.uint8)) is None


def test_the_first_body_is_where_it_was_when_this_was_written(smile: Path) -> None:
    body = BlazePose()(next(iter(read_video(smile))))
    assert body is not None and np.flatnonzero(body[:25, 2]).tolist() == [0, 15, 16, 17, 18]
    head = [(421.5, 199.2), (371.9, 173.6), (468.2, 162.6), (340.8, 202.9), (523.2, 186.7)]
    face = [(433.3, 343.9), (409.0, 223.6), (350.0, 179.2), (493.0, 169.3), (472.8, 273.3), (369.0, 178.5)]
    # OpenCV 4.13 and 5.0 differ by 0.7 pixels
    np.testing.assert_allclose(body[[0, 15, 16, 17, 18], :2], head, atol=1.5)
    np.testing.assert_allclose(body[FACE][[8, 30, 36, 45, 54, 68], :2], face, atol=1.5)


def test_a_video_becomes_a_pose_dataset(smile: Path, tmp_path: Path) -> None:
    main(build_parser().parse_args(["pose", str(smile), "--out", str(tmp_path), "--frames", "0:10", "--format", "jpg"]))
    config = DataConfig(dataset_mode="pose", loadSize=128, no_center_crop=True, openpose_only=True)
    (train,) = build_sequences(config, root=tmp_path, phase="train")
    (test,) = build_sequences(config, root=tmp_path, phase="test")
    assert (train.num_frames, test.num_frames) == (8, 2)
    assert train.semantic(0).std() > 0 and train.image(7) is not None
    assert body_finder_note() in (tmp_path / "train_img/WolfgangLanger_Pexels/video.json").read_text()


def test_a_video_is_drawn_as_the_dataset_that_would_be_prepared_of_it_bit_by_bit(smile: Path, tmp_path: Path) -> None:
    video = tmp_path / "smile.mp4"
    write_video(video, islice(read_video(smile), 6), frames_per_second=24)
    main(build_parser().parse_args(["pose", str(video), "--out", str(tmp_path / "data"), "--phase", "test"]))
    config = DataConfig(dataset_mode="pose", loadSize=128, no_center_crop=True, openpose_only=True)
    (prepared,) = build_sequences(config, root=tmp_path / "data", phase="test")
    sequence, note = own_video(video, config, finder=body_finder_note())
    assert note == "a person found in 6 of 6 frames"
    for number in range(6):
        image, expected = sequence.image(number), prepared.image(number)
        assert torch.equal(sequence.semantic(number), prepared.semantic(number))
        assert image is not None and expected is not None and torch.equal(image, expected)
    assert "found by another program, these may differ" in own_video(video, config).note


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ([], "expected VIDEO, or OpenPose's files"),
        (["a.mp4", "--densepose", "x"], "--densepose: expected --openpose with it"),
        (["a.mp4", "--openpose", "x"], "--openpose: expected neither VIDEO nor --frames"),
    ],
)
def test_flags_that_do_not_go_together_are_told(flags: list[str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        main(build_parser().parse_args(["pose", "--out", "b", *flags]))
