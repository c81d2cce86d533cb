"""Paired videos: the semantic frames are pictures themselves."""

from pathlib import Path

import numpy as np
from torch import Tensor

from data.kinds.interface import Encoder, Frames, of_size, picture_note, signed
from data.layout import PICTURE_SUFFIXES, Part, Problems, SequenceFiles, find_sequences, real_video, two_spellings
from data.storage.picture_files import ArrayCache, read_picture
from data.transforms import View
from util.media.pictures import to_uint8

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's names of the pictures with so many channels."""


def paired_files(
    root: Path, *, phase: str, needs_images: bool, problems: Problems | None = None
) -> list[SequenceFiles]:
    """The sequences of ``A/<phase>/<sequence>/*`` (input) and ``B/<phase>/<sequence>/*`` (wanted), both pictures.

    Or of the older ``<phase>_A/<sequence>`` and ``<phase>_B/<sequence>``.

    Args:
        root: the dataset's folder.
        phase: ``train``, ``test`` or another part.
        needs_images: whether a sequence without any picture in ``B`` is an error (training) or fine (testing).
        problems: see ``find_sequences``.

    Raises:
        UserError: see ``find_sequences``.
    """
    remedy = "make them with `python -m data.prepare paired`"
    inputs = two_spellings(root, "A", phase=phase)
    parts = [
        Part("inputs", inputs, PICTURE_SUFFIXES, "input pictures", remedy, can_be_video=True),
        real_video(two_spellings(root, "B", phase=phase), is_needed=needs_images),
    ]
    return find_sequences(parts, problems=problems)


class PairedEncoder(Encoder):
    """A picture of 1 (grey), 3 (RGB) or 4 channels (with alpha), in [-1, 1]."""

    def __init__(self, *, num_channels: int = 3) -> None:
        """Choose the channels; other pictures are converted.

        Raises:
            ValueError: no picture has so many channels.
        """
        if num_channels not in MODES:
            raise ValueError(f"expected {', '.join(map(str, MODES))} channels, got {num_channels}")
        self._num_channels = num_channels

    @property
    def num_channels(self) -> int:
        """1, 3 or 4."""
        return self._num_channels

    def finish(self, planes: Tensor) -> Tensor:
        """float32 in [-1, 1] from uint8."""
        return signed(planes)

    def picture(self, semantic: Tensor) -> np.ndarray:
        """The colours as they are, or grey, uint8 [H, W, 3]."""
        return to_uint8(semantic[:3].expand(3, -1, -1))


class PairedFrames(Frames):
    """The frames of two videos that belong together."""

    def __init__(self, files: SequenceFiles, *, cache: ArrayCache, encoder: PairedEncoder) -> None:
        """Args: where the frames lie, what keeps those that were decoded, and how many channels there are."""
        super().__init__(files, cache=cache)
        self.encoder = encoder

    def semantic(self, index: int, *, view: View, rng: np.random.Generator | None) -> Tensor:
        """The input picture ``index``, uint8 [C, H, W]."""
        return view.of_frame(self.given(index, size=view.size), filter="bicubic")

    def given(self, index: int, *, size: tuple[int, int]) -> np.ndarray:
        """The input picture ``index``, uint8 [H, W(, C)].

        Raises:
            UserError: it is broken or of another height and width than ``size``.
        """
        path, mode = self.files.leading[index], MODES[self.encoder.num_channels]
        return of_size(self.cache.get((path, mode), lambda: read_picture(path, mode=mode)), size, path=path)

    def check(self, part: str, index: int, *, size: tuple[int, int]) -> str | None:
        """See ``Frames.check``."""
        if part != "inputs":
            return super().check(part, index, size=size)
        self.given(index, size=size)
        return None if self.encoder.num_channels == 4 else picture_note(self.files.parts[part][index])
