"""Tests of a checkpoint: on a dataset, with numbers and a page (``run``), or on one's own video (``run_video``)."""

import io
import json
import os
import shlex
import sys
import time
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.evaluation import (
    SequenceResult,
    evaluate,
    evaluate_baselines,
    macs_per_call,
    mean_training_frame,
    summarise,
    write_references,
)
from data.sequences import VideoSequence
from data.sources.own_video import check_video_kind, own_video, timing_of
from models import checkpoint as checkpoints
from models.inference.pipeline import make_first_frames, make_methods, noted_finder, noted_widths, sequences_of
from options.config import TestConfig
from util.device import choose_device
from util.distributed import SINGLE_PROCESS, DistributedContext, distributed
from util.errors import UserError
from util.files import write_json
from util.folders import atomic_directory
from util.media.pictures import to_uint8
from util.media.video import VideoWriter
from util.report.page import write_page
from util.report.page_data import PageVideo, Section
from util.report.page_timeline import count

PATIENCE = timedelta(days=7)  # of processes that are done, for those with longer sequences
LABELS = {
    "teacher": "Teacher, every frame",
    "student_all": "Student, every frame",
    "fast": "Student on key-frames + motion compensation",
    "repeat_last_given": "Baseline: repeat the last given frame",
    "mean_frame": "Baseline: mean training frame",
}


def make_section(
    sequence: VideoSequence, results: dict[str, SequenceResult], references: list[PageVideo], folder: Path
) -> Section:
    """A sequence's part of the page."""
    shown = [name for name in ("teacher", "student_all", "fast") if name in results]
    return Section(
        name=sequence.name,
        videos=[*references, *(PageVideo(LABELS[name], folder / name / f"{sequence.name}.mp4") for name in shown)],
        num_frames=sequence.num_frames,
        frames_per_second=sequence.frames_per_second,
        key_frames=results["fast"].key_frames,
        given_frames=results["fast"].num_given,
        curves={
            LABELS[name]: result.psnr
            for name, result in results.items()
            if any(value is not None for value in result.psnr)
        },
        milliseconds={LABELS[name]: results[name].milliseconds for name in shown},
    )


def lineage(path: str | None, *, seen: set[str]) -> list[str]:
    """The commands that made a checkpoint and those it was made from, oldest first; what is gone is left out."""
    if path is None or path in seen:
        return []
    seen.add(path)
    try:
        saved = checkpoints.load(path, flag="checkpoint")
    except UserError:
        return []
    command = saved.metadata.get("command")
    before = [*lineage(saved.config.run.teacher, seen=seen), *lineage(saved.config.run.init, seen=seen)]
    return before if command is None or command in before else [*before, command]


def summary_table(methods: dict[str, dict[str, float]]) -> list[dict[str, object]]:
    """The numbers with readable column names."""
    columns = {
        "psnr": "PSNR (dB)", "ssim": "SSIM", "fps": "frames / s", "gmacs_per_frame": "GMACs / frame",
        "keyframe_share": "key-frame share",
    }  # fmt: skip
    return [
        {"method": LABELS[name]} | {title: numbers.get(key) for key, title in columns.items()}
        for name, numbers in methods.items()
    ]


