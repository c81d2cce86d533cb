"""Folders that are written whole or not at all, in which nothing is replaced but what we wrote."""

import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from util.errors import UserError
from util.files import flush, named_when_full, new_token
from util.locks import locked
from util.manifest import MANIFEST, files_in, read_manifest, write_manifest


def _nothing(folder: Path) -> Collection[str]:
    return ()


def lock_of(folder: Path) -> Path:
    """The lock file of a folder, beside it."""
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def atomic_directory(
    folder: Path, *, lock: Path | None = None, former: Callable[[Path], Collection[str]] = _nothing
) -> Iterator[Path]:
    """Yield a scratch folder beside ``folder``; when the block ends well it takes the place of ``folder``.

    What we wrote into ``folder`` before is replaced (``written.sha256`` lists it); what others put there stays.
    Where ``folder`` is a link, what it points to is replaced and the link stays.

    Args:
        folder: to be written, or written anew.
        lock: a lock file for it and others; its own when absent.
        former: names that are ours in a folder of before there was such a list.

    Raises:
        UserError: ``folder`` is not ours, in use, the current one, or a disk of its own; the disk is full.
    """
    told, folder = folder, folder.resolve()
    _check_place(told, folder)
    with named_when_full(folder), locked(lock or lock_of(folder), place=told):
        recover(folder)
        ours = _ours(folder, former)
        scratch = _hidden(folder, "part")
        try:
            scratch.mkdir()
            yield scratch
            write_manifest(scratch)
            for path in (*(scratch / name for name in files_in(scratch)), scratch):
                if not path.is_symlink():
                    flush(path)
            _keep_others(folder, scratch, ours)
            _take_place(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _check_place(told: Path, folder: Path) -> None:
    """Refuse what cannot be renamed, before any work is done."""
    if Path.cwd().is_relative_to(folder):
        raise UserError(f"{told}: expected a folder of its own, found the current one or one above; name another")
    if os.path.ismount(folder):  # unlike pathlib, false where it vanished meanwhile
        raise UserError(f"{told}: is a disk of its own; give a folder in it")


def _ours(folder: Path, former: Callable[[Path], Collection[str]]) -> set[str]:
    """The names of what we wrote in ``folder``.

    Raises:
        UserError: it is not ours.
    """
    if not folder.exists():
        return set()
    if folder.is_dir():
        listed = read_manifest(folder)
        ours = set(former(folder)) if listed is None else {*listed, MANIFEST}
        if ours or all(path.name.startswith(".") for path in folder.iterdir()):
            return ours
    raise UserError(f"{folder}: expected a folder of results (with {MANIFEST}) or none, found something else; "
                    "give another folder")  # fmt: skip


def _keep_others(folder: Path, scratch: Path, ours: Collection[str]) -> None:
    """Put what others have in ``folder`` beside what is new: as further names of the same files, so nothing is moved.

    Raises:
        UserError: a new file has the name of one of them.
    """
    for place, folders, files in os.walk(folder):
        below = Path(place).relative_to(folder)
        links = [name for name in folders if Path(place, name).is_symlink()]
        others = [name for name in (*files, *links) if (below / name).as_posix() not in ours]
        if others or not (files or folders):
            (scratch / below).mkdir(parents=True, exist_ok=True)
        for name in others:
            target = scratch / below / name
            if os.path.lexists(target):
                raise UserError(f"{Path(place, name)}: is not ours, and would be replaced; move it, or give another "
                                "folder")  # fmt: skip
            try:
                os.link(Path(place, name), target, follow_symlinks=False)
            except (OSError, NotImplementedError):  # a file system without such names
                shutil.copy2(Path(place, name), target, follow_symlinks=False)


def _take_place(scratch: Path, folder: Path) -> None:
    """Rename ``scratch`` to ``folder``. Folders cannot be exchanged everywhere: ``recover`` mends what a kill between
    the two renames leaves."""
    old = _hidden(folder, "old")
    try:
        if folder.exists():
            os.replace(folder, old)
        os.replace(scratch, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        raise
    flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _hidden(folder: Path, kind: str) -> Path:
    """A new name beside ``folder``: ``part`` for what is being written, ``old`` for what is being replaced."""
    return folder.with_name(f".{folder.name}.{new_token()}.{kind}")


def hidden(folder: Path, kind: str) -> list[Path]:
    """What is there under such names, the newest first; once they had the number of a process, or none."""
    pattern = re.compile(rf"\.{re.escape(folder.name)}(\.[0-9a-f]+)?\.{kind}")
    try:
        found = [path for path in folder.parent.iterdir() if pattern.fullmatch(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    ages = {}
    for path in found:
        with suppress(FileNotFoundError):  # its writer removed it meanwhile
            ages[path] = path.lstat().st_mtime_ns
    return sorted(ages, key=lambda path: ages[path], reverse=True)


def recover(folder: Path) -> None:
    """Put back the last whole ``folder`` where a kill struck between two renames; clear away what is left over.

    Only for who holds its lock: what is left over is then nobody's.
    """
    olds = hidden(folder, "old")
    if olds and not folder.exists():
        os.replace(olds.pop(0), folder)
    for left in (*olds, *hidden(folder, "part")):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def atomic_directories(folders: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield a scratch folder for each of ``folders``; when the block ends well all take their places, else none does.

    Scratch folders lie beside their places, so on the same drive, also where some of ``folders`` lie below links to
    other drives. Those that stay empty are left out; so are parents that were made in vain.

    Raises:
        UserError: the folders are in use, or the disk is full.
    """
    new_parents = {parent for folder in folders for parent in folder.parents if not parent.exists()}
    placed: list[Path] = []
    with named_when_full(folders[0]), locked(lock_of(folders[0]), place=folders[0]):
        for folder in folders:
            for left in hidden(folder, "part"):
                shutil.rmtree(left, ignore_errors=True)
        scratches = [_hidden(folder, "part") for folder in folders]
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
