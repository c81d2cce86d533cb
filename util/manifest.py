"""The list of what we wrote in a folder, with a SHA-256 of every file: ``sha256sum -c written.sha256`` checks it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from util.errors import UserError
from util.files import file_sha256

MANIFEST = "written.sha256"
_FIRST_LINE = "# Fast-Vid2Vid wrote these files; it replaces them alone"


def files_in(folder: Path) -> Iterator[str]:
    """Everything below ``folder`` but folders, as relative names; links are not followed."""
    for place, folders, files in os.walk(folder):
        below = Path(place).relative_to(folder)
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from ((below / name).as_posix() for name in sorted([*files, *links]))


def write_manifest(folder: Path) -> None:
    """Write the list of all that is in ``folder``."""
    lines = [_FIRST_LINE]
    for name in files_in(folder):
        # as sha256sum writes names that do not fit on a line
        told = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        lines.append(f"{'' if told == name else chr(92)}{file_sha256(folder / name)}  {told}")
    text = "".join(line + "\n" for line in lines)
    (folder / MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))


def read_manifest(folder: Path) -> dict[str, str] | None:
    """SHA-256 by name of what we wrote in ``folder``; None where we noted nothing.

    Raises:
        UserError: the list is damaged.
    """
    path = folder / MANIFEST
    try:
        lines = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    found: dict[str, str] = {}
    for line in lines[1:-1]:
        digest, _, name = line.removeprefix("\\").partition("  ")
        if line.startswith("\\"):
            name = name.replace("\\\\", "\0").replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")
        found[name] = digest
    if lines[0] != _FIRST_LINE or lines[-1] or not all(len(digest) == 64 and name for name, digest in found.items()):
        raise UserError(f"{path}: expected the list of files that this program writes, found something else; "
                        "give another folder")  # fmt: skip
    return found


@contextmanager
def checked_file(path: Path, listed: Mapping[str, str] | None) -> Iterator[None]:
    """In the block ``path`` is read; refuse a file that is not the one that was written.

    Args:
        path: the file; where there is none, who reads it says so.
        listed: ``read_manifest`` of its folder when that was first read; None: nothing is checked.

    Raises:
        UserError: it is another file, or of another save.
    """
    if listed is None or not path.is_file():
        yield
        return
    try:
        before = path.stat()
        expected, found = listed.get(path.name, "none"), file_sha256(path)
        if found != expected:
            raise UserError(
                f"{path}: damaged or changed: expected sha256 {expected[:12]} as {MANIFEST} says, found {found[:12]}; "
                f"use another save of the run, or remove {MANIFEST} if you changed the file yourself"
            )
        yield
        after = path.stat()
    except FileNotFoundError:
        after = None
    if after is None or (after.st_ino, after.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
        raise UserError(f"{path}: was written anew while it was read; start again")
