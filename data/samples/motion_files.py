"""Files of exact motion, ``<phase>_flow/<sequence>/*.npz`` of the sample worlds."""

from pathlib import Path

import numpy as np

from util.errors import UserError
from util.files import atomic_write

# Finer than anyone measures motion, and a third of the bytes.
_STEPS_PER_PIXEL = 64


def write_motion(
    path: Path, *, forward: np.ndarray, backward: np.ndarray, occluded: np.ndarray, appeared: np.ndarray
) -> None:
    """Write the file that ``read_motion`` reads, with flow [H, W, 2] in steps of 1/64 pixel."""
    with atomic_write(path) as scratch:
        np.savez_compressed(
            scratch, forward=_stored(forward), backward=_stored(backward), occluded=occluded, appeared=appeared
        )


def read_motion(path: Path) -> dict[str, np.ndarray]:
    """The exact motion of one frame of a sample, from its ``_flow`` file.

    Returns:
        ``forward``: float32 [H, W, 2], pixels (x, y): where each pixel of this frame is in the next one.
        ``backward``: the same into the frame before, so that ``warp(previous frame, backward)`` is this frame.
        ``occluded``: bool [H, W], the pixels that the next frame does not show.
        ``appeared``: bool [H, W], the pixels that the frame before does not show.
        Flow is stored in steps of 1/64 pixel, or a two-thousandth where that is more.

    Raises:
        UserError: no such file, or another one.
    """
    try:
        with np.load(path) as file:
            found = {name: file[name] for name in ("forward", "backward", "occluded", "appeared")}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(
            f"{path}: expected the motion of a frame of a sample world, found something else ({error}); "
            "make it with `python -m data.samples`"
        ) from error
    return {name: array.astype(np.float32) if array.dtype == np.float16 else array for name, array in found.items()}


def _stored(flow: np.ndarray) -> np.ndarray:
    """Flow in steps that compress."""
    return (np.rint(flow * _STEPS_PER_PIXEL) / _STEPS_PER_PIXEL).astype(np.float16)
