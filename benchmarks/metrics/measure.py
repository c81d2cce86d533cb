"""From scores or features of frames to a method's figure, with its interval and its manifest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.bootstrap import bootstrap_interval
from benchmarks.metrics.frechet import frechet_distance
from benchmarks.metrics.manifest import Backbone, Manifest, Result
from benchmarks.metrics.videos import CLIP_LENGTH, Pair, Video, clip_ranges
from util.errors import UserError

Scores = list[float | None]  # one a frame of the sequence


@dataclass(frozen=True)
class Rules:
    """What all metrics of a table share.

    Attributes:
        clip_length: frames of a clip: the unit of the bootstrap, and what FVD looks at.
        seed: of the bootstrap.
        crop: how the frames were cut from their videos, for the manifest.
    """

    clip_length: int = CLIP_LENGTH
    seed: int = 0
    crop: str = "as written"


class Metric(Protocol):
    """A figure of a method."""

    @property
    def name(self) -> str:
        """The metric's name."""
        ...

    def measure(self, pairs: Sequence[Pair], rules: Rules) -> Result:
        """The figure over all sequences."""
        ...


@dataclass(frozen=True)
class MeanOverFrames:
    """A metric that gives every frame a score; its figure is the mean over all of them.

    Attributes:
        name: of the metric.
        version: of its definition, see ``Manifest``.
        better: which direction is better.
        score: the scores of a sequence, one a frame; None for frames that are given or cannot be evaluated.
        needs_past: whether frame 0 cannot be evaluated, since it has no past.
        unit: of the score.
        backbone: the network behind it.
        settings: its own choices, for the manifest.
    """

    name: str
    version: int
    better: Literal["higher", "lower"]
    score: Callable[[Pair], Scores]
    needs_past: bool = False
    unit: str = ""
    backbone: Backbone | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def measure(self, pairs: Sequence[Pair], rules: Rules) -> Result:
        """See ``Metric``."""
        per_frame: dict[str, Scores] = {}
        clips: list[list[float]] = []
        labels: list[str] = []
        num_missed = 0
        for pair in pairs:
            scores = per_frame[pair.name] = self.score(pair)
            if len(scores) != pair.num_frames:
                raise ValueError(f"{self.name}: expected {pair.num_frames} scores of {pair.name}, got {len(scores)}")
            first = max(pair.num_given, int(self.needs_past))
            for numbers in clip_ranges(pair.num_frames, clip_length=rules.clip_length):
                chosen = [scores[number] for number in numbers if number >= first]
                there = [score for score in chosen if score is not None]
                num_missed += len(chosen) - len(there)
                if there:
                    clips.append(there)
                    labels.append(f"{pair.name}[{max(numbers.start, first)}:{numbers.stop}]")
        return Result(
            value=_mean(clips) if clips else None,
            interval=bootstrap_interval(clips, _mean, seed=rules.seed),
            better=self.better,
            unit=self.unit,
            manifest=Manifest(
                metric=self.name,
                version=self.version,
                frames=sum(map(len, clips)),
                clips=tuple(labels),
                sizes=frame_sizes(pairs),
                crop=rules.crop,
                seed=rules.seed,
                backbone=self.backbone,
                settings={"clip_length": rules.clip_length} | self.settings,
            ),
            per_frame=per_frame,
            num_missed=num_missed,
            note=f"{num_missed} frames could not be evaluated" if num_missed else "",
        )


def _mean(clips: list[list[float]]) -> float:
    """The mean over all frames of all clips: a longer clip weighs more."""
    return float(np.mean(np.concatenate(clips)))


# the features of some frames of a video, [num_vectors, num_features]
ClipFeatures = Callable[[Video, range], np.ndarray]