def run_test(config: TestConfig, folder: Path, processes: DistributedContext = SINGLE_PROCESS) -> dict[str, object]:
    """Do everything; ``folder`` is a scratch folder that takes its place when all went well.

    Args:
        config: what to do.
        folder: the same for all processes.
        processes: that share the sequences: each makes every ``size``-th one, the writer brings all together.

    Returns:
        The summary; of other processes than the writer, nothing.
    """
    device = processes.device(choose_device(config.device))
    torch.manual_seed(config.seed)
    with processes.writer_first():  # what it calibrates the others find
        methods = make_methods(config, device)
    saved = methods[0].saved
    sequences = sequences_of(config, saved)
    first_frames = make_first_frames(
        config, data=saved.config.data, count=saved.config.generator.n_frames_G - 1, device=device
    )
    mean_frame = mean_training_frame(config, saved) if config.baselines else None
    made_here: list[tuple[dict[str, SequenceResult], Section]] = []
    for sequence in sequences[processes.rank :: processes.size]:
        made = evaluate(
            methods,
            sequence,
            first_frames,
            timing_runs=config.timing_runs,
            image_format=config.image_format,
            folder=folder,
        )
        if mean_frame is not None:
            made |= evaluate_baselines(sequence, first_frames.frames(sequence), mean_frame, config, folder)
        made_here.append((made, make_section(sequence, made, write_references(sequence, folder), folder)))
        sequence.forget_encoded()
    everybody = processes.gathered(made_here)
    if not processes.is_writer:
        return {}
    # each process made every size-th sequence: this is the order of one process
    in_order = [everybody[number % processes.size][number // processes.size] for number in range(len(sequences))]
    sections = [section for _, section in in_order]
    results = {name: [made[name] for made, _ in in_order] for name in in_order[0][0]}
    write_json(
        folder / "metrics.json",
        {name: [vars(result) for result in all_of] for name, all_of in results.items()},
    )
    macs = {one.name: macs_per_call(one.saved, sequences[0].size) for one in methods}
    order = [name for name in LABELS if name in results]
    seen: set[str] = set()
    commands = [
        *lineage(config.teacher, seen=seen),
        *lineage(config.checkpoint, seen=seen),
        shlex.join([*processes.python_command(), *sys.argv]),
    ]
    summary = {
        "dataset": config.dataroot,
        "frames": sum(one.num_frames for one in sequences),
        "size": list(sequences[0].size),
        "device": str(device),
        "methods": {name: summarise(results[name], macs_per_call=macs.get(name)) for name in order},
        "commands": commands,
    }
    write_json(folder / "summary.json", summary)
    write_results_page(config, summary, sections, folder)
    return summary


def write_results_page(config: TestConfig, summary: dict, sections: list[Section], folder: Path) -> None:
    """``index.html``: synchronised videos, key-frames, curves, numbers, commands."""
    write_page(
        folder / "index.html",
        title=f"Fast-Vid2Vid: {Path(config.dataroot).name}, {config.phase}",
        intro=(
            f"{summary['frames']} frames of {summary['size'][0]}x{summary['size'][1]} on {summary['device']}. "
            f"Key-frames: {config.keyframes}; motion compensation: {config.interpolation}; "
            f"first frames: {config.first_frame}."
        ),
        sections=sections,
        table=summary_table(summary["methods"]),
        commands=summary["commands"],
        notes=[
            "PSNR and SSIM are means over the frames that were made; given frames are not counted.",
            "Frames a second: drawing and motion compensation, without reading, encoding and writing files; "
            f"median of {count(config.timing_runs, 'run')}{' in turn' if config.timing_runs > 1 else ''}.",
            "Time of each frame: a key-frame took its drawing; a frame between took an equal share of the motion "
            "compensation of its gap.",
            "GMACs: exact multiply-accumulates of the network per frame made; motion compensation and the generator of "
            "--first_frame single are not counted.",
        ],
    )


def default_output(config: TestConfig) -> Path:
    """``results/<name>/<phase>_<label>`` as vid2vid has it."""
    folder = checkpoints.find(config.checkpoint, flag="--checkpoint")
    return Path(config.results_dir) / (config.name or folder.resolve().parent.name) / f"{config.phase}_{folder.name}"


def run(config: TestConfig) -> Path:
    """Do a whole test; the results appear when all went well.

    Returns:
        Their folder.
    """
    folder = Path(config.output) if config.output is not None else default_output(config)
    with distributed(config.device, patience=PATIENCE) as processes:
        if not processes.is_writer:
            _help(config, processes)
            return folder
        with atomic_directory(folder) as scratch:
            processes.from_writer(str(scratch))
            summary = run_test(config, scratch, processes)
    print(json.dumps(summary["methods"], indent=2))
    print(f"page: {folder / 'index.html'}")
    return folder


def _help(config: TestConfig, processes: DistributedContext) -> None:
    """Make a share of the sequences, in the writer's folder; the writer says what is to be said.

    Raises:
        UserError: this machine does not see that folder.
    """
    scratch = Path(processes.from_writer(""))
    if not scratch.is_dir():
        raise UserError(f"{scratch.parent}: expected one disk for all processes, found none here; share --results_dir")
    with redirect_stdout(io.StringIO()):
        run_test(config, scratch, processes)


def run_video(config: TestConfig) -> Path:
    """A video of one's own (``--video``): as many frames, at the same times, with the same sound.

    Returns:
        The mp4 file.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UserError("--video is one video, which processes cannot share: start test.py without torchrun")
    source = Path(config.video or "")
    output = Path(config.output) if config.output is not None else default_output(config).parent / f"{source.stem}.mp4"
    if output.resolve() == source.resolve():
        raise UserError(f"--output {output}: expected another file than --video; choose another name")
    saved = checkpoints.load(config.checkpoint, flag="--checkpoint")
    check_video_kind(source, saved.config.data, segmenter=config.segmenter)  # before networks are made
    device = choose_device(config.device)
    torch.manual_seed(config.seed)
    method = make_methods(config, device)[0]
    data, count = saved.config.data, saved.config.generator.n_frames_G - 1
    sequence, note = own_video(
        source,
        data,
        usual=noted_widths(saved),
        finder=noted_finder(saved),
        segmenter=config.segmenter,
        retarget=config.retarget,
    )
    first_frames = make_first_frames(config, data=data, count=count, device=device).frames(sequence)
    method.engine.warm_up(sequence.semantic(0))
    start = time.perf_counter()
    keys = [] if method.lookahead else method.choose_keyframes(sequence, num_given=len(first_frames))
    rate, timing = sequence.frames_per_second, timing_of(source)
    with VideoWriter(output, frames_per_second=rate, timing=timing, sound_from=source) as video:
        made = method.synthesize(sequence, keys, first_frames, overlapped=True)
        for frame in tqdm(made, desc=source.name, total=sequence.num_frames, unit="frame"):
            video.write(to_uint8(frame))
    seconds = time.perf_counter() - start
    height, width = sequence.size
    times = "rate kept" if timing is None else "every frame's time kept"
    print(note or f"{source}: taken as it is")
    print(
        f"{video.num_frames} frames of {width} x {height} at {rate:.4g} per second, {times}; "
        f"{method.engine.stopwatch.generator_calls} drawn, {len(first_frames)} given; sound: "
        f"{video.sound.description if video.sound else 'none'}; {video.num_frames / seconds:.1f} frames/s"
    )
    print(f"video: {output}")
    return output
