"""Motion compensation between frames that a student generated: a part of ``benchmark.py motion``.

The student generates the key-frames of its dataset; each method fills the rest. Compared are the filled frames, with
the true ones, and with those of the same student on every frame. With a key-frame the student also gives its flow from
the key-frame before: two methods use that in place of the image flow.
"""

import statistics
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.footage import SAMPLES, WINDOW
from benchmarks.motion_methods import recover
from data.build import build_encoder, build_sequences
from data.sequences import VideoSequence
from models import checkpoint as checkpoints
from models.build import load_generator
from models.inference.runtimes.engines import Runtime
from models.inference.synthesizer import Synthesizer
from models.interpolation.choose import make_interpolator
from models.interpolation.guided import GuidedMotion, working_size
from models.interpolation.motion_compensation import FlowBothWays, MotionCompensation
from models.keyframes.offline import choose_keyframes
from models.keyframes.thumbnails import thumbnail
from models.networks.generator import GeneratorOutput
from models.networks.single_image import GlobalGenerator
from util.errors import UserError
from util.image_quality import psnr, ssim
from util.report.tables import text_table

SHARE = 0.3
METHODS = ("nearest", "blend", "minterpolate", "dis-fast", "dis", "dis-medium", "guided")
STUDENT_FLOW = "the student's flow"
GUIDED_STUDENT_FLOW = "guided, the student's flow"


@dataclass
class GeneratedRow:
    """What a method made of a student's key-frames; means over the frames that were not generated.

    Attributes:
        student, method: who.
        psnr, ssim: against the true frames; dB, and of luma.
        psnr_every_frame: against those of the student on every frame, dB.
    """

    student: str
    method: str
    psnr: float
    ssim: float
    psnr_every_frame: float


class Listener:
    """A generator whose flows are kept."""

    def __init__(self, generator: Runtime) -> None:
        """Args: the generator."""
        self.generator = generator
        self.flows: list[Tensor | None] = []

    def __call__(self, *inputs: Tensor, **settings: Tensor | bool | None) -> GeneratorOutput:
        """Generate, and keep the flow from the frame to the one before it, [2, H, W]; None without any."""
        output = self.generator(*inputs, **settings)  # type: ignore[arg-type]
        self.flows.append(None if output.flow is None else output.flow[0])
        return output


def compare_generated(folder: str, arguments: Namespace, *, most_windows: int) -> list[GeneratedRow]:
    """The rows of a checkpoint, on the dataset of its kind, of which ``most_windows`` windows are looked at.

    Raises:
        UserError: no student that makes videos, or no dataset for it.
    """
    saved = checkpoints.load(folder, flag="--checkpoints")
    config = saved.config.data
    if config.dataset_mode not in SAMPLES:
        raise UserError(f"--checkpoints {folder}: is for {config.dataset_mode}; expected one of {', '.join(SAMPLES)}")
    root = getattr(arguments, config.dataset_mode)
    if root is None:
        raise UserError(f"--checkpoints {folder}: is for {config.dataset_mode}; give --{config.dataset_mode} DIR")
    generator = load_generator(saved)
    if isinstance(generator, GlobalGenerator):
        raise UserError(f"--checkpoints {folder}: makes single images; expected a video generator")
    listener = Listener(generator)
    engine = Synthesizer(
        listener,
        num_frames=saved.config.generator.n_frames_G,
        interpolator=make_interpolator("nearest"),
        device=torch.device("cpu"),
        foreground=build_encoder(config).foreground,
    )
    found: dict[str, list[tuple[float, float, float]]] = {}
    for sequence in build_sequences(config, root=root, phase=arguments.phase):
        num_frames = min(sequence.num_frames, most_windows * WINDOW)
        print(f"{folder}: {sequence.name}, {num_frames} frames", flush=True)
        for name, scores in _compare(
            sequence, engine, listener, kind=config.dataset_mode, num_frames=num_frames
        ).items():
            found.setdefault(name, []).extend(scores)
    rows = []
    for name, scores in found.items():
        if not scores:  # videos so short that every frame is a key-frame
            continue
        like_true, likeness, like_every = (round(statistics.mean(column), 4) for column in zip(*scores, strict=True))
        rows.append(GeneratedRow(Path(folder).name, name, like_true, likeness, like_every))
    return rows


