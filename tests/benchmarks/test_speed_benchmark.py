"""`benchmark.py speed --quick` gives the promised JSON, and counts what is done."""

import json
from pathlib import Path

import pytest

from benchmarks.command_line import build_parser
from benchmarks.speed_methods import PUBLISHED_SHARE
from util.errors import UserError


def measure(path: Path, *more: str) -> dict:
    arguments = build_parser("").parse_args(["speed", "--quick", "--json", str(path), *more])
    arguments.run(arguments)
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", ["street", "face", "pose"])
def test_every_method_has_its_figures_and_vid2vid_is_the_first(name: str, tmp_path: Path) -> None:
    found = measure(tmp_path / "out.json", "--setting", name, "--rounds", "1", "--runtimes", "folded",
                    "--fewer_share", "0.2")  # fmt: skip
    assert {"device", "threads", "settings"} < set(found)
    (setting,) = found["settings"]
    assert setting["name"] == name
    first, student, recipe, ours, fewer = setting["methods"]
    assert (first["name"], first["ratio_to_vid2vid"]) == ("vid2vid_every_frame", 1)
    assert [one["keyframe_share"] for one in (first, student)] == [1, 1]
    assert recipe["keyframe_share"] == pytest.approx(PUBLISHED_SHARE, abs=0.04)
    assert (ours["name"], fewer["name"]) == ("ours_folded", "ours_folded_share_0.2")
    assert fewer["keyframe_share"] < ours["keyframe_share"] <= PUBLISHED_SHARE + 3 / 14
    for one in setting["methods"]:
        assert set(one["ms_per_frame"]) == {"encode", "generator", "interpolation", "write"}
        assert one["fps"] > 0 and one["generator_gmacs_per_second"] > 0
    assert first["gmacs_per_frame"] > student["gmacs_per_frame"] > ours["gmacs_per_frame"]


def test_our_student_may_have_another_shape_and_the_published_methods_keep_theirs(tmp_path: Path) -> None:
    common = ["--setting", "street", "--rounds", "1", "--runtimes", "folded", "--fewer_share", "0.2"]
    (full,) = measure(tmp_path / "full.json", *common)["settings"]
    (lean,) = measure(tmp_path / "lean.json", *common, "--no_flow", "--no_fg", "--ngf", "4")["settings"]
    assert full["our_student"] == {"ngf": 8, "flow": True, "fg": True}
    assert lean["our_student"] == {"ngf": 4, "flow": False, "fg": False}
    costs = [[one["gmacs_per_frame"] for one in setting["methods"]] for setting in (full, lean)]
    assert costs[0][:3] == costs[1][:3]
    assert all(less < more / 2 for more, less in zip(costs[0][3:], costs[1][3:], strict=True))


def test_each_precision_is_a_method_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--setting", "face_512", "--rounds", "1", "--runtimes", "folded", "onnx", "--precisions", "fp32", "int8"]
    found = measure(tmp_path / "out.json", *more, "--fewer_share", "0.2")
    assert found["instructions"]
    assert set(found["product_gmacs_per_second"]) == {"fp32", "bf16", "int8"}
    assert min(found["product_gmacs_per_second"].values()) > 0
    ours = [(one["name"], one["runtime"], one["precision"]) for one in found["settings"][0]["methods"]][3::2]
    assert ours == [
        ("ours_folded", "folded", "fp32"), ("ours_onnx", "onnx", "fp32"), ("ours_onnx_int8", "onnx", "int8")
    ]  # fmt: skip
    table = capsys.readouterr().out.split("times vid2vid")[1]
    assert all(f"{name} " in table for name, *_ in ours) and "instructions: " in table


def test_impossible_flags_are_refused() -> None:
    with pytest.raises(UserError, match="--rounds"):
        measure(Path("never.json"), "--rounds", "0")
