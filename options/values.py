"""Options as dataclasses: JSON out and in, with every value checked."""

import dataclasses
import sys
import types
import typing
from dataclasses import field
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from util.errors import UserError

T = TypeVar("T")

# what files of before a renaming call a section
_FORMER_NAMES = {("TrainConfig", "critic"): "discriminator"}


def option(default: Any, text: str, *, aliases: tuple[str, ...] = (), alone: Any = None) -> Any:
    """A field with the help text and further spellings of its flag; ``alone``: its value where none follows it."""
    return field(default=default, metadata={"help": text, "aliases": aliases, "alone": alone})


def require(holds: bool, message: str) -> None:
    """Raise a ``UserError`` with ``message`` unless it ``holds``."""
    if not holds:
        raise UserError(message)


def require_at_least(smallest: int, config: Any, *names: str) -> None:
    """Raise a ``UserError`` unless these numbers of ``config`` are ``smallest`` or more."""
    for name in names:
        value, expected = getattr(config, name), f"at least {smallest}" if smallest else "0 or more"
        require(value >= smallest, f"--{name} {value}: expected {expected}")


def require_plain_name(flag: str, name: str) -> None:
    """Raise a ``UserError`` unless ``name`` is that of one folder, which lies where it is put."""
    is_plain = bool(name) and not name.startswith(".") and not any(one in name for one in "/\\\0")
    require(is_plain, f"{flag} '{name}': expected a plain folder name")


def is_optional(kind: Any) -> tuple[Any, bool]:
    """``X | None`` -> (X, True); anything else -> (itself, False)."""
    if get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in get_args(kind) if part is not type(None)]
        return parts[0], len(parts) < len(get_args(kind))
    return kind, False


def to_json(config: Any) -> dict[str, Any]:
    """A config as plain JSON values; ``from_json`` is the way back."""
    return dataclasses.asdict(config)


def checked(name: str, kind: Any, value: Any) -> Any:
    """``value`` when it is of the type that a field is declared with; whole numbers pass as floats.

    Raises:
        UserError: it is not; the message begins with ``name``.
    """
    kind, may_be_none = is_optional(kind)
    if value is None and may_be_none:
        return None
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        require(value in choices, f"{name}: expected one of {', '.join(map(str, choices))}, found {value!r}")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        require(abs(value) <= sys.float_info.max, f"{name}: expected a number, found one of {len(str(value))} digits")
        return float(value)
    require(type(value) is kind, f"{name}: expected {kind.__name__}, found {value!r}")
    return value


def from_json(kind: type[T], values: Any, *, where: str = "config") -> T:
    """Rebuild a config from JSON values; what an older file does not have gets its default; errors name ``where``.

    Raises:
        UserError: on an unknown name or a value of another type.
    """
    require(isinstance(values, dict), f"{where}: expected an object of options, found {type(values).__name__}")
    hints = typing.get_type_hints(kind)
    names = [one.name for one in dataclasses.fields(typing.cast(Any, kind))]
    values = {_FORMER_NAMES.get((kind.__name__, name), name): value for name, value in values.items()}
    unknown = sorted(set(values) - set(names))
    require(not unknown, f"{where}: unknown option {', '.join(unknown)}; was it written by a newer version?")
    parsed = {
        name: from_json(hints[name], values[name], where=f"{where}: {name}")
        if dataclasses.is_dataclass(hints[name])
        else checked(f"{where}: {name}", hints[name], values[name])
        for name in names
        if name in values
    }
    return kind(**parsed)
