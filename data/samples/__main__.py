"""``python -m data.samples KIND``: write a small dataset; the faces' videos come by ``python -m data.fetch``."""

import argparse
import sys
from pathlib import Path

from util.errors import OneLineParser, run_program

PHASES = ("train", "test")


def main(arguments: argparse.Namespace) -> None:
    """Write one sample."""
    # here, since --help needs none of it
    from data.samples.face import write_face_sample
    from data.samples.pose import write_pose_sample
    from data.samples.street import write_street_sample

    if arguments.kind == "street":
        write_street_sample(
            arguments.out, seed=arguments.seed, phases=tuple(arguments.phase), num_train=arguments.streets
        )
    elif arguments.kind == "pose":
        write_pose_sample(
            arguments.out, seed=arguments.seed, phases=tuple(arguments.phase), num_dances=arguments.dances
        )
    else:
        write_face_sample(arguments.out, kind=arguments.kind, phases=tuple(arguments.phase))


def build_parser() -> argparse.ArgumentParser:
    """The command line; one sub-command for each kind of data."""
    parser = OneLineParser(prog="python -m data.samples", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    _add_face(
        kinds,
        "face",
        help="236 frames of a woman who smiles",
        description="Write frames 236 to 471 of the video WolfgangLanger_Pexels.mp4 (by Wolfgang Langer on Pexels; "
        "python -m data.fetch face_sample), its square around the face, 256x256, as a face dataset: the first 190 "
        "frames to train on, the last 46 held out.",
    )
    _add_face(
        kinds,
        "face_carphone",
        help="120 frames of a man who talks in a car",
        description="Write the video 'carphone' (python -m data.fetch videos), 176x144, enlarged 3 times (bicubic), as "
        "a face dataset: the first 96 frames to train on, the last 24 held out.",
    )
    street = kinds.add_parser(
        "street",
        help="150 frames of a drive through a toy city",
        description="Draw a drive through a toy city, 256x512 at 17 frames a second, as a street dataset: two streets "
        "of 60 frames to train on, another of 30 held out. Each has label ids and instance ids as in Cityscapes, and "
        "the exact motion between frames. Takes about two minutes. A second run finds what is there and only counts "
        "it.",
    )
    street.add_argument(
        "--out",
        type=Path,
        default=Path("datasets/street_sample"),
        metavar="DIR",
        help="the dataset's folder (default: datasets/street_sample)",
    )
    street.add_argument("--seed", type=int, default=0, help="another seed is another city (default: 0)")
    street.add_argument("--streets", type=int, default=2, metavar="N", help="to train on (default: 2)")
    street.add_argument(
        "--phase",
        nargs="+",
        choices=PHASES,
        default=PHASES,
        help="which parts to write (default: all)",
    )
    street.add_argument("--debug", action="store_true", help="show the traceback of an error")
    pose = kinds.add_parser(
        "pose",
        help="126 frames of a puppet that dances",
        description="Draw a puppet that dances in a room, 256x448 at 25 frames a second, as a pose dataset: 96 frames "
        "to train on, 30 of another phase of the dance held out. Each has what OpenPose and DensePose would find, and "
        "the exact motion between frames. Takes about a minute. A second run finds what is there and only counts it.",
    )
    pose.add_argument(
        "--out",
        type=Path,
        default=Path("datasets/pose_sample"),
        metavar="DIR",
        help="the dataset's folder (default: datasets/pose_sample)",
    )
    pose.add_argument("--seed", type=int, default=0, help="another seed is another puppet and dance (default: 0)")
    pose.add_argument("--dances", type=int, default=1, metavar="N", help="to train on, 96 frames each (default: 1)")
    pose.add_argument(
        "--phase",
        nargs="+",
        choices=PHASES,
        default=PHASES,
        help="which parts to write (default: all)",
    )
    pose.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_face(kinds: "argparse._SubParsersAction[OneLineParser]", name: str, *, help: str, description: str) -> None:
    about = " Its landmarks come with this project. A second run finds what is there and only counts it."
    face = kinds.add_parser(name, help=help, description=description + about)
    out = Path(f"datasets/{name.replace('face', 'face_sample', 1)}")
    face.add_argument("--out", type=Path, default=out, metavar="DIR", help=f"the dataset's folder (default: {out})")
    face.add_argument("--phase", nargs="+", choices=PHASES, default=PHASES, help="which parts to write (default: all)")
    face.add_argument("--debug", action="store_true", help="show the traceback of an error")


if __name__ == "__main__":
    run_program(lambda: main(build_parser().parse_args()), debug="--debug" in sys.argv)
