"""What do all trainings share? Episodes cut into lessons, and the rows every image earns."""

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
from models.training.stages.discrimination import Exhibit, Verdict, ask, relayed
from models.training.stages.face_region import FaceFinder, FaceRegion


class RealMotion:
    """Flow and confidence between real frames; every pair of them is estimated once in an episode."""

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
class Lesson:
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
        start: position of the clip's first frame in the episode.
        verdicts: what the critics said. They change only after the generator, so that both learn from the same.
    """

    clip: Clip
    given: Tensor
    fed: Tensor
    target: Tensor | None
    target_before: Tensor | None
    motion: RealMotion
    first_is_raw: bool
    num_void: int
    start: int = 0
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def num_given(self) -> int:
        """How many frames came before."""
        return self.given.shape[1]

    @property
    def real(self) -> Tensor:
        """The real frames at the times to draw, [B, T - K, 3, H, W]."""
        return self.clip.image[:, self.num_given :]


@dataclass
class Episode:
    """A clip on its way through a stage: lessons come out, drawn frames go in and are the next lesson's past.

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
    fed: Tensor
    target: Tensor | None
    estimator: FlowEstimator
    starts_raw: bool = False
    _num_first: int = field(init=False)

    def __post_init__(self) -> None:
        """Remember how many frames were given at first."""
        self._num_first = self.drawn.shape[1]

    def lessons(self, num_frames: int, *, context: int) -> Iterator[Lesson]:
        """Cut the episode into lessons of ``num_frames`` frames to draw.

        Args:
            num_frames: frames between two weight updates.
            context: frames of the past that a lesson carries, for the generator and the temporal critics.
        """
        total = self.clip.image.shape[1]
        motion, motion_start = RealMotion(self.estimator, self.clip.image), 0
        while (start := self.drawn.shape[1]) < total:
            is_first = start == self._num_first
            is_raw = self.starts_raw and is_first
            # a frame without a predecessor has no flow rows: it makes a lesson of its own
            end, first = min(start + (1 if is_raw else num_frames), total), max(0, start - context)
            # neighbouring lessons look at the same pairs of real frames
            motion, motion_start = motion.without_first(first - motion_start), first
            yield Lesson(
                clip=self.clip.at(slice(first, end)),
                given=self.drawn[:, first:],
                fed=torch.cat([self.fed, self.drawn[:, self._num_first :]], dim=1)[:, first:],
                target=None if self.target is None else self.target[:, start:end],
                target_before=None if self.target is None else self.target[:, start - 1 : start],
                motion=motion,
                first_is_raw=is_raw,
                num_void=max(0, self._num_first - first) if self.starts_raw else 0,
                start=first,
            )
            if self.drawn.shape[1] == start:
                raise RuntimeError("a lesson's frames were not recorded")

    def record(self, rollout: Rollout) -> None:
        """Take the frames that a lesson drew; the next lesson starts from them, without their graph."""
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


def row_name(critic: str) -> str:
    """What a critic's rows are called: nothing for ``image``, ``_T0`` for ``temporal_0``, ``_f`` for ``face``."""
    return {"image": "", "face": "_f"}.get(critic, critic.replace("temporal_", "_T"))


