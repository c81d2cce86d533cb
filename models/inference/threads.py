"""Drawing, motion compensation and encoding overlap: each in a thread of its own, frames in order."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def in_background(items: Iterable[Item], *, ahead: int = 2) -> Iterator[Item]:
    """The same items in the same order, made by another thread while the caller works on those before.

    PyTorch, OpenCV and encoders let other threads run while they compute, so that serial parts of one stage fill the
    gaps of another. Nothing depends on when a thread runs: the items are those of ``items``, an error comes where it
    came.

    Args:
        items: iterated by the thread alone, from the first ``next`` on.
        ahead: how many items may wait; bounds memory.

    Yields:
        The items. When the caller stops early, the thread ends at the item it is at, and ``items`` is closed.
    """
    waiting: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(maxsize=ahead)
    has_stopped = threading.Event()

    def put(item: Item | None, error: BaseException | None = None) -> bool:
        while not has_stopped.is_set():
            try:
                waiting.put((item, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(None, StopIteration())
        except BaseException as error:  # whatever it is, the caller gets it
            put(None, error)
        finally:
            close: Callable[[], None] | None = getattr(items, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        has_stopped.set()
        thread.join()
