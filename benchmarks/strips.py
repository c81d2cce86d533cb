"""Strips and animations of several methods beside each other, for people to look at."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data.sequences import VideoSequence
from data.storage.picture_files import read_picture
from util.files import atomic_write
from util.media.pictures import write_picture
from util.media.video import read_video

_TITLE, _MARGIN, _GREY = 20, 4, 255
MOST_WIDE = 1600


def strip_numbers(num_frames: int) -> list[int]:
    """The frames to show: 2, 12, 24, 36 and the last of a short video; else five, evenly spaced."""
    last = num_frames - 1
    if last <= 72:
        return [*(number for number in (2, 12, 24, 36) if number < last), last]
    return [2, *(round(last * share) for share in (0.25, 0.5, 0.75)), last]


def write_strip(path: Path, clip: VideoSequence, folders: Sequence[Path]) -> None:
    """Write a picture: a row of semantic frames, then a row for each folder ``<method>/<clip>/*.png``."""
    numbers = strip_numbers(clip.num_frames)
    rows = [("semantics", [clip.encoder.picture(clip.semantic(number)) for number in numbers])]
    for folder in folders:
        rows.append(
            (
                folder.name,
                [read_picture(folder / clip.name / f"{clip.frame_name(number)}.png") for number in numbers],
            )
        )
    titles = [f"frame {number}" for number in numbers]
    lines = [np.concatenate([_titled(*one) for one in zip(titles, rows[0][1], strict=True)], axis=1)]
    lines += [np.concatenate([_titled("", one) for one in pictures], axis=1) for _, pictures in rows[1:]]
    named = [_named(name, line) for (name, _), line in zip(rows, lines, strict=True)]
    strip = np.concatenate(named, axis=0)
    if strip.shape[1] > MOST_WIDE:
        scale = MOST_WIDE / strip.shape[1]
        strip = cv2.resize(strip, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    write_picture(path, strip)


def write_animation(path: Path, rows: Sequence[Sequence[Path]], *, height: int = 128, num_frames: int = 44) -> None:
    """Write an animated WebP: each row is a kind, its videos side by side, played again from the start where short.

    Args:
        path: a ``.webp`` file.
        rows: mp4 files.
        height: of each row in pixels.
        num_frames: of the animation.
    """
    lines = []
    for videos in rows:
        frames = [[_of_height(frame, height) for frame in read_video(video)] for video in videos]
        lines.append(
            [
                np.concatenate([column[number % len(column)] for column in frames], axis=1)
                for number in range(num_frames)
            ]
        )
    widest = max(line[0].shape[1] for line in lines)
    pictures = [
        Image.fromarray(np.concatenate([_padded(line[number], widest) for line in lines]))
        for number in range(num_frames)
    ]
    with atomic_write(path) as scratch:
        pictures[0].save(
            scratch, format="webp", save_all=True, append_images=pictures[1:], duration=50, loop=0, quality=70
        )


def _of_height(frame: np.ndarray, height: int) -> np.ndarray:
    scale = height / frame.shape[0]
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _padded(line: np.ndarray, width: int) -> np.ndarray:
    left = (width - line.shape[1]) // 2
    sides = (left, width - line.shape[1] - left)
    return cv2.copyMakeBorder(line, 0, _MARGIN, *sides, cv2.BORDER_CONSTANT, value=(_GREY,) * 3)


def _titled(title: str, picture: np.ndarray) -> np.ndarray:
    """A picture with a margin, and room for a title above it."""
    top = _TITLE if title else _MARGIN
    framed = cv2.copyMakeBorder(picture, top, 0, _MARGIN, 0, cv2.BORDER_CONSTANT, value=(_GREY,) * 3)
    return cv2.putText(framed, title, (_MARGIN, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)


def _named(name: str, line: np.ndarray) -> np.ndarray:
    """A row with its name above it."""
    label = np.full((_TITLE, line.shape[1], 3), _GREY, np.uint8)
    cv2.putText(label, name, (_MARGIN, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([label, line])
