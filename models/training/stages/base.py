"""What do all trainings share? Chunked clips cut into chunks, and the rows every image earns."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from data.clips import Clip
from models.flow.reference import FlowEstimator, confidence
from models.losses.perceptual import PerceptualLoss
from models.losses.table import LossTable, feature_matching, l1, multiscale_adversarial
from models.training.rollout import Rollout
from models.training.stages.discrimination import DiscriminatorInput, DiscriminatorOutput, ask, bridge_gradients
from models.training.stages.face_region import FaceFinder, FaceRegion


class RealMotion:
    """Flow and confidence between real frames; every pair of them is estimated once in a chunked clip."""

    def __init__(self, estimator: FlowEstimator, image: Tensor) -> None:
        """Args: the estimator, and the real frames [B, T, 3, H, W]."""
        self._estimator = estimator
        self._image = image
        self._known: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def without_first(self, count: int) -> "RealMotion":
        """The same, counted from frame ``count``; what was known of the frames before it is forgotten."""
        later = RealMotion(self._estimator, self._image[:, count:])
        later._known = {
            (target - count, source - count): motion
            for (target, source), motion in self._known.items()
            if min(target, source) >= count
        }
        return later

    def between(self, target: int, source: int) -> tuple[Tensor, Tensor]:
        """Flow [B, 2, H, W] that carries frame ``source`` onto frame ``target``, and its confidence [B, 1, H, W]."""
        if (target, source) not in self._known:
            to, of = self._image[:, target], self._image[:, source]
            with torch.no_grad(), torch.autocast(to.device.type, enabled=False):
                flow = self._estimator(to, of)
                self._known[target, source] = (flow, confidence(to, of, flow))
        return self._known[target, source]


@dataclass
class Chunk:
    """What one weight update learns from: some frames to draw, and those that came before them.

    Attributes:
        clip: the frames before, then the frames to draw.
        given: the frames before, as they were drawn or given, [B, K, 3, H, W].
        fed: what the generator sees of them (noise against drift).
        target: the frozen teacher's frames at the times to draw, [B, T - K, 3, H, W], or None without a teacher.
        target_before: the teacher's frame before them, [B, 1, 3, H, W], or None.
        motion: flow between the clip's real frames.
        first_is_raw: nothing was given, so that the frame to draw has nothing to warp.
        num_void: leading frames of ``given`` that are no images.
        start: position of the clip's first frame in the chunked clip.
        verdicts: what the discriminators said. They change only after the generator, so that both learn from the same.
    """

    clip: Clip
    given: Tensor
    conditioning: Tensor
    target: Tensor | None
    target_before: Tensor | None
    motion: RealMotion
    first_is_raw: bool
    num_blank: int
    start: int = 0
    discriminator_outputs: list[DiscriminatorOutput] = field(default_factory=list)

    @property
    def num_given(self) -> int:
        """How many frames came before."""
        return self.given.shape[1]

    @property
    def real(self) -> Tensor:
        """The real frames at the times to draw, [B, T - K, 3, H, W]."""
        return self.clip.image[:, self.num_given :]


@dataclass
class ChunkedClip:
    """A clip on its way through a stage: chunks come out, drawn frames go in and are the next chunk's past.

    Attributes:
        clip: the frames that roll.
        drawn: the frames known so far, [B, K, 3, H, W]; at first the given ones.
        fed: what the generator sees of the first given ones.
        target: the teacher's frames at all of the clip's times, [B, T, 3, H, W], or None.
        estimator: reference flow.
        starts_raw: the given frames are no images.
    """

    clip: Clip
    drawn: Tensor
    conditioning: Tensor
    target: Tensor | None
    estimator: FlowEstimator
    starts_raw: bool = False
    _num_first: int = field(init=False)

    def __post_init__(self) -> None:
        """Remember how many frames were given at first."""
        self._num_first = self.drawn.shape[1]

    def chunks(self, num_frames: int, *, context: int) -> Iterator[Chunk]:
        """Cut the chunked clip into chunks of ``num_frames`` frames to draw.

        Args:
            num_frames: frames between two weight updates.
            context: frames of the past that a chunk carries, for the generator and the temporal discriminators.
        """
        total = self.clip.image.shape[1]
        motion, motion_start = RealMotion(self.estimator, self.clip.image), 0
        while (start := self.drawn.shape[1]) < total:
            is_first = start == self._num_first
            is_raw = self.starts_raw and is_first
            # a frame without a predecessor has no flow rows: it makes a chunk of its own
            end, first = min(start + (1 if is_raw else num_frames), total), max(0, start - context)
            # neighbouring chunks look at the same pairs of real frames
            motion, motion_start = motion.without_first(first - motion_start), first
            yield Chunk(
                clip=self.clip.at(slice(first, end)),
                given=self.drawn[:, first:],
                conditioning=torch.cat([self.conditioning, self.drawn[:, self._num_first :]], dim=1)[:, first:],
                target=None if self.target is None else self.target[:, start:end],
                target_before=None if self.target is None else self.target[:, start - 1 : start],
                motion=motion,
                first_is_raw=is_raw,
                num_blank=max(0, self._num_first - first) if self.starts_raw else 0,
                start=first,
            )
            if self.drawn.shape[1] == start:
                raise RuntimeError("a chunk's frames were not recorded")

    def record(self, rollout: Rollout) -> None:
        """Take the frames that a chunk drew; the next chunk starts from them, without their graph."""
        self.drawn = torch.cat([self.drawn, rollout.generated.detach().to(self.drawn.dtype)], dim=1)


@dataclass(frozen=True)
class LossWeights:
    """Weights of the rows; the names are those of the options and of the rows they weigh."""

    features: float = 10.0
    perceptual: float = 10.0
    pixel: float = 0.0
    flow: float = 10.0
    flow_warp: float = 10.0
    temporal_warp: float = 10.0
    face: float = 2.0
    trust_warp: float = 0.0
    kd: float = 1.0
    kd_local: float = 2.0
    kd_global: float = 15.0


def term_suffix(discriminator: str) -> str:
    """What a discriminator's rows are called: nothing for ``image``, ``_T0`` for ``temporal_0``, ``_f`` for ``face``."""
    return {"image": "", "face": "_f"}.get(discriminator, discriminator.replace("temporal_", "_T"))


