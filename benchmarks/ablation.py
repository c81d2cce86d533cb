"""What each part of the method earns: trainings with more and more of it, key-frame shares, interpolators.

``scripts/<task>/ablation.sh`` trains what is compared here.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.command_line import NARROW, VARIANTS
from benchmarks.comparison_page import write_report
from benchmarks.method_table import ORIGINAL, baseline_entries
from benchmarks.methods import Comparison, Entry, check_common_flags, compare
from benchmarks.metrics.bootstrap import bootstrap_interval
from benchmarks.metrics.manifest import Result
from options.config import Interpolation
from util.errors import UserError
from util.folders import atomic_directory
from util.report.page_data import Estimate, Part

# flag -> what was trained; each has all that the one before has, and one thing more


def run(arguments: argparse.Namespace) -> None:
    """Compare, write, print the table and what each part earns."""
    check_common_flags(arguments)
    students = {name: getattr(arguments, flag) for flag, name in VARIANTS.items() if getattr(arguments, flag)}
    if not students:
        raise UserError(f"no student is given: expected some of {', '.join('--' + flag for flag in VARIANTS)}")
    if not all(0 < share <= 1 for share in arguments.shares):
        raise UserError(f"--shares {arguments.shares}: expected more than 0, at most 1")
    entries = [
        Entry(ORIGINAL, arguments.teacher),
        *make_entries(students, arguments.shares, arguments.interpolations, share=arguments.keyframe_share),
        *narrow_entries(arguments.narrow, arguments.shares, interpolation=arguments.interpolations[0]),
        *baseline_entries(arguments.baseline),
    ]
    with atomic_directory(arguments.output) as scratch:
        comparison = compare(entries, arguments, scratch)
        pairs = steps_of(list(students), arguments.shares, arguments.interpolations, share=arguments.keyframe_share)
        first = arguments.interpolations[0]
        pairs += [
            (f"{NARROW} over {VARIANTS['skd']}, share {one:g}", label_of(NARROW, one, interpolation=first),
             label_of(VARIANTS["skd"], one, interpolation=first))
            for one in dict.fromkeys(arguments.shares)
        ]  # fmt: skip
        earned = earnings(comparison, pairs)
        ours = [label_of(name, arguments.keyframe_share, interpolation=first) for name in students]
        shown = [ORIGINAL, *ours, *(one.label for one in baseline_entries(arguments.baseline[-1:]))]
        title = f"Ablation: {comparison.task}"
        markdown = write_report(comparison, scratch, title=title, parts=earned, shown=shown)
    print(markdown)
    print(f"written: {arguments.output}")


def label_of(student: str, share: float, *, rule: str = "dp", interpolation: str) -> str:
    """A student and how its frames become a video; all frames need no interpolation."""
    return f"{student}, every frame" if share == 1 else f"{student}, {rule} {share:g}, {interpolation}"


def make_entries(
    students: dict[str, str], shares: Sequence[float], interpolations: Sequence[Interpolation], *, share: float
) -> list[Entry]:
    """Every student at every share; the last one with every interpolator and key-frame rule, too."""
    first = interpolations[0]
    found = [
        Entry(label_of(name, one, interpolation=first), path, "all" if one == 1 else "dp", one, first, series=name)
        for name, path in students.items()
        for one in dict.fromkeys(shares)
    ]
    name, path = list(students.items())[-1]
    if share < 1:
        found += [
            Entry(label_of(name, share, interpolation=other), path, "dp", share, other) for other in interpolations
        ]
        found += [
            Entry(label_of(name, share, rule="uniform", interpolation=first), path, "uniform", share, first),
            Entry(f"{name}, published key-frames, {first}", path, "published", share, first),
        ]
    return list({entry.label: entry for entry in found}.values())


def narrow_entries(path: str | None, shares: Sequence[float], *, interpolation: Interpolation) -> list[Entry]:
    """The narrow student, if there is one, at every share."""
    if path is None:
        return []
    return [
        Entry(label_of(NARROW, one, interpolation=interpolation), path, "all" if one == 1 else "dp", one, interpolation,
              series=NARROW)
        for one in dict.fromkeys(shares)
    ]  # fmt: skip


def steps_of(
    students: Sequence[str], shares: Sequence[float], interpolations: Sequence[str], *, share: float
) -> list[tuple[str, str, str]]:
    """(what changed, label with it, label without it)."""
    first, last = interpolations[0], students[-1]
    steps = [
        (f"{after} over {before}, share {one:g}", label_of(after, one, interpolation=first),
         label_of(before, one, interpolation=first))
        for before, after in zip(students, students[1:], strict=False)
        for one in dict.fromkeys(shares)
    ]  # fmt: skip
    if share < 1:
        ours = label_of(last, share, interpolation=first)
        steps += [(f"{first} over {other}", ours, label_of(last, share, interpolation=other))
                  for other in interpolations[1:]]  # fmt: skip
        steps.append(("dp over uniform key-frames", ours, label_of(last, share, rule="uniform", interpolation=first)))
    return steps


def earnings(comparison: Comparison, steps: Sequence[tuple[str, str, str]]) -> list[Part]:
    """What each part earns, by metric: differences of the same frames, so that hard clips do not blur them."""
    rows: list[dict[str, object]] = []
    for change, with_it, without_it in steps:
        if not {with_it, without_it} <= set(comparison.results):
            continue
        better = {one.manifest.metric: one for one in comparison.results[with_it]}
        row: dict[str, object] = {"what": change}
        for other in comparison.results[without_it]:
            one = better[other.manifest.metric]
            if one.per_frame:
                heading = f"{one.manifest.metric} {'↑' if one.better == 'higher' else '↓'}"
                window = comparison.protocol.window
                row[heading] = difference(one, other, window=window, seed=comparison.protocol.seed)
        rows.append(row)
    if not any(len(row) > 1 for row in rows):
        return []
    return [
        Part(
            "What each part earns",
            "Mean difference over the frames that both have, with a 95 % interval of the resampled "
            "differences; one that contains 0 says nothing, and none covers the luck of a training (see seeds in "
            "docs/benchmark.md). ↑: more is better, ↓: less is.",
            rows,
        )
    ]


def difference(one: Result, other: Result, *, window: int, seed: int) -> Estimate | None:
    """The mean paired difference with its interval; None where they share no frame."""
    windows = paired_differences(one, other, window=window)
    if not windows:
        return None
    low, high = bootstrap_interval(windows, _mean, seed=seed) or (None, None)
    return Estimate(_mean(windows), low, high, is_difference=True)


def paired_differences(one: Result, other: Result, *, window: int) -> list[list[float]]:
    """``one`` minus ``other`` of every frame that both have, by windows of clips."""
    windows = []
    for clip, values in one.per_frame.items():
        found = [None if a is None or b is None else a - b for a, b in zip(values, other.per_frame[clip], strict=True)]
        pieces = (found[start : start + window] for start in range(0, len(found), window))
        windows += [[value for value in piece if value is not None] for piece in pieces]
    return [piece for piece in windows if piece]


def _mean(windows: list[list[float]]) -> float:
    return float(np.mean(np.concatenate(windows)))
