"""A video and what OpenPose found in it become a pose dataset: one person, without gaps and jitter."""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from data.detectors.body_smoothing import LONGEST_GAP, SMOOTHING, filled, smoothed
from data.kinds.openpose import (
    BODY,
    MIDDLE_HIP,
    NECK,
    NUM_POINTS,
    is_seen,
    most_prominent,
    num_put_outside,
    people_as_json,
    prominence,
    read_people,
)
from data.kinds.pose import absent_note, frame_of, outside_note
from data.layout import DEFAULT_FRAMES_PER_SECOND, PICTURE_SUFFIXES, VIDEO_METADATA
from data.prepare.folders import new_folders, tell_of_video
from data.prepare.partners import check_without_gaps, frame_files, partner_files
from data.storage.picture_files import picture_size
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture
from util.media.video import probe, read_video

# The bones of BODY_25 from the middle of the hip outwards: each point and the one that it hangs on.
BONES = (
    (1, 8), (9, 8), (12, 8), (0, 1), (2, 1), (5, 1), (3, 2), (4, 3), (6, 5), (7, 6), (10, 9), (11, 10), (13, 12),
    (14, 13), (15, 0), (16, 0), (17, 15), (18, 16), (22, 11), (23, 22), (24, 11), (19, 14), (20, 19), (21, 14),
)  # fmt: skip
_FEET = [11, 14, 19, 20, 21, 22, 23, 24]
# What is carried along with one point of the body, at the size of a bone: the face with the nose, hands with wrists.
_CARRIED = ((slice(25, 95), 0), (slice(95, 116), 7), (slice(116, 137), 4))


@dataclass(frozen=True)
class Track:
    """One person through a video."""

    points: np.ndarray
    """float64 [T, 137, 3]."""
    num_missing: int
    """Frames in which nobody was found."""
    num_crowded: int
    """Frames in which there was somebody else too."""


def prepare_pose(
    openpose: Path,
    out: Path,
    *,
    video: Path | None = None,
    images: Path | None = None,
    densepose: Path | None = None,
    phase: str,
    name: str,
    smoothing: float = SMOOTHING,
    longest_gap: int = LONGEST_GAP,
    reference: Path | None = None,
    frames_per_second: float | None = None,
    suffix: str = ".png",
) -> None:
    """Write one sequence of a pose dataset and print what was found, filled and left open.

    Args:
        openpose: OpenPose's files, one a frame, in order.
        out: the dataset's folder; the sequence must not be there yet.
        video: the frames as a video file, or
        images: as a folder of pictures; neither for a dataset that only drives a generator.
        densepose: DensePose's IUV pictures, one a frame; None leaves the folder out (``--openpose_only``).
        phase: what the folders' names begin with.
        name: the sequence's folder.
        smoothing: see ``smoothed``.
        longest_gap: see ``filled``.
        reference: a pose dataset or an OpenPose file whose proportions the person takes on (``retargeted``); then no
            frames are written, since they show somebody else.
        frames_per_second: noted beside the frames; None: the video's own rate, else 25.
        suffix: ``.png`` or ``.jpg``.

    Raises:
        UserError: nothing to read, numbers of frames that differ, nobody in any frame, DensePose pictures to retarget,
            or the sequence exists already.
    """
    if reference is not None and densepose is not None:
        raise UserError("--densepose: expected none with --retarget, pictures keep their body; use --openpose_only")
    files = frame_files(openpose, (".json",), "OpenPose files *.json", stem=frame_of)
    if video is not None:
        check_without_gaps(files, video)
        tell_of_video(video)
    track = followed([read_people(path) for path in files.values()])
    if track.num_missing == len(files):
        raise UserError(f"{openpose}: expected a person, found none in {len(files)} files; check OpenPose's settings")
    closed, num_filled = filled(track.points, longest_gap=longest_gap)
    points = smoothed(closed, deviation=smoothing)
    if reference is not None:
        points = retargeted(points, reference=reference_points(reference))
    pictures = _partners(files, images, "pictures")
    maps = _partners(files, densepose, "DensePose pictures")
    has_frames = (video or images) and reference is None
    parts = ["openpose", *(["img"] if has_frames else []), *(["densepose"] if densepose else [])]
    targets = [f"{phase}_{part}/{name}" for part in parts]
    with new_folders(out, targets, name=name) as scratch:
        folders = dict(zip(parts, scratch, strict=True))
        for number, person in enumerate(points):
            people = [person] if is_seen(person).any() else []
            write_json(folders["openpose"] / f"{number:05d}.json", people_as_json(people))
        for number, path in enumerate(maps):
            shutil.copyfile(path, folders["densepose"] / f"{number:05d}{path.suffix.lower()}")
        size = _frame_size(reference, video=video, pictures=pictures or maps)
        if has_frames:
            size = _write_frames(folders["img"], video=video, pictures=pictures, num_frames=len(files), suffix=suffix)
        rate = frames_per_second or (probe(video).frames_per_second if video else DEFAULT_FRAMES_PER_SECOND)
        metadata = {"frames_per_second": rate} | ({"height": size[0], "width": size[1]} if size else {})
        write_json(folders["img" if has_frames else "openpose"] / VIDEO_METADATA, metadata)
    outside = outside_note(track.points, size=size) if has_frames and size else None
    if outside is not None:
        print(f"{openpose}: {outside}")
    absent = absent_note(sum(map(num_put_outside, files.values())))
    if absent is not None:
        print(f"{openpose}: {absent}")
    still_missing = int(sum(not is_seen(person)[BODY].any() for person in points))
    print(
        f"{out}: {phase} sequence {name!r}, {len(files)} frames; somebody found in {len(files) - track.num_missing}, "
        f"several people in {track.num_crowded} (one is followed); {num_filled} points filled between their neighbours "
        f"in time, {still_missing} frames are left without anybody"
    )


