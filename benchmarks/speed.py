"""How many frames a second do the pipelines make here, from semantics to mp4, beside vid2vid on every frame?

Networks have random weights: speed does not depend on them. The methods run in turn, so that the machine's mood
hits all alike; every figure is a median over the rounds.
"""

import argparse
import gc
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.build import build_encoder
from data.kinds.face import FaceEncoder
from data.samples.face import sample_landmarks
from data.samples.worlds.city import City
from data.transforms import Box, Placement
from models.inference.runtimes.choose import make_runtime
from models.inference.runtimes.engines import Runtime
from models.inference.synthesizer import Foreground, Synthesizer
from models.interpolation.base import Interpolator
from models.interpolation.choose import make_interpolator
from models.interpolation.cuts import HoldAcrossCuts
from models.interpolation.guided import GuidedMotion
from models.keyframes.offline import choose_keyframes
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.generator import CompositeGenerator
from options.data_config import DataConfig
from util.count_macs import count_macs
from util.errors import UserError
from util.files import write_json
from util.media.pictures import to_uint8
from util.media.video import VideoWriter
from util.optional import is_installed
from util.report.tables import text_table

PUBLISHED_SHARE = 0.29  # of the paper's street model, see docs/benchmark.md
LOOKAHEAD = 12  # frames that our methods see ahead
NUM_FRAMES = 3
NUM_GIVEN = NUM_FRAMES - 1
FRAMES_PER_SECOND = 25.0
FACE_FRAME = (432, 528)  # of the sample's landmarks
_PACKAGES = {"openvino": ("openvino", "onnx"), "onnx": ("onnxruntime", "onnx")}


@dataclass(frozen=True)
class Setting:
    """What is drawn.

    Attributes:
        name: of the setting.
        size: height and width.
        ngf: width of the networks.
        semantic: gives the semantic frame [C, H, W] of a number; made anew every time, as at inference.
        foreground: of the foreground branch; None: the networks have none.
        depth: halvings, and residual blocks.
        num_frames: made frames of a clip that has key-frames; clips of methods that draw every frame are shorter.
    """

    name: str
    size: tuple[int, int]
    ngf: int
    semantic: Callable[[int], Tensor]
    foreground: Foreground | None
    depth: tuple[int, int] = (3, 9)
    num_frames: int = 14

    def generator(self, *, is_student: bool) -> CompositeGenerator:
        """vid2vid's generator, or the paper's low-demand student."""
        torch.manual_seed(0)
        return CompositeGenerator(
            semantic_channels=self.semantic(0).shape[0],
            num_frames=NUM_FRAMES,
            base_channels=self.ngf,
            num_downsamples=self.depth[0],
            num_blocks=self.depth[1],
            block="mobile" if is_student else "residual",
            low_demand=is_student,
            has_foreground=self.foreground is not None,
        ).eval()


@dataclass
class Method:
    """A way to make the video.

    Attributes:
        name: of the method.
        engine: makes the frames.
        gmacs: 10^9 multiply-accumulates of a drawn frame.
        weights_mb: of its network.
        num_frames: made frames of its clip.
        share: key-frames per made frame.
        is_live: chooses key-frames as we do, in one pass and with overlapping threads; else at equal distances.
        rounds: what was measured.
    """

    name: str
    engine: Synthesizer
    gmacs: float
    weights_mb: float
    num_frames: int
    share: float
    is_live: bool
    rounds: list["StreamPass"] = field(default_factory=list)


