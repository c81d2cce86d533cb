"""What is in a published ``.pth`` file? Tensors by name, read without executing anything.

A pickle is a small program that may call anything it can name. Here nothing it names is ever imported or called: a
machine of our own reads its instructions, knows those that torch's old files have, builds lists, dicts and records of
what a module held, and refuses every other instruction and every other name.
"""

import math
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from util.errors import UserError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MOST_TENSOR_SIDES = 8

STORAGES = {"torch.FloatStorage": torch.float32, "torch.LongStorage": torch.int64}
RECORDED = {
    "argparse.Namespace",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.conv.Conv2d",
    "torch.nn.modules.conv.ConvTranspose2d",
    "torch.nn.modules.batchnorm.BatchNorm2d",
    "torch.nn.modules.instancenorm.InstanceNorm2d",
    "torch.nn.modules.activation.ReLU",
    "torch.nn.modules.activation.ReLU6",
    "torch.nn.modules.activation.Sigmoid",
    "torch.nn.modules.activation.Tanh",
    "torch.nn.modules.padding.ReflectionPad2d",
    "torchvision.transforms.transforms.Resize",
}
NETWORKS = "models.networks"  # where the published programs had their own classes


class Refused(Exception):
    """The file holds something that published files do not; the message says what."""


@dataclass(frozen=True)
class Name:
    """A name that the file mentions. It is never looked up."""

    text: str


@dataclass(eq=False)
class Record:
    """An object of the file: the name of its class and what it held, and nothing that could run."""

    kind: str
    held: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Storage:
    """A run of numbers that lies elsewhere in the file."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class TensorPlan:
    """Which numbers of a storage are a tensor."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


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


# ---------------------------------------------------------------- the machine


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise Refused(message)


def _shown(value: object) -> str:
    """A value of the file in a message: short, on one line, and nothing that a terminal would obey."""
    if isinstance(value, Record):
        return f"a {value.kind}"
    if not isinstance(value, (Name, str, int, float)):
        return f"a {type(value).__name__}"
    text = ascii(value.text)[1:-1] if isinstance(value, Name) else ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _make_dict(*arguments: Any) -> dict[Any, Any]:
    """``OrderedDict()``, or of a list of pairs."""
    made: dict[Any, Any] = {}
    for pair in arguments[0] if arguments else []:
        _require(isinstance(pair, (list, tuple)) and len(pair) == 2, "an OrderedDict of something else than pairs")
        _set_items(made, list(pair))
    return made


def _make_set(*arguments: Any) -> list[Any]:
    """``set()`` of a list; a list does as well, and hashes nothing."""
    _require(not arguments or (len(arguments) == 1 and isinstance(arguments[0], list)), "a set of something else")
    return arguments[0] if arguments else []


def _make_tensor(*arguments: Any) -> TensorPlan:
    """``_rebuild_tensor_v2(storage, offset, size, stride, ...)``."""
    _require(len(arguments) >= 4 and isinstance(arguments[0], Storage), "a tensor without a storage")
    storage, offset, size, stride = arguments[:4]
    shapes = (size, stride)
    _require(
        _is_count(offset) and all(isinstance(one, tuple) and all(map(_is_count, one)) for one in shapes),
        "a tensor whose shape is no list of numbers",
    )
    _require(len(size) == len(stride) <= MOST_TENSOR_SIDES, "a tensor of a strange shape")
    count = math.prod(size)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    _require(count <= storage.count and (count == 0 or last < storage.count), "a tensor larger than its storage")
    return TensorPlan(storage, offset, size, stride)


def _make_parameter(*arguments: Any) -> TensorPlan:
    """``_rebuild_parameter(tensor, ...)``."""
    _require(bool(arguments) and isinstance(arguments[0], TensorPlan), "a parameter without a tensor")
    return arguments[0]


MAKERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _make_dict,
    "__builtin__.set": _make_set,
    "torch._utils._rebuild_tensor_v2": _make_tensor,
    "torch._utils._rebuild_parameter": _make_parameter,
}


def _is_recorded(name: str) -> bool:
    module, _, own = name.rpartition(".")
    return name in RECORDED or (module == NETWORKS and own.isidentifier())


def _named(argument: str) -> Name:
    """A name of the list; ``argument`` is "module name", as pickletools gives it."""
    module, _, own = argument.partition(" ")
    name = f"{module}.{own}"
    is_plain = own.isidentifier()  # a dotted name would be a way from one object to another
    _require(
        is_plain and (name in MAKERS or name in STORAGES or _is_recorded(name)),
        f"it names {_shown(Name(name))}, which no published file needs",
    )
    return Name(name)


def _call(function: object, arguments: object) -> Any:
    _require(isinstance(function, Name) and function.text in MAKERS, f"it calls {_shown(function)}")
    _require(isinstance(arguments, tuple), "it calls something with no list of arguments")
    assert isinstance(function, Name) and isinstance(arguments, tuple)
    return MAKERS[function.text](*arguments)


