from pathlib import Path

import numpy as np
import pytest

from data.build import build_sequences
from data.detectors.body_smoothing import filled, smoothed
from data.kinds.openpose import BODY, is_seen, people_as_json, read_people
from data.kinds.pose import pose_files
from data.prepare.__main__ import build_parser, main
from data.prepare.pose import BONES, followed, prepare_pose, retargeted
from options.data_config import DataConfig
from tests.data.test_pose_data import standing_person
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture


def walk(num_frames: int = 12, *, step: float = 3.0, scale: float = 1.0, y: float = 10.0) -> np.ndarray:
    return np.stack([standing_person(60 + step * frame, y, scale=scale) for frame in range(num_frames)])


def bone_lengths(points: np.ndarray) -> np.ndarray:
    return np.stack([np.hypot(*(points[:, end, :2] - points[:, start, :2]).T) for end, start in BONES], axis=1)


def write_openpose(folder: Path, points: np.ndarray, *, missing: tuple[int, ...] = ()) -> Path:
    for frame, person in enumerate(points):
        people = [] if frame in missing else [person, standing_person(200, scale=0.4)]
        write_json(folder / f"{frame:012d}_keypoints.json", people_as_json(people))
    return folder


def test_one_person_is_followed_past_another() -> None:
    right, left = walk(), walk(step=-3.0, scale=0.9)
    left[..., 0] += 33
    # they are listed in an order that changes
    people = [[a, b] if frame % 2 else [b, a] for frame, (a, b) in enumerate(zip(right, left, strict=True))]
    track = followed(people)
    np.testing.assert_array_equal(track.points, right)
    assert (track.num_missing, track.num_crowded) == (0, 12)


def test_a_short_gap_becomes_a_line_and_a_long_one_stays() -> None:
    points = walk()
    points[3:5] = 0
    whole, num_filled = filled(points, longest_gap=2)
    seen = is_seen(walk()[0])
    np.testing.assert_allclose(whole[:, seen, :2], walk()[:, seen, :2], atol=1e-9)
    assert num_filled == 2 * seen.sum() and is_seen(whole[3])[seen].all()
    again, none_filled = filled(points, longest_gap=1)
    assert none_filled == 0 and not is_seen(again[3]).any()


def test_smoothing_takes_jitter_and_outliers_and_keeps_steady_motion() -> None:
    steady = walk(20)
    np.testing.assert_allclose(smoothed(steady), steady, atol=1e-9)
    rng = np.random.default_rng(0)
    noisy = steady.copy()
    noisy[:, BODY, :2] += rng.normal(0, 1, (20, 25, 2))
    noisy[10, 4, :2] += 60
    error = (smoothed(noisy) - steady)[4:-4, BODY, :2]
    assert error.std() < 0.62 and np.abs(error).max() < 4
    unsure = steady.copy()
    unsure[10, 4] = (999, 999, 0)
    np.testing.assert_allclose(smoothed(unsure)[4:9, 4], steady[4:9, 4], atol=0.5)
    assert not is_seen(smoothed(unsure)[10])[4]


def test_retargeting_gives_the_others_bones_and_ground_and_keeps_directions() -> None:
    dance, reference = walk(), walk(5, scale=1.6, y=40.0)
    for person in reference:  # short arms
        for elbow, wrist, shoulder in ((3, 4, 2), (6, 7, 5)):
            run = person[wrist, :2] - person[elbow, :2]
            person[elbow, :2] = person[shoulder, :2] + 0.5 * (person[elbow, :2] - person[shoulder, :2])
            person[wrist, :2] = person[elbow, :2] + 0.5 * run
    result = retargeted(dance, reference=reference)
    np.testing.assert_allclose(bone_lengths(result)[:, :], np.tile(bone_lengths(reference)[0], (12, 1)), rtol=1e-6)
    for end, start in BONES:
        ours = dance[:, end, :2] - dance[:, start, :2]
        theirs = result[:, end, :2] - result[:, start, :2]
        np.testing.assert_allclose(ours[:, 0] * theirs[:, 1], ours[:, 1] * theirs[:, 0], atol=1e-6)
    assert np.isclose(result[0, 21, 1], reference[0, 21, 1], atol=1)
    # the walk is as long as the other's legs make it
    assert 1.4 < (result[-1, 8, 0] - result[0, 8, 0]) / (dance[-1, 8, 0] - dance[0, 8, 0]) < 1.8
    np.testing.assert_array_equal(is_seen(result), is_seen(dance))


