"""Comparison of methods on the same clips: cost, speed and quality; ``table`` and ``ablation`` share it."""

import argparse
import functools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from benchmarks import macs
from benchmarks.evaluation import SequenceResult, evaluate, summarise, write_references
from benchmarks.exact_motion import write_exact_flows
from benchmarks.metrics.manifest import Result
from benchmarks.metrics.measure import FrechetMetric, Metric, Rules
from benchmarks.metrics.registry import METRICS, Sources, make_metric
from benchmarks.metrics.videos import Pair, find_videos, pair_videos
from benchmarks.protocol import Protocol, counted, cut_clips, make_protocol, read_protocol
from data.sequences import VideoSequence
from models.inference.first_frames import FirstFrames
from models.inference.pipeline import Method, make_methods
from options.config import Interpolation, Keyframes, TestConfig
from options.network_config import GeneratorConfig
from util.device import choose_device
from util.errors import UserError
from util.media.pictures import to_uint8, write_picture

EVERYWHERE = ("psnr", "ssim", "frechet_lite0", "warping_error", "flicker", "fid", "fvd", "lpips")
OF_TASK = {"face": ("landmark_error",), "pose": ("body_error", "pose_error")}
# metrics of one video alone, which measure the real one, too
NOT_ZERO_OF_REAL = {
    "warping_error": "less than that is smoother than life, not better",
    "flow_epe": "that much is the error of the estimated flow",
}
# their files are looked for in a folder a method
POSE_METRICS = ("pose_error", "keypoint_error")


@dataclass(frozen=True)
class Entry:
    """A method to compare: a checkpoint, and the way its frames become a video.

    Attributes:
        label: its name in tables.
        checkpoint: a folder.
        keyframes, share, interpolation: as ``test.py`` has them.
        series: entries of one series differ in their share alone; plots join them. Empty: of none.
    """

    label: str
    checkpoint: str
    keyframes: Keyframes = "all"
    share: float = 1.0
    interpolation: Interpolation = "dis"
    series: str = ""

    @property
    def folder(self) -> str:
        """The label, fit for a folder."""
        return re.sub(r"[^a-z0-9.]+", "_", self.label.lower()).strip("_")


@dataclass(frozen=True)
class MethodResult:
    """Figures of one method.

    Attributes:
        entry: who it is.
        cost: multiply-accumulates and parameters.
        fps: frames made a second on this device: generation and motion compensation, without reading and writing.
        ms: the same as milliseconds a frame.
        training_seed: of its checkpoint.
        results: a figure a metric.
        sequence_results: what it made of each clip.
    """

    entry: Entry
    cost: macs.Row
    fps: float
    ms: float
    training_seed: int
    results: list[Result] = field(default_factory=list)
    sequence_results: list[SequenceResult] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """Figures of all methods on one dataset.

    Attributes:
        task: ``face``, ``street``, ``pose`` or ``paired``.
        protocol: which clips.
        device: where it was timed, in words.
        frames_per_second: at which the clips play.
        method_results: one a method.
        not_measured: metrics that could not be had, and why.
        of_real_frames: figures of the real videos themselves, of metrics for which they are not 0.
    """

    task: str
    protocol: Protocol
    device: str
    frames_per_second: float
    method_results: list[MethodResult]
    not_measured: dict[str, str]
    of_real_frames: dict[str, float]

    @property
    def results(self) -> dict[str, Sequence[Result]]:
        """Figures by method."""
        return {one.entry.label: one.results for one in self.method_results}


def check_common_flags(arguments: argparse.Namespace) -> None:
    """Report mistakes before anything is loaded.

    Raises:
        UserError: a flag is missing or impossible.
    """
    if arguments.dataroot is None:
        raise UserError("--dataroot is missing: give the folder of the dataset")
    if not 0 < arguments.keyframe_share <= 1:
        raise UserError(f"--keyframe_share {arguments.keyframe_share}: expected more than 0, at most 1")
    if not 0 < arguments.num_given < arguments.clip_length:
        raise UserError(
            f"--clip_length {arguments.clip_length} --num_given {arguments.num_given}: expected 1 or more given "
            "frames, and more frames than those in a clip"
        )
    if arguments.timing_runs < 1 or arguments.max_clips < 0 or arguments.seed < 0:
        raise UserError("--timing_runs, --max_clips, --seed: expected at least 1, 0 and 0")
    unknown = [name for name in metric_names(arguments.metrics, task="face") if name not in METRICS]
    if unknown:
        raise UserError(f"--metrics {arguments.metrics}: expected some of {', '.join(METRICS)}")


