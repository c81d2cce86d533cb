"""Results of before the renaming of JSON keys are read, and measured again to the same figures."""

import shutil
from pathlib import Path

import pytest

from benchmarks.command_line import build_parser
from benchmarks.metrics.results_file import read_results

BEFORE = Path(__file__).parent.parent / "before"


def test_an_old_results_folder_gives_its_old_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, old = tmp_path / "results", BEFORE / "results" / "quality.json"
    shutil.copytree(BEFORE / "results", results)
    words = ["metrics", str(results), "--real", str(BEFORE / "real"), "--metrics", "psnr,ssim", "--beside", str(old)]
    arguments = build_parser("").parse_args(words)
    arguments.run(arguments)
    shown = capsys.readouterr().out
    assert "quality: fast" in shown and "warning" not in shown
    found, expected = read_results(results / "quality.json"), read_results(old)
    assert found.keys() == expected.keys() == {"fast", "teacher"}
    for method, figures in found.items():
        for now, before in zip(figures, expected[method], strict=False):
            assert now.manifest.metric == before.manifest.metric
            assert now.value == pytest.approx(before.value, rel=1e-6)
