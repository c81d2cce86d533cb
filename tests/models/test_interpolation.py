"""Motion compensation: key-frames untouched, each frame at its own time, motion followed, cuts held."""

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.interpolation.base import Interpolator, fill_between
from models.interpolation.choose import make_interpolator
from models.interpolation.cuts import is_cut
from models.interpolation.minterpolate import minterpolate_stream
from models.interpolation.motion_compensation import _mix, _mix_in_torch, sample_cubic, sample_cubic_in_torch
from tests.fetched import fetched_or_skip
from tests.golden import randn
from util.media.video import read_video

NAMES = ("dis-fast", "dis", "dis-medium", "blocks", "minterpolate", "blend", "nearest")


def texture(key: str, side: int = 128) -> np.ndarray:
    """A smooth random picture, mostly grey, [side, side, 3] in [-1, 1]."""
    noise = randn(key, (side, side, 4))
    picture = cv2.GaussianBlur(0.3 * noise[..., :3] + noise[..., 3:], (0, 0), 3)
    return np.clip(picture / picture.std() / 2, -1, 1)


def window(picture: np.ndarray, x: float, y: float, size: tuple[int, int] = (64, 80)) -> Tensor:
    """What is seen of ``picture`` through a window whose corner is at (x, y): [3, *size]."""
    height, width = size
    shift = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
    moved = cv2.warpAffine(picture, shift, (width, height), flags=cv2.INTER_CUBIC)
    return torch.from_numpy(moved.clip(-1, 1)).permute(2, 0, 1).contiguous()


def psnr(a: Tensor, b: Tensor) -> float:
    return float(10 * torch.log10(4 / (a - b).square().mean()))


def test_an_unknown_name_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=", ".join(NAMES)):
        make_interpolator("raft")


@settings(max_examples=40, deadline=None)
@given(indices=st.sets(st.integers(0, 60), min_size=1, max_size=12).map(sorted))
def test_every_frame_comes_once_at_its_own_time_and_keyframes_are_the_same_tensors(indices: list[int]) -> None:
    asked: list[tuple[float, ...]] = []

    def clock(first: Tensor, last: Tensor, times: Sequence[float]) -> Tensor:
        asked.append(tuple(times))
        return torch.stack([torch.lerp(first, last, time) for time in times])

    keyframes = {index: torch.full((3, 1, 1), float(index)) for index in indices}
    frames = list(fill_between(keyframes, clock))
    assert [round(float(frame[0, 0, 0]), 4) for frame in frames] == list(range(indices[0], indices[-1] + 1))
    assert all(frames[index - indices[0]] is keyframes[index] for index in indices)
    gaps = [(i, j) for i, j in itertools.pairwise(indices) if j - i > 1]
    assert asked == [tuple((k - i) / (j - i) for k in range(i + 1, j)) for i, j in gaps]


def test_frames_are_streamed_as_soon_as_their_gap_is_closed() -> None:
    asked = []

    def keyframes():  # type: ignore[no-untyped-def]
        for index in (0, 2, 4):
            asked.append(index)
            yield index, torch.zeros(3, 4, 4)

    frames = fill_between(keyframes(), make_interpolator("blend"))
    next(frames)
    assert asked == [0]
    next(frames), next(frames)
    assert asked == [0, 2]


def test_keyframes_out_of_order_are_refused() -> None:
    frame = torch.zeros(3, 4, 4)
    with pytest.raises(ValueError, match="ascending"):
        list(fill_between([(3, frame), (3, frame)], make_interpolator("blend")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (2, 30), (11, 64), (12, 12), (12, 100), (33, 35), (40, 32)])
def test_any_size_gives_frames_of_the_right_shape_type_and_range(name: str, size: tuple[int, int]) -> None:
    picture = texture("sizes")
    interpolate = make_interpolator(name)
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        first, last = window(picture, 3, 3, size).to(dtype), window(picture, 5, 2, size).to(dtype)
        frames = interpolate(first, last, [0.25, 0.5, 0.9])
        assert (frames.shape, frames.dtype) == ((3, 3, *size), dtype)
        assert frames.abs().max() <= 1


@pytest.mark.parametrize("name", ["dis-fast", "dis", "dis-medium", "blocks"])
@pytest.mark.parametrize("times", [[0.5], [1 / 3, 2 / 3], [0.1, 0.85]])
def test_motion_is_followed_to_the_exact_time(name: str, times: list[float]) -> None:
    picture = texture("motion")
    step_x, step_y = 4.5, -3.0
    first, last = window(picture, 20, 20), window(picture, 20 + step_x, 20 + step_y)
    frames = make_interpolator(name)(first, last, times)
    blended = make_interpolator("blend")(first, last, times)
    for frame, blend, time in zip(frames, blended, times, strict=True):
        true = window(picture, 20 + step_x * time, 20 + step_y * time)
        assert psnr(frame, true) > psnr(blend, true) + 5
        # at another time the same frame would be worse: it is not merely sharper
        for other in (time - 0.15, time + 0.15):
            assert psnr(frame, true) > psnr(frame, window(picture, 20 + step_x * other, 20 + step_y * other))


