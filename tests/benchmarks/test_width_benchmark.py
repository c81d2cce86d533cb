"""Cost against width: the table of ``benchmark.py width``."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.command_line import build_parser
from util.errors import UserError


def run(*flags: str) -> None:
    arguments = build_parser("test").parse_args(["width", *flags])
    arguments.run(arguments)


def test_paper_settings_are_counted_without_being_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--rounds", "0", "--widths", "128", "64", "--keyframe_share", "0.5", "--json", str(tmp_path / "width.json"))
    found = json.loads((tmp_path / "width.json").read_text())
    wide, thin = found["rows"]
    assert found["size"] == [256, 512]
    assert wide["student_gmacs"] == pytest.approx(2 * wide["pipeline_gmacs"], rel=1e-5)
    # convolutions of the bottleneck cost with the square of the width, those of the heads with the width
    assert 0.25 < thin["student_gmacs"] / wide["student_gmacs"] < 0.5
    assert 0.2 < thin["params_m"] / wide["params_m"] < 0.35
    assert (wide["student_ms"], wide["pipeline_ms"]) == (None, None)
    assert re.search(r"^\|  64 \|", capsys.readouterr().out, re.MULTILINE)


def test_students_are_timed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run("--quick", "--rounds", "1", "--widths", "8", "--json", str(tmp_path / "width.json"))
    (row,) = json.loads((tmp_path / "width.json").read_text())["rows"]
    assert row["student_ms"] > 0 and row["pipeline_ms"] > 0
    assert "street, 64x128" in capsys.readouterr().out


def test_half_a_question_is_refused() -> None:
    with pytest.raises(UserError, match="--checkpoint and --target go together"):
        run("--checkpoint", "somewhere")
