"""Random clips of videos for training; the same draw gives the same clip in any process and after any restart."""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from data.detectors.landmarks import common_finder
from data.kinds.interface import Encoder, Frames
from data.subject_size import UsualWidths, usual_widths
from data.transforms import Geometry, View, random_affine
from util.errors import UserError
from util.stopping import leave_signals_to_parent

# The generator looks at three frames at a time.
MIN_FRAMES = 3


@dataclass
class PackedClip:
    """Consecutive frames of a batch of videos as a loader packs them: small, without the channels of networks."""

    planes: Tensor
    """[B, T, K, H, W], what the kind's ``Frames.semantic`` gives, such as one plane of label ids."""
    image: Tensor
    """[B, T, 3, H, W] float32 in [-1, 1]."""
    index: Tensor
    """[B, T] int64, the frames' absolute numbers in their sequences."""
    names: list[str]
    """The B sequences' names."""

    def to(self, device: torch.device | str) -> "PackedClip":
        """The same clip on ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "PackedClip":
        """The same clip in page-locked memory, from where a GPU reads on its own (a loader's ``pin_memory``)."""
        return self._map(lambda tensor: tensor.pin_memory())

    def finished(self, encoder: Encoder) -> "Clip":
        """The clip as networks see it, made on the device where this one is: call ``to`` first."""
        semantic = encoder.finish(self.planes)
        return Clip(semantic, self.image, encoder.foreground(semantic), self.index, self.names)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "PackedClip":
        return PackedClip(change(self.planes), change(self.image), change(self.index), self.names)


@dataclass
class Clip:
    """Consecutive frames of a batch of videos; every frame of a clip went through the same geometric transform."""

    semantic: Tensor
    """[B, T, C, H, W] float32, in the range of its encoding."""
    image: Tensor
    """[B, T, 3, H, W] float32 in [-1, 1]."""
    foreground: Tensor | None
    """[B, T, 1, H, W], 1 where the foreground is; None where the kind of data has none."""
    index: Tensor
    """[B, T] int64, the frames' absolute numbers in their sequences."""
    names: list[str]
    """The B sequences' names."""

    def to(self, device: torch.device | str) -> "Clip":
        """The same clip on ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def at(self, positions: slice | Sequence[int]) -> "Clip":
        """The frames at ``positions`` in time, 0 being the clip's first; the same for every item of the batch."""
        chosen = positions if isinstance(positions, slice) else list(positions)
        return self._map(lambda tensor: tensor[:, chosen])

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Clip":
        foreground = None if self.foreground is None else change(self.foreground)
        return Clip(change(self.semantic), change(self.image), foreground, change(self.index), self.names)


@dataclass(frozen=True)
class ClipRequest:
    """Which clip is wanted: everything random in it follows from the dataset's seed and ``draw`` alone."""

    draw: int
    num_frames: int


class VideoClips(Dataset[PackedClip]):
    """Clips of videos for training.

    The dataset keeps no state but decoded pictures: ``dataset[ClipRequest(draw, num_frames)]`` is the same clip
    whenever and wherever it is asked for.

    A clip comes from a sequence that is long enough, each with the same chance. Where none is, the clip is as long as
    the longest sequence (``max_clip_frames``); which sequences are shorter than a request is the caller's to know
    from ``num_fitting``.
    """

    def __init__(
        self,
        sequences: Sequence[Frames],
        *,
        encoder: Encoder,
        geometry: Geometry,
        seed: int,
        max_t_step: int = 1,
        flip: bool = True,
        affine: float = 0.0,
    ) -> None:
        """Take the sequences and print how many there are and how long.

        Args:
            sequences: all of one kind, with real frames.
            encoder: what finishes their semantic frames.
            geometry: the size of the result.
            seed: where all randomness begins.
            max_t_step: clips take every k-th frame, k drawn from 1 .. ``max_t_step`` as far as the sequence allows.
            flip: mirror every second clip.
            affine: strength of one random affine map per clip, see ``data.transforms.random_affine``; 0 is none.

        Raises:
            UserError: a sequence has fewer than 3 frames.
            ValueError: ``max_t_step`` below 1 or ``affine`` below 0.
        """
        if max_t_step < 1 or affine < 0:
            raise ValueError(f"expected max_t_step >= 1 and affine >= 0, got {max_t_step} and {affine}")
        self.encoder = encoder
        self.geometry = geometry
        self.seed = seed
        self.max_t_step = max_t_step
        self.flip = flip
        self.affine = affine
        self._sequences = list(sequences)
        self._check_lengths()

    def _check_lengths(self) -> None:
        short = [frames for frames in self._sequences if len(frames) < MIN_FRAMES]
        if short:
            raise UserError(
                f"{short[0].files.images[0].parent}: expected at least {MIN_FRAMES} frames to train on, found "
                f"{len(short[0])} ({len(short)} of {len(self._sequences)} sequences are too short); remove "
                "them from the training set"
            )
        lengths = [len(frames) for frames in self._sequences]
        print(
            f"{self._sequences[0].files.images[0].parent.parent}: {len(lengths)} sequences of {min(lengths)} to "
            f"{max(lengths)} frames, {sum(lengths)} in all, none too short"
        )

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self._sequences)

    @property
    def max_clip_frames(self) -> int:
        """Length of the longest sequence."""
        return max(len(frames) for frames in self._sequences)

    def usual_widths(self) -> UsualWidths | None:
        """How wide what the frames show is, in their own pixels; None for kinds whose frames mean the same at any size.

        Raises:
            UserError: a file of landmarks is broken.
        """
        return usual_widths(self._sequences)

    def finder(self) -> str | None:
        """What found the landmarks or poses of the training, as its sequences note it.

        Raises:
            UserError: different ones.
        """
        return common_finder(frames.files.metadata.finder for frames in self._sequences)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the clips from the first sequence."""
        return self.geometry.place(self._sequences[0].box(0)).size

    def num_fitting(self, num_frames: int) -> int:
        """How many sequences are at least ``num_frames`` long; the others give no clips of that length."""
        return sum(len(frames) >= num_frames for frames in self._sequences)

    def __getitem__(self, request: ClipRequest) -> PackedClip:
        """The clip of one request, a batch of one.

        Raises:
            UserError: a file is broken; it is named.
        """
        rng = np.random.default_rng((self.seed, request.draw))
        frames, indices = self._drawn_frames(rng, min(request.num_frames, self.max_clip_frames))
        view = self._drawn_view(rng, frames, indices[0])
        images = []
        for index in indices:
            image = frames.image(index, view=view)
            assert image is not None  # sequences for training have pictures
            images.append(image)
        return PackedClip(
            planes=torch.stack([frames.semantic(index, view=view, rng=rng) for index in indices])[None],
            image=torch.stack(images)[None],
            index=torch.tensor(indices)[None],
            names=[frames.files.name],
        )

    def _drawn_view(self, rng: np.random.Generator, frames: Frames, first: int) -> View:
        """The transform of a clip that begins with frame ``first``."""
        box = frames.box(first)
        is_mirrored = self.flip and bool(rng.random() < 0.5)
        placement = self.geometry.place(box, rng=rng, is_mirrored=is_mirrored)
        # the box stays where it is, else it would follow the face and undo the shift and the scale
        matrix = random_affine(rng, strength=self.affine, box=box) if self.affine > 0 else None
        return View(frames.size(first), placement, matrix)

    def _drawn_frames(self, rng: np.random.Generator, num_frames: int) -> tuple[Frames, list[int]]:
        """A sequence that is long enough, and the frames of it: a start and a temporal stride."""
        fitting = [frames for frames in self._sequences if len(frames) >= num_frames]
        frames = fitting[rng.integers(len(fitting))]
        largest_step = (len(frames) - 1) // max(num_frames - 1, 1)
        step = int(rng.integers(1, max(1, min(self.max_t_step, largest_step)), endpoint=True))
        reach = (num_frames - 1) * step
        start = int(rng.integers(0, len(frames) - 1 - reach, endpoint=True))
        return frames, list(range(start, start + reach + 1, step))


def collate_clips(clips: list[PackedClip]) -> PackedClip:
    """Join clips of one length and size into a batch.

    Raises:
        ValueError: their lengths or sizes differ; the geometry of the dataset must give one size.
    """
    shapes = {tuple(clip.planes.shape[1:]) for clip in clips}
    if len(shapes) != 1:
        raise ValueError(
            f"expected clips of one shape [T, K, H, W] in a batch, got {sorted(shapes)}; choose a "
            "--resize_or_crop that gives one size, or --batchSize 1"
        )
    return PackedClip(
        planes=torch.cat([clip.planes for clip in clips]),
        image=torch.cat([clip.image for clip in clips]),
        index=torch.cat([clip.index for clip in clips]),
        names=[name for clip in clips for name in clip.names],
    )


def use_one_thread(worker: int) -> None:
    """What a loader's worker process does first (``worker_init_fn``): threads do not survive a fork.

    Neither OpenCV's, nor those of what the parent made and left to the garbage collector, such as a decoder: a worker
    that collects it waits for them for ever.
    """
    gc.freeze()
    cv2.setNumThreads(0)
    leave_signals_to_parent()


class RequestSampler(Sampler[list[ClipRequest]]):
    """The batches of a training run, a loader's ``batch_sampler``: resuming means to begin at a later step."""

    def __init__(
        self,
        *,
        first_step: int,
        num_steps: int,
        batch_size: int,
        clip_frames: Callable[[int], int],
        batches: range = range(1),
        num_batches: int = 1,
        first_draw: int = 0,
    ) -> None:
        """Plan the steps ``first_step`` .. ``num_steps`` - 1.

        Args:
            first_step: the first step to do, counted from the beginning of the training.
            num_steps: where the whole training ends.
            batch_size: clips per batch.
            clip_frames: the clips' length at a step (the curriculum).
            batches: which of a step's batches come; several processes share a step without overlap.
            num_batches: batches per step, over all processes.
            first_draw: where draws are counted from.
        """
        self.first_step = first_step
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.clip_frames = clip_frames
        self.batches = batches
        self.num_batches = num_batches
        self.first_draw = first_draw

    def __iter__(self) -> Iterator[list[ClipRequest]]:
        """The requests of one batch after another."""
        for step in range(self.first_step, self.num_steps):
            num_frames = self.clip_frames(step)
            for batch in self.batches:
                first = self.first_draw + (step * self.num_batches + batch) * self.batch_size
                yield [ClipRequest(draw, num_frames) for draw in range(first, first + self.batch_size)]

    def __len__(self) -> int:
        """Batches left."""
        return max(0, self.num_steps - self.first_step) * len(self.batches)
