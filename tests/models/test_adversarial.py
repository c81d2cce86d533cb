"""Discriminators judge each image once, and gradients are those of judging twice."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import torch.distributed as distributed
from torch import Tensor, nn

from data.clips import Clip
from models.losses.adversarial import (
    DiscriminatorInput,
    DiscriminatorOutput,
    add_discriminator_terms,
    add_generator_terms,
    bridge_gradients,
    discriminate,
)
from models.losses.table import LossTable, LossWeights
from models.training import step
from models.training.build_stage import build_discriminators
from models.training.chunks import Chunk
from models.training.distributed import DistributedLoss
from models.training.rollout import Rollout
from models.training.run import Training
from models.training.stages.base import Stage, StageLosses
from models.training.stages.vid2vid import Vid2Vid
from options.network_config import DiscriminatorConfig
from tests.tiny_stages import CHANNELS, SIDE, chunks, make_clip, make_generator, parts
from util.distributed import DistributedContext

Gradients = dict[str, Tensor]


@pytest.fixture(autouse=True)
def in_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # losses are summed in single precision otherwise
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def face_of(semantic: Tensor) -> Tensor:
    face = torch.zeros(len(semantic), 1, SIDE, SIDE)
    face[..., 12:20, 8:14] = 1
    return face


def make_stage(norm: str = "batch", **settings: Any) -> Vid2Vid:
    """Image, face and two temporal discriminators."""
    torch.manual_seed(0)
    config = DiscriminatorConfig(ndf=4, n_layers_D=2, num_D=2, n_scales_temporal=2, add_face_disc=True)
    discriminators = build_discriminators(config, semantic_channels=CHANNELS, norm=norm, has_temporal=True)
    stage = Vid2Vid(**parts(make_generator(norm=norm), discriminators=discriminators, find_face=face_of, **settings))
    stage.generator.double()
    stage.discriminators.double()
    return stage


def make_double_clip(num_frames: int) -> Clip:
    return make_clip(num_frames)._map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def of(network: nn.Module) -> Gradients:
    return {name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None}


def gradients_of_one_pass(stage: Stage, chunk: Chunk, rollout: Rollout) -> tuple[Gradients, Gradients]:
    losses = stage.losses(chunk, rollout)
    losses.generator.total().backward()
    assert not of(stage.discriminators)
    generator = of(stage.generator)
    losses.discriminator.total().backward(inputs=list(stage.discriminators.parameters()))
    assert all(torch.equal(generator[name], one) for name, one in of(stage.generator).items())
    return generator, of(stage.discriminators)


def judge_twice(stage: Stage, chunk: Chunk, rollout: Rollout) -> StageLosses:
    """As published: every input is judged for the generator, and its copy for the discriminators."""
    for_generator, for_discriminators = LossTable(), LossTable()
    for name, fake, real, weight in stage.discriminator_inputs(chunk, rollout):
        judge = stage.discriminators[name]
        output = DiscriminatorOutput(name, judge(fake), judge(real), weight)
        add_generator_terms(for_generator, output, gan_mode=stage.gan_mode, feature_weight=stage.weights.features)
        output = DiscriminatorOutput(name, judge(fake.detach()), judge(real))
        add_discriminator_terms(for_discriminators, output, gan_mode=stage.gan_mode)
    return StageLosses(for_generator, for_discriminators)


def gradients_of_two_passes(stage: Stage, chunk: Chunk, rollout: Rollout) -> tuple[Gradients, Gradients]:
    stage.adversarial = judge_twice
    for_generator, for_discriminators = stage.losses(chunk, rollout)
    for_generator.total().backward()
    stage.discriminators.zero_grad()
    for_discriminators.total().backward()
    return of(stage.generator), of(stage.discriminators)


def assert_close(first: Gradients, second: Gradients) -> None:
    assert first.keys() == second.keys()
    for name, one in first.items():
        torch.testing.assert_close(one, second[name], rtol=1e-6, atol=1e-9, msg=name)


def assert_both_ways_teach_the_same(make: Callable[[], Stage]) -> None:
    found = []
    for gradients in (gradients_of_one_pass, gradients_of_two_passes):
        stage = make()
        found.append(gradients(stage, *chunks(stage, make_double_clip(9), 7)[0]))
    assert_close(found[0][0], found[1][0])
    assert_close(found[0][1], found[1][1])
    assert all(any(one.abs().sum() > 0 for one in gradients.values()) for gradients in found[0])


@pytest.mark.parametrize("gan_mode", ["ls", "hinge", "original"])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_image_face_and_temporal_discriminators_teach_what_they_taught_when_asked_twice(
    gan_mode: str, norm: str
) -> None:
    assert_both_ways_teach_the_same(lambda: make_stage(norm, gan_mode=gan_mode))


def test_discriminators_that_are_not_asked_learn_nothing() -> None:
    stage = make_stage(sparse_windows=True)
    chunk, rollout = chunks(stage, make_double_clip(9), 1)[0]
    _, discriminators = gradients_of_one_pass(stage, chunk, rollout)
    assert not any(name.startswith("temporal_1") for name in discriminators)
    assert any(name.startswith("image") for name in discriminators)


@pytest.mark.parametrize(
    "settings", [{"judges_raw": False}, {"weights": LossWeights(features=0)}, {"sparse_windows": True}]
)
def test_final_images_alone_no_features_and_sparse_windows_teach_the_same_too(settings: dict[str, Any]) -> None:
    assert_both_ways_teach_the_same(lambda: make_stage(**settings))


def test_every_term_has_its_own_gradient() -> None:
    """Rows that are weighted, scaled or left out by whoever minimises them stay what they are."""
    stage = make_stage()
    chunk, rollout = chunks(stage, make_double_clip(9), 7)[0]
    terms = stage.losses(chunk, rollout).generator.terms
    weight = stage.generator.get_parameter("model_final_img.1.weight")
    names = [name for name in terms if "GAN" in name]
    alone = [torch.autograd.grad(terms[name][0], weight, retain_graph=True)[0] for name in names]
    [together] = torch.autograd.grad(3 * torch.stack([terms[name][0] for name in names]).sum(), weight)
    assert len(names) == 8
    torch.testing.assert_close(3 * torch.stack(alone).sum(dim=0), together)


class Recording(nn.Module):
    """A discriminator that counts what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.shown: list[Tensor] = []

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        self.shown.append(x)
        return [[x * self.weight, (x * self.weight).mean((1, 2, 3))]]


