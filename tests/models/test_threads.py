"""A stage in a thread of its own gives the same items, the same errors, and ends when its caller does."""

import threading
from collections.abc import Iterator

import pytest

from models.inference.threads import in_background


def test_items_come_in_order_and_no_further_ahead_than_allowed() -> None:
    made = 0

    def items() -> Iterator[int]:
        nonlocal made
        for number in range(50):
            made += 1
            yield number

    for number, item in enumerate(in_background(items(), ahead=2)):
        assert number == item
        assert made <= number + 1 + 2 + 1  # shown, waiting, and the one in the thread's hand


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    found = in_background(items())
    assert next(found) == 1
    with pytest.raises(KeyError, match="broken"):
        next(found)


def test_a_caller_who_stops_ends_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.set()

    before = threading.active_count()
    found = in_background(items())
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert threading.active_count() == before


def test_stages_can_stand_behind_one_another() -> None:
    assert list(in_background(in_background(iter(range(20)), ahead=1))) == list(range(20))
