"""Guided motion: semantic frames in between tell when things moved; key-frames, times and cuts as ever."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from models.inference.synthesizer import Synthesizer
from models.interpolation.base import KeyFrame, fill_between
from models.interpolation.choose import GUIDED_KINDS, choose_interpolator, make_interpolator, resolve_interpolation
from models.interpolation.guided import (
    GuidedMotion,
    corrected,
    doubled,
    guide_flows,
    guide_picture,
    shrunk,
    stilled,
    working_size,
)
from tests.golden import randn

SIZE = (64, 96)


def semantic_scene(left: float) -> Tensor:
    """A box whose left edge is at ``left``: one-hot labels of background and box, [3, H, W]; the third is not used."""
    column = torch.arange(SIZE[1])
    inside = ((column >= left) & (column < left + 28)).float()[None].repeat(SIZE[0], 1)
    inside[:16] = inside[48:] = 0
    return torch.stack([1 - inside, inside, torch.zeros(SIZE)])


def frame_of(left: float) -> Tensor:
    """The picture of that scene: a patterned box before a patterned wall, [3, H, W]."""
    patterns = [cv2.GaussianBlur(randn(key, (*SIZE, 3)).astype(np.float32), (0, 0), 2) for key in ("wall", "box")]
    wall, box = (torch.from_numpy((pattern / np.abs(pattern).max()).transpose(2, 0, 1)) for pattern in patterns)
    inside = semantic_scene(left)[1]
    return torch.where(inside > 0, 0.4 + 0.6 * box.roll(round(left), dims=2), 0.4 * wall - 0.4)


def psnr(a: Tensor, b: Tensor) -> float:
    return float(10 * torch.log10(4 / (a - b).square().mean()))


def guides_of(*lefts: float) -> list[np.ndarray]:
    return [guide_picture(semantic_scene(left), kind="street") for left in lefts]


@pytest.mark.parametrize("left", [21.0, 27.0])
def test_motion_that_is_not_uniform_is_followed(left: float) -> None:
    first, last, true = frame_of(20), frame_of(28), frame_of(left)
    guided = GuidedMotion(kind="street")(first, last, [0.5], guides_of(20, left, 28))[0]
    unguided = make_interpolator("dis")(first, last, [0.5])[0]
    assert psnr(guided, true) > psnr(unguided, true) + 2


def test_without_guides_it_is_dis() -> None:
    first, last = frame_of(20), frame_of(26)
    plain = make_interpolator("dis")(first, last, [0.25, 0.5])
    assert torch.equal(GuidedMotion(kind="face")(first, last, [0.25, 0.5]), plain)


def test_the_same_input_gives_the_same_bits_and_inputs_stay() -> None:
    first, last, guides = frame_of(20), frame_of(26), guides_of(20, 22, 26)
    copies = first.clone(), last.clone(), [guide.copy() for guide in guides]
    once, again = (GuidedMotion(kind="street")(first, last, [0.4], guides) for _ in range(2))
    assert torch.equal(once, again)
    assert torch.equal(first, copies[0]) and torch.equal(last, copies[1])
    assert all(np.array_equal(*pair) for pair in zip(guides, copies[2], strict=True))
    assert once.abs().max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (11, 40), (12, 12), (13, 47)])
def test_any_size_gives_frames_of_the_right_shape_and_type(size: tuple[int, int]) -> None:
    frame = torch.zeros(3, *size, dtype=torch.bfloat16)
    frames = GuidedMotion(kind="pose")(frame, frame, [0.5], [np.zeros(size, np.uint8)] * 3)
    assert (frames.shape, frames.dtype) == ((1, 3, *size), torch.bfloat16)


def test_a_cut_holds_the_nearest_keyframe() -> None:
    first = torch.where(torch.arange(96) % 32 < 16, 0.9, -0.9).expand(3, 64, 96).contiguous()
    last = -torch.ones(3, 64, 96) + 1.8 * (torch.arange(64)[:, None] > 40)
    frames = GuidedMotion(kind="street")(first, last, [0.2, 0.8], guides_of(20, 22, 24, 26))
    assert torch.equal(frames, torch.stack([first, last]))


def test_guides_that_do_not_fit_are_refused() -> None:
    frame = frame_of(20)
    with pytest.raises(ValueError, match="expected 3 guides"):
        GuidedMotion(kind="street")(frame, frame, [0.5], guides_of(20, 20))
    with pytest.raises(ValueError, match="expected 3 guides"):
        GuidedMotion(kind="street")(frame, frame, [0.5], [np.zeros((8, 8), np.uint8)] * 3)


def test_guides_show_edges_distances_labels_and_drawings() -> None:
    face = torch.zeros(15, 32, 32)
    face[0, 16] = 1
    face[1:] = torch.linspace(0, 1, 32)[None, None]
    shown = guide_picture(face, kind="face")
    assert (shown.shape, shown.dtype) == ((32, 32), np.uint8)
    assert shown[16, 5] > shown[4, 5] and shown[4, 30] > shown[4, 5]
    assert guide_picture(face[:1], kind="face").max() > 0
    labels = torch.nn.functional.one_hot(torch.arange(35)[None].repeat(4, 1), 35).permute(2, 0, 1).float()
    assert len(np.unique(guide_picture(labels, kind="street")[0])) == 35
    drawing = guide_picture(-torch.ones(6, 8, 8), kind="pose")
    assert drawing.max() == 0


def test_a_correction_reaches_only_the_surroundings_of_outlines() -> None:
    guide = guides_of(30)[0]
    none, exact = np.zeros((4, *SIZE), np.float32), np.ones((4, *SIZE), np.float32)
    found = corrected(none, exact, guide)
    assert found[:, 32, 30].min() > 0.8
    assert np.abs(found[:, 32, 90]).max() < 0.1


def test_guide_flow_finds_the_outline_in_both_keyframes() -> None:
    for kind in ("street", "pose"):
        flows = guide_flows(*guides_of(20, 23, 28), kind=kind, guess=np.zeros((4, *SIZE), np.float32))
        assert flows[0, 24:40, 21:26].mean() == pytest.approx(-3, abs=1)
        assert flows[2, 24:40, 21:26].mean() == pytest.approx(5, abs=1)


def test_a_guess_finds_motion_that_is_too_far_to_search() -> None:
    guess = np.zeros((4, *SIZE), np.float32)
    guess[0] = -46
    for kind in ("street", "pose"):
        flows = guide_flows(*guides_of(4, 52, 52), kind=kind, guess=guess)
        assert flows[0, 24:40, 50:55].mean() == pytest.approx(-48, abs=1)


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (20, 60), (24, 24)])
def test_where_nothing_moves_the_frame_is_kept(size: tuple[int, int]) -> None:
    noise = cv2.GaussianBlur(randn("still", (*size, 3)).astype(np.float32), (0, 0), 1.5)
    frame = torch.from_numpy(noise / np.abs(noise).max()).permute(2, 0, 1)
    guide = (noise[..., 0] > 0).astype(np.uint8) * 200
    frames = GuidedMotion(kind="pose")(frame, frame, [0.25, 0.5], [guide] * 4)
    assert (frames - frame).abs().max() < 0.51 / 127.5  # to the nearest grey level


def test_a_doubled_picture_has_its_own_pixels_and_cubic_samples_between() -> None:
    picture = np.clip(randn("doubled", (9, 14, 4)) * 20 + 128, 60, 190).astype(np.uint8)
    twice = doubled(picture)
    assert twice.shape == (18, 28, 4)
    assert np.array_equal(twice[::2, ::2], picture)
    across, down = picture[4, 5:9].astype(float), picture[3:7, 6].astype(float)
    sharp = np.array([-1, 5, 5, -1]) / 8
    assert np.abs(twice[8, 13] - sharp @ across).max() <= 0.5
    assert np.abs(twice[9, 12] - sharp @ down).max() <= 0.5


def test_noise_of_a_flow_is_stilled_and_motion_stays() -> None:
    flow = np.zeros((4, 2, 2), np.float32)
    flow[:, 0, 0] = 0.02, 0.02, 3.0, -4.0
    stilled(flow)
    assert np.abs(flow[:2, 0, 0]).max() < 0.002
    assert flow[2:, 0, 0] == pytest.approx((3, -4), rel=1e-3)


def test_flows_are_judged_at_half_resolution_unless_that_is_too_small_to_search() -> None:
    assert [working_size(size) for size in [(64, 97), (24, 24), (20, 60)]] == [(32, 49), (12, 12), (20, 60)]
    assert shrunk(np.zeros((65, 96, 3), np.uint8)).shape == (33, 48, 3)


def test_auto_is_guided_for_the_kinds_that_were_measured() -> None:
    assert [resolve_interpolation("auto", kind=kind) for kind in GUIDED_KINDS] == ["guided"] * 3
    assert resolve_interpolation("auto", kind="paired") == "dis"
    assert resolve_interpolation("blend", kind="face") == "blend"
    assert isinstance(choose_interpolator("auto", kind="street"), GuidedMotion)


def test_a_stream_hands_over_the_guides_of_each_gap() -> None:
    asked = []

    def listening(first: Tensor, last: Tensor, times: list[float], guides: list[np.ndarray]) -> Tensor:
        asked.append([int(guide[0, 0]) for guide in guides])
        return torch.stack([first for _ in times])

    def picture(number: int) -> np.ndarray:
        return np.full((1, 1), number, np.uint8)

    gaps = [(0, [0]), (3, [1, 2, 3]), (4, [4]), (6, [5, 6])]
    keys = [KeyFrame(index, torch.zeros(3, 1, 1), [picture(one) for one in numbers]) for index, numbers in gaps]
    assert len(list(fill_between(keys, listening))) == 7  # type: ignore[arg-type]
    assert asked == [[0, 1, 2, 3], [4, 5, 6]]


def test_the_engine_guides_offline_and_live_alike_and_keeps_keyframes() -> None:
    lefts = [20.0, 21, 22, 26, 30, 31, 32, 33, 34]
    semantics = [semantic_scene(left) for left in lefts]
    true = {
        float(semantic[1].argmax() % SIZE[1]): frame_of(left) for semantic, left in zip(semantics, lefts, strict=True)
    }

    def draw(maps: Tensor, previous: Tensor, **_: object) -> SimpleNamespace:
        return SimpleNamespace(final=true[float(maps[0, -2].argmax() % SIZE[1])][None])

    engine = Synthesizer(
        draw,  # type: ignore[arg-type]
        num_frames=2, interpolator=GuidedMotion(kind="street"), device=torch.device("cpu"),
    )  # fmt: skip
    drawn = [0, 4, 8]
    offline = list(engine.frames(semantics.__getitem__, key_frames=drawn))
    overlapped = list(engine.frames(semantics.__getitem__, key_frames=drawn, overlapped=True))
    assert len(offline) == len(lefts)
    assert all(torch.equal(*pair) for pair in zip(offline, overlapped, strict=True))
    assert all(torch.equal(offline[number], frame_of(lefts[number])) for number in drawn)
    assert psnr(offline[3], frame_of(lefts[3])) > psnr(offline[3], frame_of(27.5)) + 2, "where the guide says"

    live = list(engine.live(semantics, share=0.25, lookahead=4))
    keys = [number for number, frame in enumerate(live) if torch.equal(frame, frame_of(lefts[number]))]
    again = list(engine.frames(semantics.__getitem__, key_frames=keys))
    assert all(torch.equal(*pair) for pair in zip(live, again, strict=True))
