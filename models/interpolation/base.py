"""What lies between two key-frames? Motion compensation: the frames that the generator did not have to draw.

Every interpolator gets two neighbouring key-frames and the exact times in between, so that no frame moves in time.
The published pipeline interpolates at a constant rate through lossy video files and deletes frames at random.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import NamedTuple, Protocol

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.flow.reference import make_search
from models.flow.warp import warp

# dense inverse searches: a patch at every so many pixels, and the finest scale (1: half resolution, 2: a quarter)
DENSE_SEARCHES = {"dis-fast": (4, 2), "dis": (5, 1), "dis-medium": (3, 1)}
# OpenCV's dense inverse search refuses smaller frames; block search has nothing to find in them either
SMALLEST_SIDE = 12
# what may be left of the difference of two frames of one scene after motion compensation: 32 grey levels
_CUT_DISTANCE = 0.25
# block search: the side of a cell, and of the window around it that is compared, in pixels of the level
_CELL, _WINDOW = 4, 12
# minterpolate: green, which is closest to luma, goes first, since motion is searched in the first plane alone
_PLANES_OF_RGB, _RGB_OF_PLANES = [1, 2, 0], [2, 0, 1]


class Interpolator(Protocol):
    """Finds the frames between two others."""

    def __call__(self, first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
        """The frames at ``times``.

        Args:
            first, last: the neighbours, [3, H, W] in [-1, 1].
            times: strictly between 0 (``first``) and 1 (``last``).

        Returns:
            [len(times), 3, H, W] in [-1, 1], on the device and in the type of ``first``. The same on every run.

        Raises:
            ValueError: the neighbours differ in shape or are no RGB frames, or a time is not in (0, 1).
        """
        ...


# Both flows between two frames [H, W, 3] (as OpenCV wants them; float32 in [-1, 1]): from the start to the end, and
# back. Each is [H, W, 2], x then y, and says how many pixels further a pixel of its own frame is found in the other.
FlowBothWays = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def make_interpolator(name: str) -> Interpolator:
    """The interpolator of that name; all but "nearest" hold the nearest key-frame across a cut (``is_cut``).

    Args:
        name: "dis-fast", "dis" or "dis-medium": flow by OpenCV's dense inverse search, each slower and better than the
            one before, on the CPU;
            "blocks": flow by block search, on the device of the frames;
            "minterpolate": ffmpeg's filter, as the paper uses it, but at exact times and without its colour loss;
            "blend": cross-fade; "nearest": repeat the nearest key-frame.

    Raises:
        ValueError: an unknown name.
    """
    interpolators: dict[str, Interpolator] = {
        **{
            one: HoldAcrossCuts(MotionCompensation(DenseInverseSearch(patch_stride=stride, finest_scale=scale)))
            for one, (stride, scale) in DENSE_SEARCHES.items()
        },
        "blocks": HoldAcrossCuts(MotionCompensation(block_flows)),
        "minterpolate": HoldAcrossCuts(minterpolate),
        "blend": HoldAcrossCuts(blend),
        "nearest": nearest,
    }
    if name not in interpolators:
        raise ValueError(f"expected an interpolation of {', '.join(interpolators)}, got {name!r}")
    return interpolators[name]


class KeyFrame(NamedTuple):
    """A key-frame of a stream.

    Attributes:
        number: of the frame in the video.
        frame: [3, H, W] in [-1, 1].
        guides: pictures of the semantic frames after the key-frame before, up to this one's; or none. See
            ``models.interpolation.guided``.
    """

    number: int
    frame: Tensor
    guides: Sequence[np.ndarray] = ()


def fill_between(
    keyframes: Mapping[int, Tensor] | Iterable[tuple[int, Tensor] | KeyFrame], interpolator: Interpolator
) -> Iterator[Tensor]:
    """All frames of a video, in order, from its key-frames; only the frames of one gap are held at a time.

    Args:
        keyframes: index -> frame [3, H, W], in ascending order; or such pairs, or ``KeyFrame``, as a stream, one by one
            as they are made.
        interpolator: what lies between two of them; where key-frames have guides, a ``GuidedInterpolator``.

    Yields:
        The key-frames themselves (the same tensors), and between neighbours i < j exactly j - i - 1 frames, frame k
        at time (k - i) / (j - i).

    Raises:
        ValueError: indices that do not ascend.
    """
    before: KeyFrame | None = None
    for pair in keyframes.items() if isinstance(keyframes, Mapping) else keyframes:
        key = KeyFrame(*pair)
        if before is not None:
            gap = key.number - before.number
            if gap < 1:
                raise ValueError(f"expected ascending key-frames, got {key.number} after {before.number}")
            if gap > 1:
                guides = {"guides": [before.guides[-1], *key.guides]} if key.guides else {}
                yield from interpolator(before.frame, key.frame, [step / gap for step in range(1, gap)], **guides)
        yield key.frame
        before = key


def nearest(first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
    """Repeat the nearer key-frame (the first at half-time); see ``Interpolator``."""
    check_neighbours(first, last, times)
    return torch.stack([first if time <= 0.5 else last for time in times])


def blend(first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
    """Cross-fade; see ``Interpolator``."""
    check_neighbours(first, last, times)
    weights = torch.tensor(times, dtype=torch.float32, device=first.device)[:, None, None, None]
    return torch.lerp(first.float(), last.float(), weights).to(first.dtype)


class HoldAcrossCuts:
    """An interpolator that repeats the nearest key-frame where the scene changes: nothing lies between two scenes."""

    def __init__(self, within_scene: Interpolator) -> None:
        """Wrap the interpolator that is used ``within_scene``."""
        self.within_scene = within_scene

    def __call__(self, first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
        """See ``Interpolator``."""
        check_neighbours(first, last, times)
        interpolate = nearest if is_cut(first, last) else self.within_scene
        return interpolate(first, last, times)


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
        grid = _pixel_grid(start)
        unmoved = _disagreement(start, end)
        frames = start.new_empty(len(times), *start.shape)
        # one set of buffers for all times: asking for fresh memory again and again took a tenth of the time, or more
        positions, (from_start, from_end) = start.new_empty(2, *grid.shape), start.new_empty(2, *start.shape)
        for frame, time in zip(frames, times, strict=True):
            straight_flows(forward, backward, time, out=positions)
            positions.add_(grid)
            _sample_cubic(start, positions[0], out=from_start)
            _sample_cubic(end, positions[1], out=from_end)
            trust = _trust(_disagreement(from_start, from_end), unmoved)
            compensated = torch.lerp(from_start, from_end, time, out=from_start)
            _mix(torch.lerp(start, end, time, out=frame), compensated, trust)
        # cubic sampling overshoots; the frames stay [H, W, 3] in memory, as pictures are written
        return frames.clamp_(-1, 1).permute(0, 3, 1, 2).to(first.dtype)


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


class DenseInverseSearch:
    """Flow by OpenCV's dense inverse search on luma, on the CPU: bit-identical at any number of threads.

    Patches of 8 pixels without variational refinement: on our videos as good as with it.
    """

    def __init__(self, *, patch_stride: int = 5, finest_scale: int = 1) -> None:
        """Args: search down to half (1) or a quarter (2) of the resolution, with a patch at every so many pixels."""
        self.patch_stride = patch_stride
        self.finest_scale = finest_scale

    def __call__(self, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        """See ``FlowBothWays``; sides of at least 12 pixels."""
        search = make_search(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM, smallest_side=min(start.shape[:2]))
        search.setFinestScale(min(self.finest_scale, search.getCoarsestScale()))
        search.setPatchStride(self.patch_stride)
        search.setVariationalRefinementIterations(0)
        first, last = (_grey_levels(frame) for frame in (start, end))
        forward, backward = search.calc(first, last, None), search.calc(last, first, None)
        return torch.from_numpy(forward).to(start.device), torch.from_numpy(backward).to(start.device)


def _grey_levels(frame: Tensor) -> np.ndarray:
    """Luma of [H, W, 3] in [-1, 1], uint8 [H, W], on the CPU."""
    luma = cv2.cvtColor(frame.float().cpu().numpy(), cv2.COLOR_RGB2GRAY)
    return cv2.convertScaleAbs(luma.clip(-1, 1), alpha=127.5, beta=127.5)


def _luma(frame: Tensor) -> Tensor:
    """[H, W, 3] -> [H, W] in [-1, 1]."""
    return (frame @ frame.new_tensor([0.299, 0.587, 0.114])).clamp(-1, 1)


def _pixel_grid(frame: Tensor) -> Tensor:
    """The position of every pixel of ``frame`` [H, W, 3]: [H, W, 2], x then y."""
    y, x = (torch.arange(side, dtype=frame.dtype, device=frame.device) for side in frame.shape[:2])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def _sample_cubic(frame: Tensor, positions: Tensor, *, out: Tensor) -> Tensor:
    """Cubic samples of ``frame`` [H, W, 3] at ``positions`` [H, W, 2], x then y in pixels; the border is repeated."""
    if frame.device.type != "cpu":
        return out.copy_(_sample_cubic_in_torch(frame, positions))
    # the same kernel (a = -0.75), twice as fast
    dense = frame.numpy(), positions.numpy(), np.empty(0, np.float32)
    cv2.remap(*dense, cv2.INTER_CUBIC, dst=out.numpy(), borderMode=cv2.BORDER_REPLICATE)
    return out


def _sample_cubic_in_torch(frame: Tensor, positions: Tensor) -> Tensor:
    """See ``_sample_cubic``; on any device, sides of at least 2 pixels."""
    height, width, _ = frame.shape
    normalised = positions * (2 / positions.new_tensor([width - 1, height - 1])) - 1
    sampled = F.grid_sample(frame.permute(2, 0, 1)[None], normalised[None], "bicubic", "border", align_corners=True)
    return sampled[0].permute(1, 2, 0)


def is_cut(first: Tensor, last: Tensor) -> bool:
    """Whether the scene changes between two frames [3, H, W] in [-1, 1].

    It does where one frame, moved onto the other in either direction, still differs from it by a mean of over 32 grey
    levels of 255: so much of the wrong scene would show through. Without the motion taken out no threshold parts cuts
    from fast motion (real street scene, frames 6 apart: 99 % of the pairs within a scene are below 27, cuts above 38).
    Seen in luma, 64 pixels wide or high; frames with a side below 12 pixels count as one scene.
    """
    scale = min(1.0, max(64 / max(first.shape[1:]), SMALLEST_SIDE / min(first.shape[1:])))
    height, width = (round(side * scale) for side in first.shape[1:])
    start, end = (_shrunk(frame, (height, width)) for frame in (first, last))
    if min(height, width) < SMALLEST_SIDE or _luma_distance(start, end) < _CUT_DISTANCE:
        return False
    forward, backward = DenseInverseSearch(patch_stride=3)(start, end)
    grid = _pixel_grid(start)
    left_over = max(
        _luma_distance(start, _sample_cubic(end, grid + forward, out=torch.empty_like(end))),
        _luma_distance(end, _sample_cubic(start, grid + backward, out=torch.empty_like(start))),
    )
    return left_over > _CUT_DISTANCE


def _shrunk(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """Means over areas of a frame [3, H, W] as [*size, 3], on the CPU."""
    if frame.device.type != "cpu":
        return F.adaptive_avg_pool2d(frame.detach().float(), size).cpu().permute(1, 2, 0).contiguous()
    planes = frame.detach().float()
    picture = planes.permute(1, 2, 0)
    if picture.is_contiguous():
        return torch.from_numpy(cv2.resize(picture.numpy(), size[::-1], interpolation=cv2.INTER_AREA))
    small = [cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA) for plane in planes.numpy()]
    return torch.from_numpy(np.dstack(small))


def _luma_distance(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference of two frames [H, W, 3] in luma."""
    return float((_luma(a) - _luma(b)).abs().mean())


