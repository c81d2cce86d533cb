"""A segmentation network of one's own turns videos into street datasets, and drives street models."""

import json
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from data.build import build_sequences
from data.detectors.segmenter import Segmenter, instances_of, without_flicker
from data.kinds.label_sets import read_label_set
from data.prepare.__main__ import build_parser, main
from data.sources.camera import CameraCounts, Captured, camera_frames
from data.sources.own_video import own_video
from data.storage.picture_files import read_ids
from options.data_config import DataConfig
from util.errors import UserError
from util.media.video import read_video, write_video

STREET = DataConfig(dataset_mode="street", loadSize=64, use_instance=True)
LABELS = read_label_set("cityscapes35")
ROAD, CAR = 7, 26
SIZE = (48, 64)


def write_network(path: Path, *, channels: int = 2, settings: dict[str, object] | None = None) -> Path:
    """A network that calls bright pixels a car, all others road."""
    weights = np.zeros((channels, 3, 1, 1), np.float32)
    weights[1] = 1
    nodes = [helper.make_node("Conv", ["picture", "weights", "bias"], ["logits"])]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 24, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, channels, 24, 32])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.zeros(channels, np.float32), "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(path))
    usual = {"size": [24, 32], "mean": [0.5] * 3, "std": [0.5] * 3, "labels": ["road", CAR], "instances": ["car"]}
    path.with_suffix(".json").write_text(json.dumps(usual | (settings or {})))
    return path


def pictures(num_frames: int) -> Iterator[np.ndarray]:
    """A bright block that drives to the right over dark texture."""
    texture = np.random.default_rng(0).integers(0, 60, (*SIZE, 3), np.uint8)
    for number in range(num_frames):
        picture = texture.copy()
        picture[16:32, 8 + 2 * number : 24 + 2 * number] = 230
        yield picture


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "mine.onnx")


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    write_video(tmp_path / "drive.mp4", pictures(6), frames_per_second=10)
    return tmp_path / "drive.mp4"


def prepare(*words: str | Path) -> None:
    main(build_parser().parse_args(["street", *map(str, words)]))


def test_a_video_becomes_a_street_dataset_and_goes_on_where_it_stopped(
    network: Path, drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "data"
    prepare(drive, "--segmenter", network, "--out", out, "--test_share", "0.3")
    (train,) = build_sequences(STREET, root=out, phase="train")
    (test,) = build_sequences(STREET, root=out, phase="test")
    assert (train.num_frames, test.num_frames) == (4, 2) and train.frames_per_second == 10
    ids = read_ids(out / "train_A/drive/00000.png")
    assert ids[24, 16] == CAR and ids[5, 5] == ROAD and set(np.unique(ids)) == {ROAD, CAR}
    assert read_ids(out / "train_inst/drive/00000.png")[24, 16] == CAR * 1000 + 1
    assert "segmenter mine" in (out / "train_B/drive/video.json").read_text()
    prepare(drive, "--segmenter", network, "--out", out, "--test_share", "0.3")
    assert "0 sequences written, 2 were there" in capsys.readouterr().out
    other = write_network(tmp_path / "other.onnx", settings={"labels": ["road", "truck"], "instances": []})
    with pytest.raises(UserError, match="expected those of one finder"):
        prepare(drive, "--segmenter", other, "--out", out, "--name", "again")


def test_a_video_drives_a_street_model_as_its_dataset_does_bit_by_bit(
    network: Path, drive: Path, tmp_path: Path
) -> None:
    prepare(drive, "--segmenter", network, "--out", tmp_path / "data", "--phase", "test")
    (wanted,) = build_sequences(STREET, root=tmp_path / "data", phase="test")
    sequence, note = own_video(drive, STREET, segmenter=str(network))
    shot = (Captured(float(number), picture) for number, picture in enumerate(read_video(drive)))
    live = list(camera_frames(shot, STREET, counts=CameraCounts(), segmenter=str(network)))
    assert sequence.num_frames == len(live) == wanted.num_frames == 6 and "mine.onnx" in note
    for number, frame in enumerate(live):
        assert torch.equal(sequence.semantic(number), wanted.semantic(number))
        assert torch.equal(frame.semantic, wanted.semantic(number)) and frame.time == number
        image = sequence.image(number)
        assert image is not None and frame.image is not None and torch.equal(frame.image, image)


def test_a_label_that_flickers_along_the_motion_is_steadied_and_one_that_stays_is_kept() -> None:
    shots = list(pictures(5))
    true = [np.where(shot[..., 0] > 128, CAR, ROAD).astype(np.uint16) for shot in shots]
    flickering = [labels.copy() for labels in true]
    flickering[2][18:30, 14:26] = ROAD  # most of the car, in one frame alone
    steady = list(without_flicker(zip(shots, flickering, strict=True)))
    assert len(steady) == 5
    assert (steady[2] == true[2]).mean() > 0.97 > (flickering[2] == true[2]).mean()
    for labels, wanted in zip(without_flicker(zip(shots, true, strict=True)), true, strict=True):
        assert (labels == wanted).mean() > 0.99
    (alone,) = without_flicker([(shots[0], true[0])])
    np.testing.assert_array_equal(alone, true[0])


def test_instances_are_connected_parts_of_their_label() -> None:
    labels = np.full((6, 9), ROAD, np.uint16)
    labels[1:3, 1:3], labels[1:5, 5:8] = CAR, CAR
    found = instances_of(labels, [CAR])
    assert (found[1, 1], found[4, 7], found[0, 0]) == (CAR * 1000 + 2, CAR * 1000 + 1, ROAD)
    np.testing.assert_array_equal(instances_of(labels, []), labels)


@pytest.mark.parametrize(
    ("settings", "channels", "expected"),
    [
        ({"labels": ["road"]}, 2, "expected logits .* of the 1 labels in its .json, found"),
        ({"labels": ["road", "lake"]}, 2, "'lake' is no name or id of --label_set"),
        ({"size": [10, 10]}, 2, "expected an input"),
        ({"std": [0, 1, 1]}, 2, "mine.json: expected such as"),
        ({"instances": [], "labels": ["road", "car"]}, 2, 'expected "instances"'),
    ],
)
def test_a_network_that_does_not_fit_is_one_line(
    tmp_path: Path, drive: Path, settings: dict[str, object], channels: int, expected: str
) -> None:
    network = write_network(tmp_path / "mine.onnx", channels=channels, settings=settings)
    with pytest.raises(UserError, match=expected):
        own_video(drive, STREET, segmenter=str(network))


def test_missing_files_and_useless_flags_are_named(tmp_path: Path, drive: Path) -> None:
    with pytest.raises(UserError, match="expected a network in ONNX, found no file"):
        Segmenter(tmp_path / "none.onnx", labels=LABELS)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"something")
    with pytest.raises(UserError, match=r"broken.json: expected such as"):
        Segmenter(broken, labels=LABELS)
    write_network(tmp_path / "mine.onnx").rename(tmp_path / "gone.onnx")
    (tmp_path / "mine.json").rename(tmp_path / "broken.json")
    with pytest.raises(UserError, match="expected a network in ONNX, found something else"):
        Segmenter(broken, labels=LABELS)
    with pytest.raises(UserError, match="--video .*: a street model draws from label maps"):
        own_video(drive, STREET)
    with pytest.raises(UserError, match="draws no street"):
        own_video(drive, DataConfig(), segmenter="mine.onnx")
    with pytest.raises(UserError, match="several videos need --segmenter"):
        prepare(*repeat(drive, 2), "--out", tmp_path / "data")
