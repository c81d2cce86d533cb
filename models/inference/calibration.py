"""Eight bits for one generator: ranges from rollouts on videos, then a check of frames that were held out."""

import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.inference.runtimes.engines import Runtime, onnx_runtime, openvino_runtime
from models.inference.runtimes.graph import DrawingGraph, Graph, frame_graph
from models.inference.runtimes.label_tables import TableReader, table_reader
from models.inference.runtimes.quantise import Range, frame_errors, to_int8, watched
from models.inference.synthesizer import Foreground, SemanticSource, Synthesizer
from models.interpolation.base import nearest
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.generator import GeneratorOutput
from util.errors import UserError

LEAST_DECIBELS = 35.0  # of the held-out frames, against those in 32 bits
CALIBRATION_FRAMES, HELD_OUT_FRAMES = 40, 22
_GAPS = (1, 4)  # between the frames of a rollout: every frame, and key-frames
_MOST_VIDEOS = 5
_FRAMES_OF_SEARCH = 3
AUTO = "auto"
OPENERS: dict[str, Callable[..., Runtime]] = {"openvino": openvino_runtime, "onnx": onnx_runtime}


class Footage(NamedTuple):
    """A stretch of a semantic video to roll out on.

    Attributes:
        semantic: gives the semantic frame [C, H, W] of a number of the video.
        numbers: of the frames, in order.
        first_frames: the frames [3, H, W] of the first numbers; none: the generator draws them, too.
    """

    semantic: SemanticSource
    numbers: Sequence[int]
    first_frames: list[Tensor]

    def digest(self) -> bytes:
        """SHA-256 of all that is seen."""
        found = hashlib.sha256()
        for frame in (*map(self.semantic, self.numbers), *self.first_frames):
            found.update(str(tuple(frame.shape)).encode())
            found.update(frame.contiguous().numpy().tobytes())
        return found.digest()


class CalibrationData(NamedTuple):
    """Rollouts from which ranges are taken, and one on which the frames are compared."""

    seen: list[Footage]
    held_out: Footage

    def digest(self) -> str:
        """SHA-256 of all that is seen, 64 hexadecimal digits."""
        return hashlib.sha256(b"".join(one.digest() for one in (*self.seen, self.held_out))).hexdigest()


class Calibrated(NamedTuple):
    """What came of it.

    Attributes:
        model: ONNX, in 8 bits.
        in_float: layers that kept 32 bits, beside the heads.
        decibels: PSNR of the held-out frames, against those in 32 bits.
    """

    model: bytes
    in_float: tuple[str, ...]
    decibels: float


