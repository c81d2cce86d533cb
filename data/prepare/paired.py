"""Two video files become a dataset of paired pictures."""

from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
from PIL import Image

from data.layout import VIDEO_METADATA
from data.prepare.folders import new_folders, tell_of_video
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture
from util.media.video import probe, read_video


def prepare_paired(
    inputs: Path,
    wanted: Path,
    out: Path,
    *,
    phase: str,
    name: str,
    first_frame: int = 0,
    end_frame: int | None = None,
    frames_per_second: float | None = None,
    suffix: str = ".png",
) -> None:
    """Write the frames of two videos as the sequence ``name`` of the paired dataset ``out``.

    Frames of ``inputs`` get the size of those of ``wanted``. Prints how many frames there are.

    Args:
        inputs: the video that will be given (``A``).
        wanted: the video that shall come out (``B``), frame for frame.
        out: the dataset's folder; the sequence must not be there yet.
        phase: which part of the dataset.
        name: the sequence's folder.
        first_frame: the first frame to take.
        end_frame: the first frame not to take any more; None: all.
        frames_per_second: noted beside the pictures; None: the rate of ``wanted``.
        suffix: ``.png`` or ``.jpg``.

    Raises:
        UserError: no such video, no frame in the range, videos of different lengths, or the sequence exists already.
    """
    rate = frames_per_second or probe(wanted).frames_per_second
    tell_of_video(inputs)
    tell_of_video(wanted)
    count, resized = 0, ""
    targets = (f"A/{phase}/{name}", f"B/{phase}/{name}")
    with new_folders(out, targets, name=name) as (folder_a, folder_b):
        pairs = zip_longest(read_video(inputs), read_video(wanted))
        for given, real in islice(pairs, first_frame, end_frame):
            if given is None or real is None:
                ended, longer = (inputs, wanted) if given is None else (wanted, inputs)
                raise UserError(
                    f"{ended}: expected as many frames as {longer} has, found {first_frame + count} and more there; "
                    f"cut the longer one, or take --frames {first_frame}:{first_frame + count}"
                )
            if given.shape != real.shape:
                resized = f"; inputs resized from {given.shape[1]} x {given.shape[0]}"
                given = _resized(given, real.shape[:2])
            write_picture(folder_a / f"{count:05d}{suffix}", given)
            write_picture(folder_b / f"{count:05d}{suffix}", real)
            count, size = count + 1, real.shape[:2]
        if count == 0:
            raise UserError(
                f"{inputs}: expected frames {first_frame}:{end_frame or ''}, found none; choose others with --frames"
            )
        write_json(folder_b / VIDEO_METADATA, {"frames_per_second": rate, "height": size[0], "width": size[1]})
    print(f"{out}: {phase} sequence {name!r}, {count} pairs of {size[1]} x {size[0]} at {rate:.4g} per second{resized}")


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BICUBIC))
