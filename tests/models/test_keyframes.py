"""Key-frames: as many as asked for, the given and the last among them, and no better choice exists."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.keyframes.live import LiveKeyframes
from models.keyframes.offline import (
    METHODS,
    cheapest_keyframes,
    choose_keyframes,
    fewest_keyframes,
    published_keyframes,
)
from models.keyframes.thumbnails import LazyThumbnails, thumbnail
from tests.golden import load_golden, randn


def smooth_video(num_frames: int, num_values: int = 6, *, key: str = "video") -> Tensor:
    """Thumbnails of a video that moves steadily and now and then jumps, [N, D]."""
    steps = torch.from_numpy(randn(key, (num_frames, num_values)))
    return (steps * (steps.abs() > 1)).cumsum(dim=0) + 0.1 * steps


def cost_of(thumbnails: Tensor, keyframes: tuple[int, ...]) -> float:
    """The cost that dynamic programming minimises, written as in its definition."""
    frames = thumbnails.double()
    cost = 0.0
    for i, j in itertools.pairwise(keyframes):
        for m in range(i + 1, j):
            predicted = torch.lerp(frames[i], frames[j], (m - i) / (j - i))
            cost += math.log(float((frames[m] - predicted).square().sum()) + 0.5)
    return cost


@settings(max_examples=60, deadline=None)
@given(
    num_frames=st.integers(1, 40),
    share=st.floats(0.01, 1),
    num_given=st.integers(0, 4),
    method=st.sampled_from(METHODS),
)
def test_given_and_last_frames_are_always_chosen_and_the_count_is_exact(
    num_frames: int, share: float, num_given: int, method: str
) -> None:
    chosen = choose_keyframes(smooth_video(num_frames), method=method, share=share, num_given=num_given)
    assert chosen == sorted(set(chosen))
    assert {*range(min(max(num_given, 1), num_frames)), num_frames - 1} <= set(chosen) <= set(range(num_frames))
    if method == "all" or num_frames <= num_given:
        assert chosen == list(range(num_frames))
    elif method in ("dp", "uniform"):
        least = 2 if num_given == 0 and num_frames > 1 else 1
        assert len(chosen) - num_given == max(least, round(share * (num_frames - num_given)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_the_shortest_sequences_keep_every_frame(method: str, num_frames: int) -> None:
    assert choose_keyframes(smooth_video(num_frames), method=method, share=0.3, num_given=2) == list(range(num_frames))


@settings(max_examples=25, deadline=None)
@given(num_frames=st.integers(2, 9), seed=st.integers(0, 10**6), data=st.data())
def test_dynamic_programming_finds_what_brute_force_finds(num_frames: int, seed: int, data: st.DataObject) -> None:
    thumbnails = smooth_video(num_frames, key=f"brute{seed}")
    num_chosen = data.draw(st.integers(1, num_frames - 1))
    chosen = cheapest_keyframes(thumbnails, num_chosen=num_chosen)
    assert len(chosen) == num_chosen
    between = itertools.combinations(range(1, num_frames - 1), num_chosen - 1)
    least = min(cost_of(thumbnails, (0, *inner, num_frames - 1)) for inner in between)
    assert cost_of(thumbnails, (0, *chosen)) == pytest.approx(least, abs=1e-3)


def test_dynamic_programming_drops_what_moves_evenly_and_keeps_the_turning_points() -> None:
    path = torch.tensor([0, 1, 2, 3, 4, 3, 2, 1, 0, 4, 8, 12.0])[:, None] * torch.ones(5)
    assert choose_keyframes(path, method="dp", share=0.3, num_given=1) == [0, 4, 8, 11]


def test_a_common_offset_changes_nothing() -> None:
    thumbnails = smooth_video(40)
    shifted = thumbnails + 100
    assert cheapest_keyframes(shifted, num_chosen=12) == cheapest_keyframes(thumbnails, num_chosen=12)


def test_a_long_video_keeps_its_count_and_its_longest_gap_is_bounded() -> None:
    thumbnails = smooth_video(2500)
    chosen = choose_keyframes(thumbnails, method="dp", share=0.3, num_given=2)
    assert len(chosen) == 2 + round(0.3 * 2498)
    assert chosen[-1] == 2499
    assert max(j - i for i, j in itertools.pairwise(chosen)) <= 32


def test_a_tiny_share_still_reaches_the_end() -> None:
    assert choose_keyframes(smooth_video(200), method="dp", share=1e-4, num_given=2) == [0, 1, 199]


def test_uniform_gaps_differ_by_at_most_one() -> None:
    chosen = choose_keyframes(torch.zeros(101, 1), method="uniform", share=0.3, num_given=2)
    assert len(chosen) == 2 + 30
    assert {j - i for i, j in itertools.pairwise(chosen[1:])} == {3, 4}


@pytest.mark.parametrize("sequence", ["face_0001", "face_0002", "face_0003", "test_a", "test_b"])
def test_published_rule_agrees_with_the_published_program(sequence: str) -> None:
    golden, _ = load_golden("keyframes")
    assert published_keyframes(golden[f"{sequence}_diffs"]) == golden[f"{sequence}_wl3"].tolist()


def test_the_published_smoothing_that_we_leave_out_is_the_identity() -> None:
    golden, _ = load_golden("keyframes")
    assert torch.equal(golden["smooth_in"], golden["smooth_3_hanning"])


def test_published_method_adds_the_first_three_and_the_last_frame() -> None:
    change = torch.tensor([0.0, 1, 1, 5, 1, 1, 9, 1, 1])  # added by frames 0 .. 8
    chosen = choose_keyframes(change.cumsum(dim=0)[:, None], method="published", share=1, num_given=2)
    assert chosen == [0, 1, 2, 3, 6, 8]


def test_a_thumbnail_averages_areas_and_never_enlarges() -> None:
    wide = torch.arange(2.0).view(1, 1, 2).expand(3, 128, 2).repeat(1, 1, 128)
    assert thumbnail(wide).shape == (3 * 32 * 64,)
    assert torch.equal(thumbnail(wide), torch.full((3 * 32 * 64,), 0.5))
    small = torch.rand(2, 5, 7, dtype=torch.float64)
    assert torch.equal(thumbnail(small), small.float().flatten())
    assert thumbnail(torch.rand(1, 1, 500)).shape == (64,)


def test_wrong_arguments_are_refused_with_the_choices() -> None:
    frames = smooth_video(5)
    with pytest.raises(ValueError, match="dp, uniform, published, all"):
        choose_keyframes(frames, method="best", share=0.3, num_given=2)
    for share in (0.0, 1.1, math.nan):
        with pytest.raises(ValueError, match="share"):
            choose_keyframes(frames, method="dp", share=share, num_given=2)
    with pytest.raises(ValueError, match=r"\[N, D\]"):
        choose_keyframes(frames[:0], method="dp", share=0.3, num_given=2)


def worst_quality(thumbnails: Tensor, keyframes: list[int]) -> float:
    """How well the worst dropped frame is predicted, in decibels."""
    frames = thumbnails.double()
    worst = 0.0
    for i, j in itertools.pairwise(keyframes):
        for m in range(i + 1, j):
            predicted = torch.lerp(frames[i], frames[j], (m - i) / (j - i))
            worst = max(worst, float((frames[m] - predicted).square().mean()))
    return -10 * math.log10(worst) if worst else math.inf


@settings(max_examples=25, deadline=None)
@given(num_frames=st.integers(2, 9), seed=st.integers(0, 10**6), quality=st.floats(-10, 20))
def test_a_quality_is_reached_with_as_few_keyframes_as_brute_force_finds(
    num_frames: int, seed: int, quality: float
) -> None:
    thumbnails = smooth_video(num_frames, key=f"quality{seed}")
    chosen = fewest_keyframes(thumbnails, quality=quality)
    assert chosen[-1] == num_frames - 1
    assert worst_quality(thumbnails, [0, *chosen]) >= quality - 1e-4
    for fewer in range(len(chosen) - 1):
        for inner in itertools.combinations(range(1, num_frames - 1), fewer):
            assert worst_quality(thumbnails, [0, *inner, num_frames - 1]) < quality + 1e-4


def test_a_higher_quality_takes_more_keyframes_up_to_all() -> None:
    video = smooth_video(1500)
    counts = [
        len(choose_keyframes(video, method="dp", share=0.3, num_given=2, quality=quality)) for quality in (-30, 0, 60)
    ]
    assert counts[0] < counts[1] < counts[2] == 1500
    assert choose_keyframes(video[:3], method="dp", share=0.3, num_given=2, quality=-30) == [0, 1, 2]


@pytest.mark.parametrize("quality", [-5.0, 3.0, 80.0])
def test_live_keyframes_reach_the_quality_too(quality: float) -> None:
    video = smooth_video(80)
    chosen = live(video, share=0.3, lookahead=8, num_given=2, quality=quality)
    assert worst_quality(video, chosen) >= quality
    assert max(j - i for i, j in itertools.pairwise(chosen)) <= 8
    if quality == 80:
        assert chosen == list(range(80))


def live(thumbnails: Tensor, **settings: float) -> list[int]:
    chooser = LiveKeyframes(**settings)  # type: ignore[arg-type]
    pushed = [chooser.push(frame) for frame in thumbnails]
    return [number for number in pushed if number is not None] + chooser.finish()


@settings(max_examples=60, deadline=None)
@given(
    num_frames=st.integers(1, 60),
    share=st.floats(0.05, 1),
    lookahead=st.integers(1, 12),
    num_given=st.integers(0, 3),
    seed=st.integers(0, 100),
)
def test_live_keyframes_keep_the_share_and_no_gap_is_longer_than_the_look_ahead(
    num_frames: int, share: float, lookahead: int, num_given: int, seed: int
) -> None:
    video = smooth_video(num_frames, key=f"live{seed}")
    chosen = live(video, share=share, lookahead=lookahead, num_given=num_given)
    assert chosen == sorted(set(chosen))
    assert {*range(min(max(num_given, 1), num_frames)), num_frames - 1} <= set(chosen) <= set(range(num_frames))
    assert max((j - i for i, j in itertools.pairwise(chosen)), default=0) <= lookahead
    assert len(chosen) - num_given <= max(share, 1 / lookahead) * max(num_frames - num_given, 0) + 3


def test_live_keyframes_are_known_when_the_look_ahead_is_there() -> None:
    chooser = LiveKeyframes(share=0.3, lookahead=5, num_given=2)
    newest = 0
    for number, frame in enumerate(smooth_video(60)):
        key = chooser.push(frame)
        newest = newest if key is None else key
        assert number - newest < 5  # a frame waits for at most 5 frames, itself included


def test_with_the_whole_video_ahead_the_first_live_step_is_the_offline_one() -> None:
    video = smooth_video(30)
    offline = choose_keyframes(video, method="dp", share=0.3, num_given=1)
    assert live(video, share=0.3, lookahead=29, num_given=1)[:2] == offline[:2]


@pytest.mark.parametrize("method", METHODS)
def test_lazy_thumbnails_choose_the_same_and_are_made_about_once(method: str) -> None:
    frames = torch.rand(400, 2, 8, 8).cumsum(dim=0).frac()
    asked: list[int] = []

    def semantic(number: int) -> Tensor:
        asked.append(number)
        return frames[number]

    whole = torch.stack([thumbnail(frame) for frame in frames])
    lazy = LazyThumbnails(semantic, num_frames=400)
    chosen = choose_keyframes(lazy, method=method, share=0.3, num_given=2)
    assert chosen == choose_keyframes(whole, method=method, share=0.3, num_given=2)
    assert len(asked) <= 420


@pytest.mark.parametrize("wrong", [{"share": 0}, {"lookahead": 0}, {"num_given": -1}])
def test_impossible_live_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        LiveKeyframes(**({"share": 0.3, "lookahead": 4, "num_given": 2} | wrong))  # type: ignore[arg-type]
