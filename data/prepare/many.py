"""Many videos become sequences of one dataset: what is to be done, by whom, and what came of it.

A sequence is written whole or not at all, so a run that was stopped goes on where it was: what is there is skipped.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path

import cv2

from data.layout import VIDEO_METADATA, VideoNotes
from data.prepare.folders import tell_of_video
from data.storage.video_files import VIDEO_SUFFIXES, video_table
from util.errors import UserError
from util.folders import lock_of
from util.json_files import read_json
from util.locks import locked
from util.stopping import end_on_signals


@dataclass(frozen=True)
class Task:
    """A part of a video that becomes one sequence."""

    video: Path
    phase: str
    name: str
    first_frame: int
    end_frame: int | None
    """The first frame not to take any more; None: all."""

    @property
    def source(self) -> str:
        """What the sequence is made of, as it is noted beside its pictures."""
        return f"{self.video.name} {self.first_frame}:{'' if self.end_frame is None else self.end_frame}"


@dataclass(frozen=True)
class Outcome:
    """What came of a task."""

    task: Task
    is_new: bool = True
    error: str | None = None


def find_videos(sources: Sequence[Path]) -> list[Path]:
    """The videos among some files and folders, at any depth, in order.

    Raises:
        UserError: a source is missing, or holds no video.
    """
    videos: list[Path] = []
    for source in sources:
        if source.is_dir():
            found = sorted(path for path in source.rglob("*") if _is_video(path.relative_to(source)))
        else:
            found = [source] if source.is_file() else []
        if not found:
            raise UserError(
                f"{source}: expected a video, or a folder of videos {', '.join(VIDEO_SUFFIXES)}, found none; check the "
                "path"
            )
        videos += found
    return videos


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not any(part.startswith(".") for part in path.parts)


def plan(
    videos: Sequence[Path],
    *,
    phase: str | None,
    name: str | None,
    frames: tuple[int, int | None] = (0, None),
    test_share: float = 0.2,
    whole_videos: bool = False,
) -> list[Task]:
    """What is to be done, video by video.

    Args:
        videos: the files.
        phase: where all goes; None: to ``train`` and ``test``, as the next arguments say.
        name: of the sequence, where there is one video; None: the file's name without suffix.
        frames: of each video, the first one and that after the last.
        test_share: which share of the frames goes to ``test``: the end of each video, or
        whole_videos: the last ones of the list, as many as that share.

    Raises:
        UserError: two videos of one name, a name for many videos, or a file that is no video.
    """
    names = [name or video.stem for video in videos]
    for number, one in enumerate(names):
        if one in names[:number]:
            other = videos[names.index(one)]
            raise UserError(f"{videos[number]}: expected a name of its own, found that of {other}; rename one of them")
    first, end = frames
    num_held_out = max(1, round(test_share * len(videos))) if test_share and len(videos) > 1 else 0
    tasks = []
    for number, (video, one) in enumerate(zip(videos, names, strict=True)):
        if phase is not None or test_share == 0 or whole_videos:
            is_test = number >= len(videos) - num_held_out
            tasks.append(Task(video, phase or ("test" if is_test else "train"), one, first, end))
            continue
        stop = min(end or video_table(video).num_frames, video_table(video).num_frames)
        border = stop - round(test_share * max(0, stop - first))
        tasks += [Task(video, "train", one, first, border), Task(video, "test", one, border, stop)]
    return tasks


def run_tasks(
    tasks: Sequence[Task], work: Callable[[Task], None], *, out: Path, parts: Sequence[str], jobs: int = 1
) -> None:
    """Do the tasks, and print at the end what was done, skipped and missed.

    Args:
        tasks: see ``plan``.
        work: does one; with several jobs it goes to other processes, so it must be a function of a module.
        out: the dataset's folder.
        parts: what the folders of a sequence are called behind the phase, that of the pictures first.
        jobs: processes.

    Raises:
        UserError: some could not be done; the others are.
    """
    for video in dict.fromkeys(task.video for task in tasks):
        tell_of_video(video)
    attempt = partial(_attempt, work=work, out=out, parts=parts)
    if jobs == 1:
        outcomes = [attempt(task) for task in tasks]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin_process) as pool:
            try:
                outcomes = list(pool.map(attempt, tasks))
            except SystemExit:  # by a signal, which may have reached this process alone
                for process in active_children():
                    process.terminate()
                raise
    failed = [one for one in outcomes if one.error is not None]
    num_new = sum(one.is_new for one in outcomes) - len(failed)
    print(
        f"{out}: {num_new} sequences written, {len(outcomes) - num_new - len(failed)} were there, {len(failed)} failed"
    )
    if len(failed) == 1:
        raise UserError(str(failed[0].error))
    if failed:
        for one in failed:
            print(f"failed: {one.task.phase} {one.task.name}: {one.error}")
        raise UserError(f"{out}: {len(failed)} of {len(outcomes)} sequences failed, see above; run this again for them")


def _begin_process() -> None:
    cv2.setNumThreads(1)
    end_on_signals(in_worker=True)


def _attempt(task: Task, *, work: Callable[[Task], None], out: Path, parts: Sequence[str]) -> Outcome:
    """Do one task, unless its sequence is there; what a stopped run left of it is removed first."""
    folders = [out / f"{task.phase}_{part}" / task.name for part in parts]
    try:
        with locked(lock_of(folders[0]), place=folders[0]):
            return _attempt_alone(task, folders, work=work, out=out)
    except UserError as error:
        return Outcome(task, error=str(error))
    except SystemExit as error:
        if parent_process() is None:
            raise
        os._exit(int(error.code or 0))  # scratch files are gone; the pool would go on with the next task


def _attempt_alone(task: Task, folders: Sequence[Path], *, work: Callable[[Task], None], out: Path) -> Outcome:
    noted = _noted_source(folders[0])
    if all(folder.exists() for folder in folders):
        if noted not in (None, task.source):
            there = f"expected a sequence of {task.source}, found one of {noted}"
            return Outcome(task, error=f"{folders[0]}: {there}; choose another --name or --out")
        print(f"{out}: {task.phase} sequence {task.name!r} is there already")
        return Outcome(task, is_new=False)
    if noted == task.source:  # stopped between its folders
        shutil.rmtree(folders[0])
    work(task)
    return Outcome(task)


def _noted_source(folder: Path) -> str | None:
    """What the pictures in ``folder`` were made of, where that is noted."""
    try:
        return read_json(folder / VIDEO_METADATA, VideoNotes, expected="the notes of a video").source
    except UserError:
        return None
