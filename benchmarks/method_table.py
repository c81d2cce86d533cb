"""Table of our models on the same clips, beside the paper's table."""

import argparse

from benchmarks.comparison_page import write_report
from benchmarks.merge import merge
from benchmarks.methods import Entry, check_common_flags, compare
from models import checkpoint as checkpoints
from util.errors import UserError
from util.folders import atomic_directory

ORIGINAL = "original generator, every frame"
STUDENT = "low-demand student, every frame"


def run(arguments: argparse.Namespace) -> None:
    """Compare, write, print the table."""
    if arguments.merge is not None:
        print(merge(arguments.merge, arguments.output))
        return
    check_common_flags(arguments)
    if arguments.checkpoints is None or len(arguments.checkpoints) not in (2, 3):
        raise UserError("--checkpoints: expected TEACHER STUDENT, or TEACHER STUDENT PART_TIME_STUDENT")
    entries = make_entries(arguments.checkpoints, arguments.baseline, share=arguments.keyframe_share)
    with atomic_directory(arguments.output) as scratch:
        comparison = compare(entries, arguments, scratch)
        markdown = write_report(comparison, scratch, title=f"Table: {comparison.task}")
    print(markdown)
    print(f"written: {arguments.output}")


def make_entries(models: list[str], baselines: list[str], *, share: float) -> list[Entry]:
    """The methods of the paper's table, and baselines.

    Args:
        models: checkpoints of the original generator, the student, and perhaps the part-time student.
        baselines: checkpoints of further generators.
        share: key-frames per output frame of ours; the published rule chooses its own.
    """
    original, student, part_time = models[0], models[1], models[-1]
    return [
        Entry(ORIGINAL, original),
        Entry(STUDENT, student),
        Entry("part-time, published key-frames and minterpolate", part_time, "published", share, "minterpolate"),
        Entry(f"part-time, ours: dp {share:g} and dis", part_time, "dp", share, "dis"),
        *baseline_entries(baselines),
    ]


def baseline_entries(baselines: list[str]) -> list[Entry]:
    """Further generators on every frame, called by their width.

    Raises:
        UserError: two of them have the same one.
    """
    entries = []
    for path in baselines:
        config = checkpoints.load(path, flag="--baseline").config.generator
        scales = f"{config.n_scales_spatial} scales, " if config.n_scales_spatial > 1 else ""
        entries.append(Entry(f"{config.netG}, {scales}ngf {config.ngf}, every frame", path))
    if len({entry.label for entry in entries}) < len(entries):
        raise UserError(f"--baseline {' '.join(baselines)}: expected generators of different widths")
    return entries
