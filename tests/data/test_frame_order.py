"""Numbers in file names count as numbers, and files of one frame pair by name or number, never by place alone."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics.videos import find_videos
from data.build import build_clips, build_sequences
from data.kinds.openpose import people_as_json
from data.kinds.paired import paired_files
from data.kinds.pose import pose_files
from data.layout import face_files
from data.prepare.pose import prepare_pose
from data.prepare.street import folder_drives
from options.config import DataConfig
from options.training_config import ScheduleConfig
from tests.data.test_prepare_pose import walk
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture
from util.media.video import write_video
from util.names import first_gap, frame_numbers, natural_key, partners


def picture(path: Path, value: int = 0) -> None:
    write_picture(path, np.full((32, 48, 3), value, np.uint8))


def test_numbers_in_names_count_as_numbers() -> None:
    names = ["frame1", "frame10", "frame2", "frame02", "a", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "frame1", "frame02", "frame2", "frame10"]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["frame_0001", "frame_0002"], [1, 2]),
        (["s2_000000_000004_leftImg8bit", "s2_000000_000005_leftImg8bit"], [4, 5]),  # not the 8 bits
        (["take2", "take2b"], None),
        (["1_000", "1_040", "2_000"], None),
        (["IMG_20240101_1.3", "IMG_20240101_1.4"], [3, 4]),
    ],
)
def test_the_number_of_a_frame_is_the_one_that_tells_it_from_others(
    names: list[str], numbers: list[int] | None
) -> None:
    assert frame_numbers(names) == numbers


def test_partners_have_equal_names_or_equal_numbers() -> None:
    assert partners(["1", "2"], ["2", "3"]) == {"2": "2"}
    assert partners(["1", "2"], ["frame_2", "frame_3"]) == {"2": "frame_2"}
    assert partners(["a"], ["b"]) == {"a": "b"}
    assert partners(["a", "b"], ["c", "d"]) == {}
    assert first_gap(["0", "1", "3"]) == 2 and first_gap(["a", "b"]) is None


@pytest.mark.parametrize("name", ["frame{}", "{}", "shot 2 ({})", "{}_keypoints"])
def test_frames_without_zeros_come_in_order(tmp_path: Path, name: str) -> None:
    for number in range(1, 13):
        picture(tmp_path / f"A/train/s/{name.format(number)}.png", number)
        picture(tmp_path / f"B/train/s/{name.format(number)}.png", number)
    (sequence,) = build_sequences(DataConfig(dataset_mode="paired", loadSize=32), root=tmp_path, phase="train")
    shades = [round(float((sequence.semantic(index).mean() + 1) * 127.5)) for index in range(12)]
    assert shades == list(range(1, 13))


def test_a_missing_file_is_named_where_two_schemes_meet(tmp_path: Path) -> None:
    """As many of one kind as of the other, one missing in each: by their places half would be one frame off."""
    for number in range(8):
        if number != 2:
            write_json(tmp_path / f"train_openpose/s/talk_{number:012d}_keypoints.json", people_as_json([]))
        if number != 5:
            picture(tmp_path / f"train_img/s/{number}.png")
    with pytest.raises(UserError, match="2.png"):
        pose_files(tmp_path, phase="train", needs_images=True, with_densepose=False)


def test_numbers_that_begin_elsewhere_are_no_pairs(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "train_keypoints/s").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"train_keypoints/s/{number:05d}.txt").touch()
        picture(tmp_path / f"train_img/s/out{number + 1:04d}.jpg")
    with pytest.raises(UserError, match="out0003"):
        face_files(tmp_path, phase="train", needs_images=True)


def test_pictures_beside_a_video_have_no_gaps(tmp_path: Path) -> None:
    frames = [np.full((32, 48, 3), 20 * number, np.uint8) for number in range(5)]
    write_video(tmp_path / "A/train/s.mp4", frames, frames_per_second=25)
    for number in (0, 1, 2, 4, 5):
        picture(tmp_path / f"B/train/s/{number}.png")
    with pytest.raises(UserError, match="none of number 3"):
        paired_files(tmp_path, phase="train", needs_images=True)
    picture(tmp_path / "B/train/s/3.png")
    (tmp_path / "B/train/s/5.png").unlink()
    (found,) = paired_files(tmp_path, phase="train", needs_images=True)
    assert [path.name for path in found.images] == [f"{number}.png" for number in range(5)]


def test_prepared_poses_pair_by_number(tmp_path: Path) -> None:
    people = walk(12)
    for number in range(12):
        if number != 3:
            write_json(tmp_path / f"json/{number}_keypoints.json", people_as_json([people[number]]))
        if number != 7:
            picture(tmp_path / f"img/{number:03d}.png", number)
    with pytest.raises(UserError, match=r"img/7: .*nothing goes with .*img/003.png"):
        prepare_pose(tmp_path / "json", tmp_path / "out", images=tmp_path / "img", phase="train", name="s")
    picture(tmp_path / "img/007.png", 7)
    prepare_pose(tmp_path / "json", tmp_path / "out", images=tmp_path / "img", phase="train", name="s")
    assert len(list((tmp_path / "out/train_img/s").glob("*.png"))) == 11
    write_video(tmp_path / "s.mp4", [np.zeros((32, 48, 3), np.uint8)] * 11, frames_per_second=25)
    with pytest.raises(UserError, match="none of number 3"):
        prepare_pose(tmp_path / "json", tmp_path / "out", video=tmp_path / "s.mp4", phase="train", name="t")


def test_prepared_labels_pair_by_number(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        write_picture(tmp_path / f"maps/label{number}.png", np.zeros((8, 8), np.uint8))
        picture(tmp_path / f"images/{number:04d}.jpg")
        write_picture(tmp_path / f"instances/{number}.png", np.zeros((8, 8), np.uint8))
    (drive,) = folder_drives(tmp_path / "maps", name="s", images=tmp_path / "images", instances=tmp_path / "instances")
    assert [frame.name for frame in drive.frames] == ["label1", "label2", "label10"]
    assert [frame.image.stem for frame in drive.frames if frame.image] == ["0001", "0002", "0010"]
    assert [frame.instances.stem for frame in drive.frames if frame.instances] == ["1", "2", "10"]
    (tmp_path / "images/0010.jpg").rename(tmp_path / "images/0003.jpg")
    with pytest.raises(UserError, match="label10"):
        folder_drives(tmp_path / "maps", name="s", images=tmp_path / "images", instances=None)


def test_measured_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in range(1, 13):
        picture(tmp_path / f"s{number % 3 + 8}/frame{number}.png")
    videos = find_videos(tmp_path)
    assert [video.name for video in videos] == ["s8", "s9", "s10"]
    assert [path.name for path in videos[1].files] == ["frame1.png", "frame4.png", "frame7.png", "frame10.png"]


@pytest.mark.parametrize("suffix", [".heic", ".jp2"])
def test_files_of_another_kind_are_named(tmp_path: Path, suffix: str) -> None:
    picture(tmp_path / "A/train/s/1.png")
    (tmp_path / "B/train/s").mkdir(parents=True)
    (tmp_path / f"B/train/s/1{suffix}").touch()
    with pytest.raises(UserError, match=rf"B/train/s: .*\*.png \*.jpg .*found only others, such as 1{suffix}"):
        paired_files(tmp_path, phase="train", needs_images=True)
    with pytest.raises(UserError, match=rf"B/train/s: .*found only others, such as 1{suffix}"):
        folder_drives(tmp_path / "B/train/s", name="s", images=None, instances=None)


def test_clips_of_two_sizes_are_refused_before_the_first_step(tmp_path: Path) -> None:
    for side in "AB":
        for number in range(3):
            picture(tmp_path / f"{side}/train/a/{number}.png")
            write_picture(tmp_path / f"{side}/train/b/{number}.png", np.zeros((64, 32, 3), np.uint8))
    config = DataConfig(dataset_mode="paired", loadSize=32)
    build_clips(config, ScheduleConfig(batchSize=1), root=tmp_path, seed=0)
    with pytest.raises(UserError, match="A/train/b: gives clips of 32 x 64, the first sequence of 32 x 32"):
        build_clips(config, ScheduleConfig(batchSize=2), root=tmp_path, seed=0)
