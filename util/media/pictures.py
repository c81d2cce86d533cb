"""Pictures for people: frames and semantic maps as RGB, and picture files written whole.

Most functions turn one float tensor into one picture, uint8 [H, W, 3] in RGB, ready for a PNG or a video.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from scipy.ndimage import binary_dilation
from skimage.color import hsv2rgb
from torch import Tensor

from util.files import atomic_write

JPEG_QUALITY = 90
# How quickly a face curve's glow fades, as a share of the farthest distance in the map.
GLOW_SHARE = 0.09
# Where a colour wheel goes once round while neighbours stay easy to tell apart.
GOLDEN_ANGLE = 0.61803399


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write ``picture`` whole or not at all; the suffix of ``path`` chooses the format.

    Args:
        path: of the file.
        picture: uint8 [H, W, 3] or [H, W], or numbers, uint16 [H, W], for a PNG.

    Raises:
        ValueError: another type or shape.
    """
    types = (np.uint8, np.uint16) if picture.ndim == 2 else (np.uint8,)
    if picture.dtype not in types or not (picture.ndim == 2 or picture.ndim == 3 and picture.shape[2] == 3):
        raise ValueError(f"expected uint8 [H, W, 3] or [H, W], got {picture.dtype} {list(picture.shape)}")
    # JPEG: quality 95 without thinning the colours, since these are frames to learn from, not to look at
    settings = {"quality": 95, "subsampling": 0} if path.suffix.lower() in (".jpg", ".jpeg") else {"compress_level": 4}
    with atomic_write(path) as scratch:
        Image.fromarray(picture).save(scratch, **settings)  # type: ignore[arg-type]


def jpeg_of(*pictures: np.ndarray) -> bytes:
    """Pictures of one size, uint8 [H, W, 3] RGB, side by side as a JPEG file to look at."""
    whole = cv2.cvtColor(np.hstack(pictures), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def to_uint8(frame: Tensor) -> np.ndarray:
    """The frame as it is written to disk: rounded to the nearest of 256 steps.

    Args:
        frame: an RGB frame [3, H, W] in [-1, 1]; what lies outside is clipped.

    Returns:
        The picture, uint8 [H, W, 3]. A picture turned into [-1, 1] and back is unchanged.

    Raises:
        ValueError: the shape is another one, or a value is not finite.
    """
    if frame.ndim != 3 or frame.shape[0] != 3:
        raise ValueError(f"expected a frame of shape (3, height, width), got {tuple(frame.shape)}")
    frame = frame.detach().float()
    if not torch.isfinite(frame).all():
        raise ValueError("expected a frame of finite values, found NaN or infinity in it")
    steps = ((frame + 1) * 127.5).round().clamp(0, 255)
    return steps.byte().permute(1, 2, 0).contiguous().cpu().numpy()


def semantic_to_rgb(semantic: Tensor) -> np.ndarray:
    """Show a drawing of a face or a body; which it is, is told by its channels.

    Args:
        semantic: one frame [C, H, W] as the data sets encode it:
            1 channel: an edge map in [0, 1];
            3 channels: a drawing in [-1, 1] (OpenPose or DensePose);
            6 channels: DensePose and OpenPose drawings in [-1, 1], the second laid over the dimmed first;
            others: the face's edge map and the distance to each of its curves, all in [0, 1].
            Labels have ``labels_to_rgb``.

    Returns:
        The picture, uint8 [H, W, 3].

    Raises:
        ValueError: the tensor has no channels or is not [C, H, W].
    """
    if semantic.ndim != 3 or semantic.shape[0] == 0:
        raise ValueError(f"expected a semantic frame of shape (channels, height, width), got {tuple(semantic.shape)}")
    semantic = semantic.detach().float().cpu()
    channels = semantic.shape[0]
    if channels == 1:
        return to_uint8(semantic.expand(3, -1, -1) * 2 - 1)
    if channels == 3:
        return to_uint8(semantic)
    if channels == 6:
        return _drawing_over_drawing(to_uint8(semantic[:3]), to_uint8(semantic[3:]))
    return _face_to_rgb(semantic.numpy())


def _hsv_to_rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    return np.rint(hsv2rgb(np.stack((hue, saturation, value), axis=-1)) * 255).astype(np.uint8)


def palette(num_labels: int) -> np.ndarray:
    """One colour per label, uint8 [num_labels, 3]: neighbouring labels differ, label k always looks the same."""
    label = np.arange(num_labels)
    hue = label * GOLDEN_ANGLE % 1
    return _hsv_to_rgb(hue, np.where(label % 2, 0.45, 0.65), np.where(label % 3, 0.90, 0.68))


def labels_to_rgb(semantic: Tensor, *, colours: np.ndarray) -> np.ndarray:
    """Show one-hot labels, each in its colour; unlabelled pixels are black, instance edges white.

    Args:
        semantic: one frame [C, H, W] of zeros and ones: the labels, and a last channel of instance edges if there is
            one more channel than colours.
        colours: one a label, uint8 [N, 3].

    Returns:
        The picture, uint8 [H, W, 3].

    Raises:
        ValueError: the tensor is not [N or N + 1, H, W].
    """
    if semantic.ndim != 3 or semantic.shape[0] - len(colours) not in (0, 1):
        raise ValueError(f"expected labels of shape ({len(colours)} or one more, H, W), got {tuple(semantic.shape)}")
    semantic = semantic.detach().float().cpu()
    labels, edges = semantic[: len(colours)], semantic[len(colours) :]
    picture = colours[labels.argmax(dim=0).numpy()]
    picture[(labels.sum(dim=0) == 0).numpy()] = 0
    picture[(edges.sum(dim=0) > 0).numpy()] = 255
    return picture


def _face_to_rgb(face: np.ndarray) -> np.ndarray:
    """Edges [0] in white over a glow around each curve [1:], every curve in its own hue on night blue."""
    edges, distances = face[0], face[1:]
    glow = np.exp(-distances / max(GLOW_SHARE * float(distances.max()), 1e-6))
    # no pixel lies on every curve: this is the padding outside the original frame, and resizing mixed its neighbours
    is_outside = binary_dilation(distances.max(axis=0) == 0, np.ones((3, 3)))
    glow[:, is_outside] = 0
    hue = (np.arange(len(distances)) / len(distances) + 0.56) % 1  # the outline of the face, curve 0, is azure
    colours = _hsv_to_rgb(hue, np.full_like(hue, 0.65), np.ones_like(hue)) / 255
    # the nearest curve decides the hue and its distance the brightness, so that crossing glows do not turn white
    nearness = glow**4
    shade = np.einsum("chw,ck->hwk", nearness, colours) / np.maximum(nearness.sum(axis=0), 1e-12)[..., None]
    night = np.array([0.04, 0.05, 0.10])
    strength = 0.75 * glow.max(axis=0)[..., None]
    picture = night * (1 - strength) + shade * strength
    # resizing thins the one-pixel edges to grey: brighten them again
    line = np.clip(edges * 1.8, 0, 1)[..., None]
    return np.rint((picture * (1 - line) + line) * 255).astype(np.uint8)


def _drawing_over_drawing(under: np.ndarray, over: np.ndarray) -> np.ndarray:
    is_drawn = over.max(axis=-1, keepdims=True) > 8
    return np.where(is_drawn, over, under // 2)
