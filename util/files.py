"""Files and folders that are written whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
    the scratch file is removed and ``path`` is untouched. Where ``path`` is a link, it stays one.
    """
    path = _where_links_point(path)
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

    Where ``folder`` is a link, what it points to is replaced and the link stays.

    Args:
        folder: to be written, or written anew.
        marker: a file that every such folder has; a folder without it is somebody else's and is not replaced.

    Raises:
        UserError: when ``folder`` is there, not empty, and has no ``marker``.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / marker).is_file() or not any(folder.iterdir()))):
        raise UserError(f"{folder}: expected a folder of results (with {marker}) or none, found something else; "
                        "give another folder")  # fmt: skip
    folder = _where_links_point(folder)
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        with atomic_directories([folder]) as (scratch,):
            yield scratch
            if folder.exists():
                os.replace(folder, old)
    except BaseException:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def atomic_directories(folders: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield a scratch folder for each of ``folders``; when the block ends well all take their places, else none does.

    Scratch folders lie beside their places, so on the same drive, also where some of ``folders`` lie below links to
    other drives. Those that stay empty are left out; so are parents that were made in vain.
    """
    scratches = [folder.with_name(f".{folder.name}.{os.getpid()}.part") for folder in folders]
    new_parents = {parent for folder in folders for parent in folder.parents if not parent.exists()}
    placed: list[Path] = []
    try:
        for scratch in scratches:
            scratch.mkdir(parents=True)
        yield scratches
        for scratch, folder in zip(scratches, folders, strict=True):
            if any(scratch.iterdir()):
                os.replace(scratch, folder)
                placed.append(folder)
    except BaseException:
        for folder in placed:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        for scratch in scratches:
            shutil.rmtree(scratch, ignore_errors=True)
        for parent in sorted(new_parents, key=lambda parent: -len(parent.parts)):
            with suppress(OSError):  # not empty: what was written lies in it
                parent.rmdir()


def _where_links_point(path: Path) -> Path:
    """``path``, or the place to which it is a link."""
    return path.resolve() if path.is_symlink() else path
