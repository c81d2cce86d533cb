"""File names of frames: their order, their numbers, and which names of two folders belong together."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_NUMBER = re.compile(r"([0-9]+)")


def natural_key(name: str) -> tuple[list[str | int], str]:
    """What to sort names by so that numbers in them count as numbers: frame2 before frame10."""
    parts: list[str | int] = [*_NUMBER.split(name)]
    parts[1::2] = [int(part) for part in parts[1::2]]  # text and numbers take turns, so any two can be compared
    return parts, name


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Files of one folder in the order of their names, numbers in names counting as numbers."""
    return sorted(paths, key=lambda path: natural_key(path.name))


def frame_numbers(names: Sequence[str]) -> list[int] | None:
    """The number of each frame of one folder: the last number in its name that tells it from all others.

    Returns:
        One for each name; None where no number does, or names are built differently.
    """
    rows = [[int(number) for number in _NUMBER.findall(name)] for name in names]
    if len({len(row) for row in rows}) != 1:
        return None
    columns = (list(column) for column in zip(*rows, strict=True))
    return next((column for column in reversed(list(columns)) if len(set(column)) == len(names)), None)


def first_gap(names: Sequence[str]) -> int | None:
    """The first number that is missing between the frames of a folder; None: none, or names have no numbers."""
    numbers = frame_numbers(names)
    if not numbers:
        return None
    return next((number for number in range(min(numbers), max(numbers)) if number not in set(numbers)), None)


def partners(names: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Which of ``others`` belongs to each of ``names``: the equal name, or where no names agree the equal number.

    Names are those of two folders, without what follows the frame. One file always belongs to one other. What has no
    partner is missing from the result.
    """
    same = set(names) & set(others)
    if same:
        return {name: name for name in names if name in same}
    if len(names) == len(others) == 1:
        return {names[0]: others[0]}
    ours, theirs = frame_numbers(names), frame_numbers(others)
    if ours is None or theirs is None:
        return {}
    of_number = dict(zip(theirs, others, strict=True))
    return {name: of_number[number] for name, number in zip(names, ours, strict=True) if number in of_number}
