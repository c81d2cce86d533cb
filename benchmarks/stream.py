"""A stream of an hour: number and times of its frames, share of key-frames, and memory.

A looped semantic video goes through the live engine with its threads and into an mp4 file, as fast as it can: a tiny
generator and tiny frames, since the length is what is tried. The file is then read back, frame time by frame time.
"""

import argparse
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from models.inference.synthesizer import Synthesizer
from models.interpolation.choose import make_interpolator
from models.networks.generator import CompositeGenerator
from util.errors import UserError
from util.files import write_json
from util.media.containers import opened_video
from util.media.pictures import to_uint8
from util.media.video import VideoWriter
from util.report.tables import text_table

try:
    import resource
except ImportError:  # Windows has none, and the other subcommands need none
    resource = None  # type: ignore[assignment]

FRAMES_PER_SECOND = 25
SIDE = 32
LOOP = 500  # frames of the semantic video, over and over
SHARE, LOOKAHEAD = 0.3, 6
# key-frames of a live stream beyond its share, as models/keyframes promises; and megabytes of growth
MOST_BEYOND_SHARE, MOST_GROWTH_MB = 3, 50.0
# memory is settled after so many frames, and looked at again after each further thousand
SETTLED, STEP = 2000, 1000


def run(arguments: argparse.Namespace) -> None:
    """Run the stream, print and write what was found.

    Raises:
        UserError: fewer frames than memory needs to settle, a system that does not report memory, or the stream was not
            exact and flat.
    """
    if resource is None:
        raise UserError(
            "benchmark.py stream: expected a system that reports the memory of a process; use Linux or macOS"
        )
    if arguments.frames <= SETTLED + STEP:
        raise UserError(f"--frames {arguments.frames}: expected more than {SETTLED + STEP}, where memory has settled")
    found = measure_stream(arguments.frames)
    shown = [[name, str(value)] for name, value in found.items() if name != "resident_mb"]
    print(text_table(["figure", "value"], shown))
    if arguments.json is not None:
        write_json(arguments.json, found)
    if not found["is_exact"] or found["growth_mb"] >= MOST_GROWTH_MB:
        raise UserError("the stream is not exact and flat: see is_exact and growth_mb above")


def semantics(num_frames: int) -> Iterator[Tensor]:
    """Semantic frames [1, H, W] of a looped video in which something always moves, at changing speed."""
    y, x = torch.meshgrid(torch.linspace(0, 1, SIDE), torch.linspace(0, 1, SIDE), indexing="ij")

    def frame(number: int) -> Tensor:
        turn = 2 * math.pi * number / LOOP
        at = 0.5 + 0.3 * math.sin(turn + math.sin(7 * turn))
        return ((x - at) ** 2 + (y - at) ** 2)[None]

    loop = [frame(number) for number in range(LOOP)]
    return itertools.islice(itertools.cycle(loop), num_frames)


def measure_stream(num_frames: int) -> dict[str, Any]:
    """Send a stream through the engine and look at everything that could drift.

    Args:
        num_frames: its length.

    Returns:
        ``frames``, and how many came out; ``wrong_times``: frames of the file that are not at number / 25 seconds;
        ``last_time_s``; ``keyframe_share`` and ``keyframes_beyond_share``; ``growth_mb``: of the resident memory after
        frame 2,000; ``resident_mb``: its course;
        ``seconds``, ``frames_per_second`` of the run; ``is_exact``: all of that is as it must be.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = CompositeGenerator(semantic_channels=1, base_channels=2, num_downsamples=1, num_blocks=1)
    engine = Synthesizer(generator, num_frames=3, interpolator=make_interpolator("blend"), device=torch.device("cpu"))
    resident: dict[int, float] = {}
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream.mp4"
        with VideoWriter(path, frames_per_second=FRAMES_PER_SECOND) as video:
            made = engine.live(semantics(num_frames), share=SHARE, lookahead=LOOKAHEAD, overlapped=True)
            for frame in tqdm(made, desc="stream", total=num_frames, unit="frame", mininterval=2):
                video.write(to_uint8(frame))
                if video.num_frames >= SETTLED and video.num_frames % STEP == 0:
                    resident[video.num_frames] = resident_mb()
        resident[video.num_frames] = resident_mb()
        seconds = time.perf_counter() - start
        times = frame_times(path)
    resolved = resident[min(resident)]
    beyond = engine.stopwatch.generator_calls - SHARE * num_frames
    due = [Fraction(number, FRAMES_PER_SECOND) for number in range(num_frames)]
    wrong = sum(time != expected for time, expected in zip(times, due, strict=False)) + abs(len(times) - len(due))
    return {
        "frames": num_frames,
        "frames_out": video.num_frames,
        "wrong_times": wrong,
        "last_time_s": float(times[-1]),
        "keyframe_share": round(engine.stopwatch.generator_calls / num_frames, 5),
        "keyframes_beyond_share": round(beyond, 1),
        "resident_settled_mb": round(resolved, 1),
        "growth_mb": round(max(resident.values()) - resolved, 1),
        "seconds": round(seconds, 1),
        "frames_per_second": round(num_frames / seconds, 1),
        "is_exact": video.num_frames == num_frames and wrong == 0 and beyond <= MOST_BEYOND_SHARE,
        "resident_mb": {str(number): round(value, 1) for number, value in resident.items()},
    }


def frame_times(path: Path) -> list[Fraction]:
    """When each frame of a video is shown, in seconds."""
    with opened_video(path) as (container, stream):
        return sorted(packet.pts * packet.time_base for packet in container.demux(stream) if packet.pts is not None)


def resident_mb() -> float:
    """Megabytes of memory that this process holds now; where the system does not report it, the most it ever held."""
    status = Path("/proc/self/statm")
    if status.is_file():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
