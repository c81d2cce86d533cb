"""What must be put together before a video can be made: engine, first frames, key-frames, as the options say."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from data.build import build_encoder
from data.sequences import VideoSequence
from data.sources.camera import CameraStart
from data.subject_size import UsualWidths
from models import checkpoint as checkpoints
from models.build import load_generator
from models.checkpoint import Checkpoint
from models.inference.runtimes.choose import make_runtime, read_runtime
from models.inference.runtimes.engines import Runtime
from models.inference.synthesizer import Synthesizer, draw_first_frames
from models.interpolation.choose import choose_interpolator
from models.keyframes.live import LiveKeyframes
from models.keyframes.offline import choose_keyframes
from models.keyframes.thumbnails import LazyThumbnails, thumbnail
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.single_image import GlobalGenerator
from options.config import TestConfig
from options.data_config import DataConfig
from util.errors import UserError


@dataclass
class Method:
    """A checkpoint and the way its frames become a video."""

    name: str
    saved: Checkpoint
    engine: Synthesizer
    keyframes: str
    share: float
    lookahead: int = 0
    quality: float | None = None


def noted_widths(saved: Checkpoint) -> UsualWidths | None:
    """How wide the training's faces were, in pixels; None for other kinds, and for checkpoints of before that note."""
    noted = saved.metadata.get("subject_widths")
    return None if noted is None else UsualWidths(*noted)


def make_methods(config: TestConfig, device: torch.device) -> list[Method]:
    """The full pipeline first; then, as asked, the student and the teacher on every frame."""

    def method(name: str, path: str, flag: str, keyframes: str) -> Method:
        saved = checkpoints.load(path, flag=flag)
        generator = load_generator(saved)
        if isinstance(generator, GlobalGenerator):
            raise UserError(f"{flag} {path}: draws single images; expected a video generator")
        # only the student runs fast: the teacher is what it is compared with
        runtime = choose_runtime(config, generator, device) if flag == "--checkpoint" else generator
        interpolator = choose_interpolator(config.interpolation, kind=saved.config.data.dataset_mode)
        num_frames = saved.config.generator.n_frames_G
        engine = Synthesizer(
            runtime,
            num_frames=num_frames,
            interpolator=interpolator,
            device=device,
            foreground=build_encoder(saved.config.data).foreground,
        )
        lookahead = config.lookahead if name == "fast" else 0
        return Method(name, saved, engine, keyframes, config.keyframe_share, lookahead, config.keyframe_quality)

    if config.first_frame == "generated":
        saved = checkpoints.load(config.checkpoint, flag="--checkpoint")
        if not saved.config.schedule.no_first_img:
            print(f"note: {saved.folder} was not trained with --no_first_img; its first frames will be poor")
    methods = [method("fast", config.checkpoint, "--checkpoint", config.keyframes)]
    if config.student_all:
        methods.append(method("student_all", config.checkpoint, "--checkpoint", "all"))
    if config.teacher is not None:
        methods.append(method("teacher", config.teacher, "--teacher", "all"))
    if len({one.saved.config.data for one in methods}) > 1:
        raise UserError(
            f"--teacher {config.teacher} encodes its data in another way than --checkpoint; train both alike"
        )
    return methods


def choose_runtime(config: TestConfig, generator: VideoGenerator, device: torch.device) -> Runtime:
    """What draws the student's frames, named in the log unless it is the plain network."""
    if config.runtime_file is not None:
        choice = read_runtime(config.runtime_file)
    else:
        choice = make_runtime(generator, name=config.runtime, precision=config.precision, device=device)
    if config.runtime_file is not None or config.runtime != "eager":
        print(f"runtime: {choice.description}")
    return choice.runtime


class FirstFrames:
    """The first frames of a video, as ``--first_frame`` has them."""

    def __init__(self, config: TestConfig, *, data: DataConfig, count: int, device: torch.device) -> None:
        """Args: the options, how the generator's data is encoded, how many frames it needs, where to compute."""
        self.kind = config.first_frame
        self.count = count
        self.device = device
        self.generator: GlobalGenerator | None = None
        if config.single_checkpoint is not None:
            saved = checkpoints.load(config.single_checkpoint, flag="--single_checkpoint")
            generator = load_generator(saved)
            if not isinstance(generator, GlobalGenerator):
                raise UserError(f"--single_checkpoint {config.single_checkpoint}: expected one of --stage first_frame")
            if saved.config.data != data:
                raise UserError(f"--single_checkpoint {config.single_checkpoint} encodes its data in another way")
            self.generator = generator

    def frames(self, sequence: VideoSequence | CameraStart) -> list[Tensor]:
        """The first frames of ``sequence``; empty when it is generated."""
        count = min(self.count, sequence.num_frames)
        if self.kind == "generated":
            return []
        if self.generator is not None:
            return draw_first_frames(self.generator, sequence.semantic, count=count, device=self.device)
        images = [sequence.image(number) for number in range(count)]
        real = [image for image in images if image is not None]
        if len(real) < count:
            raise UserError(
                f"sequence {sequence.name} has no real frames for --first_frame real; use --first_frame generated "
                "(a model trained with --no_first_img) or --first_frame single"
            )
        return real

    def num_real(self, first_frames: list[Tensor]) -> int:
        """How many frames of first frames are given, not made."""
        return len(first_frames) if self.kind == "real" else 0


def choose(sequence: VideoSequence, method: Method, num_first_frames: int) -> list[int]:
    """Key-frames of a sequence for a method; the whole semantic video is looked at, small."""
    if method.keyframes == "all":
        return list(range(sequence.num_frames))
    if method.lookahead:
        chooser = LiveKeyframes(
            share=method.share,
            lookahead=method.lookahead,
            num_given=num_first_frames,
            quality=method.quality,
        )
        pushed = [chooser.push(thumbnail(sequence.semantic(number))) for number in range(sequence.num_frames)]
        return [number for number in pushed if number is not None] + chooser.finish()
    thumbnails = LazyThumbnails(sequence.semantic, num_frames=sequence.num_frames)
    return choose_keyframes(
        thumbnails,
        method=method.keyframes,
        share=method.share,
        num_given=num_first_frames,
        quality=method.quality,
    )


def synthesize(
    one: Method, sequence: VideoSequence, keys: list[int], first_frames: list[Tensor], *, overlapped: bool = False
) -> Iterator[Tensor]:
    """A method's frames; with ``--lookahead`` as a stream that knows no more, which chooses the same key-frames.

    ``overlapped``: see ``Synthesizer.frames``.
    """
    if not one.lookahead:
        return one.engine.frames(sequence.semantic, key_frames=keys, first_frames=first_frames, overlapped=overlapped)
    stream = map(sequence.semantic, range(sequence.num_frames))
    return one.engine.live(
        stream,
        share=one.share,
        lookahead=one.lookahead,
        first_frames=first_frames,
        overlapped=overlapped,
        quality=one.quality,
    )
