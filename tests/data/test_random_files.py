"""Whatever is in a file of a dataset, it gives a frame or one line that names the file."""

import json
import os
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.build import build_clips, build_sequences
from data.checking import validate
from data.clips import ClipRequest
from data.prepare.pack_shards import prepare_shards
from options.data_config import DataConfig
from options.training_config import ScheduleConfig
from tests.data.synthetic_face import write_face_dataset
from tests.data.test_pose_data import write_pose_dataset
from tests.tiny_street import write_tiny_paired, write_tiny_street
from util.errors import UserError
from util.media.video import write_video

FRAMES = 3
CONFIGS = {
    "face": DataConfig(loadSize=32),
    "street": DataConfig(dataset_mode="street", loadSize=64, use_instance=True),
    "pose": DataConfig(dataset_mode="pose", loadSize=64),
    "paired": DataConfig(dataset_mode="paired", loadSize=64),
}
FILES = [
    ("face", "train_keypoints/s0/00001.txt"),
    ("face", "train_img/s0/00001.png"),
    ("face", "train_img/s0/video.json"),
    ("street", "A/train/s0/00001.png"),
    ("street", "Inst/train/s0/00001.png"),
    ("street", "B/train/s0/00001.png"),
    ("pose", "train_openpose/s/00001_keypoints.json"),
    ("pose", "train_densepose/s/00001.png"),
    ("pose", "train_img/s/00001.png"),
    ("paired", "A/train/s0/00001.png"),
    ("paired", "A/train/s0/video.json"),
]


def write_dataset(root: Path, kind: str) -> Path:
    if kind == "face":
        write_face_dataset(root, lengths=(FRAMES,))
    elif kind == "street":
        write_tiny_street(root, phase="train", num_frames=FRAMES, name="s0")
    elif kind == "pose":
        write_pose_dataset(root, num_frames=FRAMES)
    else:
        write_tiny_paired(root, phase="train", num_frames=FRAMES, name="s0")
    return root


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: write_dataset(tmp_path_factory.mktemp(kind), kind) for kind in CONFIGS}


