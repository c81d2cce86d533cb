"""Command line: every field of the option dataclasses is a flag of the same name."""

import argparse
import dataclasses
import difflib
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from options.values import checked, is_optional
from util.errors import OneLineParser, UserError
from util.json_files import read_json

T = TypeVar("T")

PRESETS = Path(__file__).parent / "presets"


def _flags(kind: Any) -> Iterator[tuple[Any, dataclasses.Field[Any], Any]]:
    """All (dataclass, field, type) of a dataclass, those of nested dataclasses included."""
    hints = typing.get_type_hints(kind)
    for one in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[one.name]):
            yield from _flags(hints[one.name])
        else:
            yield kind, one, hints[one.name]


def _number(kind: type, flag: str) -> Any:
    def parse(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise UserError(f"{flag} {text}: expected {'a whole number' if kind is int else 'a number'}") from None

    return parse


def _add_flag(group: argparse._ArgumentGroup, one: dataclasses.Field[Any], kind: Any) -> None:
    kind, _ = is_optional(kind)
    names = [f"--{one.name}", *one.metadata["aliases"]]
    shown = "" if one.default in (None, "") or one.default is False else f" (default: {one.default})"
    # a default given on the command line must be told from one that was not: presets come between the two
    settings: dict[str, Any] = {"dest": one.name, "default": argparse.SUPPRESS, "help": one.metadata["help"] + shown}
    if kind is bool:
        # --x / --x false: presets switch things on, people must be able to switch them off again
        settings |= {"nargs": "?", "const": True, "type": _switch, "metavar": "false"}
    elif get_origin(kind) is Literal:
        settings |= {"choices": get_args(kind)}
    elif kind in (int, float):
        settings |= {"type": _number(kind, names[0]), "metavar": "N" if kind is int else "X"}
    else:
        settings |= {"metavar": one.name.upper()}
    alone = one.metadata.get("alone")
    if alone is not None:
        settings |= {"nargs": "?", "const": alone}
    group.add_argument(*names, **settings)


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, found '{text}'")
    return text.lower() == "true"


def read_preset(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """Values of a preset: a name in ``options/presets`` or the path of a JSON file of flag names.

    Raises:
        UserError: when there is no such preset, it is not JSON, names an unknown option or has a value of another type.
    """
    path = Path(name) if name.endswith(".json") else PRESETS / f"{name}.json"
    if not path.is_file():
        names = ", ".join(sorted(one.stem for one in PRESETS.glob("*.json")))
        raise UserError(f"--preset {name}: no such preset; there are {names}, or give the path of a .json file")
    values = read_json(path, dict[str, Any], expected="a JSON file, an object of options")
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise UserError(f"{path}: unknown option {', '.join(unknown)}")
    return {option: checked(f"{path}: {option}", known[option], value) for option, value in values.items()}


def _build(kind: type[T], values: dict[str, Any]) -> T:
    hints = typing.get_type_hints(kind)
    chosen: dict[str, Any] = {}
    for one in dataclasses.fields(typing.cast(Any, kind)):
        if dataclasses.is_dataclass(hints[one.name]):
            chosen[one.name] = _build(typing.cast(Any, hints[one.name]), values)
        elif one.name in values:
            chosen[one.name] = values[one.name]
    return kind(**chosen)


def build_parser(kind: Any, *, description: str) -> argparse.ArgumentParser:
    """The command line of a config: a flag a field, a group of ``--help`` a dataclass."""
    parser = OneLineParser(description=description, allow_abbrev=False)
    parser.add_argument(
        "--preset", help="start from these options, a name in options/presets or a .json file; flags override it"
    )
    groups: dict[Any, argparse._ArgumentGroup] = {}
    for section, one, hint in _flags(kind):
        if section not in groups:
            groups[section] = parser.add_argument_group(section.__name__, section.__doc__.splitlines()[0])
        _add_flag(groups[section], one, hint)
    return parser


def parse(kind: type[T], arguments: Sequence[str] | None = None, *, description: str) -> T:
    """Read the command line into a config: defaults, then ``--preset``, then flags.

    Raises:
        UserError: on an unknown flag, a value that does not fit, or an impossible combination.
    """
    parser = build_parser(kind, description=description)
    chosen, unknown = parser.parse_known_args(arguments)
    if unknown:
        near = difflib.get_close_matches(unknown[0].split("=")[0], list(parser._option_string_actions), n=1, cutoff=0.6)
        guess = f"; did you mean {near[0]}?" if near else f" ({parser.prog} --help lists the flags)"
        raise UserError(f"unknown flag {unknown[0]}{guess}")
    values = vars(chosen)
    preset = values.pop("preset")
    defaults = read_preset(preset, {one.name: hint for _, one, hint in _flags(kind)}) if preset else {}
    return _build(kind, defaults | values)
