"""Checkpoint and options -> a ``Method`` that can be run, and the first frames that it starts from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from data.build import build_encoder, build_sequences
from data.sequences import VideoSequence
from data.subject_size import UsualWidths, note_on_sizes
from models import checkpoint as checkpoints
from models.build import load_generator
from models.checkpoint import Checkpoint
from models.inference.first_frames import FirstFrames
from models.inference.int8 import choose_int8
from models.inference.runtimes.choose import choose_name, make_runtime, read_runtime
from models.inference.runtimes.engines import Runtime
from models.inference.runtimes.fold import has_fixed_statistics
from models.inference.synthesizer import Synthesizer
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
    """A checkpoint and the way its frames become a video.

    Attributes:
        name: of its folder and its entry in ``metrics.json``.
        saved: the checkpoint.
        engine: what draws.
        keyframes, share, quality: how key-frames are chosen, see ``choose_keyframes``.
        lookahead: frames that a live choice waits for; 0: the whole video is known.
    """

    name: str
    saved: Checkpoint
    engine: Synthesizer
    keyframes: str
    share: float
    lookahead: int = 0
    quality: float | None = None

    def choose_keyframes(self, sequence: VideoSequence, *, num_given: int) -> list[int]:
        """Key-frames of a sequence; the whole semantic video is looked at, small."""
        if self.keyframes == "all":
            return list(range(sequence.num_frames))
        if self.lookahead:
            chooser = LiveKeyframes(
                share=self.share, lookahead=self.lookahead, num_given=num_given, quality=self.quality
            )
            pushed = [chooser.push(thumbnail(sequence.semantic(number))) for number in range(sequence.num_frames)]
            return [number for number in pushed if number is not None] + chooser.finish()
        thumbnails = LazyThumbnails(sequence.semantic, num_frames=sequence.num_frames)
        return choose_keyframes(
            thumbnails, method=self.keyframes, share=self.share, num_given=num_given, quality=self.quality
        )

    def synthesize(
        self,
        sequence: VideoSequence,
        key_frames: Sequence[int],
        first_frames: Sequence[Tensor],
        *,
        overlapped: bool = False,
    ) -> Iterator[Tensor]:
        """The frames of a sequence; see ``Synthesizer.frames``.

        With a look-ahead the sequence is a stream, in which the same key-frames are chosen once more.
        """
        if not self.lookahead:
            return self.engine.frames(
                sequence.semantic, key_frames=key_frames, first_frames=first_frames, overlapped=overlapped
            )
        return self.synthesize_stream(
            map(sequence.semantic, range(sequence.num_frames)), first_frames, overlapped=overlapped
        )

    def synthesize_stream(
        self, semantics: Iterable[Tensor], first_frames: Sequence[Tensor], *, overlapped: bool
    ) -> Iterator[Tensor]:
        """The frames of a stream of semantic frames; see ``Synthesizer.live``."""
        return self.engine.live(
            semantics,
            share=self.share,
            lookahead=self.lookahead,
            first_frames=first_frames,
            overlapped=overlapped,
            quality=self.quality,
        )


def noted_widths(saved: Checkpoint) -> UsualWidths | None:
    """How wide the training's faces were, in pixels; None for other kinds and for older checkpoints."""
    noted = saved.metadata.get("subject_widths")
    return None if noted is None else UsualWidths(*noted)


def noted_finder(saved: Checkpoint) -> str | None:
    """What found the landmarks or poses of the training; None where its dataset, or an older save, does not tell."""
    return saved.metadata.get("finder")


def sequences_of(config: TestConfig, saved: Checkpoint) -> list[VideoSequence]:
    """The sequences that the options choose from a dataset; says where subjects are larger or smaller than usual."""
    sequences = build_sequences(
        saved.config.data,
        root=Path(config.dataroot),
        phase=config.phase,
        first_frame=config.start_frame,
        max_frames=config.max_frames or None,
    )[: config.how_many or None]
    if note := note_on_sizes(sequences, noted_widths(saved)):
        print(note)
    return sequences


def make_methods(config: TestConfig, device: torch.device) -> list[Method]:
    """The full pipeline first; then, as asked, the student and the teacher on every frame."""

    def method(name: str, path: str, flag: str, keyframes: str) -> Method:
        saved = checkpoints.load(path, flag=flag)
        generator = load_generator(saved, raw=config.raw_weights)
        if isinstance(generator, GlobalGenerator):
            raise UserError(f"{flag} {path}: draws single images; expected a video generator")
        # only the student runs fast: the teacher is what it is compared with
        runtime = choose_runtime(config, saved, generator, device) if flag == "--checkpoint" else generator
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


def choose_runtime(config: TestConfig, saved: Checkpoint, generator: VideoGenerator, device: torch.device) -> Runtime:
    """What draws the student's frames, named in the log unless it is the plain network."""
    if config.runtime_file is not None:
        choice = read_runtime(config.runtime_file)
    else:
        name, precision = config.runtime, config.precision
        runtime = choose_name(name, device=device, has_fixed_statistics=has_fixed_statistics(generator))
        in_8_bits = choose_int8(
            saved,
            generator,
            runtime=runtime,
            precision=precision,
            dataroot=config.dataroot,
            float_layers=config.float_layers,
            raw=config.raw_weights,
        )
        choice = in_8_bits or make_runtime(generator, name=name, precision=precision, device=device)
    if config.runtime_file is not None or config.runtime != "eager":
        print(f"runtime: {choice.description}")
    return choice.runtime


def make_first_frames(config: TestConfig, *, data: DataConfig, count: int, device: torch.device) -> FirstFrames:
    """The first frames as ``--first_frame`` has them: ``count`` of them, for data that is encoded as ``data`` says.

    Raises:
        UserError: ``--single_checkpoint`` does not fit.
    """
    path = config.single_checkpoint
    if path is None:
        return FirstFrames(config.first_frame, count=count, device=device)
    saved = checkpoints.load(path, flag="--single_checkpoint")
    generator = load_generator(saved, raw=config.raw_weights)
    if not isinstance(generator, GlobalGenerator):
        raise UserError(f"--single_checkpoint {path}: expected one of --stage first_frame")
    if saved.config.data != data:
        raise UserError(f"--single_checkpoint {path} encodes its data in another way")
    return FirstFrames(config.first_frame, count=count, device=device, generator=generator)
