"""How does anyone get a street video with labels, objects and exact motion? A toy city is drawn, seed by seed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from data.layout import VIDEO_METADATA
from data.samples.worlds.city import City, Frame
from util.errors import UserError
from util.files import atomic_write, write_json
from util.media.pictures import write_picture

FRAMES_PER_SECOND = 17.0
"""As in Cityscapes."""
HEIGHT, WIDTH = 256, 512
STREET_SPLIT = {"train": (("street_0", 60), ("street_1", 60)), "test": (("street_2", 30),)}
"""The sequences of each phase and their numbers of frames; every one is a street of its own."""
KINDS = ("A", "B", "inst", "flow")
_FLOW_STEPS = 64


def write_street_sample(
    out: Path,
    *,
    seed: int = 0,
    phases: tuple[str, ...] = tuple(STREET_SPLIT),
    height: int = HEIGHT,
    width: int = WIDTH,
    num_frames: int | None = None,
) -> None:
    """Write the toy city to ``out``; what is there already is counted and left alone.

    ``<phase>_A/<sequence>/*.png`` are label ids of Cityscapes (uint8), ``_B`` the pictures, ``_inst`` instance ids
    (uint16: the label, or label * 1000 + number for people, riders, cars and bicycles), ``_flow`` the motion; see
    ``read_motion``. Prints one line for each sequence.

    Args:
        out: the dataset's folder.
        seed: another seed is another city.
        phases: which of ``STREET_SPLIT`` to write.
        height, width: of the pictures; a width of twice the height shows the most.
        num_frames: of each sequence; None: as ``STREET_SPLIT`` says.

    Raises:
        UserError: ``out`` holds something else under the sample's names.
    """
    numbers = {name: number for number, (name, _) in enumerate(sum(STREET_SPLIT.values(), ()))}
    for phase in phases:
        for name, length in STREET_SPLIT[phase]:
            wanted = num_frames or length
            targets = [out / f"{phase}_{kind}" / name for kind in KINDS]
            if any(target.exists() for target in targets):
                _check_sequence(targets, wanted)
                print(f"{targets[1]}: {wanted} frames are there already")
                continue
            city = City(seed * len(numbers) + numbers[name])
            frames = city.frames(wanted, frames_per_second=FRAMES_PER_SECOND, height=height, width=width)
            with _written_together(targets) as folders:
                for number, frame in enumerate(frames):
                    _write_frame(folders, number, frame)
                metadata = {"frames_per_second": FRAMES_PER_SECOND, "height": height, "width": width}
                write_json(folders[1] / VIDEO_METADATA, metadata)
            print(f"{targets[1]}: {wanted} frames written, with labels, instances and motion")


def read_motion(path: Path) -> dict[str, np.ndarray]:
    """The exact motion of one frame of the sample, from its ``_flow`` file.

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
            f"{path}: expected the motion of a frame of the toy city, found something else ({error}); "
            "make it with `python -m data.samples street`"
        ) from error
    return {name: array.astype(np.float32) if array.dtype == np.float16 else array for name, array in found.items()}


def _write_frame(folders: list[Path], number: int, frame: Frame) -> None:
    labels, images, instances, flows = (folder / f"{number:05d}.png" for folder in folders)
    write_picture(labels, frame.labels)
    write_picture(images, frame.image)
    with atomic_write(instances) as scratch:
        Image.fromarray(frame.instances).save(scratch)
    with atomic_write(flows.with_suffix(".npz")) as scratch:
        np.savez_compressed(
            scratch,
            forward=_stored(frame.forward.flow),
            backward=_stored(frame.backward.flow),
            occluded=frame.forward.is_hidden,
            appeared=frame.backward.is_hidden,
        )


def _stored(flow: np.ndarray) -> np.ndarray:
    """Flow in steps that compress."""
    return (np.round(flow * _FLOW_STEPS) / _FLOW_STEPS).astype(np.float16)


def _check_sequence(folders: list[Path], wanted: int) -> None:
    """Raise where a folder of the sequence is missing or has another number of frames."""
    for folder in folders:
        found = len([path for path in folder.glob("*") if path.suffix in (".png", ".npz")])
        if found != wanted:
            raise UserError(
                f"{folder}: expected the sample's {wanted} frames, found {found}; "
                f"remove {folder.parents[1]} and run this again"
            )


@contextmanager
def _written_together(targets: list[Path]) -> Iterator[list[Path]]:
    """Yield scratch folders for ``targets``; when the block ends well they all take their places, else none does."""
    scratch = targets[0].parents[1] / f".{targets[0].parent.name}.{targets[0].name}.{os.getpid()}.part"
    folders = [scratch / str(number) for number in range(len(targets))]
    try:
        for folder in folders:
            folder.mkdir(parents=True)
        yield folders
        for folder, target in zip(folders, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
