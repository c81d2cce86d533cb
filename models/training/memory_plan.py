"""The memory that a training will need, and what can be left out (``--plan``).

The step that needs most is run on pretended tensors: shapes and life times are real, numbers and memory are not.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from data.build import build_clips, build_encoder
from data.clips import Clip
from models import checkpoint as checkpoints
from models.build import build_generator
from models.networks.coarse_to_fine import VideoGenerator
from models.training.assembly import build_schedule
from models.training.build_stage import build_stage
from models.training.checks import resolve_generator
from models.training.stages.base import Stage
from models.training.stages.tkd import TemporalDistillation
from models.training.stages.vid2vid import Vid2Vid
from options.config import TrainConfig
from util.allocations import AllocationCounter
from util.device import choose_device

GB = 1e9
# What a process takes beyond its tensors, by device: once, and as a share of them. CUDA: the context; workspaces, the
# caching allocator. CPU (resident memory, measured): Python and its libraries; tensors reordered for convolutions
BEYOND_TENSORS = {"cuda": (0.6 * GB, 0.15), "cpu": (0.76 * GB, 0.25)}


@dataclass(frozen=True)
class Scene:
    """What is known of the dataset: sizes, no pictures."""

    semantic_channels: int
    frame_size: tuple[int, int]
    max_clip_frames: int
    num_sequences: int
    has_foreground: bool


@dataclass(frozen=True)
class Estimate:
    """Bytes of memory, by what they are for.

    Attributes:
        trained: parameters of generator and discriminators.
        frozen: of teacher, perceptual network, flow network, moving average.
        gradients: of the trained ones.
        optimizers: Adam's two moments.
        chunk: frames, activations and temporaries of one chunk, at their peak.
    """

    trained: int
    frozen: int
    gradients: int
    optimizers: int
    chunk: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.trained + self.frozen + self.gradients + self.optimizers + self.chunk


class _ZeroFlow:
    """Reference flow that costs nothing: dense inverse search looks at pixels, and pretended tensors have none."""

    name = "zero"

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        return target.new_zeros(target.shape[0], 2, *target.shape[-2:])


def _bytes(parts: list[nn.Module]) -> int:
    tensors = {id(one): one for part in parts for one in (*part.parameters(), *part.buffers())}
    return sum(one.numel() * one.element_size() for one in tensors.values())


def look_at(config: TrainConfig) -> tuple[Scene, list[str]]:
    """What the dataset says of itself; without one, frames are squares of ``--loadSize``. Lines say so."""
    encoder = build_encoder(config.data)
    root = Path(config.run.dataroot)
    if not root.is_dir():
        side = config.data.loadSize
        scene = Scene(encoder.num_channels, (side, side), 10**6, 1, config.generator.fg)
        return scene, [f"no dataset at {root}: frames of {side} x {side} are assumed, sequences of any length"]
    clips = build_clips(config.data, config.schedule, root=root, seed=config.run.seed)
    scene = Scene(encoder.num_channels, clips.frame_size, clips.max_clip_frames, len(clips), config.generator.fg)
    return scene, [f"frames of {scene.frame_size[0]} x {scene.frame_size[1]}, as in {root}"]


def _teacher(config: TrainConfig, *, semantic_channels: int) -> VideoGenerator | None:
    if config.run.teacher is None:
        return None
    saved = checkpoints.load(config.run.teacher, flag="--teacher")
    teacher = build_generator(saved.config.generator, semantic_channels=semantic_channels)
    return teacher  # type: ignore[return-value]


def _stage(config: TrainConfig, scene: Scene) -> Stage:
    # where a face is depends on pixels; its discriminator is small
    config = _change(config, "discriminator", add_face_disc=False)
    config = _change(config, "schedule", cond_noise=0.0, cond_dropout=0.0)  # drawn by numpy, which pretends nothing
    teacher = _teacher(config, semantic_channels=scene.semantic_channels)
    stage, _ = build_stage(config, semantic_channels=scene.semantic_channels, teacher=teacher)
    if not isinstance(stage.estimator, nn.Module):
        stage.estimator = _ZeroFlow()
    if isinstance(stage, Vid2Vid) and isinstance(stage.distillation, TemporalDistillation):
        # pretended tensors hold no drawn number; the smallest gap leaves most key-frames
        stage.distillation.draw_gap = lambda total, random: 2  # type: ignore[method-assign]
    return stage


def _blank_clip(config: TrainConfig, scene: Scene, num_frames: int) -> Clip:
    shape = (config.schedule.batchSize, num_frames)
    return Clip(
        semantic=torch.zeros(*shape, scene.semantic_channels, *scene.frame_size),
        image=torch.zeros(*shape, 3, *scene.frame_size),
        foreground=torch.zeros(*shape, 1, *scene.frame_size) if scene.has_foreground else None,
        index=torch.zeros(shape, dtype=torch.int64),
        names=["clip"] * shape[0],
    )


def _hardest_chunk(config: TrainConfig, scene: Scene, stage: Stage) -> None:
    """The last chunk of the last step: most frames, the longest past, every discriminator has something to judge."""
    schedule = build_schedule(config.schedule, num_sequences=scene.num_sequences, clips_per_step=1)
    step = schedule.num_steps - 1
    num_given = 0 if config.run.stage == "first_frame" else config.generator.n_frames_G - 1
    num_frames = min(schedule.clip_frames_at(step) + num_given, scene.max_clip_frames)
    dtype = torch.float16 if config.run.amp == "fp16" else torch.bfloat16
    with torch.autocast("cpu", dtype=dtype, enabled=config.run.amp != "off"):
        chunked_clip = stage.prepare(_blank_clip(config, scene, num_frames), torch.Generator())
        length, per_chunk = chunked_clip.clip.image.shape[1], schedule.frames_per_step_at(step)
        known = chunked_clip.known
        done = max(known.shape[1], length - per_chunk)
        chunked_clip.known = torch.cat([known, chunked_clip.clip.image[:, known.shape[1] : done]], dim=1)
        chunk = next(chunked_clip.chunks(per_chunk, context=stage.context))
        rollout = stage.rollout(chunk, backpropagate=schedule.frames_backpropagate_at(step))
        generator, discriminator = stage.losses(chunk, rollout)
    generator.total().backward()
    discriminator.total().backward(inputs=list(stage.discriminators.parameters()))


def estimate(config: TrainConfig, scene: Scene) -> Estimate:
    """Memory of the tensors of a training in one process, without what the device takes for itself."""
    with FakeTensorMode():
        stage = _stage(config, scene)
        stage.generator.train()
        stage.discriminators.train()
        with AllocationCounter() as counter:
            _hardest_chunk(config, scene, stage)
        trained: list[nn.Module] = [stage.generator, *stage.adapters.values(), stage.discriminators]
        gradients = sum(
            one.grad.numel() * one.grad.element_size()
            for part in trained
            for one in part.parameters()
            if one.grad is not None
        )
        return Estimate(
            trained=_bytes(trained),
            frozen=_bytes(stage.frozen) + (_bytes([stage.generator]) if config.schedule.ema > 0 else 0),
            gradients=gradients,
            optimizers=2 * gradients,
            chunk=max(0, counter.peak - gradients),
        )


def _change(config: TrainConfig, section: str, **values: object) -> TrainConfig:
    changed = dataclasses.replace(getattr(config, section), **values)
    return dataclasses.replace(config, **{section: changed})


def reductions(config: TrainConfig) -> Iterator[tuple[str, Callable[[TrainConfig], TrainConfig]]]:
    """What can be reduced, that which costs least quality first: (flags, change), each on top of those before."""
    schedule, generator = config.schedule, config.generator
    if config.run.amp == "off":
        yield "--amp bf16", lambda one: _change(one, "run", amp="bf16")
    if schedule.batchSize > 1:
        count = schedule.batchSize * schedule.accumulate
        yield (
            f"--batchSize 1 --accumulate {count}",
            lambda one: _change(one, "schedule", batchSize=1, accumulate=count),
        )
    if max(schedule.max_frames_per_gpu, schedule.frames_per_step) > 1:
        yield (
            "--frames_per_step 1 --max_frames_per_gpu 1",
            lambda one: _change(one, "schedule", frames_per_step=1, max_frames_per_gpu=1),
        )
    if schedule.max_clip_frames > schedule.n_frames_total:
        frames = schedule.n_frames_total
        yield f"--max_clip_frames {frames}", lambda one: _change(one, "schedule", max_clip_frames=frames)
    if config.loss.perceptual != "none":
        yield "--perceptual none", lambda one: _change(one, "loss", perceptual="none", vgg_weights=None)
    if generator.ngf > 16 and config.run.stage != "tkd":  # there the architecture comes from --init
        half = generator.ngf // 2
        yield f"--ngf {half}", lambda one: _change(one, "generator", ngf=half)


def on_device(found: Estimate, device: torch.device) -> float:
    """Bytes of one process with what it takes beyond its tensors."""
    once, share = BEYOND_TENSORS.get(device.type, BEYOND_TENSORS["cpu"])
    return found.total * (1 + share) + once


def memory_of(device: torch.device) -> int:
    """Bytes that a device has."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _frames_once_more(config: TrainConfig) -> TrainConfig:
    schedule = config.schedule
    frames = max(schedule.frames_per_step, schedule.max_frames_per_gpu) + 1
    return _change(config, "schedule", frames_per_step=frames, max_frames_per_gpu=frames)


