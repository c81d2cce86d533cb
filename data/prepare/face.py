"""A video of a face becomes a dataset: its frames, and 68 landmarks in each."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from data.detectors.blaze import crowd_note
from data.detectors.face_retargeting import FaceReference, retargeted
from data.detectors.landmarks import LandmarkFinder, common_finder, finder_note, load_landmark_finder
from data.detectors.smoothing import filled, in_pixels, in_steps, smoothed
from data.kinds.face import landmarks_as_text
from data.layout import VIDEO_METADATA, VideoNotes
from data.prepare.folders import new_folders
from data.prepare.many import Task
from data.transforms import enlarged
from util.errors import UserError
from util.files import write_json, write_text
from util.json_files import read_json
from util.media.pictures import write_picture
from util.media.video import probe, read_video


def prepare_face(
    video: Path,
    out: Path,
    *,
    phase: str,
    name: str,
    find_landmarks: LandmarkFinder,
    finder: str | None = None,
    enlarge: float = 1.0,
    first_frame: int = 0,
    end_frame: int | None = None,
    frames_per_second: float | None = None,
    suffix: str = ".png",
    source: str | None = None,
    reference: FaceReference | None = None,
) -> None:
    """Write the frames of ``video`` and their landmarks as the sequence ``name`` of the face dataset ``out``.

    Prints how many frames there are, how many show a face, and how many were filled.

    Args:
        video: any video file.
        out: the dataset's folder; the sequence must not be there yet.
        phase: what the folders' names begin with.
        name: the sequence's folder.
        find_landmarks: see ``load_landmark_finder``; a fresh one.
        finder: see ``finder_note``.
        enlarge: factor by which frames are resized first.
        first_frame: the first frame to take.
        end_frame: the first frame not to take any more; None: all.
        frames_per_second: noted beside the pictures; None: the video's own rate.
        suffix: ``.png`` or ``.jpg``.
        source: what the sequence is made of, noted beside the pictures.
        reference: the person to be driven (``retargeted``); then no frames are written, since they show somebody else.

    Raises:
        UserError: no such video, no frame in the range, no face in any frame, the sequence exists already, or
            others in ``out`` have landmarks by another finder.
    """
    common_finder([finder, *noted_finders(out)])
    rate = frames_per_second or probe(video).frames_per_second
    found: list[np.ndarray | None] = []
    with new_face_folders(out, phase=phase, name=name) as (images, keypoints):
        for picture in islice(read_video(video), first_frame, end_frame):
            picture = enlarged(picture, enlarge)
            if reference is None:
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
        rough = filled(found)
        points, size = smoothed(rough), picture.shape[:2]
        jitter = float(np.linalg.norm(points - rough, axis=2).mean())
        if reference is not None:
            points, size = retargeted(in_pixels(in_steps(points)), reference.points), reference.size
        write_landmarks(keypoints, points)
        folder = images if reference is None else keypoints
        write_metadata(folder, frames_per_second=rate, size=size, finder=finder, source=source)
    print(
        f"{out}: {phase} sequence {name!r}, {len(found)} frames at {rate:.4g} per second; face found in {num_found}, "
        f"{len(found) - num_found} filled from their neighbours in time; {jitter:.2f} pixels of jitter smoothed away"
    )
    if crowd := crowd_note(find_landmarks, "faces"):
        print(f"{video}: {crowd}")


def prepare_face_task(
    task: Task,
    *,
    out: Path,
    finder: str,
    enlarge: float,
    frames_per_second: float | None,
    suffix: str,
    reference: FaceReference | None = None,
) -> None:
    """``prepare_face`` for a part of a video, with a finder of its own; see there."""
    prepare_face(
        task.video,
        out,
        phase=task.phase,
        name=task.name,
        find_landmarks=load_landmark_finder(finder),
        finder=finder_note(finder),
        enlarge=enlarge,
        first_frame=task.first_frame,
        end_frame=task.end_frame,
        frames_per_second=frames_per_second,
        suffix=suffix,
        source=task.source,
        reference=reference,
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


def write_metadata(
    folder: Path,
    *,
    frames_per_second: float,
    size: tuple[int, ...],
    finder: str | None = None,
    source: str | None = None,
) -> None:
    """Note beside the pictures what they do not tell themselves; ``size`` begins with height and width."""
    height, width = size[:2]
    metadata = {"frames_per_second": frames_per_second, "height": height, "width": width}
    notes = {key: value for key, value in (("finder", finder), ("source", source)) if value is not None}
    write_json(folder / VIDEO_METADATA, metadata | notes)


def noted_finders(root: Path) -> set[str]:
    """The finders that the sequences of a dataset note."""
    expected = "the notes of a video; mend or remove it"
    notes = [read_json(path, VideoNotes, expected=expected) for path in sorted(root.glob(f"*/*/{VIDEO_METADATA}"))]
    return {note.finder for note in notes if note.finder is not None}
