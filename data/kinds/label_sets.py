"""Label sets: the number of each label in the files, its name and its colour."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from util.errors import UserError
from util.json_files import parse_json
from util.media.pictures import palette

# the loader packs a label into a byte, of which the last value stands for what no label is
MOST_LABELS = 255
UNKNOWN = 255
_NUM_IDS = 2**16
Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]


@dataclass(frozen=True)
class Label:
    """One label: its number in the files, and how it is shown."""

    name: str
    id: Annotated[int, msgspec.Meta(ge=0, lt=_NUM_IDS)]
    color: tuple[Byte, Byte, Byte]


LabelSet = tuple[Label, ...]
"""Labels in the order of their channels."""


def _cityscapes(rows: str) -> LabelSet:
    """Labels from lines ``id name red green blue``."""
    labels = []
    for row in rows.strip().splitlines():
        number, *name, red, green, blue = row.split()
        labels.append(Label(" ".join(name), int(number), (int(red), int(green), int(blue))))
    return tuple(labels)


CITYSCAPES_35 = _cityscapes("""
0 unlabeled 0 0 0
1 ego vehicle 0 0 0
2 rectification border 0 0 0
3 out of roi 0 0 0
4 static 0 0 0
5 dynamic 111 74 0
6 ground 81 0 81
7 road 128 64 128
8 sidewalk 244 35 232
9 parking 250 170 160
10 rail track 230 150 140
11 building 70 70 70
12 wall 102 102 156
13 fence 190 153 153
14 guard rail 180 165 180
15 bridge 150 100 100
16 tunnel 150 120 90
17 pole 153 153 153
18 polegroup 153 153 153
19 traffic light 250 170 30
20 traffic sign 220 220 0
21 vegetation 107 142 35
22 terrain 152 251 152
23 sky 70 130 180
24 person 220 20 60
25 rider 255 0 0
26 car 0 0 142
27 truck 0 0 70
28 bus 0 60 100
29 caravan 0 0 90
30 trailer 0 0 110
31 train 0 80 100
32 motorcycle 0 0 230
33 bicycle 119 11 32
34 license plate 0 0 142
""")

# by their ids in the set of 35, in the order of Cityscapes' train ids
_TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# what counts for no train id is 255 in the files, and a channel of its own
CITYSCAPES_19 = (
    *(Label(CITYSCAPES_35[id].name, train, CITYSCAPES_35[id].color) for train, id in enumerate(_TRAIN_IDS)),
    Label("unlabeled", 255, (0, 0, 0)),
)

LABEL_SETS: dict[str, LabelSet] = {"cityscapes35": CITYSCAPES_35, "cityscapes19": CITYSCAPES_19}


def plain_labels(count: int) -> LabelSet:
    """Labels without names, 0 .. ``count`` - 1."""
    colours = palette(count).tolist()
    return tuple(Label(str(id), id, (red, green, blue)) for id, (red, green, blue) in enumerate(colours))


def read_label_set(text: str) -> LabelSet:
    """The label set that ``--label_set`` names.

    Args:
        text: one of ``LABEL_SETS``, ``plainN`` (N labels without names), the path of a JSON file with a list of
            ``{"name": "road", "id": 7, "color": [128, 64, 128]}``, or that list itself.

    Raises:
        UserError: there is no such set or file, or it is not such a list.
    """
    if text in LABEL_SETS:
        return LABEL_SETS[text]
    count = text.removeprefix("plain")
    if text.startswith("plain") and count.isdecimal() and 1 <= int(count) <= MOST_LABELS:
        return plain_labels(int(count))
    if text.startswith("["):
        return _parsed(text, where="--label_set")
    try:
        written = Path(text).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # not UTF-8, or no name that a file can have
        raise UserError(
            f"--label_set {text!r}: expected one of {', '.join(LABEL_SETS)}, plainN with N of 1 to {MOST_LABELS}, or a "
            f"JSON file of labels, but it cannot be read ({type(error).__name__})"
        ) from error
    return _parsed(written, where=text)


def resolved(text: str) -> str:
    """``--label_set`` in a form that needs no file any more, for a checkpoint."""
    if text in LABEL_SETS or text.startswith("plain"):
        return text
    return json.dumps([asdict(label) for label in read_label_set(text)])


def parse_ids(text: str) -> tuple[int, ...]:
    """The ids of a comma list such as ``24,26``.

    Raises:
        UserError: it is no such list.
    """
    try:
        return tuple(int(one) for one in text.split(","))
    except ValueError:
        raise UserError(f"--fg_labels {text}: expected label ids such as 26 or 24,26") from None


def ids_named(labels: LabelSet, name: str) -> tuple[int, ...]:
    """The ids of the labels of this name; none if the set has no such label."""
    return tuple(label.id for label in labels if label.name == name)


def channel_table(labels: LabelSet, *, ignore_label: int | None) -> np.ndarray:
    """The channel of every id that a file can hold, uint8 [65536]; ``UNKNOWN`` for ids that are no label.

    Args:
        labels: the set.
        ignore_label: the id that those are counted as; None: they stay unknown.

    Raises:
        UserError: ``ignore_label`` is no label either.
    """
    table = np.full(_NUM_IDS, UNKNOWN, np.uint8)
    table[[label.id for label in labels]] = np.arange(len(labels), dtype=np.uint8)
    if ignore_label is not None:
        channel = table[ignore_label] if 0 <= ignore_label < _NUM_IDS else UNKNOWN
        if channel == UNKNOWN:
            raise UserError(f"--ignore_label {ignore_label}: expected the id of a label, found none in --label_set")
        table[table == UNKNOWN] = channel
    return table


def _parsed(text: str, *, where: str) -> LabelSet:
    """The labels of a JSON list."""
    expected = 'a JSON list of {"name": "road", "id": 7, "color": [128, 64, 128]}'
    labels = parse_json(text, tuple[Label, ...], where=where, expected=expected)
    expected = f"{where}: expected {expected}"
    if not 1 <= len(labels) <= MOST_LABELS:
        raise UserError(f"{expected} of 1 to {MOST_LABELS} labels, found {len(labels)}")
    ids = [label.id for label in labels]
    twice = sorted({id for id in ids if ids.count(id) > 1})
    if twice:
        raise UserError(f"{expected}, found id {twice[0]} twice; give every label its own")
    return labels
