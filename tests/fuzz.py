"""Broken files for every reader of ours: ``python -m tests.fuzz [--inputs 10000]``; not in the quick suite.

Files that are sound are changed at random: cut, flipped, filled with other values. Each reader must give a value or a
``UserError`` of one line, within a time and a memory limit.
"""

import argparse
import io
import json
import resource
import signal
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from torch import nn

from benchmarks.merge import merge
from benchmarks.metrics.results_file import read_results
from benchmarks.protocol import read_protocol
from data.detectors.segmenter import read_settings
from data.kinds.face import read_landmarks
from data.kinds.label_sets import CITYSCAPES_35, read_label_set
from data.kinds.openpose import people_as_json, read_people
from data.layout import VideoNotes
from data.storage.shards import listing
from models import checkpoint as checkpoints
from models.legacy.old_file import read_old_file
from models.weights_file import fill, read_tensors
from options.cli import read_preset
from options.config import TrainConfig
from util.errors import UserError
from util.json_files import read_json
from util.manifest import MANIFEST, read_manifest
from util.report.training_log import _lines_until

SECONDS = 10
MEMORY = 3 * 2**30  # above what is used at the start


@dataclass(frozen=True)
class Reader:
    """A reader, the file that it is given, and a sound content of it."""

    read: Callable[[Path], object]
    file: str
    sound: bytes


def _torch_bytes(value: object) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        torch.save(value, Path(folder, "a"))
        return Path(folder, "a").read_bytes()


def _save(folder: Path) -> None:
    checkpoints.save(folder, config=TrainConfig(), step=1, networks={"generator": nn.Linear(2, 2)},
                     training_state={"rng": torch.get_rng_state(), "seconds": 1.0},
                     metadata={"semantic_channels": 3, "components": ["a"], "subject_widths": [1.0, 2.0]})  # fmt: skip
    (folder / MANIFEST).unlink()  # else every change is found by its hash, and no reader is reached


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _tar_bytes() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("train_img/talk/0.png", "train_img/talk/" + "ä" * 120 + ".png"):
            member = tarfile.TarInfo(name)
            member.size = 100
            archive.addfile(member, io.BytesIO(bytes(100)))
    return stream.getvalue()


def readers(work: Path) -> dict[str, Reader]:
    """Every reader by name; ``work`` has a sound save in ``latest``."""
    latest = work / "latest"
    state = _torch_bytes(nn.Linear(2, 2).state_dict())
    load = partial_load(latest)
    table = {"format": 1, "methods": {}, "costs": {}, "speed": {}, "entries": {}, "device": "cpu"}
    protocol = {"format": 1, "phase": "test", "clip_length": 9, "num_given": 2, "window": 3, "seed": 0,
                "num_left_out": 0,
                "clips": [{"sequence": "a", "first_frame": 0, "num_frames": 9, "sha256": "0"}]}  # fmt: skip
    segmenter = {"size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1], "labels": ["road"], "instances": []}
    log = b'{"step": 1, "G_GAN": 1.0}\n{"step": 2}\n'
    notes = b'{"frames_per_second": 25, "height": 4, "width": 4, "finder": "x"}'
    return {
        "config.json": Reader(load, "latest/config.json", (latest / "config.json").read_bytes()),
        "weights": Reader(lambda _: load(_).weights("generator"), "latest/generator.safetensors",
                          (latest / "generator.safetensors").read_bytes()),
        "shapes": Reader(lambda _: load(_).shapes("generator"), "latest/generator.safetensors",
                         (latest / "generator.safetensors").read_bytes()),
        "training state": Reader(lambda _: load(_).training_state(), "latest/training_state.pt",
                                 (latest / "training_state.pt").read_bytes()),
        "weight file": Reader(lambda path: fill(nn.Linear(2, 2), read_tensors(path, expected="weights"),
                                                where=str(path), expected="weights"), "a.pth", state),
        "published file": Reader(read_old_file, "b.pth", state),
        "results": Reader(read_results, "quality.json", b'{"format": 1, "methods": {"a": []}, "not_measured": {}}'),
        "table": Reader(lambda path: merge([path, work / "table.json"], work), "other.json", _json(table)),
        "protocol": Reader(read_protocol, "protocol.json", _json(protocol)),
        "video.json": Reader(lambda path: read_json(path, VideoNotes, expected="notes"), "video.json", notes),
        "label set": Reader(lambda path: read_label_set(str(path)), "labels.json",
                            b'[{"name": "road", "id": 7, "color": [1, 2, 3]}]'),
        "people": Reader(read_people, "people.json",
                         json.dumps(people_as_json([torch.ones(137, 3).numpy()])).encode()),
        "landmarks": Reader(read_landmarks, "0.txt", b"1.5,2.5\n" * 68),
        "segmenter": Reader(lambda path: read_settings(path, CITYSCAPES_35), "net.json", _json(segmenter)),
        "preset": Reader(lambda path: read_preset(str(path), {"lr": float}), "preset.json", b'{"lr": 0.1}'),
        "log": Reader(lambda path: _lines_until(path, 9), "loss_log.jsonl", log),
        "manifest": Reader(lambda path: read_manifest(path.parent), f"m/{MANIFEST}",
                           b"# Fast-Vid2Vid wrote these files; it replaces them alone\n" + b"0" * 64 + b"  a\n"),
        "shard": Reader(lambda path: listing(path.parent / "train_img"), "s/shard-00000.tar", _tar_bytes()),
    }  # fmt: skip


def partial_load(latest: Path) -> Callable[[Path], checkpoints.Checkpoint]:
    """Load the save in ``latest``, whichever of its files is broken."""
    return lambda _: checkpoints.load(latest, flag="--checkpoint")


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))]


