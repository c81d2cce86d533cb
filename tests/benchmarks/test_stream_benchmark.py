"""A long stream through the live engine neither drifts nor grows; ``python benchmark.py stream`` runs the hour."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.command_line import HOUR
from benchmarks.stream import LOOP, run, semantics
from util.errors import UserError


def test_an_hour_is_90000_frames_of_a_loop() -> None:
    assert HOUR == 90_000
    frames = list(semantics(LOOP + 2))
    assert frames[LOOP] is frames[0] and not frames[0].equal(frames[1])


def test_too_few_frames_to_tell_anything_are_refused() -> None:
    with pytest.raises(UserError, match="--frames 3000: expected more than 3000"):
        run(Namespace(frames=3000, json=None))


@pytest.mark.slow
def test_6000_frames_are_exact_in_number_time_and_share_and_take_no_more_memory_than_2000(tmp_path: Path) -> None:
    command = [sys.executable, "benchmark.py", "stream", "--frames", "6000", "--json", str(tmp_path / "out.json")]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["frames_out"], found["wrong_times"], found["last_time_s"]) == (6000, 0, 239.96)
    assert found["keyframes_beyond_share"] <= 3 and found["keyframe_share"] < 0.3006
    assert found["growth_mb"] < 50
    assert found["is_exact"] is True
