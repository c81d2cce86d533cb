"""The command line of ``benchmark.py``. It imports nothing heavy, so that ``--help`` answers at once."""

import argparse
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import get_args

from data.prepare.command_line import FINDERS
from options.config import Interpolation, TestConfig
from util.errors import OneLineParser

KINDS = ("face", "street", "pose")
STAGES = ("teacher", "skd", "tkd")
GAPS = ("2", "3", "4", "6", "irregular")
DEFAULT_METRICS = "psnr,ssim,frechet_lite0,warping_error,flicker"
RESULT_FILE = "quality.json"
HOUR = 90_000  # frames, at 25 a second
VARIANTS = {
    "no_kd": "no KD",
    "skd": "SKD",
    "keyframes": "SKD, then key-frames without TKD",
    "tkd": "SKD + TKD",
}
NARROW = "narrow student"
SHARES = (0.2, 0.3, 0.5, 1.0)
WIDTHS = (128, 96, 64, 48, 32, 24, 16)
INTERPOLATIONS: tuple[Interpolation, ...] = ("dis", "blocks", "minterpolate", "blend")
# those of benchmarks.metrics and benchmarks.motion_methods, which take long to import; a test compares them
CLIP_LENGTH, NUM_GIVEN = 28, 2
METRICS = (
    "psnr", "ssim", "lpips", "fid", "frechet_lite0", "fvd", "warping_error", "flicker", "flow_epe",
    "landmark_error", "body_error", "pose_error", "keypoint_error",
)  # fmt: skip
BACKBONES = ("alex", "vgg")
MOTION_METHODS = (
    "minterpolate, streaming", "published pipeline", "minterpolate", "nearest", "blend", "blocks",
    "dis-fast", "dis", "dis-medium",
)  # fmt: skip


def build_parser(description: str) -> argparse.ArgumentParser:
    """The command line; the parsed arguments hold the subcommand's function as ``run``."""
    parser = OneLineParser(description=description)
    subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, (module, add_flags, summary) in SUBCOMMANDS.items():
        flags = subcommands.add_parser(name, help=summary, description=summary)
        flags.add_argument("--debug", action="store_true", help="show the traceback of an error")
        add_flags(flags)
        flags.set_defaults(run=partial(_run, module))
    return parser


def _run(module: str, arguments: argparse.Namespace) -> None:
    import_module(f"benchmarks.{module}").run(arguments)


def _add_metrics(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("results", nargs="?", type=Path, metavar="RESULTS_DIR", help="what test.py wrote: a folder a method")
    add("--fake", type=Path, action="append", default=[], metavar="DIR", help="generated frames, a folder of pictures "
        "a sequence; may be given several times, once a method")  # fmt: skip
    add("--real", type=Path, metavar="DIR", help="real frames of the same names, cut and scaled alike")
    add("--checkpoint", metavar="FOLDER", help="in place of --real: read the real frames from the dataset as this "
        "model sees them")  # fmt: skip
    add("--dataroot", metavar="DIR", help="the dataset for --checkpoint (default: that of RESULTS_DIR)")
    add("--phase", default="test", help="its part (default: %(default)s)")
    add("--start_frame", type=int, default=0, metavar="N", help="test.py's --start_frame (default: 0)")
    add("--max_frames", type=int, default=0, metavar="N", help="test.py's --max_frames (default: 0, all)")
    add("--metrics", default=DEFAULT_METRICS, metavar="A,B,…", help=f"of {', '.join(METRICS)} (default: %(default)s)")
    add("--num_given", type=int, metavar="N", help="first frames of a sequence that are not evaluated (default: what "
        f"RESULTS_DIR says, else {NUM_GIVEN})")  # fmt: skip
    add("--clip_length", type=int, default=CLIP_LENGTH, metavar="N", help="frames of a clip: the unit of the "
        "bootstrap, and what fvd looks at (default: %(default)s)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: 0)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    _add_weight_flags(parser)
    add("--landmarks", type=Path, metavar="DIR", help="landmarks that drove the video, in pixels of its frames")
    add("--poses", type=Path, metavar="DIR", help="OpenPose files of the generated frames")
    add("--driven_poses", type=Path, metavar="DIR", help="OpenPose files that drove the video")
    add("--flows", type=Path, metavar="DIR", help="exact flows, .flo or .npy")
    add("--beside", type=Path, action="append", default=[], metavar="FILE", help="results of an earlier run, for the "
        "same table; may be given several times")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help=f"where results go (default: {RESULT_FILE} in RESULTS_DIR or --fake)")


def _add_macs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="FOLDER", help="count this model too; "
                        "may be given several times")  # fmt: skip
    parser.add_argument("--keyframe_share", type=float, default=TestConfig.keyframe_share, metavar="X",
                        help="of our own students (default: %(default)s, test.py's)")  # fmt: skip
    parser.add_argument("--interpolation", choices=get_args(Interpolation), default="dis",
                        help="motion compensation whose operations are estimated (default: %(default)s)")  # fmt: skip


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="which to time")
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each variant (median)")
    parser.add_argument("--json", metavar="FILE", help="write what was measured")
    parser.add_argument("train_flags", nargs="*", metavar="-- FLAGS", help="flags of train.py, after --: the size")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--files", type=int, default=50_000, metavar="N",
                        help="of the dataset whose start is timed (default: %(default)s)")  # fmt: skip
    parser.add_argument("--clip_frames", type=int, default=12, metavar="N", help="of a clip (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="X",
                        help="how long each rate is measured (default: %(default)s)")  # fmt: skip
    parser.add_argument("--folder", type=Path, metavar="DIR",
                        help="where datasets are made for a while (default: the system's folder for such)")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a second each, 2000 files: to see whether it works")


