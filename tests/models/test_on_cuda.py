"""What needs a GPU: graphs that are replayed, gradients, frames that stay there. ``scripts/gpu_check.sh`` runs it."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from models.inference.runtimes.choose import make_runtime
from models.interpolation.guided import GuidedMotion
from models.interpolation.guided_in_torch import guide_on_device, guided_on_device
from models.networks.generator import GeneratorOutput
from models.training.stages.vid2vid import Vid2Vid
from tests.models.test_guided_in_torch import TIMES, scene
from tests.models.test_runtimes import assert_draws_the_same, composite, settled
from tests.tiny_stages import chunks, make_clip, make_generator, parts

pytestmark = pytest.mark.cuda
CUDA = torch.device("cuda")


class OnCuda:
    """A runtime on CUDA behind tensors on the CPU."""

    def __init__(self, precision: str) -> None:
        self.generator = settled(composite(block="mobile", low_demand=True))
        self.runtime = make_runtime(copy.deepcopy(self.generator), name="folded", precision=precision, device=CUDA)

    def __call__(self, *inputs: torch.Tensor, **named: Any) -> GeneratorOutput:
        found: Any = self.runtime.runtime(*(one.to(CUDA) for one in inputs), **named)
        return found._replace(**{key: one.cpu() for key, one in found._asdict().items() if torch.is_tensor(one)})


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-2), ("bf16", 0.1)])
def test_a_replayed_graph_draws_the_same(precision: str, tolerance: float) -> None:
    runtime = OnCuda(precision)  # fp32 products may have the 10 bits of TF32
    for _ in range(2):  # recorded, then replayed
        assert_draws_the_same(runtime, runtime.generator, tolerance=tolerance)


def test_guided_motion_is_the_same_as_in_torch_on_the_cpu() -> None:
    scenes = [scene(6 * time) for time in (0, *TIMES, 1)]
    first, last = scenes[0][0], scenes[-1][0]
    semantics = [semantic for _, semantic in scenes]
    expected = guided_on_device(first, last, TIMES, [guide_on_device(one, kind="street") for one in semantics])
    motion = GuidedMotion(kind="street")
    found = motion(first.to(CUDA), last.to(CUDA), TIMES, [motion.guide(one.to(CUDA)) for one in semantics])
    assert found.device.type == "cuda" and (found.cpu() - expected).abs().mean() < 1e-3


def test_gradients_of_a_training_step_are_finite_in_bf16() -> None:
    stage = Vid2Vid(**parts(make_generator()))
    for network in (stage.generator, stage.discriminators, *stage.frozen):
        network.to(CUDA)
    clip = make_clip(5)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        for chunk, rollout in chunks(stage, replace(clip, semantic=clip.semantic.cuda(), image=clip.image.cuda()), 3):
            generator, discriminator = stage.losses(chunk, rollout)
            generator.total().backward(retain_graph=True)
            discriminator.total().backward(inputs=list(stage.discriminators.parameters()))
    assert all(one.grad is None or one.grad.isfinite().all() for one in stage.generator.parameters())
