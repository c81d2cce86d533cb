"""SIGTERM and SIGHUP end test.py and data.prepare: no scratch is left, nothing is half written, a rerun finishes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.test_segmenter import write_network
from tests.tiny_face import write_tiny_face
from tests.tiny_video import write_student
from util.media.video import write_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signals"),
]

# not SIGHUP to all of several processes: it takes down Python's own tracker of semaphores, which says so
WHOLE, FIRST = ("SIGTERM", True), ("SIGTERM", False)
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def stopped(command: list[str], *, name: str, of_group: bool, when: Callable[[], bool]) -> str:
    """What a program says that is ended as soon as ``when`` holds: all its processes at once, as a cluster does, or
    the first one alone."""

    def hear() -> None:  # nohup, which starts some test runs, is passed on
        signal.signal(signal.Signals[name], signal.SIG_DFL)

    with subprocess.Popen([sys.executable, *command], env=ENVIRONMENT, stdout=subprocess.PIPE, preexec_fn=hear,
                          stderr=subprocess.STDOUT, text=True, start_new_session=True) as process:  # fmt: skip
        assert process.stdout is not None
        while not when():
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.01)
        (os.killpg if of_group else os.kill)(process.pid, signal.Signals[name])
        try:
            said, _ = process.communicate(timeout=200)  # to its end: none of its processes is left
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == 128 + signal.Signals[name], said
    return said


def hidden(root: Path) -> list[Path]:
    return sorted(root.rglob(".*"))


def finished(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    write_network(root / "net.onnx")
    frames = [np.full((48, 64, 3), number % 250, np.uint8) for number in range(60)]
    for name in ("a", "b", "c"):
        write_video(root / f"{name}.mp4", frames, frames_per_second=25)
    return root


@pytest.mark.parametrize(("name", "of_group"), [WHOLE, FIRST])
def test_preparing_with_several_processes(videos: Path, tmp_path: Path, name: str, of_group: bool) -> None:
    out = tmp_path / "set"
    files = [str(videos / f"{one}.mp4") for one in "abc"]
    command = ["-m", "data.prepare", "street", *files, "--segmenter", str(videos / "net.onnx"), "--phase", "train",
               "--out", str(out), "--jobs", "2", "--format", "jpg"]  # fmt: skip
    stopped(command, name=name, of_group=of_group, when=lambda: len(list(out.rglob(".*.part/*"))) > 4)
    assert hidden(out) == []
    whole = [len(list(folder.iterdir())) for part in ("A", "inst") for folder in out.glob(f"train_{part}/*")]
    assert set(whole) <= {60} and all((out / "train_A" / one.name).is_dir() for one in out.glob("train_B/*"))
    if (name, of_group) == WHOLE:
        finished(command)
        assert hidden(out) == [] and len(list(out.glob("train_B/*/*.jpg"))) == 180


def test_testing_ends_with_its_terminal_and_loses_nothing(tmp_path: Path) -> None:
    data = write_tiny_face(tmp_path / "data", phase="test", num_frames=120)
    student = write_student(tmp_path / "runs/student", "--n_frames_G", "3", channels=15)
    results = tmp_path / "results/mine"
    command = ["test.py", "--checkpoint", str(student), "--dataroot", str(data), "--output", str(results),
               "--device", "cpu"]  # fmt: skip
    few = [*command, "--max_frames", "5"]
    finished(few)
    (results / "notes.txt").write_text("mine")
    before = {path.relative_to(results): path.read_bytes() for path in results.rglob("*") if path.is_file()}
    said = stopped(command, name="SIGHUP", of_group=True, when=lambda: any(results.parent.glob(".mine.*.part/*")))
    assert hidden(tmp_path) == [] and "Traceback" not in said
    assert {path.relative_to(results): path.read_bytes() for path in results.rglob("*") if path.is_file()} == before
    finished(few)
    assert json.loads((results / "summary.json").read_text())["frames"] == 5 and hidden(tmp_path) == []
    assert (results / "notes.txt").read_text() == "mine"
