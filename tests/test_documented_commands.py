"""Every command of README and docs works: each ``bash`` block is run, small, or says in place why not.

``<!-- not run: REASON -->`` above a block keeps it from being run. The others run one after the other in one copy of
the project, as a reader would (``tests/small_python.py`` is their python).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from data.samples.pose import POSE_SPLIT, write_pose_sample
from models.legacy.exporting import export_generator
from tests.small_python import client_of
from tests.tiny_face import write_tiny_face
from tests.tiny_street import write_tiny_street
from tests.tiny_video import write_talk

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
FOLDERS = ("benchmarks", "data", "docs", "examples", "models", "options", "scripts", "util")
SHIPPED = ("face_sample_teacher", "face_sample_student", "street_sample_student")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- not run: (.+?) -->\n+$")
COMMAND = re.compile(r"^ *(?:python|bash|pip|torchrun) ", re.MULTILINE)
INDENTED = re.compile(r"^ {4,}(?:python|bash|pip|torchrun) ", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of a page."""

    name: str
    language: str
    text: str
    why_not: str | None
    """Why it is not run."""


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    blocks = []
    for fence in FENCE.finditer(text):
        mark = MARK.search(text, 0, fence.start())
        line = text.count("\n", 0, fence.start()) + 1
        blocks.append(Block(f"{page}:{line}", fence[2], fence[3], mark[1] if mark else None))
    return blocks


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
RUN = [block for block in BLOCKS if block.language == "bash" and block.why_not is None]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_stand_in_bash_blocks(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not INDENTED.findall(FENCE.sub("", text)), "put it into a ```bash block"
    others = [block.name for block in blocks_of(page) if block.language != "bash" and COMMAND.search(block.text)]
    assert not others
    marked = [block for block in blocks_of(page) if block.why_not]
    assert text.count("<!-- not run: ") == len(marked) and all(block.language == "bash" for block in marked)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_block_can_be_read(block: Block) -> None:
    if block.language == "bash":
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    elif block.language == "python":
        compile(block.text, block.name, "exec")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project whose environment is made already, with small data where the pages have theirs."""
    root, source = tmp_path_factory.mktemp("project"), Path.cwd()
    for folder in FOLDERS:
        shutil.copytree(source / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*source.glob("*.py"), *source.glob("requirements*")):
        shutil.copy(path, root)
    for name in SHIPPED:
        shutil.copytree(source / "checkpoints" / name, root / "checkpoints" / name)
    shutil.copytree(root / "checkpoints" / SHIPPED[1], root / "checkpoints/student")

    python = root / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    address = Path(tempfile.mkdtemp()) / "python"  # the path of a socket must be short
    python.write_text(client_of(address))
    python.chmod(0o755)
    stamp = subprocess.run(["cksum"], input=(root / "requirements.txt").read_bytes(), capture_output=True, check=True)
    (root / f".venv/installed-{stamp.stdout.decode().strip().replace(' ', '-')}").touch()  # as scripts/environment.sh

    datasets = root / "datasets"
    for name in ("face", "face_sample"):
        for phase, num_frames in (("train", 12), ("test", 6)):
            write_tiny_face(datasets / name, phase=phase, num_frames=num_frames)
    for phase in ("train", "test"):
        write_tiny_street(datasets / "mine", phase=phase, num_frames=8)
        write_tiny_street(datasets / "street_sample", phase=phase, num_frames=8, name="street_2", older=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(POSE_SPLIT, "test", range(130, 137))
        write_pose_sample(datasets / "pose_sample", phases=("test",))
    for name in ("mine", "real"):
        shutil.copytree(datasets / "face/test_img", root / name / "frames")
    for name in ("talk.mp4", "other.mp4"):
        write_talk(root / name, num_frames=20)
    export_generator("checkpoints/face_sample_student", root / "latest_net_G0.pth")

    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, "-m", "tests.small_python", str(address)], cwd=root, env=environment)
    while not address.exists():
        assert server.poll() is None
        time.sleep(0.1)
    yield root
    server.terminate()
    server.wait()
    shutil.rmtree(address.parent)


@pytest.mark.slow
@pytest.mark.parametrize("block", RUN, ids=lambda block: block.name)
def test_block_runs(block: Block, project: Path) -> None:
    path = f"{project / '.venv/bin'}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(project), "PROCESSES": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{block.name}:\n{block.text}\n{done.stdout[-3000:]}"
