import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from options.cli import PRESETS, parse
from options.config import TestConfig, TrainConfig
from options.data_config import DataConfig
from options.training_config import LossConfig, ScheduleConfig
from options.values import from_json, to_json
from util.errors import UserError


def read(*arguments: str) -> TrainConfig:
    return parse(TrainConfig, arguments, description="test")


def test_defaults_are_the_published_settings() -> None:
    config = read()
    assert (config.generator.ngf, config.generator.n_blocks, config.generator.n_downsample_G) == (128, 9, 3)
    assert (config.loss.lambda_feat, config.loss.lambda_F, config.loss.lambda_pixel) == (10.0, 10.0, 0.0)
    assert (config.loss.lambda_kd_local, config.loss.lambda_kd_global) == (2.0, 15.0)
    assert config.schedule.lr == 2e-4


def test_flags_reach_their_section() -> None:
    config = read("--loadSize", "256", "--ngf", "32", "--TTUR", "--continue_train", "--gpu_ids", "-1")
    assert config.data.loadSize == 256
    assert config.generator.ngf == 32
    assert config.schedule.TTUR and config.run.resume
    assert config.run.device == "-1"


@given(
    load=st.integers(32, 2048),
    rate=st.floats(1e-6, 1, allow_nan=False),
    perceptual=st.sampled_from(["auto", "vgg19", "efficientnet_lite0", "none"]),
    weight=st.none() | st.floats(0, 100, allow_nan=False),
    no_flip=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_json_round_trip_is_identity(load, rate, perceptual, weight, no_flip) -> None:  # type: ignore[no-untyped-def]
    config = TrainConfig(
        data=DataConfig(loadSize=load),
        loss=LossConfig(perceptual=perceptual, lambda_perceptual=weight),
        schedule=ScheduleConfig(lr=rate, no_flip=no_flip),
    )
    assert from_json(TrainConfig, json.loads(json.dumps(to_json(config)))) == config


def test_configs_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().run.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--loadsize", "64"], "did you mean --loadSize"),
        (["--ngf", "many"], "--ngf many: expected a whole number"),
        (["--ngf", "0"], "--ngf 0: expected at least 1"),
        (["--stage", "nas"], "invalid choice"),
        (["--stage", "skd"], "--teacher"),
        (["--stage", "skd", "--teacher", "x"], "--low_demand"),
        (["--stage", "tkd", "--teacher", "x", "--netG", "sr_mobile_composite", "--low_demand"], "--init"),
        (["--teacher", "x"], "has no teacher"),
        (["--netG", "global"], "--stage first_frame"),
        (["--lambda_feat", "-1"], "cannot be negative"),
        (["--niter", "0", "--niter_decay", "0"], "nothing to train"),
        (["--preset", "nowhere"], "no such preset"),
        (["--TTUR", "perhaps"], "expected true or false"),
    ],
)
def test_mistakes_fail_in_one_line_that_says_the_fix(arguments: list[str], expected: str) -> None:
    with pytest.raises(UserError) as caught:
        read(*arguments)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flags_override_the_preset() -> None:
    name = sorted(PRESETS.glob("*.json"))[0].stem
    values = json.loads((PRESETS / f"{name}.json").read_text())
    assert read("--preset", name).generator.ngf == values["ngf"]
    assert read("--preset", name, "--ngf", "5").generator.ngf == 5


def test_every_preset_is_a_valid_teacher_training() -> None:
    for path in PRESETS.glob("*.json"):
        assert read("--preset", path.stem).run.stage == "teacher"


def test_a_preset_with_an_unknown_option_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "mine.json"
    path.write_text('{"ngff": 3}')
    with pytest.raises(UserError, match="unknown option ngff"):
        read("--preset", str(path))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda values: values["run"].update(sead=1), "unknown option sead"),
        (lambda values: values["generator"].update(ngf="8"), "expected int"),
        (lambda values: values["generator"].update(norm="layer"), "expected one of batch, instance"),
        (lambda values: values.update(data=None), "expected an object"),
    ],
)
def test_a_broken_config_file_is_refused_with_its_name(change, expected) -> None:  # type: ignore[no-untyped-def]
    values = to_json(TrainConfig())
    change(values)
    with pytest.raises(UserError, match=expected) as caught:
        from_json(TrainConfig, values, where="runs/config.json")
    assert "runs/config.json" in str(caught.value)


def test_an_option_younger_than_the_file_gets_its_default() -> None:
    values = to_json(TrainConfig())
    del values["run"]["channels_last"]
    assert from_json(TrainConfig, values) == TrainConfig()


def test_test_needs_a_checkpoint() -> None:
    with pytest.raises(UserError, match="--checkpoint is missing"):
        parse(TestConfig, [], description="test")
    with pytest.raises(UserError, match="--single_checkpoint"):
        parse(TestConfig, ["--checkpoint", "x", "--first_frame", "single"], description="test")


@pytest.mark.parametrize("more", [("--keyframes", "uniform"), ("--keyframe_quality", "nan")])
def test_a_quality_of_keyframes_needs_a_number_and_dynamic_programming(more: tuple[str, str]) -> None:
    with pytest.raises(UserError, match="--keyframe_quality"):
        parse(TestConfig, ["--checkpoint", "x", "--keyframe_quality", "30", *more], description="test")
    assert parse(TestConfig, ["--checkpoint", "x", "--keyframe_quality", "30"], description="").keyframe_quality == 30


def test_a_number_that_no_float_holds_is_refused_with_its_name() -> None:
    """Found by tests/fuzz.py."""
    values = to_json(TrainConfig())
    values["schedule"]["lr"] = 10**400
    with pytest.raises(UserError, match="config: schedule: lr: expected a number, found one of 401 digits"):
        from_json(TrainConfig, values)