def as_png(mode: str, width: int, height: int, seed: int) -> bytes:
    """A picture of noise; of every type that a PNG can have."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    picture = Image.fromarray(noise[..., :2].copy().view(np.uint16)[..., 0]) if mode == "I;16" else (
        Image.fromarray(noise).convert("RGB" if mode == "P" else mode).convert(mode)
    )  # fmt: skip
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def damaged(content: bytes, changes: list[tuple[float, int]], share: float) -> bytes:
    """``content`` with some bytes changed and its end cut off."""
    changed = bytearray(content)
    for place, value in changes if content else []:
        changed[int(place * len(content))] = value
    return bytes(changed[: int(share * len(content))])


def mutations(original: bytes) -> st.SearchStrategy[bytes]:
    """What becomes of a sound file by accident."""
    changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6)
    return st.builds(damaged, st.just(original), changes, st.floats(0.2, 1) | st.just(1.0))


numbers = st.floats() | st.integers(-(10**6), 10**6) | st.sampled_from([0, 1e5, -1e5, 10**400, 50.25])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def landmarks() -> st.SearchStrategy[bytes]:
    """Lines of pairs, 68 of them more often than not."""
    pair = st.builds("{},{}".format, numbers | st.text(max_size=3), numbers)
    near = st.builds("{},{}".format, st.integers(-300, 300), st.integers(-300, 300))
    lines = st.lists(near, min_size=68, max_size=68) | st.lists(near | pair, min_size=66, max_size=69)
    return lines.map("\n".join).map(lambda text: text.encode("utf-8", "surrogatepass"))


def metadata() -> st.SearchStrategy[bytes]:
    """What a ``video.json`` may say."""
    keys = st.sampled_from(["frames_per_second", "height", "width", "other"])
    return (st.dictionaries(keys, numbers | values) | values).map(json.dumps).map(str.encode)


def contents(original: bytes, suffix: str, name: str) -> st.SearchStrategy[bytes]:
    """Contents for a file of this suffix: anything, the right kind of thing, and what was there but damaged."""
    anything = st.binary(max_size=60) | mutations(original)
    if suffix == ".png":
        modes = st.sampled_from(["1", "L", "P", "I;16", "RGB", "RGBA", "LA"])
        return anything | st.builds(as_png, modes, st.integers(1, 70), st.integers(1, 70), st.integers(0, 99))
    if suffix == ".txt":
        return anything | landmarks()
    people = values.map(json.dumps).map(str.encode) | st.just(b"[" * 100_000)
    return anything | (metadata() if name == "video.json" else people)


def read_all(config: DataConfig, root: Path, *, named: str) -> None:
    """Read a dataset in the three ways that there are; what is broken must be told in one line that says where."""

    def test() -> None:
        (sequence,) = build_sequences(config, root=root, phase="train")
        for index in range(sequence.num_frames):
            image = sequence.image(index)
            assert sequence.semantic(index).isfinite().all() and (image is None or image.isfinite().all())

    def train() -> None:
        clips = build_clips(config, ScheduleConfig(affine=1.0), root=root, seed=0)
        assert clips[ClipRequest(0, FRAMES)].finished(clips.encoder).semantic.isfinite().all()

    for use in (test, train):
        told = problem_of(use)
        assert told is None or ("\n" not in told and named in told), told
    findings = validate(config, root=root, phases=["train"]).findings
    assert all("\n" not in finding.message for finding in findings)
    # what stops a training, the check has told before
    assert problem_of(train) is None or any(finding.is_error and named in finding.message for finding in findings)


def problem_of(use: Callable[[], None]) -> str | None:
    try:
        use()
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("kind", "place"), FILES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_content_of_any_file_gives_a_frame_or_one_line(
    roots: dict[str, Path], kind: str, place: str, data: st.DataObject
) -> None:
    path = roots[kind] / place
    original = path.read_bytes() if path.exists() else b'{"frames_per_second": 25, "height": 48, "width": 96}'
    try:
        path.write_bytes(data.draw(contents(original, path.suffix, path.name)))
        read_all(CONFIGS[kind], roots[kind], named=path.name)
    finally:
        if path.name == "video.json":
            path.unlink()
        else:
            path.write_bytes(original)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_content_of_a_shard_gives_frames_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, roots: dict[str, Path], data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("shards") / "s"
    prepare_shards(roots["face"], root)
    (shard,) = root.glob("*.tar")
    # by itself noise is no tar file; a header or a name that changed may be
    original = shard.read_bytes()
    anything = st.binary(max_size=1200) | mutations(original) | mutations(original[:1024] + original[-1024:])
    (root / "new").write_bytes(data.draw(anything))
    os.replace(root / "new", shard)
    try:
        build_clips(CONFIGS["face"], ScheduleConfig(), root=root, seed=0)[ClipRequest(0, FRAMES)]
    except UserError as error:
        assert "\n" not in str(error)
    shutil.rmtree(root)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_content_of_a_video_gives_frames_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, roots: dict[str, Path], data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("video") / "s"
    shutil.copytree(roots["paired"], root)
    shutil.rmtree(root / "B/train/s0")
    video = root / "B/train/s0.mp4"
    write_video(video, (np.full((48, 96, 3), 40 * frame, np.uint8) for frame in range(FRAMES)), frames_per_second=25)
    video.write_bytes(data.draw(st.binary(max_size=60) | mutations(video.read_bytes())))
    try:
        build_clips(CONFIGS["paired"], ScheduleConfig(), root=root, seed=0)[ClipRequest(0, FRAMES)]
    except UserError as error:
        assert "\n" not in str(error) and ("s0.mp4" in str(error) or "B/train" in str(error))
    shutil.rmtree(root)


@settings(max_examples=15, deadline=None)
@given(content=st.binary(max_size=40) | values.map(json.dumps).map(str.encode))
@pytest.mark.parametrize("name", [".sizes_train.json", ".shards.json", ".s0.mp4.json"])
def test_any_content_of_an_index_is_made_anew(
    tmp_path_factory: pytest.TempPathFactory, roots: dict[str, Path], name: str, content: bytes
) -> None:
    root = tmp_path_factory.mktemp("index") / "s"
    shutil.copytree(roots["paired"], root)
    place = root / name
    if name == ".shards.json":
        prepare_shards(root, root / "shards")
        root, place = root / "shards", root / "shards" / name
    elif name == ".s0.mp4.json":
        shutil.rmtree(root / "B/train/s0")
        video = (np.full((48, 96, 3), 40 * frame, np.uint8) for frame in range(FRAMES))
        write_video(root / "B/train/s0.mp4", video, frames_per_second=25)
        place = root / "B/train" / name
    place.write_bytes(content)
    clip = build_clips(CONFIGS["paired"], ScheduleConfig(), root=root, seed=0)[ClipRequest(0, FRAMES)]
    assert clip.image.shape == (1, FRAMES, 3, 32, 64)
    shutil.rmtree(root)
