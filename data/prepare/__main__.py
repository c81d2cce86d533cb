"""``python -m data.prepare KIND SOURCE --out DIR``: videos, or what others publish, become sequences of a dataset."""

import argparse
import sys

from data.prepare.command_line import build_parser
from util.errors import run_program


def main(arguments: argparse.Namespace) -> None:
    """Prepare what the sub-command names."""
    from data.prepare.commands import COMMANDS  # here, since --help needs none of it

    COMMANDS[arguments.kind](arguments)


if __name__ == "__main__":
    run_program(lambda: main(build_parser().parse_args()), debug="--debug" in sys.argv)
