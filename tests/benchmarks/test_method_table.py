"""`benchmark.py table` compares all methods on the same clips, says what it did, and is repeatable."""

import csv
import json
import shutil
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from benchmarks import ablation
from benchmarks.command_line import build_parser
from benchmarks.exact_motion import placed_flow
from benchmarks.metrics.results_file import read_results
from benchmarks.protocol import make_protocol, read_protocol, write_protocol
from benchmarks.width import gmacs, nearest_width, with_width
from data.transforms import Box, Geometry
from models.training import loop as train
from options.cli import parse
from options.config import TrainConfig
from options.data_config import DataConfig
from tests.tiny_face import SIZE, STUDENT, TINY, write_tiny_face
from util.errors import UserError

BRIEF = ["--niter", "1", "--niter_decay", "0"]
LENGTH = ["--clip_length", "5", "--metrics", "psnr,flicker", "--device", "cpu", "--timing_runs", "1"]
DATA = DataConfig(loadSize=32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_tiny_face(root, phase="test", num_frames=11)
    return write_tiny_face(root, phase="train", num_frames=8)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A teacher, a student and a narrow generator, hardly trained."""
    folder = tmp_path_factory.mktemp("runs")
    common = [*TINY, *BRIEF, "--dataroot", str(data), "--checkpoints_dir", str(folder)]
    for more in (
        ["--name", "teacher"],
        ["--name", "skd", "--stage", "skd", *STUDENT, "--teacher", str(folder / "teacher")],
        ["--name", "narrow", "--ngf", "2", "--seed", "1"],
        ["--name", "scales", "--n_scales_spatial", "2", "--n_blocks_local", "1"],
    ):
        with patch.object(sys, "argv", ["train.py", *more]):
            train.run(parse(TrainConfig, [*common, *more], description="test"))
    return folder


def run(*words: str | Path) -> None:
    arguments = build_parser("test").parse_args([str(word) for word in words])
    arguments.run(arguments)


def table(runs: Path, data: Path, output: Path, *more: str | Path) -> dict:
    models = ("--checkpoints", runs / "teacher", runs / "skd", "--baseline", runs / "narrow")
    run("table", *models, "--dataroot", data, "--output", output, *LENGTH, *more)
    return json.loads((output / "table.json").read_text())


@pytest.fixture(scope="module")
def made(runs: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("tables") / "table"
    table(runs, data, output)
    return output


def test_every_method_has_its_costs_its_speed_and_its_figures(made: Path) -> None:
    found = json.loads((made / "table.json").read_text())
    labels = list(found["methods"])
    assert [label.split(",")[0] for label in labels] == [
        "original generator", "low-demand student", "part-time", "part-time", "composite",
    ]  # fmt: skip
    assert labels == list(found["costs"]) == list(found["speed"]) == list(found["entries"])
    original, student, published, ours, narrow = (found["costs"][label] for label in labels)
    assert original["exact_gmacs"] > student["exact_gmacs"] > ours["exact_gmacs"] > 0
    assert original["exact_gmacs"] > narrow["exact_gmacs"] and original["keyframe_share"] == 1
    assert ours["exact_gmacs"] == pytest.approx(student["exact_gmacs"] * ours["keyframe_share"], rel=1e-2)
    # the published rule takes every frame of so short a clip: nothing is left between
    assert (published["keyframe_share"], published["motion_gmacs"]) == (1, 0) and ours["motion_gmacs"] > 0
    assert found["speed"][labels[0]]["ms"] == pytest.approx(1000 / found["speed"][labels[0]]["fps"], rel=0.01)
    rows = read_results(made / "table.json")
    assert {tuple(one.manifest.metric for one in results) for results in rows.values()} == {("psnr", "flicker")}
    # clips of 5, 5 and 1 frames; the last one has nothing but given frames
    assert rows[labels[0]][0].manifest.clips == ("talk_00000[2:5]", "talk_00005[2:5]")


def test_the_report_has_published_rows_apart_plots_and_notes(made: Path) -> None:
    markdown = (made / "table.md").read_text()
    ours, published = markdown.split("## Published")
    assert "original generator" in ours and "2066" not in ours and "2066" in published
    assert "One sequence alone" in markdown and "too few for a clip: 1 frame." in markdown
    names = [path.stem for path in sorted((made / "plots").iterdir())]
    assert names == [f"{metric}_{kind}" for metric in ("flicker", "psnr") for kind in ("frames", "macs", "ms")]
    page = (made / "index.html").read_text()
    assert (
        page.count("<figure><svg") == 6
        and 'href="table.csv"' in page
        and "http://" not in page.replace("http://www.w3", "")
    )
    # of both clips: semantics, real frames and all five methods
    assert page.count("data:video/mp4") == 2 * 7 and page.count("<td><b>") >= 2
    lines = list(csv.DictReader((made / "table.csv").read_text().splitlines()))
    assert [one["source"] for one in lines[:5]] == ["ours"] * 5 and lines[5]["published_gmacs"] == "2066"
    assert all(one["psnr"] == "" for one in lines[5:]) and float(lines[0]["psnr"]) > 0
    assert len(list((made / "frames" / "real" / "talk_00005").iterdir())) == 5


def test_a_rerun_by_the_written_protocol_gives_identical_figures(
    made: Path, runs: Path, data: Path, tmp_path: Path
) -> None:
    again = table(runs, data, tmp_path / "again", "--protocol", made / "protocol.json", "--clip_length", "9")
    first = json.loads((made / "table.json").read_text())
    for name in ("methods", "costs", "entries", "protocol", "not_measured"):
        assert again[name] == first[name]
    assert (tmp_path / "again" / "protocol.json").read_text() == (made / "protocol.json").read_text()


def test_a_protocol_refuses_other_data(made: Path, runs: Path, tmp_path: Path) -> None:
    use = ("--protocol", made / "protocol.json")
    other = write_tiny_face(tmp_path / "other", phase="test", num_frames=11, first=3)
    with pytest.raises(UserError, match="not those that the protocol was made for"):
        table(runs, other, tmp_path / "out", *use)
    short = write_tiny_face(tmp_path / "short", phase="test", num_frames=8)
    with pytest.raises(UserError, match="frames 5 to 9 of sequence talk, found 8 frames"):
        table(runs, short, tmp_path / "out", *use)
    (tmp_path / "broken.json").write_text('{"format": 1}')
    with pytest.raises(UserError, match="expected a protocol"):
        table(runs, short, tmp_path / "out", "--protocol", tmp_path / "broken.json")
    assert not (tmp_path / "out").exists()


def test_a_lone_clip_is_resampled_by_its_windows_and_the_protocol_survives_its_file(data: Path, tmp_path: Path) -> None:
    protocol = make_protocol(DATA, root=data)
    assert [(clip.first_frame, clip.num_frames) for clip in protocol.clips] == [(0, 11)]
    assert (protocol.clip_length, protocol.num_given, protocol.window) == (28, 2, 3)
    told = " ".join(protocol.in_words())
    assert "One clip alone" in told and "only 4 of them" in told
    write_protocol(tmp_path / "protocol.json", protocol)
    assert read_protocol(tmp_path / "protocol.json") == protocol


def test_merged_seeds_have_mean_and_deviation_and_what_does_not_fit_is_told(made: Path, tmp_path: Path) -> None:
    other = json.loads((made / "table.json").read_text())
    for results in other["methods"].values():
        results[0]["value"] += 2.0
        results[1]["manifest"]["version"] += 1
    (tmp_path / "b.json").write_text(json.dumps(other))
    run("table", "--merge", made / "table.json", tmp_path / "b.json", "--output", tmp_path)
    merged = json.loads((tmp_path / "merged.json").read_text())
    label, first = next(iter(read_results(made / "table.json").items()))
    assert merged["methods"][label]["psnr ↑"] == {
        "mean": pytest.approx((first[0].value or 0) + 1), "std": pytest.approx(2**0.5), "n": 2,
    }  # fmt: skip
    told = "\n".join(merged["warnings"])
    assert "warning: flicker" in told and "other version" in told and "warning: psnr" not in told
    assert "was trained with the seeds [0, 0]" in told and "±" in (tmp_path / "merged.md").read_text()
    with pytest.raises(UserError, match="two or more"):
        run("table", "--merge", tmp_path / "b.json", "--output", tmp_path)


@pytest.mark.slow
def test_the_ablation_says_what_each_part_earns(runs: Path, data: Path, tmp_path: Path) -> None:
    students = ("--teacher", runs / "teacher", "--no_kd", runs / "skd", "--tkd", runs / "skd",
                "--narrow", runs / "skd")  # fmt: skip
    few = ("--shares", "0.4", "1", "--interpolations", "blend", "nearest", "--keyframe_share", "0.4")
    run("ablation", *students, *few, "--dataroot", data, "--output", tmp_path / "out", *LENGTH)
    found = list(read_results(tmp_path / "out" / "table.json"))
    assert found[1:] == [
        "no KD, dp 0.4, blend", "no KD, every frame", "SKD + TKD, dp 0.4, blend", "SKD + TKD, every frame",
        "SKD + TKD, dp 0.4, nearest", "SKD + TKD, uniform 0.4, blend", "SKD + TKD, published key-frames, blend",
        "narrow student, dp 0.4, blend", "narrow student, every frame",
    ]  # fmt: skip
    markdown = (tmp_path / "out" / "table.md").read_text()
    earned = next(line for line in markdown.splitlines() if "SKD + TKD over no KD, share 1" in line)
    assert earned.count("+0 (+0 to +0)") == 2  # the same checkpoint twice
    assert "blend over nearest" in markdown and "dp over uniform" in markdown


@pytest.mark.slow
def test_a_coarse_to_fine_teacher_takes_part_and_may_be_made_narrower(runs: Path, data: Path, tmp_path: Path) -> None:
    models = ("--checkpoints", runs / "scales", runs / "skd", "--baseline", runs / "scales")
    run("table", *models, "--dataroot", data, "--output", tmp_path / "out", *LENGTH)
    found = json.loads((tmp_path / "out" / "table.json").read_text())
    original, *_, baseline = found["methods"]
    assert baseline == "composite, 2 scales, ngf 4, every frame"
    assert found["costs"][original]["exact_gmacs"] == found["costs"][baseline]["exact_gmacs"] > 0
    assert found["costs"][original]["keyframe_share"] == 1
    config = parse(TrainConfig, [*TINY, "--n_scales_spatial", "2", "--ngf", "12"], description="test")
    assert nearest_width(config, target=0.0) == 4, "every scale halves the channels"


def test_flows_are_cut_and_scaled_with_their_frames() -> None:
    flow = np.broadcast_to(np.array([4.0, 2.0], np.float32), (64, 128, 2))
    unknown = np.zeros((64, 128), bool)
    unknown[0, 0] = True
    placement = Geometry("scaleWidth_and_crop", load_size=64, fine_size=32).place(Box(0, 0, 128, 64))
    placed = placed_flow(flow, unknown=unknown, placement=placement)
    assert placed.shape == (2, *placement.size) and np.allclose(np.nanmax(placed, axis=(1, 2)), [2, 1])
    whole = Geometry("scaleWidth", load_size=64).place(Box(0, 0, 128, 64))
    placed = placed_flow(flow, unknown=unknown, placement=whole)
    assert np.isnan(placed[:, 0, 0]).all() and np.isnan(placed).sum() == 2
    beyond = placed_flow(flow, unknown=unknown, placement=Geometry("none").place(Box(-32, 0, 96, 64)))
    assert np.isnan(beyond[:, :, :32]).all() and not np.isnan(beyond[:, 1:, 32:]).any()


def test_exact_motion_of_the_dataset_is_judged_where_there_is_any(runs: Path, data: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(data, root)
    (root / "test_flow" / "talk").mkdir(parents=True)
    for number in range(11):
        flow, nowhere = np.zeros((*SIZE, 2), np.float16), np.zeros(SIZE, bool)
        path = root / "test_flow" / "talk" / f"{number:05d}.npz"
        np.savez(path, forward=flow, backward=flow, occluded=nowhere, appeared=nowhere)
    found = table(runs, root, tmp_path / "out", "--metrics", "flow_epe")
    assert found["of_real_frames"]["flow_epe"] > 0
    assert all(one["manifest"]["metric"] == "flow_epe" and one["value"] > 0
               for (one,) in found["methods"].values())  # fmt: skip
    assert "error of the estimated flow" in (tmp_path / "out" / "table.md").read_text()


def test_paired_differences_leave_out_what_either_lacks(made: Path) -> None:
    one, other = (results[0] for results in list(read_results(made / "table.json").values())[:2])
    one.per_frame["talk_00000"][:3] = [None, None, 21.0]
    other.per_frame["talk_00000"][:3] = [None, None, 20.5]
    other.per_frame["talk_00000"][3] = None
    windows = ablation.paired_differences(one, other, window=5)
    assert [len(window) for window in windows] == [2, 3] and windows[0][0] == 0.5


def test_the_width_is_the_nearest_to_the_wanted_cost(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = parse(TrainConfig, TINY, description="test")
    cost = gmacs(with_width(config, 3))
    assert [nearest_width(config, target=target) for target in (0.0, cost * 0.99, cost * 1.01, 1e9)] == [1, 3, 3, 4]
    run("width", "--checkpoint", runs / "teacher", "--target", runs / "narrow", "--keyframe_share", "1")
    assert capsys.readouterr().out == "2\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--checkpoints", "a", "b"], "--dataroot is missing"),
        (["--dataroot", "x"], "expected TEACHER STUDENT"),
        (["--dataroot", "x", "--checkpoints", "a"], "expected TEACHER STUDENT"),
        (["--dataroot", "x", "--checkpoints", "a", "b", "--metrics", "beauty"], "expected some of psnr"),
        (["--dataroot", "x", "--checkpoints", "a", "b", "--num_given", "28"], "more frames than those"),
        (["--dataroot", "x", "--checkpoints", "a", "b", "--device", "cpu"], "a: expected a checkpoint"),
    ],
)
def test_mistakes_are_named(words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        run("table", *words, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()
