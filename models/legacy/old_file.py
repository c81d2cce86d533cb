"""Published ``.pth`` files in both formats of torch.save: tensors, modules and options by name."""

import itertools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from models.legacy.restricted_pickle import NETWORKS, Record, Refused, Storage, TensorPlan, require, run_pickle, shown
from util.errors import UserError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

LEGACY_PROTOCOL = 1001

MOST_MODULES = 10_000  # shared ones, nested in each other, could be more paths than memory holds


@dataclass(frozen=True)
class OldFile:
    """What a published file holds.

    Attributes:
        kind: ``state dict``, or the name of the pickled module's class.
        tensors: parameters and buffers by their published names.
        modules: what each module of a pickled one held, by its path; empty for a state dict.
        options: what a pickled ``argparse.Namespace`` says; empty where there is none.
    """

    kind: str
    tensors: dict[str, Tensor]
    modules: dict[str, dict[str, Any]]
    options: dict[str, Any]


def read_old_file(path: Path) -> OldFile:
    """Read a ``.pth`` file of either torch format, a state dict or a whole pickled module.

    Raises:
        UserError: when there is no such file, it is broken, or it holds what published files do not.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a published .pth file")
    try:
        with path.open("rb") as file:
            content, tensors = _read_zip(file) if zipfile.is_zipfile(file) else _read_legacy(file)
            return _sorted_out(content, tensors)
    except Refused as refusal:
        raise UserError(f"{path}: refused, nothing in it was executed: {refusal}") from None
    except Exception as error:  # a file that ends early or was never a pickle breaks the reading in many ways
        reason = ascii(" ".join(str(error).split())[:120])[1:-1] or type(error).__name__
        raise UserError(
            f"{path}: expected a .pth file as torch.save writes it, found something else ({reason}); fetch it again"
        ) from error


def _numbers(raw: bytes, storage: Storage) -> Tensor:
    expected = storage.count * storage.dtype.itemsize
    require(len(raw) == expected, f"{len(raw)} bytes where storage {shown(storage.key)} needs {expected}")
    if storage.count == 0:
        return torch.empty(0, dtype=storage.dtype)
    return torch.frombuffer(bytearray(raw), dtype=storage.dtype)


def _planned(content: Any) -> Iterator[TensorPlan]:
    """Every tensor in dicts, lists and records, each place once; a file may refer to itself."""
    seen, waiting = set[int](), [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, TensorPlan):
            yield value
        elif isinstance(value, (dict, list, tuple, Record)) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.held.values() if isinstance(value, Record) else (
                value.values() if isinstance(value, dict) else value
            )  # fmt: skip


Tensors = dict[TensorPlan, Tensor]


def _fill(content: Any, storages: Callable[[Storage], Tensor]) -> Tensors:
    """The tensors of ``content``; ``storages`` gives the numbers, and is asked once for each storage."""
    known: dict[Storage, Tensor] = {}
    filled: Tensors = {}
    for plan in _planned(content):
        if plan.storage not in known:
            known[plan.storage] = storages(plan.storage)
        filled[plan] = known[plan.storage].as_strided(plan.size, plan.stride, plan.offset).contiguous()
    return filled


def _read_zip(file: IO[bytes]) -> tuple[Any, Tensors]:
    """The format since torch 1.6: a zip of the pickle and one file a storage."""
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl") or name == "data.pkl"]
        require(len(pickles) == 1, f"a zip with {len(pickles)} files data.pkl; expected one")
        folder = pickles[0].removesuffix("data.pkl")
        packed = [name for name, entry in entries.items() if entry.compress_type != zipfile.ZIP_STORED]
        require(not packed, "compressed contents; torch.save never compresses")
        if f"{folder}byteorder" in entries:
            require(archive.read(f"{folder}byteorder") == b"little", "numbers that are not little-endian")
        with archive.open(pickles[0]) as stream:
            content = run_pickle(stream)

        def storages(storage: Storage) -> Tensor:
            name = f"{folder}data/{storage.key}"
            require(name in entries, f"no storage {shown(storage.key)}")
            expected = storage.count * storage.dtype.itemsize
            require(entries[name].file_size == expected, f"storage {shown(storage.key)} is not of {expected} bytes")
            return _numbers(archive.read(name), storage)

        return content, _fill(content, storages)


def _read_legacy(file: IO[bytes]) -> tuple[Any, Tensors]:
    """The format before torch 1.6: five pickles in a row (the fourth is the content), then the storages' numbers."""
    file.seek(0)
    require(run_pickle(file) == LEGACY_MAGIC, "it is in neither format of torch.save")
    require(run_pickle(file) == LEGACY_PROTOCOL, "a protocol that is not torch's")
    machine = run_pickle(file)
    require(isinstance(machine, dict) and machine.get("little_endian") is True, "numbers that are not little-endian")
    content = run_pickle(file)
    keys = run_pickle(file)
    require(isinstance(keys, list) and all(isinstance(key, str) for key in keys), "no list of storages")
    wanted = {plan.storage.key: plan.storage for plan in _planned(content)}
    numbers: dict[Storage, Tensor] = {}
    for key in keys:
        require(key in wanted, f"storage {shown(key)} that no tensor uses, so that its size is unknown")
        storage = wanted[key]
        count = int.from_bytes(file.read(8), "little", signed=True)
        require(count == storage.count, f"storage {shown(key)} of {count} numbers; expected {storage.count}")
        numbers[storage] = _numbers(_read_exactly(file, count * storage.dtype.itemsize), storage)

    def storages(storage: Storage) -> Tensor:
        require(storage in numbers, f"no storage {shown(storage.key)}")
        return numbers[storage]

    return content, _fill(content, storages)


