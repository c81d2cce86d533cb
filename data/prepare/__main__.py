"""``python -m data.prepare KIND VIDEO --out DIR``: a video becomes one sequence of a dataset."""

import argparse
import sys
from pathlib import Path

from data.prepare.face import load_landmark_finder, prepare_face
from util.errors import OneLineParser, run_program


def main(arguments: argparse.Namespace) -> None:
    """Prepare one video."""
    first_frame, end_frame = arguments.frames
    prepare_face(
        arguments.video,
        arguments.out,
        phase=arguments.phase,
        name=arguments.name or arguments.video.stem,
        find_landmarks=load_landmark_finder(),
        enlarge=arguments.enlarge,
        first_frame=first_frame,
        end_frame=end_frame,
        frames_per_second=arguments.fps,
        suffix=f".{arguments.format}",
    )


def build_parser() -> argparse.ArgumentParser:
    """The command line; one sub-command for each kind of data."""
    parser = OneLineParser(prog="python -m data.prepare", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    face = kinds.add_parser(
        "face",
        help="a video of one face: its frames and their 68 landmarks",
        description="Write the frames of VIDEO to DIR/PHASE_img/NAME and the 68 landmarks of its largest face to "
        "DIR/PHASE_keypoints/NAME. Frames in which no face is found get landmarks between those of their neighbours in "
        "time; all are smoothed a little in time. Needs: pip install -r data/prepare/requirements.txt",
        epilog="Example: python -m data.prepare face talk.mp4 --out datasets/talk --frames 0:500, then the same with "
        "--phase test --frames 500:",
    )
    face.add_argument("video", type=Path, metavar="VIDEO", help="any video file")
    face.add_argument("--out", type=Path, required=True, metavar="DIR", help="the dataset's folder")
    face.add_argument("--phase", default="train", help="train (default), test, ...: what the folders' names begin with")
    face.add_argument("--name", help="the sequence's name (default: the video's, without suffix)")
    face.add_argument(
        "--enlarge",
        type=_positive,
        default=1.0,
        metavar="FACTOR",
        help="resize the frames first, by a bicubic filter (default: 1)",
    )
    face.add_argument(
        "--frames",
        type=_frame_range,
        default=(0, None),
        metavar="FIRST:END",
        help="only these frames, without END; either may be left out (default: all)",
    )
    face.add_argument("--fps", type=_positive, metavar="RATE", help="frames per second to note (default: the video's)")
    face.add_argument("--format", choices=("png", "jpg"), default="png", help="of the pictures (default: png)")
    face.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return value


def _frame_range(text: str) -> tuple[int, int | None]:
    first, colon, end = text.partition(":")
    try:
        start, stop = int(first or 0), int(end) if end else None
    except ValueError:
        colon = ""
    if not colon or start < 0 or (stop is not None and stop <= start):
        raise argparse.ArgumentTypeError(f"expected FIRST:END, such as 0:96 or 96:, got {text}")
    return start, stop


if __name__ == "__main__":
    run_program(lambda: main(build_parser().parse_args()), debug="--debug" in sys.argv)
