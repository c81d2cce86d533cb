"""All that needs a GPU, in one go: its tests, a step of each training, CUDA graphs, speed at the paper's settings.

Every part is a program of its own, which may fail or take too long without ending the others; what is known is written
after each of them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from util.device import choose_device, instruction_sets
from util.errors import UserError
from util.files import write_json
from util.report.tables import text_table

_TOLD = 3000  # last characters of what a part prints
_STUDENT = ["--netG", "sr_mobile_composite", "--low_demand"]
_TINY = [
    *("--loadSize", "64", "--ngf", "4", "--n_blocks", "2", "--n_downsample_G", "2", "--ndf", "4", "--n_layers_D", "2"),
    *("--num_D", "1", "--n_frames_total", "4", "--max_clip_frames", "4", "--perceptual", "none", "--lambda_pixel", "1"),
]


@dataclass(frozen=True)
class Part:
    """A program to run, without Python's name, and the seconds it may take."""

    name: str
    command: list[str]
    limit: float


@dataclass(frozen=True)
class Outcome:
    """How a part ended; ``code`` is None where it took too long."""

    name: str
    command: str
    seconds: float
    code: int | None
    told: str


def run(arguments: argparse.Namespace) -> None:
    """Run all parts, write the JSON, print a table.

    Raises:
        UserError: no such device, no data, or a part failed.
    """
    device = choose_device(arguments.device)
    if not arguments.dataroot.is_dir():
        raise UserError(f"--dataroot {arguments.dataroot}: no such folder; python -m data.samples street writes it")
    outcomes: list[Outcome] = []
    end = time.perf_counter() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as folder:
        for part in parts(arguments, Path(folder)):
            outcomes.append(run_part(part, limit=min(part.limit, end - time.perf_counter())))
            print(f"{part.name}: {_state(outcomes[-1])}, {outcomes[-1].seconds:.0f} s", flush=True)
            write_json(arguments.json, as_json(device, outcomes, Path(folder) / "speed.json"))
    print(text_table(["part", "", "seconds"], [[one.name, _state(one), f"{one.seconds:.0f}"] for one in outcomes]))
    failed = [one.name for one in outcomes if one.code != 0]
    if failed:
        raise UserError(f"{', '.join(failed)}: expected to end well; {arguments.json} says what they printed")
    print(f"written: {arguments.json}")


def parts(arguments: argparse.Namespace, folder: Path) -> Iterator[Part]:
    """What is run, the cheapest first."""
    device = arguments.device
    # a run on the CPU tries this program: there the tests of CUDA are left out
    tests = ["tests/util/test_device.py"] if device == "cpu" else ["-m", "cuda", "tests/models"]
    yield Part("tests", ["-m", "pytest", *tests], 300)
    for name, flags in trainings(folder):
        more = _TINY if arguments.quick else []
        data = ["--dataroot", str(arguments.dataroot), "--dataset_mode", "street", "--use_instance"]
        brief = ["--niter", "1", "--niter_decay", "0", "--steps_per_epoch", "2", "--nThreads", "0"]
        named = ["--name", name, "--checkpoints_dir", str(folder), "--device", device]
        yield Part(f"train {name}", ["train.py", *named, *data, *brief, *more, *flags], 400)
    speed = ["benchmark.py", "speed", "--device", device, "--json", str(folder / "speed.json"), "--rounds"]
    if arguments.quick:
        yield Part("speed", [*speed, "1", "--quick", "--setting", "face", "--runtimes", "folded"], 900)
    else:
        # "folded" replays one CUDA graph for each size
        yield Part("speed", [*speed, "3", "--runtimes", "folded", "compile", "--precisions", "fp32", "auto"], 900)


def trainings(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Every stage in bf16, each from those before, and the teacher compiled."""
    teacher, skd = str(folder / "teacher"), str(folder / "skd")
    in_bf16 = ["--amp", "bf16"]
    yield "teacher", ["--stage", "teacher", *in_bf16]
    yield "skd", ["--stage", "skd", *_STUDENT, "--teacher", teacher, *in_bf16]
    yield "tkd", ["--stage", "tkd", *_STUDENT, "--teacher", teacher, "--init", skd, *in_bf16]
    yield "first_frame", ["--stage", "first_frame", "--netG", "global", *in_bf16]
    yield "compiled", ["--stage", "teacher", "--compile", *in_bf16]


def run_part(part: Part, *, limit: float) -> Outcome:
    """Run a part for ``limit`` seconds at most."""
    start = time.perf_counter()
    command = [sys.executable, *part.command]
    code: int | None = None
    told = "no time was left for it"
    if limit > 0:
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit, errors="replace"
            )
            code, told = done.returncode, done.stdout
        except subprocess.TimeoutExpired as error:
            told = (error.stdout or b"").decode(errors="replace") if isinstance(error.stdout, bytes) else ""
    seconds = time.perf_counter() - start
    return Outcome(part.name, " ".join(["python", *part.command]), round(seconds, 1), code, told[-_TOLD:])


def as_json(device: torch.device, outcomes: list[Outcome], speed: Path) -> dict[str, object]:
    """What is known so far."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "instructions": instruction_sets(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "parts": [asdict(one) for one in outcomes],
        "speed": json.loads(speed.read_text(encoding="utf-8")) if speed.is_file() else None,
    }


def _state(one: Outcome) -> str:
    return "well" if one.code == 0 else "took too long" if one.code is None else f"failed ({one.code})"
