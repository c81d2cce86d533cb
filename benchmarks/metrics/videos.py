"""Videos as frames by number, and pairs of a generated and a real one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from data.layout import PICTURE_SUFFIXES
from data.storage.picture_files import read_picture
from util.errors import UserError
from util.names import in_order

CLIP_LENGTH, NUM_GIVEN = 28, 2  # of the paper's evaluation


class Video(Protocol):
    """Frames by number; the test sequences of ``data`` are such videos, too."""

    @property
    def name(self) -> str:
        """The sequence's name."""
        ...

    @property
    def num_frames(self) -> int:
        """How many frames there are."""
        ...

    def image(self, index: int) -> Tensor | None:
        """Frame ``index``, [3, H, W] in [-1, 1]; None where there is none."""
        ...


@dataclass(frozen=True)
class PictureVideo:
    """A folder of pictures in the order of their names."""

    name: str
    files: tuple[Path, ...]

    @property
    def num_frames(self) -> int:
        """How many pictures there are."""
        return len(self.files)

    def image(self, index: int) -> Tensor:
        """Picture ``index``, [3, H, W] in [-1, 1].

        Raises:
            UserError: the picture is broken.
        """
        return torch.from_numpy(read_picture(self.files[index])).permute(2, 0, 1).float() / 127.5 - 1


@dataclass(frozen=True)
class Pair:
    """A generated video and the real one; its first ``num_given`` frames were given and are not evaluated."""

    fake: Video
    real: Video
    num_given: int = NUM_GIVEN

    @property
    def name(self) -> str:
        """The sequence's name."""
        return self.fake.name

    @property
    def num_frames(self) -> int:
        """How many frames both have."""
        return self.fake.num_frames

    def frames(self, index: int) -> tuple[Tensor, Tensor]:
        """The generated and the real frame ``index``.

        Raises:
            UserError: one of them is missing, or they differ in size.
        """
        fake, real = self.fake.image(index), self.real.image(index)
        if fake is None or real is None or fake.shape != real.shape:
            sizes = ["no frame" if one is None else "x".join(map(str, one.shape[-2:])) for one in (fake, real)]
            raise UserError(
                f"{self.name}, frame {index}: expected a generated and a real frame of one size, found {sizes[0]} and "
                f"{sizes[1]}; compare frames that were cut and scaled alike"
            )
        return fake, real


def find_videos(root: Path) -> list[PictureVideo]:
    """The sequences in ``root``: one per folder of pictures, or ``root`` itself where it holds pictures.

    Raises:
        UserError: there is no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise UserError(f"{root}: expected a folder of pictures, or of one such folder a sequence; found no folder")
    folders = [root, *in_order(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))]
    videos = [PictureVideo(folder.name, _pictures(folder)) for folder in folders]
    found = [video for video in videos if video.files]
    if not found:
        raise UserError(f"{root}: expected pictures, or one folder of pictures a sequence; found none")
    if videos[0].files and len(found) > 1:
        raise UserError(f"{root}: expected pictures or folders of pictures, found both; name one of the folders")
    return found


def _pictures(folder: Path) -> tuple[Path, ...]:
    return tuple(
        in_order(one for one in folder.iterdir() if one.suffix.lower() in PICTURE_SUFFIXES and one.name[0] != ".")
    )


def pair_videos(
    fakes: Sequence[Video], reals: Sequence[Video], *, num_given: Mapping[str, int] | int = NUM_GIVEN
) -> list[Pair]:
    """Bring generated and real sequences of the same name together; two lone ones belong together by themselves.

    Args:
        fakes: generated sequences; each needs a real one.
        reals: real sequences; those that nobody generated are left out.
        num_given: frames at the start that are not evaluated, for all sequences or by name.

    Raises:
        UserError: a generated sequence has no real one, or one of another length, or no frame to evaluate.
    """
    by_name: dict[str, Video] = {video.name: video for video in reals}
    if len(fakes) == len(reals) == 1:
        by_name[fakes[0].name] = reals[0]
    pairs = []
    for fake in fakes:
        real = by_name.get(fake.name)
        if real is None:
            raise UserError(
                f"sequence {fake.name}: expected a real one of this name, found {', '.join(sorted(by_name)[:5])}; "
                "give the folder of the same sequences"
            )
        if fake.num_frames != real.num_frames:
            raise UserError(
                f"sequence {fake.name}: expected as many generated as real frames, found {fake.num_frames} and "
                f"{real.num_frames}; give the same part of the video"
            )
        given = num_given if isinstance(num_given, int) else num_given.get(fake.name, NUM_GIVEN)
        if not 0 <= given < fake.num_frames:
            raise UserError(
                f"sequence {fake.name}: expected more than the {given} given frames, found {fake.num_frames}; "
                "nothing is left to evaluate"
            )
        pairs.append(Pair(fake, real, given))
    return pairs


def clip_ranges(num_frames: int, *, clip_length: int) -> Iterator[range]:
    """Frame numbers of the clips of a sequence: one after the other from frame 0; the last may be shorter."""
    for start in range(0, num_frames, clip_length):
        yield range(start, min(start + clip_length, num_frames))
