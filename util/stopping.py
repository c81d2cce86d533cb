"""Ends that a cluster, a closed terminal or Ctrl-C asks for. A second signal ends at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_NAMES_AND_CTRL_C = (*_NAMES, "SIGINT")
Handler = Callable[[int, FrameType | None], None]


class EndRequest:
    """Whether an end was asked for."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def end(self) -> None:
        """End the program, as the signal wants it.

        Raises:
            SystemExit: with code 128 + signal.
        """
        raise SystemExit(128 + (self.signal or signal.SIGTERM))


def end_on_signals(*, in_worker: bool = False) -> None:
    """From here on the signals raise ``SystemExit``, so that every ``finally`` tidies up.

    A second signal ends the program at once, but not a worker: what reached all processes comes from its parent again.
    """

    def end(number: int, frame: FrameType | None) -> None:
        _handle(signal.SIG_IGN if in_worker else signal.SIG_DFL)
        print(f"stopped by {signal.Signals(number).name}", file=sys.stderr)
        raise SystemExit(128 + number)

    _handle(end)


@contextmanager
def deferred_end() -> Iterator[EndRequest]:
    """In the block the signals, Ctrl-C among them, are noted, and whoever runs it ends when its work is safe."""
    request = EndRequest()

    def note(number: int, frame: FrameType | None) -> None:
        _handle(signal.SIG_DFL, _NAMES_AND_CTRL_C)
        request.signal = number
        os.write(2, b"\nfinishes the step and saves; a second signal ends at once\n")

    before = _handle(note, _NAMES_AND_CTRL_C)
    try:
        yield request
    finally:
        if request.signal is None:
            for number, handler in before.items():
                signal.signal(number, handler)


def leave_signals_to_parent() -> None:
    """In a worker process: from here on only the process that started it can end it with a signal.

    A cluster sends its signals to all processes at once, as a terminal does Ctrl-C, and the parent still needs its
    workers to finish and save.
    The parent's own signal must work: Python sends it at exit to the workers that are left, and waits for them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):  # macOS, Windows: the signals end a worker as ever
        return
    parent, numbers = os.getppid(), {getattr(signal, name) for name in _NAMES}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def obey_parent() -> None:
        while signal.sigwaitinfo(numbers).si_pid != parent:
            pass
        os._exit(0)  # torch takes another code for an accident

    threading.Thread(target=obey_parent, daemon=True).start()


def _handle(
    handler: Handler | signal.Handlers, names: tuple[str, ...] = _NAMES
) -> dict[int, Handler | signal.Handlers | int | None]:
    """Set the handlers where that is possible; those of before. What ``nohup`` ignores stays ignored."""
    before: dict[int, Handler | signal.Handlers | int | None] = {}
    if threading.current_thread() is not threading.main_thread():
        return before
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    return before
