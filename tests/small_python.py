"""Stands in for ``python`` where a documented command is run: the same program, on small networks and few frames.

    python tests/small_python.py train.py --dataroot datasets/talk …

Flags that make things small are added after the command's own, so they win. What is fetched or takes minutes to draw is
there already, and a made-up finder knows where the faces are.
"""

import os
import runpy
import sys
from pathlib import Path

IS_THERE = ("data.fetch", "data.samples")  # their command lines are only parsed


def smaller(words: list[str]) -> list[str]:
    """A command's words, with what makes it small."""
    if not words[0].endswith(".py"):
        return words
    from tests.tiny_face import TINY  # here, since it takes seconds

    match words:
        case ["train.py", *_]:
            return [*words, *TINY]
        case ["test.py", *rest] if "--video" not in rest:
            return [*words, "--max_frames", "6"]
        case ["benchmark.py", "training", *_]:
            at = words.index("--")
            return [*words[:at], "--steps", "1", *words[at:], *TINY]
        case ["benchmark.py", "table", *_]:
            return [*words, "--clip_length", "6", "--timing_runs", "1"]
        case ["benchmark.py", "stream", *_]:
            return [*words, "--frames", "200"]
    return words


def know_faces() -> None:
    """Put a made-up finder in the place of the fetched one."""
    import data.detectors.landmarks as landmarks

    landmarks.finder_note = lambda name: f"{name} 1 made-up"  # before others import it by its name
    from tests.tiny_video import landmark_finder

    landmarks.FINDERS["mesh"] = lambda follows: landmark_finder()


def main(words: list[str]) -> None:
    """Run a program as ``python`` would."""
    if words[0] in ("-", "-c"):
        os.execv(sys.executable, [sys.executable, *words])
    sys.path[0] = str(Path.cwd())
    words = smaller(words)
    is_module = words[0] == "-m"
    name, rest = (words[1], words[2:]) if is_module else (words[0], words[1:])
    if name in IS_THERE:
        module = __import__(f"{name}.__main__" if name == "data.samples" else name, fromlist=["build_parser"])
        module.build_parser().parse_args(rest)
        return
    if name == "data.prepare" or "--video" in rest:
        know_faces()
    sys.argv = [name, *rest]
    if is_module:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(name, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
