"""Arrays of numpy: broken files are one line, and none takes more memory than its file has bytes."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics.flow_error import read_flow
from data.samples.motion_files import read_motion
from util.errors import UserError
from util.numpy_files import read_arrays


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


SOUND = npy(np.zeros((2, 3, 4), np.float32))
BROKEN = {
    "empty": b"",
    "no header": SOUND[:20],
    "a header without its end": SOUND.replace(b"}", b"("),
    "more than it holds": SOUND.replace(b"(2, 3, 4)", b"(2,9**9,)").replace(b"(2,9**9,)", b"(2,99999)"),
    "cut": SOUND[:-1],
    "half a zip": b"PK\x03\x04" + SOUND,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_arrays_are_one_line(tmp_path: Path, broken: str) -> None:
    """Found by tests/fuzz.py: numpy's errors are of a dozen kinds."""
    for name, read in (("a.npy", read_flow), ("a.npz", read_motion)):
        (tmp_path / name).write_bytes(BROKEN[broken])
        with pytest.raises(UserError, match=rf"{name}: expected ") as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_arrays_of_objects_and_packed_giants_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "giant.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(33):
            archive.writestr(f"{number}.npy", bytes(2**25))
    for name, found in (("objects.npy", "Python objects"), ("giant.npz", "bytes, packed"), ("none.npy", "no file")):
        with pytest.raises(UserError, match=found):
            read_arrays(tmp_path / name, expected="numbers")


def test_sound_arrays_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(SOUND)
    np.savez_compressed(tmp_path / "a.npz", one=np.ones(3), two=np.zeros(2))
    assert read_flow(tmp_path / "a.npy").shape == (2, 3, 4)
    assert {name: len(one) for name, one in read_arrays(tmp_path / "a.npz", expected="").items()} == {
        "one": 3,
        "two": 2,
    }
