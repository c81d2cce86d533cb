"""A dataset of very many small files packed into a few large ones, which are read as they are."""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from data.storage.shards import SHARDS
from data.storage.video_files import VIDEO_SUFFIXES
from util.errors import UserError
from util.folders import atomic_directory


class Sequence(NamedTuple):
    """All files of one sequence, from all folders of the dataset that have it."""

    name: str
    files: list[Path]
    num_bytes: int


def prepare_shards(root: Path, out: Path, *, shard_mb: int = 256) -> None:
    """Write the dataset ``root`` as ``out/shard-00000.tar``, ...: ``--dataroot out`` then does what ``root`` did.

    Shards are plain tar files, as WebDataset's are. Sequences stay whole: all files of one, from all folders, lie side
    by side in one shard, at the paths that they have below ``root``. Prints how much there is.

    Args:
        root: the dataset's folder.
        out: a new folder, or one of shards that is written anew.
        shard_mb: a shard takes no further sequence once it has so many times 10^6 bytes.

    Raises:
        UserError: ``root`` is no dataset, or has video files, which are large files already.
    """
    if shard_mb < 1:
        raise UserError(f"--shard_mb {shard_mb}: expected 1 or more")
    sequences = find_all_sequences(root)
    if out.resolve() == root.resolve():
        raise UserError(f"--out {out}: expected another folder than --dataroot")
    with atomic_directory(out, former=_shards_of_before) as scratch:
        shards = list(_grouped(sequences, num_bytes=shard_mb * 10**6))
        with tqdm(total=len(sequences), unit=" sequences", leave=False) as progress:
            for number, group in enumerate(shards):
                with tarfile.open(scratch / shard_name(number), "w", format=tarfile.PAX_FORMAT) as archive:
                    for sequence in group:
                        for file in sequence.files:
                            _add(archive, file, root=root)
                        progress.update()
    num_files, total = sum(len(one.files) for one in sequences), sum(one.num_bytes for one in sequences)
    print(f"{out}: {len(sequences)} sequences, {num_files} files, {total / 1e6:.1f} MB in {len(shards)} shards")


def _shards_of_before(folder: Path) -> list[str]:
    """What is ours in a folder of shards that has no list of it."""
    return [path.name for path in folder.glob(SHARDS)]


def shard_name(number: int) -> str:
    """The file name of a shard."""
    return SHARDS.replace("*", f"{number:05d}")


def find_all_sequences(root: Path) -> list[Sequence]:
    """The sequences of a dataset of any kind and all its parts, in order of their names.

    A sequence is a phase and a name: ``train_img/talk`` and ``train_keypoints/talk``, or ``A/train/talk`` and
    ``B/train/talk``, are one. Hidden files are left out.

    Raises:
        UserError: there is none, or some are video files.
    """
    if not root.is_dir():
        raise UserError(f"--dataroot {root}: expected the folder of a dataset, found none")
    files: dict[tuple[str, str], list[Path]] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        place = Path(folder).relative_to(root).parts
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(folder, name)
            if path.suffix.lower() in VIDEO_SUFFIXES:
                raise UserError(f"{path}: expected pictures; a video is one large file already and needs no shard")
            if len(place) < 2:
                print(f"{path}: belongs to no sequence, left out")
                continue
            # the first two folders say kind and phase in either form; what they have in common is the phase
            phase = place[1] if len(place) > 2 else place[0].split("_")[0]
            files.setdefault((phase, place[-1]), []).append(path)
    if not files:
        raise UserError(f"{root}: expected the sequences of a dataset, found none; check --dataroot")
    return [
        Sequence(f"{phase}/{name}", paths, sum(path.stat().st_size for path in paths))
        for (phase, name), paths in sorted(files.items())
    ]


def _grouped(sequences: list[Sequence], *, num_bytes: int) -> Iterator[list[Sequence]]:
    group: list[Sequence] = []
    for sequence in sequences:
        if group and sum(one.num_bytes for one in group) + sequence.num_bytes > num_bytes:
            yield group
            group = []
        group.append(sequence)
    yield group


def _add(archive: tarfile.TarFile, file: Path, *, root: Path) -> None:
    """Append a file, without its owner and times: the same dataset makes the same shards."""
    content = file.read_bytes()
    member = tarfile.TarInfo(file.relative_to(root).as_posix())
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
