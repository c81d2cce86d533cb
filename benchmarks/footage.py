"""True frames that ``benchmark.py motion`` recovers, and the semantic frames that belong to them."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from data.build import build_sequences
from data.fetch import fetched_file
from data.samples.motion_files import read_motion
from data.sequences import VideoSequence
from models.interpolation.cuts import is_cut
from options.data_config import DataConfig
from util.errors import UserError
from util.media.pictures import to_uint8
from util.media.video import read_video

WINDOW = 28  # frames, as a clip of the published evaluation
MOST_WINDOWS = 6
FACE = "carphone"
# of `python -m data.fetch videos`: the size (None: as it is), and where windows begin that no cut goes through
FETCHED_VIDEOS: tuple[tuple[str, tuple[int, int] | None, tuple[int, ...]], ...] = (
    ("carphone_pristine", None, (0, 28, 56, 84)),
    ("carphone_pristine", (256, 256), (0, 28, 56, 84)),
    ("carphone_pristine", (512, 512), (0, 28, 56, 84)),
    ("bikes", (256, 512), (0, 30, 76, 104, 137, 187)),
    ("bigbuckbunny", (256, 512), (0, 28, 56, 84)),
)
# the samples are looked at as they are, without scaling
SAMPLES = {
    "face": DataConfig(dataset_mode="face", loadSize=256),
    "street": DataConfig(dataset_mode="street", loadSize=512, use_instance=True),
    "pose": DataConfig(dataset_mode="pose", loadSize=448, no_center_crop=True),
}
# semantic maps derived from true frames: into how many labels the greys of a frame are sorted
LABELS = {"coarse maps": 4, "fine maps": 12}


@dataclass(frozen=True)
class Semantics:
    """Semantic frames of a video.

    Attributes:
        kind: of data, as ``models.interpolation.guided`` has them.
        windows: for every window its semantic frames; float16 [C, H, W], or labels uint8 [H, W] that stand for one-hot
            channels.
        num_labels: channels of the one-hot frames; 0 where the windows hold channels.
    """

    kind: str
    windows: list[list[Tensor]]
    num_labels: int = 0

    def window(self, place: int) -> list[Tensor]:
        """The semantic frames of a window as networks see them, [C, H, W]."""
        frames = self.windows[place]
        if not self.num_labels:
            return [frame.float() for frame in frames]
        return [torch.nn.functional.one_hot(frame.long(), self.num_labels).permute(2, 0, 1).float() for frame in frames]


@dataclass(frozen=True)
class Footage:
    """True frames to recover.

    Attributes:
        name: video and size.
        windows: runs of frames without a cut, uint8 [H, W, 3].
        semantics: semantic frames by name: "" for a dataset's own, "coarse maps" and "fine maps" for those that were
            derived from the true frames. The first choose key-frames.
        motions: for every window the files of exact motion; or none, where a frame of any window has none.
    """

    name: str
    windows: list[list[np.ndarray]]
    semantics: dict[str, Semantics] = field(default_factory=dict)
    motions: list[list[Path]] = field(default_factory=list)


def all_footage(arguments: Namespace, *, most_windows: int) -> Iterator[Footage]:
    """Everything that was asked for, one after another."""
    if arguments.videos:
        for path in arguments.videos:
            windows = windows_without_cut(path, most_windows=most_windows)
            yield Footage(path.stem, windows, derived_semantics(windows, of_face=False))
    elif not arguments.samples_only:
        for name, size, starts in FETCHED_VIDEOS:
            title = name.removesuffix("_pristine") + (f" {size[0]}x{size[1]}" if size else "")
            windows = read_windows(fetched_file("videos", f"{name}.mp4"), starts[:most_windows], size=size)
            yield Footage(title, windows, derived_semantics(windows, of_face=name.startswith(FACE)))
    for kind, config in SAMPLES.items():
        folder = getattr(arguments, kind)
        if folder is not None:
            for sequence in build_sequences(config, root=folder, phase=arguments.phase):
                yield sample_footage(sequence, kind=kind, motion=folder / f"{arguments.phase}_flow" / sequence.name,
                                     most_windows=most_windows)  # fmt: skip


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
        if windows[-1] and is_cut(as_tensor(windows[-1][-1]), as_tensor(frame)):
            windows[-1] = []
        windows[-1].append(frame)
        if len(windows[-1]) == WINDOW:
            if len(windows) == most_windows:
                return windows
            windows.append([])
    if not windows[:-1]:
        raise UserError(f"{path}: expected {WINDOW} frames without a cut, found none; give a longer video")
    return windows[:-1]


def derived_semantics(windows: list[list[np.ndarray]], *, of_face: bool) -> dict[str, Semantics]:
    """Semantic maps as an ideal annotator might make them, for videos that have none: they fit the frames exactly.

    Labels are greys of the blurred frame, sorted into classes that are equally common in the first frame. Of a face
    the coarse maps are its edges.
    """
    found = {}
    for name, num_labels in LABELS.items():
        if of_face and name == "coarse maps":
            edges = [[torch.from_numpy(_edges(frame))[None] for frame in window] for window in windows]
            found[name] = Semantics("face", edges)
            continue
        labels = []
        for window in windows:
            levels = np.quantile(_smooth_grey(window[0]), np.arange(1, num_labels) / num_labels)
            labels.append([
                torch.from_numpy(np.searchsorted(levels, _smooth_grey(frame)).astype(np.uint8)) for frame in window
            ])  # fmt: skip
        found[name] = Semantics("street", labels, num_labels)
    return found


def sample_footage(sequence: VideoSequence, *, kind: str, motion: Path, most_windows: int) -> Footage:
    """A sequence of a dataset; windows follow one another, and a rest of at least 8 frames counts as one too.

    Raises:
        UserError: it has no real frames.
    """
    starts = [start for start in range(0, sequence.num_frames, WINDOW) if sequence.num_frames - start >= 8]
    spans = [range(start, min(start + WINDOW, sequence.num_frames)) for start in starts[:most_windows]]
    height, width = sequence.size
    semantics = Semantics(kind, [])
    found = Footage(f"{kind} sample {height}x{width}", [], {"": semantics})
    for span in spans:
        images = [sequence.image(number) for number in span]
        frames = [to_uint8(image) for image in images if image is not None]
        if len(frames) < len(span):
            raise UserError(f"sequence {sequence.name}: expected real frames to recover, found none")
        found.windows.append(frames)
        semantics.windows.append([sequence.semantic(number).half() for number in span])
        files = [motion / f"{sequence.frame_name(number)}.npz" for number in span]
        if all(path.is_file() and read_motion(path)["forward"].shape[:2] == (height, width) for path in files):
            found.motions.append(files)
    if len(found.motions) < len(found.windows):
        found.motions.clear()
    return found


def as_tensor(picture: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] -> [3, H, W] in [-1, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 127.5 - 1


def _scaled(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    shrinks = frame.shape[1] > size[1]
    return cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _smooth_grey(frame: np.ndarray) -> np.ndarray:
    """Luma without noise and small texture, uint8 [H, W]."""
    return cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (0, 0), max(frame.shape) / 256)


def _edges(frame: np.ndarray) -> np.ndarray:
    """Lines a pixel wide, float32 [H, W], 0 or 1."""
    return cv2.Canny(_smooth_grey(frame), 20, 60).astype(np.float32) / 255
