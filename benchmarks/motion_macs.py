"""Estimated arithmetic of motion compensation, which the paper's tables count as nothing.

Counted from the parameters of the algorithms in ``models/interpolation``, in the unit of ``util/count_macs.py``: one
product that is added to a sum; in searches, one difference of two pixels that is added to a cost. Searches count as if
none stopped early, so these are upper bounds. Divisions, comparisons and copies count nothing.
"""

from dataclasses import dataclass

import cv2

from models.flow.dis import make_search
from models.interpolation.motion_compensation import DENSE_SEARCHES

COLOURS = 3
BILINEAR, CUBIC = 4, 16  # products of one sample
# as in models/interpolation/guided.py: flows judged for each frame, taps of the Gaussian that spreads corrections,
# stride of the densest search in guides
_JUDGED, _BLUR, _GUIDE_STRIDE = 3, 9, 5


@dataclass(frozen=True)
class MotionCost:
    """Multiply-accumulates a pixel of the full-resolution frame.

    Attributes:
        per_gap: what is done once for two neighbouring key-frames, such as both flows.
        per_frame: what is done for each frame between them.
    """

    per_gap: float
    per_frame: float


def motion_macs(interpolation: str, *, height: int, width: int, keyframe_share: float) -> int | None:
    """Multiply-accumulates of motion compensation for one frame of the output video, on average.

    Args:
        interpolation: a name that ``make_interpolator`` knows.
        height, width: of the frames.
        keyframe_share: key-frames per output frame, in (0, 1]; every key-frame begins a gap.

    Returns:
        The estimate; None for ``minterpolate``, whose search we cannot count from here.

    Raises:
        ValueError: an unknown name, or a share outside (0, 1].
    """
    if not 0 < keyframe_share <= 1:
        raise ValueError(f"expected a key-frame share in (0, 1], got {keyframe_share}")
    cost = motion_cost(interpolation, height=height, width=width)
    if keyframe_share == 1:
        return 0  # no frame lies between two others
    if cost is None:
        return None
    return round(height * width * (keyframe_share * cost.per_gap + (1 - keyframe_share) * cost.per_frame))


def motion_cost(interpolation: str, *, height: int, width: int) -> MotionCost | None:
    """The cost of ``interpolation``; see ``motion_macs``."""
    cross_fade = MotionCost(0, COLOURS)
    if interpolation == "nearest":
        return MotionCost(0, 0)
    if interpolation == "blend":
        return cross_fade
    if interpolation == "minterpolate":
        return None
    if interpolation == "blocks":
        flow = _block_search_flow()
    elif interpolation == "guided":
        return _guided_cost(smallest_side=min(height, width))
    elif interpolation in DENSE_SEARCHES:
        flow = _inverse_search_flow(*DENSE_SEARCHES[interpolation], smallest_side=min(height, width))
    else:
        raise ValueError(f"expected an interpolation that make_interpolator knows, got {interpolation!r}")
    luma = COLOURS * 2
    # colour distances at every 16th pixel, averaged over 36 of them at every 4th of those
    disagreement = (COLOURS + 36 / 4) / 16
    flows_at_time = 2 * 2 * 2  # two flows of two coordinates, each a blend of both directions and a multiple of that
    samples = 2 * COLOURS * CUBIC
    blends = 3 * COLOURS  # of what arrives, of what does not move, and of the two
    return MotionCost(
        per_gap=2 * flow + luma + disagreement,
        per_frame=flows_at_time + samples + blends + disagreement + BILINEAR,
    )


def _guided_cost(*, smallest_side: int) -> MotionCost:
    """Motion that semantic frames guide; what makes their pictures counts with encoding them."""
    image_flow = _inverse_search_flow(*DENSE_SEARCHES["dis"], smallest_side=smallest_side)
    guide_flow = _inverse_search_flow(_GUIDE_STRIDE, 1, smallest_side=smallest_side)
    # at half the resolution a pixel counts a quarter; the correction is smoothed, and flows are judged, at half of that
    correction = (1 + 4) / 16 * 2 * _BLUR + 4 / 4
    judged = (2 * BILINEAR * (COLOURS + 1) + 2 + COLOURS) / 16 + BILINEAR / 4
    answer = 2 * 2 * BILINEAR + COLOURS + COLOURS  # by enlarged flows, blended, weighted
    answers = 2 * answer + 2 * COLOURS * (CUBIC + BILINEAR)
    straight = 2 * 2 * 2 / 4
    return MotionCost(
        per_gap=2 * image_flow + COLOURS * 2,
        per_frame=2 * guide_flow + straight + correction + _JUDGED * judged + answers,
    )


def _inverse_search_flow(patch_stride: int, finest_scale: int, *, smallest_side: int) -> float:
    """One direction of dense inverse search, a pixel of the full resolution; see ``DENSE_SEARCHES``."""
    search = make_search(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM, smallest_side=smallest_side)
    area = search.getPatchSize() ** 2
    coarsest = search.getCoarsestScale()
    levels = range(min(finest_scale, coarsest), coarsest + 1)
    # a step samples the patch, subtracts, and multiplies by both gradients
    descent = search.getGradientDescentIterations() * (BILINEAR + 1 + 2)
    # flows of the neighbours above, left, below and right are tried too: sampled and compared
    propagation = 4 * (BILINEAR + 1)
    densify = BILINEAR + 1 + 1 + 2  # sampled, compared, weighed, both coordinates added
    prepare = 2 * 6 + 3  # Sobel gradients, their products
    per_level_pixel = area / patch_stride**2 * (descent + propagation + densify) + prepare
    return sum(per_level_pixel / 4**level for level in levels) + 2 * BILINEAR  # and enlarged to the full resolution


def _block_search_flow() -> float:
    """One direction of the block search, from 1/16 to half resolution, a pixel of the full one."""
    window, cell, candidates = 12, 4, 9
    enlarge, move = 2 * BILINEAR, BILINEAR
    compare = candidates * (1 + window**2 / cell**2)
    steps = 2 * (enlarge + move + compare)
    return sum(steps / 4**level for level in range(1, 5)) + 2 * BILINEAR
