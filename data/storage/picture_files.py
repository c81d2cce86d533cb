"""Picture files become arrays; an error names the file."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from data.storage.shards import open_file
from data.storage.video_files import is_video_frame, read_video_frame, video_table
from util.errors import UserError

# What Pillow raises for a file that is missing, cut off, damaged or no picture at all; SyntaxError is a broken PNG.
_READ_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
# Pillow's names of the pictures that hold numbers: 1 and 8 bits, palette, 16 bits (I: as older versions have them).
_ID_MODES = ("1", "L", "P", "I;16", "I;16B", "I;16L", "I")


def read_picture(path: Path, *, mode: str = "RGB") -> np.ndarray:
    """Decode the whole picture at ``path``.

    Args:
        path: a PNG, JPEG or other file that Pillow knows, or a frame of a video file.
        mode: Pillow's name of the wanted pixel type; a picture of another type is converted.

    Returns:
        uint8 [H, W, 3] for ``RGB``, [H, W] for ``L``.

    Raises:
        UserError: the file is missing, no picture, or cut off. A cut picture is never returned with its rest in grey.
    """
    if is_video_frame(path):
        frame = read_video_frame(path)
        return frame if mode == "RGB" else np.array(Image.fromarray(frame).convert(mode))
    try:
        with _opened(path) as picture:
            picture.load()
            return np.array(picture if picture.mode == mode else picture.convert(mode))
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error


def read_ids(path: Path) -> np.ndarray:
    """Decode a picture whose pixels are numbers, such as a label map, without turning them into colours.

    Args:
        path: a grey picture of 8 or 16 bits, or one with a palette, of which the indices count.

    Returns:
        uint16 [H, W].

    Raises:
        UserError: the file is missing, no picture, cut off, or its pixels are colours or other numbers.
    """
    try:
        with _opened(path) as picture:
            mode = picture.mode
            ids = np.asarray(picture)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    if mode not in _ID_MODES or (ids.size and not 0 <= ids.min() <= ids.max() < 2**16):
        raise UserError(
            f"{path}: expected a picture of one number a pixel, 0 to 65535, found colours or others (mode {mode}); "
            "`python -m data.prepare street --label_set FILE.json` turns colours into label ids"
        )
    return ids.astype(np.uint16)


def picture_mode(path: Path) -> str:
    """Pillow's name of the pixel type of the picture at ``path``, from its header alone: ``L``, ``P``, ``RGB``, ...

    Raises:
        UserError: the file is missing or no picture.
    """
    try:
        with _opened(path) as picture:
            return picture.mode
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of the picture at ``path``, from its header alone.

    Raises:
        UserError: the file is missing or no picture.
    """
    if is_video_frame(path):
        table = video_table(path.parent)
        return table.height, table.width
    try:
        with _opened(path) as picture:
            return picture.height, picture.width
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error


class ArrayCache:
    """Arrays that take long to read, the least recently used forgotten first, bounded by their bytes.

    Decoding a PNG takes longer than all that follows: a dataset that fits is decoded once. Each worker process of a
    loader has its own.
    """

    def __init__(self, *, max_bytes: int = 512 * 2**20) -> None:
        """Start empty; what is larger than ``max_bytes`` by itself is read anew each time."""
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()

    def get(self, key: Hashable, read: Callable[[], np.ndarray]) -> np.ndarray:
        """``read()``, or what it returned before for ``key``; the array is shared, so it is made read-only."""
        if key in self._arrays:
            self._arrays.move_to_end(key)
            return self._arrays[key]
        array = read()
        array.flags.writeable = False
        if array.nbytes <= self.max_bytes:
            self._arrays[key] = array
            self.num_bytes += array.nbytes
        while self.num_bytes > self.max_bytes:
            _, oldest = self._arrays.popitem(last=False)
            self.num_bytes -= oldest.nbytes
        return array


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture at ``path``, of which no more than the header is read so far."""
    with open_file(path) as file, Image.open(file) as picture:
        yield picture


def _unreadable(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: expected a picture, found no file; check the path")
    if isinstance(error, UnidentifiedImageError):  # its text names an object in memory
        return UserError(f"{path}: expected a picture, found a file of another kind; copy or make it again")
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{path}: expected a whole picture, but it cannot be decoded ({reason}); copy or make it again")
