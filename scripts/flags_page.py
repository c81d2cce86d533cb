"""``python -m scripts.flags_page``: write ``docs/flags.md``, every flag of every program, from their command lines."""

import argparse
import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import benchmarks.command_line
import data.fetch
import data.prepare.command_line
import data.samples.__main__
import data.validate
import models.inference.export
import models.legacy.export_checkpoint
import models.legacy.import_checkpoint
from options.cli import build_parser
from options.config import TestConfig, TrainConfig
from options.data_config import DataConfig
from options.network_config import DiscriminatorConfig, GeneratorConfig
from options.training_config import LossConfig, RunConfig, ScheduleConfig
from util.files import write_text

PAGE = Path("docs/flags.md")
HEAD = """# Flags

Every flag of every program, written by `python -m scripts.flags_page` from the programs themselves. Do not edit it: a
test compares it with them.

- A switch is on with `--flag` or `--flag true`, off with `--flag false`.
- A preset is read first, then the flags; so flags win. Presets are `options/presets/*.json`.
- `…` after a value: several may follow. A flag in bold is needed.
"""
DEFAULT = re.compile(r" ?\(default: ([^()]*)\)$")
_UNTOLD = (argparse._HelpAction, argparse._SubParsersAction)
_CONFIGS = (RunConfig, DataConfig, GeneratorConfig, DiscriminatorConfig, LossConfig, ScheduleConfig, TestConfig)
_DATACLASSES = {kind.__name__ for kind in (*_CONFIGS, data.validate.ValidateRun)}
COLUMNS = "| flag | value | default | meaning |\n|---|---|---|---|"


def programs() -> dict[str, argparse.ArgumentParser]:
    """How a program is called -> its command line."""
    return {
        "python train.py": build_parser(TrainConfig, description=_summary("train.py")),
        "python test.py": build_parser(TestConfig, description=_summary("test.py")),
        "python benchmark.py": benchmarks.command_line.build_parser(_summary("benchmark.py")),
        "python -m data.prepare": data.prepare.command_line.build_parser(),
        "python -m data.validate": build_parser(data.validate.ValidateConfig, description=_summary("data/validate.py")),
        "python -m data.samples": data.samples.__main__.build_parser(),
        "python -m data.fetch": data.fetch.build_parser(),
        "python -m models.inference.export": models.inference.export.build_parser(),
        "python -m models.legacy.import_checkpoint": models.legacy.import_checkpoint.build_parser(),
        "python -m models.legacy.export_checkpoint": models.legacy.export_checkpoint.build_parser(),
    }


def _summary(path: str) -> str:
    """The first line of a program's docstring; nobody imports a program."""
    return (ast.get_docstring(ast.parse(Path(path).read_text(encoding="utf-8"))) or "").splitlines()[0]


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    """All flags of a program, those of its subcommands included."""
    return set(parser._option_string_actions) | {one for sub in _subcommands(parser).values() for one in flags_of(sub)}


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _value(action: argparse.Action) -> str:
    """What follows a flag: choices, or a word for any other value."""
    if action.nargs == 0 or action.metavar == "false":
        return "switch"
    word = action.metavar or {int: "N", float: "X", Path: "PATH"}.get(action.type, "TEXT")  # type: ignore[call-overload]
    value = ", ".join(f"`{one}`" for one in action.choices) if action.choices else f"`{word}`"
    return value + (" …" if action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction) else "")


def _row(action: argparse.Action) -> str:
    """A line of a table."""
    meaning = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    told, default = DEFAULT.search(meaning), action.default
    if told is not None:
        default, meaning = told[1].replace("True", "on"), DEFAULT.sub("", meaning)
    elif isinstance(default, list | tuple):
        default = " ".join(map(str, default))
    elif default in (None, False, argparse.SUPPRESS) or "default" in meaning:
        default = ""
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.metavar}`"
    cells = (
        f"**{names}**" if action.required else names,
        _value(action),
        f"`{default}`" if default != "" else "",
        re.sub(r"([|<*])", r"\\\1", meaning),
    )
    return f"| {' | '.join(cells)} |"


def _table(groups: Iterable[argparse._ArgumentGroup]) -> str:
    actions = [one for group in groups for one in group._group_actions if not isinstance(one, _UNTOLD)]
    return "\n".join((COLUMNS, *map(_row, actions))) + "\n" if actions else ""


def _tables(parser: argparse.ArgumentParser, seen: set[str]) -> Iterator[str]:
    """A table for each dataclass of a command line, one for the rest; what was told before is named alone."""
    own = [one for one in parser._action_groups if one.title not in _DATACLASSES]
    yield _table(own)
    for group in parser._action_groups:
        title = group.title or ""
        if title in seen:
            yield f"Further, the flags of [{title}](#{title.lower()}) above.\n"
        elif title in _DATACLASSES:
            seen.add(title)
            yield f"### {title}\n\n{group.description}\n"
            yield _table([group])


def _about(parser: argparse.ArgumentParser) -> Iterable[str]:
    return (f"{' '.join(text.split())}\n".replace("``", "`") for text in (parser.description, parser.epilog) if text)


def page() -> str:
    """The page's text."""
    parts, seen = [HEAD], set[str]()
    for name, parser in programs().items():
        parts += [f"## `{name}`\n", *_about(parser)]
        for sub_name, sub in _subcommands(parser).items():
            parts += [f"### `{name} {sub_name}`\n", *_about(sub), *_tables(sub, seen)]
        if not _subcommands(parser):
            parts += _tables(parser, seen)
    return "\n".join(part for part in parts if part)


if __name__ == "__main__":
    write_text(PAGE, page())
    print(f"written: {PAGE}")