def calibration_data(
    videos: Sequence[tuple[SemanticSource, Callable[[int], Tensor | None], int]], *, num_given: int
) -> CalibrationData:
    """Stretches of videos: from the beginning of some, frame by frame and at a gap; the end of the last is held out.

    Args:
        videos: semantic frames and real frames by number, and how many there are.
        num_given: real frames that a rollout starts from.

    Raises:
        UserError: the last video is too short.
    """
    chosen = videos[:: math.ceil(len(videos) / _MOST_VIDEOS)]
    share = math.ceil(CALIBRATION_FRAMES / len(_GAPS) / len(chosen))
    semantic, image, length = chosen[-1]
    num_held_out = min(num_given + HELD_OUT_FRAMES, length // 3)
    if num_held_out <= num_given:
        raise UserError(
            f"expected a training video of at least {3 * num_given + 3} frames to calibrate --precision int8 on, found "
            f"{length}; give another --dataroot"
        )

    def stretch(video: tuple, numbers: range) -> Footage:
        given = [video[1](number) for number in numbers[:num_given]]
        return Footage(video[0], numbers, [one for one in given if one is not None])

    seen = []
    for video in chosen:
        usable = video[2] - (num_held_out if video is chosen[-1] else 0)
        stretches = (range(0, usable, gap)[: num_given + share] for gap in _GAPS)
        seen += [stretch(video, numbers) for numbers in stretches if len(numbers) > num_given]
    held_out = range(length - num_held_out, length)
    return CalibrationData(seen, stretch((semantic, image), held_out))


def rollout(runtime: Runtime, footage: Footage, *, num_frames: int, foreground: Foreground | None) -> Tensor:
    """The frames that ``runtime`` makes of ``footage``, each from its own earlier ones, without those given."""
    engine = Synthesizer(
        runtime, num_frames=num_frames, interpolator=nearest, device=torch.device("cpu"), foreground=foreground
    )
    made = engine.frames(
        lambda number: footage.semantic(footage.numbers[number]),
        key_frames=range(len(footage.numbers)),
        first_frames=footage.first_frames,
    )
    return torch.stack([one.clone() for one in made][len(footage.first_frames) :])


def decibels(frames: Tensor, reference: Tensor) -> float:
    """PSNR of frames in [-1, 1] to others, over all of them at once; infinite where they are equal."""
    error = float((frames.clamp(-1, 1) - reference.clamp(-1, 1)).square().mean())
    return 10 * math.log10(4 / error) if error else math.inf


class Calibration:
    """A generator in 8 bits, for one runtime: ranges once, then models with more or fewer layers in float."""

    def __init__(
        self,
        generator: VideoGenerator,
        data: CalibrationData,
        *,
        runtime: str,
        num_frames: int,
        foreground: Foreground | None,
        has_tables: bool = True,
    ) -> None:
        """Roll out in 32 bits.

        Args:
            generator: in eval mode, with fixed statistics; left as it is.
            data: what to roll out on.
            runtime: ``openvino`` or ``onnx``.
            num_frames: ``--n_frames_G``.
            foreground: see ``Synthesizer``.
            has_tables: label maps are read by table outside the graph, where that is faster.

        Raises:
            UserError: a missing package, or a generator without a fixed graph.
        """
        self.graph: Graph = frame_graph(generator)
        self.network = self.graph.generator
        self.data = data
        self.reader: TableReader | None = table_reader(self.network) if has_tables else None
        if self.reader is not None:
            self.graph = DrawingGraph(self.reader.generator)
        self.runtime = runtime
        self._how = {"num_frames": num_frames, "foreground": foreground}
        with watched(self.network) as extremes:
            for footage in data.seen:
                rollout(self.network, footage, **self._how)  # type: ignore[arg-type]
        self.ranges: Mapping[str, Range] = {name: one.range() for name, one in extremes.items()}
        self._exact = rollout(self.network, data.held_out, **self._how)  # type: ignore[arg-type]

    def model(self, in_float: Collection[str]) -> Calibrated:
        """The model with these layers in 32 bits, and how near its held-out frames are."""
        model = to_int8(self.graph, self.ranges, in_float=in_float)
        frames = rollout(self.open(model), self.data.held_out, **self._how)  # type: ignore[arg-type]
        return Calibrated(model, tuple(in_float), decibels(frames, self._exact))

    def open(self, model: bytes) -> Runtime:
        """The runtime of a model of this calibration."""
        return OPENERS[self.runtime](model, reader=self.reader)

    def checked(self, float_layers: str, *, least: float = LEAST_DECIBELS) -> Calibrated:
        """The model, whose held-out frames are near enough.

        Args:
            float_layers: ``--float_layers``: names of layers, ``auto`` (as few as are needed), or empty.
            least: decibels.

        Raises:
            UserError: no layer of such a name; frames that differ too much, and what to leave in float.
        """
        is_auto = float_layers == AUTO
        names = [] if is_auto else [name for name in float_layers.split(",") if name]
        for name in names:
            if name not in self.ranges:
                raise UserError(f"--float_layers {name}: no such layer; expected {AUTO} or of {', '.join(self.ranges)}")
        found = self.model(names)
        if found.decibels >= least:
            return found
        mended = next((one for one in self._searched(names) if one.decibels >= least), None)
        if mended is not None and is_auto:
            return mended
        remedy = "use --precision fp32"
        if mended is not None:
            remedy = f"leave layers in float: --float_layers {','.join(mended.in_float)} ({mended.decibels:.1f} dB)"
        raise UserError(
            f"--precision int8: expected frames of a held-out rollout within {least:g} dB of fp32, found "
            f"{found.decibels:.1f} dB with {len(names)} layers in float; {remedy}"
        )

    def _searched(self, names: Sequence[str]) -> Iterator[Calibrated]:
        """Models with more and more layers in float: first those that cost most alone; the number doubles."""
        errors = frame_errors(self.network, self.ranges, self._inputs())
        ranked = sorted((one for one in errors if one not in names), key=lambda one: -errors[one])
        count = 1
        while count < len(ranked):
            yield self.model([*names, *ranked[:count]])
            count *= 2

    def _inputs(self) -> list[tuple[Tensor, ...]]:
        """What the generator was given for some of the held-out frames."""
        inputs: list[tuple[Tensor, ...]] = []

        def record(
            semantic: Tensor, previous: Tensor, *, foreground_mask: Tensor | None = None, raw_only: bool = False
        ) -> GeneratorOutput:
            inputs.append((semantic, previous) if foreground_mask is None else (semantic, previous, foreground_mask))
            return self.network(semantic, previous, foreground_mask=foreground_mask, raw_only=raw_only)

        rollout(record, self.data.held_out, **self._how)  # type: ignore[arg-type]
        return inputs[:: math.ceil(len(inputs) / _FRAMES_OF_SEARCH)]