class Stage(ABC):
    """One of the trainings: what rolls, and which rows the loss tables have."""

    def __init__(
        self,
        *,
        generator: nn.Module,
        critics: nn.ModuleDict,
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
            critics: ``image``; ``temporal_0``, ``temporal_1``, … for the temporal scales; ``face`` for faces.
            perceptual: frozen features, or None.
            estimator: reference flow.
            weights: of the loss rows.
            gan_mode: ``ls``, ``hinge`` or ``original``.
            find_face: where the faces are in semantic frames; needed with a ``face`` critic.
            judges_raw: critics and perceptual features judge the raw images too (vid2vid), not the pixel row alone.

        Raises:
            ValueError: when there is a ``face`` critic and nothing finds faces.
        """
        if "face" in critics and find_face is None:
            raise ValueError("expected find_face with a face critic, got none")
        self.generator = generator
        self.critics = critics
        self.perceptual = perceptual
        self.estimator = estimator
        self.weights = weights
        self.gan_mode = gan_mode
        self.find_face = find_face
        self.judges_raw = judges_raw

    @property
    @abstractmethod
    def context(self) -> int:
        """Frames of the past that a lesson carries."""

    @abstractmethod
    def prepare(self, clip: Clip, random: torch.Generator, *, first_item: int = 0) -> Episode:
        """Decide which frames of ``clip`` roll and from what; ``random`` decides whatever is random.

        Args:
            clip: a batch, or a part of a larger one.
            random: the same for every part of a batch.
            first_item: number of the part's first item in the whole batch; what an item draws for itself follows
                from its number, however the batch is cut.
        """

    @abstractmethod
    def rollout(self, lesson: Lesson, *, backpropagate: int | None = None) -> Rollout:
        """Draw the lesson's frames; a gradient crosses at most ``backpropagate`` of them."""

    def generator_losses(self, lesson: Lesson, rollout: Rollout) -> LossTable:
        """The rows that the generator minimises. The critics only judge: no gradient reaches their weights."""
        shown = rollout.copied()
        lesson.verdicts = ask(self.critics, self._exhibits(lesson, shown))
        judged = LossTable()
        for verdict in lesson.verdicts:
            self._add_adversarial_rows(judged, verdict)
        table = relayed(judged, shown=(shown.image, shown.raw), drawn=(rollout.image, rollout.raw))
        self._add_generator_rows(table, lesson, rollout)
        return table

    def critic_losses(self, lesson: Lesson, rollout: Rollout) -> LossTable:
        """The rows that the critics minimise; no gradient reaches the generator.

        What they told the generator in this lesson is not asked again.
        """
        table = LossTable()
        for verdict in lesson.verdicts or ask(self.critics, self._exhibits(lesson, rollout.copied())):
            self._add_verdict_rows(table, verdict)
        return table

    def _exhibits(self, lesson: Lesson, rollout: Rollout) -> Iterator[Exhibit]:
        """What the critics judge."""
        real = self._with_semantics(lesson, lesson.real.flatten(0, 1))
        for image in self._judged(self._drawn(rollout)):
            yield Exhibit("image", self._with_semantics(lesson, image), real)
        faces = self._faces(lesson, rollout)
        if faces is not None:
            yield Exhibit("face", *faces, weight=self.weights.face)

    def _add_generator_rows(self, table: LossTable, lesson: Lesson, rollout: Rollout) -> None:
        """The rows that need no critic."""
        drawn = self._drawn(rollout)
        for image in drawn:
            table.add("G_pixel", l1(image, lesson.real.flatten(0, 1)), weight=self.weights.pixel)
        if self.perceptual is not None:
            self._add_perceptual_rows(table, self.perceptual, lesson, self._judged(drawn))

    def _add_perceptual_rows(
        self, table: LossTable, perceptual: PerceptualLoss, lesson: Lesson, judged: list[Tensor]
    ) -> list[Tensor] | None:
        """Returns what the backbone saw in the final images, so that no row looks twice; None if it did not look."""
        if self.weights.perceptual == 0:
            return None
        # in one pass, which changes nothing: the backbone is frozen; means become sums over the judged images
        features = list(perceptual.backbone(torch.cat(judged)))
        wanted = [one.repeat(len(judged), 1, 1, 1) for one in perceptual.features(lesson.real.flatten(0, 1))]
        table.add("G_VGG", perceptual.between(features, wanted) * len(judged), weight=self.weights.perceptual)
        return [one[: len(judged[0])] for one in features]

    def _judged(self, drawn: list[Tensor]) -> list[Tensor]:
        """What critics and perceptual features see: everything drawn, or the final images alone."""
        return drawn if self.judges_raw else drawn[:1]

    @staticmethod
    def _drawn(rollout: Rollout) -> list[Tensor]:
        """The final images [B * T, 3, H, W] and, where they are others, the raw ones."""
        images = [rollout.generated] if rollout.flow is None else [rollout.generated, rollout.raw]
        return [image.flatten(0, 1) for image in images]

    def _faces(self, lesson: Lesson, rollout: Rollout) -> tuple[Tensor, Tensor] | None:
        """Input of the face critic, (fake, real), from the frames with a face; None where there is no such frame."""
        if "face" not in self.critics:
            return None
        semantic = lesson.clip.semantic[:, lesson.num_given :].flatten(0, 1)
        face = None if self.find_face is None else self.find_face(semantic)
        if face is None:
            raise ValueError(
                "expected semantic frames that tell where faces are, got others; leave out the face critic"
            )
        region = FaceRegion.around(face)
        if len(region.frames) == 0:
            return None
        semantic, fake, real = (
            region.cut(frames) for frames in (semantic, rollout.generated.flatten(0, 1), lesson.real.flatten(0, 1))
        )
        return torch.cat([semantic, fake], dim=1), torch.cat([semantic, real], dim=1)

    @staticmethod
    def _with_semantics(lesson: Lesson, images: Tensor) -> Tensor:
        """Images [B * T, 3, H, W] beside the semantic frames that they were drawn from."""
        return torch.cat([lesson.clip.semantic[:, lesson.num_given :].flatten(0, 1), images], dim=1)

    def _add_adversarial_rows(self, table: LossTable, verdict: Verdict) -> None:
        """What the generator makes of a verdict."""
        name = row_name(verdict.critic)
        loss = multiscale_adversarial(verdict.fake, is_real=True, mode=self.gan_mode, for_critic=False)
        table.add(f"G{name}_GAN", loss, weight=verdict.weight)
        if self.weights.features > 0:
            distance = feature_matching(verdict.fake, verdict.real)
            table.add(f"G{name}_GAN_Feat", distance, weight=self.weights.features * verdict.weight)

    def _add_verdict_rows(self, table: LossTable, verdict: Verdict) -> None:
        """What the critic makes of it."""
        name = row_name(verdict.critic)
        for kind, judged in (("fake", verdict.fake), ("real", verdict.real)):
            loss = multiscale_adversarial(judged, is_real=kind == "real", mode=self.gan_mode, for_critic=True)
            table.add(f"D{name}_{kind}", loss, weight=0.5)
