"""Export in the published form: ``python -m models.legacy.export_checkpoint --checkpoint NAME --out FILE.pth``."""

import argparse
from pathlib import Path

from util.errors import OneLineParser, run_program


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = OneLineParser(prog="python -m models.legacy.export_checkpoint", description=__doc__, allow_abbrev=False)
    parser.add_argument("--checkpoint", required=True, help="checkpoints/NAME, or one of its saves")
    parser.add_argument("--out", required=True, type=Path, help="the .pth file to write")
    return parser


def main() -> None:
    """Export the checkpoint of the command line."""
    args = build_parser().parse_args()
    from models.legacy.exporting import export_generator  # here, since --help needs none of it

    print("\n".join(export_generator(args.checkpoint, args.out)))


if __name__ == "__main__":
    run_program(main, debug=False)
