"""A stage of training: which frames roll, and the losses of generator and discriminators on a chunk."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from data.clips import Clip
from models.flow.reference import FlowEstimator
from models.losses.adversarial import (
    DiscriminatorInput,
    add_discriminator_terms,
    add_generator_terms,
    add_gradient_penalty,
    bridge_gradients,
    discriminate,
)
from models.losses.augmentation import Augmentation
from models.losses.perceptual import FrameFeatures, PerceptualLoss
from models.losses.pixel import add_pixel_terms
from models.losses.table import LossTable, LossWeights
from models.training.chunks import Chunk, ChunkedClip
from models.training.rollout import Rollout
from models.training.stages.face_region import FaceFinder, FaceRegion


class StageLosses(NamedTuple):
    """What the generator and what the discriminators minimise."""

    generator: LossTable
    discriminator: LossTable


def judge_once(stage: "Stage", chunk: Chunk, rollout: Rollout) -> StageLosses:
    """Adversarial terms of both sides; every discriminator sees every image once.

    The discriminators see copies of the generated images. The generator's terms pass their gradients on to the images
    and leave the discriminators' weights alone; the discriminators' own terms end at the copies.
    """
    copies = rollout.copied()
    generator, discriminator = LossTable(), LossTable()
    inputs = list(stage.discriminator_inputs(chunk, copies))
    if stage.augments:
        inputs = augmented(inputs, seed=chunk.seed)
    for output in discriminate(stage.discriminators, inputs):
        add_generator_terms(generator, output, gan_mode=stage.gan_mode, feature_weight=stage.weights.features)
        add_discriminator_terms(discriminator, output, gan_mode=stage.gan_mode)
    if stage.weights.r1 > 0:
        add_gradient_penalty(discriminator, stage.discriminators, inputs, weight=stage.weights.r1)
    images = {"copies": (copies.image, copies.raw), "originals": (rollout.image, rollout.raw)}
    return StageLosses(bridge_gradients(generator, **images), discriminator)


def augmented(inputs: list[DiscriminatorInput], *, seed: int) -> list[DiscriminatorInput]:
    """The same with images and faces augmented; all that one discriminator sees shares a draw, real or generated.

    So feature matching compares like with like. Windows of time stay as they are: their flow would have to follow.
    """
    random = torch.Generator().manual_seed(seed)
    draws = {
        one.discriminator: Augmentation.draw(one.real.shape[0], random)
        for one in inputs
        if not one.discriminator.startswith("temporal_")
    }
    return [
        one._replace(fake=draws[one.discriminator](one.fake), real=draws[one.discriminator](one.real))
        if one.discriminator in draws
        else one
        for one in inputs
    ]


@dataclass(kw_only=True, eq=False)
class Stage(ABC):
    """One of the trainings.

    Attributes:
        generator: what is trained.
        discriminators: ``image``; ``temporal_0``, ``temporal_1``, … for the temporal scales; ``face`` for faces.
        perceptual: frozen features and their distance, or None.
        estimator: reference flow.
        weights: of the loss terms.
        gan_mode: ``ls``, ``hinge`` or ``original``.
        find_face: where the faces are in semantic frames; needed with a ``face`` discriminator.
        judges_raw: discriminators and perceptual features judge the raw images too (vid2vid), not ``G_pixel`` alone.
        augments: discriminators see augmented images (``--diff_augment``).
        adversarial: computes the adversarial terms; benchmarks inject another way.
        features: computes the perceptual features of a chunk; benchmarks inject another way.
    """

    generator: nn.Module
    discriminators: nn.ModuleDict
    perceptual: PerceptualLoss | None
    estimator: FlowEstimator
    weights: LossWeights
    gan_mode: str = "ls"
    find_face: FaceFinder | None = None
    judges_raw: bool = True
    augments: bool = False
    adversarial: Callable[["Stage", Chunk, Rollout], StageLosses] = judge_once
    features: type[FrameFeatures] = FrameFeatures

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: when there is a ``face`` discriminator and nothing finds faces.
        """
        if "face" in self.discriminators and self.find_face is None:
            raise ValueError("expected find_face with a face discriminator, got none")

    @property
    @abstractmethod
    def context(self) -> int:
        """Frames of the past that a chunk carries."""

    @property
    def frozen(self) -> list[nn.Module]:
        """The networks that are used and not trained."""
        return [part for part in (self.perceptual, self.estimator) if isinstance(part, nn.Module)]

    @property
    def adapters(self) -> dict[str, nn.Module]:
        """What is trained with the generator and is no part of it, by the name of its file in a save."""
        return {}

    @abstractmethod
    def prepare(self, clip: Clip, random: torch.Generator, *, first_item: int = 0) -> ChunkedClip:
        """Decide which frames of ``clip`` roll and from what; ``random`` decides whatever is random.

        Args:
            clip: a batch, or a part of a larger one.
            random: the same for every part of a batch.
            first_item: number of the part's first item in the whole batch; what an item draws for itself follows
                from its number, however the batch is cut.
        """

    @abstractmethod
    def rollout(self, chunk: Chunk, *, backpropagate: int | None = None) -> Rollout:
        """Generate the chunk's frames; a gradient crosses at most ``backpropagate`` of them."""

    def losses(self, chunk: Chunk, rollout: Rollout) -> StageLosses:
        """The loss terms of both sides.

        No gradient of the generator's terms reaches the discriminators' weights, and none of theirs the generator.
        """
        losses = self.adversarial(self, chunk, rollout)
        images = generated_images(rollout)
        features = None
        if self.perceptual is not None:
            features = self.features(self.perceptual, generated=self._judged(images), real=chunk.real)
        add_pixel_terms(losses.generator, images, chunk.real, weight=self.weights.pixel)
        if features is not None:
            features.add_term(losses.generator, weight=self.weights.perceptual)
        self.add_video_terms(losses.generator, chunk, rollout, features)
        return losses

    def add_video_terms(self, table: LossTable, chunk: Chunk, rollout: Rollout, features: FrameFeatures | None) -> None:
        """Add the generator's terms that need more than single images; here none."""
        return

    def discriminator_inputs(self, chunk: Chunk, rollout: Rollout) -> Iterator[DiscriminatorInput]:
        """What the discriminators judge: each image beside the semantic frame that it was generated from."""
        real = torch.cat([chunk.semantic, chunk.real], dim=1)
        for image in self._judged(generated_images(rollout)):
            yield DiscriminatorInput("image", torch.cat([chunk.semantic, image], dim=1), real)
        faces = self.face_inputs(chunk, rollout)
        if faces is not None:
            yield DiscriminatorInput("face", *faces, weight=self.weights.face)

    def face_inputs(self, chunk: Chunk, rollout: Rollout) -> tuple[Tensor, Tensor] | None:
        """Input of the face discriminator, (fake, real), from the frames with a face; None where there is no face."""
        if "face" not in self.discriminators:
            return None
        face = None if self.find_face is None else self.find_face(chunk.semantic)
        if face is None:
            raise ValueError(
                "expected semantic frames that tell where faces are, got others; leave out the face discriminator"
            )
        region = FaceRegion.around(face)
        if len(region.frames) == 0:
            return None
        semantic, fake, real = (
            region.cut(frames) for frames in (chunk.semantic, rollout.generated.flatten(0, 1), chunk.real)
        )
        return torch.cat([semantic, fake], dim=1), torch.cat([semantic, real], dim=1)

    def _judged(self, images: list[Tensor]) -> list[Tensor]:
        return images if self.judges_raw else images[:1]


def generated_images(rollout: Rollout) -> list[Tensor]:
    """The final images [B * T, 3, H, W] and, where they are others, the raw ones."""
    images = [rollout.generated] if rollout.flow is None else [rollout.generated, rollout.raw]
    return [image.flatten(0, 1) for image in images]
