"""Pose errors: bodies found again in the generated frames, against the wanted ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.metrics.measure import MeanOverFrames, Scores
from benchmarks.metrics.videos import Pair
from data.detectors.blaze_pose import BodyFinder
from data.kinds.body_drawing import draw_person
from data.kinds.openpose import BODY, NUM_POINTS, is_seen, most_prominent, read_people
from util.errors import UserError
from util.media.pictures import to_uint8
from util.names import in_order

# a file and the frame's height and width -> the drawn pose, uint8 [H, W, 3]
PoseDrawer = Callable[[Path, tuple[int, int]], np.ndarray]


def drawing_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """The paper's pose error (PE): mean absolute difference of two drawn poses, in grey levels of 255.

    Args:
        found, wanted: pictures of one shape, uint8 [H, W, 3].

    Raises:
        ValueError: the pictures differ in shape.
    """
    if found.shape != wanted.shape:
        raise ValueError(f"expected two drawings of one shape, got {list(found.shape)} and {list(wanted.shape)}")
    return float(np.abs(found.astype(np.float64) - wanted).mean())


def keypoint_distance(found: np.ndarray, wanted: np.ndarray) -> float | None:
    """The mean distance in pixels of the body points that both see.

    Args:
        found, wanted: a person's points, [137, 3], see ``data.kinds.openpose``; only those of the body are compared.

    Returns:
        None when they have no point in common.

    Raises:
        ValueError: other shapes.
    """
    if found.shape != (NUM_POINTS, 3) or wanted.shape != (NUM_POINTS, 3):
        raise ValueError(f"expected points [{NUM_POINTS}, 3] twice, got {list(found.shape)} and {list(wanted.shape)}")
    both = (is_seen(found) & is_seen(wanted))[BODY]
    distances = np.linalg.norm(found[BODY, :2] - wanted[BODY, :2], axis=1)
    return float(distances[both].mean()) if both.any() else None


def draw_pose(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The drawing of the most prominent person in an OpenPose file, uint8 [H, W, 3]; black where nobody is seen."""
    person = most_prominent(read_people(path))
    return np.zeros((*size, 3), np.uint8) if person is None else draw_person(person, size=size)


def make_pose_drawing_error(found: Path, wanted: Path, draw: PoseDrawer = draw_pose) -> MeanOverFrames:
    """The pose error of drawings; see ``drawing_error``.

    Args:
        found: ``<sequence>/*.json``, the poses seen in the generated frames, one file a frame in order.
        wanted: the same of the poses that drove the video, or of those seen in the real frames.
        draw: how a pose becomes a picture: as the generator was fed with it.
    """

    def compare(pose: Path, target: Path, size: tuple[int, int]) -> float:
        return drawing_error(draw(pose, size), draw(target, size))

    return _over_files("pose_error", found, wanted, compare, unit="grey levels of 255")


def make_keypoint_error(found: Path, wanted: Path) -> MeanOverFrames:
    """The distance of the body's points, in pixels; frames where nobody is seen count as missed."""

    def compare(pose: Path, target: Path, _: tuple[int, int]) -> float | None:
        seen, meant = (most_prominent(read_people(path)) for path in (pose, target))
        return None if seen is None or meant is None else keypoint_distance(seen, meant)

    return _over_files("keypoint_error", found, wanted, compare, unit="pixels")


def make_body_error(find: BodyFinder, *, finder: str) -> MeanOverFrames:
    """The distance of the body's points from those in the real frames, as a share of the body's extent there.

    Args:
        find: a detector of bodies that looks at every picture anew; frames where it sees nobody count as missed.
        finder: its name, for the manifest.
    """

    def score(pair: Pair, number: int) -> float | None:
        seen, wanted = (find(to_uint8(frame)) for frame in pair.frames(number))
        distance = None if seen is None or wanted is None else keypoint_distance(seen, wanted)
        if distance is None or wanted is None:
            return None
        return distance / float(np.ptp(wanted[BODY, :2][is_seen(wanted)[BODY]], axis=0).max())

    def scores(pair: Pair) -> Scores:
        return [None] * pair.num_given + [score(pair, number) for number in range(pair.num_given, pair.num_frames)]

    return MeanOverFrames(
        "body_error", 1, "lower", scores, unit="extent of the body", settings={"found": f"by {finder}, real ones too"}
    )


def _over_files(
    name: str, found: Path, wanted: Path, compare: Callable[[Path, Path, tuple[int, int]], float | None], *, unit: str
) -> MeanOverFrames:
    def scores(pair: Pair) -> Scores:
        poses = _pose_files(found, pair, flag="--poses")
        targets = _pose_files(wanted, pair, flag="--driven_poses")
        chosen = range(pair.num_given, pair.num_frames)
        size = pair.frames(0)[0].shape[-2:]
        return [None] * pair.num_given + [compare(poses[one], targets[one], (size[0], size[1])) for one in chosen]

    return MeanOverFrames(name, 1, "lower", scores, unit=unit)


def _pose_files(root: Path, pair: Pair, *, flag: str) -> list[Path]:
    folder = root / pair.name
    files = in_order(folder.glob("*.json")) if folder.is_dir() else []
    if len(files) != pair.num_frames:
        raise UserError(
            f"{flag} {folder}: expected {pair.num_frames} OpenPose files, one a frame, found {len(files)}; check the "
            "folder"
        )
    return files
