"""How is a file written so that nobody ever sees half of it?"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from util.errors import UserError


def flush(path: Path) -> None:
    """Bring a file, or the list of a folder's files, to the disk, so that it outlives a power failure."""
    is_windows = os.name == "nt"
    if is_windows and path.is_dir():
        return  # which has no such thing
    # Windows flushes only what is open for writing; elsewhere a copy of a read-only file is flushed, too
    descriptor = os.open(path, os.O_RDWR if is_windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def short_hash(path: Path) -> str:
    """The first 12 hexadecimal digits of a file's SHA-256, for logs."""
    return file_sha256(path)[:12]


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a scratch path beside ``path``; when the block ends well it is flushed and takes ``path``'s place.

    The scratch name keeps the suffix of ``path``, since encoders choose their format by it. When the block raises,
    the scratch file is removed and ``path`` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield scratch
        flush(scratch)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` whole or not at all."""
    with atomic_write(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


@contextmanager
def atomic_directory(folder: Path, *, marker: str) -> Iterator[Path]:
    """Yield a scratch folder beside ``folder``; when the block ends well it takes the place of ``folder``.

    Args:
        folder: to be written, or written anew.
        sign: a file that every such folder has; a folder without it is somebody else's and is not replaced.

    Raises:
        UserError: when ``folder`` is there, not empty, and has no ``marker``.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / marker).is_file() or not any(folder.iterdir()))):
        raise UserError(f"{folder}: expected a folder of results (with {marker}) or none, found something else; "
                        "give another folder")  # fmt: skip
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(scratch, folder)
        except OSError:
            os.replace(old, folder)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
