"""``--help`` of every program answers without what takes seconds to import, and says what the rest says."""

import subprocess
import sys

import pytest

from benchmarks import command_line
from benchmarks.footage import SAMPLES
from benchmarks.metrics import videos
from benchmarks.metrics.lpips import BACKBONES
from benchmarks.metrics.registry import METRICS
from benchmarks.motion_methods import METHODS
from benchmarks.stream import FRAMES_PER_SECOND
from data.samples.__main__ import PHASES
from data.samples.face import PHASES as FACE_PHASES
from data.samples.pose import POSE_SPLIT
from data.samples.street import STREET_SPLIT
from models.inference.export import SUFFIXES
from models.inference.runtimes import graph

PROGRAMS = [
    "train",
    "test",
    "benchmark",
    *(f"benchmark {name}" for name in command_line.SUBCOMMANDS),
    "data.fetch",
    "data.prepare",
    "data.prepare pose",
    "data.samples",
    "data.samples face",
    "data.validate",
    "models.inference.export",
    "models.legacy.import_checkpoint",
    "models.legacy.export_checkpoint",
]
# tells on its last line what was imported until --help ended the program
SCRIPT = """
import runpy, sys
name, *words = sys.argv[1:]
sys.argv[1:] = [*words, "--help"]
try:
    runpy.run_module(name, run_name="__main__", alter_sys=True)
except SystemExit as end:
    print(end.code, *{"torch", "cv2", "av", "numpy"} & sys.modules.keys())
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_imports_nothing_heavy(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, *program.split()], capture_output=True, text=True, check=True)
    assert "usage: " in done.stdout and done.stdout.splitlines()[-1] == "0"


def test_command_lines_repeat_what_modules_say() -> None:
    assert tuple(METRICS) == command_line.METRICS and tuple(BACKBONES) == command_line.BACKBONES
    assert METHODS == command_line.MOTION_METHODS and tuple(SAMPLES) == command_line.KINDS
    assert (videos.CLIP_LENGTH, videos.NUM_GIVEN) == (command_line.CLIP_LENGTH, command_line.NUM_GIVEN)
    assert 3600 * FRAMES_PER_SECOND == command_line.HOUR
    assert SUFFIXES == graph.SUFFIXES
    assert FACE_PHASES == tuple(POSE_SPLIT) == tuple(STREET_SPLIT) == PHASES
