"""Files that are written whole or not at all, and what a full disk says."""

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from util.errors import UserError

# no room, over the quota, longer than the file system or the shell's limit allows
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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


def new_token() -> str:
    """Twelve random hexadecimal digits: names with it collide on no machine and in no container."""
    return secrets.token_hex(6)


def disk_of(path: Path) -> Path:
    """Where the disk begins that ``path``, which need not exist, lies on."""
    place = path.absolute()
    while not place.exists() or not place.is_mount():
        place = place.parent
    return place


def bytes_free(path: Path) -> int:
    """Free bytes on the disk of ``path``."""
    return shutil.disk_usage(disk_of(path)).free


@contextmanager
def named_when_full(path: Path) -> Iterator[None]:
    """In the block a full disk becomes a ``UserError`` that names the disk of ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise UserError(
            f"{path}: the disk {disk_of(path)} has no room for it, {bytes_free(path)} bytes are free "
            f"({error.strerror}); make room, or write elsewhere"
        ) from None


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a scratch path beside ``path``; when the block ends well it is flushed and takes ``path``'s place.

    The scratch name keeps the suffix of ``path``, since encoders choose their format by it. When the block raises,
    the scratch file is removed and ``path`` is untouched. Where ``path`` is a link, it stays one.

    Raises:
        UserError: the disk is full.
    """
    path = path.resolve() if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.stem}.{new_token()}.part{path.suffix}")
    try:
        with named_when_full(path):
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
