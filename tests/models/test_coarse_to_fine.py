"""Several spatial scales as one generator."""

from typing import Any

import pytest
import torch

from models.build import blank_inputs, build_generator
from models.inference.synthesizer import Synthesizer
from models.interpolation.choose import make_interpolator
from models.losses.perceptual import PerceptualChoice
from models.networks.blocks import halve
from models.networks.coarse_to_fine import CoarseToFine
from models.networks.generator import CompositeGenerator
from models.networks.local_enhancer import LocalEnhancer
from models.training.build_stage import build_loss_weights
from models.training.rollout import unroll
from models.training.stages.vid2vid import Vid2Vid
from options.config import TrainConfig
from options.data_config import DataConfig
from options.network_config import DiscriminatorConfig, GeneratorConfig
from options.training_config import LossConfig, ScheduleConfig
from tests.tiny_stages import CHANNELS, chunks, make_clip, parts
from util.count_macs import count_macs
from util.errors import UserError

FACE_DISCRIMINATOR = DiscriminatorConfig(add_face_disc=True)


def make_config(num_scales: int = 2, **settings: Any) -> GeneratorConfig:
    return GeneratorConfig(
        ngf=8, n_downsample_G=2, n_blocks=2, n_blocks_local=1, n_scales_spatial=num_scales, **settings
    )


def make_scales(num_scales: int = 2, **settings: Any) -> CoarseToFine:
    torch.manual_seed(0)
    generator = build_generator(make_config(num_scales, **settings), semantic_channels=CHANNELS)
    assert isinstance(generator, CoarseToFine)
    return generator


def test_scales_are_named_as_the_published_files_and_their_channels_halve() -> None:
    generator = make_scales(3)
    parts_of = dict(generator.named_children())
    assert list(parts_of) == ["G0", "G1", "G2"]
    assert isinstance(parts_of["G0"], CompositeGenerator)
    assert [part.base_channels for part in generator.finer] == [4, 2]
    assert all(name.split(".")[0] in parts_of for name in generator.state_dict())


@pytest.mark.parametrize("raw_only", [False, True])
@pytest.mark.parametrize("fg", [False, True])
def test_it_draws_what_its_scales_draw_from_averaged_inputs(fg: bool, raw_only: bool) -> None:
    generator = make_scales(fg=fg).eval()
    semantic, previous = torch.rand(2, 3 * CHANNELS, 32, 48), torch.rand(2, 6, 32, 48) * 2 - 1
    mask = (torch.rand(2, 1, 32, 48) > 0.5).float() if fg else None
    coarse, (finer,) = generator.G0, generator.finer
    with torch.no_grad():
        features = coarse(
            halve(semantic),
            halve(previous),
            foreground_mask=None if mask is None else halve(mask),
            raw_only=raw_only,
        ).features
        assert features is not None
        expected = finer(semantic, previous, features, foreground_mask=mask, raw_only=raw_only)
        output = generator(semantic, previous, foreground_mask=mask, raw_only=raw_only)
    assert output.final.shape == (2, 3, 32, 48)
    assert torch.equal(output.final, expected.final)
    assert (output.flow is None) is raw_only


def test_the_coarse_scale_matters_and_learns_with_the_fine_one() -> None:
    generator = make_scales(3)
    drawn = generator(torch.rand(1, 3 * CHANNELS, 32, 32), torch.rand(1, 6, 32, 32))
    drawn.final.sum().backward()
    for scale in ("G0", "G1"):
        assert generator.get_parameter(f"{scale}.model_down_seg.1.weight").grad is not None


def test_fixed_scales_neither_learn_nor_drift_until_they_are_freed() -> None:
    generator = make_scales(3).train()
    generator.fix_coarse(True)
    generator.train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    inputs = torch.rand(1, 3 * CHANNELS, 32, 32), torch.rand(1, 6, 32, 32, requires_grad=True)
    output = generator(*inputs)
    output.final.sum().backward()
    learned = {name.split(".")[0] for name, value in generator.named_parameters() if value.grad is not None}
    changed = {name.split(".")[0] for name, value in generator.state_dict().items() if not before[name].equal(value)}
    assert learned == changed == {"G2"}
    generator.fix_coarse(False)
    assert generator.G0.training
    generator(*inputs).final.sum().backward()
    assert generator.get_parameter("G0.model_down_seg.1.weight").grad is not None