def _add_branches(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    shape = parser.add_argument_group("the shape of our students", "what is published keeps its own")
    shape.add_argument("--no_flow", action="store_true", help="without the flow branch")
    shape.add_argument("--no_fg", action="store_true", help="without the foreground branch of streets")
    return shape


def _add_speed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--setting", choices=("street", "face_512", "pose", "face", "all"), default="all", help="what "
                        "to generate: the paper's three, and live faces of 256x256 (default: all)")  # fmt: skip
    parser.add_argument("--precisions", nargs="+", choices=("auto", "fp32", "bf16", "fp16", "int8"), default=["auto"],
                        metavar="NAME", help="of our methods, where the runtime has them: auto, fp32, bf16, fp16, int8 "
                        "(default: auto)")  # fmt: skip
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default: cpu)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each method (default: 5)")
    parser.add_argument("--runtimes", nargs="+", choices=("folded", "compile", "openvino", "onnx"), metavar="NAME",
                        help="of our methods; default: those that are installed, without compile")  # fmt: skip
    parser.add_argument("--fewer_share", type=float, nargs="+", default=[0.2, 0.15], metavar="X", help="key-"
                        "frame shares of ours with fewer key-frames than published (default: 0.2 0.15)")  # fmt: skip
    parser.add_argument("--interpolation", default="dis", metavar="NAME", help="of our methods with the published "
                        "share of key-frames (default: dis)")  # fmt: skip
    parser.add_argument("--fewer_interpolation", default="guided", metavar="NAME",
                        help="of those with fewer (default: guided)")  # fmt: skip
    shape = _add_branches(parser)
    shape.add_argument("--ngf", type=int, default=0, metavar="N", help="width (default: the setting's)")
    parser.add_argument("--quick", action="store_true", help="tiny networks: try the program, not the machine")


def _add_stream(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=HOUR, metavar="N",
                        help="length; default: %(default)s, an hour at 25 frames per second")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")


