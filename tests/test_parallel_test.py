"""Two real processes share the sequences of a test, and leave what one leaves."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from models import checkpoint as checkpoints
from models.build import build_generator
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import STUDENT, TINY, write_tiny_face

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
OF_THE_CLOCK = {"seconds", "milliseconds", "latency", "fps", "commands"}


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """``test.py`` on three short sequences, by a student that was never trained."""
    config = parse(
        TrainConfig, [*TINY, *STUDENT, "--stage", "skd", "--teacher", "nowhere", "--no_canny_edge"], description="test"
    )
    torch.manual_seed(0)
    checkpoints.save(
        tmp_path / "student" / "latest",
        config=config,
        step=1,
        networks={"generator": build_generator(config.generator, semantic_channels=15)},
        training_state={},
        metadata={"semantic_channels": 15},
    )
    for number, name in enumerate(("a", "b", "c")):
        write_tiny_face(tmp_path / "data", phase="test", num_frames=5 + number, name=name, first=2 * number)
    write_tiny_face(tmp_path / "data", phase="train", num_frames=12)
    return [
        *(
            "test.py",
            "--checkpoint",
            str(tmp_path / "student"),
            "--dataroot",
            str(tmp_path / "data"),
            "--device",
            "cpu",
        ),
        *("--runtime", "openvino", "--precision", "int8", "--student_all", "--baselines"),
    ]


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if key not in OF_THE_CLOCK}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def left_in(folder: Path) -> dict[str, Any]:
    """What a test left, by name: bytes of frames and videos, figures without times."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.suffix == ".json":
            found[name] = without_times(json.loads(path.read_text()))
        elif path.suffix in (".png", ".mp4"):
            found[name] = path.read_bytes()
        else:
            found[name] = None
    return found


def test_two_processes_leave_what_one_leaves_bit_by_bit(command: list[str], tmp_path: Path) -> None:
    said = []
    for name, launcher in (("one", []), ("two", TORCHRUN)):
        line = [sys.executable, *launcher, *command, "--output", str(tmp_path / name)]
        done = subprocess.run(line, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        said.append(done.stdout)
    one, two = (left_in(tmp_path / name) for name in ("one", "two"))
    assert one == two and len([name for name in one if name.endswith(".png")]) == 4 * (5 + 6 + 7)
    assert said[1].count("page: ") == 1 and "calibrating" in said[0] and "calibrating" not in said[1]
    commands = json.loads((tmp_path / "two" / "summary.json").read_text())["commands"]
    assert commands[-1].startswith("python -m torch.distributed.run --standalone --nproc_per_node 2 ")


def test_processes_do_not_share_one_video(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "own.mp4").touch()
    line = [sys.executable, *command, "--video", str(tmp_path / "own.mp4")]
    line = [one for one in line if one not in ("--student_all", "--baselines")]
    environment = {"WORLD_SIZE": "2", "RANK": "0", "PATH": ""}
    done = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "without torchrun" in done.stderr
