"""How does any video become another one? The semantic frames are pictures themselves."""

from pathlib import Path

import numpy as np
from torch import Tensor

from data.frames import Encoder, Frames, of_size, signed
from data.images import ArrayCache, read_picture
from data.layout import PICTURE_SUFFIXES, Part, SequenceFiles, find_sequences, two_spellings
from data.transforms import View
from util.pictures import to_uint8

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's names of the pictures with so many channels."""


def paired_files(root: Path, *, phase: str, needs_images: bool) -> list[SequenceFiles]:
    """The sequences of ``A/<phase>/<sequence>/*`` (input) and ``B/<phase>/<sequence>/*`` (wanted), both pictures.

    Or of the older ``<phase>_A/<sequence>`` and ``<phase>_B/<sequence>``.

    Args:
        root: the dataset's folder.
        phase: ``train``, ``test`` or another part.
        needs_images: whether a sequence without any picture in ``B`` is an error (training) or fine (testing).

    Raises:
        UserError: see ``find_sequences``.
    """
    remedy = "make them with `python -m data.prepare paired`"
    return find_sequences(
        [
            Part("inputs", two_spellings(root, "A", phase=phase), PICTURE_SUFFIXES, "input pictures", remedy),
            Part("images", two_spellings(root, "B", phase=phase), PICTURE_SUFFIXES, "pictures", remedy, needs_images),
        ]
    )


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
        path, mode = self.files.leading[index], MODES[self.encoder.num_channels]
        picture = self.cache.get((path, mode), lambda: read_picture(path, mode=mode))
        return view.of_frame(of_size(picture, view.size, path=path), filter="bicubic")
