"""Checks of a dataset that need no decoding; a training makes them before it starts.

``data.layout`` has paired and counted the files by then; here their headers are looked at.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from data.kinds.interface import Frames, wrong_size
from data.layout import PICTURE_SUFFIXES
from data.storage.picture_files import picture_size
from data.storage.shards import stamp
from data.storage.size_index import kept
from data.storage.video_files import is_video_frame
from util.errors import UserError


def size_index(root: Path, phase: str) -> Path:
    """Where the sizes of the pictures in a part of the dataset ``root`` are kept."""
    return root / f".sizes_{phase}.json"


def header_problems(sequences: Sequence[Frames], *, index: Path) -> Iterator[UserError]:
    """Every picture whose header cannot be read, or tells another size than the first of its sequence.

    Args:
        sequences: of one dataset.
        index: what keeps the sizes of tens of thousands of files from one start to the next.
    """
    pictures = [_pictures(frames) for frames in sequences]
    sizes = iter(kept([path for paths in pictures for path in paths], picture_size, stamp=stamp, index=index,
                      label="reading headers"))  # fmt: skip
    for frames, paths in zip(sequences, pictures, strict=True):
        found = [(path, next(sizes)) for path in paths]
        found += [(path, picture_size(path)) for path in _videos(frames)]
        broken = [str(size) for _, size in found if isinstance(size, UserError)]
        try:
            expected: tuple[int, int] | None = frames.size(0)
        except UserError as error:
            expected = None
            if str(error) not in broken:
                yield error
        for path, size in found:
            if isinstance(size, UserError):
                yield size
            elif expected is not None and tuple(size) != expected:
                yield wrong_size(path, tuple(size), expected)


def _pictures(frames: Frames) -> list[Path]:
    """All files of a sequence that are pictures."""
    parts = frames.files.parts.values()
    return [path for paths in parts for path in paths if path.suffix.lower() in PICTURE_SUFFIXES]


def _videos(frames: Frames) -> list[Path]:
    """The first frame of every part of a sequence that is a video: its others have the same size."""
    return [paths[0] for paths in frames.files.parts.values() if paths and is_video_frame(paths[0])]
