"""Quality and time of motion compensation on true frames.

Frames of real videos are dropped and recovered from those that are left. All methods recover the same frames in
turn, in one process with one thread; times are processor times, so that other programs disturb little. Then whole
pipelines: the choice of key-frames, and what lies between them. Then the same between frames that a student generated.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import cv2
import torch
from torch import Tensor

from benchmarks.footage import MOST_WINDOWS, WINDOW, Footage, all_footage, as_tensor
from benchmarks.generated_motion import GeneratedRow, compare_generated, generated_text, resized_flow
from benchmarks.keyframe_choice import NUM_GIVEN, ChoiceRow, choice_text, compare_choices
from benchmarks.metrics.flow_error import end_point_error
from benchmarks.motion_methods import METHODS, STREAMED, guided_name, recover
from data.samples.motion_files import read_motion
from models.interpolation.guided import GuidedMotion, corrected, guide_flows, guide_picture, shrunk
from models.interpolation.motion_compensation import straight_flows
from models.keyframes.offline import choose_keyframes
from models.keyframes.thumbnails import thumbnail
from util.errors import UserError
from util.files import write_json
from util.image_quality import psnr, ssim
from util.report.tables import text_table

DEFAULT_METHODS = tuple(name for name in METHODS if name != "minterpolate")
QUICK_METHODS = (STREAMED, "blend", "dis-fast", "dis", "dis-medium")


@dataclass
class Row:
    """What a method made of a video at a gap; means over the recovered frames.

    Attributes:
        video, method: who and what.
        gap: key-frames are so many frames apart; "irregular": where the published rule puts them.
        psnr, ssim: against the true frames; dB, and of luma, measured at one gap alone.
        ms: processor time per recovered frame, the median over windows.
        time_ratio: to streaming minterpolate, of the same frames; None where it was not run.
    """

    video: str
    method: str
    gap: str
    psnr: float
    ssim: float | None
    ms: float
    time_ratio: float | None


@dataclass
class Tally:
    """What is measured of a method at a gap, frame by frame, and window by window."""

    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)


def run(arguments: argparse.Namespace) -> None:
    """Recover, measure, print, write."""
    for gap in arguments.gaps:
        if gap != "irregular" and (not gap.isdecimal() or int(gap) not in range(2, WINDOW)):
            raise UserError(f"--gaps {gap}: expected 2 to {WINDOW - 1}, or irregular")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    most = 1 if arguments.quick else MOST_WINDOWS
    gaps = ["3"] if arguments.quick else arguments.gaps
    methods = arguments.methods or (QUICK_METHODS if arguments.quick else DEFAULT_METHODS)
    generated: list[GeneratedRow] = []
    for folder in arguments.checkpoints:  # first, since they may be wrong, and what follows is slow
        generated += compare_generated(folder, arguments, most_windows=most)
    rows: list[Row] = []
    choices: list[ChoiceRow] = []
    errors: list[dict[str, object]] = []
    for footage in all_footage(arguments, most_windows=most):
        num_frames = sum(map(len, footage.windows))
        print(f"{footage.name}: {len(footage.windows)} windows, {num_frames} frames", flush=True)
        rows += time_methods(footage, methods, gaps=gaps)
        choices += compare_choices(footage)
        if footage.motions:
            errors.append({"video": footage.name, **motion_errors(footage)})
    print(as_text(rows, choices, errors, generated))
    if arguments.json is not None:
        written = {
            "rows": [asdict(row) for row in rows],
            "keyframes": [asdict(row) for row in choices],
            "end_point_errors": errors,
            "generated": [asdict(row) for row in generated],
        }
        write_json(arguments.json, written)
        print(f"written: {arguments.json}")


def time_methods(footage: Footage, methods: Sequence[str], *, gaps: Sequence[str]) -> list[Row]:
    """Let all recover the same frames, in turn window by window; ``GUIDED`` joins with each set of semantic frames."""
    names = [*methods, *(guided_name(semantics) for semantics in footage.semantics)]
    tallies = {(gap, name): Tally() for gap in gaps for name in names}
    for place, window in enumerate(footage.windows):
        frames = [as_tensor(picture) for picture in window]
        semantics = {guided_name(name): one.window(place) for name, one in footage.semantics.items()}
        kinds = {guided_name(name): one.kind for name, one in footage.semantics.items()}
        for name in names if place == 0 else ():  # the first call of anything is slower than others
            recover(name, {0: frames[0], 2: frames[2]}, semantics.get(name, []), kind=kinds.get(name, ""), seed=0)
        for gap in gaps:
            keys = key_numbers(gap, len(frames), next(iter(semantics.values()), []))
            dropped = sorted({*range(keys[-1])} - {*keys})
            if not dropped:
                continue
            keyframes = {number: frames[number] for number in keys}
            for name in names:
                tally = tallies[gap, name]
                start = time.process_time()
                recovered = recover(name, keyframes, semantics.get(name, []), kind=kinds.get(name, ""), seed=place)
                tally.ms.append(1000 * (time.process_time() - start) / len(dropped))
                tally.psnr += [psnr(recovered[number], frames[number]) for number in dropped]
                if gap == ("3" if "3" in gaps else gaps[0]):
                    tally.ssim += [ssim(recovered[number], frames[number]) for number in dropped]
    rows = []
    for (gap, name), tally in tallies.items():
        if not tally.psnr:
            continue
        reference = tallies[gap, STREAMED].ms if STREAMED in names else []
        ratios = [mine / theirs for mine, theirs in zip(tally.ms, reference, strict=False)]
        rows.append(
            Row(
                video=footage.name,
                method=name,
                gap=gap,
                psnr=round(statistics.mean(tally.psnr), 3),
                ssim=round(statistics.mean(tally.ssim), 5) if tally.ssim else None,
                ms=round(statistics.median(tally.ms), 3),
                time_ratio=round(statistics.median(ratios), 4) if ratios else None,
            )
        )
    return rows


def key_numbers(gap: str, num_frames: int, semantics: Sequence[Tensor]) -> list[int]:
    """The key-frames of a window; with ``irregular`` as the published rule chooses them, none without semantics."""
    if gap != "irregular":
        return list(range(0, num_frames, int(gap)))
    if not semantics:
        return [0]
    thumbnails = torch.stack([thumbnail(semantic) for semantic in semantics])
    return choose_keyframes(thumbnails, method="published", share=1, num_given=NUM_GIVEN)


def motion_errors(footage: Footage) -> dict[str, float]:
    """End-point errors in pixels at gap 2, from the dropped frame to both key-frames, where these show the pixel."""
    found: dict[str, list[float]] = {"image flow": [], "semantic flow": [], "image flow, corrected": []}
    own = footage.semantics[""]
    guided = GuidedMotion(kind=own.kind)
    for place, (window, files) in enumerate(zip(footage.windows, footage.motions, strict=True)):
        all_guides = [guide_picture(semantic, kind=own.kind) for semantic in own.window(place)]
        for middle in range(1, len(window) - 1, 2):
            start, end = (torch.from_numpy(shrunk(window[number])) for number in (middle - 1, middle + 1))
            forward, backward = (flow.permute(2, 0, 1) for flow in guided.image_flows(start, end))
            image_flow = straight_flows(forward, backward, 0.5).flatten(0, 1).numpy()
            guides = [shrunk(guide) for guide in all_guides[middle - 1 : middle + 2]]
            semantic_flow = guide_flows(*guides, kind=own.kind, guess=image_flow)
            estimates = (image_flow, semantic_flow, corrected(image_flow, semantic_flow, guides[1]))
            exact = read_motion(files[middle])
            for name, flows in zip(found, estimates, strict=True):
                both = resized_flow(torch.from_numpy(flows).unflatten(0, (2, 2)), size=window[0].shape[:2])
                for flow, direction, hidden in zip(
                    both, ("backward", "forward"), ("appeared", "occluded"), strict=True
                ):
                    truth = torch.from_numpy(exact[direction]).permute(2, 0, 1)[None]
                    error = end_point_error(flow[None], truth, torch.from_numpy(~exact[hidden])[None, None])
                    found[name] += [] if error is None else [error]
    return {name: round(statistics.mean(errors), 3) for name, errors in found.items()}


def as_text(
    rows: Sequence[Row],
    choices: Sequence[ChoiceRow],
    errors: Sequence[dict[str, object]],
    generated: Sequence[GeneratedRow],
) -> str:
    """Everything, as Markdown."""
    parts = [gap_text(rows)] if rows else []
    if choices:
        parts.append(choice_text(choices))
    if errors:
        columns = [key for key in errors[0] if key != "video"]
        lines = [[str(one["video"]), *(f"{one[key]:.2f}" for key in columns)] for one in errors]
        parts.append(f"end-point error in pixels, gap 2\n\n{text_table(['video', *columns], lines)}")
    if generated:
        parts.append(generated_text(generated))
    return "\n\n".join(parts)


def gap_text(rows: Sequence[Row]) -> str:
    """Means over the videos, then every video, as Markdown."""
    videos = list(dict.fromkeys(row.video for row in rows))
    gaps = list(dict.fromkeys(row.gap for row in rows))
    header = ["method", *(f"gap {gap}: dB" if gap != "irregular" else "irregular: dB" for gap in gaps), "SSIM",
              "ms a frame", "time to minterpolate's"]  # fmt: skip
    groups = [("mean of all videos", videos)] if len(videos) > 1 else []
    parts = []
    for title, members in [*groups, *((video, [video]) for video in videos)]:
        lines = []
        for name in dict.fromkeys(row.method for row in rows):
            own = [row for row in rows if row.method == name and row.video in members]
            if {row.video for row in own} != set(members):
                continue  # it has no part in some of these videos
            levels = [[row.psnr for row in own if row.gap == gap] for gap in gaps]
            likeness = [row.ssim for row in own if row.ssim is not None]
            ratios = [row.time_ratio for row in own if row.time_ratio is not None]
            lines.append([
                name, *(f"{statistics.mean(level):.2f}" if level else "" for level in levels),
                f"{statistics.mean(likeness):.4f}" if likeness else "",
                f"{statistics.mean(row.ms for row in own):.1f}",
                f"{statistics.mean(ratios):.2f}" if ratios else "",
            ])  # fmt: skip
        parts.append(f"{title}\n\n{text_table(header, lines)}")
    return "\n\n".join(parts)
