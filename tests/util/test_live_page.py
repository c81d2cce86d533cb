"""The live page shows every frame to those who are quick enough, and only on this machine."""

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

from util.errors import UserError
from util.media.pictures import jpeg_of
from util.report.live_page import LivePage, PlayoutClock

PICTURE = np.full((16, 24, 3), (200, 30, 60), np.uint8)


def make_page(port: int = 0) -> LivePage:
    return LivePage(port=port, metadata={"title": "a title"}, counts=lambda: {"dropped": 3})


@pytest.fixture
def page() -> Iterator[LivePage]:
    with make_page() as page:
        yield page


def get(page: LivePage, path: str) -> bytes:
    with urlopen(page.url + path, timeout=10) as answer:
        return bytes(answer.read())


def test_the_page_its_style_and_its_script_come_from_the_program_alone(page: LivePage) -> None:
    html = get(page, "").decode()
    assert "/stream.mjpg" in html and "/status.json" in html
    assert "http://" not in html and "https://" not in html
    assert b"--accent" in get(page, "page.css")


def test_the_status_counts_frames_and_latencies(page: LivePage) -> None:
    assert json.loads(get(page, "status.json"))["shown"] == 0
    for _ in range(3):
        page.show(b"", arrived=0.0)
    status = json.loads(get(page, "status.json"))
    assert (status["title"], status["dropped"], status["shown"], status["skipped"]) == ("a title", 3, 3, 0)
    assert status["latency"]["frames"] == len(status["recent_ms"]) == 3
    assert 0 < status["latency"]["median"] <= status["latency"]["95th"] <= status["latency"]["worst"]
    assert status["fps"] > 0


def test_a_frame_is_semantics_and_video_side_by_side(page: LivePage) -> None:
    page.show(jpeg_of(PICTURE, 255 - PICTURE), arrived=0.0)
    read = cv2.imdecode(np.frombuffer(get(page, "frame.jpg"), np.uint8), cv2.IMREAD_COLOR)
    assert read is not None
    frame = read[..., ::-1]
    assert frame.shape == (16, 48, 3)
    assert np.abs(frame[:, 4:20].astype(int) - PICTURE[:, 4:20]).max() < 12
    assert np.abs(frame[:, 28:44].astype(int) - (255 - PICTURE[:, 4:20])).max() < 12


def test_the_stream_shows_every_frame_to_a_browser_that_keeps_up(page: LivePage) -> None:
    jpegs = [jpeg_of(PICTURE + number) for number in range(5)]
    page.show(jpegs[0], arrived=0.0)
    connection = HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.request("GET", "/stream.mjpg")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "multipart/x-mixed-replace; boundary=frame"
    assert answer.readline() == b"--frame\r\n"
    for number, jpeg in enumerate(jpegs):
        if number:
            page.show(jpeg, arrived=0.0)
        assert answer.readline() == b"Content-Type: image/jpeg\r\n"
        assert answer.readline() == b"Content-Length: %d\r\n" % len(jpeg)
        answer.readline()
        assert answer.read(len(jpeg)) == jpeg
        assert (answer.readline(), answer.readline()) == (b"\r\n", b"--frame\r\n")
    assert page.status()["skipped"] == 0
    connection.close()


def test_frames_that_a_browser_is_too_slow_for_are_counted(page: LivePage) -> None:
    page.show(b"1", arrived=0.0)
    assert page.next_frame(after=0) == (1, b"1")
    for content in (b"2", b"3", b"4"):
        page.show(content, arrived=0.0)
    assert page.next_frame(after=1) == (4, b"4")
    assert page.status()["skipped"] == 2


@pytest.mark.parametrize(("path", "host", "code"), [("/../page.py", None, 404), ("/", "evil.example:80", 403)])
def test_nothing_else_is_served_and_to_no_other_name(page: LivePage, path: str, host: str | None, code: int) -> None:
    connection = HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    assert connection.getresponse().status == code
    connection.close()


def test_a_port_that_is_taken_is_one_line(page: LivePage) -> None:
    with pytest.raises(UserError, match=f"--serve {page.port}: the port is taken"), make_page(page.port):
        pass


def test_the_end_frees_the_port_and_those_who_watch() -> None:
    with make_page() as page:
        port = page.port
        watched: list[object] = []
        watcher = threading.Thread(target=lambda: watched.append(page.next_frame(after=0)))
        watcher.start()
    watcher.join(timeout=10)
    assert watched == [None]
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))


def test_frames_that_are_made_in_bursts_are_shown_evenly() -> None:
    playout = PlayoutClock()
    arrived = [number / 25 for number in range(60)]
    ready = [(number // 6 * 6 + 5) / 25 + 0.02 for number in range(60)]  # six at a time
    shown = [playout.when(arrived=one, ready=done) for one, done in zip(arrived, ready, strict=True)]
    assert all(one >= done for one, done in zip(shown, ready, strict=True))
    assert np.allclose(np.diff(shown), 1 / 25)
