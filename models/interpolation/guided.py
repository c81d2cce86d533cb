"""Guided motion compensation: the semantic frames between two key-frames are known, so motion is not only guessed.

Flow between two key-frames says where things went, not when: straight motion at constant speed is assumed. The
semantic frames of the dropped times say where everything is at those times, but only where they have outlines. So three
answers are drawn up for every dropped frame, and each pixel is taken from those that fit best:

- the image flow between the key-frames, scaled to the time;
- the flow between the semantic frame of the time and those of both key-frames;
- the image flow, pulled to the semantic flow near outlines.

Not in the paper. docs/inference.md has the figures.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from models.flow.dis import DenseInverseSearch
from models.interpolation.base import SMALLEST_SIDE, check_neighbours, nearest
from models.interpolation.cuts import HoldAcrossCuts, is_cut
from models.interpolation.motion_compensation import FlowBothWays, MotionCompensation, flow_both_ways, straight_flows

# grey levels, and squared ones: below these, differences of guides and of frames are noise
_NEGLIGIBLE_MISMATCH, _NEGLIGIBLE_DISAGREEMENT = 4.0, 20.0
# pixels: of the window in which answers are judged, at half resolution; and of the blur that carries a correction away
# from outlines
_WINDOW, _REACH = 5, 4.0
# squared gradient of an outline that is believed in full, in steps of Sobel's filter; and what counts as no outline
_CLEAR_OUTLINE, _NO_OUTLINE = 1e4, 0.02
_GOLDEN_RATIO = 0.61803399
_NONE = np.empty(0, np.float32)  # OpenCV's second map, where the first one holds x and y


def guide_picture(semantic: Tensor, *, kind: str) -> np.ndarray:
    """A semantic frame as a grey picture in which things can be followed.

    Args:
        semantic: [C, H, W] as networks see it.
        kind: ``face``: edges, and distances to the face's curves; ``street``: one-hot labels, and edges of instances;
            otherwise any picture in [-1, 1].

    Returns:
        uint8 [H, W].
    """
    planes = semantic.detach().float().cpu().numpy()
    if kind == "face":
        grey = 0.5 * cv2.GaussianBlur(planes[0], (0, 0), 1.0)  # lines a pixel wide have no gradient to follow
        if len(planes) > 1:
            grey += 0.6 * planes[1:].mean(axis=0)
        return (255 * grey).clip(0, 255).astype(np.uint8)
    if kind == "street":
        # greys far apart for labels that follow one another; where several are on, as on edges, their mean
        greys = (30 + 195 * (np.arange(1, len(planes) + 1) * _GOLDEN_RATIO % 1)).astype(np.float32)
        count = np.maximum(planes.sum(axis=0), 1)
        return (np.tensordot(greys, planes, axes=1) / count).clip(0, 255).astype(np.uint8)
    return ((planes.mean(axis=0) + 1) * 127.5).clip(0, 255).astype(np.uint8)


class GuidedMotion:
    """Motion compensation that knows the semantic frames in between; without guides it is "dis".

    On the CPU, wherever the frames are.
    """

    def __init__(self, *, kind: str, holds_cuts: bool = True) -> None:
        """Args: the kind of data, as in ``guide_picture``; whether it looks for cuts, where nothing is to be moved."""
        self.kind = kind
        self.holds_cuts = holds_cuts
        self.image_flows: FlowBothWays = flow_both_ways(DenseInverseSearch(patch_stride=5))
        self.unguided = HoldAcrossCuts(MotionCompensation(self.image_flows))

    def guide(self, semantic: Tensor) -> np.ndarray:
        """The picture of a semantic frame [C, H, W] that motion is searched in, uint8 [H, W]."""
        return guide_picture(semantic, kind=self.kind)

    def __call__(
        self, first: Tensor, last: Tensor, times: Sequence[float], guides: Sequence[np.ndarray] = ()
    ) -> Tensor:
        """See ``Interpolator``; cuts are held.

        Args:
            first, last, times: as there.
            guides: those of ``first``, of all ``times``, and of ``last``; or none.

        Raises:
            ValueError: also when there is not a guide of the frames' size for every frame.
        """
        check_neighbours(first, last, times)
        if not guides or min(first.shape[1:]) < SMALLEST_SIDE:
            return self.unguided(first, last, times)
        if len(guides) != len(times) + 2 or any(guide.shape != first.shape[1:] for guide in guides):
            shapes = [guide.shape for guide in guides]
            raise ValueError(f"expected {len(times) + 2} guides of size {tuple(first.shape[1:])}, got {shapes}")
        if self.holds_cuts and is_cut(first, last):
            return nearest(first, last, times)
        start, end = (_End(_as_array(frame), guide) for frame, guide in ((first, guides[0]), (last, guides[-1])))
        forward, backward = self.image_flows(torch.from_numpy(start.frame), torch.from_numpy(end.frame))
        frames = first.new_empty(len(times), *first.shape)
        grid = _pixel_grid(start.guide)
        for frame, time, guide in zip(frames, times, guides[1:-1], strict=True):
            image_flow = Flows(*(flow.numpy() for flow in straight_flows(forward, backward, time)))
            semantic_flow = guide_flows(start.guide, guide, end.guide)
            answers = (image_flow, semantic_flow, corrected(image_flow, semantic_flow, guide))
            mixed, so_far = _answer(start, end, Flows(*(flow + grid for flow in answers[0])), guide, time)
            for flows in answers[1:]:
                moved, fit = _answer(start, end, Flows(*(flow + grid for flow in flows)), guide, time)
                so_far += fit
                share = cv2.resize(fit / so_far, guide.shape[::-1], interpolation=cv2.INTER_LINEAR)
                cv2.blendLinear(moved, mixed, share, 1 - share, dst=mixed)
            np.clip(mixed, -1, 1, out=mixed)
            frame.copy_(torch.from_numpy(mixed).permute(2, 0, 1))
        return frames


class Flows(NamedTuple):
    """How many pixels further each pixel of a frame is found in its neighbours, [H, W, 2] each, x then y."""

    to_start: np.ndarray
    to_end: np.ndarray


def guide_flows(start: np.ndarray, guide: np.ndarray, end: np.ndarray) -> Flows:
    """The flows from one guide to those of both key-frames; uint8 [H, W] each, sides of at least 12 pixels."""
    search = DenseInverseSearch(patch_stride=4).search
    return Flows(search(guide, start), search(guide, end))


def corrected(flows: Flows, semantic: Flows, guide: np.ndarray) -> Flows:
    """Pull ``flows`` to the ``semantic`` ones where the guide has outlines; away from them the correction fades.

    A smooth field of the differences found on outlines, weighted by how clear they are (normalised convolution), made
    at half resolution.
    """
    height, width = guide.shape
    half = (-(-width // 2), -(-height // 2))
    gradient = (cv2.Sobel(guide, cv2.CV_32F, 1, 0), cv2.Sobel(guide, cv2.CV_32F, 0, 1))
    strength = cv2.resize(cv2.magnitude(*gradient) ** 2, half, interpolation=cv2.INTER_AREA)
    outline = np.minimum(strength, _CLEAR_OUTLINE) / _CLEAR_OUTLINE
    reached = cv2.GaussianBlur(outline, (0, 0), _REACH / 2) + _NO_OUTLINE

    def pulled(flow: np.ndarray, exact: np.ndarray) -> np.ndarray:
        difference = cv2.resize(exact - flow, half, interpolation=cv2.INTER_AREA)
        field = cv2.GaussianBlur(outline[..., None] * difference, (0, 0), _REACH / 2) / reached[..., None]
        return flow + cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)

    return Flows(pulled(flows.to_start, semantic.to_start), pulled(flows.to_end, semantic.to_end))


class _End(NamedTuple):
    """A key-frame, float32 [H, W, 3] in [-1, 1], and its guide."""

    frame: np.ndarray
    guide: np.ndarray


def _answer(start: _End, end: _End, positions: Flows, guide: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
    """What both key-frames, sampled at ``positions``, make of the frame, [H, W, 3], and how well that fits.

    It fits where both key-frames show the same colours, and their guides, moved alike, are the guide of this time.
    Every second pixel of every second row is judged: [H / 2, W / 2], rounded up.
    """
    moved, mismatches = [], []
    for key, place in ((start, positions.to_start), (end, positions.to_end)):
        moved.append(cv2.remap(key.frame, place, _NONE, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
        # rounded to 1/32 pixel: at hard outlines smaller shifts would pass for mismatches, which costs up to 0.5 dB
        few = cv2.convertMaps(np.ascontiguousarray(place[::2, ::2]), _NONE, cv2.CV_16SC2)
        known = cv2.remap(key.guide, *few, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mismatches.append(cv2.absdiff(known, guide[::2, ::2]))
    mismatch = cv2.addWeighted(mismatches[0], 1 - time, mismatches[1], time, 0, dtype=cv2.CV_32F)
    difference = cv2.subtract(moved[0][::2, ::2], moved[1][::2, ::2])
    disagreement = cv2.transform(difference * difference, np.full((1, 3), 127.5**2 / 3, np.float32))
    window = (_WINDOW, _WINDOW)
    mismatch, disagreement = cv2.blur(mismatch, window), cv2.blur(disagreement, window)
    fit = 1 / ((disagreement + _NEGLIGIBLE_DISAGREEMENT) * (mismatch + _NEGLIGIBLE_MISMATCH) ** 2)
    return cv2.addWeighted(moved[0], 1 - time, moved[1], time, 0, dst=moved[0]), fit


def _pixel_grid(picture: np.ndarray) -> np.ndarray:
    """The position of every pixel of ``picture`` [H, W], float32 [H, W, 2], x then y."""
    height, width = picture.shape
    return np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)), axis=-1)


def _as_array(frame: Tensor) -> np.ndarray:
    """[3, H, W] -> float32 [H, W, 3] on the CPU."""
    return frame.detach().float().permute(1, 2, 0).contiguous().cpu().numpy()
