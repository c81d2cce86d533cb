"""FVD, the distance of two sets of clips: FID's distance on features of whole clips."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.manifest import Backbone
from benchmarks.metrics.measure import FrechetMetric, written_frame
from benchmarks.metrics.videos import Video
from models.networks.i3d import TRAINED_SIDE, load_i3d
from util.errors import UserError
from util.files import file_sha256

ClipNetwork = Callable[[Tensor], Tensor]  # [B, T, 3, H, W] in [-1, 1] -> [B, num_features]


def make_fvd(*, i3d_weights: str | None, device: torch.device) -> FrechetMetric:
    """FVD (Unterthiner et al. 2018) on pooled features of I3D, RGB, Kinetics-400.

    Clips are the frames 0-27, 28-55 and so on of every sequence, given frames included (the paper's protocol: 28
    frames, the first 2 given); a rest shorter than a clip is left out and counted. Nothing is random.

    Args:
        i3d_weights: path of ``rgb_imagenet.pt``.
        device: where to compute.

    Raises:
        UserError: when the weights are not at hand.
    """
    if i3d_weights is None:
        raise UserError(
            "fvd: needs I3D's RGB Kinetics weights (rgb_imagenet.pt, 50 MB): give their path with --i3d_weights; of "
            "the metrics that need no weights, warping_error and flicker measure motion"
        )
    network = load_i3d(i3d_weights).to(device)
    path = Path(i3d_weights)
    backbone = Backbone("I3D, RGB, Kinetics-400", path.name, file_sha256(path))
    return fvd_on(lambda clip: network(clip, side=TRAINED_SIDE), backbone, device=device)


def fvd_on(network: ClipNetwork, backbone: Backbone | None, *, device: torch.device) -> FrechetMetric:
    """The distance on the features that ``network`` gives of whole clips."""

    def features(video: Video, numbers: range) -> np.ndarray:
        clip = torch.stack([written_frame(video, number) for number in numbers])
        with torch.inference_mode():
            return network(clip[None].to(device)).float().cpu().numpy()

    return FrechetMetric(
        name="fvd",
        version=1,
        features=features,
        takes_whole_clips=True,
        backbone=backbone,
        settings={"features": "mean over time and place of the last block", "resize": f"{TRAINED_SIDE} x {TRAINED_SIDE}"
                  ", bilinear, no antialiasing", "sampling": "one clip after the other from frame 0"},
    )  # fmt: skip
