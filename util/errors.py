"""Errors for people, and the entry point that prints them in one line."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from util.stopping import end_on_signals

MOST_LETTERS = 400


class UserError(Exception):
    """A mistake the user can mend: bad flag, missing file, broken data.

    The message is one line: the path, what was expected, what was found, how to fix it.
    """


class OneLineParser(argparse.ArgumentParser):
    """Argparse that answers a mistake with one line that says the fix."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake as a ``UserError``."""
        raise UserError(f"{message} ({self.prog} --help lists the flags)")


def brief(reason: object, most: int = 120) -> str:
    """What a library or a file says, on one line of at most so many letters, the middle left out of a longer one."""
    line = " ".join("".join(one if one.isprintable() else " " for one in str(reason)).split())
    line = line or type(reason).__name__
    if len(line) <= most:
        return line
    end = most * 2 // 5  # how to mend it stands there
    return f"{line[: most - end - 3]} … {line[-end:]}"


def run_program(main: Callable[[], None], *, debug: bool) -> None:
    """Run ``main``; a ``UserError``, or a file that cannot be written, becomes one line on stderr and exit code 2.

    SIGTERM and SIGHUP end it with exit code 128 + signal, scratch files removed.

    Args:
        main: the program.
        debug: show the traceback of a user error too (``--debug``).
    """
    end_on_signals()
    try:
        main()
    except (UserError, OSError) as error:
        if debug:
            raise
        told = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            told = f"{error.filename}: {error.strerror}; check the path"
        print(f"error: {brief(told, MOST_LETTERS)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
