"""Figures are kept with what made them, and apart when they were made otherwise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics.bootstrap import bootstrap_interval
from benchmarks.metrics.manifest import Backbone, Manifest, Result, differences, table_warnings
from benchmarks.metrics.measure import MeanOverFrames, Rules, over_frames
from benchmarks.metrics.results_file import as_text, read_results, write_results
from tests.benchmarks.metric_videos import moving_scene, noisy, pair_of
from util.errors import UserError
from util.files import file_sha256
from util.image_quality import psnr

MANIFEST = Manifest("fid", 1, 26, ("talk[2:28]",), ("64x64",), "as written", 0, Backbone("net", "a.pth", "00" * 32))
PSNR = MeanOverFrames("psnr", 1, "higher", over_frames(psnr), unit="dB")


def test_equal_manifests_do_not_differ() -> None:
    assert differences(MANIFEST, replace(MANIFEST)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "fvd"}, {"version": 2}, {"frames": 25}, {"clips": ("talk[0:28]",)}, {"sizes": ("128x128",)},
        {"crop": "centre"}, {"seed": 1}, {"backbone": Backbone("net", "a.pth", "11" * 32)}, {"settings": {"a": 1}},
    ],
)  # fmt: skip
def test_any_other_choice_is_a_difference(change: dict) -> None:
    assert differences(MANIFEST, replace(MANIFEST, **change)) == list(change)


def test_a_table_of_figures_that_were_made_otherwise_warns() -> None:
    result = Result(1.0, None, "lower", "", MANIFEST)
    other = replace(result, manifest=replace(MANIFEST, seed=1, frames=3))
    assert table_warnings({"a": [result], "b": [result]}) == []
    (warning,) = table_warnings({"a": [result], "b": [other]})
    assert "fid of b" in warning and "frames, seed" in warning


def test_results_survive_the_file(tmp_path: Path) -> None:
    real = moving_scene(6)
    results = [PSNR.measure([pair_of(noisy(real, 0.1), real, num_given=2)], Rules(clip_length=3))]
    write_results(tmp_path / "a.json", {"ours": results}, not_measured={"fvd": "no weights"})
    assert read_results(tmp_path / "a.json") == {"ours": results}


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(UserError, match="a.json: expected what"):
        read_results(tmp_path / "a.json")


def test_a_mean_weighs_frames_and_tells_its_clips() -> None:
    real = moving_scene(7)
    pair = pair_of(noisy(real, 0.1), real, num_given=2)
    result = PSNR.measure([pair], Rules(clip_length=4))
    scores = [score for score in result.per_frame["talk"] if score is not None]
    assert result.value == pytest.approx(np.mean(scores)) and len(scores) == result.manifest.frames == 5
    assert result.manifest.clips == ("talk[2:4]", "talk[4:7]") and result.manifest.sizes == ("48x48",)
    assert result.interval is not None and result.interval[0] <= (result.value or 0) <= result.interval[1]
    assert result == PSNR.measure([pair], Rules(clip_length=4)), "the same on every run"


def test_a_frame_that_cannot_be_evaluated_is_counted() -> None:
    real = moving_scene(4)
    metric = MeanOverFrames("odd", 1, "lower", lambda pair: [None, 1.0, None, 3.0])
    result = metric.measure([pair_of(real, real, num_given=1)], Rules())
    assert (result.value, result.num_missed, result.manifest.frames) == (2.0, 1, 2)
    assert result.note == "1 frames could not be evaluated"


def test_the_interval_is_seeded_covers_the_mean_and_shrinks_with_clips() -> None:
    random = np.random.default_rng(0)
    few, many = list(random.normal(5, 1, 8)), list(random.normal(5, 1, 200))

    def interval(values: list, seed: int = 0) -> tuple[float, float]:
        found = bootstrap_interval(values, lambda clips: float(np.mean(clips)), seed=seed, num_resamples=300)
        assert found is not None
        return found

    assert interval(few) == interval(few) != interval(few, seed=1)
    assert interval(few)[0] < 5 < interval(few)[1]
    # the spread of a mean: 1.96 / sqrt(200) to each side
    low, high = interval(many)
    assert high - low == pytest.approx(2 * 1.96 / 200**0.5, rel=0.2)


def test_one_clip_tells_nothing_of_others() -> None:
    assert bootstrap_interval([1.0], np.mean, seed=0) is None


def test_the_table_shows_directions_and_intervals() -> None:
    result = Result(12.3456, (11.0, 13.0), "lower", "", MANIFEST)
    text = as_text({"ours": [result], "nobody": []})
    assert "fid ↓" in text and "12.35 (11 to 13)" in text and "nobody" in text


def test_hashes_are_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a").startswith("ba7816bf")
