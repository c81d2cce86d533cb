"""Motion compensation: both key-frames move along the flow, and a trust rule decides how much of it is shown."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.flow.dis import DenseInverseSearch
from models.interpolation.base import SMALLEST_SIDE, blend, check_neighbours

# dense inverse searches: a patch at every so many pixels, and the finest scale (1: half resolution, 2: a quarter)
DENSE_SEARCHES = {"dis-fast": (4, 2), "dis": (5, 1), "dis-medium": (3, 1)}

# Both flows between two frames [H, W, 3] (as OpenCV wants them; float32 in [-1, 1]): from the start to the end, and
# back. Each is [H, W, 2], x then y, and says how many pixels further a pixel of its own frame is found in the other.
FlowBothWays = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class MotionCompensation:
    """Move both neighbours along the flow to the time in between, and cross-fade what arrives.

    Not in the paper, which leaves it to ffmpeg. Frames with a side below 12 pixels are only cross-faded.
    """

    def __init__(self, estimate_flows: FlowBothWays) -> None:
        """Use the flows of ``estimate_flows``; they are estimated once for all times between two frames."""
        self.estimate_flows = estimate_flows

    def __call__(self, first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
        """See ``Interpolator``."""
        check_neighbours(first, last, times)
        if min(first.shape[1:]) < SMALLEST_SIDE:
            return blend(first, last, times)
        start, end = (frame.detach().float().permute(1, 2, 0).contiguous() for frame in (first, last))
        forward, backward = self.estimate_flows(start, end)
        grid = pixel_grid(start)
        unmoved = _disagreement(start, end)
        frames = start.new_empty(len(times), *start.shape)
        # one set of buffers for all times: asking for fresh memory again and again took a tenth of the time, or more
        positions, (from_start, from_end) = start.new_empty(2, *grid.shape), start.new_empty(2, *start.shape)
        for frame, time in zip(frames, times, strict=True):
            straight_flows(forward, backward, time, out=positions)
            positions.add_(grid)
            sample_cubic(start, positions[0], out=from_start)
            sample_cubic(end, positions[1], out=from_end)
            trust = _trust(_disagreement(from_start, from_end), unmoved)
            compensated = torch.lerp(from_start, from_end, time, out=from_start)
            _mix(torch.lerp(start, end, time, out=frame), compensated, trust)
        # cubic sampling overshoots; the frames stay [H, W, 3] in memory, as pictures are written
        return frames.clamp_(-1, 1).permute(0, 3, 1, 2).to(first.dtype)


def luma(frame: Tensor) -> Tensor:
    """[H, W, 3] -> [H, W] in [-1, 1]."""
    red, green, blue = frame.unbind(dim=2)  # no table of weights, which would have to be brought to the device
    return (0.299 * red + 0.587 * green + 0.114 * blue).clamp(-1, 1)


def pixel_grid(frame: Tensor) -> Tensor:
    """The position of every pixel of ``frame`` [H, W, 3]: [H, W, 2], x then y."""
    y, x = (torch.arange(side, dtype=frame.dtype, device=frame.device) for side in frame.shape[:2])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def sample_cubic(frame: Tensor, positions: Tensor, *, out: Tensor) -> Tensor:
    """Cubic samples of ``frame`` [H, W, 3] at ``positions`` [H, W, 2], x then y in pixels; the border is repeated."""
    if frame.device.type != "cpu":
        return out.copy_(sample_cubic_in_torch(frame, positions))
    # the same kernel (a = -0.75), twice as fast
    dense = frame.numpy(), positions.numpy(), np.empty(0, np.float32)
    cv2.remap(*dense, cv2.INTER_CUBIC, dst=out.numpy(), borderMode=cv2.BORDER_REPLICATE)
    return out


def sample_cubic_in_torch(frame: Tensor, positions: Tensor) -> Tensor:
    """See ``sample_cubic``; on any device, sides of at least 2 pixels."""
    height, width, _ = frame.shape
    x, y = positions.unbind(dim=2)
    normalised = torch.stack((x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1), dim=2)
    sampled = F.grid_sample(frame.permute(2, 0, 1)[None], normalised[None], "bicubic", "border", align_corners=True)
    return sampled[0].permute(1, 2, 0)


def straight_flows(forward: Tensor, backward: Tensor, time: float, *, out: Tensor | None = None) -> Tensor:
    """The flows from the frame at ``time`` to both ends, for straight motion at constant speed (Super SloMo).

    Args:
        forward, backward: flow from the start to the end, and back, [H, W, 2]; see ``FlowBothWays``.
        time: in (0, 1).
        out: where to write what is returned.

    Returns:
        Where each pixel of that frame was in the start, and will be in the end: [2, H, W, 2].
    """
    flows = forward.new_empty(2, *forward.shape) if out is None else out
    to_start, to_end = flows
    torch.mul(backward, time**2, out=to_start).sub_(forward, alpha=time * (1 - time))
    torch.mul(forward, (1 - time) ** 2, out=to_end).sub_(backward, alpha=time * (1 - time))
    return flows


def _disagreement(a: Tensor, b: Tensor) -> Tensor:
    """Squared colour distance of two frames [H, W, 3], averaged over cells of 24 pixels that lie 8 apart: [1, 1, h, w].

    Every fourth pixel of every fourth row is looked at.
    """
    distance = (a[::4, ::4] - b[::4, ::4]).square().sum(dim=2)
    return F.avg_pool2d(distance[None, None], kernel_size=6, stride=2, padding=2, count_include_pad=False)


def _trust(moved: Tensor, unmoved: Tensor) -> Tensor:
    """How far to trust the compensation, in [0, 1]: little where it makes the two ends agree less.

    It is the share of the unmoved frames' disagreement in the sum of both. A hard choice for each pixel follows the
    noise: in PSNR it costs 0.25 dB against this one, and 0.2 dB against none.

    Args:
        moved, unmoved: ``_disagreement`` with and without compensation, [1, 1, h, w]; so is what is returned.
    """
    negligible = 1e-4  # about a grey level: frames that agree so well may be compensated
    return (unmoved + negligible) / (unmoved + moved + 2 * negligible)


def _mix(base: Tensor, other: Tensor, share: Tensor) -> None:
    """Turn ``base`` into the ``share`` of ``other``, and itself for the rest.

    Args:
        base, other: [H, W, 3], contiguous.
        share: [1, 1, h, w] in [0, 1], enlarged to the frames' size.
    """
    if base.device.type != "cpu":
        _mix_in_torch(base, other, share)
        return
    height, width, _ = base.shape
    weight = cv2.resize(share[0, 0].numpy(), (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.blendLinear(other.numpy(), base.numpy(), weight, 1 - weight, dst=base.numpy())


def _mix_in_torch(base: Tensor, other: Tensor, share: Tensor) -> None:
    """See ``_mix``; on any device."""
    enlarged = F.interpolate(share, list(base.shape[:2]), mode="bilinear", align_corners=False)
    base.lerp_(other, enlarged[0, 0, :, :, None])


def flow_both_ways(search: DenseInverseSearch, *, mirrored: bool = False) -> FlowBothWays:
    """Flow by dense inverse search on luma, on the CPU, for frames with sides of at least 12 pixels.

    Args:
        search: how it is searched.
        mirrored: the search for the way back begins at the way there, turned round.
    """

    def estimate(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        first, last = (_grey_levels(frame) for frame in (start, end))
        forward = search.search(first, last)
        backward = search.search(last, first, guess=-forward if mirrored else None)
        return torch.from_numpy(forward).to(start.device), torch.from_numpy(backward).to(start.device)

    return estimate


def _grey_levels(frame: Tensor) -> np.ndarray:
    """Luma of [H, W, 3] in [-1, 1], or uint8, as uint8 [H, W] on the CPU."""
    if frame.dtype == torch.uint8:
        return cv2.cvtColor(frame.cpu().numpy(), cv2.COLOR_RGB2GRAY)
    grey = cv2.cvtColor(frame.float().cpu().numpy(), cv2.COLOR_RGB2GRAY)
    return cv2.convertScaleAbs(grey.clip(-1, 1), alpha=127.5, beta=127.5)
