"""Whatever strikes a save or a run: nothing is lost, nothing is mixed, nothing is left over."""

import errno
import gc
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models import checkpoint as checkpoints
from models.training import loop as train
from options.cli import parse
from options.config import TrainConfig
from options.training_config import RunConfig
from tests.tiny_face import TINY, write_tiny_face
from util.errors import UserError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills are made by forking")

NETWORKS = ("generator", "critic_image")
WRITES = ("open", "os.rename", "os.mkdir", "os.link")
OPERATIONS = (*WRITES, "os.remove", "os.rmdir")


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill leaves does not depend on flushing, which takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def save(folder: Path, value: int, *, width: int = 3) -> None:
    networks = {name: nn.Linear(width, 2, bias=False) for name in NETWORKS}
    for network in networks.values():
        nn.init.constant_(network.weight, value)
    checkpoints.save(
        folder,
        config=TrainConfig(run=RunConfig(name="run")),
        step=value,
        networks=networks,
        training_state={"seconds": float(value), "moments": torch.zeros(width * 10)},
        metadata={"semantic_channels": 3},
    )


def value_of(folder: Path) -> int:
    """The number that every file of a save says."""
    saved = checkpoints.load(folder, flag="--resume")
    said = {float(saved.step), saved.training_state()["seconds"]}
    said |= {saved.weights(name)["weight"][0, 0].item() for name in NETWORKS}
    assert len(said) == 1, f"mixed: {said}"
    return saved.step


def forked(work: Callable[[], int]) -> int:
    """A process that does ``work``, and ends with that code without tidying up."""
    child = os.fork()
    if child == 0:
        gc.freeze()  # to forget what other tests decoded is to wait for threads that did not survive the fork
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return child


