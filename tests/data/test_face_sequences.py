from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.build import build_sequences
from data.kinds.face import FaceFrames
from data.sequences import VideoSequence
from options.data_config import DataConfig
from tests.data.synthetic_face import write_face_dataset
from tests.tiny_face import write_tiny_face
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture


def sequences(root: Path) -> list[VideoSequence]:
    return build_sequences(DataConfig(loadSize=64), root=root, phase="test")


def test_sequences_of_one_two_and_three_frames_work(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(1, 2, 3))
    found = sequences(tmp_path)
    assert [(one.name, one.num_frames) for one in found] == [("s0", 1), ("s1", 2), ("s2", 3)]
    for one in found:
        last = one.num_frames - 1
        image = one.image(last)
        assert one.size == (64, 64) and one.semantic(last).shape == (15, 64, 64)
        assert image is not None and image.shape == (3, 64, 64) and image.abs().max() <= 1
        assert one.frame_name(last) == f"{last:05d}" and one.frames_per_second == 25


def test_odd_sized_frames_work(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(2,), size=(101, 133))
    (one,) = sequences(tmp_path)
    assert one.semantic(1).shape == (15, 64, 64)


def test_landmarks_without_video_work(tmp_path: Path) -> None:
    write_face_dataset(tmp_path / "with", phase="test", lengths=(3,))
    write_face_dataset(tmp_path / "without", phase="test", lengths=(3,), with_images=False)
    write_json(tmp_path / "without/test_keypoints/s0/video.json", {"height": 120, "width": 140})
    (full,), (bare,) = sequences(tmp_path / "with"), sequences(tmp_path / "without")
    assert bare.image(0) is None
    assert torch.equal(bare.semantic(2)[1:], full.semantic(2)[1:])
    assert (bare.semantic(2)[0] <= full.semantic(2)[0]).all()


def test_landmarks_without_video_or_size_get_a_frame_around_the_face(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(2,), with_images=False)
    (one,) = sequences(tmp_path)
    assert one.semantic(1).shape == (15, 64, 64)
    assert (one.semantic(0)[1:, 8:-8, 8:-8] > 0).float().mean() > 0.9


def test_crop_stays_where_the_first_frame_put_it(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(6,), with_images=False)
    (one,) = sequences(tmp_path)
    columns = [one.semantic(number)[0].sum(dim=0).nonzero().float().mean() for number in range(6)]
    # the face drifts by a pixel a frame; a crop for each frame would hold it still
    assert np.diff(columns).min() >= 0 and columns[-1] - columns[0] > 2


@pytest.mark.parametrize("name", ["test_img/s0/00002.png", "test_keypoints/s0/00002.txt"])
def test_missing_frame_is_named_before_anything_is_read(tmp_path: Path, name: str) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(4,))
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=name):
        sequences(tmp_path)


def test_truncated_picture_is_named(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(3,))
    path = tmp_path / "test_img/s0/00001.png"
    path.write_bytes(path.read_bytes()[:5000])
    (one,) = sequences(tmp_path)
    with pytest.raises(UserError, match="00001.png"):
        one.image(1)


def test_landmark_file_of_67_lines_is_named(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(3,))
    path = tmp_path / "test_keypoints/s0/00000.txt"
    path.write_text("\n".join(path.read_text().split("\n")[:67]))
    with pytest.raises(UserError, match="00000.txt: expected 68 lines x,y, found 67"):
        sequences(tmp_path)


def test_landmarks_that_all_coincide_are_named(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(3,))
    (tmp_path / "test_keypoints/s0/00000.txt").write_text("5,5\n" * 68)
    with pytest.raises(UserError, match="00000.txt"):
        sequences(tmp_path)


def test_frame_of_another_size_is_named(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(3,))
    write_picture(tmp_path / "test_img/s0/00001.png", np.zeros((50, 50, 3), np.uint8))
    (one,) = sequences(tmp_path)
    with pytest.raises(UserError, match="00001.png"):
        one.semantic(1)


def test_a_frame_is_encoded_once_however_often_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_tiny_face(tmp_path, phase="test", num_frames=4)
    (sequence,) = build_sequences(DataConfig(loadSize=32), root=root, phase="test")
    encoded: list[int] = []
    original = FaceFrames.semantic

    def counting(self: FaceFrames, index: int, **settings: Any) -> torch.Tensor:
        encoded.append(index)
        return original(self, index, **settings)

    monkeypatch.setattr(FaceFrames, "semantic", counting)
    first = [sequence.semantic(number) for number in range(4)]
    assert all(torch.equal(sequence.semantic(number), first[number]) for number in range(4))
    assert encoded == [0, 1, 2, 3]
    monkeypatch.setattr("data.sequences._KEPT_BYTES", 2 * first[0].nbytes)
    assert torch.equal(sequence.semantic(0), first[0]) and encoded == [0, 1, 2, 3]
    (short,) = build_sequences(DataConfig(loadSize=32), root=root, phase="test")
    for number in (0, 1, 2, 0, 1, 2):
        short.semantic(number)
    assert encoded[4:] == [0, 1, 2, 2]
    short.forget_encoded()
    short.semantic(0)
    assert encoded[8:] == [0]