@dataclass(frozen=True)
class StreamPass:
    """One run of one method; seconds of each part, of all of its frames."""

    total: float
    encode: float
    generator: float
    interpolation: float
    write: float
    calls: int
    peak_mb: float | None


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of this subcommand."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--setting", choices=("street", "face", "all"), default="all", help="what to draw")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each method (default: 5)")
    parser.add_argument("--runtimes", nargs="+", choices=("folded", "compile", "openvino", "onnx"), metavar="NAME",
                        help="of our methods; default: those that are installed, without compile")  # fmt: skip
    parser.add_argument("--fewer_share", type=float, nargs="+", default=[0.2, 0.15], metavar="X", help="key-"
                        "frame shares of ours with fewer key-frames than published (default: 0.2 0.15)")  # fmt: skip
    parser.add_argument("--interpolation", default="dis", metavar="NAME", help="of our methods with the published "
                        "share of key-frames (default: dis)")  # fmt: skip
    parser.add_argument("--fewer_interpolation", default="guided", metavar="NAME",
                        help="of those with fewer (default: guided)")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="tiny networks: try the program, not the machine")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the tables, write the JSON."""
    if arguments.rounds < 1 or not all(0 < share <= 1 for share in arguments.fewer_share):
        raise UserError("--rounds: expected at least 1; --fewer_share: expected more than 0, at most 1")
    makers = {"street": street_setting, "face": face_setting}
    names = list(makers) if arguments.setting == "all" else [arguments.setting]
    runtimes = arguments.runtimes or [
        name for name in ("folded", "openvino", "onnx") if all(map(is_installed, _PACKAGES.get(name, ())))
    ]
    rate = matrix_product_rate(side=256 if arguments.quick else 2048)
    found: dict[str, object] = {
        "device": platform.processor() or platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "matrix_product_gmacs_per_second": round(rate, 3),
        "rounds": arguments.rounds,
        "settings": [],
    }
    settings: list[dict[str, object]] = []
    for name in names:
        setting = makers[name](is_quick=arguments.quick)
        methods = make_methods(
            setting,
            runtimes=runtimes,
            fewer_shares=arguments.fewer_share,
            interpolation=arguments.interpolation,
            fewer_interpolation=arguments.fewer_interpolation,
        )
        time_methods(methods, setting, rounds=arguments.rounds)
        settings.append(as_json(setting, methods, rate=rate))
        print(as_text(settings[-1]))
        del methods
        gc.collect()
    print(
        f"\n{torch.get_num_threads()} threads; a product of two large matrices reaches {rate:.1f} GMACs/s here: "
        "'reached' is the generator's part of it"
    )
    if arguments.json is not None:
        write_json(arguments.json, found | {"settings": settings})
        print(f"written: {arguments.json}")


def street_setting(*, is_quick: bool) -> Setting:
    """A drive through the toy city with the paper's settings: 256x512, 36 channels, foreground, ngf 128."""
    (height, width), num_frames = ((64, 128), 14) if is_quick else ((256, 512), 20)
    num_drawn = 3 if is_quick else num_frames + NUM_GIVEN
    encoder = build_encoder(DataConfig(dataset_mode="street", use_instance=True))
    # seed 2: the sample's held-out street
    city = City(seed=2).frames(num_drawn, frames_per_second=FRAMES_PER_SECOND, height=height, width=width)
    maps = [np.stack((frame.labels.astype(np.int32), frame.instances.astype(np.int32))) for frame in city]

    def semantic(number: int) -> Tensor:
        return encoder.finish(torch.from_numpy(maps[number % len(maps)]))

    depth, ngf = ((2, 2), 8) if is_quick else ((3, 9), 128)
    return Setting("street", (height, width), ngf, semantic, encoder.foreground, depth=depth, num_frames=num_frames)


