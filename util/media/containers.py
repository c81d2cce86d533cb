"""Video and sound files are opened here, and nowhere else."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from util.errors import UserError
from util.media.display import check_area

# titles and names in a file may have any encoding: they tell nothing that is needed. From PyAV 19 on that is always so
_ANY_ENCODING: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


def address(path: Path) -> str:
    """A file for FFmpeg, which takes what stands before a colon in a name for a protocol."""
    return str(path.absolute())


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The opened file ``path``, of sound or pictures.

    Raises:
        UserError: the file is missing, or something else.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected a video file, found none; check the path")
    try:
        container = av.open(address(path), **_ANY_ENCODING)
    except (av.FFmpegError, OSError, ValueError) as error:
        if _begins_like_mp4(path):
            raise UserError(
                f"{path}: expected a whole video, found it cut off before the table of its frames; copy it again"
            ) from error
        raise UserError(f"{path}: expected a video file, found something else ({_reason(error)})") from error
    with container:
        yield container


@contextmanager
def named_when_damaged(path: Path) -> Iterator[None]:
    """In the block what FFmpeg says of the file ``path`` becomes a ``UserError``."""
    try:
        yield
    except av.FFmpegError as error:
        if error.errno == errno.ENOSPC:  # of what is written from it
            raise
        raise UserError(
            f"{path}: expected a whole video, but it is damaged ({_reason(error)}); copy the file again or re-encode it"
        ) from error


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The opened file and its first video stream; a picture of the cover is none.

    Raises:
        UserError: see ``opened``; or it is no video, or damaged where it is read in the block.
    """
    with opened(path) as container, named_when_damaged(path):
        streams = [stream for stream in container.streams.video if not is_attached_picture(stream)]
        if not streams:
            raise UserError(f"{path}: expected a video file, found no video stream in it")
        if streams[0].codec_context is None:  # PyAV 17, of Python 3.10, would end the program at its first packet
            raise UserError(f"{path}: expected a video, found a kind of video that has no decoder here; re-encode it")
        check_area(path, streams[0].width, streams[0].height)
        yield container, streams[0]


def is_attached_picture(stream: VideoStream) -> bool:
    """Whether it is the picture of a cover."""
    return bool(stream.disposition & Disposition.attached_pic)


def _begins_like_mp4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] in (b"ftyp", b"moov", b"mdat", b"wide")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
