"""The command line of ``python -m data.prepare``. It imports nothing heavy, so that ``--help`` answers at once."""

import argparse
from pathlib import Path

from util.errors import OneLineParser

DESCRIPTION = (
    "python -m data.prepare KIND SOURCE --out DIR: videos, or what others publish, become sequences of a dataset."
)
# those of data.detectors, which take long to import; a test compares them
FINDERS = ("mesh", "dlib")
SMOOTHING, LONGEST_GAP = 1.0, 12


def build_parser() -> argparse.ArgumentParser:
    """The command line; one sub-command for each kind of data."""
    parser = OneLineParser(prog="python -m data.prepare", description=DESCRIPTION)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    _add_face(kinds)
    _add_street(kinds)
    _add_paired(kinds)
    _add_pose(kinds)
    _add_shards(kinds)
    for kind in kinds.choices.values():
        kind.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_face(kinds: "argparse._SubParsersAction[OneLineParser]") -> None:
    face = kinds.add_parser(
        "face",
        help="videos of one face each: their frames and 68 landmarks",
        description="Write the frames of each VIDEO to DIR/PHASE_img/NAME and the 68 landmarks of one face, the one "
        "that is largest at the start, to DIR/PHASE_keypoints/NAME. What is there already is skipped, so a run that "
        "was stopped goes on. Frames in which no face is found get landmarks between those of their neighbours in "
        "time; all are smoothed a little in time. Needs: python -m data.fetch detectors",
        epilog="Examples: python -m data.prepare face talk.mp4 --out datasets/talk; python -m data.prepare face videos "
        "--out datasets/faces --split videos --jobs 8",
    )
    _add_videos(face)
    face.add_argument(
        "--finder",
        choices=FINDERS,
        default=FINDERS[0],
        help="of landmarks; dlib for datasets that were begun with it: pip install -r data/prepare/requirements.txt "
        "(default: %(default)s)",
    )
    face.add_argument(
        "--enlarge",
        type=_positive,
        default=1.0,
        metavar="FACTOR",
        help="resize the frames first, by a bicubic filter (default: 1)",
    )
    face.add_argument(
        "--retarget",
        type=Path,
        metavar="DATASET",
        help="a face dataset: give the landmarks the size, the place and the proportions of the person there; no "
        "frames are written then, since they show somebody else",
    )
    _add_video_choices(face)


def _add_street(kinds: "argparse._SubParsersAction[OneLineParser]") -> None:
    street = kinds.add_parser(
        "street",
        help="a Cityscapes download, folders of label maps and pictures, or videos and a segmentation network of yours",
        description="Make a street dataset of a Cityscapes download (SOURCE holds leftImg8bit_sequence/SPLIT) or of "
        "any folder of label maps: SOURCE/*.png is one sequence, SOURCE/NAME/*.png are many. Maps hold label ids, or "
        "the colours of --label_set. What can stay as it is is linked, not copied. With --segmenter SOURCE are videos "
        "and folders of them, whose labels your network finds; no network comes with this project.",
        epilog="Examples: python -m data.prepare street drive.mp4 --segmenter mine.onnx --out datasets/drive; "
        "python -m data.prepare street cityscapes --labels predicted --out datasets/street; "
        "python -m data.prepare street maps --images frames --label_set mine.json --out datasets/own",
    )
    street.add_argument(
        "sources", type=Path, nargs="+", metavar="SOURCE", help="a Cityscapes download, a folder of maps, or videos"
    )
    street.add_argument("--out", type=Path, required=True, metavar="DIR", help="the dataset's folder")
    street.add_argument("--phase", help="train (default), test, ...: which part of the dataset it is; videos are split")
    street.add_argument("--name", help="the sequence's name (default: SOURCE's; those of the folders in it, if any)")
    street.add_argument("--split", help="Cityscapes: which part of the download to take (default: as --phase); videos: "
                        "ends or videos, see --test_share")  # fmt: skip
    street.add_argument(
        "--segmenter", type=Path, metavar="ONNX", help="your network, its settings beside it in a .json (docs/data.md)"
    )
    _add_shares(street)
    street.add_argument(
        "--labels", type=Path, metavar="DIR", help="Cityscapes: predicted label maps; gtFine has one frame in thirty"
    )
    street.add_argument(
        "--min_frames", type=int, default=3, metavar="N", help="Cityscapes: leave out shorter drives (default: 3)"
    )
    street.add_argument("--images", type=Path, metavar="DIR", help="pictures, named like the label maps")
    street.add_argument("--instances", type=Path, metavar="DIR", help="instance maps, named like the label maps")
    street.add_argument(
        "--label_set",
        default="cityscapes35",
        metavar="SET",
        help="cityscapes35 (default), cityscapes19, or a JSON file of labels: names, ids and colours",
    )
    street.add_argument("--by_colour", action="store_true", help="maps with a palette are meant by colour, not number")
    street.add_argument(
        "--ignore_label", type=int, metavar="ID", help="the id that colours, and ids, of no label count as"
    )
    street.add_argument("--copy", action="store_true", help="copy files rather than link them")
    _add_video_choices(street)


