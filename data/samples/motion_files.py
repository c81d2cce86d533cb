"""Files of exact motion, ``<phase>_flow/<sequence>/*.npz`` of the sample worlds."""

from pathlib import Path

import numpy as np

from util.errors import UserError, brief
from util.files import atomic_write
from util.numpy_files import read_arrays

# Finer than anyone measures motion, and a third of the bytes.
_STEPS_PER_PIXEL = 64
_NAMES = {"forward", "backward", "occluded", "appeared"}


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
    expected = "the motion of a frame of a sample world, as `python -m data.samples` makes it"
    found = read_arrays(path, expected=expected)
    if not found.keys() >= _NAMES:
        raise UserError(f"{path}: expected {expected}, found {brief(sorted(found))}")
    found = {name: found[name] for name in _NAMES}
    return {name: array.astype(np.float32) if array.dtype == np.float16 else array for name, array in found.items()}


def _stored(flow: np.ndarray) -> np.ndarray:
    """Flow in steps that compress."""
    return (np.rint(flow * _STEPS_PER_PIXEL) / _STEPS_PER_PIXEL).astype(np.float16)
