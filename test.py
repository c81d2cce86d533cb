"""Test: semantic video -> key-frames -> generator -> motion compensation -> frames, mp4, web page.

Datasets and videos of one's own go through ``benchmarks/testing.py``, streams that are watched as they are made through
``models/inference/live.py``.
"""

import sys

from options.cli import parse
from options.config import TestConfig
from util.errors import run_program


def main() -> None:
    """Test as the command line says."""
    config = parse(TestConfig, description=__doc__.splitlines()[0])
    # here, since --help needs none of it
    from benchmarks.testing import run, run_video
    from models.inference.live import run_live

    if config.serve is not None or config.webcam is not None:
        run_live(config)
    elif config.video is not None:
        run_video(config)
    else:
        run(config)


if __name__ == "__main__":
    run_program(main, debug="--debug" in sys.argv)