def make_plan(config: TrainConfig) -> list[str]:
    """What a training needs and, where that is too much, what to reduce, in lines."""
    device = choose_device(config.run.device)
    config = resolve_generator(config)
    scene, lines = look_at(config)
    found = estimate(config, scene)
    rows = [
        ("weights that are trained", found.trained),
        ("frozen networks", found.frozen),
        ("gradients", found.gradients),
        ("Adam", found.optimizers),
        ("one chunk at its peak", found.chunk),
    ]
    lines += [f"{what:<28}{size / GB:9.3f} GB" for what, size in rows]
    lines.append(f"{'beyond tensors, about':<28}{(on_device(found, device) - found.total) / GB:9.3f} GB")
    lines.append(f"{'--stage ' + config.run.stage + ' in all':<28}{on_device(found, device) / GB:9.3f} GB")
    batch = _change(config, "schedule", batchSize=config.schedule.batchSize + 1)
    for what, changed in (("a clip more in a batch", batch), ("a frame more in a chunk", _frames_once_more(config))):
        lines.append(f"{what:<28}{(estimate(changed, scene).total - found.total) / GB:+9.3f} GB")
    budget = config.run.plan_memory_gb * GB or memory_of(device)
    return lines + suggest(config, scene, found, budget=budget, device=device)


def suggest(config: TrainConfig, scene: Scene, found: Estimate, *, budget: float, device: torch.device) -> list[str]:
    """Reduce, step by step, until it fits."""
    if on_device(found, device) <= budget:
        return [f"fits into {budget / GB:.1f} GB"]
    lines = [f"too much for {budget / GB:.1f} GB; reduce, one after another:"]
    for flags, change in reductions(config):
        config = change(config)
        needed = on_device(estimate(config, scene), device)
        lines.append(f"  {flags:<44}{needed / GB:9.3f} GB" + (" fits" if needed <= budget else ""))
        if needed <= budget:
            return lines
    return [*lines, "  still too much: choose a smaller --loadSize"]
