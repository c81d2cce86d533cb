"""Metrics by name: the only place where names and paths of weights meet."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.metrics.fid import make_fid, make_frechet_lite0
from benchmarks.metrics.flow_error import make_end_point_error
from benchmarks.metrics.fvd import make_fvd
from benchmarks.metrics.landmark_error import make_landmark_error
from benchmarks.metrics.lpips import make_lpips
from benchmarks.metrics.measure import MeanOverFrames, Metric, over_frames
from benchmarks.metrics.pose_error import make_body_error, make_keypoint_error, make_pose_drawing_error
from benchmarks.metrics.warping_error import make_flicker, make_warping_error
from data.detectors.blaze_pose import BlazePose, body_finder_note
from data.detectors.landmarks import DEFAULT_FINDER, finder_note, load_landmark_finder
from models.flow.estimators import make_flow
from util.errors import UserError
from util.image_quality import psnr, ssim


@dataclass(frozen=True)
class Sources:
    """Where metrics find what they need besides the frames; None: where it usually is, or nowhere.

    Attributes:
        inception_weights, i3d_weights, lpips_backbone, lpips_linear: files of weights.
        lpips_net: ``alex`` or ``vgg``.
        finder: what finds landmarks in generated frames, ``mesh`` or ``dlib``: the one of the dataset.
        landmarks: landmarks that drove the video.
        poses, driven_poses: OpenPose files of the generated frames, and those that drove the video.
        flows: exact flows.
    """

    inception_weights: str | None = None
    i3d_weights: str | None = None
    lpips_backbone: str | None = None
    lpips_linear: str | None = None
    lpips_net: str = "alex"
    finder: str = DEFAULT_FINDER
    landmarks: Path | None = None
    poses: Path | None = None
    driven_poses: Path | None = None
    flows: Path | None = None


def _lpips(sources: Sources, device: torch.device) -> Metric:
    return make_lpips(
        kind=sources.lpips_net,
        backbone_weights=sources.lpips_backbone,
        linear_weights=sources.lpips_linear,
        device=device,
    )


def _landmark_error(sources: Sources, device: torch.device) -> Metric:
    find = load_landmark_finder(sources.finder, follows=False)
    return make_landmark_error(find, finder=finder_note(sources.finder), driven=sources.landmarks)


def _body_error(sources: Sources, device: torch.device) -> Metric:
    return make_body_error(BlazePose(follows=False), finder=body_finder_note())


def _flow_epe(sources: Sources, device: torch.device) -> Metric:
    if sources.flows is None:
        raise UserError(
            "flow_epe: needs exact flows: give their folder with --flows; benchmark.py table has those of the samples "
            "by itself"
        )
    return make_end_point_error(sources.flows, make_flow("dis"))


def _poses(sources: Sources, name: str) -> tuple[Path, Path]:
    if sources.poses is None or sources.driven_poses is None:
        raise UserError(
            f"{name}: needs OpenPose files of the generated frames and those that drove them: give their folders with "
            "--poses and --driven_poses"
        )
    return sources.poses, sources.driven_poses


def _pose_error(sources: Sources, device: torch.device) -> Metric:
    return make_pose_drawing_error(*_poses(sources, "pose_error"))


METRICS: dict[str, Callable[[Sources, torch.device], Metric]] = {
    "psnr": lambda sources, device: MeanOverFrames("psnr", 1, "higher", over_frames(psnr), unit="dB"),
    "ssim": lambda sources, device: MeanOverFrames("ssim", 1, "higher", over_frames(ssim)),
    "lpips": _lpips,
    "fid": lambda sources, device: make_fid(inception_weights=sources.inception_weights, device=device),
    "frechet_lite0": lambda sources, device: make_frechet_lite0(device=device),
    "fvd": lambda sources, device: make_fvd(i3d_weights=sources.i3d_weights, device=device),
    "warping_error": lambda sources, device: make_warping_error(make_flow("dis")),
    "flicker": lambda sources, device: make_flicker(make_flow("dis")),
    "flow_epe": _flow_epe,
    "landmark_error": _landmark_error,
    "body_error": _body_error,
    "pose_error": _pose_error,
    "keypoint_error": lambda sources, device: make_keypoint_error(*_poses(sources, "keypoint_error")),
}


def make_metric(name: str, sources: Sources, *, device: torch.device) -> Metric:
    """The metric of that name.

    Raises:
        UserError: an unknown name, or what it needs is not at hand; the message says how to get it, or do without.
    """
    if name not in METRICS:
        raise UserError(f"--metrics {name}: no such metric; there are {', '.join(METRICS)}")
    return METRICS[name](sources, device)