def followed(people: list[list[np.ndarray]]) -> Track:
    """One person through all frames: the one who is most prominent over time, and in each frame the one nearest to it.

    The frame with the most prominent person begins; from there the track goes forwards and backwards, to the person
    whose shared points are nearest to the last ones, so that two who pass each other are not exchanged.
    """
    points = np.zeros((len(people), NUM_POINTS, 3))
    best = [most_prominent(found) for found in people]
    start = int(np.argmax([0.0 if person is None else prominence(person) for person in best]))
    for order in (range(start, len(people)), range(start, -1, -1)):
        last = best[start]
        for frame in order:
            seen = [person for person in people[frame] if is_seen(person)[BODY].any()]
            if seen and last is not None:
                last = points[frame] = min(seen, key=partial(_distance, last))
    num_seen = [sum(bool(is_seen(person)[BODY].any()) for person in found) for found in people]
    return Track(points, sum(number == 0 for number in num_seen), sum(number > 1 for number in num_seen))


def _distance(other: np.ndarray, person: np.ndarray) -> float:
    """Mean distance in pixels of the body's points that both have; of their middles where they share none."""
    ours, theirs = is_seen(person)[BODY], is_seen(other)[BODY]
    shared = ours & theirs
    if shared.any():
        return float(np.hypot(*(person[BODY][shared, :2] - other[BODY][shared, :2]).T).mean())
    return float(np.hypot(*(person[BODY][ours, :2].mean(axis=0) - other[BODY][theirs, :2].mean(axis=0))))


def reference_points(reference: Path) -> np.ndarray:
    """The people of a pose dataset (its training phase, else any), of a folder of OpenPose files, or of one file.

    Returns:
        [T, 137, 3], one person a frame, only frames in which there is one.

    Raises:
        UserError: nothing of all that is there, or nobody in it.
    """
    if reference.is_file():
        files = [reference]
    else:
        folders = [reference / "train_openpose", *sorted(reference.glob("*_openpose")), reference]
        found = (sorted(folder.rglob("*.json")) for folder in folders if folder.is_dir())
        files = next((paths for paths in found if paths), [])
    files = [path for path in files if path.name != VIDEO_METADATA]
    people = [most_prominent(read_people(path)) for path in files]
    seen = [person for person in people if person is not None]
    if not seen:
        raise UserError(
            f"{reference}: expected a pose dataset or an OpenPose file with somebody in it, found {len(files)} files "
            "and nobody; give another --retarget"
        )
    return np.stack(seen)


