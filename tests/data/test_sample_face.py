from pathlib import Path

import numpy as np
import pytest

from data.build import build_sequences
from data.kinds.face import read_landmarks
from data.samples.face import SAMPLES, write_face_sample
from options.config import DataConfig
from tests.tiny_video import write_stand_in
from util.errors import UserError

LAST_SECOND = {"face": (46, 23.98, (256, 256)), "face_carphone": (24, 29.97, (432, 528))}


@pytest.mark.parametrize("kind", SAMPLES)
def test_landmarks_move_smoothly_and_belong_to_all_frames(kind: str) -> None:
    sample = SAMPLES[kind]
    points = sample.landmarks()
    assert points.shape == (len(sample.split["train"]) + len(sample.split["test"]), 68, 2)
    height, width = LAST_SECOND[kind][2]
    assert points.min() > 0 and points[..., 0].max() < width and points[..., 1].max() < height + 5
    assert np.abs(np.diff(points, axis=0)).max() < 25


@pytest.mark.parametrize("kind", SAMPLES)
def test_split_holds_out_the_end(kind: str) -> None:
    split = SAMPLES[kind].split
    assert [*split["train"], *split["test"]] == list(range(split["test"].stop))
    assert len(split["test"]) / split["test"].stop == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("kind", SAMPLES)
def test_sample_is_written_once_and_then_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    write_stand_in(kind, monkeypatch, tmp_path / "downloads")
    sample, out = SAMPLES[kind], tmp_path / "data"
    num_frames, rate, size = LAST_SECOND[kind]
    write_face_sample(out, kind=kind, phases=("test",))
    (one,) = build_sequences(DataConfig(loadSize=128), root=out, phase="test")
    assert (one.name, one.num_frames, round(one.frames_per_second, 2)) == (sample.sequence, num_frames, rate)
    semantic, image = one.semantic(num_frames - 1), one.image(num_frames - 1)
    assert semantic.shape[0] == 15 and image is not None and image.std() > 0.1
    np.testing.assert_allclose(
        read_landmarks(out / f"test_keypoints/{sample.sequence}/00000.txt"),
        sample.landmarks()[sample.split["test"].start],
    )

    before = sorted((path, path.stat().st_mtime_ns) for path in out.rglob("*"))
    capsys.readouterr()
    write_face_sample(out, kind=kind, phases=("test",))
    assert f"{num_frames} frames are there already" in capsys.readouterr().out
    assert sorted((path, path.stat().st_mtime_ns) for path in out.rglob("*")) == before

    for folder in ("test_img", "test_keypoints"):
        next(out.glob(f"{folder}/{sample.sequence}/{num_frames - 1:05d}.*")).unlink()
    with pytest.raises(UserError, match=f"expected the sample's {num_frames} frames, found {num_frames - 1}"):
        write_face_sample(out, kind=kind, phases=("test",))


@pytest.mark.parametrize(("kind", "bundle"), [("face", "face_sample"), ("face_carphone", "videos")])
def test_a_missing_video_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, bundle: str
) -> None:
    monkeypatch.setattr("data.fetch.DOWNLOADS", tmp_path / "downloads")
    with pytest.raises(UserError, match=f"run `python -m data.fetch {bundle}`"):
        write_face_sample(tmp_path / "data", kind=kind)
    assert not (tmp_path / "data").exists()
