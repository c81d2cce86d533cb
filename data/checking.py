"""What is wrong with a dataset, file by file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.build import build_geometry, build_kind
from data.clips import MIN_FRAMES
from data.header_checks import header_problems, size_index
from data.kinds.interface import Frames
from data.layout import Problems
from data.storage.picture_files import ArrayCache
from options.data_config import DataConfig
from util.errors import UserError

# enough to see what they have in common
_NUM_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """Something about a dataset that a person should know."""

    kind: str
    """``pairing``, ``size``, ``content``, ``length`` (errors), ``detection``, ``duplicate``, ``passed over``, ..."""
    message: str
    """One line that begins with the path."""
    is_error: bool
    """Whether training, or testing, would stop there."""


@dataclass(frozen=True)
class Report:
    """What was looked at, and what was found."""

    phases: dict[str, dict[str, int]]
    """Sequences, frames, shortest and longest sequence of each part of the dataset."""
    findings: list[Finding]

    @property
    def num_errors(self) -> int:
        """Findings that would stop a training."""
        return sum(finding.is_error for finding in self.findings)

    @property
    def text(self) -> str:
        """For the screen: the first findings of each kind, how many there are, and the outcome."""
        lines = [
            f"{phase}: {metadata['sequences']} sequences of {metadata['shortest']} to {metadata['longest']} frames, "
            f"{metadata['frames']} in all"
            for phase, metadata in self.phases.items()
        ]
        counts = Counter((not finding.is_error, finding.kind) for finding in self.findings)
        for (is_warning, kind), count in sorted(counts.items()):
            lines.append(f"{'warning' if is_warning else 'ERROR'}: {kind}, {count} found")
            alike = (one.message for one in self.findings if (not one.is_error, one.kind) == (is_warning, kind))
            lines += [f"  {message}" for message in islice(alike, _NUM_SHOWN)]
            if count > _NUM_SHOWN:
                lines.append(f"  ... and {count - _NUM_SHOWN} more (--json FILE lists them all)")
        num_warnings = len(self.findings) - self.num_errors
        outcome = "a training would stop" if self.num_errors else "fit to train on"
        return "\n".join([*lines, f"{self.num_errors} errors, {num_warnings} warnings: {outcome}"])


def validate(config: DataConfig, *, root: Path, phases: Sequence[str], is_quick: bool = False) -> Report:
    """Look at a dataset as training and testing will, but at every file, and on after the first mistake.

    Args:
        config: how files become tensors.
        root: the dataset's folder.
        phases: parts of it; ``train`` must be fit to train on, others may lack pictures and be of any length.
        is_quick: leave the files' contents alone.

    Raises:
        UserError: the flags do not fit together.
    """
    kind = build_kind(config)
    metadata, findings = {}, []
    for phase in phases:
        is_training = phase == "train"
        problems = Problems(is_raised=False)
        found = kind.files(root, phase=phase, needs_images=is_training, problems=problems)
        # two decoded pictures are kept to be compared; all else is read once
        sequences = [kind.frames(files, cache=ArrayCache(max_bytes=2**26)) for files in found]
        lengths = [len(frames) for frames in sequences]
        metadata[phase] = {
            "sequences": len(lengths),
            "frames": sum(lengths),
            "shortest": min(lengths, default=0),
            "longest": max(lengths, default=0),
        }
        findings += [Finding("pairing", str(error), True) for error in problems.errors]
        findings += [Finding("passed over", f"{path}: belongs to no frame, it is not looked at; remove or rename it",
                             False) for path in problems.passed_over]  # fmt: skip
        findings += [Finding("size", str(error), True)
                     for error in header_problems(sequences, index=size_index(root, phase))]  # fmt: skip
        if is_training:
            findings += _too_short(sequences)
            findings += _different_sizes(sequences, config)
        if not is_quick:
            findings += _contents(sequences, label=phase)
    # a broken header is broken content too: told once
    unique: dict[str, Finding] = {}
    for finding in findings:
        unique.setdefault(finding.message, finding)
    return Report(metadata, list(unique.values()))


def _too_short(sequences: Sequence[Frames]) -> Iterator[Finding]:
    for frames in sequences:
        if len(frames) < MIN_FRAMES:
            yield Finding(
                "length",
                f"{frames.files.leading[0].parent}: expected at least {MIN_FRAMES} frames to train on, found "
                f"{len(frames)}; remove the sequence from the training set",
                True,
            )


def _different_sizes(sequences: Sequence[Frames], config: DataConfig) -> Iterator[Finding]:
    """A warning for each sequence whose clips will not fit into a batch with those of the first one."""
    geometry, first = build_geometry(config), None
    for frames in sequences:
        try:
            size = geometry.place(frames.box(0)).size
        except UserError:
            continue  # told with the headers
        first = first or size
        if size != first:
            yield Finding(
                "clip size",
                f"{frames.files.leading[0].parent}: gives clips of {size[1]} x {size[0]}, the first sequence of "
                f"{first[1]} x {first[0]}; choose a --resize_or_crop that gives one size, or train with --batchSize 1",
                False,
            )


def _contents(sequences: Sequence[Frames], *, label: str) -> Iterator[Finding]:
    """Read every file of every frame."""
    total = sum(len(frames) for frames in sequences)
    with tqdm(total=total, desc=label, unit=" frames", leave=False) as progress:
        for frames in sequences:
            size = _size(frames)
            for index in range(len(frames)):
                if size is not None:
                    yield from _frame_contents(frames, index, size=size)
                progress.update()


def _frame_contents(frames: Frames, index: int, *, size: tuple[int, int]) -> Iterator[Finding]:
    for part, paths in frames.files.parts.items():
        if not paths:
            continue
        try:
            suspicion = frames.check(part, index, size=size)
            if suspicion is not None:
                yield Finding("detection", f"{paths[index]}: {suspicion}", False)
            if part == "images" and index and _is_repeated(frames, index, size=size):
                yield Finding("duplicate", f"{paths[index]}: the same picture as {paths[index - 1].name}", False)
        except UserError as error:
            yield Finding("content", str(error), True)


def _is_repeated(frames: Frames, index: int, *, size: tuple[int, int]) -> bool:
    """Whether real frame ``index`` is the one before it once more."""
    picture = frames.picture(index, size=size)
    try:
        before = frames.picture(index - 1, size=size)
    except UserError:
        return False  # told at its own turn
    return picture is not None and before is not None and np.array_equal(picture, before)


def _size(frames: Frames) -> tuple[int, int] | None:
    """Height and width of the first frame that tells; None where none does, which the headers' check has told."""
    for index in range(len(frames)):
        try:
            return frames.size(index)
        except UserError:
            continue
    return None
