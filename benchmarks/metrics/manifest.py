"""Manifest of a figure: every choice behind it. Only figures that were made alike may stand in one table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal


@dataclass(frozen=True)
class Backbone:
    """The network behind a metric: its name, and the file its weights came from."""

    name: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Every choice behind a figure.

    Attributes:
        metric: its name.
        version: of our definition; it grows whenever the same frames would give another figure.
        frames: evaluated frames, all sequences together.
        clips: what was evaluated, such as ``talk[2:28]``: sequence, first frame and the one after the last.
        sizes: the frames' sizes, ``height x width``, each once.
        crop: how the frames were cut from their videos.
        seed: of the bootstrap.
        backbone: the network behind the metric, or None.
        settings: the metric's own choices.
    """

    metric: str
    version: int
    frames: int
    clips: tuple[str, ...]
    sizes: tuple[str, ...]
    crop: str
    seed: int
    backbone: Backbone | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A figure of one method.

    Attributes:
        value: None when no frame could be evaluated.
        interval: where 95 % of the figures of resampled clips lie; None with fewer than two clips.
        better: which direction is better.
        unit: of the value; empty for none.
        manifest: how it was made.
        per_frame: by sequence, one value a frame; None where a frame was not evaluated. Empty for distances of sets.
        num_missed: frames that should have been evaluated and could not be (no face found, no pose file).
        note: what a reader should know, a line; empty for nothing.
    """

    value: float | None
    interval: tuple[float, float] | None
    better: Literal["higher", "lower"]
    unit: str
    manifest: Manifest
    per_frame: dict[str, list[float | None]] = field(default_factory=dict)
    num_missed: int = 0
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)


def differences(a: Manifest, b: Manifest) -> list[str]:
    """The names of the fields in which two manifests differ."""
    return [one.name for one in fields(Manifest) if getattr(a, one.name) != getattr(b, one.name)]


def table_warnings(rows: dict[str, Sequence[Result]]) -> list[str]:
    """A line for every figure that was made otherwise than the first of its metric in the table.

    Args:
        rows: results by method.
    """
    first: dict[str, tuple[str, Manifest]] = {}
    warnings = []
    for method, results in rows.items():
        for manifest in (result.manifest for result in results):
            reference, expected = first.setdefault(manifest.metric, (method, manifest))
            different = differences(expected, manifest)
            if different:
                warnings.append(
                    f"warning: {manifest.metric} of {method} was not made as that of {reference}; do not compare "
                    f"them: other {', '.join(different)}"
                )
    return warnings
