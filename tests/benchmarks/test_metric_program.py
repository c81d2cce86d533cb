"""`benchmark.py metrics` evaluates folders of frames, keeps the figures, and says what it cannot do."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.command_line import build_parser
from benchmarks.metrics.results_file import read_results
from benchmarks.metrics.videos import CLIP_LENGTH, clip_ranges, find_videos, pair_videos
from tests.benchmarks.metric_videos import blurred, moving_scene, noisy, write_frames
from util.errors import UserError


def run(*words: str | Path) -> None:
    arguments = build_parser("").parse_args(["metrics", *(str(word) for word in words)])
    arguments.run(arguments)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """What test.py writes: two methods, one sequence of 5 frames, the first of which was given."""
    root = tmp_path / "results"
    real = moving_scene(5)
    write_frames(root / "fast" / "talk", noisy(real, 0.1))
    write_frames(root / "teacher" / "talk", blurred(real, 1.0))
    write_frames(tmp_path / "real" / "talk", real)
    (root / "semantics").mkdir()
    sequence_results = [{"sequence": "talk", "num_given": 1}]
    (root / "metrics.json").write_text(json.dumps({"fast": sequence_results, "teacher": sequence_results}))
    return root


def test_every_method_is_judged_on_the_frames_that_were_not_given(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(results, "--real", results.parent / "real", "--metrics", "psnr,ssim,warping_error", "--clip_length", "2")
    shown = capsys.readouterr().out
    assert "| fast " in shown and "psnr ↑" in shown and "warping_error ↓" in shown and "warning" not in shown
    rows = read_results(results / "quality.json")
    assert set(rows) == {"fast", "teacher"}
    for found in rows.values():
        assert [one.manifest.metric for one in found] == ["psnr", "ssim", "warping_error"]
        assert all(one.manifest.clips == ("talk[1:2]", "talk[2:4]", "talk[4:5]") for one in found)


def test_reruns_give_identical_files(results: Path) -> None:
    words = (results, "--real", results.parent / "real", "--metrics", "psnr,flicker", "--json")
    run(*words, results / "a.json")
    run(*words, results / "b.json")
    assert (results / "a.json").read_text() == (results / "b.json").read_text()


def test_figures_made_otherwise_get_a_warning(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--fake", results / "fast", "--real", results.parent / "real", "--metrics", "psnr")
    run(*words, "--json", results / "two.json", "--num_given", "2")
    run(*words, "--json", results / "three.json", "--num_given", "3", "--beside", results / "two.json")
    shown = capsys.readouterr().out
    assert "warning: psnr of two: fast was not made as that of fast" in shown and "frames, clips" in shown


def test_a_metric_that_cannot_be_had_is_told_and_the_others_are_measured(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(results))
    words = (results, "--real", results.parent / "real", "--metrics")
    run(*words, "psnr,fid,fvd")
    shown = capsys.readouterr().out
    assert "not measured: fid: torch's cache has no" in shown and "not measured: fvd" in shown
    assert set(json.loads((results / "quality.json").read_text())["not_measured"]) == {"fid", "fvd"}
    with pytest.raises(UserError, match="fid"):
        run(*words, "fid")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--real", "x"], "either RESULTS_DIR or --fake"),
        (["a"], "real frames are missing"),
        (["a", "--real", "x", "--checkpoint", "y"], "real frames are missing"),
        (["a", "--real", "x", "--clip_length", "1"], "--clip_length 1"),
        (["--fake", "a/x", "--fake", "b/x", "--real", "r"], "different names"),
        (["no/such", "--real", "x"], "no/such: expected the folder of test.py's results"),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as told:
        run(*words)
    assert "\n" not in str(told.value)


def test_unknown_metrics_are_refused(results: Path) -> None:
    with pytest.raises(UserError, match="expected some of psnr, ssim"):
        run(results, "--real", results.parent / "real", "--metrics", "beauty")


def test_sequences_are_paired_by_name_and_must_fit(tmp_path: Path) -> None:
    frames = moving_scene(4)
    for name, count in (("fake/a", 4), ("real/a", 3), ("real/b", 4), ("lone", 4)):
        write_frames(tmp_path / name, frames[:count])
    fake, real = find_videos(tmp_path / "fake"), find_videos(tmp_path / "real")
    with pytest.raises(UserError, match="found 4 and 3"):
        pair_videos(fake, real)
    with pytest.raises(UserError, match="expected a real one of this name, found b"):
        pair_videos(fake, real[1:] * 2)
    (pair,) = pair_videos(fake, find_videos(tmp_path / "lone"))
    assert pair.num_frames == 4 and pair.num_given == 2
    with pytest.raises(UserError, match="nothing is left to evaluate"):
        pair_videos(fake, find_videos(tmp_path / "lone"), num_given=4)


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    frames = moving_scene(3)
    write_frames(tmp_path / "fake" / "a", [frame[:, 8:] for frame in frames])
    write_frames(tmp_path / "real" / "a", frames)
    with pytest.raises(UserError, match="found 40x48 and 48x48"):
        run("--fake", tmp_path / "fake", "--real", tmp_path / "real", "--metrics", "psnr")


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found none"):
        find_videos(tmp_path)
    with pytest.raises(UserError, match="found no folder"):
        find_videos(tmp_path / "none")


def test_clips_cover_a_sequence_once_and_in_order() -> None:
    assert [tuple(one) for one in clip_ranges(5, clip_length=2)] == [(0, 1), (2, 3), (4,)]
    assert CLIP_LENGTH == 28