class Stage(ABC):
    """One of the trainings: what rolls, and which rows the loss tables have."""

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminators: nn.ModuleDict,
        perceptual: PerceptualLoss | None,
        estimator: FlowEstimator,
        weights: LossWeights,
        gan_mode: str = "ls",
        find_face: FaceFinder | None = None,
        judges_raw: bool = True,
    ) -> None:
        """Put a training together.

        Args:
            generator: what is trained.
            discriminators: ``image``; ``temporal_0``, ``temporal_1``, … for the temporal scales; ``face`` for faces.
            perceptual: frozen features, or None.
            estimator: reference flow.
            weights: of the loss rows.
            gan_mode: ``ls``, ``hinge`` or ``original``.
            find_face: where the faces are in semantic frames; needed with a ``face`` discriminator.
            judges_raw: discriminators and perceptual features judge the raw images too (vid2vid), not the pixel row alone.

        Raises:
            ValueError: when there is a ``face`` discriminator and nothing finds faces.
        """
        if "face" in discriminators and find_face is None:
            raise ValueError("expected find_face with a face discriminator, got none")
        self.generator = generator
        self.discriminators = discriminators
        self.perceptual = perceptual
        self.estimator = estimator
        self.weights = weights
        self.gan_mode = gan_mode
        self.find_face = find_face
        self.judges_raw = judges_raw

    @property
    @abstractmethod
    def context(self) -> int:
        """Frames of the past that a chunk carries."""

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
        """Draw the chunk's frames; a gradient crosses at most ``backpropagate`` of them."""

    def generator_losses(self, chunk: Chunk, rollout: Rollout) -> LossTable:
        """The rows that the generator minimises. The discriminators only judge: no gradient reaches their weights."""
        shown = rollout.copied()
        chunk.discriminator_outputs = ask(self.discriminators, self._discriminator_inputs(chunk, shown))
        judged = LossTable()
        for discriminator_output in chunk.discriminator_outputs:
            self._add_adversarial_rows(judged, discriminator_output)
        table = bridge_gradients(judged, shown=(shown.image, shown.raw), drawn=(rollout.image, rollout.raw))
        self._add_generator_rows(table, chunk, rollout)
        return table

    def discriminator_losses(self, chunk: Chunk, rollout: Rollout) -> LossTable:
        """The rows that the discriminators minimise; no gradient reaches the generator.

        What they told the generator in this chunk is not asked again.
        """
        table = LossTable()
        for discriminator_output in chunk.discriminator_outputs or ask(
            self.discriminators, self._discriminator_inputs(chunk, rollout.copied())
        ):
            self._add_discriminator_output_rows(table, discriminator_output)
        return table

    def _discriminator_inputs(self, chunk: Chunk, rollout: Rollout) -> Iterator[DiscriminatorInput]:
        """What the discriminators judge."""
        real = self._with_semantics(chunk, chunk.real.flatten(0, 1))
        for image in self._judged(self._drawn(rollout)):
            yield DiscriminatorInput("image", self._with_semantics(chunk, image), real)
        faces = self._faces(chunk, rollout)
        if faces is not None:
            yield DiscriminatorInput("face", *faces, weight=self.weights.face)

    def _add_generator_rows(self, table: LossTable, chunk: Chunk, rollout: Rollout) -> None:
        """The rows that need no discriminator."""
        drawn = self._drawn(rollout)
        for image in drawn:
            table.add("G_pixel", l1(image, chunk.real.flatten(0, 1)), weight=self.weights.pixel)
        if self.perceptual is not None:
            self._add_perceptual_rows(table, self.perceptual, chunk, self._judged(drawn))

    def _add_perceptual_rows(
        self, table: LossTable, perceptual: PerceptualLoss, chunk: Chunk, judged: list[Tensor]
    ) -> list[Tensor] | None:
        """Returns what the backbone saw in the final images, so that no row looks twice; None if it did not look."""
        if self.weights.perceptual == 0:
            return None
        # in one pass, which changes nothing: the backbone is frozen; means become sums over the judged images
        features = list(perceptual.backbone(torch.cat(judged)))
        wanted = [one.repeat(len(judged), 1, 1, 1) for one in perceptual.features(chunk.real.flatten(0, 1))]
        table.add("G_VGG", perceptual.between(features, wanted) * len(judged), weight=self.weights.perceptual)
        return [one[: len(judged[0])] for one in features]

    def _judged(self, drawn: list[Tensor]) -> list[Tensor]:
        """What discriminators and perceptual features see: everything drawn, or the final images alone."""
        return drawn if self.judges_raw else drawn[:1]

    @staticmethod
    def _drawn(rollout: Rollout) -> list[Tensor]:
        """The final images [B * T, 3, H, W] and, where they are others, the raw ones."""
        images = [rollout.generated] if rollout.flow is None else [rollout.generated, rollout.raw]
        return [image.flatten(0, 1) for image in images]

    def _faces(self, chunk: Chunk, rollout: Rollout) -> tuple[Tensor, Tensor] | None:
        """Input of the face discriminator, (fake, real), from the frames with a face; None where there is no such frame."""
        if "face" not in self.discriminators:
            return None
        semantic = chunk.clip.semantic[:, chunk.num_given :].flatten(0, 1)
        face = None if self.find_face is None else self.find_face(semantic)
        if face is None:
            raise ValueError(
                "expected semantic frames that tell where faces are, got others; leave out the face discriminator"
            )
        region = FaceRegion.around(face)
        if len(region.frames) == 0:
            return None
        semantic, fake, real = (
            region.cut(frames) for frames in (semantic, rollout.generated.flatten(0, 1), chunk.real.flatten(0, 1))
        )
        return torch.cat([semantic, fake], dim=1), torch.cat([semantic, real], dim=1)

    @staticmethod
    def _with_semantics(chunk: Chunk, images: Tensor) -> Tensor:
        """Images [B * T, 3, H, W] beside the semantic frames that they were drawn from."""
        return torch.cat([chunk.clip.semantic[:, chunk.num_given :].flatten(0, 1), images], dim=1)

    def _add_adversarial_rows(self, table: LossTable, discriminator_output: DiscriminatorOutput) -> None:
        """What the generator makes of a verdict."""
        name = term_suffix(discriminator_output.discriminator)
        loss = multiscale_adversarial(
            discriminator_output.fake, is_real=True, mode=self.gan_mode, for_discriminator=False
        )
        table.add(f"G{name}_GAN", loss, weight=discriminator_output.weight)
        if self.weights.features > 0:
            distance = feature_matching(discriminator_output.fake, discriminator_output.real)
            table.add(f"G{name}_GAN_Feat", distance, weight=self.weights.features * discriminator_output.weight)

    def _add_discriminator_output_rows(self, table: LossTable, discriminator_output: DiscriminatorOutput) -> None:
        """What the discriminator makes of it."""
        name = term_suffix(discriminator_output.discriminator)
        for kind, judged in (("fake", discriminator_output.fake), ("real", discriminator_output.real)):
            loss = multiscale_adversarial(judged, is_real=kind == "real", mode=self.gan_mode, for_discriminator=True)
            table.add(f"D{name}_{kind}", loss, weight=0.5)