def _replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copied = value.copy()
    copied[place[0]] = _replaced(value[place[0]], place[1:], new)
    return copied


@st.composite
def broken(draw: st.DrawFn, sound: bytes) -> bytes:
    """``sound`` with something changed: a JSON value, some bytes, its end."""
    kind = draw(st.sampled_from(["value", "bytes", "cut", "repeat", "other"]))
    place = draw(st.integers(0, max(len(sound) - 1, 0)))
    if kind == "value" and sound[:1] in (b"{", b"["):
        try:
            value = json.loads(sound)
        except ValueError:
            value = [sound.decode()]
        text = json.dumps(_replaced(value, draw(st.sampled_from(_places(value))), draw(_VALUES)))
        return text.encode()
    if kind == "cut":
        return sound[:place]
    if kind == "repeat":
        return sound[:place] + sound[place : place + 8] * draw(st.integers(2, 50_000)) + sound[place:]
    if kind == "other":
        return draw(st.binary(max_size=200) | st.sampled_from([b"[" * 100_000, b"9" * 4301, b"\xff" * 9]))
    return sound[:place] + draw(st.binary(min_size=1, max_size=12)) + sound[place + draw(st.integers(0, 12)) :]


def _too_late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {SECONDS} seconds")


def attack(name: str, reader: Reader, work: Path, *, inputs: int) -> list[str]:
    """Give ``reader`` so many broken files; what went wrong, the smallest content of each kind."""
    path = work / reader.file
    path.parent.mkdir(exist_ok=True)

    @seed(0)
    @settings(max_examples=inputs, deadline=None, database=None, suppress_health_check=list(HealthCheck),
              phases=(Phase.generate, Phase.shrink))  # fmt: skip
    @given(broken(reader.sound))
    def one(content: bytes) -> None:
        path.write_bytes(content)
        signal.alarm(SECONDS)
        try:
            reader.read(path)
        except UserError as error:
            assert "\n" not in str(error), f"several lines: {error!r}"
        finally:
            signal.alarm(0)

    try:
        one()
    except BaseException as error:  # whatever it is, it is what we look for
        if isinstance(error, KeyboardInterrupt):
            raise
        return [f"{name}: {type(error).__name__}: {str(error)[:200]}; content {path.read_bytes()[:300]!r}"]
    finally:
        path.write_bytes(reader.sound)
    return []


def main(arguments: Sequence[str] | None = None) -> None:
    """Attack every reader in turn; exit code 1 when one broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="of all readers together")
    parser.add_argument("--only", help="one reader")
    told = parser.parse_args(arguments)
    signal.signal(signal.SIGALRM, _too_late)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _save(work / "latest")
        (work / "table.json").write_text(
            '{"format": 1, "methods": {}, "costs": {}, "speed": {}, "entries": {}, "device": "cpu"}'
        )
        found = readers(work)
        chosen = {name: reader for name, reader in found.items() if told.only in (None, name)}
        failures: list[str] = []
        for name, reader in chosen.items():
            failures += attack(name, reader, work, inputs=max(1, told.inputs // len(chosen)))
            print(f"{name}: {'BROKEN' if failures and failures[-1].startswith(name) else 'sound'}", flush=True)
    print("\n".join(failures) or f"{told.inputs} inputs, 0 tracebacks, 0 hangs")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
