"""Files of a dataset, read from disk or from the shards that lie in its folder.

Shards are tar files of whole sequences, ``shard-*.tar`` in one folder. What they hold is addressed as if it had been
unpacked there; nothing is unpacked, files are read from their place in the tar file.
"""

import io
import os
import stat as stat_kinds
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from data.storage.size_index import kept
from util.errors import UserError, brief
from util.names import natural_key

SHARDS = "shard-*.tar"
# root/A/train/sequence/file is the deepest that a file of a dataset lies below its shards
_DEPTH = 4


class Listing(NamedTuple):
    """What is in a folder, by name, numbers in names counting as numbers; hidden files and folders are left out."""

    folders: list[str]
    files: list[str]


class Member(NamedTuple):
    """Where a file lies in a shard."""

    shard: str
    offset: int
    size: int


class _Shards(NamedTuple):
    members: dict[str, Member]
    folders: dict[str, Listing]


def open_file(path: Path) -> BinaryIO:
    """Open a file of a dataset for reading.

    Raises:
        OSError: it cannot be opened.
        UserError: a shard is damaged, or the file is a pipe.
    """
    try:
        if stat_kinds.S_ISFIFO(path.stat().st_mode):
            raise UserError(f"{path}: expected a regular file, found a pipe, which may never end; remove it")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        member = _member(path)
        if member is None:
            raise
    with open(member.shard, "rb") as shard:
        shard.seek(member.offset)
        return io.BytesIO(shard.read(member.size))


def read_text(path: Path) -> str:
    """The text of a file of a dataset.

    Raises:
        OSError: it cannot be opened.
        UnicodeDecodeError: it is no UTF-8.
    """
    with open_file(path) as file:
        return io.TextIOWrapper(file, encoding="utf-8").read()


def listing(folder: Path) -> Listing | None:
    """What is in ``folder``; None where there is no such folder."""
    found = Listing([], [])
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (found.folders if entry.is_dir() else found.files).append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        for root in list(folder.parents)[:_DEPTH]:
            shards = _shards_in(root)
            if shards is not None:
                return shards.folders.get(folder.relative_to(root).as_posix())
        return None
    return Listing(*(sorted(names, key=natural_key) for names in found))


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change: what differs once a file's content does.

    Raises:
        OSError: there is no such file.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        member = _member(path)
        if member is None:
            raise
        return member.size, os.stat(member.shard).st_mtime_ns + member.offset
    return found.st_size, found.st_mtime_ns


def _member(path: Path) -> Member | None:
    for root in list(path.parents)[:_DEPTH]:
        shards = _shards_in(root)
        if shards is not None:
            return shards.members.get(path.relative_to(root).as_posix())
    return None


def _shards_in(folder: Path) -> _Shards | None:
    try:
        changed = os.stat(folder).st_mtime_ns
    except OSError:
        return None
    return _read_shards(str(folder), changed)


@lru_cache(maxsize=64)
def _read_shards(folder: str, changed: int) -> _Shards | None:
    """Everything in the shards of ``folder``, which was ``changed`` last at this time; None where it has none."""
    paths = sorted(Path(folder).glob(SHARDS))
    if not paths:
        return None
    tables = kept(paths, _read_members, stamp=stamp, index=Path(folder) / ".shards.json", label="reading shards")
    members: dict[str, Member] = {}
    names: dict[str, tuple[set[str], set[str]]] = {}
    for path, table in zip(paths, tables, strict=True):
        if isinstance(table, UserError):
            raise table
        for name, (offset, size) in table.items():
            if name in members:
                raise UserError(
                    f"{path}: expected every file in one shard, found {name} in {Path(members[name].shard).name} too; "
                    "make the shards again"
                )
            members[name] = Member(str(path), offset, size)
            parent, _, own = name.rpartition("/")
            names.setdefault(parent, (set(), set()))[1].add(own)
            while parent:
                above, _, own = parent.rpartition("/")
                names.setdefault(above, (set(), set()))[0].add(own)
                parent = above
    return _Shards(
        members,
        {name: Listing(*(sorted(of_kind, key=natural_key) for of_kind in both)) for name, both in names.items()},
    )


def _read_members(path: Path) -> dict[str, list[int]]:
    """Where each file of a tar file begins and how long it is.

    Raises:
        UserError: it is no whole tar file.
    """
    found: dict[str, list[int]] = {}
    num_bytes = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                # a member of negative size would lead back to where it began, for ever
                if member.size < 0 or member.offset_data + member.size > num_bytes:
                    raise tarfile.ReadError(f"cut off: a file of {member.size} bytes in it")
                if member.isfile() and not Path(member.name).name.startswith("."):
                    found[member.name.removeprefix("./")] = [member.offset_data, member.size]
    except (OSError, tarfile.TarError, ValueError, OverflowError, MemoryError, RecursionError) as error:
        raise UserError(f"{path}: expected a whole tar file, but it cannot be read ({brief(error)}); copy it again"
                        ) from error  # fmt: skip
    return found
