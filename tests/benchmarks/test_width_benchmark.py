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


QUICK = ("--setting", "face", "--quick", "--widths", "16", "8", "--keyframe_share", "0.5")


def test_widths_are_counted_without_being_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(*QUICK, "--rounds", "0", "--json", str(tmp_path / "width.json"))
    found = json.loads((tmp_path / "width.json").read_text())
    wide, thin = found["rows"]
    assert found["size"] == [64, 64]
    assert wide["student_gmacs"] == pytest.approx(2 * wide["pipeline_gmacs"], rel=1e-4)
    # convolutions of the bottleneck cost with the square of the width, those of the heads with the width
    assert 0.25 < thin["student_gmacs"] / wide["student_gmacs"] < 0.5
    assert 0.25 < thin["params_m"] / wide["params_m"] < 0.5
    assert (wide["student_ms"], wide["pipeline_ms"]) == (None, None)
    assert re.search(r"^\|   8 \|", capsys.readouterr().out, re.MULTILINE)


def test_a_student_without_flow_branch_costs_less(tmp_path: Path) -> None:
    run(*QUICK, "--rounds", "0", "--json", str(tmp_path / "full.json"))
    run(*QUICK, "--rounds", "0", "--no_flow", "--json", str(tmp_path / "drawn.json"))
    full, drawn = (json.loads((tmp_path / f"{name}.json").read_text())["rows"] for name in ("full", "drawn"))
    assert all(
        0.5 < less["student_gmacs"] / more["student_gmacs"] < 0.9 for more, less in zip(full, drawn, strict=True)
    )


def test_students_are_timed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(*QUICK, "--rounds", "1", "--json", str(tmp_path / "width.json"))
    for row in json.loads((tmp_path / "width.json").read_text())["rows"]:
        assert row["student_ms"] > 0 and row["pipeline_ms"] > 0
    assert "face, 64x64" in capsys.readouterr().out


def test_half_a_question_is_refused() -> None:
    with pytest.raises(UserError, match="--checkpoint and --target go together"):
        run("--checkpoint", "somewhere")
