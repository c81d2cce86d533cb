from pathlib import Path

import numpy as np
import pytest

from data.build import build_sequences
from data.kinds.face import read_landmarks
from data.samples.face import FACE_SPLIT, sample_landmarks, write_face_sample
from options.data_config import DataConfig
from util.errors import UserError


def test_landmarks_lie_in_the_frame_and_move_smoothly() -> None:
    points = sample_landmarks()
    assert points.shape == (120, 68, 2)
    assert points.min() > 0 and points[..., 0].max() < 528 and points[..., 1].max() < 432
    assert np.abs(np.diff(points, axis=0)).max() < 25


def test_split_holds_out_the_end() -> None:
    assert [*FACE_SPLIT["train"], *FACE_SPLIT["test"]] == list(range(120))


def test_sample_is_written_once_and_then_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_face_sample(tmp_path, phases=("test",))
    (one,) = build_sequences(DataConfig(loadSize=128), root=tmp_path, phase="test")
    assert (one.name, one.num_frames, round(one.frames_per_second, 2)) == ("carphone", 24, 29.97)
    semantic, image = one.semantic(23), one.image(23)
    assert semantic.shape == (15, 128, 128) and image is not None and image.std() > 0.3
    np.testing.assert_allclose(read_landmarks(tmp_path / "test_keypoints/carphone/00000.txt"), sample_landmarks()[96])

    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    capsys.readouterr()
    write_face_sample(tmp_path, phases=("test",))
    assert "24 frames are there already" in capsys.readouterr().out
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before

    for folder in ("test_img", "test_keypoints"):
        next(tmp_path.glob(f"{folder}/carphone/00023.*")).unlink()
    with pytest.raises(UserError, match="expected the sample's 24 frames, found 23"):
        write_face_sample(tmp_path, phases=("test",))
