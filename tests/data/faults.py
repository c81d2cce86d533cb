"""What can be wrong with a dataset of each kind: planted by tests, to be found by ``data.validate``.

The places fit the samples of ``data.samples`` and datasets with the same names; docs/data.md lists the faults.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from data.kinds.openpose import people_as_json
from data.storage.picture_files import picture_size
from util.files import write_json, write_text
from util.media.pictures import write_picture


class Fault(NamedTuple):
    """One thing that is wrong."""

    kind: str
    """What ``data.validate`` must call it."""
    place: str
    """The file or folder that it must name; ``{}`` is the sequence."""
    plant: Callable[[Path], None]
    """Does it, given the path of ``place``."""


WARNINGS = {"duplicate", "detection", "passed over"}
"""Kinds of faults that do not stop a training."""


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


def filled(value: int, *, channels: int) -> Callable[[Path], None]:
    """A picture of the size that is there, of one value."""

    def fill(path: Path) -> None:
        height, width = picture_size(path)
        write_picture(path, np.full((height, width, 3) if channels == 3 else (height, width), value, np.uint8))

    return fill


def added(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def twin_as_bmp(path: Path) -> None:
    """The frame once more, in another format."""
    with Image.open(path.with_suffix(".png")) as picture:
        picture.save(path)


def twin(path: Path) -> None:
    """The same picture as the frame before."""
    path.write_bytes(path.with_name("00000.png").read_bytes())


def text(content: str) -> Callable[[Path], None]:
    return lambda path: write_text(path, content)


def people(*persons: np.ndarray) -> Callable[[Path], None]:
    return lambda path: write_json(path, people_as_json(list(persons)))


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


def with_copies(root: Path, count: int) -> None:
    """Sequences s1, s2, ... that equal s0."""
    for folder in sorted(root.glob("**/s0")):
        for number in range(1, count):
            shutil.copytree(folder, folder.with_name(f"s{number}"))


_SAME_PLACE = "\n".join("50,50" for _ in range(68))
FACE = (
    Fault("pairing", "train_keypoints/{}/00001.txt", gone),
    Fault("pairing", "train_img/{}/00001.png", gone),
    Fault("pairing", "train_img/{}/00001.webp", added),
    Fault("pairing", "train_keypoints/{}", emptied),
    Fault("pairing", "train_img/{}", removed),
    Fault("pairing", "train_img/{}/video.json", text("{")),
    Fault("size", "train_img/{}/00002.png", tiny),
    Fault("size", "train_img/{}/00002.png", no_picture),
    Fault("content", "train_img/{}/00002.png", cut_off),
    Fault("content", "train_keypoints/{}/00001.txt", text(_SAME_PLACE.replace("50,50\n", "", 1))),
    Fault("content", "train_keypoints/{}/00001.txt", text(_SAME_PLACE.replace("50,50", "50,x", 1))),
    Fault("content", "train_keypoints/{}/00002.txt", text("")),
    Fault("content", "train_keypoints/{}/00001.txt", text(_SAME_PLACE)),
    Fault("content", "train_keypoints/{}/00001.txt", text(_SAME_PLACE.replace("50,50", "9000,50", 1))),
    Fault("length", "train_keypoints/{}", shortened),
    Fault("duplicate", "train_img/{}/00001.png", twin),
    Fault("detection", "train_keypoints/{}/00003.txt", text("\n".join(f"{x},900" for x in range(40, 108)))),
    Fault("passed over", "train_img/{}/notes.heic", added),
)
STREET = (
    Fault("pairing", "train_A/{}/00001.png", gone),
    Fault("pairing", "train_inst/{}/00001.png", gone),
    Fault("pairing", "train_B/{}/00002.png", gone),
    Fault("pairing", "train_inst/{}", removed),
    Fault("pairing", "train_B/{}", emptied),
    Fault("pairing", "train_A/{}/00001.bmp", twin_as_bmp),
    Fault("pairing", "train_B/{}/video.json", text('{"frames_per_second": 0}')),
    Fault("size", "train_A/{}/00001.png", tiny_map),
    Fault("size", "train_B/{}/00001.png", tiny),
    Fault("content", "train_A/{}/00001.png", filled(255, channels=1)),
    Fault("content", "train_A/{}/00002.png", filled(99, channels=3)),
    Fault("content", "train_inst/{}/00002.png", cut_off),
    Fault("size", "train_B/{}/00003.png", no_picture),
    Fault("length", "train_A/{}", shortened),
    Fault("duplicate", "train_B/{}/00001.png", twin),
    Fault("passed over", "train_A/{}/00001.jpg", added),
)
PAIRED = (
    Fault("pairing", "A/train/{}/00001.png", gone),
    Fault("pairing", "B/train/{}/00003.png", gone),
    Fault("pairing", "A/train/{}", removed),
    Fault("pairing", "B/train/{}", removed),
    Fault("pairing", "A/train/{}/00000.webp", added),
    Fault("pairing", "B/train/{}/00000.webp", added),
    Fault("pairing", "B/train/{}/video.json", text("[]")),
    Fault("size", "A/train/{}/00002.png", tiny),
    Fault("size", "B/train/{}/00002.png", tiny),
    Fault("size", "A/train/{}/00000.png", no_picture),
    Fault("content", "A/train/{}/00002.png", cut_off),
    Fault("content", "B/train/{}/00002.png", cut_off),
    Fault("length", "A/train/{}", shortened),
    Fault("duplicate", "B/train/{}/00001.png", twin),
    Fault("passed over", "B/train/{}/sound.wav", added),
)
POSE = (
    Fault("pairing", "train_openpose/{}/00001.json", gone),
    Fault("pairing", "train_densepose/{}/00001.png", gone),
    Fault("pairing", "train_img/{}/00001.png", gone),
    Fault("pairing", "train_densepose/{}", removed),
    Fault("pairing", "train_openpose/{}", emptied),
    Fault("size", "train_densepose/{}/00001.png", tiny),
    Fault("size", "train_img/{}/00002.png", tiny),
    Fault("size", "train_img/{}/00002.png", no_picture),
    Fault("content", "train_densepose/{}/00001.png", cut_off),
    Fault("content", "train_densepose/{}/00001.png", filled(99, channels=3)),
    Fault("content", "train_openpose/{}/00002.json", text('{"people": [{"pose_keypoints_2d": [1, 2]}]}')),
    Fault("content", "train_openpose/{}/00002.json", text("{")),
    Fault("detection", "train_openpose/{}/00002.json", people()),
    Fault("detection", "train_densepose/{}/00002.png", filled(0, channels=3)),
    Fault("length", "train_openpose/{}", shortened),
    Fault("duplicate", "train_img/{}/00001.png", twin),
)
