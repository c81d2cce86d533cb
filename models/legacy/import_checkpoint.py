"""Import of published checkpoints: ``python -m models.legacy.import_checkpoint FILE.pth --as student …``.

Sizes are recovered from names and shapes; what the file cannot say comes from flags, and is printed.
"""

import argparse
import dataclasses
from pathlib import Path

from options.data_config import DataConfig
from util.errors import OneLineParser, run_program


def build_parser() -> argparse.ArgumentParser:
    """The command line; flags of the data are those of ``DataConfig`` and are parsed apart."""
    parser = OneLineParser(prog="python -m models.legacy.import_checkpoint", description=__doc__, allow_abbrev=False)
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path,
                        help="*_net_G0.pth; with finer scales *_net_G1.pth and so on after it")  # fmt: skip
    parser.add_argument("--dataset_mode", required=True, choices=("face", "street", "pose"),
                        help="kind of semantic video that it draws from")  # fmt: skip
    parser.add_argument("--as", dest="role", required=True, choices=("teacher", "student"),
                        help="the file does not say it; a student reads frames of half the side")  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, help="checkpoints/NAME")
    parser.epilog = "Further flags say how its data was made: " + ", ".join(
        f"--{one.name}" for one in dataclasses.fields(DataConfig) if one.name != "dataset_mode"
    ) + ", --no_first_img"  # fmt: skip
    return parser


def main() -> None:
    """Import the files of the command line."""
    known, args = build_parser().parse_known_args()
    from models.legacy.importing import import_generator  # here, since --help needs none of it

    print(
        "\n".join(import_generator(known.files, known.out, dataset_mode=known.dataset_mode, role=known.role, args=args))
    )


if __name__ == "__main__":
    run_program(main, debug=False)
