"""How good, how fast and how cheap were a method's frames?"""

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from data.sequences import VideoSequence
from data.storage.picture_files import write_picture
from util.image_quality import psnr, ssim
from util.media.pictures import to_uint8
from util.media.video import VideoWriter


@dataclass
class SequenceResult:
    """What one method made of one sequence.

    Attributes:
        sequence: its name.
        psnr, ssim: one value a frame; None where there is no real frame or the frame was given.
        key_frames: numbers of the frames that were given or drawn.
        num_given: real frames at the start.
        generator_calls: frames drawn.
        seconds: of every timed run, drawing and motion compensation without reading and writing.
        latency: of a live run, ``LatencyMeter.summary``; the writing of the frames before counts too.
    """

    sequence: str
    psnr: list[float | None]
    ssim: list[float | None]
    key_frames: list[int]
    num_given: int
    generator_calls: int = 0
    seconds: list[float] = field(default_factory=list)
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
        num_given: real frames at the start; they are written and not judged.
        key_frames: numbers of the frames that were given or drawn.
        folder: ``<folder>/<sequence>/*.png`` and ``<folder>/<sequence>.mp4``.
        image_format: ``png`` or ``jpg``.

    Raises:
        RuntimeError: when there are not as many frames as the sequence has.
    """
    take = SequenceResult(sequence.name, [], [], key_frames, num_given)
    with VideoWriter(folder / f"{sequence.name}.mp4", frames_per_second=sequence.frames_per_second) as video:
        for number, frame in enumerate(frames):
            pixels = to_uint8(frame)
            write_picture(folder / sequence.name / f"{sequence.frame_name(number)}.{image_format}", pixels)
            video.write(pixels)
            real = sequence.image(number) if number >= num_given else None
            take.psnr.append(None if real is None else psnr(frame.cpu(), real))
            take.ssim.append(None if real is None else ssim(frame.cpu(), real))
    if len(take.psnr) != sequence.num_frames:
        raise RuntimeError(f"{sequence.name}: expected {sequence.num_frames} frames, got {len(take.psnr)}")
    return take


def mean(values: Iterator[float | None] | list[float | None]) -> float | None:
    """Mean of the values that are there; None without any."""
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None


def summarise(takes: list[SequenceResult], *, macs_per_call: int | None) -> dict[str, float]:
    """One method's numbers over all sequences; what does not apply is absent.

    Args:
        takes: one a sequence.
        macs_per_call: exact multiply-accumulates of one drawn frame; None for baselines.

    Returns:
        ``psnr`` (dB) and ``ssim``: means over all judged frames; ``fps``: frames made a second, median of the runs;
        ``gmacs_per_frame``: 10^9 multiply-accumulates of the network a frame made; ``keyframe_share``: drawn frames
        per frame made; ``latency_median_ms``, ``latency_95th_ms``, ``latency_worst_ms``: of live runs, those of the
        worst sequence.
    """
    found = {
        "psnr": mean([value for take in takes for value in take.psnr]),
        "ssim": mean([value for take in takes for value in take.ssim]),
    }
    made, calls = sum(take.num_made for take in takes), sum(take.generator_calls for take in takes)
    if macs_per_call is not None and made > 0:
        seconds = statistics.median([sum(run) for run in zip(*(take.seconds for take in takes), strict=True)])
        found |= {
            "fps": made / seconds if seconds > 0 else None,
            "gmacs_per_frame": macs_per_call * calls / made / 1e9,
            "keyframe_share": calls / made,
        }
    live = [take.latency for take in takes if take.latency]
    if live:
        found |= {f"latency_{name}_ms": max(one[name] for one in live) for name in ("median", "95th", "worst")}
    return {name: round(value, 6) for name, value in found.items() if value is not None}
