"""Guided motion compensation: the semantic frames between two key-frames are known, so motion is not only guessed.

Flow between two key-frames says where things went, not when: straight motion at constant speed is assumed. The
semantic frames of the dropped times say where everything is at those times, but only where they have outlines. So three
flows are found for every dropped frame, and each pixel follows those that fit best:

- the image flow between the key-frames, scaled to the time;
- the flow between the semantic frame of the time and those of both key-frames;
- the image flow, pulled to the semantic flow near outlines.

Flows are found at half the resolution, the image flow of faces at a quarter, and judged at a quarter. The search
between semantic frames begins at the flow of the dropped frame before, or at the image flow. The third flow lies
between the other two and is merged into them. Where these two nearly agree they become one, so that only a part of the
picture has a second answer.

Not in the paper. docs/inference.md has the figures.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from models.flow.dis import DenseInverseSearch
from models.interpolation.base import SMALLEST_SIDE, Guide, check_neighbours, nearest
from models.interpolation.cuts import HoldAcrossCuts, is_cut
from models.interpolation.guided_in_torch import guide_on_device, guided_on_device
from models.interpolation.guided_rule import (
    CLEAR_OUTLINE,
    GOLDEN_RATIO,
    NEGLIGIBLE_DISAGREEMENT,
    NEGLIGIBLE_MISMATCH,
    NO_OUTLINE,
    REACH,
    WINDOW,
)
from models.interpolation.motion_compensation import FlowBothWays, MotionCompensation, flow_both_ways, straight_flows

# squared pixels between flows that count as the same
_SAME_FLOW = 1e-3
# squared pixels between flows that are as much one motion as two
_NEAR_FLOW = 0.3
# squared pixels that are as much noise as motion
_NO_MOTION = np.float32(0.01)
_MEAN_COLOUR = np.array([[1 / 3, 1 / 3, 1 / 3, 0]], np.float32)  # of red, green, blue and a guide


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
        greys = (30 + 195 * (np.arange(1, len(planes) + 1) * GOLDEN_RATIO % 1)).astype(np.float32)
        count = np.maximum(planes.sum(axis=0), 1)
        return (np.tensordot(greys, planes, axes=1) / count).clip(0, 255).astype(np.uint8)
    return ((planes.mean(axis=0) + 1) * 127.5).clip(0, 255).astype(np.uint8)


class GuidedMotion:
    """Motion compensation that knows the semantic frames in between; without guides it is "dis".

    Frames on CUDA stay there (``guided_in_torch``), all others are moved on the CPU.

    Attributes:
        image_flows: the flows between key-frames, given and wanted at ``working_size``.
    """

    def __init__(self, *, kind: str, holds_cuts: bool = True) -> None:
        """Args: the kind of data, as in ``guide_picture``; whether it looks for cuts, where nothing is to be moved."""
        self.kind = kind
        self.holds_cuts = holds_cuts
        # faces move little and smoothly; at a quarter of the resolution thin limbs lose 0.8 dB
        stride, finest_scale = (3, 1) if kind == "face" else (5, 0)
        search = DenseInverseSearch(patch_stride=stride, finest_scale=finest_scale)
        self.image_flows: FlowBothWays = flow_both_ways(search, mirrored=True)
        self.unguided = HoldAcrossCuts(MotionCompensation(flow_both_ways(DenseInverseSearch(patch_stride=5))))

    def guide(self, semantic: Tensor) -> Guide:
        """The picture of a semantic frame [C, H, W] that motion is searched in, [H, W]; on CUDA where that is."""
        if semantic.device.type == "cuda":
            return guide_on_device(semantic, kind=self.kind)
        return guide_picture(semantic, kind=self.kind)

    def __call__(self, first: Tensor, last: Tensor, times: Sequence[float], guides: Sequence[Guide] = ()) -> Tensor:
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
        on_device = [guide for guide in guides if isinstance(guide, Tensor)]
        if on_device:
            return guided_on_device(first, last, times, on_device, holds_cuts=self.holds_cuts)
        pictures = [guide for guide in guides if isinstance(guide, np.ndarray)]
        return self._on_cpu(first, last, times, pictures)

    def _on_cpu(self, first: Tensor, last: Tensor, times: Sequence[float], guides: Sequence[np.ndarray]) -> Tensor:
        small = [shrunk(guide) for guide in guides]
        start, end = _End.of(first, small[0]), _End.of(last, small[-1])
        pictures = [torch.from_numpy(one.small) for one in (start, end)]
        if self.holds_cuts and is_cut(*(picture.permute(2, 0, 1) / 127.5 - 1 for picture in pictures)):
            return nearest(first, last, times)
        forward, backward = self.image_flows(*pictures)
        forward, backward = (flow.permute(2, 0, 1).contiguous() for flow in (forward, backward))
        canvas, grid = _Canvas(start, end), np.tile(_pixel_grid(*small[0].shape), (2, 1, 1))[:, ::2, ::2]
        frames = torch.empty(len(times), *start.colours.shape)
        earlier: tuple[float, np.ndarray] | None = None
        for frame, time, guide in zip(frames, times, small[1:-1], strict=True):
            image_flow = straight_flows(forward, backward, time).flatten(0, 1).numpy()
            guess = image_flow if earlier is None else _at_time(time, *earlier)
            semantic_flow = guide_flows(small[0], guide, small[-1], kind=self.kind, guess=guess)
            earlier = time, semantic_flow
            flows = (image_flow, semantic_flow, corrected(image_flow, semantic_flow, guide))
            fits = [_fit(start, end, flow[:, ::2, ::2] + grid, guide, time) for flow in flows]
            canvas.draw(*_merged(flows, fits), time, out=frame.numpy())
        # the frames stay [H, W, 3] in memory, as pictures are written
        return frames.permute(0, 3, 1, 2).to(first.device, first.dtype)


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which flows are found and judged: half of ``size``, unless that were too small to search."""
    height, width = size
    return (height, width) if min(size) < 2 * SMALLEST_SIDE else (-(-height // 2), -(-width // 2))


def shrunk(picture: np.ndarray) -> np.ndarray:
    """Means over areas of a picture [H, W, ...], at ``working_size``."""
    height, width = working_size(picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def guide_flows(start: np.ndarray, guide: np.ndarray, end: np.ndarray, *, kind: str, guess: np.ndarray) -> np.ndarray:
    """How many pixels further each pixel of a guide is found in those of both key-frames.

    Args:
        start, guide, end: uint8 [H, W], sides of at least 12 pixels.
        kind: of data. Flat labels want a longer search than others, and faces move least.
        guess: where the search begins, as what is returned.

    Returns:
        float32 [4, H, W]: x, y into ``start``, then into ``end``.
    """
    iterations = {"face": 4, "street": 8}.get(kind, 6)
    # the brightness of a guide means something, and it is cheaper to compare
    search = DenseInverseSearch(patch_stride=5, finest_scale=0, iterations=iterations, ignores_brightness=False)
    to_start = search.search(guide, start, guess=cv2.merge([*guess[:2]]))
    to_end = search.search(guide, end, guess=cv2.merge([*guess[2:]]))
    return np.stack((*cv2.split(to_start), *cv2.split(to_end)))


def _at_time(time: float, known_time: float, flow: np.ndarray) -> np.ndarray:
    """What the flow of a ``known_time``, as in ``guide_flows``, is at another ``time`` if motion is straight."""
    to_start, to_end = time / known_time, (1 - time) / (1 - known_time)
    return flow * np.array([to_start, to_start, to_end, to_end], np.float32)[:, None, None]


def corrected(flow: np.ndarray, semantic: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """Pull ``flow`` to the ``semantic`` one where the guide has outlines; away from them the correction fades.

    A smooth field of the differences found on outlines, weighted by how clear they are (normalised convolution), made
    at half the resolution of these. Flows are as in ``guide_flows``.
    """
    height, width = guide.shape

    def smooth(plane: np.ndarray) -> np.ndarray:
        half = cv2.resize(plane, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(half, (0, 0), REACH / 4)

    strength = cv2.magnitude(cv2.Sobel(guide, cv2.CV_32F, 1, 0), cv2.Sobel(guide, cv2.CV_32F, 0, 1)) ** 2
    outline = np.minimum(strength, CLEAR_OUTLINE) / CLEAR_OUTLINE
    reached = smooth(outline) + NO_OUTLINE
    fields = (smooth(plane) / reached for plane in outline * (semantic - flow))
    return flow + [cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR) for field in fields]


class _End(NamedTuple):
    """A key-frame, [H, W, 3], the same at ``working_size``, and that with the guide, [h, w, 4]; all uint8."""

    colours: np.ndarray
    small: np.ndarray
    judged: np.ndarray

    @classmethod
    def of(cls, frame: Tensor, guide: np.ndarray) -> "_End":
        """Of a key-frame [3, H, W] and its guide, [h, w]."""
        picture = frame.detach().float().permute(1, 2, 0).contiguous().cpu().numpy()
        colours = cv2.convertScaleAbs(picture, alpha=127.5, beta=127.5)
        small = shrunk(colours)
        return cls(colours, small, np.dstack((small, guide)))


def _fit(start: _End, end: _End, positions: np.ndarray, guide: np.ndarray, time: float) -> np.ndarray:
    """How well a flow fits each pixel of ``guide`` [h, w], judged at every second pixel of every second row.

    It fits where both key-frames show the same colours, and their guides, moved alike, are the guide of this time.

    Args:
        start, end: the key-frames.
        positions: where it leads from those pixels, [4, h / 2, w / 2].
        guide: of this time.
        time: in (0, 1).
    """
    height, width = guide.shape
    guide = np.ascontiguousarray(guide[::2, ::2])
    moved = [
        cv2.remap(one.judged, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for one, (x, y) in ((start, positions[:2]), (end, positions[2:]))
    ]
    mismatches = [cv2.absdiff(cv2.extractChannel(one, 3), guide) for one in moved]
    mismatch = cv2.addWeighted(mismatches[0], 1 - time, mismatches[1], time, 0, dtype=cv2.CV_32F)
    difference = cv2.absdiff(*moved)
    disagreement = cv2.transform(cv2.multiply(difference, difference, dtype=cv2.CV_32F), _MEAN_COLOUR)
    window = (WINDOW, WINDOW)
    mismatch, disagreement = cv2.blur(mismatch, window), cv2.blur(disagreement, window)
    fit = 1 / ((disagreement + NEGLIGIBLE_DISAGREEMENT) * (mismatch + NEGLIGIBLE_MISMATCH) ** 2)
    return cv2.resize(fit, (width, height), interpolation=cv2.INTER_LINEAR)


def _merged(flows: Sequence[np.ndarray], fits: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image flow, semantic flow and corrected flow as two flows, and the share of the second one, [h, w].

    The corrected flow goes to the nearer of the others. Answers of flows that differ have to be mixed as colours: one
    flow of all three costs 0.5 dB, these two cost 0.03 (tried on a part of our videos). Where they nearly agree, the
    second one is taken into the first: two samples of sharp frames, a little apart, would blur.
    """
    image_flow, semantic_flow, between = flows
    to_image, to_semantic = between - image_flow, between - semantic_flow
    from_image, from_semantic = (_squared(step) + _SAME_FLOW for step in (to_image, to_semantic))
    of_image = fits[2] * from_semantic / (from_image + from_semantic)
    of_semantic = fits[2] - of_image
    first, second = fits[0] + of_image, fits[1] + of_semantic
    to_image *= of_image / first
    to_semantic *= of_semantic / second
    flow, other = image_flow + to_image, semantic_flow + to_semantic
    share = second / (first + second)
    apart = other - flow
    taken = share * _NEAR_FLOW / (_squared(apart) + _NEAR_FLOW)
    share -= taken
    apart *= taken / (1 - share)
    return stilled(flow + apart), stilled(other), share


def stilled(flow: np.ndarray) -> np.ndarray:
    """``flow``, [4, h, w], without most of what is too short for motion; changed in place.

    Samples a little beside a pixel blur what stands still.
    """
    ends = flow.reshape(2, 2, *flow.shape[1:])
    squared = np.einsum("echw,echw->ehw", ends, ends)
    ends *= (squared / (squared + _NO_MOTION))[:, None]
    return flow


def _squared(step: np.ndarray) -> np.ndarray:
    """Squared length of both flows together, [4, h, w] -> [h, w]."""
    return np.einsum("chw,chw->hw", step, step)


class _Canvas:
    """Draws frames between two key-frames, with one set of buffers for all.

    Linear samples of key-frames with cubic samples between their pixels are as good as cubic ones, and take a third of
    the time. OpenCV has vector instructions for linear samples of four bytes, so the frames get a fourth colour, which
    is nothing.
    """

    def __init__(self, start: _End, end: _End) -> None:
        """Args: the key-frames."""
        height, width = start.colours.shape[:2]
        self.size = width, height
        self.doubled = [doubled(cv2.cvtColor(one.colours, cv2.COLOR_RGB2RGBA)) for one in (start, end)]
        self.columns, self.rows = (2 * np.arange(side, dtype=np.float32) for side in self.size)
        self.position = np.empty((2, height, width), np.float32)
        self.sample = np.empty((height, width, 4), np.uint8)

    def draw(self, flow: np.ndarray, other: np.ndarray, share: np.ndarray, time: float, *, out: np.ndarray) -> None:
        """Mix what the key-frames make of two flows [4, h, w], by the ``share`` [h, w] of the second.

        Args:
            flow, other, share: as said.
            time: in (0, 1).
            out: the frame, float32 [H, W, 3].
        """
        weight = cv2.resize(share, self.size, interpolation=cv2.INTER_LINEAR)
        cv2.blendLinear(self._answer(other, time), self._answer(flow, time), weight, 1 - weight, dst=out)

    def _answer(self, flow: np.ndarray, time: float) -> np.ndarray:
        """What the key-frames make of one flow [4, h, w], float32 [H, W, 3] in [-1, 1]."""
        colours = []
        for frame, step in zip(self.doubled, (flow[:2], flow[2:]), strict=True):
            self._sample(frame, step, out=self.sample)
            colours.append(cv2.cvtColor(self.sample, cv2.COLOR_RGBA2RGB))
        start, end = colours
        return cv2.addWeighted(start, (1 - time) / 127.5, end, time / 127.5, -1, dtype=cv2.CV_32F)

    def _sample(self, frame: np.ndarray, flow: np.ndarray, *, out: np.ndarray) -> None:
        """A doubled ``frame`` where a flow [2, h, w] points from each pixel of ``out``."""
        ratios = [np.float32(2 * full / half) for full, half in zip(self.size, flow.shape[:0:-1], strict=True)]
        places = self.columns, self.rows[:, None]
        for here, step, ratio, position in zip(places, flow, ratios, self.position, strict=True):
            cv2.resize(step * ratio, self.size, dst=position, interpolation=cv2.INTER_LINEAR)
            position += here
        x, y = self.position
        cv2.remap(frame, x, y, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE)


def doubled(picture: np.ndarray) -> np.ndarray:
    """``picture``, uint8 [H, W, 4], with cubic samples between its pixels: [2 H, 2 W, 4].

    Every second pixel of every second row is its own. A common resize has no sample in the middle of a pixel, and would
    blur what stands still. The cubic filter is a sharp one (a = -1), which makes up for the linear samples that follow.
    """
    height, width = picture.shape[:2]
    half = np.array([[-1, 5, 5, -1]], np.float32) / 8
    # pixels as numbers of four bytes are copied twice as fast
    wide, whole = (np.empty((rows, 2 * width), np.uint32) for rows in (height, 2 * height))
    wide[:, ::2] = _as_numbers(picture)
    wide[:, 1::2] = _as_numbers(cv2.filter2D(picture, -1, half, anchor=(1, 0), borderType=cv2.BORDER_REPLICATE))
    whole[::2] = wide
    wide_picture = wide.view(np.uint8).reshape(height, 2 * width, 4)
    whole[1::2] = _as_numbers(cv2.filter2D(wide_picture, -1, half.T, anchor=(0, 1), borderType=cv2.BORDER_REPLICATE))
    return whole.view(np.uint8).reshape(2 * height, 2 * width, 4)


def _as_numbers(picture: np.ndarray) -> np.ndarray:
    """A picture, uint8 [H, W, 4], with a number for each pixel: uint32 [H, W], of the same memory."""
    return picture.view(np.uint32)[..., 0]


def _pixel_grid(height: int, width: int) -> np.ndarray:
    """The position of every pixel, float32 [2, H, W], x then y."""
    return np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
