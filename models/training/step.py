"""One training step: clips -> chunks -> rollout -> losses -> gradients -> optimiser steps."""

import numpy as np
from torch import Tensor

from data.clips import Clip
from data.kinds.interface import Encoder
from models.training.chunks import Chunk
from models.training.rollout import Rollout
from models.training.run import Training
from util.media.pictures import to_uint8
from util.report.training_log import TrainingLog


def accumulate_gradients(training: Training, chunk: Chunk, *, share: float) -> tuple[Rollout, dict[str, Tensor]]:
    """Add a chunk's ``share`` of the gradients of both sides; give what was generated, and weighted losses by name."""
    stage, averaged = training.stage, training.distributed_losses
    backpropagate = training.schedule.frames_backpropagate_at(training.step)
    with training.autocast():
        rollout = stage.rollout(chunk, backpropagate=backpropagate)
        generator, discriminator = stage.losses(chunk, rollout)
    total = averaged["generator"].averaged(generator.total())
    training.scaler.scale(total * share).backward()
    total = averaged["discriminators"].averaged(discriminator.total())
    # nothing is done with the gradient of the images that the discriminators looked at
    training.scaler.scale(total * share).backward(inputs=list(stage.discriminators.parameters()))
    return rollout, generator.detached() | discriminator.detached()


def training_step(training: Training, clips: list[Clip], log: TrainingLog) -> tuple[Chunk, Rollout]:
    """Roll the clips side by side; each chunk updates the generator and the discriminators.

    Returns:
        The last chunk and what was generated, for pictures.

    Raises:
        NonFiniteError: when a loss or a gradient is not finite.
    """
    schedule, step = training.schedule, training.step
    with training.autocast():
        chunked = [training.prepare(clip, batch) for clip, batch in zip(clips, training.batches, strict=True)]
    num_frames, context = schedule.frames_per_step_at(step), training.stage.context
    for chunks in zip(*(one.chunks(num_frames, context=context) for one in chunked), strict=True):
        training.zero_grad()
        losses: dict[str, Tensor] = {}
        for number, (clip, chunk) in enumerate(zip(chunked, chunks, strict=True)):
            with training.no_sync(number < len(chunked) - 1):
                rollout, of_chunk = accumulate_gradients(training, chunk, share=1 / len(chunked))
            clip.record(rollout.generated)
            log.count(of_chunk)
            losses |= {f"{name} of batch {number}": value for name, value in of_chunk.items()}
        training.update(losses)
    return chunk, rollout


def chunk_picture(chunk: Chunk, rollout: Rollout, *, encoder: Encoder) -> np.ndarray:
    """Semantics, generated, raw and real frame of the last time of a chunk, side by side, uint8 [H, W, 3]."""
    frames = [rollout.generated[0, -1], rollout.raw[0, -1], chunk.clip.image[0, -1]]
    semantic = encoder.picture(chunk.clip.semantic[0, -1])
    return np.concatenate([semantic, *(to_uint8(frame.detach()) for frame in frames)], axis=1)
