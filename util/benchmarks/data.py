"""How many clips a second does one loading process give, from pictures, videos and shards, and how fast is the start?

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
from PIL import Image

from data.build import build_clips
from data.clips import ClipRequest
from data.face import landmarks_as_text
from data.openpose import people_as_json
from data.prepare.shards import prepare_shards
from data.samples.face import sample_landmarks
from options.config import DataConfig, ScheduleConfig
from util.errors import UserError
from util.files import write_json
from util.table import text_table
from util.video import write_video

SIZE = (256, 512)
SEQUENCE_FRAMES = 60
FILES_PER_SEQUENCE = 500
CONFIGS = {
    "face": DataConfig(loadSize=256),
    "street": DataConfig(dataset_mode="street", loadSize=512, use_instance=True),
    "pose": DataConfig(dataset_mode="pose", loadSize=256),
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
    """

    kind: str
    source: str
    clip_frames: int
    clips_per_second: float
    frames_per_second: float


@dataclass(frozen=True)
class Start:
    """From nothing to a dataset that gives clips.

    Attributes:
        files: of the dataset, all told.
        state: ``cold``: its headers were never read (its files may be in the system's memory); ``warm``: they were.
        seconds: until then.
    """

    files: int
    state: str
    seconds: float


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of this subcommand."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--files", type=int, default=50_000, metavar="N",
                        help="of the dataset whose start is timed (default: %(default)s)")  # fmt: skip
    parser.add_argument("--clip_frames", type=int, default=12, metavar="N", help="of a clip (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="X",
                        help="how long each rate is measured (default: %(default)s)")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a second each, 2000 files: to see whether it works")


def run(arguments: argparse.Namespace) -> None:
    """Make the datasets, time them, print the tables, write the JSON."""
    seconds, num_files = (1.0, 2000) if arguments.quick else (arguments.seconds, arguments.files)
    if not 2 <= arguments.clip_frames <= SEQUENCE_FRAMES // 2 or num_files < 2 or seconds <= 0:
        raise UserError(
            f"--clip_frames {arguments.clip_frames} --files {num_files}: expected clips of 2 to "
            f"{SEQUENCE_FRAMES // 2} frames, at least 2 files, and some time"
        )
    cv2.setNumThreads(0)  # as in a loader's process
    with tempfile.TemporaryDirectory() as folder:
        rates = list(measure_rates(Path(folder), clip_frames=arguments.clip_frames, seconds=seconds))
        starts = list(measure_starts(Path(folder) / "many", num_files=num_files))
    print(as_text(rates, starts))
    if arguments.json is not None:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        write_json(arguments.json, {"machine": machine, "rates": [asdict(one) for one in rates],
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
            rate = clips_per_second(config, root, clip_frames=clip_frames, seconds=seconds)
            yield Rate(kind, root.name, clip_frames, round(rate, 3), round(rate * clip_frames, 1))


def clips_per_second(config: DataConfig, root: Path, *, clip_frames: int, seconds: float) -> float:
    """How many clips one process makes a second, every one read from the disk."""
    with _quiet():
        clips = build_clips(config, ScheduleConfig(), root=root, seed=0)
        clips[ClipRequest(0, clip_frames)]
    spent = 0.0
    for done in count(1):
        with _quiet():  # a dataset of its own for every clip: nothing is remembered from the one before
            clips = build_clips(config, ScheduleConfig(), root=root, seed=0)
        began = time.perf_counter()
        clips[ClipRequest(done, clip_frames)]
        spent += time.perf_counter() - began
        if spent >= seconds:
            return done / spent
    raise AssertionError("unreachable")


def measure_starts(root: Path, *, num_files: int) -> Iterator[Start]:
    """The start of a paired dataset of ``num_files`` small pictures, half in ``A`` and half in ``B``, twice."""
    write_many(root, num_files=num_files)
    for state in ("cold", "warm"):
        began = time.perf_counter()
        with _quiet():
            build_clips(CONFIGS["paired"], ScheduleConfig(), root=root, seed=0)
        yield Start(num_files, state, round(time.perf_counter() - began, 3))


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
    # one drawing of a person will do: what is timed is reading and drawing it
    person = np.zeros((137, 3))
    person[:, 0] = width / 2 + 60 * np.sin(np.arange(137))
    person[:, 1] = height / 2 + 100 * np.cos(np.arange(137) / 3)
    person[:, 2] = 0.9
    for frame, picture in enumerate(_painted_frames()):
        name = f"s/{frame:05d}"
        if kind == "face":
            _save(root / f"train_keypoints/{name}.txt", landmarks_as_text(points[frame % len(points)]))
        elif kind == "pose":
            _save(root / f"train_openpose/{name}_keypoints.json", json.dumps(people_as_json([person])))
            _save(root / f"train_densepose/{name}_IUV.png", np.dstack((labels, labels, labels)))
        elif kind == "street":
            _save(root / f"A/train/{name}.png", labels)
            _save(root / f"Inst/train/{name}.png", labels.astype(np.uint16) * 1000)
        else:
            _save(root / f"A/train/{name}.png", picture[..., ::-1])
        images = "train_img" if kind in ("face", "pose") else "B/train"
        _save(root / images / f"{name}.png", picture)


def as_text(rates: list[Rate], starts: list[Start]) -> str:
    """Both tables, in Markdown."""
    rows = [[one.kind, one.source, str(one.clip_frames), f"{one.clips_per_second:.2f}", f"{one.frames_per_second:.1f}"]
            for one in rates]  # fmt: skip
    begun = [[str(one.files), one.state, f"{one.seconds:.2f}"] for one in starts]
    return "\n\n".join(
        [
            text_table(["kind", "real frames from", "clip", "clips/s", "frames/s"], rows),
            text_table(["files", "start", "seconds"], begun),
        ]
    )


def _painted_frames() -> Iterator[np.ndarray]:
    """Pictures that move and have as much detail as photographs, uint8 [H, W, 3]."""
    height, width = SIZE
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = cv2.add(smooth, np.random.default_rng(1).integers(0, 12, (height, width, 3), dtype=np.uint8))
    for frame in range(SEQUENCE_FRAMES):
        yield np.roll(picture, 2 * frame, axis=1)


def _save(path: Path, content: np.ndarray | str) -> None:
    """Write a file of the scratch folder; flushing each to the disk would take longer than all that is timed."""
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