def in_child(work: Callable[[], int]) -> int:
    """The exit code of ``work`` in a process of its own."""
    child = forked(work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def strike_at(number: int, strike: Callable[[], None], *, events: tuple[str, ...]) -> None:
    """From here on ``strike`` is called before the file operation of this number, those of torch's writers too."""
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            strike()

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        is_reading = event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if event in events and not is_reading:
            count()

    def halfway(write: Callable[..., None]) -> Callable[..., None]:
        def written(content: Any, path: Path) -> None:
            count()
            write(content, path)
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            count()
            path.write_bytes(whole)

        return written

    torch.save = halfway(torch.save)
    checkpoints.save_file = halfway(checkpoints.save_file)
    sys.addaudithook(watch)


def killed_save(folder: Path, number: int) -> int:
    def work() -> int:
        strike_at(number, lambda: os._exit(9), events=OPERATIONS)
        save(folder, 2)
        return 0

    return in_child(work)


@pytest.mark.parametrize("is_first", [False, True])
def test_a_kill_at_any_file_operation_loses_and_mixes_nothing(tmp_path: Path, is_first: bool) -> None:
    number, code = 0, 9
    while code == 9:
        number += 1
        folder = tmp_path / str(number) / "latest"
        if not is_first:
            save(folder, 1)
            (folder / "notes.txt").write_text("dear diary")
        code = killed_save(folder, number)
        if checkpoints.is_save(folder) or not is_first:
            assert value_of(folder) in (1, 2)  # a reader, which tidies nothing up
        save(folder, 3)
        assert value_of(folder) == 3
        assert os.listdir(folder.parent) == ["latest"]
        assert is_first or (folder / "notes.txt").read_text() == "dear diary"
    assert code == 0 and number > 25


def test_a_full_disk_at_any_write_is_one_line_and_leaves_the_earlier_save_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "latest"
    save(folder, 1)

    def full_save(number: int) -> int:
        code = 0

        def strike() -> None:
            nonlocal code
            code = 6  # where the failure is no matter: the place was there already
            raise OSError(errno.ENOSPC, "No space left on device")

        strike_at(number, strike, events=WRITES)
        try:
            save(folder, 2)
        except UserError as error:
            return 7 if "\n" not in str(error) and "the disk /" in str(error) else 8
        return code

    number, codes = 0, list[int]()
    while not codes or codes[-1] != 0:
        number += 1
        codes.append(in_child(partial(full_save, number)))
        assert codes[-1] in (0, 6, 7)
        assert value_of(folder) == (1 if codes[-1] == 7 else 2)
        assert os.listdir(folder.parent) == ["latest"]
        save(folder, 1)
    assert set(codes) == {0, 6, 7} and codes.count(7) > 10


def test_a_limit_of_the_system_is_one_line_that_names_disk_and_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "latest"
    save(folder, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(UserError, match=r"latest: the disk /\S* cannot take this save, which needs \d{6,} bytes"):
            save(folder, 2, width=50_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert value_of(folder) == 1 and os.listdir(folder.parent) == ["latest"]


def test_a_small_disk_that_is_full_keeps_the_earlier_save(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        folder = tmp_path / "run" / "latest"
        save(folder, 1, width=20_000)
        (tmp_path / "others").write_bytes(bytes(600_000))
        for width in (20_000, 200_000):
            with pytest.raises(UserError, match=rf"the disk {tmp_path} cannot take this save, which needs \d+ bytes"):
                save(folder, 2, width=width)
            assert value_of(folder) == 1 and os.listdir(folder.parent) == ["latest"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_several_writers_of_one_save_never_mix_it(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "latest"
    save(folder, 1)

    def write(value: int) -> int:
        until, done = time.monotonic() + 2, 0
        while time.monotonic() < until:
            try:
                save(folder, value)
                done += 1
            except UserError as error:
                if "in use by" not in str(error):
                    raise
        return 0 if done else 5

    children = [forked(partial(write, value)) for value in (2, 3, 4)]
    for _ in range(200):
        with suppress(UserError):  # it was replaced while it was read: said, not mixed
            assert value_of(folder) in (1, 2, 3, 4)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert value_of(folder) in (2, 3, 4)
    assert os.listdir(folder.parent) == ["latest"]


def arguments(data: Path, runs: Path, name: str, *more: str) -> list[str]:
    return [*TINY, "--dataroot", str(data), "--checkpoints_dir", str(runs), "--name", name, *more]


def test_ctrl_c_saves_a_run_that_nobody_else_may_enter_and_it_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    data = write_tiny_face(tmp_path / "data", phase="train", num_frames=8)
    runs = tmp_path / "runs"
    long = ["--niter", "15", "--niter_decay", "0", "--nThreads", "1", "--save_latest_freq", "99", "--print_freq", "1"]
    command = [sys.executable, "train.py", *arguments(data, runs, "run", *long)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes) as first:  # type: ignore[call-overload]
        log = runs / "run" / "loss_log.jsonl"
        while not (log.is_file() and log.stat().st_size):
            assert first.poll() is None, first.stdout.read()
            time.sleep(0.02)
        with pytest.raises(UserError, match=f"runs/run: in use by process {first.pid} on"):
            train.run(parse(TrainConfig, arguments(data, runs, "run", *long, "--resume"), description=""))
        os.killpg(first.pid, signal.SIGINT)  # as a terminal does: the loading process gets it too
        said = first.stdout.read()
        assert first.wait() == 128 + signal.SIGINT, said
    assert "stopped by a signal, saved" in said and "Traceback" not in said
    saved = checkpoints.load(runs / "run", flag="--resume")
    assert 0 < saved.step < 15
    assert not [path for path in runs.rglob(".*") if path.name.startswith(".latest") or path.name == ".lock"]
    train.run(parse(TrainConfig, arguments(data, runs, "run", *long, "--resume"), description=""))
    train.run(parse(TrainConfig, arguments(data, runs, "whole", *long), description=""))
    parts = [checkpoints.load(runs / name, flag="--resume").weights("generator") for name in ("run", "whole")]
    assert all(torch.equal(parts[0][name], parts[1][name]) for name in parts[1])


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_program_and_its_scratch(tmp_path: Path, name: str) -> None:
    program = (
        "import sys, time; from pathlib import Path; from util.errors import run_program\n"
        "from util.folders import atomic_directories, atomic_directory\n"
        "def main():\n"
        "    root = Path(sys.argv[1])\n"
        "    with atomic_directory(root / 'results') as one, atomic_directories([root / 'a/x', root / 'b/x']) as two:\n"
        "        (two[0] / 'frame').write_text('half'); print('ready', flush=True); time.sleep(60)\n"
        "run_program(main, debug=False)"
    )
    # a test run that was itself started by nohup would pass on that SIGHUP is ignored
    heard = f"import signal; signal.signal(signal.{name}, signal.SIG_DFL)\n{program}"
    command = [sys.executable, "-c", heard, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.Signals[name])
        _, said = process.communicate()
    assert (process.returncode, said) == (128 + signal.Signals[name], f"stopped by {name}\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("end", ["", "raise RuntimeError"])
def test_a_program_ends_with_its_loading_processes_still_there(end: str) -> None:
    program = (
        "from torch.utils.data import DataLoader; from data.clips import use_one_thread\n"
        "loader = DataLoader(range(8), num_workers=1, worker_init_fn=use_one_thread, persistent_workers=True)\n"
        f"batches = iter(loader); next(batches); circle = [batches]; circle.append(circle)\n{end}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == bool(end), done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(number: signal.Signals) -> None:
    program = (
        "import time; from util.stopping import deferred_end\n"
        "with deferred_end():\n    print('ready', flush=True)\n    while True: time.sleep(0.01)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait() == -number
