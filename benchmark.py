"""Benchmarks: cost, speed and quality of our models, beside the paper's table.

Each subcommand lies in ``benchmarks/<name>.py``; ``python benchmark.py <name> --help`` lists its flags.
"""

import sys

from benchmarks.command_line import build_parser
from util.errors import run_program


def main() -> None:
    """Run the subcommand that was asked for."""
    arguments = build_parser(__doc__.splitlines()[0]).parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    run_program(main, debug="--debug" in sys.argv)