def metric_names(asked: str | None, *, task: str) -> list[str]:
    """The metrics that were asked for, each once; without a wish those that make sense for the task."""
    if asked is None:
        return [*EVERYWHERE, *OF_TASK.get(task, ())]
    return list(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))


def compare(entries: Sequence[Entry], arguments: argparse.Namespace, folder: Path) -> Comparison:
    """Let all methods make all clips, and measure what they made.

    Args:
        entries: the methods; labels differ.
        arguments: what ``add_common_flags`` parsed.
        folder: gets ``frames/<method>/<clip>/*.png`` and ``<clip>.mp4``, with the real frames as one more
            method, and a video of the semantics.

    Raises:
        UserError: a checkpoint or the dataset is broken, or they do not fit together.
    """
    device = choose_device(arguments.device)
    methods = [make_method(entry, device) for entry in entries]
    data = methods[0].saved.config.data
    for entry, one in zip(entries, methods, strict=True):
        if one.saved.config.data != data:
            raise UserError(
                f"{entry.checkpoint} encodes its data in another way than {entries[0].checkpoint}; train both alike"
            )
    root = Path(arguments.dataroot)
    protocol = choose_protocol(arguments, methods[0])
    clips = list(cut_clips(protocol, data, root=root))
    sequence_results = run_clips(methods, clips, arguments, num_given=protocol.num_given, folder=folder / "frames")
    rules = Rules(clip_length=protocol.window, seed=protocol.seed, crop=crop_in_words(methods[0]))
    flows = write_exact_flows(protocol, clips, root=root, folder=folder / "flows")
    evaluator = Evaluator(arguments, task=data.dataset_mode, flows=flows, device=device)
    real = pair_videos(find_videos(folder / "frames" / "real"), clips, num_given=protocol.num_given)
    method_results = []
    for entry, one in zip(entries, methods, strict=True):
        fakes = find_videos(folder / "frames" / one.name)
        pairs = pair_videos(fakes, clips, num_given=protocol.num_given)
        results = evaluator.results(pairs, rules, method=one.name, clip_length=protocol.clip_length)
        method_results.append(make_method_result(entry, one, sequence_results[one.name], results, size=clips[0].size))
    return Comparison(
        data.dataset_mode,
        protocol,
        device_in_words(device),
        clips[0].frames_per_second,
        method_results,
        evaluator.not_measured,
        evaluator.of_real_frames(real, rules),
    )


def make_method(entry: Entry, device: torch.device) -> Method:
    """As ``test.py`` makes it."""
    config = TestConfig(
        checkpoint=entry.checkpoint,
        keyframes=entry.keyframes,
        keyframe_share=entry.share,
        interpolation=entry.interpolation,
    )
    return replace(make_methods(config, device)[0], name=entry.folder)


def choose_protocol(arguments: argparse.Namespace, method: Method) -> Protocol:
    """The one of ``--protocol``, or a new one."""
    if arguments.protocol is not None:
        return read_protocol(arguments.protocol)
    return make_protocol(
        method.saved.config.data,
        root=Path(arguments.dataroot),
        phase=arguments.phase,
        clip_length=arguments.clip_length,
        num_given=arguments.num_given,
        max_clips=arguments.max_clips,
        seed=arguments.seed,
    )


def run_clips(
    methods: list[Method],
    clips: Sequence[VideoSequence],
    arguments: argparse.Namespace,
    *,
    num_given: int,
    folder: Path,
) -> dict[str, list[SequenceResult]]:
    """Results by method, one a clip; all methods make a clip before the next one is begun."""
    first_frames = FirstFrames("real", count=num_given, device=methods[0].engine.device)
    sequence_results: dict[str, list[SequenceResult]] = {}
    for clip in clips:
        for number in range(clip.num_frames):
            real = clip.image(number)
            assert real is not None  # a protocol has no clip without
            write_picture(folder / "real" / clip.name / f"{clip.frame_name(number)}.png", to_uint8(real))
        write_references(clip, folder)
        made = evaluate(
            methods, clip, first_frames, timing_runs=arguments.timing_runs, image_format="png", folder=folder
        )
        for name, sequence_result in made.items():
            sequence_results.setdefault(name, []).append(sequence_result)
        clip.forget_encoded()
    return sequence_results


