"""``python -m models.inference.export``: a generator as a file that runs without our code.

The file holds one graph. It reads ``semantic`` [1, frames * C, H, W] and ``previous`` [1, (frames - 1) * 3, H, W];
where there is a foreground branch ``foreground_mask`` [1, 1, H, W], too. It gives ``final`` and ``raw``; where there is
a flow branch ``flow`` and ``weight``, too (``models/networks/generator.py`` says what they are). Height and width are
free. The file is run before this program ends, at two sizes, and compared with the checkpoint.
"""

import argparse
import sys
from pathlib import Path

from util.errors import OneLineParser, run_program

# that of models.inference.runtimes.graph, which takes long to import; a test compares them
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = OneLineParser(prog="python -m models.inference.export", description=__doc__, allow_abbrev=False)
    parser.add_argument("--checkpoint", required=True, help="checkpoints/NAME, or one of its saves")
    parser.add_argument("--format", required=True, choices=tuple(SUFFIXES), help="which program is to run it")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help=", ".join(
        f"{suffix} for {kind}" for kind, suffix in SUFFIXES.items()))  # fmt: skip
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32", help="int8: of onnx and openvino, "
                        "calibrated on the training part of --dataroot (default: fp32)")  # fmt: skip
    parser.add_argument("--dataroot", metavar="DIR", help="folder of the dataset that int8 is calibrated on")
    parser.add_argument("--float_layers", default="", metavar="A,B", help="layers that keep 32 bits with int8, or "
                        "auto: as few as are needed")  # fmt: skip
    parser.add_argument("--debug", action="store_true", help="show the traceback of user errors")
    return parser


def main() -> None:
    """Export as the command line says."""
    args = build_parser().parse_args()
    from models.inference.exported import export_checkpoint, export_int8  # here, since --help needs none of it

    if args.precision == "int8":
        note = export_int8(
            args.checkpoint, args.out, kind=args.format, dataroot=args.dataroot, float_layers=args.float_layers
        )
        in_float = f"; in float: {', '.join(note.in_float)}" if note.in_float else ""
        print(f"written: {args.out}; held-out frames differ from fp32 by {note.decibels:.1f} dB of PSNR{in_float}")
        return
    difference = export_checkpoint(args.checkpoint, args.out, kind=args.format)
    print(f"written: {args.out}; its frames differ from the checkpoint's by at most {difference:.1e}")


if __name__ == "__main__":
    run_program(main, debug="--debug" in sys.argv)
