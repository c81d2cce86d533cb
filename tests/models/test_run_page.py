"""The page of a run is cheap and true, whatever its log looks like."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.training.run_page import MOST_PICTURES, MOST_POINTS, read_log, thinned, write_run_page
from options.config import TrainConfig
from util.media.pictures import write_picture


def write(folder: Path, *, step: int) -> str:
    metadata = {"command": "python train.py", "components": ["reference flow: dis"]}
    write_run_page(folder, config=TrainConfig(), metadata=metadata, step=step, num_steps=9000, seconds=90)
    return (folder / "index.html").read_text(encoding="utf-8")


def test_a_long_log_becomes_a_short_page(tmp_path: Path) -> None:
    rows = [{"step": step, "G_GAN": 1.0, "D_real": 0.5, "D_fake": 0.4} for step in range(1, 5001)]
    (tmp_path / "loss_log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = write(tmp_path, step=5000)
    assert len(page) < 100_000
    assert page.count("<polyline") == 3 and page.count("against step") == 2


def test_thinning_keeps_means_and_the_last_step() -> None:
    rows = [{"step": float(step), "loss": float(step % 2)} for step in range(1, 1001)]
    thin = list(thinned(rows, ["loss", "absent"]))
    assert len(thin) == MOST_POINTS and thin[-1]["step"] == 1000
    assert all(row["loss"] == pytest.approx(0.5, abs=0.11) and "absent" not in row for row in thin)


def test_a_broken_line_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b'{"step": 1, "a": 2}\n{"step": 2, "a"\n\xff\n{"a": 3}\n{"step": 3, "a": 4}\n')
    assert read_log(tmp_path / "log") == [{"step": 1, "a": 2}, {"step": 3, "a": 4}]


def test_pictures_are_spread_over_the_run_and_none_is_from_later(tmp_path: Path) -> None:
    for step in range(0, 500, 10):
        write_picture(tmp_path / "pictures" / f"{step:07d}.png", np.zeros((4, 4, 3), np.uint8))
    page = write(tmp_path, step=400)
    shown = [number for number in range(0, 500, 10) if f"pictures/{number:07d}.png" in page]
    assert len(shown) == MOST_PICTURES and (shown[0], shown[-1]) == (0, 400)


def test_a_run_that_has_just_begun_says_so(tmp_path: Path) -> None:
    page = write(tmp_path, step=0)
    assert "None is reported yet" in page and "None is drawn yet" in page
