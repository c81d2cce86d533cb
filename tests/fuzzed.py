"""Every reader of files that ``tests.fuzz`` attacks, with a sound file of each."""

import io
import json
import os
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import numpy as np
import torch
from PIL import Image
from torch import nn

from benchmarks.merge import merge
from benchmarks.metrics.evaluate import _WRITTEN, _SequenceResult, _Summary
from benchmarks.metrics.flow_error import read_flow
from benchmarks.metrics.results_file import read_results
from benchmarks.protocol import read_protocol
from data.detectors.segmenter import Segmenter, read_settings
from data.kinds.face import read_landmarks
from data.kinds.label_sets import CITYSCAPES_35, read_label_set
from data.kinds.openpose import people_as_json, read_people
from data.layout import VideoNotes
from data.prepare.paired import prepare_paired
from data.samples.motion_files import read_motion
from data.sources.own_video import timing_of
from data.storage.picture_files import is_transparent, picture_size, profile_note, read_ids, read_numbers, read_picture
from data.storage.shards import listing
from data.storage.size_index import kept
from data.storage.video_files import frames_of, read_video_frame
from models import checkpoint as checkpoints
from models.build import load_generator
from models.inference.runtimes.engines import load_runtime
from models.legacy.old_file import read_old_file
from models.training.assembly import assemble
from models.weights_file import fill, read_tensors
from options.cli import parse, read_preset
from options.config import TrainConfig
from tests.data.test_segmenter import write_network
from tests.published_files import Networks, small
from tests.tiny_face import TINY, write_tiny_face
from tests.tiny_video import write_tone
from util.json_files import read_json
from util.manifest import MANIFEST, read_manifest
from util.media.sound import sound_of
from util.media.video import read_video, video_notes, write_video
from util.report.training_log import _lines_until


@dataclass(frozen=True)
class Reader:
    """A reader, the file that it is given, a sound content of it, and the value in it that can be changed."""

    read: Callable[[Path], object]
    file: str
    sound: bytes
    value: Any = None


def of_json(read: Callable[[Path], object], file: str, value: Any) -> Reader:
    return Reader(read, file, json.dumps(value).encode(), value)


def of_torch(read: Callable[[Path], object], file: str, value: Any) -> Reader:
    stream = io.BytesIO()
    torch.save(value, stream)
    return Reader(read, file, stream.getvalue(), value)


def readers(work: Path) -> dict[str, Reader]:
    """Every reader by name."""
    return {
        **_of_saves(work),
        **_of_weights(work),
        **_of_json(work),
        **_of_texts(),
        **_of_pictures(),
        **_of_videos(work),
    }


def _of_saves(work: Path) -> dict[str, Reader]:
    data = write_tiny_face(work / "data", phase="train", num_frames=8)
    flags = [*TINY, "--dataroot", str(data), "--checkpoints_dir", str(work), "--name", "run"]
    training, _ = assemble(parse(TrainConfig, flags, description=""))
    for optimizer in training.optimizers.values():
        _step(optimizer)
    training.save("latest")
    latest = work / "run" / "latest"
    (latest / MANIFEST).unlink()  # else every change is found by its hash, and no reader is reached

    def load(path: Path) -> checkpoints.Checkpoint:
        return checkpoints.load(latest, flag="--checkpoint")

    def resume(path: Path) -> None:
        training.restore(load(path))
        for optimizer in training.optimizers.values():
            _step(optimizer)

    config, weights = (latest / name for name in ("config.json", "generator.safetensors"))
    generator = f"run/latest/{weights.name}"
    state = torch.load(latest / checkpoints.STATE_FILE, weights_only=True)
    return {
        "config.json": of_json(load, "run/latest/config.json", json.loads(config.read_bytes())),
        "generator": Reader(lambda path: load_generator(load(path)), generator, weights.read_bytes()),
        "described": of_json(lambda path: load_generator(load(path)), "run/latest/config.json",
                             json.loads(config.read_bytes())),
        "training state": of_torch(resume, f"run/latest/{checkpoints.STATE_FILE}", state),
    }  # fmt: skip


def _step(optimizer: torch.optim.Optimizer) -> None:
    for group in optimizer.param_groups:
        for one in group["params"]:
            one.grad = torch.zeros_like(one)
    optimizer.step()


