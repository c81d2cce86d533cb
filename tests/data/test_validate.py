"""Each planted fault of a dataset is found, and its file named."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from data.build import build_clips
from data.checking import Report, validate
from data.prepare.paired import prepare_paired
from data.samples.face import SAMPLES, write_face_sample
from data.samples.pose import POSE_SPLIT, write_pose_sample
from data.samples.street import STREET_SPLIT, write_street_sample
from data.storage.picture_files import read_picture
from data.validate import ValidateConfig, main
from options.cli import parse
from options.data_config import DataConfig
from options.training_config import ScheduleConfig
from tests.data.faults import FACE, PAIRED, POSE, STREET, WARNINGS, Fault, cut_off, gone, people, with_copies
from tests.data.synthetic_face import write_face_dataset
from tests.data.test_pose_data import standing_person
from tests.tiny_street import write_tiny_paired, write_tiny_street
from tests.tiny_video import write_stand_in
from util.errors import UserError
from util.media.pictures import write_picture
from util.media.video import write_video

FRAMES = 4


class Kind(NamedTuple):
    """A kind of data, as the tests below make it."""

    write: Callable[[Path], None]
    """Makes a dataset of one sequence ``s0`` of ``FRAMES`` frames in milliseconds."""
    sample: Callable[[Path, pytest.MonkeyPatch], None]
    """The same from the first frames of the kind's sample."""
    faults: tuple[Fault, ...]
    flags: tuple[str, ...]

    @property
    def config(self) -> DataConfig:
        """What the flags say."""
        return parse(ValidateConfig, self.flags, description="").data


def write_face(root: Path) -> None:
    write_face_dataset(root, lengths=(FRAMES,))


def write_street(root: Path) -> None:
    write_tiny_street(root, phase="train", num_frames=FRAMES, name="s0", older=True)


def write_paired(root: Path) -> None:
    write_tiny_paired(root, phase="train", num_frames=FRAMES, name="s0")


def write_pose(root: Path) -> None:
    random = np.random.default_rng(0)
    for frame in range(FRAMES):
        name = f"s0/{frame:05d}"
        people(standing_person(40.0 + frame))(root / f"train_openpose/{name}.json")
        dense = np.zeros((96, 128, 3), np.uint8)
        dense[20:80, 30:60] = (100, 150, 5)
        write_picture(root / f"train_densepose/{name}.png", dense)
        write_picture(root / f"train_img/{name}.png", random.integers(0, 256, (96, 128, 3), np.uint8))


def write_carphone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stand_in("face_carphone", monkeypatch, root.with_name(f"{root.name}_downloads"))
    monkeypatch.setitem(SAMPLES["face_carphone"].split, "train", range(FRAMES))
    write_face_sample(root, kind="face_carphone", phases=("train",))


