"""How does a new sequence appear in a dataset, all its folders at once or none?"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from util.errors import UserError


@contextmanager
def new_folders(root: Path, targets: Sequence[str], *, name: str) -> Iterator[list[Path]]:
    """Yield scratch folders; when the block ends well they become ``root/<target>``, when it raises they are removed.

    So no one ever trains on half a sequence. Scratch folders that stay empty are left out.

    Args:
        root: the dataset's folder.
        targets: the folders of the new sequence in it, such as ``train_img/talk``.
        name: the sequence's, for the scratch folder and for errors.

    Raises:
        UserError: ``name`` cannot be that of a folder, or one of the folders exists already.
    """
    if not name or name.startswith(".") or Path(name).name != name:
        raise UserError(f"--name {name}: expected the name of a folder, found something else")
    for target in targets:
        if (root / target).exists():
            raise UserError(
                f"{root / target}: expected no such folder yet, found one; remove it or choose another --name"
            )
    scratch = root / f".{name}.{os.getpid()}.part"
    folders = [scratch / str(number) for number in range(len(targets))]
    try:
        for folder in folders:
            folder.mkdir(parents=True)
        yield folders
        for folder, target in zip(folders, targets, strict=True):
            if any(folder.iterdir()):
                (root / target).parent.mkdir(parents=True, exist_ok=True)
                folder.rename(root / target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):  # not empty: others' files, or the new sequence
            root.rmdir()
