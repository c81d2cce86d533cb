"""Stands in for ``python`` where a documented command is run: the same program, on small networks and few frames.

``serve`` waits in one process that has imported torch already. What ``client_of`` writes is a ``python`` for the shell,
whose every call is a fork of that process, which spares seconds each time. Flags that make things small are added after
the command's own, so they win. What is fetched or takes minutes to draw is there already, and a made-up finder knows
where the faces are.
"""

import os
import runpy
import socket
import sys
import traceback
from pathlib import Path

IS_THERE = ("data.fetch", "data.samples")  # their command lines are only parsed
CLIENT = """#!{python} -IS
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
socket.send_fds(server, ["\\0".join(sys.argv[1:]).encode()], [0, 1, 2])
server.shutdown(socket.SHUT_WR)
sys.exit(int(server.recv(16) or b"70"))
"""


def client_of(address: Path) -> str:
    """A program that runs its words in a fork of the process that serves at ``address``."""
    return CLIENT.format(python=sys.executable, socket=str(address))


def serve(address: Path) -> None:
    """Run what clients ask for in the current folder, one after the other, until the process is ended."""
    sys.path.insert(0, str(Path.cwd()))
    import benchmarks.testing  # noqa: F401
    import models.training.loop  # noqa: F401

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen()
        while True:
            client, _ = server.accept()
            words, files, *_ = socket.recv_fds(client, 2**16, 3)
            child = os.fork()
            if child == 0:
                _run(words.decode().split("\0"), files)
            _, status = os.waitpid(child, 0)
            for file in files:
                os.close(file)
            client.sendall(str(os.waitstatus_to_exitcode(status) % 256).encode())
            client.close()


def _run(words: list[str], files: list[int]) -> None:
    """Be ``python WORDS`` with these files as its three standard ones, and end."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    code = 0
    try:
        main(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def smaller(words: list[str]) -> list[str]:
    """A command's words, with what makes it small."""
    from tests.tiny_face import TINY  # of the project, where it is served

    match words:
        case ["train.py", *_]:
            return [*words, *TINY]
        case ["benchmark.py", "table", *_]:
            return [*words, "--clip_length", "6", "--timing_runs", "1"]
    return words


def know_faces() -> None:
    """Put a made-up finder in the place of the fetched one."""
    import data.detectors.landmarks as landmarks
    import data.prepare.commands as commands
    import data.prepare.face as face
    from tests.tiny_video import landmark_finder

    landmarks.FINDERS["mesh"] = lambda follows: landmark_finder()
    for module in (landmarks, commands, face):
        module.finder_note = lambda name: f"{name} 1 made-up"  # type: ignore[attr-defined]


def main(words: list[str]) -> None:
    """Run a program as ``python`` would."""
    if words[0] in ("-", "-c"):
        os.execv(sys.executable, [sys.executable, *words])
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
    serve(Path(sys.argv[1]))
