"""The pose sample: a puppet that dances, with exact motion."""

import functools
from collections.abc import Callable
from pathlib import Path

from data.kinds.openpose import people_as_json
from data.kinds.pose import pose_files
from data.prepare.face import write_metadata
from data.prepare.folders import new_folders
from data.samples.motion_files import write_motion
from data.samples.worlds.puppet import FRAMES_PER_SECOND, Moment, Puppet
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture

SEQUENCE = "puppet"
# Test frames are another phase of the dance, a second and more after the last training frame.
POSE_SPLIT = {"train": range(0, 96), "test": range(130, 160)}
_BETWEEN_DANCES = 400  # frames from the start of one to that of the next
PARTS = ("img", "openpose", "densepose", "flow")


def write_pose_sample(
    out: Path, *, seed: int = 0, phases: tuple[str, ...] = tuple(POSE_SPLIT), num_dances: int = 1
) -> None:
    """Write the sample dataset to ``out``; what is there already is counted and left alone.

    Beside the folders of a pose dataset there is ``<phase>_flow/puppet/*.npz``, the motion of each frame, which
    ``data.samples.motion_files`` reads. Prints one line for each phase.

    Args:
        out: the dataset's folder.
        seed: another seed is another puppet and dance.
        phases: which of ``POSE_SPLIT`` to write.
        num_dances: training sequences, each of another time of the endless dance.

    Raises:
        UserError: ``out`` holds something else under the sample's name.
    """
    puppet = functools.cache(lambda: Puppet(seed))  # painting it takes seconds
    for phase in phases:
        for number in range(num_dances if phase == "train" else 1):
            start = number * _BETWEEN_DANCES
            times = range(POSE_SPLIT[phase].start + start, POSE_SPLIT[phase].stop + start)
            _write_dance(puppet, out, phase=phase, name=f"{SEQUENCE}_{number}" if number else SEQUENCE, times=times)


def _write_dance(puppet: Callable[[], Puppet], out: Path, *, phase: str, name: str, times: range) -> None:
    folder = out / f"{phase}_img" / name
    if folder.exists():
        found = {files.name: files for files in pose_files(out, phase=phase, needs_images=True)}
        if len(found[name].leading) != len(times):
            raise UserError(
                f"{folder}: expected the sample's {len(times)} frames, found {len(found[name].leading)}; "
                f"remove {out} and run this again"
            )
        print(f"{folder}: {len(times)} frames are there already")
        return
    with new_folders(out, [f"{phase}_{part}/{name}" for part in PARTS], name=name) as folders:
        made = dict(zip(PARTS, folders, strict=True))
        for number, time in enumerate(times):
            moment = puppet().moment(time)
            _write_moment(moment, made, number)
        write_metadata(made["img"], frames_per_second=FRAMES_PER_SECOND, size=moment.image.shape)
    print(f"{folder}: {len(times)} frames written, with OpenPose, DensePose and exact flow")


def _write_moment(moment: Moment, folders: dict[str, Path], number: int) -> None:
    write_picture(folders["img"] / f"{number:05d}.png", moment.image)
    write_picture(folders["densepose"] / f"{number:05d}.png", moment.densepose)
    write_json(folders["openpose"] / f"{number:05d}.json", people_as_json([moment.person]))
    write_motion(
        folders["flow"] / f"{number:05d}.npz",
        forward=moment.forward.flow.transpose(1, 2, 0),
        backward=moment.backward.flow.transpose(1, 2, 0),
        occluded=moment.forward.is_hidden,
        appeared=moment.backward.is_hidden,
    )
