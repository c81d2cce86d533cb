"""Quality and speed of the shipped sample models, on held-out frames and in long rollouts."""

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.evaluation import SequenceResult, evaluate_still, mean
from benchmarks.methods import run_clips
from benchmarks.metrics.identity import known_faces, make_identity
from benchmarks.metrics.label_agreement import make_label_agreement, train_segmenter
from benchmarks.metrics.landmark_error import make_landmark_error
from benchmarks.metrics.measure import Metric, Rules, Scores
from benchmarks.metrics.registry import Sources, make_metric
from benchmarks.metrics.videos import NUM_GIVEN, Video, find_videos, pair_videos
from benchmarks.rollouts import BackAndForth
from benchmarks.strips import write_animation, write_strip
from data.build import build_sequences
from data.detectors.landmarks import finder_name, finder_note, load_landmark_finder
from data.kinds.street import StreetEncoder
from data.sequences import VideoSequence
from models.inference.pipeline import Method, make_methods, noted_finder
from options.config import TestConfig
from options.data_config import DataConfig
from util.device import choose_device
from util.errors import UserError
from util.files import write_json
from util.folders import atomic_directory
from util.report.tables import text_table

JSON = "samples.json"
STILL = "still_frame"
PIPELINES = {"pipeline": ("dp", 0.25), "pipeline_fewer": ("dp", 0.15)}


@dataclass(frozen=True)
class Figure:
    """A measure of one method on one clip.

    Attributes:
        value: mean over the frames that could be measured; None without any.
        missed: share of the frames that could not be: no face, nobody.
        worse_at_end: by what share the last fifth is worse: than the first, in a rollout than the same frames when
            they first came. None where either cannot be measured.
    """

    value: float | None
    missed: float
    worse_at_end: float | None


@dataclass(frozen=True)
class Row:
    """All measures of one method on one clip; ``fps`` is None for the still frame."""

    kind: str
    clip: str
    method: str
    fps: float | None
    figures: dict[str, Figure]


def run(arguments: argparse.Namespace) -> None:
    """Measure every model that is there, print the tables, write frames, strips and JSON."""
    there = [kind for kind in arguments.kinds if (arguments.checkpoints / f"{kind}_sample_teacher").is_dir()]
    if arguments.compare:
        if len(arguments.kinds) != 1:
            raise UserError("--compare: expected one kind, got several; say which by --kinds face, street or pose")
        there = arguments.kinds
    if not there:
        raise UserError(f"{arguments.checkpoints}: expected a sample model such as face_sample_teacher, found none")
    with atomic_directory(arguments.output) as scratch:
        rows = [row for kind in there for row in measure_kind(kind, arguments, scratch / kind)]
        write_json(scratch / JSON, [asdict(row) for row in rows])
        if arguments.picture is not None:
            write_animation(arguments.picture, [shown_videos(scratch / kind) for kind in there])
    for kind in there:
        print(as_table([row for row in rows if row.kind == kind]))
        print()
    print(f"written: {arguments.output}")


def shown_videos(folder: Path) -> list[Path]:
    """Semantics, the fast pipeline's video (the teacher's where there is no student) and the real one."""
    name = next(iter(folder.glob("real/*.mp4"))).name.replace("_back_and_forth", "")
    method = "pipeline" if (folder / "pipeline").is_dir() else "teacher"
    return [folder / one / name for one in ("semantics", method, "real")]


