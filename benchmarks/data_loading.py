"""Clips per second of one loading process, from pictures, videos and shards, and the time of its start.

Datasets of every kind are made up in a scratch folder, so that the figures depend on no download.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from data.build import build_clips
from data.clips import ClipRequest
from data.kinds.face import landmarks_as_text
from data.kinds.openpose import people_as_json
from data.prepare.pack_shards import prepare_shards
from data.samples.face import sample_landmarks
from data.samples.worlds.puppet import Puppet
from options.data_config import DataConfig
from options.training_config import ScheduleConfig
from util.errors import UserError
from util.files import write_json
from util.media.video import write_video
from util.report.tables import text_table

SIZE = (256, 512)
SEQUENCE_FRAMES = 60
FILES_PER_SEQUENCE = 500
CONFIGS = {
    "face": DataConfig(loadSize=256),
    "street": DataConfig(dataset_mode="street", loadSize=512, use_instance=True),
    "pose": DataConfig(dataset_mode="pose", resize_or_crop="scaleHeight", loadSize=256),
    "paired": DataConfig(dataset_mode="paired", loadSize=512),
}


@dataclass(frozen=True)
class Rate:
    """Clips of one kind, by one process with an empty cache of pictures.

    Attributes:
        kind: of the data.
        source: what the real frames are: ``pictures`` (PNG), ``video`` (H.264), ``shards``.
        clip_frames: frames of a clip.
        clips_per_second: of one loading process.
        frames_per_second: the same in frames.
        clips_per_core_second: the same against the processor's time, which other programs do not stretch.
    """

    kind: str
    source: str
    clip_frames: int
    clips_per_second: float
    frames_per_second: float
    clips_per_core_second: float


@dataclass(frozen=True)
class Start:
    """From nothing to a dataset that gives clips.

    Attributes:
        files: of the dataset, all together.
        state: ``cold``: its headers were never read (its files may be in the system's memory); ``warm``: they were.
        seconds: until then.
        core_seconds: of the processor's time.
    """

    files: int
    state: str
    seconds: float
    core_seconds: float


def run(arguments: argparse.Namespace) -> None:
    """Make the datasets, time them, print the tables, write the JSON."""
    seconds, num_files = (1.0, 2000) if arguments.quick else (arguments.seconds, arguments.files)
    if not 2 <= arguments.clip_frames <= SEQUENCE_FRAMES // 2 or num_files < 2 or seconds <= 0:
        raise UserError(
            f"--clip_frames {arguments.clip_frames} --files {num_files}: expected clips of 2 to "
            f"{SEQUENCE_FRAMES // 2} frames, at least 2 files, and some time"
        )
    # as in a loader's process
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        kept_on = file_system(Path(folder))
        rates = list(measure_rates(Path(folder), clip_frames=arguments.clip_frames, seconds=seconds))
        starts = list(measure_starts(Path(folder) / "many", num_files=num_files))
    print(f"{as_text(rates, starts)}\n\nfiles on: {kept_on}")
    if arguments.json is not None:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        write_json(arguments.json, {"machine": machine, "file_system": kept_on, "rates": [asdict(one) for one in rates],
                                    "starts": [asdict(one) for one in starts]})  # fmt: skip
        print(f"written: {arguments.json}")


def measure_rates(folder: Path, *, clip_frames: int, seconds: float) -> Iterator[Rate]:
    """The rates of every kind from pictures, from a video in their place, and from shards."""
    for kind, config in CONFIGS.items():
        pictures, video, shards = (folder / kind / source for source in ("pictures", "video", "shards"))
        write_dataset(pictures, kind=kind)
        with _quiet():
            prepare_shards(pictures, shards)
        shutil.copytree(pictures, video)
        real = video / ("train_img" if kind in ("face", "pose") else "B/train") / "s"
        shutil.rmtree(real)
        write_video(real.with_suffix(".mp4"), _painted_frames(), frames_per_second=25)
        for root in (pictures, video, shards):
            rate, core_rate = clips_per_second(config, root, clip_frames=clip_frames, seconds=seconds)
            yield Rate(kind, root.name, clip_frames, round(rate, 3), round(rate * clip_frames, 1), round(core_rate, 3))


def clips_per_second(config: DataConfig, root: Path, *, clip_frames: int, seconds: float) -> tuple[float, float]:
    """How many clips one process makes a second, and a second of the processor's time; none is remembered."""
    with _quiet():
        clips = build_clips(config, ScheduleConfig(), root=root, seed=0)
        clips[ClipRequest(0, clip_frames)]
    spent = core_spent = 0.0
    for done in count(1):
        with _quiet():  # a dataset of its own for every clip: nothing is remembered from the one before
            clips = build_clips(config, ScheduleConfig(), root=root, seed=0)
        began, core_began = time.perf_counter(), time.process_time()
        clips[ClipRequest(done, clip_frames)]
        spent += time.perf_counter() - began
        core_spent += time.process_time() - core_began
        if spent >= seconds:
            return done / spent, done / core_spent
    raise AssertionError("unreachable")


def measure_starts(root: Path, *, num_files: int) -> Iterator[Start]:
    """The start of a paired dataset of ``num_files`` small pictures, half in ``A`` and half in ``B``, twice."""
    write_many(root, num_files=num_files)
    for state in ("cold", "warm"):
        began, core_began = time.perf_counter(), time.process_time()
        with _quiet():
            build_clips(CONFIGS["paired"], ScheduleConfig(), root=root, seed=0)
        seconds, core_seconds = time.perf_counter() - began, time.process_time() - core_began
        yield Start(num_files, state, round(seconds, 3), round(core_seconds, 3))


def write_many(root: Path, *, num_files: int) -> None:
    """Write very many files: one picture, again and again."""
    _save(root / "picture.png", np.zeros((32, 64, 3), np.uint8))
    content = (root / "picture.png").read_bytes()
    (root / "picture.png").unlink()
    for number in range(num_files // 2):
        sequence, frame = divmod(number, FILES_PER_SEQUENCE)
        for side in "AB":
            folder = root / side / "train" / f"s{sequence:04d}"
            if frame == 0:
                folder.mkdir(parents=True)
            (folder / f"{frame:05d}.png").write_bytes(content)


def write_dataset(root: Path, *, kind: str) -> None:
    """Write one sequence ``s`` of a kind, with pictures of 256 x 512."""
    height, width = SIZE
    labels = (np.arange(height)[:, None] // 32 + np.arange(width) // 64).astype(np.uint8)
    points = sample_landmarks()[:SEQUENCE_FRAMES] * 0.6
    # one person will do: what is timed is reading and drawing
    people = people_as_json([Puppet().moment(0).person]) if kind == "pose" else {}
    for frame, picture in enumerate(_painted_frames()):
        name = f"s/{frame:05d}"
        if kind == "face":
            _save(root / f"train_keypoints/{name}.txt", landmarks_as_text(points[frame % len(points)]))
        elif kind == "pose":
            _save(root / f"train_openpose/{name}_keypoints.json", json.dumps(people))
            _save(root / f"train_densepose/{name}_IUV.png", np.dstack((9 * labels, 255 - 9 * labels, labels)))
        elif kind == "street":
            _save(root / f"A/train/{name}.png", labels)
            _save(root / f"Inst/train/{name}.png", labels.astype(np.uint16) * 1000)
        else:
            _save(root / f"A/train/{name}.png", picture[..., ::-1])
        images = "train_img" if kind in ("face", "pose") else "B/train"
        _save(root / images / f"{name}.png", picture)


def as_text(rates: list[Rate], starts: list[Start]) -> str:
    """Both tables, in Markdown."""
    rows = [[one.kind, one.source, str(one.clip_frames), f"{one.clips_per_second:.2f}", f"{one.frames_per_second:.1f}",
             f"{one.clips_per_core_second:.2f}"] for one in rates]  # fmt: skip
    begun = [[str(one.files), one.state, f"{one.seconds:.2f}", f"{one.core_seconds:.2f}"] for one in starts]
    return "\n\n".join(
        [
            text_table(["kind", "real frames from", "clip", "clips/s", "frames/s", "clips/s of a core"], rows),
            text_table(["files", "start", "seconds", "seconds of a core"], begun),
        ]
    )


def file_system(folder: Path) -> str:
    """The type of the file system that ``folder`` lies on, such as ``ext4`` or ``tmpfs``; ``unknown`` off Linux."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    above = {str(folder.resolve()), *map(str, folder.resolve().parents)}
    # the deepest, and of those the one mounted last, is what is seen
    return max((len(place), number, kind) for number, (place, kind) in enumerate(mounts) if place in above)[2]


def _painted_frames() -> Iterator[np.ndarray]:
    """Pictures that move and have as much detail as photographs, uint8 [H, W, 3]."""
    height, width = SIZE
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = cv2.add(smooth, np.random.default_rng(1).integers(0, 12, (height, width, 3), dtype=np.uint8))
    for frame in range(SEQUENCE_FRAMES):
        yield np.roll(picture, 2 * frame, axis=1)


def _save(path: Path, content: np.ndarray | str) -> None:
    """Write a file of the scratch folder; flushing each to the disk would last longer than all that is timed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        Image.fromarray(content).save(path, compress_level=4)


@contextmanager
def _quiet() -> Iterator[None]:
    """What datasets say of themselves is not for here."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield
