"""How does a program tell a person what they can mend?"""

import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake the user can mend: bad flag, missing file, broken data.

    The message is one line: the path, what was expected, what was found, how to fix it.
    """


def run_program(main: Callable[[], None], *, debug: bool) -> None:
    """Run ``main``; a ``UserError`` becomes one line on stderr and exit code 2.

    Args:
        main: the program.
        debug: show the traceback of a user error too (``--debug``).
    """
    try:
        main()
    except UserError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
