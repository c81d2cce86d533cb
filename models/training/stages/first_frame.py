"""Training of a single-image generator for first frames: every frame on its own, only images are judged."""

import torch

from data.clips import Clip
from models.training.chunks import Chunk, ChunkedClip, draw_seed
from models.training.rollout import Rollout
from models.training.stages.base import Stage


class FirstFrame(Stage):
    """Image-to-image training on the clips' frames (vid2vid's single-image generator)."""

    @property
    def context(self) -> int:
        """Nothing of the past is needed."""
        return 0

    def prepare(self, clip: Clip, random: torch.Generator, *, first_item: int = 0) -> ChunkedClip:
        """All frames are generated, none is given."""
        nothing = clip.image[:, :0]
        seed = draw_seed(random, first_item=first_item)
        return ChunkedClip(
            clip=clip, known=nothing, conditioning=nothing, target=None, estimator=self.estimator, seed=seed
        )

    def rollout(self, chunk: Chunk, *, backpropagate: int | None = None) -> Rollout:
        """Generate each frame from its own semantic frame."""
        batch, frames = chunk.clip.semantic.shape[:2]
        image = self.generator(chunk.clip.semantic.flatten(0, 1)).unflatten(0, (batch, frames))
        return Rollout(image=image, raw=image, flow=None, weight=None, index=chunk.clip.index, num_given=0)
