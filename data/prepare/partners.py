"""Files of several folders that belong to the same frames, for what is to become a dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path

from data.layout import VIDEO_METADATA
from util.errors import UserError
from util.names import first_gap, natural_key, partners


def frame_files(
    folder: Path, suffixes: Sequence[str], what: str, *, stem: Callable[[Path], str] = lambda path: path.stem
) -> dict[str, Path]:
    """The files of ``folder`` by the names of their frames, in the order of those; numbers in names count as numbers.

    Raises:
        UserError: no such folder, none of the ``what`` in it, or two files of one frame.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder of {what}, found no such folder; check the path")
    paths = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.name != VIDEO_METADATA
    ]
    if not paths:
        others = [path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
        found = f"only others, such as {min(others)}" if others else "none"
        kinds = " ".join(f"*{suffix}" for suffix in suffixes)
        raise UserError(f"{folder}: expected {what} ({kinds}), found {found}; check the path")
    files: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: natural_key(stem(path))):
        first = files.setdefault(stem(path), path)
        if first != path:
            raise UserError(f"{first}: expected one file a frame, found {path.name} too; remove one of them")
    return files


def partner_files(files: dict[str, Path], others: dict[str, Path], what: str) -> dict[str, Path]:
    """The one of ``others`` that belongs to each of ``files``, by equal name, else by equal number.

    Raises:
        UserError: one has none; the first is named.
    """
    pairs = partners(list(files), list(others))
    lonely = next((name for name in files if name not in pairs), None)
    if lonely is not None:
        left = [path for name, path in others.items() if name not in pairs.values()]
        also = f"; nothing goes with {left[0]} either" if left else ""
        raise UserError(
            f"{next(iter(others.values())).parent / lonely}: expected one of the {what}, to go with {files[lonely]}, "
            f"found no file of that name or number ({len(others)} {what} and {len(files)} of the others){also}; add "
            "it, or remove what has no partner"
        )
    return {name: others[pairs[name]] for name in files}


def check_without_gaps(files: dict[str, Path], video: Path) -> None:
    """Say which file is missing of those that go with the frames of a video, which have no names.

    Raises:
        UserError: one is.
    """
    gap = first_gap(list(files))
    if gap is not None:
        raise UserError(
            f"{next(iter(files.values())).parent}: expected a file for each frame of {video}, found none of number "
            f"{gap}; make it again"
        )
