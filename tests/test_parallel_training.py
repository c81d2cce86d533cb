"""Two real processes train as one with twice the batch does, and one goes on where two were killed.

Everything is computed in double precision; ``double_training`` says why.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models import checkpoint as checkpoints
from models.training import loop as train
from options.cli import parse
from options.config import TrainConfig
from tests.double_training import compute_in_double
from tests.tiny_face import TINY, write_tiny_face
from util.errors import UserError

# Instance norm: batch norm looks at the frames of one process alone. Short clips: a generator fed its own frames
# makes any difference larger with every frame.
SMALL = [
    *("--norm", "instance", "--ngf", "2", "--ndf", "2", "--print_freq", "1", "--save_latest_freq", "1"),
    *("--max_clip_frames", "4"),
    # what is random in an item, and the average of the weights, do not depend on who trains on it
    *("--ema", "0.9", "--cond_noise", "0.1", "--cond_dropout", "0.5"),
]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
TOLERANCE = 1e-4  # relative; the log rounds to 6 digits


@pytest.fixture(scope="module", autouse=True)
def in_double() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        compute_in_double(patch.setattr)
        yield


def run(arguments: list[str]) -> train.Training:
    return train.run(parse(TrainConfig, arguments, description="test"))


def losses(folder: Path) -> dict[int, dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "loss_log.jsonl").read_text().splitlines()]
    return {row.pop("step"): row for row in rows}


def assert_same_losses(first: dict[int, dict[str, float]], second: dict[int, dict[str, float]]) -> None:
    assert first.keys() == second.keys()
    for step, row in first.items():
        assert row == pytest.approx(second[step], rel=TOLERANCE, abs=2e-6), step


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_face(tmp_path_factory.mktemp("data"), phase="train", num_frames=12)


@pytest.fixture(scope="module")
def together(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process, two clips at once."""
    runs = tmp_path_factory.mktemp("runs")
    run([*TINY, *SMALL, "--dataroot", str(data), "--checkpoints_dir", str(runs), "--name", "one", "--batchSize", "2"])
    return runs


def test_accumulated_gradients_are_those_of_a_larger_batch(data: Path, together: Path) -> None:
    arguments = [*TINY, *SMALL, "--dataroot", str(data), "--checkpoints_dir", str(together)]
    run([*arguments, "--name", "added", "--accumulate", "2"])
    assert_same_losses(losses(together / "one"), losses(together / "added"))
    for file in ("generator.safetensors", "generator_ema.safetensors"):
        first, second = (load_file(together / name / "latest" / file) for name in ("one", "added"))
        moved = [name for name in first if not name.endswith((".bias", "running_mean", "running_var"))]
        assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in moved)


def test_another_number_of_clips_a_step_is_refused(data: Path, together: Path) -> None:
    arguments = [*TINY, *SMALL, "--dataroot", str(data), "--checkpoints_dir", str(together), "--name", "one"]
    with pytest.raises(UserError, match="started with 2 clips a step, found 3"):
        run([*arguments, "--batchSize", "3", "--resume"])


@pytest.mark.slow
def test_two_processes_killed_and_resumed_by_one_have_the_loss_curve_of_one(
    data: Path, together: Path, tmp_path: Path
) -> None:
    arguments = [*TINY, *SMALL, "--dataroot", str(data), "--checkpoints_dir", str(together), "--name", "two"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ".", "WRITE_PROCESS_IDS_TO": str(tmp_path)}
    process = subprocess.Popen(
        [*TORCHRUN, "tests/double_training.py", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    folder, deadline = together / "two" / "latest", time.monotonic() + 600
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if checkpoints.is_save(folder) and checkpoints.load(folder, flag="--resume").step >= 3:
                break
            time.sleep(0.01)
    finally:
        # both processes in whatever they do, and torchrun, which gives each a session of its own
        for number in [*(int(one.name) for one in tmp_path.iterdir()), process.pid]:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait()
    saved = checkpoints.load(folder, flag="--resume")
    assert 3 <= saved.step < 6
    assert saved.metadata["clips_per_step"] == 2
    training = run([*arguments, "--batchSize", "2", "--resume"])
    assert training.step == 6
    assert_same_losses(losses(together / "one"), losses(together / "two"))
    first, second = (load_file(together / name / "latest" / "generator_ema.safetensors") for name in ("one", "two"))
    moved = [name for name in first if not name.endswith((".bias", "running_mean", "running_var"))]
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in moved)
