"""Landmarks, poses and flows are compared in the stated units, and misses are counted."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.metrics.flow_error import end_point_error, make_end_point_error, read_flow
from benchmarks.metrics.landmark_error import make_landmark_error, normalised_mean_error
from benchmarks.metrics.measure import Rules
from benchmarks.metrics.pose_error import (
    draw_pose,
    drawing_error,
    keypoint_distance,
    make_keypoint_error,
    make_pose_drawing_error,
)
from models.flow.estimators import make_flow
from tests.benchmarks.metric_videos import SIDE, moving_scene, pair_of
from util.errors import UserError


def face() -> np.ndarray:
    points = np.random.default_rng(0).uniform(10, 40, (68, 2))
    points[36], points[45] = (10, 20), (40, 20)
    return points


def test_landmark_error_is_a_share_of_the_eyes_distance() -> None:
    assert normalised_mean_error(face() + [3, 0], face()) == pytest.approx(0.1)
    assert normalised_mean_error(face(), face()) == 0


def test_landmark_error_refuses_other_shapes_and_one_eye() -> None:
    with pytest.raises(ValueError, match=r"\[68, 2\]"):
        normalised_mean_error(face()[:5], face())
    with pytest.raises(ValueError, match="two eyes"):
        normalised_mean_error(face(), np.zeros((68, 2)))


def test_landmarks_are_found_again_and_misses_are_counted(tmp_path: Path) -> None:
    real = moving_scene(4)
    folder = tmp_path / "talk"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number:05d}.txt").write_text("".join(f"{x},{y}\n" for x, y in face()))
    seen = [face() + [6, 0], None]
    metric = make_landmark_error(lambda picture: seen.pop(0), finder="test", driven=tmp_path)
    result = metric.measure([pair_of(real, real, num_given=2)], Rules())
    assert result.value == pytest.approx(0.2) and result.num_missed == 1
    with pytest.raises(UserError, match="expected 3 landmark files"):
        metric.measure([pair_of(real[:3], real[:3])], Rules())


def test_landmarks_of_the_real_frames_stand_in_for_the_driving_ones() -> None:
    real = moving_scene(2)
    fake = [frame.flip(2) for frame in real]
    metric = make_landmark_error(lambda picture: face() + float(picture[0, 0, 0]), finder="test", driven=None)
    assert metric.measure([pair_of(real, real)], Rules()).value == 0
    shifted = metric.measure([pair_of(fake, real)], Rules())
    assert shifted.value is not None and shifted.value > 0
    assert "real frames" in shifted.manifest.settings["wanted"]


def write_poses(root: Path, poses: list[list[float] | None]) -> Path:
    """Files of a body whose first points are given; the others were not seen."""
    (root / "talk").mkdir(parents=True)
    for number, pose in enumerate(poses):
        people = [] if pose is None else [{"pose_keypoints_2d": pose + [0] * (75 - len(pose))}]
        (root / "talk" / f"{number:05d}.json").write_text(json.dumps({"people": people}))
    return root


def test_points_that_both_see_are_compared_in_pixels(tmp_path: Path) -> None:
    wanted = write_poses(tmp_path / "wanted", [[0, 0, 1, 5, 5, 1], [0, 0, 1, 5, 5, 1], [0, 0, 1, 5, 5, 1]])
    found = write_poses(tmp_path / "found", [[3, 4, 1, 9, 9, 0], None, [0, 0, 1, 5, 6, 1]])
    real = moving_scene(3)
    result = make_keypoint_error(found, wanted).measure([pair_of(real, real)], Rules())
    assert result.value == pytest.approx((5 + 0.5) / 2) and result.num_missed == 1 and result.unit == "pixels"


def test_pose_error_is_the_mean_difference_of_the_drawings(tmp_path: Path) -> None:
    found = write_poses(tmp_path / "found", [[7, 0, 1]] * 2)
    wanted = write_poses(tmp_path / "wanted", [[4, 0, 1]] * 2)

    def draw(path: Path, size: tuple[int, int]) -> np.ndarray:
        return np.full((*size, 3), 7 if "found" in path.parts else 4, np.uint8)

    real = moving_scene(2)
    result = make_pose_drawing_error(found, wanted, draw).measure([pair_of(real, real)], Rules())
    assert result.value == 3 and result.unit == "grey levels of 255"
    with pytest.raises(UserError, match="expected 1 OpenPose files"):
        make_keypoint_error(found, wanted).measure([pair_of(real[:1], real[:1])], Rules())


def test_drawings_and_points_of_other_shapes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one shape"):
        drawing_error(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"\[137, 3\]"):
        keypoint_distance(np.zeros((2, 3)), np.zeros((3, 3)))
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(UserError, match="OpenPose"):
        draw_pose(tmp_path / "a.json", (8, 8))


def test_a_pose_that_moves_has_an_error_that_grows(tmp_path: Path) -> None:
    # nose, neck and right shoulder of BODY_25, joined by strokes
    places = [np.array([[24, 8 + shift, 1], [24, 24 + shift, 1], [12, 24 + shift, 1]]) for shift in (0, 2, 6)]
    drawn = [
        draw_pose(
            write_poses(tmp_path / str(number), [list(map(float, one.flat))]) / "talk" / "00000.json", (SIDE, SIDE)
        )
        for number, one in enumerate(places)
    ]
    assert drawn[0].any()
    assert (
        0 == drawing_error(drawn[0], drawn[0]) < drawing_error(drawn[1], drawn[0]) < drawing_error(drawn[2], drawn[0])
    )


def test_end_point_error_is_a_distance_in_pixels() -> None:
    exact = torch.zeros(1, 2, 4, 4)
    flow = exact + torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    assert end_point_error(flow, exact) == pytest.approx(5)
    exact[..., 0, 0] = 1e10  # Middlebury: not known
    exact[..., 0, 1] = float("nan")
    assert end_point_error(flow, exact) == pytest.approx(5)
    assert end_point_error(flow, exact, valid=torch.zeros(1, 1, 4, 4)) is None
    with pytest.raises(ValueError, match="one shape"):
        end_point_error(flow, exact[..., 1:])


def test_flows_are_read_from_both_formats(tmp_path: Path) -> None:
    flow = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    np.save(tmp_path / "a.npy", flow)
    (tmp_path / "a.flo").write_bytes(struct.pack("<fii", 202021.25, 5, 3) + flow.transpose(1, 2, 0).tobytes())
    assert torch.equal(read_flow(tmp_path / "a.npy"), read_flow(tmp_path / "a.flo"))
    (tmp_path / "b.flo").write_bytes(b"short")
    with pytest.raises(UserError, match=r"b.flo: expected a flow"):
        read_flow(tmp_path / "b.flo")


def test_the_motion_of_a_moving_scene_is_found_and_frames_without_a_flow_are_counted(tmp_path: Path) -> None:
    real = moving_scene(4, step=2)
    (tmp_path / "talk").mkdir()
    exact = np.zeros((2, SIDE, SIDE), np.float32)
    exact[0] = -2  # the scene moves to the right: it came from the left
    for number in (1, 2):
        np.save(tmp_path / "talk" / f"{number:05d}.npy", exact)
    metric = make_end_point_error(tmp_path, make_flow("dis"))
    result = metric.measure([pair_of(real, real)], Rules())
    assert result.value is not None and result.value < 0.5 and result.num_missed == 1
    still = metric.measure([pair_of([real[0]] * 4, real)], Rules())
    assert still.value == pytest.approx(2, abs=0.1)
