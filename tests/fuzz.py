"""Broken files for every reader of ours: ``python -m tests.fuzz [--inputs 10000]``; not in the quick suite.

Files that are sound (``tests.fuzzed``) are changed at random: cut, flipped, filled with other values. Each reader must
give a value or a ``UserError`` of one line, within a time and a memory limit, and leave nothing half written. Each has
a process of its own: what never returns from a library, or takes it down, is found too.
"""

import argparse
import io
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzzed import Reader, readers
from util.errors import MOST_LETTERS, UserError, brief

SECONDS = 10
MEMORY = 3 * 2**30  # above what is used at the start

_ABSENT = object()
_TENSORS = [torch.zeros(0), torch.ones(1, dtype=torch.int8), torch.ones(5, 7), torch.ones(3).expand(10**6, 3)]
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))]


def _replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """``value`` with ``new`` at a place, or without it."""
    if not place:
        return None if new is _ABSENT else new
    copied = value.copy()
    if len(place) == 1 and new is _ABSENT:
        del copied[place[0]]
    else:
        copied[place[0]] = _replaced(value[place[0]], place[1:], new)
    return copied


@st.composite
def broken(draw: st.DrawFn, reader: Reader) -> bytes:
    """The sound content of ``reader`` with something changed: a value, some bytes, its end."""
    sound = reader.sound
    kind = draw(st.sampled_from(["value", "value", "bytes", "cut", "repeat", "other"]))
    place = draw(st.integers(0, max(len(sound) - 1, 0)))
    if kind == "value" and reader.value is not None:
        new = st.just(_ABSENT) | _VALUES
        is_json = sound[:1] in (b"{", b"[")
        value = _replaced(
            reader.value,
            draw(st.sampled_from(_places(reader.value))),
            draw(new if is_json else new | st.sampled_from(_TENSORS)),
        )
        return json.dumps(value).encode() if is_json else as_torch_file(value)
    if kind == "cut":
        return sound[:place]
    if kind == "repeat":
        return sound[:place] + sound[place : place + 8] * draw(st.integers(2, 50_000)) + sound[place:]
    if kind == "other":
        return draw(st.binary(max_size=200) | st.sampled_from([b"[" * 100_000, b"9" * 4301, b"\xff" * 9]))
    return sound[:place] + draw(st.binary(min_size=1, max_size=12)) + sound[place + draw(st.integers(0, 12)) :]


def as_torch_file(value: object) -> bytes:
    """What ``torch.save`` writes."""
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def attack(reader: Reader, path: Path, *, inputs: int, number: int, count: "Synchronized[int]") -> None:
    """Give ``reader`` so many broken files; whatever is raised is what we look for, with the smallest content."""

    @seed(number)
    @settings(max_examples=inputs, deadline=None, database=None, suppress_health_check=list(HealthCheck),
              phases=(Phase.generate, Phase.shrink))  # fmt: skip
    @given(broken(reader))
    def one(content: bytes) -> None:
        path.write_bytes(content)
        count.value += 1
        signal.alarm(SECONDS)  # without a handler it ends the process, wherever that is
        try:
            reader.read(path)
        except UserError as error:
            told = brief(error, MOST_LETTERS)
            assert "\n" not in told, f"several lines: {error!r}"
        finally:
            signal.alarm(0)

    one()


def in_child(reader: Reader, path: Path, *, inputs: int, number: int, count: "Synchronized[int]", said: Path) -> None:
    """``attack`` within the limits, silently; what was raised goes into the file ``said``."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)  # libraries print too
    os.dup2(silent, 2)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        try:
            attack(reader, path, inputs=inputs, number=number, count=count)
        except BaseException as error:
            causes = getattr(error, "exceptions", [error])
            said.write_text("; ".join(f"{type(one).__name__}: {brief(one, 300)}" for one in causes))
            raise SystemExit(1) from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Attack every reader in turn; exit code 1 when one broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="of all readers together")
    parser.add_argument("--only", help="one reader")
    parser.add_argument("--seed", type=int, default=0, help="other inputs")
    told = parser.parse_args(arguments)
    processes = multiprocessing.get_context("fork")
    count, num_broken = processes.Value("i", 0), 0
    with tempfile.TemporaryDirectory() as folder:
        found = {name: one for name, one in readers(Path(folder)).items() if told.only in (None, name)}
        for name, reader in found.items():
            path, said = Path(folder, reader.file), Path(folder, "said")
            path.parent.mkdir(exist_ok=True)
            before = count.value
            child = processes.Process(
                target=in_child,
                args=(reader, path),
                kwargs={"inputs": -(-told.inputs // len(found)), "number": told.seed, "count": count, "said": said},
            )
            child.start()
            child.join()
            print(f"{name}: {count.value - before} inputs", flush=True)
            if child.exitcode:
                num_broken += 1
                how = said.read_text() if child.exitcode == 1 else f"ended by signal {-child.exitcode}"
                print(f"  BROKEN: {how}; content {path.read_bytes()[:300]!r}", flush=True)
            path.write_bytes(reader.sound)
    print(f"{count.value} inputs to {len(found)} readers, {num_broken} broke (traceback, hang, crash, half a file)")
    sys.exit(bool(num_broken))


if __name__ == "__main__":
    main()
