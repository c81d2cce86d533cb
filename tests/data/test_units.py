"""Pictures are read as viewers show them, numbers in their units; others are converted or refused by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from data.build import build_sequences
from data.checking import validate
from data.kinds.face import landmarks_as_text, read_landmarks
from data.kinds.label_sets import CITYSCAPES_35
from data.kinds.openpose import people_as_json, read_people
from data.prepare.pose import prepare_pose
from data.prepare.street import folder_drives, write_drives
from data.storage.picture_files import picture_size, profile_note, read_ids, read_picture
from options.config import DataConfig
from tests.data.synthetic_face import write_face_dataset
from tests.data.test_prepare_pose import walk
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture


def saved(path: Path, picture: np.ndarray, **settings: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **settings)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_sixteen_bits_keep_their_proportion(tmp_path: Path, suffix: str, mode: str) -> None:
    numbers = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    found = read_picture(saved(tmp_path / f"depth{suffix}", numbers), mode=mode)
    wanted = numbers / 257
    assert np.abs((found if mode == "L" else found[..., 0]) - wanted).max() <= 0.5


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_more_than_sixteen_bits_are_refused(tmp_path: Path, dtype: type) -> None:
    with pytest.raises(UserError, match=r"deep.tif: expected a picture of 8 or 16 bits, found numbers of 0 to 70000"):
        read_picture(saved(tmp_path / "deep.tif", np.array([[0, 70000]], dtype)))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright_as_exif_says(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16], upright[8:, 16:] = (255, 255, 255), (128, 128, 128)
    undo = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(_TURNS[undo[orientation]])
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"photo{suffix}"
    stored.save(path, exif=exif, **({"lossless": True} if suffix == ".webp" else {}))  # type: ignore[arg-type]
    assert picture_size(path) == (16, 32)
    found = read_picture(path)
    assert found.shape == upright.shape and np.abs(found.astype(int) - upright).mean() < 3


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def transparent(mode: str) -> Image.Image:
    """A picture whose upper half is transparent magenta."""
    picture = np.full((8, 8, 4), (255, 0, 255, 0), np.uint8)
    picture[4:] = (10, 200, 30, 255)
    image = Image.fromarray(picture)
    if mode == "RGBA":
        return image
    palette = image.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
    palette.info["transparency"] = int(np.asarray(palette)[0, 0])
    return palette


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_hidden_colours_stay_hidden_and_are_told(tmp_path: Path, mode: str) -> None:
    for side in "AB":
        for number in range(3):
            path = tmp_path / f"{side}/train/s/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            transparent(mode if side == "A" else "RGBA").save(path)
    found = read_picture(tmp_path / "A/train/s/0.png")
    assert (found[:4] == 0).all() and np.abs(found[4:].astype(int) - (10, 200, 30)).max() < 3
    findings = validate(DataConfig(dataset_mode="paired"), root=tmp_path, phases=["train"]).findings
    assert sum("transparent" in one.message for one in findings) == 6 and not any(one.is_error for one in findings)
    kept = read_picture(tmp_path / "B/train/s/0.png", mode="RGBA")
    assert (kept[:4] == (255, 0, 255, 0)).all()


IDS = np.array([[7, 7, 26], [7, 24, 26]], np.uint8)


@pytest.mark.parametrize("form", ["RGB", "RGBA", "LA"])
def test_maps_that_were_saved_as_colours_are_ids(tmp_path: Path, form: str) -> None:
    for number in range(3):
        path = tmp_path / f"maps/{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(IDS).convert(form).save(path)
        assert (read_ids(path) == IDS).all()
    for ignore_label in (None, 0):
        drives = folder_drives(tmp_path / "maps", name=f"s{ignore_label}", images=None, instances=None)
        write_drives(drives, tmp_path / "set", phase="test", labels=CITYSCAPES_35, ignore_label=ignore_label)
        assert (read_ids(tmp_path / f"set/A/test/s{ignore_label}/1.png") == IDS).all()


def test_grey_colours_of_the_set_stay_colours(tmp_path: Path) -> None:
    for number, grey in enumerate((70, 153, 0)):  # building, pole, unlabeled
        write_picture(tmp_path / f"maps/{number}.png", np.full((4, 4, 3), grey, np.uint8))
    drives = folder_drives(tmp_path / "maps", name="s", images=None, instances=None)
    write_drives(drives, tmp_path / "set", phase="test", labels=CITYSCAPES_35)
    assert [int(read_ids(tmp_path / f"set/A/test/s/{number}.png")[0, 0]) for number in range(3)] == [11, 17, 0]


@pytest.mark.parametrize("colour", [(1, 2, 3), (200, 200, 200)])
def test_maps_without_a_single_label_are_refused(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    write_picture(tmp_path / "maps/0.png", np.full((4, 4, 3), colour, np.uint8))
    drives = folder_drives(tmp_path / "maps", name="s", images=None, instances=None)
    with pytest.raises(UserError, match="found none of them in the whole map"):
        write_drives(drives, tmp_path / "set", phase="test", labels=CITYSCAPES_35, ignore_label=0)
    write_picture(tmp_path / "own/A/test/s/0.png", np.full((4, 4), 200, np.uint8))
    config = DataConfig(dataset_mode="street", ignore_label=0, loadSize=32)
    report = validate(config, root=tmp_path / "own", phases=["test"])
    assert report.num_errors == 1 and "none of them in the whole map" in report.findings[0].message


@pytest.mark.parametrize("largest", [70_000, 2**31 - 1])
def test_large_instance_ids_are_counted_anew(tmp_path: Path, largest: int) -> None:
    instances = np.array([[3, 3, largest], [3, largest, largest]], np.int32)
    write_picture(tmp_path / "maps/0.png", IDS)
    saved(tmp_path / "instances/0.tif", instances)
    drives = folder_drives(tmp_path / "maps", name="s", images=None, instances=tmp_path / "instances")
    write_drives(drives, tmp_path / "set", phase="test", labels=CITYSCAPES_35)
    assert (read_ids(tmp_path / "set/Inst/test/s/0.png") == (instances > 3)).all()
    with pytest.raises(UserError, match="--instances DIR` counts"):
        read_ids(tmp_path / "instances/0.tif")


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (2.0, -1.0)])
def test_shares_of_a_frame_are_no_pixels(tmp_path: Path, scale: float, shift: float) -> None:
    """OpenPose's --keypoint_scale 3 and 4."""
    person = walk(1)[0]
    seen = person[:, 2] > 0
    person[seen, :2] = person[seen, :2] / 1000 * scale + shift
    for number in range(3):
        people = people_as_json([person])
        people["people"][0]["pose_keypoints_2d"] = person[:25].ravel().tolist()
        write_json(tmp_path / f"json/{number}.json", people)
    with pytest.raises(UserError, match="0.json: .* expected positions in pixels, .* --keypoint_scale 0"):
        read_people(tmp_path / "json/0.json")
    with pytest.raises(UserError, match="--keypoint_scale 0"):
        prepare_pose(tmp_path / "json", tmp_path / "out", phase="train", name="s")


