"""Arrays that numpy wrote: read without executing anything, and never larger than their file."""

import zipfile
from pathlib import Path

import numpy as np

from util.errors import UserError, brief

_MOST_BYTES = 2**30  # of what is unpacked


def read_arrays(path: Path, *, expected: str) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name; of an ``.npy`` file the one array, by an empty name.

    Raises:
        UserError: no such file, or another one; ``expected`` says what it should be, and how to make it.
    """
    try:
        if not path.is_file():
            raise ValueError("no file")
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(one.file_size for one in archive.infolist())
            if unpacked > _MOST_BYTES:
                raise ValueError(f"{unpacked} bytes, packed")
        # mapped: a header that promises more than the file has is refused before memory is asked for
        content = np.load(path, allow_pickle=False, mmap_mode="r")
        if isinstance(content, np.ndarray):
            return {"": np.array(content)}
        with content as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # numpy's and zipfile's errors for broken files are of a dozen kinds
        raise UserError(f"{path}: expected {expected}, found something else ({brief(error)})") from None