def block_flows(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Flow by block search on luma, on the device of the frames; see ``FlowBothWays``.

    Coarse to fine, from 1/16 (1/8, ... for small frames) to half resolution. At every level each cell of 4 pixels takes
    twice a step of at most a pixel: the one under which its window of 12 pixels differs least, refined by a
    parabola. Between the cells the vectors are interpolated, so that no block has an edge.
    """
    height, width, _ = start.shape
    num_levels = 4
    while num_levels > 1 and min(height, width) < 16 * 2**num_levels:
        num_levels -= 1
    multiple = _CELL * 2**num_levels
    luma = torch.stack((_luma(start), _luma(end)))[:, None]
    level = F.pad(luma, (0, -width % multiple, 0, -height % multiple), mode="replicate")
    pyramid = [level := F.avg_pool2d(level, 2) for _ in range(num_levels)]

    flow = level.new_zeros(2, 2, level.shape[2] // _CELL // 2, level.shape[3] // _CELL // 2)
    for level in reversed(pyramid):
        flow = 2 * F.interpolate(flow, [side // _CELL for side in level.shape[2:]], mode="bilinear")
        for _ in range(2):
            flow = flow + _best_steps(level, level.flip(0), flow)
    pixel_flow = 2 * F.interpolate(flow, scale_factor=2 * _CELL, mode="bilinear")
    forward, backward = pixel_flow[:, :, :height, :width].permute(0, 2, 3, 1)
    return forward, backward


def _best_steps(target: Tensor, source: Tensor, flow: Tensor) -> Tensor:
    """The steps of at most a pixel, [B, 2, h, w], that bring ``source`` closest to ``target`` after ``flow``.

    Args:
        target, source: luma, [B, 1, H, W].
        flow: of every cell, [B, 2, H / 4, W / 4], in pixels.
    """
    batch, _, height, width = target.shape
    moved = warp(source, F.interpolate(flow, scale_factor=_CELL, mode="bilinear"))
    # the 9 neighbours of every pixel, row by row: candidate 4 is the pixel itself
    candidates = F.unfold(F.pad(moved, (1, 1, 1, 1), mode="replicate"), 3).view(batch, 9, height, width)
    margin = (_WINDOW - _CELL) // 2
    costs = F.avg_pool2d((target - candidates).abs(), _WINDOW, _CELL, margin, count_include_pad=False)
    best = costs.argmin(dim=1)
    step_x = torch.where(best == 4, _vertex(costs[:, 3], costs[:, 4], costs[:, 5]), best % 3 - 1)
    step_y = torch.where(best == 4, _vertex(costs[:, 1], costs[:, 4], costs[:, 7]), best // 3 - 1)
    return torch.stack((step_x, step_y), dim=1)


def _vertex(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    """Where the parabola through the values at -1, 0, 1 is lowest, if ``middle`` is the least of them."""
    curvature = (before - 2 * middle + after).clamp(min=1e-8)
    return ((before - after) / (2 * curvature)).clamp(-0.5, 0.5)


def minterpolate(first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
    """The paper's choice, ffmpeg's motion interpolation, in process and at exact times; see ``Interpolator``.

    Overlapped blocks and predictive zonal search (EPZS) as published, but with vectors sought in both directions, which
    gives 0.3 dB more than the filter's default. The colours go through as three full planes, green in place of luma,
    since the filter knows no RGB. It needs sides of at least 32 pixels; smaller frames are cross-faded.

    Raises:
        ValueError: also when the times are not multiples of one tick of at least 1 / 10000.
    """
    check_neighbours(first, last, times)
    if min(first.shape[1:]) < 32:
        return blend(first, last, times)
    fractions = [Fraction(time).limit_denominator(1000) for time in times]
    num_ticks = math.lcm(*(fraction.denominator for fraction in fractions))
    if num_ticks > 10_000:
        raise ValueError(f"minterpolate: expected times that are multiples of one short tick, got {list(times)}")
    frames = _minterpolate_ticks([(first, 0), (last, num_ticks)])
    return torch.stack([_from_planes(frames[int(fraction * num_ticks)], like=first) for fraction in fractions])


def minterpolate_stream(keyframes: Mapping[int, Tensor]) -> list[Tensor]:
    """A whole video from its key-frames in one run of ffmpeg's filter.

    It sees more than two key-frames at a time and starts once, so that it is what other ways are timed against.

    Args:
        keyframes: frame number -> [3, H, W] in [-1, 1], sides of at least 32 pixels; from 0 on, in ascending order.

    Returns:
        A frame for every number up to the last; the key-frames are not the same bits.
    """
    shown = _minterpolate_ticks([(frame, number) for number, frame in keyframes.items()])
    return [_from_planes(shown[tick], like=keyframes[0]) for tick in range(max(keyframes) + 1)]


def _to_planes(frame: Tensor) -> av.VideoFrame:
    """[3, H, W] in [-1, 1] -> a picture that ffmpeg takes for YUV 4:4:4 (8 bits a value)."""
    pixels = frame.detach().float()[_PLANES_OF_RGB].add(1).mul(127.5).round().clamp(0, 255)
    return av.VideoFrame.from_ndarray(pixels.to("cpu", torch.uint8).numpy(), format="yuv444p")


def _from_planes(planes: np.ndarray, *, like: Tensor) -> Tensor:
    """What the filter shows, [3, H, W] uint8, as a frame on the device and in the type of ``like``."""
    return (torch.from_numpy(planes[_RGB_OF_PLANES]).to(like.device, torch.float32) / 127.5 - 1).to(like.dtype)


def _minterpolate_ticks(timed: Sequence[tuple[Tensor, int]]) -> dict[int | None, np.ndarray]:
    """What the filter shows at every tick, from frames and their ticks, ascending from 0: planes [3, H, W], uint8."""
    pictures = [(_to_planes(frame), time) for frame, time in timed]
    last, end = pictures[-1]
    tick = Fraction(1, 1000)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=last.width, height=last.height, format=last.format, time_base=tick)
    motion = graph.add("minterpolate", "fps=1000:mi_mode=mci:mc_mode=obmc:me_mode=bidir:me=epzs:scd=none")
    sink = graph.add("buffersink")
    source.link_to(motion)
    motion.link_to(sink)
    graph.configure()
    frames: dict[int | None, np.ndarray] = {}
    # the filter never shows the last interval it is given: so it gets one more
    for picture, time in (*pictures, (last, end + 1), (None, 0)):
        if picture is not None:
            picture.pts, picture.time_base = time, tick
        graph.push(picture)
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                shown = graph.pull()
                frames[shown.pts] = shown.to_ndarray()
    return frames


def check_neighbours(first: Tensor, last: Tensor, times: Sequence[float]) -> None:
    """Refuse what no ``Interpolator`` takes, with a ValueError."""
    if first.ndim != 3 or first.shape[0] != 3 or first.shape != last.shape:
        raise ValueError(f"expected two frames [3, H, W], got {list(first.shape)} and {list(last.shape)}")
    if not all(0 < time < 1 for time in times):
        raise ValueError(f"expected times strictly between 0 and 1, got {list(times)}")
