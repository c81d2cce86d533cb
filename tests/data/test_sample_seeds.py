"""A seed makes the same world in every process, whatever the order of its sets and the number of its threads."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
from data.samples import pose, street
out = Path(sys.argv[1])
pose.POSE_SPLIT["test"] = range(130, 132)
pose.write_pose_sample(out / "pose", seed=3, phases=("test",))
street.write_street_sample(out / "street", seed=3, phases=("test",), num_frames=2)
"""


def hashes(root: Path) -> dict[str, str]:
    """Of every file's content."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_the_same_seed_draws_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    found = []
    for number, threads in ((1, "1"), (2, "2")):
        settings = os.environ | {"PYTHONHASHSEED": str(number), "OMP_NUM_THREADS": threads}
        root = tmp_path / str(number)
        subprocess.run([sys.executable, "-c", PROGRAM, str(root)], env=settings, check=True, capture_output=True)
        found.append(hashes(root))
    assert found[0] == found[1] and len(found[0]) == 2 * (4 + 4) + 2
