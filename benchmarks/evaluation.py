"""Evaluation of methods on test videos: frames, videos, quality and speed."""

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from data.build import build_sequences
from data.sequences import VideoSequence
from models.build import blank_inputs, build_generator
from models.checkpoint import Checkpoint
from models.inference.first_frames import FirstFrames
from models.inference.pipeline import Method
from options.config import TestConfig
from util.count_macs import count_macs
from util.errors import UserError
from util.image_quality import psnr, ssim
from util.media.pictures import to_uint8, write_picture
from util.media.video import VideoWriter, write_video
from util.report.page_data import PageVideo

MOST_FRAMES_OF_MEAN = 1000  # evenly spaced; a mean needs no more


@dataclass
class SequenceResult:
    """What one method made of one sequence.

    Attributes:
        sequence: its name.
        psnr, ssim: one value a frame; None where there is no real frame or the frame was given.
        key_frames: numbers of the frames that were given or generated.
        num_given: real frames at the start.
        generator_calls: frames generated.
        seconds: of every timed run, generation and motion compensation without reading and writing.
        milliseconds: the same of each frame, median of the runs; None where a frame was given.
        latency: of a live run, ``LatencyMeter.summary``; the writing of the frames before counts too.
    """

    sequence: str
    psnr: list[float | None]
    ssim: list[float | None]
    key_frames: list[int]
    num_given: int
    generator_calls: int = 0
    seconds: list[float] = field(default_factory=list)
    milliseconds: list[float | None] = field(default_factory=list)
    latency: dict[str, float] = field(default_factory=dict)

    @property
    def num_made(self) -> int:
        """Frames that were not given."""
        return len(self.psnr) - self.num_given


def record(
    frames: Iterable[Tensor],
    sequence: VideoSequence,
    *,
    num_given: int,
    key_frames: list[int],
    folder: Path,
    image_format: str,
) -> SequenceResult:
    """Write a method's frames as pictures and as a video, and compare them with the real ones.

    Args:
        frames: [3, H, W] in [-1, 1], as many as the sequence has.
        sequence: with or without real frames.
        num_given: real frames at the start; they are written and not evaluated.
        key_frames: numbers of the frames that were given or generated.
        folder: ``<folder>/<sequence>/*.png`` and ``<folder>/<sequence>.mp4``.
        image_format: ``png`` or ``jpg``.

    Raises:
        RuntimeError: when there are not as many frames as the sequence has.
    """
    result = SequenceResult(sequence.name, [], [], key_frames, num_given)
    with VideoWriter(folder / f"{sequence.name}.mp4", frames_per_second=sequence.frames_per_second) as video:
        for number, frame in enumerate(frames):
            pixels = to_uint8(frame)
            write_picture(folder / sequence.name / f"{sequence.frame_name(number)}.{image_format}", pixels)
            video.write(pixels)
            real = sequence.image(number) if number >= num_given else None
            result.psnr.append(None if real is None else psnr(frame.cpu(), real))
            result.ssim.append(None if real is None else ssim(frame.cpu(), real))
    if len(result.psnr) != sequence.num_frames:
        raise RuntimeError(f"{sequence.name}: expected {sequence.num_frames} frames, got {len(result.psnr)}")
    return result


def mean(values: Iterator[float | None] | list[float | None]) -> float | None:
    """Mean of the values that are there; None without any."""
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None


def summarise(results: list[SequenceResult], *, macs_per_call: int | None) -> dict[str, float]:
    """One method's numbers over all sequences; what does not apply is absent.

    Args:
        results: one a sequence.
        macs_per_call: exact multiply-accumulates of one generated frame; None for baselines.

    Returns:
        ``psnr`` (dB) and ``ssim``: means over all evaluated frames; ``fps``: frames made a second, median of the runs;
        ``gmacs_per_frame``: 10^9 multiply-accumulates of the network a frame made; ``keyframe_share``: generated frames
        per frame made; ``latency_median_ms``, ``latency_95th_ms``, ``latency_worst_ms``: of live runs, those of the
        worst sequence.
    """
    found = {
        "psnr": mean([value for result in results for value in result.psnr]),
        "ssim": mean([value for result in results for value in result.ssim]),
    }
    made, calls = (
        sum(result.num_made for result in results),
        sum(result.generator_calls for result in results),
    )
    if macs_per_call is not None and made > 0:
        seconds = statistics.median([sum(run) for run in zip(*(result.seconds for result in results), strict=True)])
        found |= {
            "fps": made / seconds if seconds > 0 else None,
            "gmacs_per_frame": macs_per_call * calls / made / 1e9,
            "keyframe_share": calls / made,
        }
    live = [result.latency for result in results if result.latency]
    if live:
        found |= {f"latency_{name}_ms": max(one[name] for one in live) for name in ("median", "95th", "worst")}
    return {name: round(value, 6) for name, value in found.items() if value is not None}


