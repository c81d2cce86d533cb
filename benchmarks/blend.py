"""What a generator draws against what it moves: how good each is, and how much of it is shown.

A frame is ``weight`` times what is drawn, and the rest is the frame before, moved by the predicted flow. A weight near
1 hides a good flow; a flow that is no better than none makes a low weight blur.
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from data.build import build_encoder, build_sequences
from data.sequences import VideoSequence
from models import checkpoint as checkpoints
from models.build import load_generator
from models.flow.warp import warp
from models.inference.synthesizer import Foreground
from models.networks.generator import CompositeGenerator, GeneratorOutput
from util.errors import UserError
from util.files import write_json
from util.image_quality import psnr
from util.report.tables import text_table


@dataclass(frozen=True)
class BlendRow:
    """Means over the frames of a model on one video; all but the last figures from real earlier frames.

    Attributes:
        model, video: their names.
        weight: share of what is drawn, 0 to 1.
        flow_pixels: mean length of the predicted flow.
        unmoved, moved, drawn, shown: PSNR in dB of the frame before, of it moved, of the drawn and the blended frame.
        still: PSNR of the last given frame, repeated.
        rollouts: PSNR of frames that continue the model's own, by how far the blending head's bias was shifted.
    """

    model: str
    video: str
    weight: float
    flow_pixels: float
    unmoved: float
    moved: float
    drawn: float
    shown: float
    still: float
    rollouts: dict[str, float]


def run(arguments: argparse.Namespace) -> None:
    """Print a line for each checkpoint and video, and write the JSON."""
    rows = [row for folder in arguments.checkpoint for row in measure_model(folder, arguments)]
    shifts = [f"{shift:+g}" if shift else "as it is" for shift in arguments.shift]
    titles = ["model", "video", "weight", "|flow|", "unmoved", "moved", "drawn", "shown", "still", *shifts]
    cells = [
        [row.model, row.video, f"{row.weight:.2f}"]
        + [f"{value:.2f}" for value in (row.flow_pixels, row.unmoved, row.moved, row.drawn, row.shown, row.still)]
        + [f"{value:.2f}" for value in row.rollouts.values()]
        for row in rows
    ]
    print(text_table(titles, cells))
    print("PSNR in dB; unmoved to shown: from real earlier frames; still: the last given frame, repeated; the last "
          "columns: from its own frames, the blending head's bias shifted by so much")  # fmt: skip
    if arguments.json is not None:
        write_json(arguments.json, [asdict(row) for row in rows])
        print(f"written: {arguments.json}")


@torch.inference_mode()
def measure_model(folder: str, arguments: argparse.Namespace) -> Iterator[BlendRow]:
    """The rows of a checkpoint, one for each video of the dataset's part.

    Raises:
        UserError: it has no flow branch or several scales, or the dataset has no real frames.
    """
    saved = checkpoints.load(folder, flag="--checkpoint")
    generator = load_generator(saved).eval()
    if not isinstance(generator, CompositeGenerator) or not generator.has_flow:
        raise UserError(f"{folder}: expected a generator of one scale that warps, found another")
    foreground = build_encoder(saved.config.data).foreground
    for video in build_sequences(saved.config.data, root=Path(arguments.dataroot), phase=arguments.phase):
        real = [frame for frame in map(video.image, range(video.num_frames)) if frame is not None]
        if len(real) < video.num_frames or len(real) <= saved.config.generator.n_frames_G:
            raise UserError(f"{video.name}: expected more than {saved.config.generator.n_frames_G} real frames")
        setup = _Setup(generator, video, foreground, saved.config.generator.n_frames_G)
        yield measure_video(setup, real, name=Path(folder).name, shifts=arguments.shift)
        video.forget_encoded()


def measure_video(setup: "_Setup", real: Sequence[Tensor], *, name: str, shifts: Sequence[float]) -> BlendRow:
    """The row of a model ``name`` on a video with these ``real`` frames [3, H, W]."""
    given, numbers = setup.num_frames - 1, range(setup.num_frames - 1, len(real))
    outputs = [setup.generate(number, real[number - given : number]) for number in numbers]

    def mean(values: Iterator[float]) -> float:
        return statistics.fmean(values)

    pairs = [(real[number], real[number - 1], output) for number, output in zip(numbers, outputs, strict=True)]
    row = BlendRow(
        model=name,
        video=setup.video.name,
        weight=mean(_of(output.weight).mean().item() for output in outputs),
        flow_pixels=mean(_of(output.flow).norm(dim=1).mean().item() for output in outputs),
        unmoved=mean(psnr(before, now) for now, before, _ in pairs),
        moved=mean(psnr(warp(before[None], _of(output.flow))[0], now) for now, before, output in pairs),
        drawn=mean(psnr(output.raw[0], now) for now, _, output in pairs),
        shown=mean(psnr(output.final[0], now) for now, _, output in pairs),
        still=mean(psnr(real[given - 1], now) for now, _, _ in pairs),
        rollouts={},
    )
    for shift in shifts:
        setup.generator.shift_blend(shift)
        frames = list(real[:given])
        for number in numbers:
            frames.append(setup.generate(number, frames[-given:]).final[0].clamp(-1, 1))
        setup.generator.shift_blend(-shift)
        row.rollouts[f"{shift:g}"] = mean(psnr(frames[number], real[number]) for number in numbers)
    return row


@dataclass(frozen=True)
class _Setup:
    """A generator, and the video that it generates."""

    generator: CompositeGenerator
    video: VideoSequence
    foreground: Foreground | None
    num_frames: int

    def generate(self, number: int, previous: Sequence[Tensor]) -> GeneratorOutput:
        """Frame ``number``, from the ``num_frames`` - 1 frames [3, H, W] before it."""
        maps = [self.video.semantic(other)[None] for other in range(number - self.num_frames + 1, number + 1)]
        mask = None if self.foreground is None else self.foreground(maps[-1])
        return self.generator(torch.cat(maps, dim=1), torch.cat(list(previous))[None], foreground_mask=mask)


def _of(by_product: Tensor | None) -> Tensor:
    assert by_product is not None
    return by_product
