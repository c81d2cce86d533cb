"""A stream is shown evenly, and goes on after a stall."""

import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest

from models.inference.live import show
from util.report.live_page import LivePage, Picture


class EnoughShownError(Exception):
    """Ends a stream that has no end."""


class CountingPage(LivePage):
    """A page that nobody opens, and that has seen enough after 50 frames."""

    def show(self, jpeg: bytes, *, arrived: float) -> None:
        super().show(jpeg, arrived=arrived)
        if self.num_shown == 50:
            raise EnoughShownError


def test_frames_after_a_stall_do_not_wait_as_long_as_it_took() -> None:
    def pictures() -> Iterator[Picture]:
        for number in count():
            now = time.perf_counter()
            yield Picture(arrived=now - 1000 if number == 0 else now, ready=now, jpeg=b"")

    has_ended = threading.Event()

    def run() -> None:
        with pytest.raises(EnoughShownError):
            show(pictures(), CountingPage(port=0, metadata={}, counts=dict), ahead=4)
        has_ended.set()

    threading.Thread(target=run, daemon=True).start()
    assert has_ended.wait(timeout=30)