def _add_motion(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--videos", nargs="+", type=Path, metavar="FILE", help="other videos than those of python -m data.fetch videos")
    for kind in KINDS:
        text = f"a {kind} dataset, as python -m data.samples {kind} writes it: its semantic frames guide the motion"
        add(f"--{kind}", type=Path, metavar="DIR", help=text + "; exact motion is compared with where there is any")
    add("--phase", default="test", help="its part (default: %(default)s)")
    add("--checkpoints", nargs="+", default=[], metavar="FOLDER",
        help="students, whose generated frames of the datasets are measured too")  # fmt: skip
    add("--gaps", nargs="+", default=list(GAPS), metavar="N",
        help=f"distances of key-frames, or irregular (default: {' '.join(GAPS)})")  # fmt: skip
    add("--methods", "--contestants", dest="methods", nargs="+", choices=MOTION_METHODS, metavar="NAME", default=None,
        help=f"of {', '.join(MOTION_METHODS)} (default: all but minterpolate)")  # fmt: skip
    add("--samples_only", action="store_true", help="leave out the fetched videos")
    add("--quick", action="store_true", help="one window a video, gap 3, five methods")
    add("--json", type=Path, metavar="FILE", help="write the rows there too")


def _add_shipped_models(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="which models (default: all)")
    add("--checkpoints", type=Path, default=Path("checkpoints"), metavar="DIR", help="where KIND_sample_teacher and "
        "KIND_sample_student are (default: %(default)s)")  # fmt: skip
    add("--datasets", type=Path, default=Path("datasets"), metavar="DIR", help="where KIND_sample is (default: "
        "%(default)s)")  # fmt: skip
    add("--max_frames", type=int, default=0, metavar="N", help="only the first N held-out frames (default: 0, all)")


def _add_samples(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _add_shipped_models(parser)
    add("--compare", nargs="+", default=[], metavar="FOLDER", help="in place of the shipped models: these checkpoints, "
        "on every frame; of one kind (--kinds)")  # fmt: skip
    add("--rollout", type=int, default=300, metavar="N", help="frames of the long rollout, which plays the held-out "
        "video forwards and backwards (default: %(default)s)")  # fmt: skip
    add("--runtime", default="folded", help="of the student (default: %(default)s)")
    add("--interpolation", default="guided", help="of the pipelines (default: %(default)s)")
    add("--timing_runs", type=int, default=3, metavar="N", help="repetitions behind frames a second, in turn (median; "
        "default: %(default)s)")  # fmt: skip
    add("--picture", type=Path, metavar="WEBP", help="write an animation, too: semantics, generated and real, a row a "
        "kind")  # fmt: skip
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    add("--output", type=Path, default=Path("results/samples"), metavar="DIR", help="where results go (default: "
        "%(default)s)")  # fmt: skip


def _add_precision(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _add_shipped_models(parser)
    add("--timing_runs", type=int, default=1, metavar="N", help="repetitions behind milliseconds (default: 1)")
    add("--output", type=Path, default=Path("results/precision"), metavar="DIR", help="where results go (default: "
        "%(default)s)")  # fmt: skip


def _add_gpu(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", default="cuda", help="cuda, cuda:1; cpu tries the program (default: cuda)")
    add("--quick", action="store_true", help="tiny networks: try the program, not the machine")
    add("--dataroot", type=Path, default=Path("datasets/street_sample"), metavar="DIR", help="streets to train on "
        "(default: %(default)s)")  # fmt: skip
    add("--minutes", type=float, default=25.0, metavar="X", help="all parts together (default: 25)")
    add("--json", type=Path, default=Path("gpu_check.json"), metavar="FILE", help="what is written (default: "
        "%(default)s)")  # fmt: skip


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoints", nargs="+", metavar="FOLDER", help="the original generator, the low-demand "
                        "student, and, where it is another one, the part-time student")  # fmt: skip
    parser.add_argument("--baseline", action="append", default=[], metavar="FOLDER", help="a further generator, run "
                        "at every frame, such as a narrower one; may be given several times")  # fmt: skip
    parser.add_argument("--merge", nargs="+", type=Path, metavar="FILE", help="in place of all else: bring the "
                        "table.json of several seeds together")  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("results/table"), metavar="DIR",
                        help="where results go (default: %(default)s)")  # fmt: skip
    _add_common_flags(parser, timing_runs=3)


def _add_ablation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--teacher", required=True, metavar="FOLDER", help="the original generator")
    for flag, name in VARIANTS.items():
        parser.add_argument(f"--{flag}", metavar="FOLDER", help=f"student: {name}")
    parser.add_argument("--narrow", metavar="FOLDER", help="student: narrower than the others (train.py --ngf, --init)")
    parser.add_argument("--baseline", action="append", default=[], metavar="FOLDER", help="a narrower generator; may "
                        "be given several times")  # fmt: skip
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES), metavar="X",
                        help="key-frame shares of every student")  # fmt: skip
    parser.add_argument("--interpolations", nargs="+", choices=get_args(Interpolation), default=list(INTERPOLATIONS),
                        help="of the last student, at --keyframe_share; the first one serves all else")  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("results/ablation"), metavar="DIR",
                        help="where results go (default: %(default)s)")  # fmt: skip
    _add_common_flags(parser, timing_runs=1)


def _add_width(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--setting", choices=("street", "face_512", "pose", "face"), default="street", help="what is drawn: the "
        "paper's three, and live faces of 256x256 (default: %(default)s)")  # fmt: skip
    add("--widths", type=int, nargs="+", default=list(WIDTHS), metavar="NGF", help="of the students (default: "
        f"{' '.join(map(str, WIDTHS))})")  # fmt: skip
    add("--keyframe_share", type=float, default=TestConfig.keyframe_share, metavar="X", help="of the students; 1: "
        "every frame is generated (default: %(default)s)")  # fmt: skip
    add("--rounds", type=int, default=3, metavar="N", help="runs behind the milliseconds (median); 0: count alone "
        "(default: %(default)s)")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the rows there too")
    add("--quick", action="store_true", help="small frames and few blocks: try the program, not the machine")
    add("--checkpoint", metavar="FOLDER", help="with --target, in place of the table: print the --ngf at which this "
        "generator would cost as much as that")  # fmt: skip
    add("--target", metavar="FOLDER", help="the student whose cost is the goal")
    _add_branches(parser)


