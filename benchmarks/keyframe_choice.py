"""Rules that choose key-frames, and whole pipelines: a part of ``benchmark.py motion``.

Every rule gets as many key-frames as the published one. Frames are true ones, the rest is recovered.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.footage import Footage, as_tensor
from benchmarks.motion_methods import GUIDED, PUBLISHED, guided_name, recover
from models.keyframes.live import LiveKeyframes
from models.keyframes.offline import choose_keyframes
from models.keyframes.thumbnails import thumbnail
from util.image_quality import psnr
from util.report.tables import text_table

NUM_GIVEN = 2
LOOKAHEAD = 8  # frames, of the live choice
PIPELINES = (
    ("published", PUBLISHED),
    ("published", "dis"),
    ("uniform", "dis"),
    ("live", "dis"),
    ("dp", "dis"),
    ("dp", GUIDED),  # with each set of semantic frames
)


@dataclass
class ChoiceRow:
    """What a rule and a motion compensation made of a video; means over the frames that were not key-frames.

    Attributes:
        video, rule, interpolation: who and what.
        keyframes: in all windows; the live rule may have a few more or less than the others.
        psnr: against the true frames, dB.
        choice_ms: processor time of the choice, thumbnails given, per frame of the video.
    """

    video: str
    rule: str
    interpolation: str
    keyframes: int
    psnr: float
    choice_ms: float


def compare_choices(footage: Footage) -> list[ChoiceRow]:
    """Rows for all pipelines; none without semantic frames, since those choose the key-frames."""
    windows = [[as_tensor(picture) for picture in window] for window in footage.windows]
    thumbnails = [_thumbnails(footage, place) for place in range(len(windows))] if footage.semantics else []
    rows = []
    for rule, name in PIPELINES if thumbnails else ():
        choices = [_timed_choice(rule, one) for one in thumbnails]
        for guides in footage.semantics if name == GUIDED else ("",):
            semantics = footage.semantics.get(guides)
            title = guided_name(guides) if name == GUIDED else name
            quality = []
            for place, (frames, (keys, _)) in enumerate(zip(windows, choices, strict=True)):
                shown = semantics.window(place) if semantics and name == GUIDED else []
                kind = semantics.kind if semantics else ""
                made = recover(title, {number: frames[number] for number in keys}, shown, kind=kind, seed=place)
                quality += [psnr(made[number], frames[number]) for number in range(len(frames)) if number not in keys]
            if not quality:  # so short that every frame is a key-frame
                continue
            rows.append(
                ChoiceRow(
                    video=footage.name,
                    rule=rule,
                    interpolation=title,
                    keyframes=sum(len(keys) for keys, _ in choices),
                    psnr=round(statistics.mean(quality), 3),
                    choice_ms=round(statistics.median(milliseconds for _, milliseconds in choices), 3),
                )
            )
    return rows


def _thumbnails(footage: Footage, place: int) -> Tensor:
    semantics = next(iter(footage.semantics.values())).window(place)
    return torch.stack([thumbnail(semantic) for semantic in semantics])


def _timed_choice(rule: str, thumbnails: Tensor) -> tuple[list[int], float]:
    """Key-frames, as many as the published rule has, and milliseconds per frame."""
    count = len(choose_keyframes(thumbnails, method="published", share=1, num_given=NUM_GIVEN))
    start = time.process_time()
    keys = choose(rule, thumbnails, count=count)
    return keys, 1000 * (time.process_time() - start) / len(thumbnails)


def choose(rule: str, thumbnails: Tensor, *, count: int) -> list[int]:
    """``count`` key-frames, the given ones among them; the live rule keeps the share as it can."""
    share = min(max(count - NUM_GIVEN, 1) / max(len(thumbnails) - NUM_GIVEN, 1), 1.0)
    if rule != "live":
        return choose_keyframes(thumbnails, method=rule, share=share, num_given=NUM_GIVEN)
    chooser = LiveKeyframes(share=share, lookahead=LOOKAHEAD, num_given=NUM_GIVEN)
    pushed = [chooser.push(row) for row in thumbnails]
    return [number for number in pushed if number is not None] + chooser.finish()


def choice_text(rows: Sequence[ChoiceRow]) -> str:
    """A table of pipelines against videos, as Markdown."""
    videos = list(dict.fromkeys(row.video for row in rows))
    lines = []
    for rule, name in dict.fromkeys((row.rule, row.interpolation) for row in rows):
        own = {row.video: row for row in rows if (row.rule, row.interpolation) == (rule, name)}
        cells = [f"{own[video].psnr:.2f} ({own[video].keyframes})" if video in own else "" for video in videos]
        lines.append([rule, name, *cells, f"{statistics.mean(row.choice_ms for row in own.values()):.2f}"])
    title = "choice of key-frames: dB of the other frames (key-frames)"
    return f"{title}\n\n{text_table(['key-frames', 'between', *videos, 'choice, ms a frame'], lines)}"
