"""A small page that shows a stream while it is generated; only this machine can open it.

Pictures come as motion JPEG, which every browser shows without a script; figures come as JSON twice a second. The page
is ``live_page.html``, beside this file, and shares the result page's style.
"""

import errno
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from util.errors import UserError
from util.latency import LatencyMeter

HOST = "127.0.0.1"
# frames behind the rate and the curve on the page
_NUM_RECENT = 120
# the longest stall of a browser, in seconds, after which its connection is given up
_PATIENCE = 20.0
_BOUNDARY = "frame"


class Picture(NamedTuple):
    """A frame ready to be shown.

    Attributes:
        arrived: when its semantic frame arrived, by ``time.perf_counter``.
        ready: when it was generated.
        jpeg: the picture's file.
    """

    arrived: float
    ready: float
    jpeg: bytes


class PlayoutClock:
    """Chooses when each frame is shown, so that frames which are generated in bursts move evenly.

    Frames between two key-frames are ready all at once. Each is shown as long after its arrival as the slowest of the
    newest frames took.
    """

    def __init__(self, *, num_frames: int = 64) -> None:
        """Args: num_frames: how many of the newest frames count."""
        self._latencies: deque[float] = deque(maxlen=num_frames)

    def when(self, *, arrived: float, ready: float) -> float:
        """The time to show a frame, never before it is ready."""
        self._latencies.append(ready - arrived)
        return arrived + max(self._latencies)


class LivePage:
    """A context in which a stream can be watched at ``url``; it ends with all its threads.

    Attributes:
        num_shown: frames shown so far.
        num_skipped: frames that browsers were too slow for, all browsers together.
        latency: from the arrival of each to its being shown.
    """

    def __init__(
        self, *, port: int, metadata: Mapping[str, object], counts: Callable[[], Mapping[str, object]]
    ) -> None:
        """Nothing is opened before the block begins.

        Args:
            port: of this machine; 0: any that is free.
            metadata: what the page shows about the stream: ``title``, ``source``, ``checkpoint``, ``rows``.
            counts: returns further figures for every status.
        """
        self.num_shown = 0
        self.num_skipped = 0
        self.latency = LatencyMeter()
        self._port = port
        self._metadata = dict(metadata)
        self._counts = counts
        self._newest: bytes | None = None
        self._times: deque[float] = deque(maxlen=_NUM_RECENT)
        self._changed = threading.Condition()
        self._is_open = True
        self._began = time.perf_counter()

    def __enter__(self) -> "LivePage":
        try:
            self._server = _Server((HOST, self._port), _handler_of(self))
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
            raise UserError(f"--serve {self._port}: the port {reason}; give another one, or 0 for any") from None
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address that a browser opens."""
        return f"http://{HOST}:{self.port}/"

    def show(self, jpeg: bytes, *, arrived: float) -> None:
        """Show a frame now to everyone who watches.

        Args:
            jpeg: its file.
            arrived: when its semantic frame arrived, by ``time.perf_counter``.
        """
        with self._changed:
            now = time.perf_counter()
            self._newest = jpeg
            self.num_shown += 1
            self._times.append(now)
            self.latency.record(now - arrived)
            self._changed.notify_all()

    def next_frame(self, *, after: int) -> tuple[int, bytes] | None:
        """The newest frame with its number (from 1) as soon as there is one after that number; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self.num_shown > after or not self._is_open)
            if not self._is_open or self._newest is None:
                return None
            if after:
                self.num_skipped += self.num_shown - after - 1
            return self.num_shown, self._newest

    def status(self) -> dict[str, object]:
        """The figures of the stream right now, as plain JSON values.

        ``fps``: frames shown a second, of the last 120; ``shown``; ``skipped``: frames that a browser was too slow for;
        ``latency``: see ``LatencyMeter.summary``; ``recent_ms``: latencies of the last 120 frames.
        """
        with self._changed:
            times = list(self._times)
            latency, recent = self.latency.summary(), self.latency.newest(_NUM_RECENT)
            shown, skipped = self.num_shown, self.num_skipped
        # a stream that stands still has a falling rate
        span = max(times[-1], time.perf_counter() - 1) - times[0] if len(times) > 1 else 0
        return {
            **self._metadata,
            "seconds": round(time.perf_counter() - self._began, 1),
            "fps": round((len(times) - 1) / span, 2) if span > 0 else None,
            "shown": shown,
            "skipped": skipped,
            "latency": latency,
            "recent_ms": [round(1000 * one, 1) for one in recent],
            **self._counts(),
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # many browsers, or one that reloads, ask at once: who does not fit waits, and is not turned away
    request_queue_size = 1024
    # a browser that stalls must not hold up the end of the program
    block_on_close = False
    # on Windows two programs could then have the same port
    allow_reuse_address = os.name == "posix"

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that closes its page is no error."""


def _handler_of(page: LivePage) -> type[BaseHTTPRequestHandler]:
    """The class that answers browsers for ``page``."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE

        def do_GET(self) -> None:
            # a foreign page must not reach the stream through a name of its own for 127.0.0.1
            if self.headers.get("Host", "").rsplit(":", 1)[0] not in (HOST, "localhost"):
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            path = self.path.partition("?")[0]
            beside = Path(__file__)
            if path == "/":
                self._send("text/html; charset=utf-8", beside.with_name("live_page.html").read_bytes())
            elif path == "/page.css":
                self._send("text/css; charset=utf-8", beside.with_name("page.css").read_bytes())
            elif path == "/status.json":
                self._send("application/json", json.dumps(page.status()).encode())
            elif path == "/frame.jpg":
                frame = page.next_frame(after=0)
                self._send("image/jpeg", b"" if frame is None else frame[1])
            elif path == "/stream.mjpg":
                self._send_stream()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _begin(self, kind: str) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")

        def _send(self, kind: str, content: bytes) -> None:
            self._begin(kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _send_stream(self) -> None:
            self._begin(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.end_headers()
            self.wfile.write(f"--{_BOUNDARY}\r\n".encode())
            seen = 0
            while (frame := page.next_frame(after=seen)) is not None:
                seen, jpeg = frame
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                # the boundary after it: browsers show a part when they have seen its end
                self.wfile.write(head.encode() + jpeg + f"\r\n--{_BOUNDARY}\r\n".encode())

        def log_message(self, format: str, *args: object) -> None:
            """The screen is for the stream's own news."""

    return Handler
