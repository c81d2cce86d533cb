"""What can ``benchmark.py`` measure?

A subcommand is a module of this folder with two functions: ``add_flags(parser)``, and ``run(arguments)``, which does
the work and prints. The first line of its docstring is its help.
"""

import argparse
from importlib import import_module
from importlib.util import find_spec

from util.errors import OneLineParser

# in the order of --help; those whose module is not there are not listed
SUBCOMMANDS = ("macs", "training", "data", "speed", "stream", "motion", "table", "ablation", "width")


def build_parser(description: str) -> argparse.ArgumentParser:
    """The command line of ``benchmark.py``; the parsed arguments hold the subcommand's function as ``run``."""
    parser = OneLineParser(description=description)
    subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name in SUBCOMMANDS:
        if find_spec(f"{__name__}.{name}") is None:
            continue
        module = import_module(f"{__name__}.{name}")
        question = (module.__doc__ or "").splitlines()[0]
        flags = subcommands.add_parser(name, help=question, description=question)
        flags.add_argument("--debug", action="store_true", help="show the traceback of an error")
        module.add_flags(flags)
        flags.set_defaults(run=module.run)
    return parser