def test_minterpolate_follows_motion_at_half_time() -> None:
    # at other times the filter rounds its vectors, which pulls the picture towards the nearer key-frame
    picture = texture("motion")
    first, last, true = (window(picture, 20 + step, 20) for step in (0, 4, 2))
    found, blended = (make_interpolator(name)(first, last, [0.5])[0] for name in ("minterpolate", "blend"))
    assert psnr(found, true) > psnr(blended, true) + 5


def test_minterpolate_in_one_stream_gives_every_frame_at_its_time() -> None:
    picture = texture("motion")
    keyframes = {number: window(picture, 20 + 2 * number, 20) for number in (0, 2, 5)}
    frames = minterpolate_stream(keyframes)
    assert len(frames) == 6
    assert all(psnr(frames[number], frame) > 40 for number, frame in keyframes.items())
    assert psnr(frames[1], window(picture, 22, 20)) > psnr(frames[1], window(picture, 24, 20)) + 5


@pytest.mark.parametrize("name", NAMES)
def test_the_same_input_gives_the_same_bits(name: str) -> None:
    picture = texture("repeat")
    first, last = window(picture, 20, 20), window(picture, 24, 21)
    threads = torch.get_num_threads()
    once = make_interpolator(name)(first, last, [0.3, 0.6])
    try:
        torch.set_num_threads(2)
        again = make_interpolator(name)(first, last, [0.3, 0.6])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(once, again)


@pytest.mark.parametrize("name", NAMES)
def test_neighbours_are_not_changed(name: str) -> None:
    picture = texture("untouched")
    first, last = window(picture, 20, 20), window(picture, 24, 21)
    copies = first.clone(), last.clone()
    make_interpolator(name)(first, last, [0.5])
    assert torch.equal(first, copies[0])
    assert torch.equal(last, copies[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_holds_the_nearest_keyframe(name: str) -> None:
    first, last = window(texture("scene one"), 0, 0), window(texture("scene two"), 0, 0)
    assert is_cut(first, last)
    frames = make_interpolator(name)(first, last, [0.2, 0.4, 0.6, 0.8])
    assert torch.equal(frames, torch.stack([first, first, last, last]))


def test_motion_and_equal_frames_are_no_cut() -> None:
    picture = texture("no cut")
    first = window(picture, 20, 20)
    assert not is_cut(first, first)
    assert not is_cut(first, window(picture, 26, 16))


@pytest.mark.parametrize("name", NAMES)
def test_wrong_frames_and_times_are_refused(name: str) -> None:
    interpolate: Interpolator = make_interpolator(name)
    frame = torch.zeros(3, 32, 32)
    with pytest.raises(ValueError, match=r"\[3, H, W\]"):
        interpolate(frame, torch.zeros(3, 32, 33), [0.5])
    for time in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            interpolate(frame, frame, [time])


def test_cubic_sampling_is_the_same_by_opencv_and_by_torch() -> None:
    frame = window(texture("sampling"), 5, 5).permute(1, 2, 0).contiguous()
    positions = torch.from_numpy(randn("positions", (64, 80, 2))) * 40 + 35  # some outside
    positions = (positions * 32).round() / 32  # OpenCV 4 rounds to these, 5 does not
    by_opencv = sample_cubic(frame, positions.float(), out=torch.empty_like(frame))
    torch.testing.assert_close(by_opencv, sample_cubic_in_torch(frame, positions), atol=1e-4, rtol=0)


def test_mixing_is_the_same_by_opencv_and_by_torch() -> None:
    base, other = (window(texture(key), 5, 5).permute(1, 2, 0).contiguous() for key in ("base", "other"))
    share = torch.from_numpy(randn("share", (1, 1, 8, 10))).float().sigmoid()
    by_opencv, by_torch = base.clone(), base.clone()
    _mix(by_opencv, other, share)
    _mix_in_torch(by_torch, other, share)
    torch.testing.assert_close(by_opencv, by_torch, atol=1e-4, rtol=0)


def sample_video() -> list[Tensor]:
    """The 120 true frames of a talking face of the sample dataset, 256 x 256."""
    path = fetched_or_skip("videos", "carphone_pristine.mp4")
    enlarged = [cv2.resize(frame, (256, 256), interpolation=cv2.INTER_CUBIC) for frame in read_video(path)]
    return [torch.from_numpy(frame).permute(2, 0, 1).float() / 127.5 - 1 for frame in enlarged]


@pytest.mark.slow
def test_on_true_frames_dense_flow_beats_minterpolate_and_crossfading() -> None:
    video = sample_video()
    keyframes = {index: video[index] for index in sorted({*range(0, len(video), 3), len(video) - 1})}
    recovered = [index for index in range(len(video)) if index not in keyframes]
    quality = {}
    for name in ("dis", "blocks", "minterpolate", "blend"):
        frames = list(fill_between(keyframes, make_interpolator(name)))
        assert len(frames) == len(video) == 120
        assert all(torch.equal(frames[index], video[index]) for index in keyframes)
        quality[name] = float(np.mean([psnr(frames[index], video[index]) for index in recovered]))
    assert quality["dis"] > quality["minterpolate"] > quality["blend"]
    assert quality["blocks"] > quality["minterpolate"]