def test_a_discriminator_sees_each_generated_image_once_and_the_real_one_once() -> None:
    stage = make_stage()
    stage.discriminators = nn.ModuleDict({name: Recording() for name in stage.discriminators})
    chunk, rollout = chunks(stage, make_double_clip(9), 7)[0]
    stage.losses(chunk, rollout)
    counts = {name: len(discriminator.shown) for name, discriminator in stage.discriminators.items()}  # type: ignore[arg-type]
    assert counts == {"image": 3, "face": 2, "temporal_0": 2, "temporal_1": 2}


def test_a_loss_scale_is_in_what_passes_through_the_discriminators() -> None:
    """Half precision loses small gradients unless they are scaled from the start."""
    discriminator, drawn = Recording(), torch.rand(1, 1, 2, 2, requires_grad=True)
    shown, arrived = drawn.detach().requires_grad_(), []
    [output] = discriminate(
        nn.ModuleDict({"image": discriminator}), [DiscriminatorInput("image", shown, torch.rand(1, 1, 2, 2))]
    )
    output.fake[0][-1].register_hook(lambda gradient: arrived.append(gradient.clone()))
    terms = LossTable()
    terms.add("G_GAN", output.fake[0][-1].sum())
    (bridge_gradients(terms, copies=(shown,), originals=(drawn,)).total() * 1024).backward()
    assert [one.item() for one in arrived] == [1024]
    assert drawn.grad is not None and torch.all(drawn.grad == 1024 / 4)
    assert shown.grad is None and discriminator.weight.grad is None


def test_an_empty_table_is_bridged_as_one() -> None:
    assert bridge_gradients(LossTable(), copies=(), originals=()).terms == {}


def test_copied_rollouts_are_leaves_of_equal_images() -> None:
    stage = make_stage()
    _, rollout = chunks(stage, make_double_clip(5), 3)[0]
    copy = rollout.copied()
    assert torch.equal(copy.image, rollout.image) and torch.equal(copy.raw, rollout.raw)
    assert copy.image.is_leaf and copy.raw.is_leaf and copy.image.requires_grad
    # not ==, which compares tensors from Python 3.13 on
    others = {one.name for one in dataclasses.fields(rollout)} - {"image", "raw"}
    assert all(getattr(copy, name) is getattr(rollout, name) for name in others)


@pytest.fixture()
def process_group() -> Iterator[None]:
    """One process that believes it has company: gradients are averaged over itself."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("num_frames", [1, 7])
def test_averaged_gradients_are_those_of_two_passes(process_group: None, num_frames: int) -> None:
    stage, twice = make_stage(), make_stage()
    distributed_losses = {
        name: DistributedLoss(network, DistributedContext(size=2))
        for name, network in (("generator", stage.generator), ("discriminators", stage.discriminators))
    }
    training = SimpleNamespace(
        stage=stage,
        distributed_losses=distributed_losses,
        schedule=SimpleNamespace(frames_backpropagate_at=lambda step: None),
        step=0,
        autocast=nullcontext,
        scaler=torch.amp.GradScaler("cpu", enabled=False),
    )
    chunk, _ = chunks(stage, make_double_clip(9), num_frames)[0]
    step.accumulate_gradients(cast(Training, training), chunk, share=1.0)
    expected = gradients_of_two_passes(twice, *chunks(twice, make_double_clip(9), num_frames)[0])
    averaged = (of(stage.generator), of(stage.discriminators))
    for found, wanted in zip(averaged, expected, strict=True):
        # weights that nothing used, such as those of a slow discriminator, may have a gradient of 0 in place of none
        assert all(not found[name].any() for name in found.keys() - wanted.keys())
        assert_close({name: found[name] for name in wanted}, wanted)
