from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.build import build_clips, build_encoder, build_sequences
from data.clips import ClipRequest
from data.kinds.paired import PairedEncoder
from options.data_config import DataConfig
from options.training_config import ScheduleConfig
from tests.tiny_street import painted, tiny_labels, write_tiny_paired
from util.errors import UserError
from util.media.pictures import write_picture


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of equal pictures: whatever happens to one must happen to the other."""
    root = tmp_path_factory.mktemp("twins")
    for frame in range(6):
        for folder in ("A", "B"):
            write_picture(root / folder / "train/drive" / f"{frame:05d}.png", painted(tiny_labels(frame)))
    return root


@given(draw=st.integers(0, 10**6), mode=st.sampled_from(["scaleWidth", "scaleWidth_and_crop", "randomScaleHeight"]))
@settings(max_examples=15, deadline=None)
def test_both_pictures_of_a_frame_go_through_one_transform(twins: Path, draw: int, mode: str) -> None:
    config = DataConfig(dataset_mode="paired", loadSize=96, fineSize=64, resize_or_crop=mode)
    clips = build_clips(config, ScheduleConfig(affine=1.0), root=twins, seed=0)
    clip = clips[ClipRequest(draw, 3)].finished(clips.encoder)
    assert torch.equal(clip.semantic, clip.image) and clip.foreground is None


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_inputs_have_the_channels_asked_for_in_minus_one_to_one(tmp_path: Path, channels: int) -> None:
    write_tiny_paired(tmp_path, phase="test", num_frames=2)
    config = DataConfig(dataset_mode="paired", loadSize=64, input_nc=channels)
    (one,) = build_sequences(config, root=tmp_path, phase="test")
    semantic = one.semantic(1)
    assert semantic.shape == (channels, 32, 64) and semantic.dtype == torch.float32
    assert -1 <= semantic.min() < 0 < semantic.max() <= 1
    picture = one.encoder.picture(semantic)
    assert picture.shape == (32, 64, 3) and np.ptp(picture[..., :3].astype(int), axis=2).max() == 0


def test_other_numbers_of_channels_are_refused() -> None:
    with pytest.raises(UserError, match="--input_nc 2"):
        DataConfig(dataset_mode="paired", input_nc=2)
    with pytest.raises(UserError, match="--input_nc 6: expected 15, which --dataset_mode face"):
        build_encoder(DataConfig(input_nc=6))
    assert build_encoder(DataConfig(input_nc=15)).num_channels == 15
    with pytest.raises(ValueError, match="got 2"):
        PairedEncoder(num_channels=2)


def test_pairs_of_different_sizes_are_named(tmp_path: Path) -> None:
    write_tiny_paired(tmp_path, phase="train", num_frames=3)
    write_picture(tmp_path / "B/train/drive/00001.png", np.zeros((30, 40, 3), np.uint8))
    with pytest.raises(UserError, match="B/train/drive/00001.png: expected 96 x 48"):
        build_clips(DataConfig(dataset_mode="paired", loadSize=64), ScheduleConfig(), root=tmp_path, seed=0)


def test_a_picture_without_its_partner_is_named(tmp_path: Path) -> None:
    write_tiny_paired(tmp_path, phase="train", num_frames=4)
    (tmp_path / "B/train/drive/00003.png").unlink()
    with pytest.raises(UserError, match="B/train/drive/00003.png: expected one of the pictures"):
        build_clips(DataConfig(dataset_mode="paired"), ScheduleConfig(), root=tmp_path, seed=0)


def test_two_sizes_in_a_batch_are_told_before_training(tmp_path: Path) -> None:
    for name, width in (("a", 64), ("b", 128)):
        for side in "AB":
            for number in range(3):
                write_picture(tmp_path / f"{side}/train/{name}/{number}.png", np.zeros((64, width, 3), np.uint8))
    config = DataConfig(dataset_mode="paired", loadSize=64, resize_or_crop="scaleWidth")
    with pytest.raises(UserError, match="train/b: gives clips of 64 x 32, .* --batchSize 1"):
        build_clips(config, ScheduleConfig(batchSize=2), root=tmp_path, seed=0)
    assert len(build_clips(config, ScheduleConfig(batchSize=1), root=tmp_path, seed=0)) == 2
    square = DataConfig(dataset_mode="paired", loadSize=64, resize_or_crop="resize")
    assert len(build_clips(square, ScheduleConfig(batchSize=2), root=tmp_path, seed=0)) == 2
