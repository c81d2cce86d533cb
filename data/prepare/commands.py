"""What each sub-command of ``python -m data.prepare`` does with its arguments."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial

from data.detectors.blaze_pose import body_finder_note
from data.detectors.face_retargeting import read_reference
from data.detectors.landmarks import common_finder, finder_note
from data.detectors.segmenter import Segmenter
from data.kinds.label_sets import read_label_set
from data.prepare.face import noted_finders, prepare_face_task
from data.prepare.many import Task, find_videos, plan, run_tasks
from data.prepare.pack_shards import prepare_shards
from data.prepare.paired import prepare_paired
from data.prepare.pose import prepare_pose
from data.prepare.pose_video import prepare_pose_task
from data.prepare.street import cityscapes_drives, folder_drives, write_drives
from data.prepare.street_video import PARTS, prepare_street_task
from util.errors import UserError


def _prepare_street(arguments: argparse.Namespace) -> None:
    if arguments.segmenter is not None:
        _prepare_street_videos(arguments)
        return
    if len(arguments.sources) > 1:
        raise UserError(f"SOURCE: expected one, found {len(arguments.sources)}; several videos need --segmenter")
    (arguments.source,) = arguments.sources
    arguments.phase = arguments.phase or "train"
    if arguments.images is None and (arguments.source / "leftImg8bit_sequence").is_dir():
        split = arguments.split or arguments.phase
        drives = cityscapes_drives(
            arguments.source, split=split, labels=arguments.labels, min_frames=arguments.min_frames
        )
    else:
        drives = folder_drives(
            arguments.source,
            name=arguments.name or arguments.source.resolve().name,
            images=arguments.images,
            instances=arguments.instances,
        )
    write_drives(
        drives,
        arguments.out,
        phase=arguments.phase,
        labels=read_label_set(arguments.label_set),
        by_colour=arguments.by_colour,
        ignore_label=arguments.ignore_label,
        copy=arguments.copy,
    )


def _prepare_street_videos(arguments: argparse.Namespace) -> None:
    given = [name for name in ("images", "instances", "labels", "ignore_label") if getattr(arguments, name) is not None]
    if given or arguments.by_colour or arguments.copy:
        raise UserError(f"--{(*given, 'by_colour or --copy')[0]}: does not go with --segmenter; leave it out")
    if arguments.split not in (None, "ends", "videos"):
        raise UserError(f"--split {arguments.split}: expected ends or videos with --segmenter")
    arguments.videos = arguments.sources
    labels = read_label_set(arguments.label_set)
    network = Segmenter(arguments.segmenter, labels=labels)  # mistakes are told before any work
    common_finder([network.note, *noted_finders(arguments.out)])
    work = partial(prepare_street_task, segmenter=arguments.segmenter, labels=labels)
    _run_videos(arguments, work, parts=PARTS)


def _prepare_paired(arguments: argparse.Namespace) -> None:
    first_frame, end_frame = arguments.frames
    prepare_paired(
        arguments.inputs,
        arguments.wanted,
        arguments.out,
        phase=arguments.phase,
        name=arguments.name or arguments.wanted.stem,
        first_frame=first_frame,
        end_frame=end_frame,
        frames_per_second=arguments.fps,
        suffix=f".{arguments.format}",
    )


def _prepare_pose(arguments: argparse.Namespace) -> None:
    if arguments.openpose is None:
        _prepare_pose_videos(arguments)
        return
    if arguments.videos or arguments.frames != (0, None):
        raise UserError("--openpose: expected neither VIDEO nor --frames; give the frames with --video or --images")
    prepare_pose(
        arguments.openpose,
        arguments.out,
        video=arguments.video,
        images=arguments.images,
        densepose=arguments.densepose,
        phase=arguments.phase or "train",
        name=arguments.name or (arguments.video.stem if arguments.video else arguments.openpose.resolve().name),
        smoothing=arguments.smoothing,
        longest_gap=arguments.longest_gap,
        reference=arguments.retarget,
        frames_per_second=arguments.fps,
        suffix=f".{arguments.format}",
    )


def _prepare_face(arguments: argparse.Namespace) -> None:
    common_finder([finder_note(arguments.finder), *noted_finders(arguments.out)])
    reference = None
    if arguments.retarget is not None:
        common_finder([finder_note(arguments.finder), *noted_finders(arguments.retarget)])
        reference = read_reference(arguments.retarget)
    work = partial(prepare_face_task, finder=arguments.finder, enlarge=arguments.enlarge, reference=reference)
    _run_videos(arguments, work, parts=("img", "keypoints") if reference is None else ("keypoints",))


def _run_videos(arguments: argparse.Namespace, work: Callable[..., None], *, parts: Sequence[str]) -> None:
    """Let ``work`` make a sequence of each part of the videos; ``parts`` are its folders behind the phase."""
    work = partial(work, out=arguments.out, frames_per_second=arguments.fps, suffix=f".{arguments.format}")
    run_tasks(_tasks(arguments), work, out=arguments.out, parts=parts, jobs=arguments.jobs)


def _tasks(arguments: argparse.Namespace) -> list[Task]:
    """What the flags of ``_add_videos`` ask this process to do."""
    videos = find_videos(arguments.videos)
    if arguments.name is not None and len(videos) > 1:
        raise UserError(f"--name {arguments.name}: expected one video, found {len(videos)}; leave it out")
    tasks = plan(
        videos,
        phase=arguments.phase,
        name=arguments.name,
        frames=arguments.frames,
        test_share=arguments.test_share,
        whole_videos=arguments.split == "videos",
    )
    number, count = arguments.shard
    mine = videos[number - 1 :: count]
    return [task for task in tasks if task.video in mine]


def _prepare_pose_videos(arguments: argparse.Namespace) -> None:
    given = [name for name in ("video", "images", "densepose", "retarget") if getattr(arguments, name) is not None]
    if given:
        raise UserError(f"--{given[0]}: expected --openpose with it; without OpenPose's files give VIDEO alone")
    if not arguments.videos:
        raise UserError("expected VIDEO, or OpenPose's files with --openpose; give one of them")
    common_finder([body_finder_note(), *noted_finders(arguments.out)])
    work = partial(prepare_pose_task, smoothing=arguments.smoothing, longest_gap=arguments.longest_gap)
    _run_videos(arguments, work, parts=("img", "openpose"))


def _prepare_shards(arguments: argparse.Namespace) -> None:
    prepare_shards(arguments.dataroot, arguments.out, shard_mb=arguments.shard_mb)


COMMANDS = {
    "face": _prepare_face,
    "street": _prepare_street,
    "paired": _prepare_paired,
    "pose": _prepare_pose,
    "shards": _prepare_shards,
}