def _add_blend(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--checkpoint", nargs="+", required=True, metavar="FOLDER", help="one or several")
    add("--dataroot", required=True, metavar="DIR", help="folder of the dataset")
    add("--phase", default="test", help="its part (default: %(default)s)")
    add("--shift", type=float, nargs="+", default=[0.0], metavar="X", help="also continue the model's own frames with "
        "so much added to the blending head's bias; below 0 shows less of what is drawn (default: 0)")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the rows there too")


def _add_common_flags(parser: argparse.ArgumentParser, *, timing_runs: int) -> None:
    """The flags that say on what and how methods are evaluated."""
    add = parser.add_argument
    add("--dataroot", metavar="DIR", help="folder of the dataset")
    add("--phase", default="test", help="its part (default: %(default)s)")
    add("--protocol", type=Path, metavar="FILE", help="evaluate the clips that this file names (default: cut anew and "
        "written to protocol.json of the output)")  # fmt: skip
    add("--clip_length", type=int, default=CLIP_LENGTH, metavar="N", help="frames of a clip, given ones included "
        "(default: %(default)s, the paper's)")  # fmt: skip
    add("--num_given", type=int, default=NUM_GIVEN, metavar="N", help="real frames at the start of each clip "
        "(default: %(default)s, the paper's)")  # fmt: skip
    add("--max_clips", type=int, default=0, metavar="N", help="only the first N clips (default: 0, all)")
    add("--keyframe_share", type=float, default=TestConfig.keyframe_share, metavar="X", help="key-frames per output "
        "frame of ours (default: %(default)s)")  # fmt: skip
    add("--metrics", metavar="A,B,…", help=f"of {', '.join(METRICS)} (default: those that the task has)")
    add("--timing_runs", type=int, default=timing_runs, metavar="N", help="repetitions behind frames a second, in turn "
        "(median; default: %(default)s)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: 0)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    _add_weight_flags(parser)
    add("--poses", type=Path, metavar="DIR", help="OpenPose files found in frames/ of an earlier run: "
        "DIR/METHOD/CLIP")  # fmt: skip
    add("--driven_poses", type=Path, metavar="DIR", help="those found in its frames/real: DIR/CLIP")


def _add_weight_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that say where the weights of metrics are; their names are those of ``Sources``."""
    add = parser.add_argument
    add("--inception_weights", metavar="FILE", help="FID's Inception (default: torch's cache)")
    add("--i3d_weights", metavar="FILE", help="I3D's rgb_imagenet.pt")
    add("--lpips_net", choices=BACKBONES, default="alex", help="backbone of lpips (default: %(default)s)")
    add("--lpips_backbone", metavar="FILE", help="its weights (default: torch's cache)")
    add("--lpips_linear", metavar="FILE", help="the weights of its channels (default: those of the package lpips)")
    add("--finder", choices=FINDERS, default=FINDERS[0], help="of landmarks in frames: the one that the "
        "dataset was made with (default: %(default)s)")  # fmt: skip


# module, flags and help by name, in the order of --help
SUBCOMMANDS = {
    "metrics": (
        "metrics.evaluate",
        _add_metrics,
        "Quality of generated frames: RESULTS_DIR of test.py, or --fake DIR --real DIR.",
    ),
    "macs": (
        "macs",
        _add_macs,
        "Multiply-accumulates and parameters of the generators, beside the paper's own figures.",
    ),
    "training": ("training", _add_training, "Time of a training step by stage and part, and what sharing work saves."),
    "data": ("data_loading", _add_data, "Clips per second of a loading process, from pictures, videos and shards."),
    "speed": ("speed", _add_speed, "Speed of whole pipelines, from semantics to mp4, beside vid2vid."),
    "stream": ("stream", _add_stream, "A stream of an hour: times of its frames, share of key-frames, and memory."),
    "motion": ("motion", _add_motion, "Quality and time of motion compensation on true frames."),
    "samples": ("samples", _add_samples, "Quality and speed of the shipped sample models, also in long rollouts."),
    "precision": ("precision", _add_precision, "Quality of the sample models in fp32, bf16 and int8."),
    "blend": ("blend", _add_blend, "What a generator draws against what it moves: how good, and how much is shown."),
    "gpu": ("gpu_check", _add_gpu, "All that needs a GPU: tests, trainings, speed, in one JSON."),
    "table": ("method_table", _add_table, "Table of our models on the same clips, beside the paper's table."),
    "ablation": ("ablation", _add_ablation, "What each part of the method earns, key-frame shares, interpolators."),
    "width": (
        "width",
        _add_width,
        "Cost of students against width; or the width at which a plain generator costs what a student costs.",
    ),
}