def measure_kind(kind: str, arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """Let all methods make the held-out video and the rollout, and measure them."""
    device = choose_device(arguments.device)
    methods = sample_methods(kind, arguments, device)
    data, root = methods[0].saved.config.data, arguments.datasets / f"{kind}_sample"
    held_out = build_sequences(data, root=root, phase="test", max_frames=arguments.max_frames or None)[0]
    clips = [held_out, BackAndForth(held_out, num_frames=arguments.rollout)]
    made = run_clips(methods, clips, arguments, num_given=NUM_GIVEN, folder=folder)
    made[STILL] = [_still(clip, folder / STILL) for clip in clips]
    metrics = [make_metric(name, Sources(), device=device) for name in ("psnr", "ssim")]
    metrics += looks_right(data, root, device=device, finder=finder_name(noted_finder(methods[0].saved)))
    for clip in clips:
        write_strip(folder / f"{clip.name}.jpg", clip, [folder / "real", *(folder / name for name in made)])
    return [
        row
        for name in tqdm(made, desc=f"measuring {kind}", unit="method")
        for row in measure_method(kind, name, clips, made[name], metrics, folder=folder)
    ]


def _still(clip: VideoSequence, folder: Path) -> SequenceResult:
    """The last given frame, repeated."""
    given = [_image(clip, number) for number in range(NUM_GIVEN)]
    return evaluate_still(clip, given, given[-1], folder=folder, image_format="png")


def sample_methods(kind: str, arguments: argparse.Namespace, device: torch.device) -> list[Method]:
    """The teacher on every frame; the student, where there is one, on every frame and as pipelines.

    With ``--compare`` its checkpoints on every frame, under the names of their folders.
    """
    folder = arguments.checkpoints / f"{kind}_sample_teacher"

    def named(name: str, **chosen: object) -> Method:
        methods = make_methods(TestConfig(interpolation=arguments.interpolation, **chosen), device)  # type: ignore[arg-type]
        methods[0].name = name
        return methods[0]

    if arguments.compare:
        return [named(Path(one).name, checkpoint=one, keyframes="all") for one in arguments.compare]
    methods = [named("teacher", checkpoint=str(folder), keyframes="all")]
    student = arguments.checkpoints / f"{kind}_sample_student"
    if student.is_dir():
        fast = partial(named, checkpoint=str(student), runtime=arguments.runtime)
        methods.append(fast("student", keyframes="all"))
        for name, (keyframes, share) in PIPELINES.items():
            methods.append(fast(name, keyframes=keyframes, keyframe_share=share))
    return methods


def looks_right(data: DataConfig, root: Path, *, device: torch.device, finder: str) -> list[Metric]:
    """What tells whether frames look right: landmarks and identity, labels, or bodies found again."""
    training = build_sequences(data, root=root, phase="train")
    if data.dataset_mode == "face":
        find = load_landmark_finder(finder, follows=False)
        images = (one.image(number) for one in training for number in range(one.num_frames))
        known = known_faces((image for image in images if image is not None), find)
        return [
            make_landmark_error(find, finder=finder_note(finder), driven=None),
            make_identity(known, find, finder=finder_note(finder)),
        ]
    if data.dataset_mode == "pose":
        return [make_metric("body_error", Sources(), device=device)]
    encoder = training[0].encoder
    assert isinstance(encoder, StreetEncoder)
    labels = partial(_labels, num_labels=encoder.num_labels)
    frames = [(_image(one, number), labels(one, number)) for one in training for number in range(one.num_frames)]
    return [make_label_agreement(train_segmenter(frames, num_labels=encoder.num_labels), labels)]


def _labels(sequence: Video, number: int, *, num_labels: int) -> Tensor:
    """Numbers of the labels of a street's frame, int64 [H, W]."""
    assert isinstance(sequence, VideoSequence)
    return sequence.semantic(number)[:num_labels].argmax(dim=0)


def _image(sequence: VideoSequence, number: int) -> Tensor:
    image = sequence.image(number)
    assert image is not None  # training frames are real
    return image


def measure_method(
    kind: str,
    name: str,
    clips: Sequence[VideoSequence],
    made: Sequence[SequenceResult],
    metrics: Sequence[Metric],
    *,
    folder: Path,
) -> Iterator[Row]:
    """A row a clip."""
    for pair, result in zip(pair_videos(find_videos(folder / name), clips, num_given=NUM_GIVEN), made, strict=True):
        shown = pair.real.shown if isinstance(pair.real, BackAndForth) else None
        figures = {}
        for metric in metrics:
            found = metric.measure([pair], Rules())
            scores = found.per_frame[pair.name]
            figures[metric.name] = figure(scores, num_given=NUM_GIVEN, shown=shown, better=found.better)
        seconds = statistics.median(result.seconds) if result.seconds else None
        yield Row(kind, pair.name, name, None if seconds is None else result.num_made / seconds, figures)


def figure(scores: Scores, *, num_given: int, shown: Callable[[int], int] | None, better: str) -> Figure:
    """The figure of one measure.

    Args:
        scores: one a frame; the first ``num_given`` do not count.
        num_given: how many frames were given.
        shown: of a rollout, see ``BackAndForth.shown``; None for a video that plays once.
        better: ``lower`` or ``higher``.
    """
    made = range(num_given, len(scores))
    last = made[-max(1, len(made) // 5) :]
    first = made[: len(last)] if shown is None else [shown(number) for number in last]
    before, after = (mean([scores[number] for number in part]) for part in (first, last))
    worse = None
    if before and after is not None:
        worse = (after - before) / before * (1 if better == "lower" else -1)
    there = [scores[number] for number in made if scores[number] is not None]
    return Figure(mean(there), 1 - len(there) / len(made), worse)


def as_table(rows: Sequence[Row]) -> str:
    """The rows of one kind as text: each measure, and in brackets by how much it is worse at the end."""
    names = list(rows[0].figures)
    header = ["clip", "method", "FPS", *names, "missed"]
    lines = []
    for row in rows:
        cells = [_cell(one) for one in row.figures.values()]
        missed = max(one.missed for one in row.figures.values())
        lines.append([row.clip, row.method, "" if row.fps is None else f"{row.fps:.1f}", *cells, f"{missed:.0%}"])
    return text_table(header, lines)


def _cell(one: Figure) -> str:
    if one.value is None:
        return "?"
    value = f"{one.value:.4g}" if one.value >= 1 else f"{one.value:.4f}"
    return value if one.worse_at_end is None else f"{value} ({one.worse_at_end:+.0%})"
