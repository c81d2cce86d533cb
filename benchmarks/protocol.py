"""Clips of an evaluation, kept in a file, so that every rerun evaluates the same frames.

The published evaluation: clips of 28 frames one after the other, each started anew from its first 2 frames, which are
given and not evaluated.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

from benchmarks.metrics.videos import CLIP_LENGTH, NUM_GIVEN, clip_ranges
from data.build import build_geometry, build_kind
from data.layout import SequenceFiles
from data.sequences import VideoSequence, part_of
from data.storage.picture_files import ArrayCache
from options.data_config import DataConfig
from util.errors import UserError
from util.files import write_json
from util.json_files import read_json

FORMAT = 1
WINDOWS_OF_A_LONE_CLIP = 4
FEW_UNITS = 8


@dataclass(frozen=True)
class Clip:
    """A piece of a test video that every method makes anew.

    Attributes:
        sequence: whose piece it is.
        first_frame: its number in the sequence.
        num_frames: how many there are, given ones included.
        sha256: of its files, semantics and pictures; other data are refused.
    """

    sequence: str
    first_frame: int
    num_frames: int
    sha256: str

    @property
    def name(self) -> str:
        """Sequence and first frame, fit for a folder."""
        return f"{self.sequence}_{self.first_frame:05d}"


@dataclass(frozen=True)
class Protocol:
    """Everything about an evaluation that does not depend on the methods.

    Attributes:
        phase: the part of the dataset.
        clip_length: frames of a clip; the last of a sequence may be shorter.
        num_given: real frames at the start of each clip, not evaluated.
        window: frames of one unit of the bootstrap: a clip, or a part of one where there is one clip alone.
        seed: of the bootstrap.
        num_left_out: frames at the ends of sequences that are too few to be evaluated.
        clips: what is made and evaluated.
    """

    phase: str
    clip_length: int
    num_given: int
    window: int
    seed: int
    num_left_out: int
    clips: tuple[Clip, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be evaluated."""
        if self.num_given < 1 or self.clip_length <= self.num_given or self.window < 1 or not self.clips:
            raise UserError(
                f"protocol: expected clips longer than their given frames, 1 or more of each, found {len(self.clips)} "
                f"clips of {self.clip_length} frames, {self.num_given} of them given, window {self.window}"
            )

    @property
    def num_evaluated(self) -> int:
        """Frames that are not given."""
        return sum(clip.num_frames - self.num_given for clip in self.clips)

    def in_words(self) -> list[str]:
        """What a reader of figures must know, a sentence each."""
        num_sequences = len({clip.sequence for clip in self.clips})
        sentences = [
            f"{counted(len(self.clips), 'clip')} of at most {self.clip_length} frames from "
            f"{counted(num_sequences, 'sequence')} of phase '{self.phase}'; each starts from {self.num_given} real "
            f"frames, {counted(self.num_evaluated, 'frame')} evaluated."
        ]
        if self.num_left_out:
            sentences.append(
                f"Left out at the ends of sequences, too few for a clip: {counted(self.num_left_out, 'frame')}."
            )
        if len(self.clips) == 1:
            sentences.append(
                f"One clip alone: intervals come from resampling its windows of {self.window} frames. They hang "
                "together, so the intervals are too narrow, and say nothing about other videos."
            )
        elif num_sequences == 1:
            sentences.append(
                "One sequence alone: intervals come from resampling its clips. They say nothing about other videos."
            )
        else:
            sentences.append("Intervals come from resampling whole clips.")
        num_units = sum(math.ceil(clip.num_frames / self.window) for clip in self.clips)
        if num_units < FEW_UNITS:
            sentences.append(f"There are only {num_units} of them to resample: the intervals are rough.")
        return sentences


