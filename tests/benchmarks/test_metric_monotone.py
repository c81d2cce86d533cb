"""Every metric gets worse, step by step, as a video gets worse; temporal ones notice the order.

A line of ``WORSE`` is a metric and a way to spoil a video. What a metric cannot see is tested where it is its point: a
distance of sets of frames does not notice their order, and a smooth video is a steady one.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

from benchmarks.metrics.fid import make_frechet_lite0
from benchmarks.metrics.flow_error import make_end_point_error
from benchmarks.metrics.fvd import fvd_on
from benchmarks.metrics.landmark_error import make_landmark_error
from benchmarks.metrics.lpips import load_lpips
from benchmarks.metrics.measure import MeanOverFrames, Metric, Rules, over_frames
from benchmarks.metrics.pose_error import make_keypoint_error, make_pose_drawing_error
from benchmarks.metrics.warping_error import make_flicker, make_warping_error
from models.flow.estimators import make_flow
from tests.benchmarks.metric_videos import SIDE, blurred, noisy, pair_of, rises, save_random_backbone, shuffled
from util.image_quality import psnr, ssim

CPU = torch.device("cpu")
NUM_FRAMES = 16
CLIP_LENGTH = 4
FACE = np.random.default_rng(0).uniform(-10, 10, (68, 2))
Frames = Sequence[Tensor]


def place(time: int) -> int:
    """How far right everything is: it swings, so that a late video moves otherwise, too."""
    return round(10 * np.sin(time / 2))


def scene() -> list[Tensor]:
    """A texture that swings, with a bright spot that swings along, [3, 48, 48]."""
    texture = gaussian_filter(np.random.default_rng(0).normal(size=(3, SIDE, 2 * SIDE)), (0, 2, 2), mode="wrap")
    texture = np.clip(texture / (6 * texture.std()) - 0.5, -1, 1)
    texture[:, 20:28, SIDE - 4 : SIDE + 4] = 1
    starts = [SIDE // 2 - place(time) for time in range(NUM_FRAMES)]
    return [torch.from_numpy(texture[:, :, start : start + SIDE].copy()).float() for start in starts]


def late(frames: Frames, number: float) -> list[Tensor]:
    """The frames so many steps too late; what is before the first frame is the first one."""
    return [frames[max(time - int(number), 0)] for time in range(len(frames))]


SPOIL: dict[str, tuple[Callable[[Frames, float], list[Tensor]], tuple[float, ...]]] = {
    "blur": (blurred, (0, 1, 2, 4)),
    "noise": (noisy, (0, 0.1, 0.3, 0.9)),
    "shuffling": (shuffled, (0, 0.3, 1)),
    "a shift in time": (late, (0, 1, 2)),
}


def find_spot(picture: np.ndarray) -> np.ndarray:
    """Landmarks around the centre of what is bright."""
    weight = picture.astype(np.float64).mean(axis=2) ** 4
    row, column = np.mgrid[:SIDE, :SIDE]
    return FACE + np.array([(weight * column).sum(), (weight * row).sum()]) / weight.sum()


def clip_features(clip: Tensor) -> Tensor:
    """A stand-in for I3D, whose weights are not at hand: what is where and when, and how it changes, [B, features]."""
    small = F.adaptive_avg_pool2d(clip.flatten(0, 1), 4).unflatten(0, clip.shape[:2])
    changes = clip.diff(dim=1).abs().mean(dim=(2, 3, 4))
    return torch.cat((small.flatten(1), small.diff(dim=1).flatten(1), 10 * changes), dim=1)


def random_lpips(folder: Path) -> Metric:
    """LPIPS with its own channel weights on a backbone that learned nothing; that of ImageNet is not at hand."""
    backbone = save_random_backbone(folder / "backbone.pth", kind="alex")
    network, _ = load_lpips("alex", backbone_weights=str(backbone), linear_weights=None)

    @torch.inference_mode()
    def distance(fake: Tensor, real: Tensor) -> float:
        # AlexNet halves five times
        return float(network(*(F.interpolate(frame[None], scale_factor=2) for frame in (fake, real))))

    return MeanOverFrames("lpips", 1, "lower", over_frames(distance))


def exact_flows(folder: Path) -> Path:
    """The flow of ``scene``, which carries each frame onto the next one."""
    (folder / "talk").mkdir(parents=True)
    for time in range(1, NUM_FRAMES):
        flow = np.zeros((2, SIDE, SIDE), np.float32)
        flow[0] = place(time - 1) - place(time)
        np.save(folder / "talk" / f"{time:05d}.npy", flow)
    return folder


MAKE: dict[str, Callable[[Path], Metric]] = {
    "psnr": lambda folder: MeanOverFrames("psnr", 1, "higher", over_frames(psnr)),
    "ssim": lambda folder: MeanOverFrames("ssim", 1, "higher", over_frames(ssim)),
    "lpips": random_lpips,
    "frechet_lite0": lambda folder: make_frechet_lite0(device=CPU),
    "fvd": lambda folder: fvd_on(clip_features, None, device=CPU),
    "warping_error": lambda folder: make_warping_error(make_flow("dis")),
    "flicker": lambda folder: make_flicker(make_flow("dis")),
    "flow_epe": lambda folder: make_end_point_error(exact_flows(folder), make_flow("dis")),
    "landmark_error": lambda folder: make_landmark_error(find_spot, finder="test", driven=None),
}
ALL = tuple(SPOIL)
IN_TIME = ("noise", "shuffling", "a shift in time")
WORSE = {
    "psnr": ALL, "ssim": ALL, "lpips": ALL, "fvd": ALL, "frechet_lite0": ("blur", "noise"),
    "warping_error": IN_TIME, "flicker": IN_TIME, "flow_epe": IN_TIME, "landmark_error": IN_TIME,
}  # fmt: skip


def badness(metric: Metric, fake: Frames) -> float:
    """The figure, turned round where more is better."""
    result = metric.measure([pair_of(fake, scene())], Rules(clip_length=CLIP_LENGTH))
    assert result.value is not None
    return result.value if result.better == "lower" else -result.value


@pytest.mark.parametrize(
    ("name", "what"),
    [
        pytest.param(name, what, marks=pytest.mark.slow if name in ("frechet_lite0", "lpips") else ())
        for name, spoils in WORSE.items()
        for what in spoils
    ],
)
def test_worse_videos_have_worse_figures(name: str, what: str, tmp_path: Path) -> None:
    metric, (spoil, amounts) = MAKE[name](tmp_path), SPOIL[what]
    assert rises(lambda amount: badness(metric, spoil(scene(), amount)), amounts)


def test_a_smooth_video_is_a_steady_one() -> None:
    metric = make_warping_error(make_flow("dis"))
    trembling_scene = noisy(scene(), 0.3)
    assert badness(metric, blurred(trembling_scene, 2)) < badness(metric, trembling_scene), "so psnr stands beside it"


@pytest.mark.slow
def test_a_distance_of_frames_does_not_notice_their_order(tmp_path: Path) -> None:
    metric = MAKE["frechet_lite0"](tmp_path)
    assert badness(metric, shuffled(scene(), 1)) == pytest.approx(0, abs=1e-3)


# a pose is three joined points of the body: nose, neck, shoulder
POSES = [np.array([[24, 8], [24, 24], [12, 24]]) + [place(time), 0] for time in range(NUM_FRAMES)]


def trembling(poses: Sequence[np.ndarray], pixels: float) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [pose + pixels * random.normal(size=pose.shape) for pose in poses]


def swapped(poses: Sequence[np.ndarray], share: float) -> list[np.ndarray]:
    order = [int(number) for number in shuffled([torch.tensor(time) for time in range(NUM_FRAMES)], share)]
    return [poses[number] for number in order]


def behind(poses: Sequence[np.ndarray], number: float) -> list[np.ndarray]:
    return [poses[max(time - int(number), 0)] for time in range(NUM_FRAMES)]


def write_poses(folder: Path, poses: Sequence[np.ndarray]) -> Path:
    (folder / "talk").mkdir(parents=True, exist_ok=True)
    for time, pose in enumerate(poses):
        points = [value for x, y in pose for value in (float(x), float(y), 1.0)]
        people = [{"pose_keypoints_2d": points + [0.0] * (75 - len(points))}]
        (folder / "talk" / f"{time:05d}.json").write_text(json.dumps({"people": people}))
    return folder


@pytest.mark.parametrize("make", [make_pose_drawing_error, make_keypoint_error])
@pytest.mark.parametrize(("spoil", "amounts"), [(trembling, (0, 1, 3)), (swapped, (0, 0.3, 1)), (behind, (0, 1, 2))])
def test_worse_poses_have_worse_figures(
    make: Callable[[Path, Path], MeanOverFrames],
    spoil: Callable[[Sequence[np.ndarray], float], list[np.ndarray]],
    amounts: Sequence[float],
    tmp_path: Path,
) -> None:
    wanted = write_poses(tmp_path / "wanted", POSES)

    def figure(amount: float) -> float:
        return badness(make(write_poses(tmp_path / "found", spoil(POSES, amount)), wanted), scene())

    assert rises(figure, amounts)
