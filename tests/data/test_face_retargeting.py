"""A driver's face on another person's: proportions and place are hers, expressions his."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.build import build_sequences
from data.detectors.face_retargeting import read_reference, retargeted
from data.prepare.__main__ import build_parser, main
from data.samples.face import sample_landmarks
from data.sources.own_video import own_video
from options.data_config import DataConfig
from tests.tiny_face import SIZE, write_tiny_face
from tests.tiny_video import know_faces, landmark_finder, write_talk
from util.errors import UserError

POINTS = sample_landmarks()[:24].astype(float)
MOUTH = slice(48, 68)


def test_driven_by_oneself_nothing_changes() -> None:
    np.testing.assert_allclose(retargeted(POINTS, POINTS), POINTS, atol=1e-6)


@given(scale=st.floats(0.3, 3), x=st.floats(-200, 200), y=st.floats(-200, 200), angle=st.floats(-0.3, 0.3))
def test_size_place_and_roll_of_the_camera_are_the_references(scale: float, x: float, y: float, angle: float) -> None:
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    driver = scale * POINTS @ turn + [x, y]
    # the path of the head is not turned, so a few pixels are left
    np.testing.assert_allclose(retargeted(driver, POINTS), POINTS, atol=5)
    np.testing.assert_allclose(retargeted(scale * POINTS + [x, y], POINTS), POINTS, atol=1e-6)


def test_proportions_are_the_references_and_an_open_mouth_is_the_drivers() -> None:
    driver = POINTS.copy()
    middle = driver[:, MOUTH].mean(axis=1, keepdims=True)
    driver[:, MOUTH] = middle + (driver[:, MOUTH] - middle) * [1.3, 1]  # he has a wide mouth
    found = retargeted(driver, POINTS)
    widths = [np.median(np.ptp(one[:, MOUTH, 0], axis=1)) for one in (driver, found, POINTS)]
    assert abs(widths[1] - widths[2]) < 0.2 * abs(widths[0] - widths[2])

    still = np.repeat(POINTS[:1], 9, axis=0)
    opened = still.copy()
    opened[6:, 55:60, 1] += 12  # his lower lip falls
    found = retargeted(opened, still)
    assert np.median(found[6:, 55:60, 1] - found[:1, 55:60, 1]) == pytest.approx(12, abs=2)
    np.testing.assert_allclose(found[:6], still[:6], atol=1e-6)


def test_a_video_is_retargeted_as_the_dataset_that_would_be_prepared_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_faces(monkeypatch)
    monkeypatch.setattr("data.prepare.face.load_landmark_finder", lambda name: landmark_finder())
    for function in ("data.prepare.commands.finder_note", "data.prepare.face.finder_note"):
        monkeypatch.setattr(function, lambda name: "mesh 1 test")
    hers = write_tiny_face(tmp_path / "hers", phase="train", num_frames=12, first=20)
    video = write_talk(tmp_path / "his.mp4", num_frames=6)
    words = ["face", str(video), "--out", str(tmp_path / "his"), "--phase", "test", "--retarget", str(hers)]
    main(build_parser().parse_args(words))
    (wanted,) = build_sequences(DataConfig(loadSize=64), root=tmp_path / "his", phase="test")
    sequence, note = own_video(video, DataConfig(loadSize=64), retarget=str(hers))
    assert wanted.image(0) is None and sequence.image(0) is None and "retargeted" in note
    assert read_reference(hers).size == SIZE and sequence.num_frames == wanted.num_frames == 6
    for number in range(6):
        assert torch.equal(sequence.semantic(number), wanted.semantic(number))
    with pytest.raises(UserError, match="found no train_keypoints"):
        read_reference(tmp_path)
    with pytest.raises(UserError, match="draws no face"):
        own_video(video, DataConfig(dataset_mode="paired"), retarget=str(hers))
