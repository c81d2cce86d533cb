"""Validation on held-out videos; ``best`` is chosen by it, never by a loss."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from data.build import build_sequences
from data.sequences import VideoSequence
from models.inference.first_frames import draw_first_frames
from models.inference.synthesizer import Synthesizer
from models.interpolation.choose import make_interpolator
from models.keyframes.offline import choose_keyframes
from models.keyframes.thumbnails import thumbnail
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.single_image import GlobalGenerator
from models.training.run import Training
from options.config import TrainConfig
from util.distributed import DistributedContext
from util.errors import UserError
from util.image_quality import psnr

METRIC = "validation_psnr"
KEYFRAME_SHARE = 0.3  # as test.py has it


def _key_frames(training: Training, sequence: VideoSequence, num_given: int) -> list[int]:
    """All frames; those of motion compensation for the part-time student, which does not generate them all."""
    if training.config.run.stage != "tkd":
        return list(range(sequence.num_frames))
    thumbnails = torch.stack([thumbnail(sequence.semantic(number)) for number in range(sequence.num_frames)])
    return choose_keyframes(thumbnails, method="dp", share=KEYFRAME_SHARE, num_given=num_given)


def _generated(training: Training, sequence: VideoSequence) -> Iterator[tuple[int, Tensor]]:
    """(number, frame [3, H, W]) of every frame that is not given, as ``test.py`` generates them."""
    generator, device = training.best_generator, training.device
    if isinstance(generator, GlobalGenerator):
        for number in range(sequence.num_frames):

            def semantic(_: int, number: int = number) -> Tensor:
                return sequence.semantic(number)

            yield number, draw_first_frames(generator, semantic, count=1, device=device)[0]
        return
    num_frames = training.config.generator.n_frames_G
    num_given = 0 if training.config.schedule.no_first_img else min(num_frames - 1, sequence.num_frames)
    real = [sequence.image(number) for number in range(num_given)]
    first_frames = [image for image in real if image is not None]
    engine = Synthesizer(
        cast(VideoGenerator, generator),
        num_frames=num_frames,
        interpolator=make_interpolator("dis"),
        device=device,
        foreground=sequence.encoder.foreground,
    )
    keys = _key_frames(training, sequence, len(first_frames))
    frames = engine.frames(sequence.semantic, key_frames=keys, first_frames=first_frames)
    yield from ((number, frame) for number, frame in enumerate(frames) if number >= len(first_frames))


class Validation:
    """The videos that a run is validated on."""

    def __init__(self, config: TrainConfig, processes: DistributedContext) -> None:
        """List them, or do without.

        Raises:
            UserError: when validation is asked for and there are no such videos, or they have no real frames.
        """
        run = config.run
        self.is_possible = run.validation_freq > 0
        if not self.is_possible:
            self.lines = ["no validation: --validation_freq is 0, no save is kept as 'best'"]
            return
        found = build_sequences(
            config.data, root=Path(run.dataroot), phase=run.val_phase, max_frames=run.validation_frames or None
        )
        without = [sequence.name for sequence in found if sequence.image(0) is None]
        if without:
            raise UserError(
                f"--val_phase {run.val_phase}: sequence {without[0]} has no real frames to compare with "
                f"({len(without)} of {len(found)}); add them, or leave out --validation_freq"
            )
        self._sequences = found[processes.rank :: processes.size]
        self.lines = [f"validation: {len(found)} sequences of '{run.val_phase}', every {run.validation_freq} epochs"]

    def score(self, training: Training) -> float:
        """Mean PSNR in dB of all generated frames, each sequence continued from its own first frames."""
        training.processes.average_buffers([training.best_generator])
        values: list[float] = []
        try:
            for sequence in self._sequences:
                for number, frame in _generated(training, sequence):
                    real = sequence.image(number)
                    assert real is not None
                    values.append(psnr(frame.float().cpu(), real))
        finally:
            training.stage.generator.train()
        judged = [value for one in training.processes.gathered(values) for value in one]
        if not judged:
            raise UserError(f"--val_phase {training.config.run.val_phase}: no sequence is long enough to be drawn")
        return sum(judged) / len(judged)
