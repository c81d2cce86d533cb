"""A training clip is cut into chunks: the frames between two weight updates."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from data.clips import Clip
from models.flow.reference import FlowEstimator, ReferenceFlows
from models.training.conditioning import ConditioningAugmentation


@dataclass
class Chunk:
    """What one weight update learns from: some frames to generate, and those that came before them.

    Attributes:
        clip: the frames before, then the frames to generate.
        given: the frames before, as they were generated or given, [B, K, 3, H, W].
        conditioning: what the generator sees of them (noise against drift).
        target: the frozen teacher's frames at the times to generate, [B, T - K, 3, H, W], or None without a teacher.
        target_before: the teacher's frame before them, [B, 1, 3, H, W], or None.
        target_bottleneck: the teacher's inner features of those times, [B, T - K, C, h, w], or None.
        flows: reference flow between the clip's real frames.
        first_is_raw: nothing was given, so that the first frame has nothing to warp.
        num_blank: leading frames of ``given`` that are no images.
        start: position of the chunk's first frame in the clip.
        seed: what is random in the chunk's losses follows from it.
    """

    clip: Clip
    given: Tensor
    conditioning: Tensor
    target: Tensor | None
    target_before: Tensor | None
    flows: ReferenceFlows
    first_is_raw: bool
    num_blank: int
    start: int = 0
    seed: int = 0
    target_bottleneck: Tensor | None = None

    @property
    def num_given(self) -> int:
        """How many frames came before."""
        return self.given.shape[1]

    @property
    def real(self) -> Tensor:
        """The real frames at the times to generate, [B * (T - K), 3, H, W]."""
        return self.clip.image[:, self.num_given :].flatten(0, 1)

    @property
    def semantic(self) -> Tensor:
        """The semantic frames at the times to generate, [B * (T - K), C, H, W]."""
        return self.clip.semantic[:, self.num_given :].flatten(0, 1)

    def reference(self) -> tuple[Tensor, Tensor]:
        """Reference flow [B * (T - K), 2, H, W] onto each frame to generate, and its confidence [.., 1, H, W]."""
        times = range(self.num_given, self.clip.image.shape[1])
        pairs = [self.flows.between(time, time - 1) for time in times]
        flows, confidence = (torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*pairs, strict=True))
        return flows, confidence


@dataclass
class ChunkedClip:
    """A clip on its way through a stage: chunks come out, their generated frames go in and are the next chunk's past.

    Attributes:
        clip: the frames that roll.
        known: the frames known so far, [B, K, 3, H, W]; at first the given ones.
        conditioning: what the generator sees of the first given ones.
        target: the teacher's frames at all of the clip's times, [B, T, 3, H, W], or None.
        target_bottleneck: its inner features of the frames that roll, [B, T - K, C, h, w], or None.
        estimator: reference flow.
        starts_blank: the given frames are no images.
        augmentation: noise on what the generator sees, or None.
        seed: those of the chunks follow from it.
    """

    clip: Clip
    known: Tensor
    conditioning: Tensor
    target: Tensor | None
    estimator: FlowEstimator
    starts_blank: bool = False
    augmentation: ConditioningAugmentation | None = None
    target_bottleneck: Tensor | None = None
    seed: int = 0
    _num_first: int = field(init=False)

    def __post_init__(self) -> None:
        """Remember how many frames were given at first."""
        self._num_first = self.known.shape[1]

    def chunks(self, num_frames: int, *, context: int) -> Iterator[Chunk]:
        """Cut the clip into chunks of ``num_frames`` frames to generate.

        Args:
            num_frames: frames between two weight updates.
            context: frames of the past that a chunk carries, for the generator and the temporal discriminators.
        """
        total = self.clip.image.shape[1]
        flows, flows_start = ReferenceFlows(self.estimator, self.clip.image), 0
        inner = self.target_bottleneck
        while (start := self.known.shape[1]) < total:
            is_raw = self.starts_blank and start == self._num_first
            # a frame without a predecessor has no flow terms: it makes a chunk of its own
            end, first = min(start + (1 if is_raw else num_frames), total), max(0, start - context)
            # neighbouring chunks look at the same pairs of real frames
            flows, flows_start = flows.without_first(first - flows_start), first
            num_blank = max(0, self._num_first - first) if self.starts_blank else 0
            yield Chunk(
                clip=self.clip.at(slice(first, end)),
                given=self.known[:, first:],
                conditioning=self._conditioning(first, num_blank=num_blank),
                target=None if self.target is None else self.target[:, start:end],
                target_before=None if self.target is None else self.target[:, start - 1 : start],
                flows=flows,
                first_is_raw=is_raw,
                num_blank=num_blank,
                start=first,
                target_bottleneck=None if inner is None else inner[:, start - self._num_first : end - self._num_first],
                seed=(self.seed + start) % 2**62,
            )
            if self.known.shape[1] == start:
                raise RuntimeError("a chunk's frames were not recorded")

    def _conditioning(self, first: int, *, num_blank: int) -> Tensor:
        """What the generator sees of the known frames from ``first`` on; blank ones stay blank."""
        frames = torch.cat([self.conditioning, self.known[:, self._num_first :]], dim=1)[:, first:]
        if self.augmentation is None:
            return frames
        noisy = self.augmentation(frames[:, num_blank:], start=self.known.shape[1])
        return torch.cat([frames[:, :num_blank], noisy], dim=1)

    def without_noise(self) -> "ChunkedClip":
        """The same clip, conditioned on clean frames as at inference."""
        return replace(self, conditioning=self.known, augmentation=None)

    def record(self, generated: Tensor) -> None:
        """Take the frames [B, T, 3, H, W] of a chunk; the next chunk starts from them, without their graph."""
        self.known = torch.cat([self.known, generated.detach().to(self.known.dtype)], dim=1)


def draw_seed(random: torch.Generator, *, first_item: int) -> int:
    """Seed of a clip's chunks; the parts of a batch, which share ``random``, get different ones."""
    # a number that were drawn could not be read in a plan of the memory, whose tensors hold none
    return (random.initial_seed() * 1_000_033 + first_item * 1_000_003) % 2**62