class Evaluator:
    """The metrics that can be had; what they need is loaded once."""

    def __init__(self, arguments: argparse.Namespace, *, task: str, flows: Path | None, device: torch.device) -> None:
        """Load what ``--metrics`` wants.

        Args:
            arguments: the command line.
            task: which metrics make sense.
            flows: exact flows of the clips, where the dataset has any.
            device: where to compute.

        Raises:
            UserError: none of them can be had.
        """
        given = vars(arguments)
        found = {name: given[name] for name in Sources.__dataclass_fields__ if name in given}
        self.sources = Sources(**found, flows=flows)
        self.device = device
        self.not_measured: dict[str, str] = {}
        names = metric_names(arguments.metrics, task=task)
        if arguments.metrics is None and flows is not None:
            names.append("flow_epe")
        self.names = [name for name in names if name in POSE_METRICS]
        loaded = (self._metric(name, self.sources) for name in names if name not in POSE_METRICS)
        self.metrics = [metric for metric in loaded if metric is not None]
        if not self.metrics and not self.names:
            raise UserError(next(iter(self.not_measured.values()), "--metrics: expected at least one"))

    def _metric(self, name: str, sources: Sources) -> Metric | None:
        try:
            return make_metric(name, sources, device=self.device)
        except UserError as error:
            self.not_measured[name] = str(error)
            return None

    def of_real_frames(self, real: list[Pair], rules: Rules) -> dict[str, float]:
        """What the real videos have where it is not 0: estimated flows err, and light changes along exact ones."""
        found = {one.name: one.measure(real, rules).value for one in self.metrics if one.name in NOT_ZERO_OF_REAL}
        return {name: value for name, value in found.items() if value is not None}

    def results(self, pairs: list[Pair], rules: Rules, *, method: str, clip_length: int) -> list[Result]:
        """A figure a metric; those on whole clips use these, whatever the window of the bootstrap."""
        poses = None if self.sources.poses is None else self.sources.poses / method
        own = (self._metric(name, replace(self.sources, poses=poses)) for name in self.names)
        found = []
        for metric in [*self.metrics, *(metric for metric in own if metric is not None)]:
            takes_clips = isinstance(metric, FrechetMetric) and metric.takes_whole_clips
            found.append(metric.measure(pairs, replace(rules, clip_length=clip_length) if takes_clips else rules))
        return found


def make_method_result(
    entry: Entry,
    method: Method,
    sequence_results: list[SequenceResult],
    results: list[Result],
    *,
    size: tuple[int, int],
) -> MethodResult:
    """Costs and speed over all clips."""
    saved = method.saved
    share = summarise(sequence_results, macs_per_call=0)["keyframe_share"]
    seconds = statistics.median(
        [sum(run) for run in zip(*(sequence_result.seconds for sequence_result in sequence_results), strict=True)]
    )
    num_made = sum(sequence_result.num_made for sequence_result in sequence_results)
    cost = macs.make_row(
        saved.config.data.dataset_mode,
        entry.label,
        frame_cost(saved.config.generator, saved.metadata["semantic_channels"], size),
        share=share,
        interpolation=entry.interpolation,
        published=None,
    )
    return MethodResult(
        entry=entry,
        cost=cost,
        fps=round(num_made / seconds, 4),
        ms=round(1000 * seconds / num_made, 4),
        training_seed=saved.config.run.seed,
        results=results,
        sequence_results=sequence_results,
    )


@functools.lru_cache(maxsize=32)
def frame_cost(config: GeneratorConfig, semantic_channels: int, size: tuple[int, int]) -> macs.Cost:
    """Cost of a generated frame, kept, since several methods share a checkpoint."""
    return macs.measure(config, semantic_channels=semantic_channels, size=size)


def crop_in_words(method: Method) -> str:
    """How frames were cut from their videos, for manifests."""
    data = method.saved.config.data
    return f"{data.dataset_mode}, {data.resize_or_crop}, loadSize {data.loadSize}, fineSize {data.fineSize}, by clip"


def device_in_words(device: torch.device) -> str:
    """The device, and what its speed depends on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {counted(torch.get_num_threads(), 'thread')}"
