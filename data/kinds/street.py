"""Semantic frames of a street, or of any scene with labels, from label and instance maps.

One channel a label, and one of edges between instances. The loader hands on small integers; the many channels are made
on the device.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.kinds.interface import Encoder, Frames, of_size
from data.kinds.label_sets import UNKNOWN, LabelSet, channel_table
from data.layout import Part, Problems, SequenceFiles, find_sequences, real_video, two_spellings
from data.storage.picture_files import ArrayCache, read_ids
from data.transforms import View
from util.errors import UserError
from util.media.pictures import labels_to_rgb

# formats that change no pixel
MAP_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")


def street_files(
    root: Path, *, phase: str, needs_images: bool, with_instances: bool, problems: Problems | None = None
) -> list[SequenceFiles]:
    """The sequences of a street dataset: label maps, instance maps, pictures.

    ``A/<phase>/<sequence>/*.png``, ``Inst/<phase>/…``, ``B/<phase>/…``, or vid2vid's older ``<phase>_A/<sequence>``,
    ``<phase>_inst``, ``<phase>_B``.

    Args:
        root: the dataset's folder.
        phase: ``train``, ``test`` or another part.
        needs_images: whether a sequence without any picture is an error (training) or fine (testing).
        with_instances: whether instance maps are used (``--use_instance``).
        problems: see ``find_sequences``.

    Raises:
        UserError: see ``find_sequences``.
    """
    remedy = "make them with `python -m data.prepare street`"
    parts = [
        Part("labels", two_spellings(root, "A", phase=phase), MAP_SUFFIXES, "label maps", remedy),
        real_video(two_spellings(root, "B", phase=phase), is_needed=needs_images),
    ]
    if with_instances:
        remedy = f"{remedy}, or leave out --use_instance"
        parts.insert(
            1, Part("instances", two_spellings(root, "Inst", phase=phase), MAP_SUFFIXES, "instance maps", remedy)
        )
    return find_sequences(parts, problems=problems)


def instance_edges(planes: Tensor) -> Tensor:
    """Where an instance touches another one: pixels that differ from one of their four neighbours.

    Args:
        planes: instance ids as bytes, uint8 [..., K, H, W].

    Returns:
        bool [..., H, W]; both sides of a border are edges (published).
    """
    edges = torch.zeros_like(planes[..., 0, :, :], dtype=torch.bool)
    down = (planes[..., 1:, :] != planes[..., :-1, :]).any(dim=-3)
    right = (planes[..., 1:] != planes[..., :-1]).any(dim=-3)
    edges[..., 1:, :] |= down
    edges[..., :-1, :] |= down
    edges[..., 1:] |= right
    edges[..., :-1] |= right
    return edges


class StreetEncoder(Encoder):
    """Turns a label map, and an instance map, into [num_labels (+ 1), H, W] of zeros and ones."""

    def __init__(
        self,
        labels: LabelSet,
        *,
        num_labels: int | None = None,
        ignore_label: int | None = None,
        foreground_ids: tuple[int, ...] = (),
        with_instances: bool = False,
    ) -> None:
        """Choose the channels.

        Args:
            labels: in the order of the channels.
            num_labels: channels of labels; None: as many as there are labels. More stay empty.
            ignore_label: id that unknown ids count as; None: they are an error.
            foreground_ids: ids of the labels that are foreground; none: there is no foreground.
            with_instances: append a channel of instance edges.

        Raises:
            UserError: fewer channels than labels, or an id that is no label.
        """
        self.labels = labels
        self.num_labels = len(labels) if num_labels is None else num_labels
        if self.num_labels < len(labels):
            raise UserError(
                f"--label_nc {num_labels}: expected a channel for each of the {len(labels)} labels of --label_set; "
                f"leave it out, or give --label_set plain{num_labels}"
            )
        self.with_instances = with_instances
        self.table = channel_table(labels, ignore_label=ignore_label)
        self.known = channel_table(labels, ignore_label=None)
        for id in foreground_ids:
            if not 0 <= id < len(self.known) or self.known[id] == UNKNOWN:
                raise UserError(f"--fg_labels {id}: expected the id of a label, found none of it in --label_set")
        self.foreground_channels = [int(self.known[id]) for id in foreground_ids]

    @property
    def num_channels(self) -> int:
        """One a label, and one of instance edges."""
        return self.num_labels + self.with_instances

    def packed(self, channels: np.ndarray, instances: np.ndarray | None) -> np.ndarray:
        """Channel numbers and, where the encoder takes them, instance ids, [H, W] each: uint8 [H, W, 1 or 3]."""
        if not self.with_instances or instances is None:
            return channels[..., None]
        return np.dstack((channels, instances & 255, instances >> 8)).astype(np.uint8)

    def finish(self, planes: Tensor) -> Tensor:
        """One-hot labels and instance edges, float32 [..., num_channels, H, W], of what ``StreetFrames`` packs."""
        *batch, _, height, width = planes.shape
        semantic = torch.zeros((*batch, self.num_channels, height, width), device=planes.device)
        semantic.scatter_(-3, planes[..., :1, :, :].long(), 1.0)
        if self.with_instances:
            semantic[..., -1, :, :] = instance_edges(planes[..., 1:, :, :])
        return semantic

    def foreground(self, semantic: Tensor) -> Tensor | None:
        """1 where the label is one of the foreground's, [..., 1, H, W]."""
        if not self.foreground_channels:
            return None
        return semantic[..., self.foreground_channels, :, :].sum(dim=-3, keepdim=True)

    def picture(self, semantic: Tensor) -> np.ndarray:
        """Every label in its colour, edges between instances in white, uint8 [H, W, 3]."""
        colours = np.zeros((self.num_labels, 3), np.uint8)
        colours[: len(self.labels)] = [label.color for label in self.labels]
        return labels_to_rgb(semantic, colours=colours)


class StreetFrames(Frames):
    """The frames of one video with labels."""

    def __init__(self, files: SequenceFiles, *, cache: ArrayCache, encoder: StreetEncoder) -> None:
        """Args: where the frames lie, what keeps those that were decoded, and which labels there are."""
        super().__init__(files, cache=cache)
        self.encoder = encoder

    def semantic(self, index: int, *, view: View, rng: np.random.Generator | None) -> Tensor:
        """Frame ``index`` packed for ``StreetEncoder.finish``, uint8 [1 or 3, H, W].

        Its channel of every pixel; with instances also the low and the high byte of the instance id.
        """
        maps = self.cache.get(self.files.leading[index], lambda: self.maps(index, size=view.size))
        return view.of_frame(maps, filter="nearest")

    def check(self, part: str, index: int, *, size: tuple[int, int]) -> str | None:
        """See ``Frames.check``."""
        path = self.files.parts[part][index]
        if part == "labels":
            of_size(self.channels(index), size, path=path)
        elif part == "instances":
            of_size(read_ids(path), size, path=path)
        else:
            return super().check(part, index, size=size)
        return None

    def maps(self, index: int, *, size: tuple[int, int]) -> np.ndarray:
        """The label map of frame ``index`` in channels, and its instance map in bytes, uint8 [H, W, 1 or 3].

        Raises:
            UserError: a file is broken or of another height and width than ``size``, or a label is unknown.
        """
        channels = of_size(self.channels(index), size, path=self.files.leading[index])
        if not self.encoder.with_instances:
            return self.encoder.packed(channels, None)
        path = self.files.parts["instances"][index]
        return self.encoder.packed(channels, of_size(read_ids(path), size, path=path))

    def channels(self, index: int) -> np.ndarray:
        """The label of every pixel of frame ``index`` as the number of its channel, uint8 [H, W].

        Raises:
            UserError: the file is broken, or holds an id that is no label.
        """
        path = self.files.leading[index]
        ids = read_ids(path)
        if ids.size and (self.encoder.known[ids] == UNKNOWN).all():
            raise UserError(
                f"{path}: expected ids of the {len(self.encoder.labels)} labels of --label_set, found none of them in "
                f"the whole map, but {int(ids.flat[0])}; give another set"
            )
        channels = self.encoder.table[ids]
        is_unknown = channels == UNKNOWN
        if is_unknown.any():
            row, column = np.argwhere(is_unknown)[0]
            raise UserError(
                f"{path}: expected ids of the {len(self.encoder.labels)} labels of --label_set, found "
                f"{ids[row, column]} at x {column}, y {row}; give another set, or the id that unknown ones count as "
                "with --ignore_label"
            )
        return channels
