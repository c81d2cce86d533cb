"""Street and paired datasets so small that a training on them takes seconds: a car drives through bands of labels."""

from pathlib import Path

import numpy as np

from util.media.pictures import write_picture

SKY, BUILDING, ROAD, CAR = 23, 11, 7, 26
COLOURS = {SKY: (70, 130, 240), BUILDING: (130, 90, 70), ROAD: (90, 90, 90), CAR: (200, 30, 30)}
SIZE = (48, 96)

TINY = [
    *("--loadSize", "64", "--ngf", "4", "--n_blocks", "2", "--n_downsample_G", "2", "--ndf", "4", "--n_layers_D", "2"),
    *("--n_frames_total", "3", "--frames_per_step", "3", "--n_scales_temporal", "1", "--perceptual", "none"),
    *("--niter", "1", "--niter_decay", "0", "--steps_per_epoch", "1", "--max_clip_frames", "3", "--affine", "1"),
    *("--lambda_pixel", "10", "--nThreads", "0", "--device", "cpu", "--print_freq", "1", "--display_freq", "1"),
]


def tiny_labels(frame: int, *, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Sky, buildings, a road, and a car that moves two pixels a frame; uint8 [H, W] of Cityscapes ids."""
    height, width = size
    labels = np.full(size, SKY, np.uint8)
    labels[height // 4 :] = BUILDING
    labels[height // 2 :] = ROAD
    left = width // 8 + 2 * frame
    labels[height // 2 : 3 * height // 4, left : left + width // 4] = CAR
    return labels


def tiny_instances(labels: np.ndarray) -> np.ndarray:
    """Ids as Cityscapes has them, uint16 [H, W]: the label, and label * 1000 + number for cars."""
    return np.where(labels == CAR, np.uint16(CAR * 1000 + 3), labels)


def painted(labels: np.ndarray) -> np.ndarray:
    """The scene in flat colours, uint8 [H, W, 3]."""
    colours = np.zeros((256, 3), np.uint8)
    for label, colour in COLOURS.items():
        colours[label] = colour
    return colours[labels]


def write_tiny_street(root: Path, *, phase: str, num_frames: int, name: str = "drive", older: bool = False) -> Path:
    """Write one sequence in vid2vid's newer or older folders; returns ``root``."""
    folders = [root / part / phase for part in ("A", "B", "Inst")]
    if older:
        folders = [root / f"{phase}_{part}" for part in ("A", "B", "inst")]
    for frame in range(num_frames):
        labels = tiny_labels(frame)
        for folder, picture in zip(folders, (labels, painted(labels), tiny_instances(labels)), strict=True):
            write_picture(folder / name / f"{frame:05d}.png", picture)
    return root


def write_tiny_paired(root: Path, *, phase: str, num_frames: int, name: str = "drive") -> Path:
    """Write one sequence of grey pictures and their colours; returns ``root``."""
    for frame in range(num_frames):
        picture = painted(tiny_labels(frame))
        write_picture(root / "A" / phase / name / f"{frame:05d}.png", picture.mean(axis=2).astype(np.uint8))
        write_picture(root / "B" / phase / name / f"{frame:05d}.png", picture)
    return root
