"""What runs on CUDA stays there: tensors without memory that claim to be on CUDA find every tensor that is not.

``FakeTensorMode`` refuses operations of tensors of two devices, and whatever needs a value, such as ``.item()``: that
would wait for the device. Each test of a path has one that plants a tensor on the CPU, and sees it found. What PyTorch
does by itself, gradients, needs a real device: ``pytest -m cuda`` and ``scripts/gpu_check.sh``.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from data.clips import Clip
from models.inference.runtimes.in_torch import prepare_for_inference
from models.inference.runtimes.precision import lower_precision
from models.inference.synthesizer import Synthesizer
from models.interpolation.choose import make_interpolator
from models.interpolation.guided import GuidedMotion
from models.networks.single_image import GlobalGenerator
from models.training.stages.base import Stage
from models.training.stages.first_frame import FirstFrame
from models.training.stages.vid2vid import Vid2Vid
from tests.tiny_stages import CHANNELS, SIDE, distilling, make_generator, parts

CUDA = torch.device("cuda")
FOUND = "device|data-dependent|DataDependent|local_scalar"


@pytest.fixture
def mode(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    """The mode, not entered yet; what is drawn on the CPU to decide something has its value in it."""
    real = torch.randint

    def drawn(*given: Any, **named: Any) -> int:
        with unset_fake_temporarily():
            return int(real(*given, **named))

    monkeypatch.setattr(torch, "randint", drawn)
    yield FakeTensorMode(allow_non_fake_inputs=True)  # they count as tensors on the CPU


def bring(network: nn.Module, mode: FakeTensorMode) -> None:
    """``network.to("cuda")``: what is no weight and no buffer stays where it is."""
    for part in network.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                on_cuda = on_fake_cuda(weight.detach(), mode)
                part._parameters[name] = nn.Parameter(on_cuda, requires_grad=weight.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = on_fake_cuda(buffer, mode)


def on_fake_cuda(tensor: Tensor, mode: FakeTensorMode) -> Tensor:
    fake = mode.from_tensor(tensor)
    with mode:
        return fake.to(CUDA)


class Still(nn.Module):
    """No flow: the estimators of real trainings are networks, or OpenCV on the CPU."""

    name = "still"

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        return (target - source)[:, :2] * 0


def clip(num_frames: int) -> Clip:
    return Clip(
        semantic=torch.rand(1, num_frames, CHANNELS, SIDE, SIDE, device=CUDA),
        image=torch.rand(1, num_frames, 3, SIDE, SIDE, device=CUDA),
        foreground=None,
        index=torch.arange(num_frames)[None],
        names=["clip"],
    )


def first_frame() -> Stage:
    generator = GlobalGenerator(semantic_channels=CHANNELS, base_channels=4, num_downsamples=2, num_blocks=2)
    given = parts(generator, estimator=Still())
    given.pop("num_frames")
    return FirstFrame(**given)


STAGES: dict[str, Callable[[], Stage]] = {
    "first_frame": first_frame,
    "teacher": lambda: Vid2Vid(**parts(estimator=Still(), given_noise=0.05, cond_noise=0.1, cond_dropout=0.3)),
    "skd": lambda: distilling("skd", make_generator(block="mobile", low_demand=True), kd_mask=True, estimator=Still()),
    "tkd": lambda: distilling("tkd", make_generator(block="mobile", low_demand=True), estimator=Still()),
}


def train(stage: Stage, mode: FakeTensorMode) -> None:
    """A step as ``models/training/step.py`` has it, without a dataset, gradients and optimisers."""
    for network in (stage.generator, stage.discriminators, *stage.frozen):
        bring(network, mode)
    stage.generator.train()
    with mode:
        chunked = stage.prepare(clip(6), torch.Generator().manual_seed(0))
        chunk = next(iter(chunked.chunks(3, context=stage.context)))
        rollout = stage.rollout(chunk, backpropagate=2)
        losses = stage.losses(chunk, rollout)
        chunked.record(rollout.generated)
        tensors = [rollout.generated, *(table.total() for table in losses)]
        assert {one.device.type for one in tensors} == {"cuda"}


@pytest.mark.parametrize("name", STAGES)
def test_the_frames_and_losses_of_a_training_step_stay_on_cuda(name: str, mode: FakeTensorMode) -> None:
    train(STAGES[name](), mode)


@pytest.mark.parametrize("name", STAGES)
def test_a_cpu_tensor_planted_in_a_training_step_is_found(name: str, mode: FakeTensorMode) -> None:
    stage = STAGES[name]()
    plant(stage.generator)
    with pytest.raises(Exception, match=FOUND):
        train(stage, mode)


def plant(network: nn.Module) -> None:
    """A tensor that is no weight, as a careless layer would keep it: ``.to`` leaves it where it is."""
    layer = next(one for one in network.modules() if isinstance(one, nn.Conv2d))
    offset = torch.ones(1, 1, 1, 2)
    layer.register_forward_pre_hook(lambda _, inputs: (inputs[0] + offset.sum(dim=3, keepdim=True),))


def synthesize(
    mode: FakeTensorMode,
    monkeypatch: pytest.MonkeyPatch,
    *,
    interpolation: str = "guided",
    mask_device: torch.device = CUDA,
    spoil: Callable[[nn.Module], None] | None = None,
) -> list[Tensor]:
    """A street, by what ``--runtime folded --precision bf16`` runs on CUDA."""
    # the clock asks the real device
    monkeypatch.setattr("models.inference.synthesizer._now", lambda device: 0.0)
    generator = make_generator(block="mobile", low_demand=True, has_foreground=True).eval()
    fast = lower_precision(prepare_for_inference(generator, CUDA), torch.bfloat16)
    if spoil is not None:
        spoil(fast)
    bring(fast, mode)
    with mode:
        engine = Synthesizer(
            lambda *given, **named: fast(*given, **named),
            num_frames=3,
            interpolator=GuidedMotion(kind="street") if interpolation == "guided" else make_interpolator(interpolation),
            device=CUDA,
            foreground=lambda semantic: semantic[:, :1].to(mask_device),
        )
        # encoders give frames on the CPU
        return list(engine.frames(lambda number: torch.zeros(CHANNELS, SIDE, SIDE), key_frames=[0, 1, 2, 5, 9]))


@pytest.mark.parametrize("name", ["guided", "blocks", "blend", "nearest"])
def test_synthesis_stays_on_cuda(name: str, mode: FakeTensorMode, monkeypatch: pytest.MonkeyPatch) -> None:
    made = synthesize(mode, monkeypatch, interpolation=name)
    assert [frame.device.type for frame in made] == ["cuda"] * 10


def test_a_cpu_tensor_planted_in_synthesis_is_found(mode: FakeTensorMode, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match=FOUND):
        synthesize(mode, monkeypatch, spoil=plant)
    with pytest.raises(Exception, match=FOUND):
        synthesize(mode, monkeypatch, mask_device=torch.device("cpu"))


Both = Callable[[Tensor, Tensor], Tensor]
TIMES = [0.3, 0.6]


def guided(kind: str) -> Both:
    motion = GuidedMotion(kind=kind)

    def between(first: Tensor, last: Tensor) -> Tensor:
        return motion(first, last, TIMES, [motion.guide(torch.zeros(3, 64, 96, device=CUDA)) for _ in range(4)])

    return between


INTERPOLATORS: dict[str, Both] = {
    "blocks": lambda first, last: make_interpolator("blocks")(first, last, TIMES),
    "blend": lambda first, last: make_interpolator("blend")(first, last, TIMES),
    **{f"guided {kind}": guided(kind) for kind in ("face", "street", "pose")},
}


@pytest.mark.parametrize("name", INTERPOLATORS)
def test_interpolators_stay_on_cuda_and_wait_for_nothing(name: str, mode: FakeTensorMode) -> None:
    with mode:
        first, last = torch.zeros(2, 3, 64, 96, device=CUDA)
        found = INTERPOLATORS[name](first, last)
    assert found.device.type == "cuda" and found.shape == (2, 3, 64, 96)


@pytest.mark.parametrize("name", INTERPOLATORS)
def test_a_cpu_tensor_planted_in_an_interpolator_is_found(name: str, mode: FakeTensorMode) -> None:
    with mode, pytest.raises(Exception, match=FOUND):
        INTERPOLATORS[name](torch.zeros(3, 64, 96, device=CUDA), torch.ones(3, 64, 96))


def test_a_wait_for_the_device_is_found(mode: FakeTensorMode) -> None:
    with mode, pytest.raises(Exception, match=FOUND):
        torch.zeros(3, device=CUDA).mean().item()
