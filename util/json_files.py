"""JSON that we read back: one function, which gives checked values or an error for people."""

import json
import stat
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from util.errors import UserError, brief

T = TypeVar("T")

MOST_BYTES = 2**30


def parse_json(text: str | bytes | dict[str, Any], kind: type[T], *, where: object, expected: str) -> T:
    """JSON ``text`` as a value of ``kind``: a dataclass, or another type that says what its values are.

    Whole numbers pass as floats; what a dataclass does not know is left out, what it has a default for may be absent.

    Args:
        text: the JSON, or what it says already.
        kind: what it is to be; lists become its tuples, objects its dataclasses.
        where: the file, for the error.
        expected: what the file should be and how to mend it, for the error.

    Raises:
        UserError: it is no JSON, or says something else.
    """
    try:
        return msgspec.convert(text if isinstance(text, dict) else json.loads(text), kind)
    except (ValueError, TypeError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise UserError(f"{where}: expected {expected}, found something else ({brief(error)})") from None


def read_json(path: Path, kind: type[T], *, expected: str) -> T:
    """``parse_json`` of a file.

    Raises:
        UserError: it cannot be read, is no regular file, is no JSON, or says something else.
    """
    return parse_json(read_regular(path, expected=expected), kind, where=path, expected=expected)


def read_regular(path: Path, *, expected: str) -> bytes:
    """The content of a regular file of bearable size: a pipe would never end.

    Raises:
        UserError: it is none, or cannot be read.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
            raise UserError(f"{path}: expected {expected}, found no regular file, or one of {found.st_size} bytes")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected {expected}, but it cannot be read ({brief(error)})") from None
