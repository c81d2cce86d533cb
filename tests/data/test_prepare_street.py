import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.build import build_sequences
from data.prepare.__main__ import build_parser, main
from data.storage.picture_files import read_ids
from options.data_config import DataConfig
from tests.tiny_street import CAR, COLOURS, painted, tiny_instances, tiny_labels
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture
from util.media.video import write_video


def prepare(*arguments: object) -> None:
    main(build_parser().parse_args([str(one) for one in arguments]))


def write_cityscapes(root: Path, frames: dict[str, list[int]], *, labelled: str = "gtFine") -> Path:
    """A download with these frames for each recording, and their label maps."""
    for recording, numbers in frames.items():
        city = recording.split("_")[0]
        for number in numbers:
            name, labels = f"{recording}_{number:06d}", tiny_labels(number % 20)
            write_picture(root / "leftImg8bit_sequence/train" / city / f"{name}_leftImg8bit.png", painted(labels))
            folder = root / labelled / "train" / city
            write_picture(folder / f"{name}_gtFine_labelIds.png", labels)
            write_picture(folder / f"{name}_gtFine_instanceIds.png", tiny_instances(labels))
            write_picture(folder / f"{name}_gtFine_color.png", painted(labels))
    return root


def test_a_cityscapes_download_becomes_sequences_cut_where_frames_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = {"ulm_000001": [4, 5, 6, 7], "ulm_000002": [0, 1, 2, 9, 10, 11, 12, 14]}
    source = write_cityscapes(tmp_path / "download", frames)
    extra = source / "leftImg8bit_sequence/train/ulm/ulm_000001_000008_leftImg8bit.png"
    write_picture(extra, painted(tiny_labels(8)))
    prepare("street", source, "--out", tmp_path / "out")
    told = capsys.readouterr().out
    assert "13 pictures, 12 label maps, 12 instance maps; 1 pictures without a label map" in told
    assert "1 of 4 drives are shorter than 3" in told
    assert "3 train sequences, 11 frames, 11 with pictures, 11 with instance maps; 33 files linked" in told
    config = DataConfig(dataset_mode="street", loadSize=64, use_instance=True)
    found = build_sequences(config, root=tmp_path / "out", phase="train")
    assert [(one.name, one.num_frames) for one in found] == [
        ("ulm_000001_000004", 4), ("ulm_000002_000000", 3), ("ulm_000002_000009", 4),
    ]  # fmt: skip
    assert found[2].frame_name(1) == "000010"
    assert found[0].semantic(1)[CAR].sum() > 0 and found[0].semantic(1)[35].sum() > 0
    link = tmp_path / "out/B/train/ulm_000001_000004/000004.png"
    assert link.is_symlink() and link.resolve().name == "ulm_000001_000004_leftImg8bit.png"


def test_predicted_maps_lie_in_a_folder_of_their_own_and_files_can_be_copied(tmp_path: Path) -> None:
    source = write_cityscapes(tmp_path / "download", {"ulm_000001": [4]})
    for number in (4, 5, 6):
        name = f"ulm_000001_{number:06d}_leftImg8bit.png"
        write_picture(source / "leftImg8bit_sequence/train/ulm" / name, painted(tiny_labels(number)))
        write_picture(tmp_path / "predicted" / name, tiny_labels(number))
    with pytest.raises(UserError, match="gtFine/train: .* one frame in thirty"):
        prepare("street", source, "--out", tmp_path / "out")
    predicted = ["--labels", tmp_path / "predicted", "--split", "train", "--phase", "test", "--copy"]
    prepare("street", source, "--out", tmp_path / "out", *predicted)
    written = sorted((tmp_path / "out/A/test/ulm_000001_000004").iterdir())
    assert len(written) == 3 and not any(path.is_symlink() for path in written)
    assert not (tmp_path / "out/Inst").exists()


@pytest.fixture
def label_set(tmp_path: Path) -> Path:
    path = tmp_path / "mine.json"
    write_json(path, [{"name": str(id), "id": id, "color": list(colour)} for id, colour in COLOURS.items()])
    return path


def test_colours_and_palettes_become_ids(tmp_path: Path, label_set: Path) -> None:
    for folder in ("colours", "palette", "ids"):
        (tmp_path / "maps" / folder).mkdir(parents=True)
        (tmp_path / "frames" / folder).mkdir(parents=True)
        write_picture(tmp_path / "frames" / folder / "0.png", painted(tiny_labels(0)))
    coloured = Image.fromarray(painted(tiny_labels(0)))
    coloured.save(tmp_path / "maps/colours/0.png")
    coloured.quantize(16, dither=Image.Dither.NONE).save(tmp_path / "maps/palette/0.png")
    Image.fromarray(tiny_labels(0)).save(tmp_path / "maps/ids/0.bmp")
    own = ["--label_set", label_set, "--by_colour", "--images", tmp_path / "frames"]
    prepare("street", tmp_path / "maps", "--out", tmp_path / "out", *own)
    for folder in ("colours", "palette", "ids"):
        assert np.array_equal(read_ids(tmp_path / "out/A/train" / folder / "0.png"), tiny_labels(0)), folder