def _read_exactly(file: IO[bytes], count: int) -> bytes:
    start = file.tell()
    left = file.seek(0, 2) - start
    file.seek(start)
    require(left >= count, f"it ends {count - left} bytes early")  # before memory is asked for
    return file.read(count)


def _sorted_out(content: Any, tensors: Tensors) -> OldFile:
    if isinstance(content, Record):
        require(content.kind.startswith(f"{NETWORKS}."), f"a pickled {content.kind}; expected one of {NETWORKS}")
        modules = dict(_modules(content))
        found = {name: tensors[plan] for path, held in modules.items() for name, plan in _parameters(path, held)}
        require(bool(found), "a pickled module without parameters")
        options = next((value.held for held in modules.values() for value in held.values()
                        if isinstance(value, Record) and value.kind == "argparse.Namespace"), {})  # fmt: skip
        return OldFile(content.kind, found, modules, options)
    is_state = isinstance(content, dict) and bool(content)
    require(
        is_state and all(isinstance(name, str) and isinstance(plan, TensorPlan) for name, plan in content.items()),
        "neither a pickled module nor a dict of tensors by name",
    )
    return OldFile("state dict", {name: tensors[plan] for name, plan in content.items()}, {}, {})


def _modules(root: Record) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, what it held) of ``root`` and the modules below it, in order; shared ones come at each of their paths."""
    visited = itertools.count(1)

    def walk(module: Record, path: str, above: frozenset[int]) -> Iterator[tuple[str, dict[str, Any]]]:
        require(id(module) not in above, "a module inside itself")
        require(next(visited) <= MOST_MODULES, f"more than {MOST_MODULES} modules")
        yield path, module.held
        below = module.held.get("_modules", {})
        require(isinstance(below, dict), "a module whose parts are no dict")
        for name, part in below.items():
            if part is not None:
                require(isinstance(part, Record), "a part of a module that is no module")
                yield from walk(part, f"{path}.{name}" if path else str(name), above | {id(module)})

    return walk(root, "", frozenset())


def _parameters(path: str, held: dict[str, Any]) -> Iterator[tuple[str, TensorPlan]]:
    hidden = held.get("_non_persistent_buffers_set", [])
    for kind in ("_parameters", "_buffers"):
        own = held.get(kind, {})
        require(isinstance(own, dict), f"a module whose {kind} are no dict")
        for name, plan in own.items():
            if plan is None or name in hidden:
                continue
            require(isinstance(plan, TensorPlan), f"a parameter {shown(name)} that is no tensor")
            yield (f"{path}.{name}" if path else name), plan