@dataclass(frozen=True)
class FrechetMetric:
    """A metric that compares the features of all generated frames, or clips, with those of all real ones.

    Attributes:
        name, version, backbone, settings: see ``MeanOverFrames``.
        features: the feature vectors of the frames of a clip, or the one vector of a clip.
        takes_whole_clips: True: a clip of all its frames, given ones too, is one sample, and a rest that is shorter is
            left out; False: every frame that was not given is a sample.
        num_resamples: of the bootstrap.
    """

    name: str
    version: int
    features: ClipFeatures
    takes_whole_clips: bool
    backbone: Backbone | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    num_resamples: int = 100

    def name_for(self, clip_length: int) -> str:
        """What a figure is called: ``fvd_16`` is no ``fvd``, whose clips have the 28 frames of the paper."""
        return f"{self.name}_{clip_length}" if self.takes_whole_clips and clip_length != CLIP_LENGTH else self.name

    def measure(self, pairs: Sequence[Pair], rules: Rules) -> Result:
        """See ``Metric``; the value is None when there are not two samples."""
        clips: list[tuple[np.ndarray, np.ndarray]] = []
        labels: list[str] = []
        num_frames = num_missed = 0
        for pair in pairs:
            for numbers in clip_ranges(pair.num_frames, clip_length=rules.clip_length):
                chosen = numbers if self.takes_whole_clips else range(max(numbers.start, pair.num_given), numbers.stop)
                if len(chosen) == 0 or (self.takes_whole_clips and len(chosen) < rules.clip_length):
                    num_missed += len(chosen)
                    continue
                clips.append((self.features(pair.fake, chosen), self.features(pair.real, chosen)))
                labels.append(f"{pair.name}[{chosen.start}:{chosen.stop}]")
                num_frames += len(chosen)
        num_samples = sum(len(fake) for fake, _ in clips)
        is_enough = num_samples >= 2
        note = f"{num_samples} samples" + (f" of {clips[0][0].shape[1]} features" if clips else "")
        if num_missed:
            note += f"; {num_missed} frames left out, since they fill no clip of {rules.clip_length}"
        if not is_enough:
            note += "; no figure, it needs 2 samples or more"
        if not is_enough and self.takes_whole_clips:
            note += f": evaluate longer videos, or shorter clips with --clip_length (then it is called {self.name}_N)"
        return Result(
            value=_distance(clips) if is_enough else None,
            interval=bootstrap_interval(clips, _distance, seed=rules.seed, num_resamples=self.num_resamples)
            if is_enough
            else None,
            better="lower",
            unit="",
            manifest=Manifest(
                metric=self.name_for(rules.clip_length),
                version=self.version,
                frames=num_frames,
                clips=tuple(labels),
                sizes=frame_sizes(pairs),
                crop=rules.crop,
                seed=rules.seed,
                backbone=self.backbone,
                settings={"clip_length": rules.clip_length, "num_resamples": self.num_resamples} | self.settings,
            ),
            num_missed=num_missed,
            note=note,
        )


def _distance(clips: list[tuple[np.ndarray, np.ndarray]]) -> float:
    fakes, reals = zip(*clips, strict=True)
    return frechet_distance(np.concatenate(fakes), np.concatenate(reals))


def frame_sizes(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The sizes of the sequences' frames, each once."""
    first = [pair.fake.image(0) for pair in pairs]
    return tuple(sorted({"x".join(map(str, image.shape[-2:])) for image in first if image is not None}))


def over_frames(compare: Callable[[Tensor, Tensor], float]) -> Callable[[Pair], Scores]:
    """The scores of a sequence by comparing each generated frame [3, H, W] with the real one."""

    def score(pair: Pair) -> Scores:
        chosen = (compare(*pair.frames(number)) for number in range(pair.num_given, pair.num_frames))
        return [None] * pair.num_given + list(chosen)

    return score


FrameNetwork = Callable[[Tensor], Tensor]  # [B, 3, H, W] in [-1, 1] -> [B, num_features]


def features_of_frames(network: FrameNetwork, *, device: torch.device, batch_size: int = 8) -> ClipFeatures:
    """A feature vector a frame by ``network``, for ``FrechetMetric``."""

    def features(video: Video, numbers: range) -> np.ndarray:
        found = []
        with torch.inference_mode():
            for start in range(0, len(numbers), batch_size):
                frames = [written_frame(video, number) for number in numbers[start : start + batch_size]]
                found.append(network(torch.stack(frames).to(device)).float().cpu().numpy())
        return np.concatenate(found)

    return features


def written_frame(video: Video, number: int) -> Tensor:
    """The frame as it is written to disk, rounded to 256 steps: [3, H, W] in [-1, 1].

    Raises:
        UserError: when there is no such frame.
    """
    frame = video.image(number)
    if frame is None:
        raise UserError(f"{video.name}: expected a frame {number}, found none; a real video is needed to compare with")
    return ((frame.float() + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1