def sample_face(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_carphone(root, monkeypatch)
    renamed(root, "carphone")


def sample_street(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STREET_SPLIT, "train", (("street_0", FRAMES),))
    write_street_sample(root, phases=("train",))
    renamed(root, "street_0")


def sample_pose(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POSE_SPLIT, "train", range(FRAMES))
    write_pose_sample(root, phases=("train",))
    renamed(root, "puppet")


def sample_paired(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From two videos, of the face sample in grey and in colour."""
    write_carphone(root / "face", monkeypatch)
    colour = [read_picture(path) for path in sorted((root / "face/train_img/carphone").glob("*.png"))]
    grey = [picture.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8) for picture in colour]
    for name, frames in (("colour", colour), ("grey", grey)):
        write_video(root / f"{name}.mp4", frames, frames_per_second=25)
    prepare_paired(root / "grey.mp4", root / "colour.mp4", root, phase="train", name="s0")


def renamed(root: Path, name: str) -> None:
    """Call the sequence ``s0``."""
    for folder in sorted(root.glob(f"*/{name}")):
        folder.rename(folder.with_name("s0"))


KINDS = {
    "face": Kind(write_face, sample_face, FACE, ("--dataset_mode", "face")),
    "street": Kind(write_street, sample_street, STREET, ("--dataset_mode", "street", "--use_instance")),
    "paired": Kind(write_paired, sample_paired, PAIRED, ("--dataset_mode", "paired")),
    "pose": Kind(write_pose, sample_pose, POSE, ("--dataset_mode", "pose")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_dataset_has_no_findings(tmp_path: Path, kind: str) -> None:
    KINDS[kind].write(tmp_path)
    assert validate(KINDS[kind].config, root=tmp_path, phases=["train"]).findings == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_planted_fault_is_found_and_its_file_named(tmp_path: Path, kind: str) -> None:
    KINDS[kind].write(tmp_path)
    assert_faults_are_found(tmp_path, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_planted_in_a_copy_of_the_sample_is_found(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    KINDS[kind].sample(tmp_path, monkeypatch)
    main(["--dataroot", str(tmp_path), *KINDS[kind].flags])
    assert f"{FRAMES} in all\n0 errors, 0 warnings: fit to train on" in capsys.readouterr().out
    assert_faults_are_found(tmp_path, kind)


def assert_faults_are_found(root: Path, kind: str) -> None:
    """Plant each of the kind's faults in a sequence of its own, and look for it with the command."""
    faults, flags = KINDS[kind].faults, KINDS[kind].flags
    assert len(faults) >= 15
    with_copies(root, len(faults))
    for number, fault in enumerate(faults):
        fault.plant(root / fault.place.format(f"s{number}"))
    with pytest.raises(SystemExit) as stop:
        main(["--dataroot", str(root), "--json", str(root / "report.json"), *flags])
    assert stop.value.code == 1
    findings = json.loads((root / "report.json").read_text())["findings"]
    for number, fault in enumerate(faults):
        path = root / fault.place.format(f"s{number}")
        found = [one for one in findings if f"/s{number}/" in one["message"] or f"/s{number}:" in one["message"]]
        assert {one["kind"] for one in found} == {fault.kind}, (fault.place, found)
        # a frame that two other parts have is missed by both
        assert len(found) <= 2 and all("\n" not in one["message"] and path.name in one["message"] for one in found)
        assert all(one["is_error"] == (fault.kind not in WARNINGS) for one in found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(15))
def test_training_stops_for_the_errors_that_need_no_decoding(tmp_path: Path, kind: str, number: int) -> None:
    fault = KINDS[kind].faults[number]
    KINDS[kind].write(tmp_path)
    with_copies(tmp_path, 2)
    fault.plant(tmp_path / fault.place.format("s1"))
    if fault.kind in ("pairing", "size", "length"):
        with pytest.raises(UserError):
            build_clips(KINDS[kind].config, ScheduleConfig(), root=tmp_path, seed=0)
    else:
        build_clips(KINDS[kind].config, ScheduleConfig(), root=tmp_path, seed=0)


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


def test_a_folder_that_is_missing_as_a_whole_is_told_once_with_what_to_do(tmp_path: Path) -> None:
    for name in ("s0", "s1"):
        write_tiny_street(tmp_path, phase="train", num_frames=FRAMES, name=name)
    shutil.rmtree(tmp_path / "Inst")
    (finding,) = validate(KINDS["street"].config, root=tmp_path, phases=["train"]).findings
    assert (
        finding.message.startswith(f"{tmp_path}/Inst/train: expected") and "leave out --use_instance" in finding.message
    )


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


def test_the_page_shows_the_first_frame_of_each_sequence(tmp_path: Path) -> None:
    for side, value in (("A", 40), ("B", 200)):
        for name in ("one", "two <b>"):
            for number in range(3):
                picture = np.full((32, 64, 3), value + number, np.uint8)
                write_picture(tmp_path / f"set/{side}/train/{name}/{number}.png", picture)
    (tmp_path / "set/A/train/one/0.png").write_bytes(b"no picture")
    page = tmp_path / "look.html"
    with pytest.raises(SystemExit):
        main(["--dataroot", str(tmp_path / "set"), "--dataset_mode", "paired", "--loadSize", "64", "--page", str(page)])
    text = page.read_text(encoding="utf-8")
    (content,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert shown.shape == (32, 192, 3)
    assert [round(float(shown[:, start : start + 64].mean())) for start in (0, 64, 128)] == [200, 40, 120]
    assert "one/0.png: expected a picture" in text and "two &lt;b&gt;, 3 frames of 64 x 32" in text
    assert "http" not in text
