"""Label maps of a video by a semantic segmentation network of one's own, in ONNX. No network comes with this project.

A JSON file of the same name beside it says how pictures go in and what its classes are.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from data.kinds.label_sets import LabelSet
from util.errors import UserError
from util.files import short_hash
from util.json_files import read_json
from util.media.pictures import write_picture
from util.optional import require

EXAMPLE = (
    '{"size": [512, 1024], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "labels": ["road", "car"]}'
)
_MOST_THINGS = 999  # of one label in a frame; its instances are label * 1000 + 1, 2, ...


@dataclass(frozen=True)
class SegmenterSettings:
    """What the JSON file says.

    Attributes:
        size: height and width of the network's input; the picture is stretched to it.
        mean, std: of the colours, red, green, blue, in 0..1; the network is given ``(colour - mean) / std``.
        ids: what each of its classes is in the label set, in the order of its output.
        instances: ids of the labels whose connected parts are instances of their own.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    ids: tuple[int, ...]
    instances: tuple[int, ...] = ()


class LabelMaps(NamedTuple):
    """Label ids of a frame, uint16 [H, W], and its instance ids (the label, or label * 1000 + number) of that shape."""

    labels: np.ndarray
    instances: np.ndarray


@dataclass(frozen=True)
class _Written:
    """What the file beside a network says."""

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    labels: list[str | int]
    instances: list[str | int] = field(default_factory=list)


def read_settings(path: Path, labels: LabelSet) -> SegmenterSettings:
    """The settings beside the network ``path``; labels are written by their names or ids in ``labels``.

    Raises:
        UserError: there is no such file, or it says something else.
    """
    path = path.with_suffix(".json")
    try:
        written = read_json(path, _Written, expected=f"such as {EXAMPLE}")
        if min(written.size) < 1 or min(written.std) <= 0 or not written.labels:
            raise ValueError("size or std of other values, or no labels")
        ids, instances = (_ids(names, labels) for names in (written.labels, written.instances))
    except ValueError as error:
        raise UserError(f"{path}: expected such as {EXAMPLE}, found something else ({error})") from None
    if instances and max(instances) > 64:
        raise UserError(f"{path}: expected instances of labels up to 64, found {max(instances)}; ids * 1000 must fit")
    return SegmenterSettings(written.size, written.mean, written.std, ids, instances)


def _ids(written: list[Any], labels: LabelSet) -> tuple[int, ...]:
    known = {label.name: label.id for label in labels} | {label.id: label.id for label in labels}
    unknown = [one for one in written if one not in known]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no name or id of --label_set")
    return tuple(known[one] for one in written)