def _add_paired(kinds: "argparse._SubParsersAction[OneLineParser]") -> None:
    paired = kinds.add_parser(
        "paired",
        help="two videos, frame for frame: what will be given, and what shall come out of it",
        description="Write the frames of INPUT to DIR/A/PHASE/NAME and those of WANTED to DIR/B/PHASE/NAME.",
        epilog="Example: python -m data.prepare paired grey.mp4 colour.mp4 --out datasets/colours",
    )
    paired.add_argument("inputs", type=Path, metavar="INPUT", help="any video file")
    paired.add_argument("wanted", type=Path, metavar="WANTED", help="another one of as many frames")
    _add_target(paired, name="WANTED's, without suffix")
    _add_video_choices(paired)


def _add_pose(kinds: "argparse._SubParsersAction[OneLineParser]") -> None:
    pose = kinds.add_parser(
        "pose",
        help="videos of a person each, or what OpenPose found in one: without gaps and jitter",
        description="Find the body of one person, the largest at the start, in each VIDEO (BlazePose; needs python -m "
        "data.fetch detectors and pip install -r requirements-fast.txt). Or follow one person through the files that "
        "OpenPose wrote (--openpose). Short gaps are filled, the rest is smoothed in time. OpenPose's files "
        "without --video and --images make a dataset that can drive a generator, not train one.",
        epilog="Examples: python -m data.prepare pose dance.mp4 --out datasets/dance; to let her dance what he dances: "
        "python -m data.prepare pose --openpose his_json --retarget datasets/hers --phase test --out datasets/both",
    )
    _add_videos(pose, num_videos="*")
    pose.add_argument("--openpose", type=Path, metavar="DIR", help="OpenPose's files, one a frame, in place of VIDEO")
    frames = pose.add_mutually_exclusive_group()
    frames.add_argument("--video", type=Path, metavar="FILE", help="the frames, as the video that OpenPose was given")
    frames.add_argument("--images", type=Path, metavar="DIR", help="the frames, as a folder of pictures")
    pose.add_argument("--densepose", type=Path, metavar="DIR", help="DensePose's IUV pictures, one a frame")
    pose.add_argument(
        "--smoothing",
        type=_not_negative,
        default=SMOOTHING,
        metavar="FRAMES",
        help=f"deviation of the Gaussian in time; 0 smooths nothing (default: {SMOOTHING})",
    )
    pose.add_argument(
        "--longest_gap",
        type=int,
        default=LONGEST_GAP,
        metavar="FRAMES",
        help=f"longer gaps stay open; 0 fills none (default: {LONGEST_GAP})",
    )
    pose.add_argument(
        "--retarget",
        type=Path,
        metavar="REF",
        help="a pose dataset or an OpenPose file: give the dancer the proportions and the place of the person there; "
        "no frames are written then, since they show somebody else",
    )
    _add_video_choices(pose)