def test_people_of_another_frame_size_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = DataConfig(dataset_mode="pose", openpose_only=True, loadSize=64)
    for number, person in enumerate(walk(3)):
        write_json(tmp_path / f"train_openpose/s/{number}.json", people_as_json([person]))
        write_picture(tmp_path / f"train_img/s/{number}.png", np.full((64, 96, 3), 40 * number, np.uint8))
    findings = validate(config, root=tmp_path, phases=["train"]).findings
    assert len(findings) == 3 and "points lie outside the frame of 96 x 64" in findings[0].message
    prepare_pose(
        tmp_path / "train_openpose/s", tmp_path / "out", images=tmp_path / "train_img/s", phase="train", name="s"
    )
    assert "points lie outside the frame of 96 x 64" in capsys.readouterr().out
    assert len(build_sequences(config, root=tmp_path, phase="train")) == 1


def exchanged() -> bytes:
    """An ICC profile that is sRGB but for its name, and that red and green have changed places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"wait").replace(b"gXYZ", b"rXYZ").replace(b"wait", b"gXYZ")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_colours_of_a_profile_become_those_of_srgb(tmp_path: Path, suffix: str) -> None:
    settings: dict[str, object] = {"quality": 100} if suffix in (".jpg", ".webp") else {}
    picture = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    plain = saved(tmp_path / f"plain{suffix}", picture, **settings)
    other = saved(tmp_path / f"other{suffix}", picture, icc_profile=exchanged(), **settings)
    broken = saved(tmp_path / f"broken{suffix}", picture, icc_profile=b"nonsense", **settings)
    for path in (plain, broken):
        assert np.abs(read_picture(path).astype(int) - picture).max() <= 3 and profile_note(path) is None
    assert np.abs(read_picture(other).astype(int) - (100, 200, 50)).max() <= 3
    assert profile_note(other) == "colours of the profile 'swap built-in' are converted to sRGB"
    assert (read_ids(saved(tmp_path / "ids.png", IDS, icc_profile=exchanged())) == IDS).all()


@pytest.mark.parametrize("change", [lambda points: points[:, ::-1], lambda points: (0, 128) + points * (1, -1)])
def test_landmarks_of_a_face_that_lies_or_hangs_are_told(
    tmp_path: Path, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    """As of lines y,x, and of y that is counted from the bottom."""
    write_face_dataset(tmp_path)
    assert not validate(DataConfig(), root=tmp_path, phases=["train"]).findings
    path = next((tmp_path / "train_keypoints").glob("*/*.txt"))
    path.write_text(landmarks_as_text(change(read_landmarks(path))))
    (finding,) = validate(DataConfig(), root=tmp_path, phases=["train"]).findings
    assert finding.message.startswith(f"{path}: the mouth is not below the eyes") and not finding.is_error


def test_a_folder_that_is_missing_may_be_that_of_another_kind(tmp_path: Path) -> None:
    write_face_dataset(tmp_path)
    findings = validate(DataConfig(dataset_mode="pose"), root=tmp_path, phases=["train"]).findings
    assert "check --dataroot, --dataset_mode and --phase" in findings[0].message


@pytest.mark.parametrize("largest", [4095, 1023, 4096, 0])
def test_twelve_bits_in_sixteen_are_told_with_the_largest_number(tmp_path: Path, largest: int) -> None:
    numbers = np.linspace(0, largest, 64).astype(np.uint16).reshape(8, 8)
    for number in range(3):
        saved(tmp_path / f"A/train/s/{number}.png", np.roll(numbers, number))
        saved(tmp_path / f"B/train/s/{number}.png", np.full((8, 8, 3), number, np.uint8))
    config = DataConfig(dataset_mode="paired", input_nc=1)
    notes = [
        one.message for one in validate(config, root=tmp_path, phases=["train"]).findings if "16 bits" in one.message
    ]
    assert len(notes) == (3 if 0 < largest < 4096 else 0)
    assert all(
        f"the largest number is {largest}, which is read as {round(largest / 257)} of 255" in one for one in notes
    )


def test_confidences_in_percent_are_refused(tmp_path: Path) -> None:
    person = walk(1)[0]
    people = people_as_json([person * (1, 1, 1.2)])  # OpenPose's own may be above 1
    write_json(tmp_path / "sound.json", people)
    assert len(read_people(tmp_path / "sound.json")) == 1
    write_json(tmp_path / "percent.json", people_as_json([person * (1, 1, 100)]))
    with pytest.raises(UserError, match=r"percent.json: .* expected confidences of 0 to 1, found up to .*; divide"):
        read_people(tmp_path / "percent.json")


def test_points_at_minus_one_count_as_not_seen_and_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = DataConfig(dataset_mode="pose", openpose_only=True, loadSize=64)
    for number, person in enumerate(walk(3)):
        person[[4, 7], :2] = -1
        people = people_as_json([person])
        write_json(tmp_path / f"train_openpose/s/{number}.json", people)
        write_picture(tmp_path / f"train_img/s/{number}.png", np.full((512, 512, 3), 40 * number, np.uint8))
        (found,) = read_people(tmp_path / f"train_openpose/s/{number}.json")
        assert (found[[4, 7]] == 0).all() and found[1].any()
    notes = [one.message for one in validate(config, root=tmp_path, phases=["train"]).findings]
    assert len(notes) == 3 and all("2 points at -1,-1 count as not seen" in one for one in notes)
    prepare_pose(tmp_path / "train_openpose/s", tmp_path / "out", phase="train", name="s")
    assert "6 points at -1,-1 count as not seen" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["L", "RGB"])
def test_parts_of_densepose_alone_are_refused(tmp_path: Path, form: str) -> None:
    for number, person in enumerate(walk(3)):
        write_json(tmp_path / f"train_openpose/s/{number}.json", people_as_json([person]))
        parts = np.roll(np.arange(64 * 64, dtype=np.uint16) % 25, number).astype(np.uint8).reshape(64, 64)
        path = tmp_path / f"train_densepose/s/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(parts).convert(form).save(path)
        write_picture(tmp_path / f"train_img/s/{number}.png", np.full((64, 64, 3), 40 * number, np.uint8))
    findings = validate(DataConfig(dataset_mode="pose", loadSize=64), root=tmp_path, phases=["train"]).findings
    errors = [one.message for one in findings if one.is_error]
    assert len(errors) == 3 and "found its parts alone, as grey of 0 to 24; write U, V and the part" in errors[0]
