"""Locks of folders, so that two programs never write to the same place."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from util.errors import UserError

_PATIENCE = 1.0  # seconds: a process that was killed a moment ago may still hold it


@contextmanager
def locked(path: Path, *, place: Path) -> Iterator[None]:
    """Hold the lock file ``path`` in the block; the same process may take it again inside.

    The lock ends with its process, however that ends. One that is held is tried for a second. The file is removed, with
    folders made for it in vain.

    Args:
        path: the lock file.
        place: what is locked, for the message.

    Raises:
        UserError: another process holds it; the message names that process.
    """
    new_parents = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, is_singleton=True, thread_local=False)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        raise UserError(f"{place}: in use by {_holder(path)}; wait until it ends, or give another name") from None
    try:
        if lock.lock_counter == 1:
            path.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        if lock.lock_counter == 1:
            path.unlink(missing_ok=True)  # while it is held: who opened it before finds that it has no name any more
        lock.release()
        for parent in new_parents:
            with suppress(OSError):  # not empty: what was written lies in it
                parent.rmdir()


def _holder(path: Path) -> str:
    """Who holds a lock, in words."""
    with suppress(OSError, ValueError):
        return path.read_text(encoding="utf-8")[:100] or "another process"
    return "another process"