def _add_shards(kinds: "argparse._SubParsersAction[OneLineParser]") -> None:
    shards = kinds.add_parser(
        "shards",
        help="a dataset of very many files as a few large ones, for clusters and slow disks",
        description="Write all sequences of a dataset of any kind into tar files DIR/shard-00000.tar, ... and leave "
        "the dataset as it is. DIR is a --dataroot like any other: files are read from their place in the shards.",
        epilog="Example: python -m data.prepare shards --dataroot datasets/street --out datasets/street_shards",
    )
    shards.add_argument("--dataroot", type=Path, required=True, metavar="DIR", help="the dataset's folder")
    shards.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder, or one of shards")
    shards.add_argument(
        "--shard_mb", type=int, default=256, metavar="N", help="size of a shard in 10^6 bytes (default: 256)"
    )


def _add_videos(kind: argparse.ArgumentParser, *, num_videos: str = "+") -> None:
    """Any number of videos, which parts of the dataset they become, and who does the work."""
    kind.add_argument("videos", type=Path, nargs=num_videos, metavar="VIDEO", help="video files, or folders of them")
    kind.add_argument("--out", type=Path, required=True, metavar="DIR", help="the dataset's folder")
    _add_shares(kind)
    kind.add_argument(
        "--split",
        choices=("ends", "videos"),
        default="ends",
        help="what is held out: the end of each video, or the last of the videos (default: %(default)s)",
    )
    kind.add_argument("--phase", help="train, test, ...: all goes to this part of the dataset, nothing is split")
    kind.add_argument("--name", help="the sequence's name, for one video (default: the file's, without suffix)")


def _add_shares(kind: argparse.ArgumentParser) -> None:
    """How much of videos is held out, and who does the work."""
    kind.add_argument(
        "--test_share",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="how much is held out in the phase test; 0: nothing (default: %(default)s)",
    )
    kind.add_argument("--jobs", type=_count, default=1, metavar="N", help="videos at the same time (default: 1)")
    kind.add_argument(
        "--shard",
        type=_shard,
        default=(1, 1),
        metavar="I/N",
        help="do the videos of process I, from 1, of N; every process gets the same VIDEO list (default: 1/1)",
    )


def _add_target(kind: argparse.ArgumentParser, *, name: str) -> None:
    """Where a sequence goes; ``name`` tells what it is called by default."""
    kind.add_argument("--out", type=Path, required=True, metavar="DIR", help="the dataset's folder")
    kind.add_argument("--phase", default="train", help="train (default), test, ...: which part of the dataset it is")
    kind.add_argument("--name", help=f"the sequence's name (default: {name})")


def _add_video_choices(kind: argparse.ArgumentParser) -> None:
    """Which frames of a video are taken, and how they are written."""
    kind.add_argument(
        "--frames",
        type=_frame_range,
        default=(0, None),
        metavar="FIRST:END",
        help="only these frames, without END; either may be left out (default: all)",
    )
    kind.add_argument("--fps", type=_positive, metavar="RATE", help="frames per second to note (default: the video's)")
    kind.add_argument("--format", choices=("png", "jpg"), default="png", help="of the pictures (default: png)")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text}")
    return int(text)


def _share(text: str) -> float:
    value = _not_negative(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to below 1, got {text}")
    return value


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"expected I/N, such as 1/8 to 8/8, got {text}")
    return int(number), int(count)


def _not_negative(text: str) -> float:
    return 0.0 if text.strip() in ("0", "0.0") else _positive(text)


def _frame_range(text: str) -> tuple[int, int | None]:
    first, colon, end = text.partition(":")
    try:
        start, stop = int(first or 0), int(end) if end else None
    except ValueError:
        colon = ""
    if not colon or start < 0 or (stop is not None and stop <= start):
        raise argparse.ArgumentTypeError(f"expected FIRST:END, such as 0:96 or 96:, got {text}")
    return start, stop