def _new(kind: object, arguments: object) -> Record:
    is_known = isinstance(kind, Name) and _is_recorded(kind.text)
    _require(is_known and arguments == (), f"it makes a new {_shown(kind)} of something")
    assert isinstance(kind, Name)
    return Record(kind.text)


def _hold(target: object, state: object) -> None:
    """What pickle calls BUILD: the state of a record is kept as it is; of a dict's, torch's versions, nothing is."""
    _require(
        isinstance(state, dict) and all(isinstance(key, str) for key in state), f"a strange state, {_shown(state)}"
    )
    _require(isinstance(target, (Record, dict)), f"it changes {_shown(target)}")
    if isinstance(target, Record) and isinstance(state, dict):
        target.held.update(state)


def _set_items(target: object, items: list[Any]) -> None:
    _require(isinstance(target, dict) and len(items) % 2 == 0, f"it puts values into {_shown(target)}")
    assert isinstance(target, dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        _require(isinstance(key, (str, int, float)), f"a key that is no text, {_shown(key)}")
        target[key] = value


def _append(target: object, items: list[Any]) -> None:
    _require(isinstance(target, list), f"it adds values to {_shown(target)}")
    assert isinstance(target, list)
    target.extend(items)


def _elsewhere(args: object) -> Storage | Name:
    """A persistent id: a storage, or a class beside its source text (which is not looked at)."""
    _require(isinstance(args, tuple) and len(args) >= 2, f"a reference to {_shown(args)}")
    assert isinstance(args, tuple)
    if args[0] == "module":
        _require(isinstance(args[1], Name), f"a reference to {_shown(args)}")
        return args[1]
    is_storage = args[0] == "storage" and len(args) in (5, 6) and (len(args) == 5 or args[5] is None)
    _require(is_storage and isinstance(args[1], Name) and args[1].text in STORAGES, f"a reference to {_shown(args)}")
    _require(isinstance(args[2], str) and _is_count(args[4]), f"a storage called {_shown(args[2])}")
    return Storage(args[2], STORAGES[args[1].text], args[4])


VALUES = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PAIRED: dict[str, Callable[[Any, Any], Any]] = {"REDUCE": _call, "NEWOBJ": _new}
UPDATES: dict[str, Callable[[Any, Any], None]] = {
    "BUILD": _hold,
    "APPEND": lambda target, item: _append(target, [item]),
}
MARKED_UPDATES: dict[str, Callable[[Any, list[Any]], None]] = {"SETITEMS": _set_items, "APPENDS": _append}


class _Stack(list[Any]):
    """A list that says so when a pickle takes more from it than there is."""

    def take(self) -> Any:
        _require(bool(self), "it takes a value that is not there")
        return self.pop()

    def take_many(self, count: int) -> list[Any]:
        return [self.take() for _ in range(count)][::-1]


def run_pickle(stream: IO[bytes]) -> Any:
    """Read one pickle and leave ``stream`` behind it.

    Returns:
        Plain values; ``Name``, ``Record`` and ``TensorPlan`` stand for everything else.

    Raises:
        Refused: at the first instruction or name that published files do not have.
        ValueError: when it is no pickle.
    """
    stack, outer, memo = _Stack(), list[_Stack](), dict[int, Any]()
    argument: Any
    for instruction, argument, _ in pickletools.genops(stream):
        name = instruction.name
        if name in VALUES:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            _require(bool(stack), "it remembers a value that is not there")
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            _require(argument in memo, "it recalls a value that is not there")
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(_named(argument))
        elif name == "BINPERSID":
            stack.append(_elsewhere(stack.take()))
        elif name in TUPLES:
            stack.append(tuple(stack.take_many(TUPLES[name])))
        elif name in PAIRED:
            stack.append(PAIRED[name](*stack.take_many(2)))
        elif name in UPDATES:
            target, change = stack.take_many(2)
            UPDATES[name](target, change)
            stack.append(target)
        elif name == "SETITEM":
            target, key, value = stack.take_many(3)
            _set_items(target, [key, value])
            stack.append(target)
        elif name == "MARK":
            outer.append(stack)
            stack = _Stack()
        elif name in MARKED_UPDATES or name == "TUPLE":
            _require(bool(outer), "it ends a list that never began")
            items, stack = stack, outer.pop()
            if name == "TUPLE":
                stack.append(tuple(items))
            else:
                target = stack.take()
                MARKED_UPDATES[name](target, items)
                stack.append(target)
        elif name == "STOP":
            return stack.take()
        elif name != "PROTO":
            raise Refused(f"the pickle instruction {name}, which no published file needs")
    raise Refused("a pickle without an end")


# ---------------------------------------------------------------- the two formats


def _numbers(raw: bytes, storage: Storage) -> Tensor:
    expected = storage.count * storage.dtype.itemsize
    _require(len(raw) == expected, f"{len(raw)} bytes where storage {_shown(storage.key)} needs {expected}")
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
        _require(len(pickles) == 1, f"a zip with {len(pickles)} files data.pkl; expected one")
        folder = pickles[0].removesuffix("data.pkl")
        packed = [name for name, entry in entries.items() if entry.compress_type != zipfile.ZIP_STORED]
        _require(not packed, "compressed contents; torch.save never compresses")
        if f"{folder}byteorder" in entries:
            _require(archive.read(f"{folder}byteorder") == b"little", "numbers that are not little-endian")
        with archive.open(pickles[0]) as stream:
            content = run_pickle(stream)

        def storages(storage: Storage) -> Tensor:
            name = f"{folder}data/{storage.key}"
            _require(name in entries, f"no storage {_shown(storage.key)}")
            expected = storage.count * storage.dtype.itemsize
            _require(entries[name].file_size == expected, f"storage {_shown(storage.key)} is not of {expected} bytes")
            return _numbers(archive.read(name), storage)

        return content, _fill(content, storages)


def _read_legacy(file: IO[bytes]) -> tuple[Any, Tensors]:
    """The format before torch 1.6: five pickles in a row (the fourth is the content), then the storages' numbers."""
    file.seek(0)
    _require(run_pickle(file) == LEGACY_MAGIC, "it is in neither format of torch.save")
    _require(run_pickle(file) == LEGACY_PROTOCOL, "a protocol that is not torch's")
    machine = run_pickle(file)
    _require(isinstance(machine, dict) and machine.get("little_endian") is True, "numbers that are not little-endian")
    content = run_pickle(file)
    keys = run_pickle(file)
    _require(isinstance(keys, list) and all(isinstance(key, str) for key in keys), "no list of storages")
    wanted = {plan.storage.key: plan.storage for plan in _planned(content)}
    numbers: dict[Storage, Tensor] = {}
    for key in keys:
        _require(key in wanted, f"storage {_shown(key)} that no tensor uses, so that its size is unknown")
        storage = wanted[key]
        count = int.from_bytes(file.read(8), "little", signed=True)
        _require(count == storage.count, f"storage {_shown(key)} of {count} numbers; expected {storage.count}")
        numbers[storage] = _numbers(_read_exactly(file, count * storage.dtype.itemsize), storage)

    def storages(storage: Storage) -> Tensor:
        _require(storage in numbers, f"no storage {_shown(storage.key)}")
        return numbers[storage]

    return content, _fill(content, storages)


def _read_exactly(file: IO[bytes], count: int) -> bytes:
    start = file.tell()
    left = file.seek(0, 2) - start
    file.seek(start)
    _require(left >= count, f"it ends {count - left} bytes early")  # before memory is asked for
    return file.read(count)


# ---------------------------------------------------------------- what it is


def _sorted_out(content: Any, tensors: Tensors) -> OldFile:
    if isinstance(content, Record):
        _require(content.kind.startswith(f"{NETWORKS}."), f"a pickled {content.kind}; expected one of {NETWORKS}")
        modules = dict(_modules(content))
        found = {name: tensors[plan] for path, held in modules.items() for name, plan in _parameters(path, held)}
        _require(bool(found), "a pickled module without parameters")
        options = next((value.held for held in modules.values() for value in held.values()
                        if isinstance(value, Record) and value.kind == "argparse.Namespace"), {})  # fmt: skip
        return OldFile(content.kind, found, modules, options)
    is_state = isinstance(content, dict) and bool(content)
    _require(
        is_state and all(isinstance(name, str) and isinstance(plan, TensorPlan) for name, plan in content.items()),
        "neither a pickled module nor a dict of tensors by name",
    )
    return OldFile("state dict", {name: tensors[plan] for name, plan in content.items()}, {}, {})


def _modules(root: Record) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, what it held) of ``root`` and the modules below it, in order; each record once."""
    seen, waiting = set[int](), [("", root)]
    while waiting:
        path, module = waiting.pop()
        _require(id(module) not in seen, "a module inside itself, or in two places")
        seen.add(id(module))
        yield path, module.held
        below = module.held.get("_modules", {})
        _require(isinstance(below, dict), "a module whose parts are no dict")
        parts = [(f"{path}.{name}" if path else str(name), part) for name, part in below.items() if part is not None]
        _require(all(isinstance(part, Record) for _, part in parts), "a part of a module that is no module")
        waiting += reversed(parts)


def _parameters(path: str, held: dict[str, Any]) -> Iterator[tuple[str, TensorPlan]]:
    hidden = held.get("_non_persistent_buffers_set", [])
    for kind in ("_parameters", "_buffers"):
        own = held.get(kind, {})
        _require(isinstance(own, dict), f"a module whose {kind} are no dict")
        for name, plan in own.items():
            if plan is None or name in hidden:
                continue
            _require(isinstance(plan, TensorPlan), f"a parameter {_shown(name)} that is no tensor")
            yield (f"{path}.{name}" if path else name), plan