def face_setting(*, is_quick: bool) -> Setting:
    """The landmarks of the face sample at 256x256 with ngf 32, encoded frame by frame without a background."""
    side = 64 if is_quick else 256
    encoder, landmarks = FaceEncoder(with_canny_edges=False), sample_landmarks()
    height, width = FACE_FRAME
    square = Box(left=(width - height) // 2, top=0, right=(width + height) // 2, bottom=height)
    placement = Placement(square, (side, side), Box(left=0, top=0, right=side, bottom=side))

    def semantic(number: int) -> Tensor:
        points = landmarks[number % len(landmarks)]
        return encoder.encode(points, placement=placement, size=FACE_FRAME, background=None)

    depth, ngf, num_frames = ((2, 2), 8, 14) if is_quick else ((3, 9), 32, 48)
    return Setting("face", (side, side), ngf, semantic, None, depth=depth, num_frames=num_frames)


def make_methods(
    setting: Setting,
    *,
    runtimes: Sequence[str],
    fewer_shares: Sequence[float],
    interpolation: str,
    fewer_interpolation: str,
) -> list[Method]:
    """All methods of a setting; the first is vid2vid on every frame, in eager fp32."""
    every = max(1, setting.num_frames // 14)
    teacher, student = setting.generator(is_student=False), setting.generator(is_student=True)
    published = within_scene("minterpolate", setting)
    fewer = within_scene(fewer_interpolation, setting)
    ours = [
        ("ours_{}", PUBLISHED_SHARE, within_scene(interpolation, setting)),
        *((f"ours_{{}}_share_{share:g}", share, fewer) for share in fewer_shares),
    ]
    make = partial(make_method, setting)
    methods = [
        make("vid2vid_every_frame", teacher, teacher, num_frames=every, share=1.0, interpolator=published),
        make("student_every_frame", student, student, num_frames=2 * every, share=1.0, interpolator=published),
        make("published_recipe", student, student, share=PUBLISHED_SHARE, interpolator=published),
    ]
    for name in runtimes:
        fast = make_runtime(student, name=name, precision="auto", device=torch.device("cpu")).runtime
        for label, share, between in ours:
            methods.append(make(label.format(name), student, fast, share=share, interpolator=between, is_live=True))
    return methods


def within_scene(name: str, setting: Setting) -> Interpolator:
    """The interpolator of that name without its look for cuts: what random weights draw might pass for one."""
    if name == "guided":
        return GuidedMotion(kind=setting.name, holds_cuts=False)
    interpolator = make_interpolator(name)
    return interpolator.within_scene if isinstance(interpolator, HoldAcrossCuts) else interpolator


def make_method(
    setting: Setting,
    name: str,
    generator: VideoGenerator,
    runtime: Runtime,
    *,
    share: float,
    interpolator: Interpolator,
    num_frames: int | None = None,
    is_live: bool = False,
) -> Method:
    """A method, whose network is counted and warmed up."""
    engine = Synthesizer(
        runtime,
        num_frames=NUM_FRAMES,
        interpolator=interpolator,
        device=torch.device("cpu"),
        foreground=setting.foreground,
    )
    weights = sum(parameter.numel() * parameter.element_size() for parameter in generator.parameters())
    return Method(
        name,
        engine,
        gmacs=_gmacs(setting, is_student=generator.low_demand) if isinstance(generator, CompositeGenerator) else 0.0,
        weights_mb=weights / 2**20,
        num_frames=setting.num_frames if num_frames is None else num_frames,
        share=share,
        is_live=is_live,
    )


def _gmacs(setting: Setting, *, is_student: bool) -> float:
    with torch.device("meta"):
        generator = setting.generator(is_student=is_student)
        semantic = torch.empty(1, generator.semantic_channels, *setting.size)
        previous = torch.empty(1, generator.previous_channels, *setting.size)
        mask = {"foreground_mask": torch.empty(1, 1, *setting.size)} if generator.has_foreground else {}
    return count_macs(generator, semantic, previous, **mask).exact / 1e9


def time_methods(methods: list[Method], setting: Setting, *, rounds: int) -> None:
    """Let all methods run in turn, ``rounds`` times, after a round that is not counted."""
    for one in methods:
        one.engine.warm_up(setting.semantic(0))
    for _ in range(rounds):
        for one in methods:
            one.rounds.append(run_once(one, setting))


def run_once(one: Method, setting: Setting) -> StreamPass:
    """Semantics to mp4, once; frames that are given cost nothing and count for nothing."""
    gc.collect()
    before = _reset_peak_mb()
    encoding = [0.0]

    def semantic(number: int) -> Tensor:
        start = time.perf_counter()
        frame = setting.semantic(number)
        encoding[0] += time.perf_counter() - start
        return frame

    first_frames = [torch.zeros(3, *setting.size), torch.full((3, *setting.size), 0.1)]
    writing = 0.0
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with VideoWriter(Path(folder) / "clip.mp4", frames_per_second=FRAMES_PER_SECOND) as video:
            for frame in frames_of(one, semantic, first_frames):
                start_writing = time.perf_counter()
                video.write(to_uint8(frame))
                writing += time.perf_counter() - start_writing
        total = time.perf_counter() - start
    if video.num_frames != one.num_frames + NUM_GIVEN:
        raise RuntimeError(f"{one.name}: expected {one.num_frames + NUM_GIVEN} frames, got {video.num_frames}")
    watch = one.engine.stopwatch
    peak = None if before is None else one.weights_mb + _peak_mb() - before
    return StreamPass(
        total=total,
        encode=encoding[0],
        generator=watch.generator_seconds,
        interpolation=watch.interpolator_seconds,
        write=writing,
        calls=watch.generator_calls,
        peak_mb=peak,
    )


def frames_of(one: Method, semantic: Callable[[int], Tensor], first_frames: list[Tensor]) -> Iterator[Tensor]:
    """The method's clip, the given frames first."""
    numbers = range(one.num_frames + NUM_GIVEN)
    if one.is_live:
        stream: Iterable[Tensor] = map(semantic, numbers)
        return one.engine.live(stream, share=one.share, lookahead=LOOKAHEAD, first_frames=first_frames, overlapped=True)
    nothing = torch.zeros(len(numbers), 1)
    keys = choose_keyframes(nothing, method="uniform", share=one.share, num_given=NUM_GIVEN)
    return one.engine.frames(semantic, key_frames=keys, first_frames=first_frames)


def matrix_product_rate(*, side: int, repetitions: int = 5) -> float:
    """10^9 multiply-accumulates a second of a product of two square matrices in fp32: what this machine can do."""
    a, b = torch.rand(2, side, side).unbind()
    seconds = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return side**3 / statistics.median(seconds[1:]) / 1e9


def _reset_peak_mb() -> float | None:
    """Forget the largest resident memory of this process; returns what it has now. None where Linux is not."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _status_mb("VmRSS")


def _peak_mb() -> float:
    return _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def as_json(setting: Setting, methods: list[Method], *, rate: float) -> dict[str, object]:
    """A setting's figures; the first method's frame rate is the unit of ``ratio_to_vid2vid``."""
    first = _frames_per_second(methods[0])
    return {
        "name": setting.name,
        "size": list(setting.size),
        "ngf": setting.ngf,
        "methods": [_figures(one, first=first, rate=rate) for one in methods],
    }


def _frames_per_second(one: Method) -> float:
    return one.num_frames / statistics.median(round.total for round in one.rounds)


def _figures(one: Method, *, first: float, rate: float) -> dict[str, object]:
    fps = _frames_per_second(one)
    parts = {
        part: round(1000 * statistics.median(getattr(run, part) for run in one.rounds) / one.num_frames, 3)
        for part in ("encode", "generator", "interpolation", "write")
    }
    calls = one.rounds[0].calls
    drawing = one.gmacs * calls / statistics.median(run.generator for run in one.rounds)
    peaks = [run.peak_mb for run in one.rounds if run.peak_mb is not None]
    return {
        "name": one.name,
        "fps": round(fps, 4),
        "ms_per_frame": parts,
        "peak_mb": round(max(peaks), 1) if peaks else None,
        "keyframe_share": round(calls / one.num_frames, 4),
        "ratio_to_vid2vid": round(fps / first, 3),
        "gmacs_per_frame": round(one.gmacs * calls / one.num_frames, 3),
        "generator_gmacs_per_second": round(drawing, 3),
        "of_matrix_product": round(drawing / rate, 3),
    }


def as_text(setting: dict) -> str:
    """A setting's table."""
    header = ["method", "frames/s", "x vid2vid", "encode", "generator", "interp.", "write", "peak MB", "share",
              "GMACs/frame", "GMACs/s", "reached"]  # fmt: skip
    rows = [
        [
            one["name"],
            f"{one['fps']:.3g}",
            f"{one['ratio_to_vid2vid']:.2f}",
            *(f"{value:.1f}" for value in one["ms_per_frame"].values()),
            "?" if one["peak_mb"] is None else f"{one['peak_mb']:.0f}",
            f"{one['keyframe_share']:.2f}",
            f"{one['gmacs_per_frame']:.4g}",
            f"{one['generator_gmacs_per_second']:.1f}",
            f"{one['of_matrix_product']:.2f}",
        ]
        for one in setting["methods"]
    ]
    height, width = setting["size"]
    title = f"\n{setting['name']}, {height}x{width}, ngf {setting['ngf']}; parts in milliseconds per frame made\n\n"
    return title + text_table(header, rows)
