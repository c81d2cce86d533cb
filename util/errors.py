"""Errors for people, and the entry point that prints them in one line."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn


class UserError(Exception):
    """A mistake the user can mend: bad flag, missing file, broken data.

    The message is one line: the path, what was expected, what was found, how to fix it.
    """


class OneLineParser(argparse.ArgumentParser):
    """Argparse that answers a mistake with one line that says the fix."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake as a ``UserError``."""
        raise UserError(f"{message} ({self.prog} --help lists the flags)")


def run_program(main: Callable[[], None], *, debug: bool) -> None:
    """Run ``main``; a ``UserError``, or a file that cannot be written, becomes one line on stderr and exit code 2.

    Args:
        main: the program.
        debug: show the traceback of a user error too (``--debug``).
    """
    try:
        main()
    except (UserError, OSError) as error:
        if debug:
            raise
        told = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            told = f"{error.filename}: {error.strerror}; check the path"
        print(f"error: {told}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