def test_instances_as_colours_are_counted_anew(tmp_path: Path) -> None:
    labels = tiny_labels(0)
    write_picture(tmp_path / "maps/0.png", labels)
    write_picture(tmp_path / "instances/0.png", painted(labels))
    prepare("street", tmp_path / "maps", "--instances", tmp_path / "instances", "--out", tmp_path / "out")
    ids = read_ids(tmp_path / "out/Inst/train/maps/0.png")
    assert ids.max() == 3 and len(np.unique(np.stack([ids, labels]).reshape(2, -1), axis=1).T) == 4


def test_unknown_colours_are_refused_with_their_file_and_nothing_is_written(tmp_path: Path, label_set: Path) -> None:
    picture = painted(tiny_labels(0))
    picture[3, 4] = (1, 2, 3)
    write_picture(tmp_path / "maps/0.png", picture)
    with pytest.raises(UserError, match=r"maps/0.png: .*found \(1, 2, 3\)") as caught:
        prepare("street", tmp_path / "maps", "--out", tmp_path / "out", "--label_set", label_set)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()
    told = ["--label_set", label_set, "--ignore_label", 7]
    prepare("street", tmp_path / "maps", "--out", tmp_path / "out", *told)
    assert read_ids(tmp_path / "out/A/train/maps/0.png")[3, 4] == 7


def test_unknown_ids_count_as_the_label_that_is_told_and_other_maps_stay_linked(
    tmp_path: Path, label_set: Path
) -> None:
    labels = tiny_labels(0)
    write_picture(tmp_path / "maps/0.png", labels)
    labels[3, 4] = 255
    write_picture(tmp_path / "maps/1.png", labels)
    own = ["--label_set", label_set, "--ignore_label"]
    with pytest.raises(UserError, match="--ignore_label 70000: expected the id of a label"):
        prepare("street", tmp_path / "maps", "--out", tmp_path / "out", *own, 70000)
    prepare("street", tmp_path / "maps", "--out", tmp_path / "out", *own, 7)
    written = tmp_path / "out/A/train/maps"
    assert (written / "0.png").is_symlink() and not (written / "1.png").is_symlink()
    labels[3, 4] = 7
    np.testing.assert_array_equal(read_ids(written / "1.png"), labels)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "nowhere: expected a folder of label maps"),
        (["{root}"], "expected label maps (*.png"),
        (["{root}/maps", "--images", "{root}/frames"], "frames/1: expected one of the pictures"),
        (["{root}/maps", "--images", "{root}"], "expected pictures (*.png"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, arguments: list[str], expected: str) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "empty").mkdir()
    for number in range(2):
        write_picture(tmp_path / f"maps/{number}.png", tiny_labels(number))
    write_picture(tmp_path / "frames/0.png", painted(tiny_labels(0)))
    with pytest.raises(UserError) as caught:
        prepare("street", *(word.format(root=tmp_path) for word in arguments), "--out", tmp_path / "out")
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def write_clip(path: Path, *, num_frames: int, size: tuple[int, int] = (48, 96)) -> Path:
    frames = (painted(tiny_labels(number, size=size)) for number in range(num_frames))
    write_video(path, frames, frames_per_second=12)
    return path


def test_two_videos_become_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = write_clip(tmp_path / "small.mp4", num_frames=5, size=(24, 48))
    large = write_clip(tmp_path / "large.mp4", num_frames=5)
    prepare("paired", small, large, "--out", tmp_path / "out", "--frames", "1:", "--phase", "test")
    assert "4 pairs of 96 x 48 at 12 per second; inputs resized from 48 x 24" in capsys.readouterr().out
    config = DataConfig(dataset_mode="paired", loadSize=64)
    (one,) = build_sequences(config, root=tmp_path / "out", phase="test")
    image = one.image(3)
    assert (one.name, one.num_frames, one.frames_per_second) == ("large", 4, 12)
    assert image is not None and (one.semantic(3) - image).abs().mean() < 0.1


def test_videos_of_different_lengths_are_refused(tmp_path: Path) -> None:
    short, long = (write_clip(tmp_path / f"{count}.mp4", num_frames=count) for count in (3, 5))
    with pytest.raises(UserError, match="3.mp4: expected as many frames as .*5.mp4 has, found 3 and more there"):
        prepare("paired", short, long, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    prepare("paired", short, long, "--out", tmp_path / "out", "--frames", "0:3")


def test_help_lists_all_kinds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["prepare"])
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    assert {"face", "street", "paired"} <= set(capsys.readouterr().out.split())
