"""What was measured of each file of a dataset is kept beside it, so that large datasets start fast."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from util.errors import UserError
from util.files import write_text
from util.json_files import read_json

T = TypeVar("T")

# of what is kept; another one is measured anew: 2 is turned upright
_VERSION = 2
# measuring again is no slower than reading what was kept
_WORTH_KEEPING_SECONDS = 0.5
_SHOW_PROGRESS_FROM = 2000


def kept(
    files: Sequence[Path],
    measure: Callable[[Path], T],
    *,
    stamp: Callable[[Path], tuple[int, int]],
    index: Path,
    label: str,
    worth_keeping: float = _WORTH_KEEPING_SECONDS,
) -> list[T | UserError]:
    """``measure(file)`` for each file, or what it gave last time, as long as the file's stamp is the same.

    What took long is written to ``index`` for the next time. Where the folder cannot be written to, as with a dataset
    on a read-only disk, everything works as well, but slower. A damaged index is made anew.

    Args:
        files: all below the folder of ``index``; the index will hold these and no others.
        measure: gives what JSON can hold; may raise ``UserError``.
        stamp: size and time of change of a file.
        index: the hidden file that keeps the results.
        label: what is done, for the progress bar.
        worth_keeping: the index is written when measuring took longer than this, in seconds.

    Returns:
        What was measured, in order; for a file that cannot be measured the error, which is not kept.
    """
    old, new = _read(index), {}
    skip = len(str(index.parent)) + 1
    found: list[T | UserError] = []
    began = time.perf_counter()
    unknown = 0
    for file in tqdm(files, desc=label, unit=" files", leave=False, disable=len(files) < _SHOW_PROGRESS_FROM):
        name = str(file)[skip:]
        try:
            size, changed = stamp(file)
            entry = old.get(name)
            if entry is None or entry[:3] != [_VERSION, size, changed]:
                unknown += 1
                entry = [_VERSION, size, changed, measure(file)]
        except UserError as error:
            found.append(error)
            continue
        except OSError as error:
            found.append(UserError(f"{file}: expected a file, found none to read ({error.strerror}); check the path"))
            continue
        new[name] = entry
        found.append(entry[-1])
    if unknown and time.perf_counter() - began >= worth_keeping:
        with suppress(OSError):
            write_text(index, json.dumps(new, separators=(",", ":")))
    return found


def _read(index: Path) -> dict[str, list[Any]]:
    try:
        found = read_json(index, dict[str, tuple[int, int, int, Any]], expected="an index")
    except UserError:
        return {}
    return {name: list(one) for name, one in found.items()}
