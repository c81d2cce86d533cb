"""Picture files become arrays; an error names the file."""

import io
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from data.storage.shards import open_file
from data.storage.video_files import is_video_frame, read_video_frame, video_table
from util.errors import UserError
from util.media.display import check_area

# What Pillow raises for a file that is missing, cut off, damaged or no picture at all; SyntaxError is a broken PNG.
_READ_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
# Pillow's names of what is read; others, such as EPS, would start programs.
_FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP", "TIFF", "GIF")
# Pillow's names of the pictures that hold numbers of 16 bits (I: as older versions have them; it may hold 32).
_WIDE_MODES = ("I;16", "I;16B", "I;16L", "I")
_ID_MODES = ("1", "L", "P", *_WIDE_MODES)
_COLOUR_MODES = ("RGB", "RGBA", "LA", "PA")
_LARGEST = 2**16 - 1
# How a camera was held (EXIF), and what turns its picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 274


def read_picture(path: Path, *, mode: str = "RGB") -> np.ndarray:
    """Decode the whole picture at ``path``, as a viewer shows it.

    It is turned upright as EXIF says, and colours of a profile (ICC) become those of sRGB. Numbers of 16 bits keep
    their proportion: 65535 becomes 255. Where it is transparent it is laid over black, unless ``mode`` has transparency
    itself.

    Args:
        path: a PNG, JPEG or other file that Pillow knows, or a frame of a video file.
        mode: Pillow's name of the wanted pixel type; a picture of another type is converted.

    Returns:
        uint8 [H, W, 3] for ``RGB``, [H, W] for ``L``.

    Raises:
        UserError: the file is missing, no picture, cut off, or holds numbers of more than 16 bits. A cut picture is
            never returned with its rest in grey.
    """
    if is_video_frame(path):
        frame = read_video_frame(path)
        return frame if mode == "RGB" else np.array(Image.fromarray(frame).convert(mode))
    try:
        with _opened(path) as opened:
            picture = _in_srgb(_upright(opened), opened.info.get("icc_profile"))
            if picture.mode in (*_WIDE_MODES, "F"):
                picture = Image.fromarray(_in_bytes(picture, path))
            if mode != "RGBA" and _is_transparent(picture):
                black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
                picture = Image.alpha_composite(black, picture.convert("RGBA"))
            return np.array(picture if picture.mode == mode else picture.convert(mode))
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error


def read_ids(path: Path) -> np.ndarray:
    """Decode a picture whose pixels are numbers, such as a label map, without turning them into colours.

    Args:
        path: a grey picture of 8 or 16 bits, also one that was saved as colours with red, green and blue alike; or one
            with a palette, of which the indices count.

    Returns:
        uint16 [H, W].

    Raises:
        UserError: the file is missing, no picture, cut off, or its pixels are colours or other numbers.
    """
    try:
        with _opened(path) as opened:
            mode = opened.mode
            ids = np.asarray(_upright(opened))
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    if mode in ("I", "F") and ids.max(initial=0) > _LARGEST:
        raise UserError(
            f"{path}: expected numbers of 0 to {_LARGEST}, found {ids.max():g}; `python -m data.prepare street "
            "--instances DIR` counts instances anew"
        )
    if mode in _COLOUR_MODES and is_grey(ids):
        mode, ids = "L", ids[..., 0]
    if mode not in _ID_MODES or ids.min(initial=0) < 0:
        raise UserError(
            f"{path}: expected a picture of one number a pixel, 0 to 65535, found colours or others (mode {mode}); "
            "`python -m data.prepare street --label_set FILE.json` turns colours into label ids"
        )
    return ids.astype(np.uint16)


def read_numbers(path: Path) -> np.ndarray:
    """Decode a picture of one whole number a pixel, however large: int64 [H, W].

    Raises:
        UserError: the file is missing, no picture, cut off, or its pixels are no whole numbers.
    """
    try:
        with _opened(path) as opened:
            mode = opened.mode
            numbers = np.asarray(_upright(opened))
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    if numbers.ndim != 2 or (numbers != np.floor(numbers)).any():
        raise UserError(f"{path}: expected a picture of one whole number a pixel, found others (mode {mode})")
    return numbers.astype(np.int64)


def is_grey(picture: np.ndarray) -> bool:
    """Whether the colours of ``picture`` [H, W, C] are all alike, as in a grey picture that was saved as colours."""
    colours = picture[..., :3] if picture.shape[-1] > 2 else picture[..., :1]
    return bool((colours == colours[..., :1]).all())


