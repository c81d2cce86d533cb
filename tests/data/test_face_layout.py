from pathlib import Path

import pytest

from data.layout import face_files
from tests.data.synthetic_face import write_face_dataset
from util.errors import UserError
from util.files import write_json


def test_sequences_and_frames_come_in_order(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(3, 4))
    first, second = face_files(tmp_path, phase="train", needs_images=True)
    assert (first.name, second.name) == ("s0", "s1")
    assert (
        [path.stem for path in second.images]
        == [path.stem for path in second.parts["keypoints"]]
        == ["00000", "00001", "00002", "00003"]
    )


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(3,))
    (tmp_path / "train_keypoints" / ".part").mkdir()
    (tmp_path / "train_img" / "s0" / ".00009.png").touch()
    assert [len(files.images) for files in face_files(tmp_path, phase="train", needs_images=True)] == [3]


@pytest.mark.parametrize("kind", ["img/s0/00001.png", "keypoints/s0/00001.txt"])
def test_first_missing_file_is_named(tmp_path: Path, kind: str) -> None:
    write_face_dataset(tmp_path, lengths=(4,))
    missing = tmp_path / f"train_{kind}"
    missing.unlink()
    with pytest.raises(UserError) as error:
        face_files(tmp_path, phase="train", needs_images=True)
    assert str(error.value).startswith(f"{missing}: ") and "\n" not in str(error.value)


def test_shifted_numbers_are_no_pairs(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(4,))
    (tmp_path / "train_img/s0/00000.png").rename(tmp_path / "train_img/s0/00004.png")
    with pytest.raises(UserError, match="00004.txt"):
        face_files(tmp_path, phase="train", needs_images=True)


def test_two_naming_schemes_pair_by_number(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(3,))
    for path in list((tmp_path / "train_img/s0").iterdir()):
        path.rename(path.with_name(f"frame_{path.name}"))
    (files,) = face_files(tmp_path, phase="train", needs_images=True)
    assert files.images[2].name == "frame_00002.png" and files.parts["keypoints"][2].name == "00002.txt"


def test_same_frame_in_two_formats_is_refused(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(3,))
    (tmp_path / "train_img/s0/00001.jpg").touch()
    with pytest.raises(UserError, match="00001.jpg"):
        face_files(tmp_path, phase="train", needs_images=True)


def test_images_may_be_absent_for_testing_only(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(3,), with_images=False)
    assert face_files(tmp_path, phase="test", needs_images=False)[0].images == []
    with pytest.raises(UserError, match="test_img"):
        face_files(tmp_path, phase="test", needs_images=True)


def test_sequence_without_any_landmarks_is_named(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(3, 3))
    for path in (tmp_path / "train_keypoints/s1").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="s1"):
        face_files(tmp_path, phase="train", needs_images=True)
    (tmp_path / "train_keypoints/s1").rmdir()
    with pytest.raises(UserError, match="train_keypoints/s1"):
        face_files(tmp_path, phase="train", needs_images=True)


def test_missing_and_empty_roots_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="train_keypoints"):
        face_files(tmp_path, phase="train", needs_images=True)
    (tmp_path / "train_keypoints").mkdir()
    with pytest.raises(UserError, match="found none"):
        face_files(tmp_path, phase="train", needs_images=True)


def test_video_facts_are_read_and_checked(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(3,))
    assert face_files(tmp_path, phase="train", needs_images=True)[0].metadata.frames_per_second == 25
    metadata = tmp_path / "train_img/s0/video.json"
    write_json(metadata, {"frames_per_second": 30, "height": 120, "width": 140})
    found = face_files(tmp_path, phase="train", needs_images=True)[0].metadata
    assert found.frames_per_second == 30 and found.size == (120, 140)
    for broken in ("{", '{"frames_per_second": -1}', '{"height": 3}', "[]"):
        metadata.write_text(broken)
        with pytest.raises(UserError, match="video.json"):
            face_files(tmp_path, phase="train", needs_images=True)
