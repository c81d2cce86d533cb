"""Benchmarks and metrics: what ``benchmark.py`` runs.

A subcommand is a module with two functions: ``add_flags(parser)``, and ``run(arguments)``, which does the work and
prints. The first line of its docstring is its help.
"""

import argparse
from importlib import import_module

from util.errors import OneLineParser

# in the order of --help
SUBCOMMANDS = {
    "metrics": "metrics.evaluate",
    "macs": "macs",
    "training": "training",
    "data": "data_loading",
    "speed": "speed",
    "stream": "stream",
    "motion": "motion",
    "samples": "samples",
    "table": "method_table",
    "ablation": "ablation",
    "width": "width",
}


def build_parser(description: str) -> argparse.ArgumentParser:
    """The command line of ``benchmark.py``; the parsed arguments hold the subcommand's function as ``run``."""
    parser = OneLineParser(description=description)
    subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, file in SUBCOMMANDS.items():
        module = import_module(f"{__name__}.{file}")
        summary = (module.__doc__ or "").splitlines()[0]
        flags = subcommands.add_parser(name, help=summary, description=summary)
        flags.add_argument("--debug", action="store_true", help="show the traceback of an error")
        module.add_flags(flags)
        flags.set_defaults(run=module.run)
    return parser
