"""A video becomes a street dataset: its frames, and the label maps that a network of one's own finds in them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from data.detectors.landmarks import common_finder
from data.detectors.segmenter import Segmenter
from data.kinds.label_sets import LabelSet
from data.prepare.face import noted_finders, write_metadata
from data.prepare.folders import new_folders
from data.prepare.many import Task
from util.errors import UserError
from util.media.pictures import write_picture
from util.media.video import probe, read_video

PARTS = ("B", "A", "inst")


def prepare_street_task(
    task: Task, *, out: Path, segmenter: Path, labels: LabelSet, frames_per_second: float | None, suffix: str
) -> None:
    """Write a part of a video and its label maps as a sequence of the street dataset ``out``.

    Args:
        task: the part.
        out: the dataset's folder; the sequence must not be there yet.
        segmenter: a network in ONNX, its settings beside it.
        labels: the label set; see ``data.kinds.label_sets``.
        frames_per_second: noted beside the pictures; None: the video's own rate.
        suffix: ``.png`` or ``.jpg``.

    Raises:
        UserError: no frame in the range, the sequence exists already, the network does not fit, or others in ``out``
            have label maps by another one.
    """
    network = Segmenter(segmenter, labels=labels)
    common_finder([network.note, *noted_finders(out)])
    rate = frames_per_second or probe(task.video).frames_per_second
    sizes: list[tuple[int, ...]] = []
    with new_folders(out, [f"{task.phase}_{part}/{task.name}" for part in PARTS], name=task.name) as folders:
        images, maps, instances = folders

        def written() -> Iterator[np.ndarray]:
            for picture in islice(read_video(task.video), task.first_frame, task.end_frame):
                write_picture(images / f"{len(sizes):05d}{suffix}", picture)
                sizes.append(picture.shape)
                yield picture

        if not network.write(written(), maps, instances):
            raise UserError(f"{task.video}: expected frames {task.source}, found none; choose others with --frames")
        write_metadata(images, frames_per_second=rate, size=sizes[0], finder=network.note, source=task.source)
    print(f"{out}: {task.phase} sequence {task.name!r}, {len(sizes)} frames at {rate:.4g} per second, with label maps")
