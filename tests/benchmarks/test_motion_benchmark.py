"""`benchmark.py motion` measures every method at every gap, whole pipelines, and generated frames."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.command_line import build_parser
from benchmarks.footage import WINDOW, derived_semantics
from benchmarks.keyframe_choice import PIPELINES, choose
from benchmarks.lossy_pipeline import published_pipeline
from models.training import loop as train
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import TINY, write_tiny_face
from util.errors import UserError
from util.media.video import write_video

SIZE = (48, 64)


def moving_window(num_frames: int = WINDOW) -> list[np.ndarray]:
    """A texture that slides by two pixels a frame, uint8 [H, W, 3]."""
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[0], SIZE[1] + 2 * num_frames, 3)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 3)
    smooth = (255 * (blurred - blurred.min()) / np.ptp(blurred)).astype(np.uint8)
    return [np.ascontiguousarray(smooth[:, 2 * number : 2 * number + SIZE[1]]) for number in range(num_frames)]


def measure(folder: Path, *flags: str) -> dict:
    arguments = build_parser("").parse_args(["motion", *flags, "--json", str(folder / "out.json")])
    arguments.run(arguments)
    return json.loads((folder / "out.json").read_text())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("motion")
    write_video(folder / "slide.mp4", moving_window(), frames_per_second=25)
    few = ("--methods", "minterpolate, streaming", "nearest", "dis-fast", "dis")
    return measure(folder, "--videos", str(folder / "slide.mp4"), "--gaps", "3", "irregular", *few)


def test_every_method_has_a_row_at_every_gap_and_motion_is_found(found: dict) -> None:
    quality = {(row["method"], row["gap"]): row["psnr"] for row in found["rows"]}
    names = {name for name, _ in quality}
    assert names >= {"dis-fast", "dis", "guided, coarse maps", "guided, fine maps"}
    assert set(quality) == {(name, gap) for name in names for gap in ("3", "irregular")}
    assert quality["dis", "3"] > quality["nearest", "3"] + 3
    assert [row["time_ratio"] for row in found["rows"] if row["method"].startswith("minterpolate")] == [1, 1]
    assert all(0 < row["ssim"] <= 1 for row in found["rows"] if row["gap"] == "3")


def test_every_pipeline_has_a_row_with_as_many_keyframes(found: dict) -> None:
    rows = found["keyframes"]
    assert {(row["rule"], row["interpolation"].split(",")[0]) for row in rows} == set(PIPELINES)
    assert len({row["keyframes"] for row in rows if row["rule"] != "live"}) == 1
    quality = {(row["rule"], row["interpolation"]): row["psnr"] for row in rows}
    assert quality["published", "dis"] > quality["published", "published pipeline"]


def test_the_imitated_pipeline_gives_the_number_of_frames_and_the_same_ones_again() -> None:
    window = moving_window()
    for keys in ([0, 9, 18, 27], [0, 27], [0]):
        once, again = (published_pipeline([window[key] for key in keys], num_frames=WINDOW, seed=3) for _ in range(2))
        assert [frame.shape for frame in once] == [(*SIZE, 3)] * WINDOW
        assert all(np.array_equal(*pair) for pair in zip(once, again, strict=True))


def test_derived_maps_are_edges_and_labels() -> None:
    windows = [moving_window(3)]
    maps = derived_semantics(windows, of_face=True)
    assert [(one.kind, one.window(0)[0].shape[0]) for one in maps.values()] == [("face", 1), ("street", 12)]
    assert torch.equal(maps["fine maps"].window(0)[0].sum(dim=0), torch.ones(SIZE))
    assert derived_semantics(windows, of_face=False)["coarse maps"].window(0)[0].shape == (4, *SIZE)


@pytest.mark.parametrize("rule", ["published", "uniform", "dp", "live"])
def test_a_rule_gives_sorted_keyframes_with_both_ends(rule: str) -> None:
    keys = choose(rule, torch.rand(28, 5, generator=torch.Generator().manual_seed(0)), count=10)
    assert keys == sorted(set(keys)) and (keys[0], keys[-1]) == (0, 27)
    assert rule in ("published", "live") or len(keys) == 10


def test_frames_that_a_student_drew_are_looked_at_with_its_own_flow_too(tmp_path: Path) -> None:
    root = tmp_path / "faces"
    for phase in ("train", "test"):
        write_tiny_face(root, phase=phase, num_frames=9)
    brief = ("--niter", "1", "--niter_decay", "0", "--checkpoints_dir", str(tmp_path))
    train.run(parse(TrainConfig, [*TINY, *brief, "--dataroot", str(root), "--name", "one"], description=""))
    student = str(tmp_path / "one")
    measured = measure(tmp_path, "--samples_only", "--face", str(root), "--checkpoints", student, "--quick")
    rows = measured["generated"]
    assert {"dis", "guided", "the student's flow", "guided, the student's flow"} < {row["method"] for row in rows}
    assert all(row["student"] == "one" and 0 < row["psnr"] < 100 for row in rows)
    assert {row["method"] for row in measured["rows"]} >= {"guided"}
    with pytest.raises(UserError, match="give --face DIR"):
        measure(tmp_path, "--samples_only", "--checkpoints", student)


def test_impossible_gaps_are_refused() -> None:
    for gap in ("1", "28", "wide"):
        with pytest.raises(UserError, match=f"--gaps {gap}: expected 2 to 27, or irregular"):
            measure(Path("never"), "--gaps", gap)