def test_retargeting_to_oneself_changes_nothing() -> None:
    np.testing.assert_allclose(retargeted(walk(), reference=walk()), walk(), atol=1e-9)


def test_command_writes_a_dataset_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_openpose(tmp_path / "json", walk(), missing=(4, 5))
    for frame in range(12):
        write_picture(tmp_path / f"frames/{frame}.png", np.full((128, 192, 3), frame, np.uint8))
    flags = ["pose", "--openpose", str(source), "--images", str(tmp_path / "frames"), "--out", str(tmp_path / "out")]
    main(build_parser().parse_args([*flags, "--name", "walk"]))
    (files,) = pose_files(tmp_path / "out", phase="train", needs_images=True, with_densepose=False)
    assert len(files.leading) == len(files.images) == 12
    (person,) = read_people(files.leading[4])
    np.testing.assert_allclose(person[BODY, :2], walk()[4, BODY, :2], atol=0.1)
    told = capsys.readouterr().out
    assert "somebody found in 10" in told and "several people in 10" in told and "0 frames are left" in told
    with pytest.raises(UserError, match="found one; remove it"):
        main(build_parser().parse_args([*flags, "--name", "walk"]))


def test_retargeting_takes_a_dataset_or_a_file(tmp_path: Path) -> None:
    source = write_openpose(tmp_path / "json", walk())
    write_openpose(tmp_path / "hers/train_openpose/s", walk(3, scale=0.5))
    write_json(tmp_path / "one.json", people_as_json([standing_person(scale=0.5)]))
    heights = []
    for name, reference in (("a", tmp_path / "hers"), ("b", tmp_path / "one.json"), ("c", None)):
        prepare_pose(source, tmp_path / "out", phase="test", name=name, reference=reference)
        (person,) = read_people(tmp_path / f"out/test_openpose/{name}/00003.json")
        heights.append(np.ptp(person[BODY, 1]))
    np.testing.assert_allclose(heights, [46.5, 46.5, 93], rtol=0.02)


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    source = write_openpose(tmp_path / "json", walk(3))
    write_picture(tmp_path / "frames/0.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(UserError, match="expected one of the pictures, to go with"):
        prepare_pose(source, tmp_path / "out", images=tmp_path / "frames", phase="train", name="a")
    nobody = write_openpose(tmp_path / "nobody", walk(3), missing=(0, 1, 2))
    with pytest.raises(UserError, match="found none in 3 files"):
        prepare_pose(nobody, tmp_path / "out", phase="train", name="a")
    with pytest.raises(UserError, match="found no such folder; check the path"):
        prepare_pose(tmp_path / "void", tmp_path / "out", phase="train", name="a")
    with pytest.raises(UserError, match="another --retarget"):
        prepare_pose(source, tmp_path / "out", phase="train", name="a", reference=nobody)
    assert not (tmp_path / "out").exists()


def test_a_retargeted_dance_has_the_frame_size_of_the_other_and_no_pictures(tmp_path: Path) -> None:
    source = write_openpose(tmp_path / "json", walk())
    write_openpose(tmp_path / "hers/train_openpose/s", walk(3, scale=0.5))
    write_picture(tmp_path / "hers/train_img/s/0.png", np.zeros((128, 192, 3), np.uint8))
    for frame in range(12):
        write_picture(tmp_path / f"frames/{frame}.png", np.full((256, 320, 3), frame, np.uint8))
    flags = ["pose", "--openpose", str(source), "--images", str(tmp_path / "frames"), "--out", str(tmp_path / "out")]
    main(build_parser().parse_args([*flags, "--retarget", str(tmp_path / "hers"), "--phase", "test", "--fps", "30"]))
    config = DataConfig(dataset_mode="pose", openpose_only=True, resize_or_crop="none", no_center_crop=True)
    (sequence,) = build_sequences(config, root=tmp_path / "out", phase="test")
    assert (sequence.num_frames, sequence.size, sequence.frames_per_second) == (12, (128, 192), 30)
    assert sequence.image(0) is None and (sequence.semantic(3) > 0).any()
    with pytest.raises(UserError, match="--densepose: expected none with --retarget"):
        prepare_pose(source, tmp_path / "out", densepose=tmp_path / "frames", phase="test", name="b",
                     reference=tmp_path / "hers")  # fmt: skip