def _of_weights(work: Path) -> dict[str, Reader]:
    network, published = nn.Linear(2, 2), Networks("models.networks")
    with patch.dict(sys.modules, {"models.networks": published}):
        stream = io.BytesIO()
        torch.save(published.like(small(), "CompositeGenerator"), stream)
    torch.jit.trace(network, torch.zeros(1, 2)).save(str(work / "script.pt"))
    write_network(work / "net.onnx")
    onnx, script = (work / "net.onnx").read_bytes(), (work / "script.pt").read_bytes()
    expected = "weights"
    return {
        "weight file": of_torch(
            lambda path: fill(network, read_tensors(path, expected=expected), where=str(path), expected=expected),
            "a.pth", network.state_dict()),
        "published weights": of_torch(read_old_file, "b.pth", network.state_dict()),
        "published module": Reader(read_old_file, "c.pth", stream.getvalue()),
        "segmenter": Reader(lambda path: Segmenter(path, labels=CITYSCAPES_35), "net.onnx", onnx),
        "runtime in ONNX": Reader(load_runtime, "runtime.onnx", onnx),
        "runtime in TorchScript": Reader(load_runtime, "runtime.pt", script),
    }  # fmt: skip


def _of_json(work: Path) -> dict[str, Reader]:
    table = {"format": 1, "methods": {}, "costs": {}, "speed": {}, "entries": {}, "device": "cpu"}
    (work / "table.json").write_text(json.dumps(table))
    protocol = {"format": 1, "phase": "test", "clip_length": 9, "num_given": 2, "window": 3, "seed": 0,
                "num_left_out": 0,
                "clips": [{"sequence": "a", "first_frame": 0, "num_frames": 9, "sha256": "0"}]}  # fmt: skip
    settings = {"size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1], "labels": ["road"], "instances": []}
    people = json.loads(json.dumps(people_as_json([torch.ones(137, 3).numpy()])))

    def index(path: Path) -> list[object]:
        return [*kept([path], lambda _: [1, 2], stamp=lambda _: (1, 2), index=path, label="", worth_keeping=1e9)]

    return {
        "results": of_json(read_results, "quality.json", {"format": 1, "methods": {"a": []}, "not_measured": {}}),
        "test's results": of_json(lambda path: read_json(path, dict[str, list[_SequenceResult]], expected=_WRITTEN),
                                  "metrics.json", {"a": [{"sequence": "a", "num_given": 2}]}),
        "summary": of_json(lambda path: read_json(path, _Summary, expected=_WRITTEN), "summary.json", {"dataset": "a"}),
        "table": of_json(lambda path: merge([path, work / "table.json"], work), "other.json", table),
        "protocol": of_json(read_protocol, "protocol.json", protocol),
        "video.json": of_json(lambda path: read_json(path, VideoNotes, expected="notes"), "video.json",
                              {"frames_per_second": 25, "height": 4, "width": 4, "finder": "x"}),
        "size index": of_json(index, "sizes.json", {"a": [2, 1, 2, [4, 5]]}),
        "label set": of_json(lambda path: read_label_set(str(path)), "labels.json",
                             [{"name": "road", "id": 7, "color": [1, 2, 3]}]),
        "people": of_json(read_people, "people.json", people),
        "segmenter's settings": of_json(lambda path: read_settings(path, CITYSCAPES_35), "net.json", settings),
        "preset": of_json(lambda path: read_preset(str(path), {"lr": float}), "preset.json", {"lr": 0.1}),
    }  # fmt: skip


def _of_texts() -> dict[str, Reader]:
    log = b'{"step": 1, "G_GAN": 1.0}\n{"step": 2}\n'
    manifest = b"# Fast-Vid2Vid wrote these files; it replaces them alone\n" + b"0" * 64 + b"  a\n"
    flow, motion = io.BytesIO(), io.BytesIO()
    np.save(flow, np.zeros((2, 3, 4), np.float32))
    hidden = np.zeros((3, 4), np.bool_)
    moved = np.zeros((3, 4, 2), np.float16)
    np.savez_compressed(motion, forward=moved, backward=moved, occluded=hidden, appeared=hidden)
    flo = np.array([202021.25], "<f4").tobytes() + np.array([4, 3], "<i4").tobytes() + bytes(96)
    return {
        "landmarks": Reader(read_landmarks, "0.txt", b"1.5,2.5\n" * 68),
        "log": Reader(lambda path: _lines_until(path, 9), "loss_log.jsonl", log),
        "manifest": Reader(lambda path: read_manifest(path.parent), f"m/{MANIFEST}", manifest),
        "shard": Reader(lambda path: listing(path.parent / "train_img"), "s/shard-00000.tar", _tar_bytes()),
        "flow .flo": Reader(read_flow, "a.flo", flo),
        "flow .npy": Reader(read_flow, "a.npy", flow.getvalue()),
        "motion": Reader(read_motion, "a.npz", motion.getvalue()),
    }


def _tar_bytes() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("train_img/talk/0.png", "train_img/talk/" + "ä" * 120 + ".png"):
            member = tarfile.TarInfo(name)
            member.size = 100
            archive.addfile(member, io.BytesIO(bytes(100)))
    return stream.getvalue()


def _of_pictures() -> dict[str, Reader]:
    random = np.random.default_rng(0)
    colours = Image.fromarray(random.integers(0, 256, (9, 7, 4), np.uint8))
    exif = Image.Exif()
    exif[274] = 6

    def encoded(picture: Image.Image, suffix: str, **settings: Any) -> bytes:
        stream = io.BytesIO()
        picture.save(stream, suffix, **settings)
        return stream.getvalue()

    def read(path: Path) -> None:
        picture_size(path)
        read_picture(path)
        is_transparent(path)
        profile_note(path)

    ids = Image.fromarray(random.integers(0, 9, (9, 7), np.uint16))
    return {
        "PNG": Reader(read, "a.png", encoded(colours, "png", exif=exif)),
        "JPEG": Reader(read, "a.jpg", encoded(colours.convert("RGB"), "jpeg", exif=exif)),
        "WebP": Reader(read, "a.webp", encoded(colours, "webp")),
        "TIFF": Reader(read, "a.tif", encoded(colours, "tiff")),
        "GIF": Reader(read, "a.gif", encoded(colours, "gif")),
        "label map": Reader(read_ids, "b.png", encoded(ids, "png")),
        "instances": Reader(read_numbers, "b.tif", encoded(ids, "tiff")),
    }


def _of_videos(work: Path) -> dict[str, Reader]:
    found = {}
    for suffix in (".mp4", ".mkv", ".avi"):
        file = work / f"sound{suffix}"
        write_video(file, _frames(), frames_per_second=25)
        found[suffix] = file.read_bytes()
    tone = write_tone(work / "tone.m4a", seconds=0.2).read_bytes()
    return {
        "mp4": Reader(_read_video, "a.mp4", found[".mp4"]),
        "mkv": Reader(_read_video, "a.mkv", found[".mkv"]),
        "avi": Reader(_read_video, "a.avi", found[".avi"]),
        "sound": Reader(partial(_read_sound, work), "tone.m4a", tone),
        "data.prepare": Reader(partial(_prepare, work / "prepared"), "p.mp4", found[".mp4"]),
    }


def _frames() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (16, 32, 3), np.uint8) for _ in range(6)]


def _read_video(path: Path) -> None:
    video_notes(path)
    num_frames = sum(1 for _ in read_video(path))
    frames = frames_of(path)
    if frames and num_frames:
        read_video_frame(frames[-1])
    timing_of(path)


def _read_sound(work: Path, path: Path) -> None:
    with av.open(str(work / "heard.mp4"), "w") as target, sound_of(path, target=target) as sound:
        if sound._streams:
            sound.write(until=None)


def _prepare(out: Path, path: Path) -> None:
    """All of a sequence, or nothing."""
    name = f"{len(os.listdir(out)) if out.is_dir() else 0}"
    try:
        prepare_paired(path, path, out / name, phase="train", name="s")
    except BaseException:
        left = [str(one) for one in out.rglob("*")] if out.is_dir() else []
        assert not any(f"{out}/{name}" in one for one in left), f"half written: {left}"
        raise
