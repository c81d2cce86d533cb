"""A face dataset so small that a training on it takes seconds: real landmarks, made-up pictures."""

from pathlib import Path

import numpy as np

from data.samples.face import sample_landmarks
from util.media.pictures import write_picture

SHRINK = 4
SIZE = (108, 132)

TINY = [
    *("--loadSize", "32", "--ngf", "4", "--n_blocks", "2", "--n_downsample_G", "2", "--ndf", "4", "--n_layers_D", "2"),
    *("--n_frames_total", "4", "--frames_per_step", "2", "--frames_backpropagate", "2", "--perceptual", "none"),
    *("--niter", "3", "--niter_decay", "3", "--niter_step", "2", "--steps_per_epoch", "1", "--max_clip_frames", "8"),
    *("--lambda_pixel", "10", "--given_noise", "0.05", "--affine", "1", "--nThreads", "0", "--device", "cpu"),
    *("--print_freq", "2", "--display_freq", "3", "--save_latest_freq", "2"),
]
STUDENT = ["--netG", "sr_mobile_composite", "--low_demand"]


def write_tiny_face(root: Path, *, phase: str, num_frames: int, name: str = "talk", first: int = 0) -> Path:
    """Write ``num_frames`` frames of one sequence; returns ``root``."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (9, 11, 3))
    texture = np.kron(coarse, np.ones((SHRINK * 3, SHRINK * 3, 1)))
    landmarks = sample_landmarks() / SHRINK
    keypoints = root / f"{phase}_keypoints" / name
    keypoints.mkdir(parents=True)
    for number in range(num_frames):
        shifted = np.roll(texture, number, axis=1)[: SIZE[0], : SIZE[1]].astype(np.uint8)
        write_picture(root / f"{phase}_img" / name / f"{number:05d}.png", shifted)
        lines = "".join(f"{x:.2f},{y:.2f}\n" for x, y in landmarks[first + number])
        (keypoints / f"{number:05d}.txt").write_text(lines)
    return root