def _compare(
    sequence: VideoSequence, engine: Synthesizer, listener: Listener, *, kind: str, num_frames: int
) -> dict[str, list[tuple[float, float, float]]]:
    """For every method the scores of every frame that was not generated."""
    images = [sequence.image(number) for number in range(num_frames)]
    true = [image for image in images if image is not None]
    if len(true) < num_frames:
        raise UserError(f"sequence {sequence.name}: expected real frames to compare with, found none")
    count = engine.num_frames - 1
    semantics = [sequence.semantic(number) for number in range(num_frames)]
    every = list(engine.frames(semantics.__getitem__, key_frames=range(num_frames), first_frames=true[:count]))
    thumbnails = torch.stack([thumbnail(semantic) for semantic in semantics])
    keys = choose_keyframes(thumbnails, method="dp", share=SHARE, num_given=count)
    listener.flows.clear()
    held = list(engine.frames(semantics.__getitem__, key_frames=keys, first_frames=true[:count]))
    generated = {number: held[number] for number in keys}
    flows = dict(zip(keys[count:], listener.flows, strict=True))
    found = {}
    for name in (*METHODS, STUDENT_FLOW, GUIDED_STUDENT_FLOW):
        if name in METHODS:
            made = recover(name, generated, semantics, kind=kind, seed=0)
        elif None in flows.values():
            continue  # this student has no flow
        else:
            made = moved_by_student(generated, flows, semantics if name == GUIDED_STUDENT_FLOW else [], kind=kind)
        found[name] = [
            (psnr(made[number], true[number]), ssim(made[number], true[number]), psnr(made[number], every[number]))
            for number in sorted({*range(num_frames)} - {*keys})
        ]
    return found


def moved_by_student(
    keyframes: Mapping[int, Tensor], flows: Mapping[int, Tensor | None], semantics: Sequence[Tensor], *, kind: str
) -> list[Tensor]:
    """All frames, moved by the flows that the student found between its key-frames.

    Args:
        keyframes: frame number -> frame, from 0 on.
        flows: from every generated key-frame to the one before, [2, H, W].
        semantics: of all frames, to be guided by; or none.
        kind: of the semantic frames.
    """
    guided = GuidedMotion(kind=kind)
    guides = [guided.guide(semantic) for semantic in semantics]
    frames = [keyframes[0]]
    for before, after in pairwise(keyframes):
        times = [(number - before) / (after - before) for number in range(before + 1, after)]
        flow = flows.get(after)
        if times and flow is not None:
            ends = keyframes[before], keyframes[after]
            if guides:
                guided.image_flows = always(
                    resized_flow(flow[None], size=working_size((flow.shape[1], flow.shape[2])))[0]
                )
                frames += list(guided(*ends, times, guides[before : after + 1]))
            else:
                frames += list(MotionCompensation(always(flow))(*ends, times))
        frames.append(keyframes[after])
    return frames


def always(flow: Tensor) -> FlowBothWays:
    """The flow back, [2, H, W], whatever the frames; forward its opposite, for want of another."""
    backward = flow.permute(1, 2, 0).contiguous()
    return lambda start, end: (-backward, backward)


def resized_flow(flow: Tensor, *, size: Sequence[int]) -> Tensor:
    """A flow [N, 2, h, w] for frames of another ``size`` (height, width), in their pixels."""
    ratio = flow.new_tensor([size[1] / flow.shape[-1], size[0] / flow.shape[-2]]).view(2, 1, 1)
    return F.interpolate(flow, tuple(size), mode="bilinear", align_corners=False, antialias=True) * ratio


def generated_text(rows: Sequence[GeneratedRow]) -> str:
    """A table, as Markdown."""
    lines = [
        [row.student, row.method, f"{row.psnr:.2f}", f"{row.ssim:.4f}", f"{row.psnr_every_frame:.2f}"] for row in rows
    ]
    header = ["student", "between its frames", "dB to true frames", "SSIM", "dB to every frame generated"]
    return f"between generated key-frames, share {SHARE}\n\n{text_table(header, lines)}"
