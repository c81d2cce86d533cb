"""A reader of published ``.pth`` files that executes nothing.

A pickle is a small program that may call anything it can name. Here nothing it names is ever imported or called: a
machine of our own reads its instructions, knows those that torch's old files have, builds lists, dicts and records of
what a module held, and refuses every other instruction and every other name.

``torch.load(weights_only=True)`` with stubs of the named classes does not take its place. It refuses whole modules in
the format before torch 1.6, and it accepts tensors of 2**30 numbers with stride 0 and zips with compressed contents.
"""

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import torch

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


def require(holds: bool, message: str) -> None:
    """Refuse the file with ``message`` unless it ``holds``."""
    if not holds:
        raise Refused(message)


def shown(value: object) -> str:
    """A value of the file in a message: short, on one line, and nothing that a terminal would obey."""
    if isinstance(value, Record):
        return f"a {value.kind}"
    if not isinstance(value, (Name, str, int, float)):
        return f"a {type(value).__name__}"
    text = ascii(value.text)[1:-1] if isinstance(value, Name) else ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def is_count(value: object) -> bool:
    """Whether a value of the file is a whole number from 0 on."""
    return type(value) is int and value >= 0


def _make_dict(*arguments: Any) -> dict[Any, Any]:
    """``OrderedDict()``, or of a list of pairs."""
    made: dict[Any, Any] = {}
    for pair in arguments[0] if arguments else []:
        require(isinstance(pair, (list, tuple)) and len(pair) == 2, "an OrderedDict of something else than pairs")
        _set_items(made, list(pair))
    return made


def _make_set(*arguments: Any) -> list[Any]:
    """``set()`` of a list; a list does as well, and hashes nothing."""
    require(not arguments or (len(arguments) == 1 and isinstance(arguments[0], list)), "a set of something else")
    return arguments[0] if arguments else []


def _make_tensor(*arguments: Any) -> TensorPlan:
    """``_rebuild_tensor_v2(storage, offset, size, stride, ...)``."""
    require(len(arguments) >= 4 and isinstance(arguments[0], Storage), "a tensor without a storage")
    storage, offset, size, stride = arguments[:4]
    shapes = (size, stride)
    require(
        is_count(offset) and all(isinstance(one, tuple) and all(map(is_count, one)) for one in shapes),
        "a tensor whose shape is no list of numbers",
    )
    require(len(size) == len(stride) <= MOST_TENSOR_SIDES, "a tensor of a strange shape")
    count = math.prod(size)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    require(count <= storage.count and (count == 0 or last < storage.count), "a tensor larger than its storage")
    return TensorPlan(storage, offset, size, stride)


def _make_parameter(*arguments: Any) -> TensorPlan:
    """``_rebuild_parameter(tensor, ...)``."""
    require(bool(arguments) and isinstance(arguments[0], TensorPlan), "a parameter without a tensor")
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
    require(
        is_plain and (name in MAKERS or name in STORAGES or _is_recorded(name)),
        f"it names {shown(Name(name))}, which no published file needs",
    )
    return Name(name)


def _call(function: object, arguments: object) -> Any:
    require(isinstance(function, Name) and function.text in MAKERS, f"it calls {shown(function)}")
    require(isinstance(arguments, tuple), "it calls something with no list of arguments")
    assert isinstance(function, Name) and isinstance(arguments, tuple)
    return MAKERS[function.text](*arguments)


def _new(kind: object, arguments: object) -> Record:
    is_known = isinstance(kind, Name) and _is_recorded(kind.text)
    require(is_known and arguments == (), f"it makes a new {shown(kind)} of something")
    assert isinstance(kind, Name)
    return Record(kind.text)


def _hold(target: object, state: object) -> None:
    """What pickle calls BUILD: the state of a record is kept as it is; of a dict's, torch's versions, nothing is."""
    require(isinstance(state, dict) and all(isinstance(key, str) for key in state), f"a strange state, {shown(state)}")
    require(isinstance(target, (Record, dict)), f"it changes {shown(target)}")
    if isinstance(target, Record) and isinstance(state, dict):
        target.held.update(state)


def _set_items(target: object, items: list[Any]) -> None:
    require(isinstance(target, dict) and len(items) % 2 == 0, f"it puts values into {shown(target)}")
    assert isinstance(target, dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        require(isinstance(key, (str, int, float)), f"a key that is no text, {shown(key)}")
        target[key] = value


def _append(target: object, items: list[Any]) -> None:
    require(isinstance(target, list), f"it adds values to {shown(target)}")
    assert isinstance(target, list)
    target.extend(items)


def _elsewhere(args: object) -> Storage | Name:
    """A persistent id: a storage, or a class beside its source text (which is not looked at)."""
    require(isinstance(args, tuple) and len(args) >= 2, f"a reference to {shown(args)}")
    assert isinstance(args, tuple)
    if args[0] == "module":
        require(isinstance(args[1], Name), f"a reference to {shown(args)}")
        return args[1]
    is_storage = args[0] == "storage" and len(args) in (5, 6) and (len(args) == 5 or args[5] is None)
    require(is_storage and isinstance(args[1], Name) and args[1].text in STORAGES, f"a reference to {shown(args)}")
    require(isinstance(args[2], str) and is_count(args[4]), f"a storage called {shown(args[2])}")
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
        require(bool(self), "it takes a value that is not there")
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
            require(bool(stack), "it remembers a value that is not there")
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            require(argument in memo, "it recalls a value that is not there")
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
            require(bool(outer), "it ends a list that never began")
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
