"""PSNR and SSIM of two frames.

Both metrics compare what is written to disk: the frames are rounded to uint8 first, so that the figures are those that
anyone finds again from the PNGs.
"""

import math

import numpy as np
from skimage.metrics import structural_similarity
from torch import Tensor

from util.media.pictures import to_uint8

# Identical frames: a finite figure, since JSON knows no infinity. One step in one value of an 8K frame gives less.
PSNR_OF_IDENTICAL_FRAMES = 100.0
# Luma of R, G and B (ITU-R BT.601), the one that video codecs and the usual SSIM programs compare.
LUMA = np.array([0.299, 0.587, 0.114])
# The Gaussian window of SSIM: 3.5 sigma to each side, sigma 1.5.
SSIM_WINDOW = 11


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio of two RGB frames, over all pixels and channels at once.

    Args:
        a: a frame [3, H, W] in [-1, 1].
        b: the other one, of the same shape.

    Returns:
        Decibel, higher is closer; the data range is 255 after rounding to uint8. 100 for identical frames.

    Raises:
        ValueError: the frames differ in shape, are no RGB frames, or hold a value that is not finite.
    """
    first, second = _pictures(a, b)
    error = float(np.mean((first - second) ** 2))
    if error == 0:
        return PSNR_OF_IDENTICAL_FRAMES
    return min(10 * math.log10(255**2 / error), PSNR_OF_IDENTICAL_FRAMES)


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity of two RGB frames, of their luma (Wang et al. 2004: Gaussian window, sigma 1.5).

    Args:
        a: a frame [3, H, W] in [-1, 1], each side at least 11 pixels.
        b: the other one, of the same shape.

    Returns:
        The mean over the frame, at most 1, which identical frames get; the data range is 255 after rounding to uint8.

    Raises:
        ValueError: the frames differ in shape, are too small, no RGB frames, or hold a value that is not finite.
    """
    first, second = _pictures(a, b)
    if min(first.shape[:2]) < SSIM_WINDOW:
        raise ValueError(f"expected frames of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels, got {first.shape[:2]}")
    return float(
        structural_similarity(
            first @ LUMA, second @ LUMA, data_range=255.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def _pictures(a: Tensor, b: Tensor) -> tuple[np.ndarray, np.ndarray]:
    if a.shape != b.shape:
        raise ValueError(f"expected two frames of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    return to_uint8(a).astype(np.float64), to_uint8(b).astype(np.float64)
