"""`benchmark.py data` measures every kind of data."""

from pathlib import Path

import pytest

from benchmarks import data_loading
from benchmarks.data_loading import CONFIGS, as_text, file_system, measure_rates, measure_starts


@pytest.mark.slow
def test_every_kind_is_measured_from_pictures_video_and_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_loading, "SEQUENCE_FRAMES", 4)
    rates = list(measure_rates(tmp_path, clip_frames=3, seconds=0.001))
    sources = ("pictures", "video", "shards")
    assert [(one.kind, one.source) for one in rates] == [(kind, source) for kind in CONFIGS for source in sources]
    assert all(one.clips_per_second > 0 and one.clips_per_core_second > 0 for one in rates)
    assert as_text(rates, []).count("shards") == len(CONFIGS)


def test_both_starts_are_measured_and_leave_an_index_only_where_it_pays(tmp_path: Path) -> None:
    cold, warm = measure_starts(tmp_path, num_files=40)
    assert (cold.files, cold.state, warm.state) == (40, "cold", "warm") and cold.seconds > 0
    assert len(list(tmp_path.rglob("*.png"))) == 40 and not (tmp_path / ".sizes_train.json").exists()


def test_the_file_system_is_named(tmp_path: Path) -> None:
    assert file_system(tmp_path) and " " not in file_system(tmp_path)
