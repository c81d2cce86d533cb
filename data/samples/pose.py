"""The pose sample: a puppet that dances, with exact motion."""

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
PARTS = ("img", "openpose", "densepose", "flow")


def write_pose_sample(out: Path, *, seed: int = 0, phases: tuple[str, ...] = tuple(POSE_SPLIT)) -> None:
    """Write the sample dataset to ``out``; what is there already is counted and left alone.

    Beside the folders of a pose dataset there is ``<phase>_flow/puppet/*.npz``, the motion of each frame, which
    ``data.samples.motion_files`` reads. Prints one line for each phase.

    Raises:
        UserError: ``out`` holds something else under the sample's name.
    """
    puppet = None
    for phase in phases:
        wanted = POSE_SPLIT[phase]
        folder = out / f"{phase}_img" / SEQUENCE
        if folder.exists():
            found = {files.name: files for files in pose_files(out, phase=phase, needs_images=True)}
            if len(found[SEQUENCE].leading) != len(wanted):
                raise UserError(
                    f"{folder}: expected the sample's {len(wanted)} frames, found {len(found[SEQUENCE].leading)}; "
                    f"remove {out} and run this again"
                )
            print(f"{folder}: {len(wanted)} frames are there already")
        else:
            puppet = puppet or Puppet(seed)
            with new_folders(out, [f"{phase}_{part}/{SEQUENCE}" for part in PARTS], name=SEQUENCE) as folders:
                made = dict(zip(PARTS, folders, strict=True))
                for number, time in enumerate(wanted):
                    moment = puppet.moment(time)
                    _write_moment(moment, made, number)
                write_metadata(made["img"], frames_per_second=FRAMES_PER_SECOND, picture=moment.image)
            print(f"{folder}: {len(wanted)} frames written, with OpenPose, DensePose and exact flow")


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