def make_protocol(
    data: DataConfig,
    *,
    root: Path,
    phase: str = "test",
    clip_length: int = CLIP_LENGTH,
    num_given: int = NUM_GIVEN,
    max_clips: int = 0,
    seed: int = 0,
) -> Protocol:
    """Cut all sequences of a dataset into clips, one after the other.

    Args:
        data: where files of this kind lie.
        root: the dataset's folder.
        phase, clip_length, num_given, seed: see ``Protocol``.
        max_clips: only so many, the first ones; 0: all.

    Raises:
        UserError: the dataset is broken, has no real frames, or no sequence is long enough.
    """
    clips: list[Clip] = []
    num_left_out = 0
    for name, files in _sequences(data, root, phase).items():
        if not files.images:
            raise UserError(f"{root}: sequence {name} has no real frames to compare with; add {phase}_img/{name}")
        for numbers in clip_ranges(len(files.leading), clip_length=clip_length):
            if len(numbers) <= num_given:
                num_left_out += len(numbers)
                continue
            part = part_of(files, first_frame=numbers.start, max_frames=len(numbers))
            clips.append(Clip(name, numbers.start, len(numbers), _digest(part)))
    if not clips:
        raise UserError(f"{root}: expected a sequence of more than {num_given} frames in phase '{phase}', found none")
    clips = clips[: max_clips or None]
    window = clip_length if len(clips) > 1 else math.ceil(clips[0].num_frames / WINDOWS_OF_A_LONE_CLIP)
    return Protocol(phase, clip_length, num_given, window, seed, num_left_out, tuple(clips))


def cut_clips(protocol: Protocol, data: DataConfig, *, root: Path) -> Iterator[VideoSequence]:
    """The clips of a protocol, each a video of its own, called by ``Clip.name`` and cropped at its own first frame.

    Raises:
        UserError: the dataset is not the one that the protocol was made for.
    """
    kind, geometry, cache = build_kind(data), build_geometry(data), ArrayCache(max_bytes=0)
    sequences = _sequences(data, root, protocol.phase)
    for clip in protocol.clips:
        files = sequences.get(clip.sequence)
        if files is None or len(files.leading) < clip.first_frame + clip.num_frames:
            found = "no such sequence" if files is None else f"{len(files.leading)} frames"
            raise UserError(
                f"{root}: the protocol expects frames {clip.first_frame} to {clip.first_frame + clip.num_frames - 1} "
                f"of sequence {clip.sequence}, found {found}; give the dataset it was made for, or no --protocol"
            )
        part = part_of(files, first_frame=clip.first_frame, max_frames=clip.num_frames)
        if _digest(part) != clip.sha256:
            raise UserError(
                f"{root}: the files of clip {clip.name} are not those that the protocol was made for; give that "
                "dataset, or no --protocol"
            )
        frames = kind.frames(replace(part, name=clip.name), cache=cache)
        yield VideoSequence(frames, encoder=kind.encoder, geometry=geometry)


@dataclass(frozen=True)
class _Written(Protocol):
    """A protocol's file."""

    format: Literal[1]

    def protocol(self) -> Protocol:
        """What it says."""
        return Protocol(**{one.name: getattr(self, one.name) for one in fields(Protocol)})


def write_protocol(path: Path, protocol: Protocol) -> None:
    """Keep a protocol as JSON."""
    write_json(path, {"format": FORMAT} | asdict(protocol))


def read_protocol(path: Path) -> Protocol:
    """What ``write_protocol`` wrote.

    Raises:
        UserError: the file is missing or something else.
    """
    return read_json(path, _Written, expected="a protocol as `benchmark.py table` writes it").protocol()


def counted(number: int, noun: str) -> str:
    """A number and what it counts."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _sequences(data: DataConfig, root: Path, phase: str) -> dict[str, SequenceFiles]:
    return {files.name: files for files in build_kind(data).files(root, phase=phase, needs_images=False)}


def _digest(files: SequenceFiles) -> str:
    digest = sha256()
    for part, paths in sorted(files.parts.items()):
        digest.update(part.encode())
        for path in paths:
            digest.update(path.read_bytes())
    return digest.hexdigest()
