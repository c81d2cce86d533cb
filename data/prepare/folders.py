"""The folders of a new sequence of a dataset, which appear all at once or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from util.errors import UserError
from util.folders import atomic_directories
from util.media.video import video_notes


@contextmanager
def new_folders(root: Path, targets: Sequence[str], *, name: str) -> Iterator[list[Path]]:
    """Yield scratch folders; when the block ends well they become ``root/<target>``, when it raises they are removed.

    So no one ever trains on half a sequence. Scratch folders that stay empty are left out.

    Args:
        root: the dataset's folder.
        targets: the folders of the new sequence in it, such as ``train_img/talk``.
        name: the sequence's, for errors.

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
    with atomic_directories([root / target for target in targets]) as scratches:
        yield scratches


def tell_of_video(video: Path) -> None:
    """Print what a person should know of how a video is read, a line for each thing.

    Raises:
        UserError: it is no whole video.
    """
    for note in video_notes(video):
        print(f"{video}: {note}")
