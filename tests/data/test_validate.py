"""Is each planted fault of a dataset found, and its file named?"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.build import build_clips
from data.images import write_picture
from data.openpose import people_as_json
from data.validate import Report, main, validate
from options.config import DataConfig, ScheduleConfig
from tests.data.synthetic_face import write_face_dataset
from tests.data.test_pose_data import standing_person
from tests.tiny_street import tiny_labels, write_tiny_paired, write_tiny_street
from util.errors import UserError
from util.files import write_json, write_text

FRAMES = 4
# what is planted into the sequence of the same number, the file it must be found by, and as what
Fault = tuple[str, str, Callable[[Path], None]]


def gone(path: Path) -> None:
    path.unlink()


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def no_picture(path: Path) -> None:
    path.write_text("no picture")


def tiny(path: Path) -> None:
    write_picture(path, np.zeros((8, 16, 3), np.uint8))


def tiny_map(path: Path) -> None:
    write_picture(path, np.full((8, 16), 7, np.uint8))


def unknown_id(path: Path) -> None:
    write_picture(path, np.full((48, 96), 255, np.uint8))


def colours(path: Path) -> None:
    write_picture(path, np.zeros((48, 96, 3), np.uint8))


def added(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def twin(path: Path) -> None:
    """The same picture as the frame before."""
    path.write_bytes(path.with_name("00000.png").read_bytes())


def text(content: str) -> Callable[[Path], None]:
    return lambda path: write_text(path, content)


def shortened(path: Path) -> None:
    """Leave two frames of a sequence, in all of its folders."""
    root = path.parents[1] if "_" in path.parent.name else path.parents[2]
    for folder in root.glob(f"**/{path.name}"):
        for file in sorted(folder.iterdir())[2:]:
            file.unlink()


def emptied(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


def removed(path: Path) -> None:
    emptied(path)
    path.rmdir()


def people(*persons: np.ndarray) -> Callable[[Path], None]:
    return lambda path: write_json(path, people_as_json(list(persons)))


def write_face(root: Path) -> None:
    write_face_dataset(root, lengths=(FRAMES,))


def write_street(root: Path) -> None:
    write_tiny_street(root, phase="train", num_frames=FRAMES, name="s0")


def write_paired(root: Path) -> None:
    write_tiny_paired(root, phase="train", num_frames=FRAMES, name="s0")


def write_pose(root: Path) -> None:
    random = np.random.default_rng(0)
    for frame in range(FRAMES):
        name = f"s0/{frame:05d}"
        people(standing_person(40.0 + frame))(root / f"train_openpose/{name}_keypoints.json")
        dense = np.zeros((96, 128, 3), np.uint8)
        dense[20:80, 30:60] = (100, 150, 5)
        write_picture(root / f"train_densepose/{name}_IUV.png", dense)
        write_picture(root / f"train_img/{name}.png", random.integers(0, 256, (96, 128, 3), np.uint8))


def with_copies(root: Path, count: int) -> None:
    """Sequences s1, s2, ... that equal s0."""
    for folder in sorted(root.glob("**/s0")):
        for number in range(1, count):
            shutil.copytree(folder, folder.with_name(f"s{number}"))


LANDMARKS = "\n".join("50,50" for _ in range(68))
FACE: tuple[Fault, ...] = (
    ("pairing", "train_keypoints/{}/00001.txt", gone),
    ("pairing", "train_img/{}/00001.png", gone),
    ("pairing", "train_img/{}/00001.webp", added),
    ("pairing", "train_keypoints/{}", emptied),
    ("pairing", "train_img/{}", removed),
    ("pairing", "train_img/{}/video.json", text("{")),
    ("size", "train_img/{}/00002.png", tiny),
    ("size", "train_img/{}/00002.png", no_picture),
    ("content", "train_img/{}/00002.png", cut_off),
    ("content", "train_keypoints/{}/00001.txt", text(LANDMARKS.replace("50,50\n", "", 1))),
    ("content", "train_keypoints/{}/00001.txt", text(LANDMARKS.replace("50,50", "50,x", 1))),
    ("content", "train_keypoints/{}/00002.txt", text("")),
    ("content", "train_keypoints/{}/00001.txt", text(LANDMARKS)),
    ("length", "train_keypoints/{}", shortened),
    ("duplicate", "train_img/{}/00001.png", twin),
    ("detection", "train_keypoints/{}/00003.txt", text("\n".join(f"{x},900" for x in range(40, 108)))),
    ("passed over", "train_img/{}/notes.tif", added),
)
STREET: tuple[Fault, ...] = (
    ("pairing", "A/train/{}/00001.png", gone),
    ("pairing", "Inst/train/{}/00001.png", gone),
    ("pairing", "B/train/{}/00002.png", gone),
    ("pairing", "Inst/train/{}", removed),
    ("pairing", "B/train/{}", emptied),
    ("pairing", "A/train/{}/00001.bmp", lambda path: write_picture(path, tiny_labels(1))),
    ("pairing", "B/train/{}/video.json", text('{"frames_per_second": 0}')),
    ("size", "A/train/{}/00001.png", tiny_map),
    ("size", "B/train/{}/00001.png", tiny),
    ("content", "A/train/{}/00001.png", unknown_id),
    ("content", "A/train/{}/00002.png", colours),
    ("content", "Inst/train/{}/00002.png", cut_off),
    ("size", "B/train/{}/00003.png", no_picture),
    ("length", "A/train/{}", shortened),
    ("duplicate", "B/train/{}/00001.png", twin),
    ("passed over", "A/train/{}/00001.jpg", added),
)
PAIRED: tuple[Fault, ...] = (
    ("pairing", "A/train/{}/00001.png", gone),
    ("pairing", "B/train/{}/00003.png", gone),
    ("pairing", "A/train/{}", removed),
    ("pairing", "B/train/{}", removed),
    ("pairing", "A/train/{}/00000.webp", added),
    ("pairing", "B/train/{}/00000.webp", added),
    ("pairing", "A/train/{}/video.json", text("[]")),
    ("size", "A/train/{}/00002.png", tiny),
    ("size", "B/train/{}/00002.png", tiny),
    ("size", "A/train/{}/00000.png", no_picture),
    ("content", "A/train/{}/00002.png", cut_off),
    ("content", "B/train/{}/00002.png", cut_off),
    ("length", "A/train/{}", shortened),
    ("duplicate", "B/train/{}/00001.png", twin),
    ("passed over", "B/train/{}/sound.wav", added),
)
POSE: tuple[Fault, ...] = (
    ("pairing", "train_openpose/{}/00001_keypoints.json", gone),
    ("pairing", "train_densepose/{}/00001_IUV.png", gone),
    ("pairing", "train_img/{}/00001.png", gone),
    ("pairing", "train_densepose/{}", removed),
    ("pairing", "train_openpose/{}", emptied),
    ("size", "train_densepose/{}/00001_IUV.png", tiny),
    ("size", "train_img/{}/00002.png", tiny),
    ("size", "train_img/{}/00002.png", no_picture),
    ("content", "train_densepose/{}/00001_IUV.png", cut_off),
    ("content", "train_densepose/{}/00001_IUV.png",
     lambda path: write_picture(path, np.full((96, 128, 3), 99, np.uint8))),
    ("content", "train_openpose/{}/00002_keypoints.json", text('{"people": [{"pose_keypoints_2d": [1, 2]}]}')),
    ("content", "train_openpose/{}/00002_keypoints.json", text("{")),
    ("detection", "train_openpose/{}/00002_keypoints.json", people()),
    ("detection", "train_densepose/{}/00002_IUV.png",
     lambda path: write_picture(path, np.zeros((96, 128, 3), np.uint8))),
    ("length", "train_openpose/{}", shortened),
    ("duplicate", "train_img/{}/00001.png", twin),
)  # fmt: skip
KINDS = {
    "face": (write_face, FACE, DataConfig()),
    "street": (write_street, STREET, DataConfig(dataset_mode="street", use_instance=True)),
    "paired": (write_paired, PAIRED, DataConfig(dataset_mode="paired")),
    "pose": (write_pose, POSE, DataConfig(dataset_mode="pose")),
}
WARNINGS = {"duplicate", "detection", "passed over"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_dataset_has_no_findings(tmp_path: Path, kind: str) -> None:
    write, _, config = KINDS[kind]
    write(tmp_path)
    assert validate(config, root=tmp_path, phases=["train"]).findings == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_planted_fault_is_found_and_its_file_named(tmp_path: Path, kind: str) -> None:
    write, faults, config = KINDS[kind]
    assert len(faults) >= 15
    write(tmp_path)
    with_copies(tmp_path, len(faults))
    for number, (_, place, plant) in enumerate(faults):
        plant(tmp_path / place.format(f"s{number}"))
    report = validate(config, root=tmp_path, phases=["train"])
    for number, (expected, place, _) in enumerate(faults):
        path = tmp_path / place.format(f"s{number}")
        found = [one for one in report.findings if f"/s{number}/" in one.message or f"/s{number}:" in one.message]
        assert {one.kind for one in found} == {expected}, (place, found)
        # a frame that two other parts have is missed by both
        assert len(found) <= 2 and all("\n" not in one.message and path.name in one.message for one in found)
        assert all(one.is_error == (expected not in WARNINGS) for one in found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(15))
def test_training_stops_for_the_errors_that_need_no_decoding(tmp_path: Path, kind: str, number: int) -> None:
    write, faults, config = KINDS[kind]
    expected, place, plant = faults[number]
    write(tmp_path)
    with_copies(tmp_path, 2)
    plant(tmp_path / place.format("s1"))
    if expected in ("pairing", "size", "length"):
        with pytest.raises(UserError):
            build_clips(config, ScheduleConfig(), root=tmp_path, seed=0)
    else:
        build_clips(config, ScheduleConfig(), root=tmp_path, seed=0)


def report_of(root: Path, **settings: object) -> Report:
    return validate(DataConfig(), root=root, phases=["train"], **settings)  # type: ignore[arg-type]


def test_the_quick_check_leaves_contents_alone(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(FRAMES,))
    cut_off(tmp_path / "train_img/s0/00002.png")
    assert report_of(tmp_path, is_quick=True).num_errors == 0
    assert report_of(tmp_path).num_errors == 1


def test_only_the_first_offenders_of_a_kind_are_shown_but_all_are_counted(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(8,))
    for path in sorted((tmp_path / "train_img/s0").iterdir())[3:]:
        cut_off(path)
    shown = report_of(tmp_path).text
    assert "ERROR: content, 5 found" in shown and "00005.png" in shown and "00006.png" not in shown
    assert "and 2 more" in shown and "5 errors, 0 warnings: a training would stop" in shown


def test_parts_for_testing_may_lack_pictures_and_be_short(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, phase="test", lengths=(1,), with_images=False)
    assert validate(DataConfig(), root=tmp_path, phases=["test"]).findings == []


def test_sequences_whose_clips_fit_into_no_common_batch_are_told_of(tmp_path: Path) -> None:
    write_tiny_paired(tmp_path, phase="train", num_frames=3, name="s0")
    for frame in range(3):
        for side in "AB":
            write_picture(tmp_path / f"{side}/train/s1/{frame:05d}.png", np.full((96, 96, 3), frame, np.uint8))
    (finding,) = validate(DataConfig(dataset_mode="paired"), root=tmp_path, phases=["train"]).findings
    assert finding.kind == "clip size" and not finding.is_error and "s1" in finding.message


def test_the_exit_code_tells_whether_a_training_would_stop(tmp_path: Path) -> None:
    root = write_face_dataset(tmp_path / "data", lengths=(FRAMES,))
    flags = ["--dataroot", str(root), "--json", str(tmp_path / "report.json")]
    main(flags)
    gone(root / "train_img/s0/00002.png")
    with pytest.raises(SystemExit) as stop:
        main(flags)
    assert stop.value.code == 1
    findings = json.loads((tmp_path / "report.json").read_text())["findings"]
    assert [one["kind"] for one in findings] == ["pairing"]


@pytest.mark.slow
def test_a_mistake_in_the_command_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    for flags in (["--dataroot", str(tmp_path / "none")], ["--dataroot", str(tmp_path), "--phase", ","]):
        done = subprocess.run(
            [sys.executable, "-m", "data.validate", *flags], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