def evaluate(
    methods: list[Method],
    sequence: VideoSequence,
    first_frames: FirstFrames,
    *,
    timing_runs: int,
    image_format: str,
    folder: Path,
) -> dict[str, SequenceResult]:
    """Results of all methods on one sequence.

    Timed runs go in turn, so that what else the machine does hits all methods alike.

    Args:
        methods: their names are the keys of what is returned.
        sequence: what is made.
        first_frames: what every method starts from.
        timing_runs: how often everything is made, for the time.
        image_format, folder: see ``record``; each method has a folder of its name.
    """
    given = first_frames.frames(sequence)
    for method in methods:
        method.engine.warm_up(sequence.semantic(0))
    keys = {method.name: method.choose_keyframes(sequence, num_given=len(given)) for method in methods}
    results: dict[str, SequenceResult] = {}
    frame_seconds: dict[str, list[list[float | None]]] = {method.name: [] for method in methods}
    for run in range(timing_runs):
        for method in methods:
            frames = method.synthesize(sequence, keys[method.name], given)
            if run == 0:
                results[method.name] = record(
                    tqdm(frames, desc=f"{sequence.name}: {method.name}", total=sequence.num_frames, unit="frame"),
                    sequence,
                    num_given=first_frames.num_real(given),
                    key_frames=keys[method.name],
                    folder=folder / method.name,
                    image_format=image_format,
                )
                results[method.name].generator_calls = method.engine.stopwatch.generator_calls
                if method.lookahead:
                    results[method.name].latency = method.engine.latency.summary()
            else:
                for _ in frames:
                    pass
            stopwatch = method.engine.stopwatch
            results[method.name].seconds.append(stopwatch.seconds)
            frame_seconds[method.name].append(stopwatch.of_frames(keys[method.name], num_first=len(given)))
    for name, runs in frame_seconds.items():
        results[name].milliseconds = [_median_milliseconds(of_frame) for of_frame in zip(*runs, strict=True)]
    return results


def _median_milliseconds(seconds: Sequence[float | None]) -> float | None:
    there = [one for one in seconds if one is not None]
    return round(1000 * statistics.median(there), 3) if there else None


def mean_training_frame(config: TestConfig, saved: Checkpoint) -> Tensor:
    """The mean of the training frames, [3, H, W]."""
    sequences = build_sequences(saved.config.data, root=Path(config.dataroot), phase="train")
    places = [(one, number) for one in sequences for number in range(one.num_frames)]
    places = places[:: math.ceil(len(places) / MOST_FRAMES_OF_MEAN)]
    total: Tensor | None = None
    for one, number in places:
        image = one.image(number)
        if image is None or (total is not None and total.shape != image.shape):
            raise UserError(f"{config.dataroot}: --baselines needs training frames of one size; leave it out")
        total = image if total is None else total + image
    assert total is not None
    return total / len(places)


def evaluate_still(
    sequence: VideoSequence, first_frames: list[Tensor], frame: Tensor, *, folder: Path, image_format: str
) -> SequenceResult:
    """Result of one frame [3, H, W], repeated after the first ones; see ``record``."""
    num_given = len(first_frames)
    frames = itertools.chain(first_frames, itertools.repeat(frame, sequence.num_frames - num_given))
    return record(
        frames,
        sequence,
        num_given=num_given,
        key_frames=list(range(num_given)),
        folder=folder,
        image_format=image_format,
    )


def evaluate_baselines(
    sequence: VideoSequence, first_frames: list[Tensor], mean_frame: Tensor, config: TestConfig, folder: Path
) -> dict[str, SequenceResult]:
    """Results of the two baselines that know nothing but the first frames, or the training video."""
    frames = {"repeat_last_given": first_frames[-1], "mean_frame": mean_frame}
    return {
        name: evaluate_still(sequence, first_frames, frame, folder=folder / name, image_format=config.image_format)
        for name, frame in frames.items()
    }


def macs_per_call(saved: Checkpoint, size: tuple[int, int]) -> int:
    """Exact multiply-accumulates of one generated frame, counted on the meta device."""
    config, channels = saved.config.generator, saved.metadata["semantic_channels"]
    with torch.device("meta"):
        generator = build_generator(config, semantic_channels=channels)
        inputs, keywords = blank_inputs(config, semantic_channels=channels, size=size)
    return count_macs(generator, *inputs, **keywords).exact


def write_references(sequence: VideoSequence, folder: Path) -> list[PageVideo]:
    """Videos of the semantics and, where there is one, of the real frames."""
    path = folder / "semantics" / f"{sequence.name}.mp4"
    maps = (sequence.encoder.picture(sequence.semantic(number)) for number in range(sequence.num_frames))
    write_video(path, maps, frames_per_second=sequence.frames_per_second)
    videos = [PageVideo("Semantics (input)", path)]
    if sequence.image(0) is not None:
        path = folder / "real" / f"{sequence.name}.mp4"
        images = (sequence.image(number) for number in range(sequence.num_frames))
        pixels = (to_uint8(image) for image in images if image is not None)
        write_video(path, pixels, frames_per_second=sequence.frames_per_second)
        videos.append(PageVideo("Real", path))
    return videos
