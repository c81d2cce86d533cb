"""The training program on a tiny dataset: it runs, resumes to the same bits, and refuses what cannot work."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models import checkpoint as checkpoints
from models.training import loop as train
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import SIZE, STUDENT, TINY, write_tiny_face
from util.errors import UserError
from util.manifest import MANIFEST


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_face(tmp_path_factory.mktemp("data"), phase="train", num_frames=12)


def arguments(data: Path, runs: Path, name: str, *more: str) -> list[str]:
    return [*TINY, "--dataroot", str(data), "--checkpoints_dir", str(runs), "--name", name, *more]


def run(data: Path, runs: Path, name: str, *more: str) -> train.Training:
    return train.run(parse(TrainConfig, arguments(data, runs, name, *more), description="test"))


def weights(runs: Path, name: str, label: str = "latest") -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for file in sorted((runs / name / label).glob("*.safetensors")):
        found |= {f"{file.stem}.{key}": value for key, value in load_file(file).items()}
    assert found
    return found


def assert_same_bits(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.fixture(scope="module")
def teacher(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    run(data, runs, "teacher")
    return runs


def test_a_run_leaves_a_checkpoint_a_log_by_name_and_pictures(teacher: Path) -> None:
    folder = teacher / "teacher"
    saved = checkpoints.load(folder, flag="--checkpoint")
    assert (saved.step, saved.metadata["semantic_channels"]) == (6, 15)
    smallest, largest = saved.metadata["subject_widths"]
    assert 0 < smallest <= largest <= SIZE[1]
    rows = [json.loads(line) for line in (folder / "loss_log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert {"G_GAN", "G_T1_GAN", "G_pixel", "F_Flow", "D_real", "learning_rate"} <= set(rows[-1])
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["0000003.png", "0000006.png"]
    assert list((folder / "tensorboard").iterdir())


def test_a_run_has_a_page_of_what_it_was_told_and_how_it_went(teacher: Path) -> None:
    page = (teacher / "teacher" / "index.html").read_text(encoding="utf-8")
    assert "Stage teacher: step 6 of 6 (100%)" in page
    assert all(f'aria-label="{plot} against step"' in page for plot in ("G_GAN", "G_pixel", "D", "learning_rate"))
    assert page.index("pictures/0000006.png") < page.index("pictures/0000003.png")
    flags = re.findall(r'<th scope="row">(--\w+)</th><td[^>]*><span>([^<]*)', page)
    assert ("--ngf", "4") in flags and not any(flag == "--amp" for flag, _ in flags)
    assert "reference flow" in page


def test_somebody_elses_page_in_a_runs_folder_stays(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "mine" / "index.html"
    page.parent.mkdir()
    page.write_text("dear diary")
    run(data, tmp_path, "mine", "--niter", "1", "--niter_decay", "0")
    assert page.read_text() == "dear diary"


def test_the_same_seed_gives_the_same_run_and_another_seed_another(data: Path, teacher: Path) -> None:
    run(data, teacher, "again")
    assert_same_bits(weights(teacher, "teacher"), weights(teacher, "again"))
    run(data, teacher, "other", "--seed", "1", "--niter", "1", "--niter_decay", "0")
    first, other = (weights(teacher, name)["generator.model_final_img.1.bias"] for name in ("teacher", "other"))
    assert not torch.equal(first, other)


def kill_after(command: list[str], environment: dict[str, str], *, folder: Path, step: int) -> None:
    """Start a run and kill it, in whatever it does then, as soon as a save of ``step`` or later is there."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if checkpoints.is_save(folder) and checkpoints.load(folder, flag="--resume").step >= step:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.003)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_a_run_killed_twice_resumes_to_bit_identical_weights(data: Path, teacher: Path) -> None:
    longer = ("--steps_per_epoch", "4", "--save_latest_freq", "1", "--resume")
    run(data, teacher, "whole", *longer)
    command = [sys.executable, "train.py", *arguments(data, teacher, "killed", *longer)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    folder = teacher / "killed" / "latest"
    for step in (1, 7):
        kill_after(command, environment, folder=folder, step=step)
    assert 7 <= checkpoints.load(folder, flag="--resume").step < 24
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert_same_bits(weights(teacher, "whole"), weights(teacher, "killed"))
    rows = [json.loads(line)["step"] for line in (teacher / "killed" / "loss_log.jsonl").read_text().splitlines()]
    assert rows == sorted(set(rows))


def test_a_run_stopped_halfway_goes_on_as_if_it_had_not(data: Path, teacher: Path) -> None:
    # --niter_decay is at its end either way: only the learning rate of the last epochs may differ
    run(data, teacher, "half", "--niter", "3", "--niter_decay", "0")
    assert checkpoints.load(teacher / "half", flag="--resume").step == 3
    described = teacher / "half" / "latest" / "config.json"
    older = json.loads(described.read_text())
    del older["metadata"]["subject_widths"]  # as a save of an older version
    described.write_text(json.dumps(older))
    (described.parent / MANIFEST).unlink()
    run(data, teacher, "half", "--niter", "3", "--niter_decay", "3", "--resume")
    assert_same_bits(weights(teacher, "teacher"), weights(teacher, "half"))
    assert checkpoints.load(teacher / "half", flag="--resume").metadata["subject_widths"]


def test_regularised_discriminators_resume_to_the_same_bits(data: Path, teacher: Path) -> None:
    more = ("--diff_augment", "--spectral_norm", "--lambda_R1", "1", "--niter", "1")
    run(data, teacher, "regular", *more, "--niter_decay", "1")
    run(data, teacher, "regular_half", *more, "--niter_decay", "0")
    run(data, teacher, "regular_half", *more, "--niter_decay", "1", "--resume")
    assert_same_bits(weights(teacher, "regular"), weights(teacher, "regular_half"))


def test_inner_features_are_distilled_by_a_convolution_that_resumes_and_is_not_shipped(
    data: Path, teacher: Path, tmp_path: Path
) -> None:
    given = ["--stage", "skd", *STUDENT, "--teacher", str(teacher / "teacher"), "--ngf", "2", "--niter", "1"]
    more = [*given, "--lambda_kd_feat", "3", "--ema", "0.9"]
    run(data, teacher, "features", *more, "--niter_decay", "1")
    run(data, teacher, "features_half", *more, "--niter_decay", "0")
    run(data, teacher, "features_half", *more, "--niter_decay", "1", "--resume")
    found = weights(teacher, "features")
    assert_same_bits(found, weights(teacher, "features_half"))
    logged = json.loads((teacher / "features" / "loss_log.jsonl").read_text().splitlines()[-1])
    assert logged["kd_feat"] > 0
    assert found["kd_adapter.adapter.weight"].shape == (16, 8, 1, 1)
    assert not any("adapter" in name for name in found if name.startswith("generator"))
    checkpoints.save_for_inference(checkpoints.load(teacher / "features", flag="--init"), tmp_path / "shipped")
    assert [path.name for path in (tmp_path / "shipped").glob("*.safetensors")] == ["generator.safetensors"]
    with pytest.raises(UserError, match="this run was started with --lambda_kd_feat 3"):
        run(data, teacher, "features_half", *given, "--ema", "0.9", "--niter_decay", "1", "--resume")


def test_a_finished_run_resumed_changes_nothing(data: Path, teacher: Path) -> None:
    before = weights(teacher, "teacher")
    run(data, teacher, "teacher", "--resume")
    assert_same_bits(before, weights(teacher, "teacher"))


def test_minutes_end_a_run_with_a_save(data: Path, teacher: Path) -> None:
    training = run(data, teacher, "short", "--max_minutes", "0.000001")
    assert training.step == 1
    assert checkpoints.load(teacher / "short", flag="--resume").step == 1


@pytest.mark.slow
def test_the_three_stages_chain_by_checkpoint(data: Path, teacher: Path) -> None:
    given = ["--teacher", str(teacher / "teacher")]
    skd = run(data, teacher, "skd", "--stage", "skd", *STUDENT, *given, "--init", str(teacher / "teacher"))
    # the student's width is that of its --init, whatever the flags say
    tkd = run(data, teacher, "tkd", "--stage", "tkd", *STUDENT, *given, "--init", str(teacher / "skd"), "--ngf", "9")
    assert tkd.config.generator == skd.config.generator
    for name, rows in (("skd", {"kd_pixel"}), ("tkd", {"kd_local_pixel", "kd_global"})):
        logged = json.loads((teacher / name / "loss_log.jsonl").read_text().splitlines()[-1])
        assert rows <= set(logged)
    assert "temporal differences" in " ".join(checkpoints.load(teacher / "tkd", flag="--init").metadata["components"])


def test_a_narrower_student_keeps_channels_and_says_how_many(
    data: Path, teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--stage", "skd", *STUDENT, "--teacher", str(teacher / "teacher"), "--init", str(teacher / "teacher")]
    run(data, teacher, "narrow", *given, "--ngf", "2", "--ngf_flow", "1", "--niter", "1", "--niter_decay", "0")
    kept = re.search(r"generator (\d+) of \d+ tensors, (\d+) of (\d+) inner channels", capsys.readouterr().out)
    assert kept is not None
    taken, narrow, wide = map(int, kept.groups())
    assert taken > 40
    assert 0.4 < narrow / wide < 0.6


@pytest.mark.slow
def test_three_stages_are_the_same_bits_for_the_same_seed(data: Path, tmp_path: Path) -> None:
    brief = ["--niter", "1", "--niter_decay", "1", "--recalibrate", "1"]
    for runs in (tmp_path / "first", tmp_path / "second"):
        run(data, runs, "teacher", *brief)
        given = [*STUDENT, "--teacher", str(runs / "teacher"), *brief]
        run(data, runs, "skd", "--stage", "skd", *given)
        run(data, runs, "tkd", "--stage", "tkd", *given, "--init", str(runs / "skd"))
    for name in ("teacher", "skd", "tkd"):
        assert_same_bits(weights(tmp_path / "first", name), weights(tmp_path / "second", name))


def test_best_is_chosen_on_videos_that_were_not_learned_from(
    data: Path, teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (data / "val_img").exists():
        write_tiny_face(data, phase="val", num_frames=5, first=20)
    run(data, teacher, "validated", "--validation_freq", "1", "--niter", "2", "--niter_decay", "0", "--clip_grad", "1")
    best = checkpoints.load(teacher / "validated" / "best", flag="--checkpoint")
    rows = [json.loads(line) for line in (teacher / "validated" / "loss_log.jsonl").read_text().splitlines()]
    scores = {row["step"]: row["validation_psnr"] for row in rows}
    assert best.step == max(scores, key=lambda step: scores[step])
    fact = best.metadata["best"]
    assert (fact["metric"], fact["step"]) == ("validation_psnr", best.step)
    assert fact["value"] == pytest.approx(scores[best.step], abs=1e-5)
    assert "best so far" in capsys.readouterr().out


def test_validation_without_videos_is_refused(data: Path, teacher: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        run(data, teacher, "mistake", "--validation_freq", "1", "--val_phase", "nowhere")


def test_compiling_without_a_compiler_is_refused(data: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UserError, match="--compile: torch.compile needs a C\\+\\+ compiler"):
        run(data, teacher, "mistake", "--compile")


def test_a_single_image_generator_can_be_trained(data: Path, teacher: Path) -> None:
    run(data, teacher, "single", "--stage", "first_frame", "--netG", "global", "--niter", "1", "--niter_decay", "0")
    assert checkpoints.load(teacher / "single", flag="--checkpoint").config.generator.netG == "global"


def test_first_frames_can_be_learned(data: Path, teacher: Path) -> None:
    run(data, teacher, "first", "--no_first_img", "--niter", "1", "--niter_decay", "0")
    logged = json.loads((teacher / "first" / "loss_log.jsonl").read_text().splitlines()[-1])
    assert "W" in logged


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_trains_to_finite_weights(data: Path, teacher: Path, precision: str) -> None:
    brief = ["--niter", "1", "--niter_decay", "0", "--accumulate", "2", "--clip_grad", "1"]
    run(data, teacher, precision, "--amp", precision, *brief)
    scale = checkpoints.load(teacher / precision, flag="--resume").training_state()["scaler"]
    assert bool(scale) is (precision == "fp16")
    assert all(torch.isfinite(value).all() for value in weights(teacher, precision).values())


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--name", "teacher"], "teacher/latest exists: add --resume"),
        (["--name", "teacher", "--resume", "--lr", "0.1"], "started with --lr 0.0002, found 0.1"),
        (["--stage", "skd", *STUDENT, "--teacher", "nowhere"], "--teacher nowhere: expected a checkpoint"),
        (["--dataroot", "nowhere"], "nowhere"),
        (["--resize_or_crop", "squeeze"], "squeeze"),
        (["--device", "cuda:77"], "--device cuda:77"),
    ],
)
def test_mistakes_are_named_before_anything_is_trained(
    data: Path, teacher: Path, more: list[str], expected: str
) -> None:
    before = weights(teacher, "teacher")
    with pytest.raises(UserError) as caught:
        run(data, teacher, "mistake", *more)
    assert expected in str(caught.value)
    assert not (teacher / "mistake" / "latest").exists()
    assert_same_bits(before, weights(teacher, "teacher"))


def test_a_teacher_that_saw_other_data_is_refused(data: Path, teacher: Path) -> None:
    given = ["--stage", "skd", *STUDENT, "--teacher", str(teacher / "teacher")]
    with pytest.raises(UserError, match="--loadSize 32, found 64"):
        run(data, teacher, "mistake", *given, "--loadSize", "64")


def test_sequences_too_short_for_a_stage_are_refused(data: Path, teacher: Path, tmp_path: Path) -> None:
    short = write_tiny_face(tmp_path, phase="train", num_frames=4)
    given = ["--stage", "tkd", *STUDENT, "--teacher", str(teacher / "teacher"), "--init", str(teacher / "student")]
    brief = ["--niter", "1", "--niter_decay", "0"]
    run(data, teacher, "student", "--stage", "skd", *STUDENT, "--teacher", str(teacher / "teacher"), *brief)
    with pytest.raises(UserError, match="at least 5 frames for --stage tkd, the longest has 4"):
        run(short, teacher, "mistake", *given)


def test_a_part_time_student_starts_from_a_low_demand_generator(data: Path, teacher: Path) -> None:
    given = ["--stage", "tkd", *STUDENT, "--teacher", str(teacher / "teacher"), "--init", str(teacher / "teacher")]
    with pytest.raises(UserError, match="expected the generator of --stage skd"):
        run(data, teacher, "mistake", *given)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_broken_picture_is_named_in_one_line_whoever_loads_it(teacher: Path, tmp_path: Path, workers: str) -> None:
    broken = write_tiny_face(tmp_path, phase="train", num_frames=6)
    for path in sorted((broken / "train_img" / "talk").iterdir())[1:]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError) as caught:
        run(broken, teacher, "mistake", "--nThreads", workers)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_program_ends_a_mistake_with_one_line_and_code_2() -> None:
    done = subprocess.run([sys.executable, "train.py", "--loadsize", "64"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: unknown flag --loadsize; did you mean --loadSize?\n"


def test_statistics_measured_at_the_end_change_nothing_else(data: Path, teacher: Path) -> None:
    run(data, teacher, "recalibrated", "--recalibrate", "2")
    before, after = weights(teacher, "teacher"), weights(teacher, "recalibrated")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.split(".")[-1] in ("running_mean", "running_var", "num_batches_tracked")
                           and name.startswith("generator.") for name in changed)  # fmt: skip


def test_a_run_may_be_renamed_and_a_mistyped_name_is_told(
    data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(teacher / "teacher", tmp_path / "elsewhere" / "renamed")
    run(data, tmp_path / "elsewhere", "renamed", "--niter_decay", "4", "--resume")
    saved = checkpoints.load(tmp_path / "elsewhere" / "renamed", flag="--checkpoint")
    assert saved.config.run.name == "renamed" and saved.step > 6
    capsys.readouterr()
    run(data, tmp_path / "elsewhere", "renmaed", "--resume")
    assert "so this run begins anew; did you mean --name renamed?" in capsys.readouterr().out
