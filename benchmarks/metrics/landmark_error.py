"""Landmark error: landmarks found again in the generated frames, against the wanted ones."""

from pathlib import Path

import numpy as np

from benchmarks.metrics.measure import MeanOverFrames, Scores
from benchmarks.metrics.videos import Pair
from data.detectors.landmarks import LandmarkFinder
from data.kinds.face import read_landmarks
from util.errors import UserError
from util.media.pictures import to_uint8
from util.names import in_order

# the outer corners of the eyes
_EYES = (36, 45)


def normalised_mean_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """The mean distance of landmarks as a share of the distance of the eyes' outer corners (300-W's convention).

    Args:
        found, wanted: 68 landmarks [68, 2] in pixels of one picture; the eyes are those of ``wanted``.

    Raises:
        ValueError: other shapes, or eyes that fall together.
    """
    if found.shape != (68, 2) or wanted.shape != (68, 2):
        raise ValueError(f"expected landmarks [68, 2], got {list(found.shape)} and {list(wanted.shape)}")
    between_eyes = float(np.linalg.norm(wanted[_EYES[0]] - wanted[_EYES[1]]))
    if between_eyes == 0:
        raise ValueError("expected two eyes, got both in one place")
    return float(np.linalg.norm(found - wanted, axis=1).mean()) / between_eyes


def make_landmark_error(find: LandmarkFinder, *, finder: str, driven: Path | None) -> MeanOverFrames:
    """The error of the landmarks that ``find`` sees in the generated frames; a frame without a face counts as missed.

    Args:
        find: a landmark detector; its own error is within the figure.
        finder: its name, for the manifest.
        driven: ``<sequence>/*.txt``, the landmarks that drove the video in pixels of the generated frames, one file a
            frame in order; None: those that ``find`` sees in the real frames.
    """

    def scores(pair: Pair) -> Scores:
        files = None if driven is None else _driving_files(driven / pair.name, pair.num_frames)
        found: Scores = [None] * pair.num_given
        for number in range(pair.num_given, pair.num_frames):
            fake, real = (to_uint8(frame) for frame in pair.frames(number))
            wanted = find(real) if files is None else read_landmarks(files[number])
            seen = None if wanted is None else find(fake)
            found.append(None if wanted is None or seen is None else normalised_mean_error(seen, wanted))
        return found

    wanted = f"found by {finder} in the real frames" if driven is None else "those that drove the video"
    settings = {"found": f"by {finder}", "wanted": wanted, "normalised": "by the eyes' outer corners"}
    unit = "distance of the eyes"
    return MeanOverFrames("landmark_error", 1, "lower", scores, unit=unit, settings=settings)


def _driving_files(folder: Path, num_frames: int) -> list[Path]:
    files = in_order(folder.glob("*.txt")) if folder.is_dir() else []
    if len(files) != num_frames:
        raise UserError(
            f"{folder}: expected {num_frames} landmark files, one a frame, found {len(files)}; check --landmarks"
        )
    return files
