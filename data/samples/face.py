"""Real videos of faces as datasets: a woman who smiles, and carphone, a man who talks in a car.

The videos come by ``python -m data.fetch``; their landmarks are shipped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from data.fetch import fetched_file
from data.layout import face_files
from data.prepare.face import new_face_folders, write_landmarks, write_metadata
from data.transforms import enlarged
from util.errors import UserError
from util.media.pictures import write_picture
from util.media.video import probe, read_video

PHASES = ("train", "test")


@dataclass(frozen=True)
class FaceSample:
    """One of the samples.

    Attributes:
        sequence: its name in the dataset.
        bundle: what ``data.fetch`` calls the file's bundle.
        file: the video in it.
        first_frame: of the video.
        split: the frames of each phase, counted from there; the end is held out, since networks are judged by it.
        picture: from a frame of the video to the dataset's.
        finder: what found the landmarks; None: dlib, before datasets noted it.
        found_width: how wide the pictures were in which they were found, in pixels: carphone's were not yet square.
    """

    sequence: str
    bundle: str
    file: str
    first_frame: int
    split: dict[str, range]
    picture: Callable[[np.ndarray], np.ndarray]
    finder: str | None
    found_width: int

    def landmarks(self) -> np.ndarray:
        """The landmarks of all frames, float64 [T, 68, 2] (x, y), smoothed in time."""
        with np.load(Path(__file__).with_name(f"{self.sequence}_landmarks.npz")) as file:
            # stored in quarters of a pixel
            return file["quarter_pixels"].astype(np.float64) / 4


def _square(frame: np.ndarray) -> np.ndarray:
    """The square around the face, [256, 256, 3]."""
    return cv2.resize(frame[:, 280:640], (256, 256), interpolation=cv2.INTER_AREA)


SAMPLES = {
    "face": FaceSample(
        sequence="smile",
        bundle="face_sample",
        file="WolfgangLanger_Pexels.mp4",
        first_frame=236,
        split={"train": range(190), "test": range(190, 236)},
        picture=_square,
        finder="mesh 1 1055cb9d4a9ca8b8",
        found_width=256,
    ),
    "face_carphone": FaceSample(
        sequence="carphone",
        bundle="videos",
        file="carphone_pristine.mp4",
        first_frame=0,
        split={"train": range(96), "test": range(96, 120)},
        picture=lambda frame: enlarged(frame, 3),
        finder=None,
        found_width=528,
    ),
}


def write_face_sample(out: Path, *, kind: str = "face", phases: tuple[str, ...] = PHASES) -> None:
    """Write a sample dataset to ``out``; what is there already is counted and left alone.

    Prints one line for each phase.

    Args:
        out: the dataset's folder.
        kind: one of ``SAMPLES``.
        phases: which parts.

    Raises:
        UserError: the video was not fetched, or ``out`` holds something else under the sample's name.
    """
    sample = SAMPLES[kind]
    for phase in phases:
        num_frames = len(sample.split[phase])
        folder = out / f"{phase}_img" / sample.sequence
        if folder.exists() or (out / f"{phase}_keypoints" / sample.sequence).exists():
            _check_sequence(out, phase, sample)
            print(f"{folder}: {num_frames} frames are there already")
        else:
            _write_sequence(out, phase, sample)
            print(f"{folder}: {num_frames} frames written, with their landmarks")


def sample_landmarks() -> np.ndarray:
    """The landmarks of carphone, which tests and benchmarks move made-up pictures by, float64 [120, 68, 2]."""
    return SAMPLES["face_carphone"].landmarks()


def _write_sequence(out: Path, phase: str, sample: FaceSample) -> None:
    wanted = sample.split[phase]
    video = fetched_file(sample.bundle, sample.file)
    first, end = sample.first_frame + wanted.start, sample.first_frame + wanted.stop
    with new_face_folders(out, phase=phase, name=sample.sequence) as (images, keypoints):
        for number, frame in enumerate(islice(read_video(video), first, end)):
            picture = sample.picture(frame)
            write_picture(images / f"{number:05d}.png", picture)
        stretched = [picture.shape[1] / sample.found_width, 1]
        write_landmarks(keypoints, sample.landmarks()[wanted.start : wanted.stop] * stretched)
        rate = probe(video).frames_per_second
        write_metadata(images, frames_per_second=rate, size=picture.shape, finder=sample.finder)


def _check_sequence(out: Path, phase: str, sample: FaceSample) -> None:
    found = {files.name: files for files in face_files(out, phase=phase, needs_images=True)}
    folder = out / f"{phase}_img" / sample.sequence
    if len(found[sample.sequence].images) != len(sample.split[phase]):
        raise UserError(
            f"{folder}: expected the sample's {len(sample.split[phase])} frames, found "
            f"{len(found[sample.sequence].images)}; remove {out} and run this again"
        )