def is_transparent(path: Path) -> bool:
    """Whether something of the picture at ``path`` is transparent.

    Raises:
        UserError: the file is missing, no picture, or cut off.
    """
    if is_video_frame(path):
        return False
    try:
        with _opened(path) as picture:
            return _is_transparent(picture)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error


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
    """Height and width of the picture at ``path``, turned upright, from its header alone.

    Raises:
        UserError: the file is missing or no picture.
    """
    if is_video_frame(path):
        table = video_table(path.parent)
        return table.height, table.width
    try:
        with _opened(path) as picture:
            is_turned = _orientation(picture) >= 5
            return (picture.width, picture.height) if is_turned else (picture.height, picture.width)
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


def depth_note(path: Path) -> str | None:
    """What to tell of a picture of 16 bits whose numbers need 12 or fewer; None: nothing.

    Nothing in such a file tells a sensor of 12 bits from a dark picture, so nothing is converted.

    Raises:
        UserError: the file is missing, no picture, or cut off.
    """
    if is_video_frame(path) or picture_mode(path) not in _WIDE_MODES:
        return None
    largest = int(read_numbers(path).max(initial=0))
    if not 0 < largest < 2**12:
        return None
    return (
        f"16 bits, but the largest number is {largest}, which is read as {round(largest / 257)} of 255; multiply "
        "numbers of 12 bits by 16, of 10 bits by 64"
    )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture at ``path``, of which no more than the header is read so far."""
    with open_file(path) as file, Image.open(file, formats=_FORMATS) as picture:
        check_area(path, picture.width, picture.height)
        yield picture


def profile_note(path: Path) -> str | None:
    """What to tell of a picture whose colours are converted to sRGB; None where they are not.

    Raises:
        UserError: the file is missing or no picture.
    """
    if is_video_frame(path):
        return None
    try:
        with _opened(path) as picture:
            profile = picture.info.get("icc_profile")
            name = None if profile is None or _to_srgb(profile, picture.mode) is None else _profile_name(profile)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    return None if name is None else f"colours of the profile '{name}' are converted to sRGB"


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """A loaded picture with the colours of sRGB. Without a profile, or with a broken one, they are those already."""
    transform = None if profile is None else _to_srgb(profile, picture.mode)
    if transform is None:
        return picture
    if picture.mode == "P":
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        return _in_srgb(picture, profile)
    converted = ImageCms.applyTransform(picture, transform)
    assert converted is not None  # only None where it was done in place
    return converted


@lru_cache(maxsize=64)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What turns pictures of ``mode`` with that profile into sRGB; None where nothing does or need."""
    output = {"RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB", "P": "RGB"}.get(mode)
    if output is None or "sRGB" in _profile_name(profile):
        return None
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(
            given,
            ImageCms.createProfile("sRGB"),
            "RGB" if mode == "P" else mode,
            output,
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    except (OSError, ImageCms.PyCMSError):  # broken, or made for other colours: viewers take no notice
        return None


@lru_cache(maxsize=64)
def _profile_name(profile: bytes) -> str:
    """What a profile calls itself."""
    try:
        return " ".join(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).split())
    except (OSError, ImageCms.PyCMSError):
        return "broken"


def _orientation(picture: Image.Image) -> int:
    """How the camera was held, as EXIF says; 1: upright. To be asked before the pixels are read."""
    if picture.format == "TIFF":  # Pillow turns these itself
        return 1
    if picture.format == "PNG" and "exif" not in picture.info:  # else Pillow reads the pixels to look behind them
        return 1
    return int(picture.getexif().get(_ORIENTATION_TAG, 1))


def _upright(picture: Image.Image) -> Image.Image:
    """The pixels of an opened picture, turned as EXIF says."""
    orientation = _orientation(picture)
    picture.load()
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def _is_transparent(picture: Image.Image) -> bool:
    if not picture.has_transparency_data:
        return False
    return bool((np.asarray(picture.convert("RGBA"))[..., 3] < 255).any())


def _in_bytes(picture: Image.Image, path: Path) -> np.ndarray:
    """A picture of numbers of 16 bits in proportion, uint8 [H, W]."""
    numbers = np.asarray(picture)
    if picture.mode == "F" or numbers.min(initial=0) < 0 or numbers.max(initial=0) > _LARGEST:
        raise UserError(
            f"{path}: expected a picture of 8 or 16 bits, found numbers of {numbers.min():g} to {numbers.max():g} "
            f"(mode {picture.mode}); scale them to 0 to {_LARGEST} and save them as 16-bit PNG"
        )
    return ((numbers.astype(np.int64) * 255 + _LARGEST // 2) // _LARGEST).astype(np.uint8)


def _unreadable(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: expected a picture, found no file; check the path")
    if isinstance(error, UnidentifiedImageError):  # its text names an object in memory
        return UserError(f"{path}: expected a picture, found a file of another kind; copy or make it again")
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{path}: expected a whole picture, but it cannot be decoded ({reason}); copy or make it again")
