"""A Cityscapes download, or any folders of label maps, become a street dataset.

Pictures, and maps that hold label ids already, are linked and not copied: a download has hundreds of gigabytes.
"""

import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.kinds.label_sets import LabelSet, channel_table
from data.kinds.street import MAP_SUFFIXES
from data.layout import PICTURE_SUFFIXES
from data.prepare.folders import new_folders
from data.prepare.partners import frame_files, partner_files
from data.storage.picture_files import is_grey, picture_mode, read_ids, read_numbers, read_picture
from util.errors import UserError
from util.media.pictures import write_picture

# frankfurt_000000_000294_leftImg8bit.png: city, recording, frame, and what the file holds
_CITYSCAPES_NAME = re.compile(r"(?P<recording>.+_\d{6})_(?P<frame>\d{6})(?:_(?P<content>.+))?")
_PICTURES = ("leftImg8bit_sequence", "leftImg8bit")
_COLOUR_MODES = ("RGB", "RGBA")
_ALL_MAP_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame as they were found."""

    name: str
    labels: Path
    image: Path | None = None
    instances: Path | None = None


@dataclass(frozen=True)
class Drive:
    """Consecutive frames."""

    name: str
    frames: list[FrameFiles]


class _FrameKey(NamedTuple):
    recording: str
    frame: int


def cityscapes_drives(root: Path, *, split: str, labels: Path | None = None, min_frames: int = 3) -> list[Drive]:
    """The drives of a Cityscapes download; one ends where a frame, or its label map, is missing.

    Cityscapes labels one frame in thirty; maps of all frames come from a segmentation network (``labels``). Prints
    what is left out, and why.

    Args:
        root: with ``leftImg8bit_sequence/<split>/<city>/*.png`` and, without ``labels``, ``gtFine/<split>/<city>/*``.
        split: ``train``, ``val`` or ``test``.
        labels: a folder, with any folders in it, of maps named as Cityscapes names label maps or pictures; also
            of instance maps ``*_instanceIds.png``.
        min_frames: shorter drives are left out.

    Raises:
        UserError: a folder is missing, or no drive is left.
    """
    folders = [root / name / split for name in _PICTURES if (root / name / split).is_dir()]
    if not folders:
        raise UserError(f"{root / _PICTURES[0] / split}: expected the pictures of Cityscapes, found no such folder; "
                        "check SOURCE and --split")  # fmt: skip
    label_root = labels if labels is not None else root / "gtFine" / split
    if not label_root.is_dir():
        raise UserError(f"{label_root}: expected label maps, found no such folder; give theirs with --labels")
    images = {key: path for key, content, path in _named(folders[0]) if content == "leftImg8bit"}
    maps, instances = _maps(label_root)
    runs = _runs(sorted(images.keys() & maps.keys()))
    kept = [run for run in runs if len(run) >= min_frames]
    print(
        f"{folders[0]}: {len(images)} pictures, {len(maps)} label maps, {len(instances)} instance maps; "
        f"{len(images.keys() - maps.keys())} pictures without a label map and {len(maps.keys() - images.keys())} label "
        f"maps without a picture left out; {len(runs) - len(kept)} of {len(runs)} drives are shorter than {min_frames} "
        "frames and left out"
    )
    if not kept:
        raise UserError(
            f"{label_root}: expected label maps of at least {min_frames} successive frames, found {len(runs)} shorter "
            "stretches; gtFine has one frame in thirty: give predicted maps of all frames with --labels"
        )
    return [
        Drive(
            f"{run[0].recording}_{run[0].frame:06d}",
            [FrameFiles(f"{key.frame:06d}", maps[key], images[key], instances.get(key)) for key in run],
        )
        for run in kept
    ]


def folder_drives(labels: Path, *, name: str, images: Path | None, instances: Path | None) -> list[Drive]:
    """The drives of folders whose files belong together by name: one drive, or one in each folder inside.

    Args:
        labels: the label maps.
        name: of the drive, if ``labels`` has no folders inside.
        images: pictures; None: there is no real video.
        instances: instance maps, or None.

    Raises:
        UserError: a folder is missing or empty, or a file has no partner.
    """
    if not labels.is_dir():
        raise UserError(f"{labels}: expected a folder of label maps, found no such folder; check the path")
    inside = sorted(path for path in labels.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not inside:
        return [_folder_drive(name, labels, images, instances)]
    return [
        _folder_drive(
            folder.name,
            folder,
            None if images is None else images / folder.name,
            None if instances is None else instances / folder.name,
        )
        for folder in inside
    ]


def write_drives(
    drives: list[Drive],
    out: Path,
    *,
    phase: str,
    labels: LabelSet,
    by_colour: bool = False,
    ignore_label: int | None = None,
    copy: bool = False,
) -> None:
    """Write drives as sequences of the street dataset ``out``, and print their number.

    Args:
        drives: what to write.
        out: the dataset's folder; none of the sequences may be there yet.
        phase: which part of the dataset.
        labels: ids, and the colours of colour-coded maps.
        by_colour: maps with a palette are colour-coded too; else their numbers are label ids.
        ignore_label: id of colours, and of ids, that are no label; None: such colours are an error, and ids are not
            looked at.
        copy: copy pictures and maps rather than link them.

    Raises:
        UserError: a map is broken or has an unknown colour, or a sequence exists already.
    """
    converter = _Converter(labels, by_colour=by_colour, ignore_label=ignore_label, copy=copy)
    for drive in drives:
        targets = [f"{part}/{phase}/{drive.name}" for part in ("A", "B", "Inst")]
        with new_folders(out, targets, name=drive.name) as (label_folder, image_folder, instance_folder):
            for frame in drive.frames:
                converter.put_labels(frame.labels, label_folder / f"{frame.name}.png")
                if frame.image is not None:
                    converter.put(frame.image, image_folder / f"{frame.name}{frame.image.suffix.lower()}")
                if frame.instances is not None:
                    converter.put_instances(frame.instances, instance_folder / f"{frame.name}.png")
    counts = ", ".join(f"{count} files {done}" for done, count in sorted(converter.done.items()))
    frames = [frame for drive in drives for frame in drive.frames]
    with_image, with_instances = (
        sum(path is not None for path in paths)
        for paths in ([frame.image for frame in frames], [frame.instances for frame in frames])
    )
    print(
        f"{out}: {len(drives)} {phase} sequences, {len(frames)} frames, {with_image} with pictures, {with_instances} "
        f"with instance maps; {counts}"
    )


class _Converter:
    """Puts files into a dataset, linked where they may stay as they are, and counts what it did."""

    def __init__(self, labels: LabelSet, *, by_colour: bool, ignore_label: int | None, copy: bool) -> None:
        self.ids = {label.color: label.id for label in reversed(labels)}  # of labels with one colour, the first counts
        self.known = [label.id for label in labels]
        channel_table(labels, ignore_label=ignore_label)  # refuses an id that is no label
        self.by_colour = by_colour
        self.ignore_label = ignore_label
        self.copy = copy
        self.done: Counter[str] = Counter()

    def put(self, source: Path, target: Path) -> None:
        """Link or copy a file."""
        if self.copy:
            shutil.copyfile(source, target)
        else:
            target.symlink_to(source.resolve())
        self.done["copied" if self.copy else "linked"] += 1

    def put_labels(self, source: Path, target: Path) -> None:
        """Put a label map, as ids."""
        mode = picture_mode(source)
        if mode in _COLOUR_MODES or (mode == "P" and self.by_colour):
            colours = read_picture(source)
            if self._are_ids(colours):
                self._write(target, self._known_ids(colours[..., 0].astype(np.uint16), source))
            else:
                self._write(target, self._ids_of_colours(colours, source))
        elif self.ignore_label is not None and self._has_unknown(source):
            self._write(target, self._known_ids(read_ids(source), source))
        elif source.suffix.lower() in MAP_SUFFIXES[:1]:
            self.put(source, target)
        else:
            self._write(target, read_ids(source))

    def put_instances(self, source: Path, target: Path) -> None:
        """Put an instance map; ids that are colours are counted anew, since only borders between them matter."""
        mode = picture_mode(source)
        if mode in _COLOUR_MODES:
            colours = read_picture(source).astype(np.int64) @ np.array([1, 256, 65536])
            self._write(target, self._counted_anew(colours, source))
            return
        numbers = read_numbers(source) if mode in ("I", "F") else read_ids(source)
        if numbers.max(initial=0) >= 2**16 or numbers.min(initial=0) < 0:
            self._write(target, self._counted_anew(numbers, source))
        elif source.suffix.lower() in MAP_SUFFIXES[:1]:
            self.put(source, target)
        else:
            self._write(target, numbers.astype(np.uint16))

    def _counted_anew(self, numbers: np.ndarray, source: Path) -> np.ndarray:
        values, ids = np.unique(numbers, return_inverse=True)
        if len(values) > 2**16:
            raise UserError(f"{source}: expected an instance map, found {len(values)} instances; give another folder")
        return ids.reshape(numbers.shape).astype(np.uint16)

    def _are_ids(self, colours: np.ndarray) -> bool:
        """Whether a picture in colours holds ids: red, green and blue are alike, and ids rather than colours."""
        if self.by_colour or not is_grey(colours):
            return False
        values = np.unique(colours[..., 0]).tolist()
        num_colours = sum((value, value, value) in self.ids for value in values)
        return sum(value in self.known for value in values) > num_colours

    def _known_ids(self, ids: np.ndarray, source: Path) -> np.ndarray:
        """``ids`` with those that are no label as ``--ignore_label`` says."""
        is_known = np.isin(ids, self.known)
        if not is_known.any():
            raise _all_unknown(source, f"id {int(ids.flat[0])}")
        return ids if self.ignore_label is None else np.where(is_known, ids, np.uint16(self.ignore_label))

    def _has_unknown(self, source: Path) -> bool:
        return not np.isin(np.unique(read_ids(source)), self.known).all()

    def _ids_of_colours(self, picture: np.ndarray, source: Path) -> np.ndarray:
        colours, places = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True)
        ids = []
        if self.ignore_label is not None and not any(tuple(colour) in self.ids for colour in colours.tolist()):
            raise _all_unknown(source, f"colour {tuple(colours[0].tolist())}")
        for colour in map(tuple, colours.tolist()):
            id = self.ids.get(colour, self.ignore_label)
            if id is None:
                raise UserError(
                    f"{source}: expected the colours of --label_set, found {colour}; add it to the set, or give the id "
                    "that unknown colours count as with --ignore_label"
                )
            ids.append(id)
        return np.array(ids, np.uint16)[places.reshape(picture.shape[:2])]

    def _write(self, target: Path, ids: np.ndarray) -> None:
        write_picture(target, ids if ids.max(initial=0) > 255 else ids.astype(np.uint8))
        self.done["converted"] += 1


def _all_unknown(source: Path, found: str) -> UserError:
    return UserError(
        f"{source}: expected labels of --label_set, found none of them in the whole map, but {found}; give another set"
    )


def _named(folder: Path) -> Iterable[tuple[_FrameKey, str, Path]]:
    """(frame, content, file) of all files below ``folder`` that are named as Cityscapes names them."""
    for path in sorted(folder.rglob("*.png")):
        found = _CITYSCAPES_NAME.fullmatch(path.stem)
        if found:
            yield _FrameKey(found["recording"], int(found["frame"])), found["content"] or "", path


def _maps(folder: Path) -> tuple[dict[_FrameKey, Path], dict[_FrameKey, Path]]:
    """The label maps and the instance maps below ``folder``."""
    labels: dict[_FrameKey, Path] = {}
    instances: dict[_FrameKey, Path] = {}
    for key, content, path in _named(folder):
        if content.endswith("instanceIds"):
            instances[key] = path
        elif content.endswith("labelIds") or content in ("leftImg8bit", ""):
            labels[key] = path
    return labels, instances


def _runs(keys: list[_FrameKey]) -> list[list[_FrameKey]]:
    """Sorted frames, cut wherever their numbers break."""
    runs: dict[tuple[str, int], list[_FrameKey]] = defaultdict(list)
    for position, key in enumerate(keys):
        # within a run, number and position grow together
        runs[key.recording, key.frame - position].append(key)
    return list(runs.values())


def _folder_drive(name: str, labels: Path, images: Path | None, instances: Path | None) -> Drive:
    maps = frame_files(labels, _ALL_MAP_SUFFIXES, "label maps")
    pictures = _partners(images, maps, "pictures", PICTURE_SUFFIXES)
    others = _partners(instances, maps, "instance maps", _ALL_MAP_SUFFIXES)
    return Drive(name, [FrameFiles(stem, path, pictures.get(stem), others.get(stem)) for stem, path in maps.items()])


def _partners(folder: Path | None, maps: dict[str, Path], what: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of ``folder``, one for each label map; none without a folder."""
    if folder is None:
        return {}
    found = frame_files(folder, suffixes, what)
    pairs = partner_files(maps, found, what)
    if len(found) > len(pairs):
        print(f"{folder}: {len(found) - len(pairs)} of {len(found)} {what} have no label map and are left out")
    return pairs
