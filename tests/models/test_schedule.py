import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.schedule import Schedule

PUBLISHED = Schedule(
    steps_per_epoch=7,
    num_constant=10,
    num_decay=10,
    epochs_per_growth=5,
    clip_frames=6,
    max_clip_frames=128,
    frames_per_step=1,
    max_frames_per_step=2,
    frames_backpropagate=1,
    max_frames_backpropagate=4,
)


def test_clips_and_gradients_double_every_few_epochs() -> None:
    firsts = [epoch * 7 for epoch in (0, 4, 5, 10, 15, 19)]
    assert [PUBLISHED.clip_frames_at(step) for step in firsts] == [6, 6, 12, 24, 48, 48]
    assert [PUBLISHED.frames_per_step_at(step) for step in firsts] == [1, 1, 2, 2, 2, 2]
    assert [PUBLISHED.frames_backpropagate_at(step) for step in firsts] == [1, 1, 2, 4, 4, 4]


def test_coarse_scales_rest_in_the_first_epochs_and_never_by_default() -> None:
    fixed = dataclasses.replace(PUBLISHED, num_fix_coarse=2)
    assert [fixed.is_coarse_fixed_at(step) for step in (0, 13, 14)] == [True, True, False]
    assert not PUBLISHED.is_coarse_fixed_at(0)


def test_the_learning_rate_is_constant_then_falls_linearly_and_never_to_zero() -> None:
    factors = [PUBLISHED.learning_rate_factor(epoch * 7) for epoch in range(20)]
    assert factors[:10] == [1.0] * 10
    steps = {round(before - after, 6) for before, after in zip(factors[9:], factors[10:], strict=False)}
    assert len(steps) == 1
    assert 0 < factors[-1] < factors[-2]


def test_the_learning_rate_falls_in_time_where_the_time_ends_before_the_epochs_do() -> None:
    assert PUBLISHED.learning_rate_factor(0, time_used=0.5) == 1.0
    assert PUBLISHED.learning_rate_factor(0, time_used=0.75) == 0.5
    assert PUBLISHED.learning_rate_factor(0, time_used=1.0) == 0.0
    assert PUBLISHED.learning_rate_factor(19 * 7, time_used=0.5) == PUBLISHED.learning_rate_factor(19 * 7)


@given(step=st.integers(0, 10_000), largest=st.integers(1, 200))
@settings(max_examples=50, deadline=None)
def test_growth_never_passes_its_end_and_never_shrinks(step: int, largest: int) -> None:
    schedule = dataclasses.replace(PUBLISHED, max_clip_frames=largest)
    now, later = schedule.clip_frames_at(step), schedule.clip_frames_at(step + 1)
    assert 6 <= now <= later <= max(6, largest)
