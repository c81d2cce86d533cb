"""The street sample: a drive through a toy city with labels, objects and exact motion, another one for each seed."""

from pathlib import Path

from data.layout import VIDEO_METADATA
from data.prepare.folders import new_folders
from data.samples.motion_files import write_motion
from data.samples.worlds.city import City, Frame
from util.errors import UserError
from util.files import write_json
from util.media.pictures import write_picture

FRAMES_PER_SECOND = 17.0
"""As in Cityscapes."""
HEIGHT, WIDTH = 256, 512
STREET_SPLIT = {"train": (("street_0", 60), ("street_1", 60)), "test": (("street_2", 30),)}
"""The sequences of each phase and their numbers of frames; every one is a street of its own."""
_PER_SEED = 3  # streets of the smallest sample
KINDS = ("A", "B", "inst", "flow")


def street_split(num_train: int = 2) -> dict[str, tuple[tuple[str, int], ...]]:
    """``STREET_SPLIT`` with more training streets of 60 frames: street_3, street_4 and so on.

    Raises:
        UserError: fewer than the two that there always are.
    """
    if num_train < 2:
        raise UserError(f"--streets {num_train}: expected 2 or more")
    further = ((f"street_{number}", 60) for number in range(3, num_train + 1))
    return {"train": (*STREET_SPLIT["train"], *further), "test": STREET_SPLIT["test"]}


def write_street_sample(
    out: Path,
    *,
    seed: int = 0,
    phases: tuple[str, ...] = tuple(STREET_SPLIT),
    height: int = HEIGHT,
    width: int = WIDTH,
    num_frames: int | None = None,
    num_train: int = 2,
) -> None:
    """Write the toy city to ``out``; what is there already is counted and left alone.

    ``<phase>_A/<sequence>/*.png`` are label ids of Cityscapes (uint8), ``_B`` the pictures, ``_inst`` instance ids
    (uint16: the label, or label * 1000 + number for people, riders, cars and bicycles), ``_flow`` the motion; see
    ``data.samples.motion_files``. Prints one line for each sequence.

    Args:
        out: the dataset's folder.
        seed: another seed is another city.
        phases: which of ``STREET_SPLIT`` to write.
        height, width: of the pictures; a width of twice the height shows the most.
        num_frames: of each sequence; None: as ``STREET_SPLIT`` says.
        num_train: training streets.

    Raises:
        UserError: ``out`` holds something else under the sample's names.
    """
    split = street_split(num_train)
    for phase in phases:
        for name, length in split[phase]:
            wanted = num_frames or length
            targets = [out / f"{phase}_{kind}" / name for kind in KINDS]
            if any(target.exists() for target in targets):
                _check_sequence(targets, wanted)
                print(f"{targets[1]}: {wanted} frames are there already")
                continue
            city = City(seed * _PER_SEED + int(name.removeprefix("street_")))
            frames = city.frames(wanted, frames_per_second=FRAMES_PER_SECOND, height=height, width=width)
            with new_folders(out, [f"{phase}_{kind}/{name}" for kind in KINDS], name=name) as folders:
                for number, frame in enumerate(frames):
                    _write_frame(folders, number, frame)
                metadata = {"frames_per_second": FRAMES_PER_SECOND, "height": height, "width": width}
                write_json(folders[1] / VIDEO_METADATA, metadata)
            print(f"{targets[1]}: {wanted} frames written, with labels, instances and motion")


def _write_frame(folders: list[Path], number: int, frame: Frame) -> None:
    labels, images, instances, flows = (folder / f"{number:05d}.png" for folder in folders)
    write_picture(labels, frame.labels)
    write_picture(images, frame.image)
    write_picture(instances, frame.instances)
    write_motion(
        flows.with_suffix(".npz"),
        forward=frame.forward.flow,
        backward=frame.backward.flow,
        occluded=frame.forward.is_hidden,
        appeared=frame.backward.is_hidden,
    )


def _check_sequence(folders: list[Path], wanted: int) -> None:
    """Raise where a folder of the sequence is missing or has another number of frames."""
    for folder in folders:
        found = len([path for path in folder.glob("*") if path.suffix in (".png", ".npz")])
        if found != wanted:
            raise UserError(
                f"{folder}: expected the sample's {wanted} frames, found {found}; "
                f"remove {folder.parents[1]} and run this again"
            )