class Segmenter:
    """Reads the labels of a picture by a network [1, 3, h, w] -> logits [1, C, h', w'] or classes [1, h', w']."""

    def __init__(self, path: Path, *, labels: LabelSet) -> None:
        """Load the network and the settings beside it.

        Raises:
            UserError: ONNX Runtime or a file is missing, or is something else.
        """
        runtime = require("onnxruntime", instead="make label maps with another program")
        if not path.is_file():
            raise UserError(f"--segmenter {path}: expected a network in ONNX, found no file; check the path")
        self.path = path
        self.settings = read_settings(path, labels)
        try:
            self._session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own errors have no common class but this
            reason = " ".join(str(error).split())[:150]
            raise UserError(
                f"--segmenter {path}: expected a network in ONNX, found something else ({reason})"
            ) from None
        self._input = self._session.get_inputs()[0].name

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The label ids of ``picture``, uint8 [H, W, 3] RGB: uint16 [H, W].

        Raises:
            UserError: the network does not fit its settings.
        """
        height, width = self.settings.size
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        mean, std = (np.array(one, np.float32) for one in (self.settings.mean, self.settings.std))
        given = (small - mean) / std
        try:
            output = self._session.run(None, {self._input: given.transpose(2, 0, 1)[None]})[0]
        except Exception as error:
            reason = " ".join(str(error).split())[:150]
            raise UserError(
                f"--segmenter {self.path}: expected an input [1, 3, {height}, {width}] as its .json says ({reason})"
            ) from None
        return np.array(self.settings.ids, np.uint16)[self._classes(output, size=picture.shape[:2])]

    def _classes(self, output: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
        """The number of the class of every pixel, [H, W]."""
        count, shape = len(self.settings.ids), (size[1], size[0])
        if output.ndim == 4 and output.shape[:2] == (1, count):
            logits = np.ascontiguousarray(output[0].transpose(1, 2, 0), np.float32)
            return cv2.resize(logits, shape).reshape(*size, count).argmax(axis=2)
        if output.ndim == 3 and len(output) == 1 and np.issubdtype(output.dtype, np.integer):
            classes = cv2.resize(output[0].astype(np.int32), shape, interpolation=cv2.INTER_NEAREST)
            if classes.min() >= 0 and classes.max() < count:
                return classes
        raise UserError(
            f"--segmenter {self.path}: expected logits [1, {count}, h, w] or classes [1, h, w] of the {count} "
            f"labels in its .json, found {list(output.shape)} from {output.min():.4g} to {output.max():.4g}"
        )

    @property
    def note(self) -> str:
        """What a dataset notes of it."""
        return f"segmenter {self.path.stem} {short_hash(self.path)}"

    def write(self, pictures: Iterable[np.ndarray], labels: Path, instances: Path | None) -> int:
        """Write the maps of the pictures of a video into two folders, as ``00000.png`` and on; returns how many."""
        count = 0
        is_small = max(self.settings.ids) < 256
        for count, maps in enumerate(self.maps(pictures), start=1):
            name = f"{count - 1:05d}.png"
            write_picture(labels / name, maps.labels.astype(np.uint8) if is_small else maps.labels)
            if instances is not None:
                write_picture(instances / name, maps.instances)
        return count

    def maps(self, pictures: Iterable[np.ndarray]) -> Iterator[LabelMaps]:
        """The maps of the pictures of a video, without flicker, one picture behind."""
        for labels in without_flicker((picture, self(picture)) for picture in pictures):
            yield LabelMaps(labels, instances_of(labels, self.settings.instances))


def without_flicker(frames: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
    """The median in time of labels along the motion: one that both neighbours contradict alike is theirs.

    Args:
        frames: pictures uint8 [H, W, 3] and their labels [H, W], in order.
    """
    last: tuple[np.ndarray, np.ndarray] | None = None
    before: np.ndarray | None = None  # the labels before the last ones, where the last picture has their pixels
    for picture, labels in frames:
        if last is not None:
            after = _moved(labels, _motion(last[0], picture))
            yield last[1] if before is None else np.where(before == after, before, last[1])
            before = _moved(last[1], _motion(picture, last[0]))
        last = picture, labels
    if last is not None:
        yield last[1]


def _motion(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Where the pixels of one picture are in another, float32 [H, W, 2] in pixels."""
    first, second = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (here, there))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(flow.calc(first, second, np.zeros((*here.shape[:2], 2), np.float32)))


def _moved(labels: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The labels where ``flow`` [H, W, 2] points; a label of its own where it points outside."""
    rows, columns = np.mgrid[: labels.shape[0], : labels.shape[1]].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    return cv2.remap(labels, x, y, cv2.INTER_NEAREST, None, cv2.BORDER_CONSTANT, 2**16 - 1)


def instances_of(labels: np.ndarray, things: Iterable[int]) -> np.ndarray:
    """Instance ids of a label map, uint16 [H, W]: each connected part of a label in ``things``, largest first."""
    instances = labels.astype(np.uint16)
    for label in things:
        count, parts, figures, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=8)
        largest = 1 + np.argsort(-figures[1:, cv2.CC_STAT_AREA], kind="stable")
        numbers = np.zeros(count, np.uint16)
        numbers[largest] = label * 1000 + np.minimum(np.arange(1, count), _MOST_THINGS)
        instances = np.where(parts > 0, numbers[parts], instances)
    return instances