def retargeted(points: np.ndarray, *, reference: np.ndarray) -> np.ndarray:
    """Give a dancer the body of another: every bone keeps its direction and takes the other's length.

    A bone's length is the 90th percentile over the frames, since a bone that points at the camera looks short; what it
    is shortened by in a frame stays. The chain begins at the middle of the hip (where it is not seen, at the neck),
    whose path is scaled like the body's height and moved so that the soles of both stand at the same height and the
    dance has its middle where the other's was. Face and hands go with nose and wrists at the scale of the head and the
    lower arms.

    Args:
        points: the dance, [T, 137, 3].
        reference: the body, [S, 137, 3].

    Raises:
        UserError: neither the middle of the hip nor the neck is seen in them.
    """
    ours, theirs = _bone_lengths(points), _bone_lengths(reference)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = theirs / ours
    known = np.isfinite(ratios) & (ratios > 0)
    if not known.any():
        raise UserError("--retarget: expected bones that both people show, found none; give another reference")
    scale = float(np.median(ratios[known]))
    ratios = np.where(known, ratios, scale)
    result = points.copy()
    seen = is_seen(points)
    root = np.where(seen[:, MIDDLE_HIP, None], points[:, MIDDLE_HIP, :2], points[:, NECK, :2])
    offset = np.zeros((len(points), 25, 2))
    for ratio, (end, start) in zip(ratios, BONES, strict=True):
        offset[:, end] = offset[:, start] + ratio * (points[:, end, :2] - points[:, start, :2])
    result[:, BODY, :2] = offset
    no_hip = ~seen[:, MIDDLE_HIP]
    result[no_hip, BODY, :2] -= offset[no_hip, NECK, None]
    result[:, BODY, :2] += scale * root[:, None]
    for part, joint in _CARRIED:
        carried = float(ratios[[end for end, _ in BONES].index(17 if joint == 0 else joint)])
        result[:, part, :2] = result[:, joint, None, :2] + carried * (points[:, part, :2] - points[:, joint, None, :2])
    shift = _standing_point(reference) - _standing_point(result)
    result[..., :2] += shift
    result[~seen] = 0
    return result


def _bone_lengths(points: np.ndarray) -> np.ndarray:
    """Length in pixels of each of the ``BONES``, nan where it is never seen."""
    seen = is_seen(points)
    lengths = []
    for end, start in BONES:
        both = seen[:, end] & seen[:, start]
        run = points[both, end, :2] - points[both, start, :2]
        lengths.append(np.percentile(np.hypot(*run.T), 90) if both.any() else np.nan)
    return np.array(lengths)


def _standing_point(points: np.ndarray) -> np.ndarray:
    """Where somebody stands, (x, y): the middle of the body over time, the height of the soles."""
    seen = is_seen(points)
    body = points[:, BODY][seen[:, BODY]]
    feet = points[:, _FEET][seen[:, _FEET]]
    ground = feet if len(feet) else body
    return np.array((np.median(body[:, 0]), np.percentile(ground[:, 1], 90)))


def _partners(files: dict[str, Path], folder: Path | None, what: str) -> list[Path]:
    """The pictures in ``folder`` that belong to ``files``, in their order; none without a folder."""
    if folder is None:
        return []
    found = frame_files(folder, PICTURE_SUFFIXES, what, stem=frame_of)
    pairs = partner_files(files, found, what)
    if len(found) > len(pairs):
        print(f"{folder}: {len(found) - len(pairs)} of {len(found)} {what} have no OpenPose file and are left out")
    return list(pairs.values())


def _frame_size(reference: Path | None, *, video: Path | None, pictures: list[Path]) -> tuple[int, int] | None:
    """Height and width of the frames to draw in: those of the ``reference``, else of the dance; None: nobody knows."""
    if reference is not None:
        for folder in (reference / "train_img", *sorted(reference.glob("*_img"))):
            its_pictures = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURE_SUFFIXES)
            if (first := next(its_pictures, None)) is not None:
                return picture_size(first)
    if video is not None:
        info = probe(video)
        return info.height, info.width
    return picture_size(pictures[0]) if pictures else None


def _write_frames(
    folder: Path, *, video: Path | None, pictures: list[Path], num_frames: int, suffix: str
) -> tuple[int, int]:
    """Write the real frames; their height and width.

    Raises:
        UserError: the video has another number of frames than ``num_frames``.
    """
    if video is None:
        for number, path in enumerate(pictures):
            shutil.copyfile(path, folder / f"{number:05d}{path.suffix.lower()}")
        return picture_size(pictures[0])
    count, size = 0, (0, 0)
    for frame in read_video(video):
        write_picture(folder / f"{count:05d}{suffix}", frame)
        count, size = count + 1, (frame.shape[0], frame.shape[1])
    if count != num_frames:
        raise UserError(
            f"{video}: expected {num_frames} frames, one for each OpenPose file, found {count}; run OpenPose on this "
            "video again"
        )
    return size
