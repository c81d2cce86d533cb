"""A video of a body becomes a pose dataset: its frames, and in each what OpenPose would write of one person."""

from itertools import islice
from pathlib import Path

import numpy as np

from data.detectors.blaze import crowd_note
from data.detectors.blaze_pose import BlazePose, body_finder_note
from data.detectors.body_smoothing import steady
from data.detectors.landmarks import common_finder
from data.kinds.openpose import BODY, FACE, LEFT_HAND, RIGHT_HAND, is_seen, people_as_json
from data.prepare.face import noted_finders, write_metadata
from data.prepare.folders import new_folders
from data.prepare.many import Task
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture
from util.media.video import probe, read_video


def prepare_pose_task(
    task: Task, *, out: Path, smoothing: float, longest_gap: int, frames_per_second: float | None, suffix: str
) -> None:
    """Write a part of a video and its poses as a sequence of the pose dataset ``out``; prints what was found.

    Args:
        task: the part.
        out: the dataset's folder; the sequence must not be there yet.
        smoothing, longest_gap: see ``body_smoothing``.
        frames_per_second: noted beside the pictures; None: the video's own rate.
        suffix: ``.png`` or ``.jpg``.

    Raises:
        UserError: no frame in the range, nobody in any frame, the sequence exists already, or others in ``out`` have
            poses by another finder.
    """
    finder = body_finder_note()
    common_finder([finder, *noted_finders(out)])
    rate = frames_per_second or probe(task.video).frames_per_second
    find, bodies = BlazePose(), list[np.ndarray | None]()
    targets = (f"{task.phase}_img/{task.name}", f"{task.phase}_openpose/{task.name}")
    with new_folders(out, targets, name=task.name) as (images, poses):
        for picture in islice(read_video(task.video), task.first_frame, task.end_frame):
            write_picture(images / f"{len(bodies):05d}{suffix}", picture)
            bodies.append(find(picture))
        if not bodies:
            raise UserError(f"{task.video}: expected frames {task.source}, found none; choose others with --frames")
        num_found = sum(body is not None for body in bodies)
        if num_found == 0:
            raise UserError(f"{task.video}: expected a person, found none in {len(bodies)} frames; give another video")
        points = steady(bodies, smoothing=smoothing, longest_gap=longest_gap)
        for number, person in enumerate(points):
            people = [person] if is_seen(person).any() else []
            write_json(poses / f"{number:05d}.json", people_as_json(people))
        write_metadata(images, frames_per_second=rate, size=picture.shape, finder=finder, source=task.source)
    seen = is_seen(points)
    found = np.stack([np.zeros_like(points[0]) if body is None else body for body in bodies])
    moved = np.linalg.norm((points - found)[..., :2], axis=2)[seen & is_seen(found)]

    def num_seen(part: slice) -> int:
        return int(seen[:, part].any(axis=1).sum())

    print(
        f"{out}: {task.phase} sequence {task.name!r}, {len(bodies)} frames at {rate:.4g} per second; a person found in "
        f"{num_found}, {len(seen) - num_seen(BODY)} frames are left without one; "
        f"{seen[:, BODY].sum(axis=1).mean():.1f} of 25 points a frame, a face in {num_seen(FACE)}, a left hand in "
        f"{num_seen(LEFT_HAND)}, a right hand in {num_seen(RIGHT_HAND)}; "
        f"{moved.mean():.2f} pixels of jitter smoothed away"
    )
    if crowd := crowd_note(find, "people"):
        print(f"{task.video}: {crowd}")
