"""Face datasets that a test makes in milliseconds: a face of known landmarks drifts over a noisy background."""

from pathlib import Path

import numpy as np

from data.kinds.face import landmarks_as_text
from util.files import write_text
from util.media.pictures import write_picture


def synthetic_points(*, center: tuple[float, float] = (60.0, 60.0), width: float = 40.0) -> np.ndarray:
    """68 landmarks [68, 2] laid out like a frontal face, ``width`` pixels wide."""

    def arc(x0: float, x1: float, y0: float, bend: float, count: int) -> list[tuple[float, float]]:
        share = np.linspace(0, 1, count)
        return list(zip(x0 + (x1 - x0) * share, y0 + bend * np.sin(np.pi * share), strict=True))

    face = arc(-0.5, 0.5, 0.0, 0.55, 17)
    brows = arc(-0.38, -0.1, -0.15, -0.06, 5) + arc(0.1, 0.38, -0.15, -0.06, 5)
    nose = [(0.0, y) for y in (-0.05, 0.02, 0.09, 0.16)] + arc(-0.1, 0.1, 0.18, 0.04, 5)
    eyes = []
    for x in (-0.24, 0.24):
        eyes += [
            (x - 0.08, 0.0),
            (x - 0.03, -0.04),
            (x + 0.03, -0.04),
            (x + 0.08, 0.0),
            (x + 0.03, 0.03),
            (x - 0.03, 0.03),
        ]
    mouth = arc(-0.17, 0.17, 0.32, -0.06, 7) + arc(0.17, -0.17, 0.32, 0.1, 7)[1:-1]
    mouth += arc(-0.12, 0.12, 0.32, -0.03, 5) + arc(0.12, -0.12, 0.32, 0.05, 5)[1:-1]
    return np.array(face + brows + nose + eyes + mouth) * width + center


def write_face_dataset(
    root: Path,
    *,
    phase: str = "train",
    lengths: tuple[int, ...] = (8,),
    size: tuple[int, int] = (120, 140),
    with_images: bool = True,
    noise: int = 255,
) -> Path:
    """Write sequences ``s0``, ``s1``, ... with the contract's folders; returns ``root``."""
    rng = np.random.default_rng(0)
    for number, length in enumerate(lengths):
        for frame in range(length):
            points = synthetic_points(center=(66.0 + frame, 62.0 + 0.5 * frame))
            write_text(root / f"{phase}_keypoints" / f"s{number}" / f"{frame:05d}.txt", landmarks_as_text(points))
            if with_images:
                picture = rng.integers(0, noise, (*size, 3), dtype=np.uint8, endpoint=True)
                write_picture(root / f"{phase}_img" / f"s{number}" / f"{frame:05d}.png", picture)
    return root