def test_a_stage_trains_it_and_the_engine_runs_it() -> None:
    generator, clip = make_scales(), make_clip(6)
    stage = Vid2Vid(**parts(generator))
    rows = stage.losses(*chunks(stage, clip, 4)[0]).generator
    assert torch.isfinite(rows.total())
    engine = Synthesizer(generator, num_frames=3, interpolator=make_interpolator("nearest"), device=torch.device("cpu"))
    frames = list(
        engine.frames(
            lambda number: clip.semantic[0, number], key_frames=range(6), first_frames=list(clip.image[0, :2])
        )
    )
    with torch.no_grad():
        expected = unroll(generator, clip, clip.image[:, :2], num_frames=3).image[0]
    torch.testing.assert_close(torch.stack(frames), expected, atol=1e-5, rtol=1e-4)


def test_macs_of_all_scales_are_counted_without_memory() -> None:
    config = make_config(fg=True)
    with torch.device("meta"):
        generator = build_generator(config, semantic_channels=CHANNELS)
        inputs, named = blank_inputs(config, semantic_channels=CHANNELS, size=(64, 64))
        assert isinstance(generator, CoarseToFine)
        small, small_named = blank_inputs(config, semantic_channels=CHANNELS, size=(32, 32))
    whole = count_macs(generator, *inputs, **named)
    coarse = count_macs(generator.G0, *small, **small_named)
    assert whole.exact > 2 * coarse.exact > 0


def test_the_flow_row_halves_with_every_scale_and_the_warp_row_does_not() -> None:
    none = PerceptualChoice(None, 0.0, "none")
    weights = build_loss_weights(LossConfig(), none, draws_first=False, num_scales=3)
    assert (weights.flow, weights.flow_warp) == (2.5, 10.0)


def test_sizes_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match=r"divisible by 8 for 2 scales, got \(36, 32\)"):
        make_scales()(torch.rand(1, 3 * CHANNELS, 36, 32), torch.rand(1, 6, 36, 32))


def test_scales_out_of_order_are_refused() -> None:
    coarse = CompositeGenerator(semantic_channels=1, base_channels=8, num_downsamples=2, num_blocks=1)
    for finer in ([], [LocalEnhancer(semantic_channels=1, scale=2, base_channels=4)]):
        with pytest.raises(ValueError, match="expected finer scales 1, 2"):
            CoarseToFine(coarse, finer)


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"schedule": ScheduleConfig(niter_fix_global=1)}, "add --n_scales_spatial 2"),
        ({"generator": make_config(), "schedule": ScheduleConfig(begin_as_copy=True)}, "--n_scales_spatial 1"),
        ({"generator": GeneratorConfig(fg=True)}, "--dataset_mode street"),
        ({"loss": LossConfig(kd_mask=True)}, "--stage skd or tkd"),
        (
            {"data": DataConfig(dataset_mode="street"), "discriminator": FACE_DISCRIMINATOR},
            "--dataset_mode pose or face",
        ),
        ({"data": DataConfig(no_dist_map=True), "discriminator": FACE_DISCRIMINATOR}, "leave out --no_dist_map"),
        (
            {"data": DataConfig(dataset_mode="pose", remove_face_labels=True), "discriminator": FACE_DISCRIMINATOR},
            "hide the face",
        ),
    ],
)
def test_combinations_that_cannot_work_are_refused(sections: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        TrainConfig(**sections)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"n_scales_spatial": 2, "low_demand": True}, "without --low_demand"),
        ({"n_scales_spatial": 3, "ngf": 12}, "multiple of 8"),
        ({"n_scales_spatial": 0}, "expected 1 to 4"),
        ({"fg": True, "netG": "global"}, "--fg does not go with"),
    ],
)
def test_architectures_that_cannot_be_built_are_refused(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        GeneratorConfig(**settings)
