"""Checkpoints: a folder from which a run can be resumed and a model rebuilt.

``checkpoints/<name>/<label>/`` holds ``config.json``, one ``.safetensors`` file a network, ``training_state.pt``
(optimizers, scaler, RNG, step), and ``written.sha256``, by which every file is checked when it is read. A save is
written beside, flushed, and takes the old one's place by renaming: whatever kills the process, one whole save is there.
"""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from models.networks.generator import BLEND_BIAS, FLOW_BRANCH
from models.weights_file import fill, read_safetensors, read_torch_file, safetensors_shapes
from options.config import TrainConfig
from options.values import from_json, to_json
from util.errors import UserError, brief
from util.files import bytes_free, disk_of, write_json
from util.folders import atomic_directory, hidden
from util.json_files import parse_json, read_json
from util.locks import locked
from util.manifest import checked_file, read_manifest

FORMAT = 1
CONFIG_FILE = "config.json"
STATE_FILE = "training_state.pt"
_TRIES = 5
LOCK = ".lock"  # of a run's folder
# users have files of this name: it stays, though the code says discriminator
DISCRIMINATOR_FILES = "critic_"
GENERATOR, GENERATOR_AVERAGE = "generator", "generator_ema"


@dataclass(frozen=True)
class Checkpoint:
    """A save that was read: what it says of itself, and where its weights are."""

    folder: Path
    config: TrainConfig
    step: int
    metadata: dict[str, Any]  # what else the run wanted to be remembered: features and flow used, semantic channels, …
    hashes: dict[str, str] | None = None  # SHA-256 by file; None in saves of before there were any

    def weights(self, network: str) -> dict[str, Tensor]:
        """The tensors of ``<network>.safetensors``.

        Raises:
            UserError: when the file is missing or broken.
        """
        path = self.folder / f"{network}.safetensors"
        with checked_file(path, self.hashes):
            return read_safetensors(path, expected=f"the weights of network '{network}'")

    def shapes(self, network: str) -> dict[str, tuple[int, ...]]:
        """The shapes in ``<network>.safetensors``, before any weight is read.

        Raises:
            UserError: when the file is missing or broken.
        """
        path = self.folder / f"{network}.safetensors"
        return safetensors_shapes(path, expected=f"the weights of network '{network}'")

    def has(self, network: str) -> bool:
        """Whether the save has such a network; one that was lost since counts, so that nobody takes another for it."""
        name = f"{network}.safetensors"
        return (self.folder / name).is_file() or name in (self.hashes or {})

    def generator_name(self, *, raw: bool = False) -> str:
        """The network that frames are drawn with: the moving average where the run kept one, unless ``raw``."""
        return GENERATOR_AVERAGE if not raw and self.has(GENERATOR_AVERAGE) else GENERATOR

    def generator_weights(self, *, raw: bool = False) -> dict[str, Tensor]:
        """The generator as it is used: the moving average of its weights where the run kept one (``--ema``).

        Args:
            raw: the weights of the last step in any case.
        """
        return self.weights(self.generator_name(raw=raw))

    def training_state(self) -> dict[str, Any]:
        """Optimizers, scaler and RNG.

        Raises:
            UserError: when the file is missing or broken.
        """
        path = self.folder / STATE_FILE
        if not path.is_file():
            raise UserError(f"{path}: no such file; this checkpoint can be used but not resumed")
        with checked_file(path, self.hashes):
            content = read_torch_file(path, expected="the training state of a save")
        if not isinstance(content, dict):
            raise UserError(f"{path}: broken training state ({type(content).__name__}); use another save of the run")
        return content


@dataclass(frozen=True)
class _Described:
    """What ``config.json`` says; ``facts`` is what saves of before a renaming call ``metadata``."""

    format: int
    config: dict[str, Any]
    step: Annotated[int, msgspec.Meta(ge=0)] = 0
    metadata: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Best:
    """The validation by which ``best`` was chosen."""

    metric: str
    value: float
    step: int


@dataclass(frozen=True)
class _Metadata:
    """What programs ask a save's metadata for, each of its kind; there is more that is only told."""

    semantic_channels: Annotated[int, msgspec.Meta(ge=1, le=2**16)]
    subject_widths: tuple[float, float] | None = None
    finder: str | None = None
    components: list[str] = field(default_factory=list)
    command: str | None = None
    clips_per_step: int | None = None
    best: _Best | None = None


def save(
    folder: Path,
    *,
    config: TrainConfig,
    step: int,
    networks: Mapping[str, nn.Module],
    training_state: dict[str, Any],
    metadata: dict[str, Any],
) -> None:
    """Write a whole save to ``folder``, or leave the one that is there untouched.

    Args:
        folder: ``checkpoints/<name>/<label>``.
        config: of the run.
        step: how many steps are done.
        networks: what to keep, by file name.
        training_state: tensors and plain values that ``torch.load(weights_only=True)`` takes.
        metadata: JSON values worth remembering.
    """
    described = {"format": FORMAT, "step": step, "metadata": metadata, "config": to_json(config)}
    states = {name: {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
              for name, network in networks.items()}  # fmt: skip
    needed = num_bytes(list(states.values())) + num_bytes(training_state)
    with atomic_directory(folder, lock=folder.parent / LOCK, former=_names_of_before) as scratch:
        if (free := bytes_free(folder)) < needed:
            raise _no_room(folder, needed, f"{free} bytes are free")
        try:
            for name, state in states.items():
                save_file(state, scratch / f"{name}.safetensors")
            torch.save(training_state, scratch / STATE_FILE)
            write_json(scratch / CONFIG_FILE, described)
            _share_as_other_files(scratch)
        except (SafetensorError, RuntimeError, OSError, UserError) as error:  # each writer has an error of its own
            raise _no_room(folder, needed, f"{bytes_free(folder)} bytes are free, {brief(error, 80)}") from None


def _no_room(folder: Path, needed: int, found: str) -> UserError:
    return UserError(
        f"{folder}: the disk {disk_of(folder)} cannot take this save, which needs {needed} bytes ({found}); "
        "the save of before stays: make room, then go on with --resume"
    )


def num_bytes(value: Any) -> int:
    """Bytes of all tensors in dicts, lists and tuples."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        value = list(value.values())
    return sum(map(num_bytes, value)) if isinstance(value, (list, tuple)) else 0


def save_for_inference(saved: Checkpoint, folder: Path, *, blend_shift: float = 0.0, has_flow: bool = True) -> None:
    """Write the generator of ``saved`` in 16 bits, with its config, to ``folder``: to use and share, not to resume.

    Args:
        saved: any save.
        folder: made anew.
        blend_shift: added to the blending head's bias; below 0 shows less of what is drawn, more of the moved frame.
        has_flow: leave the flow branch out where False, as in a model that was trained with ``--no_flow``: what is
            drawn is the frame. For models whose blend shows hardly anything else (``benchmark.py blend``).

    Raises:
        ValueError: there is a shift, and no blending head; no flow is wanted of a generator of several scales.
    """
    weights, config = saved.generator_weights(), saved.config
    if not has_flow:
        if config.generator.n_scales_spatial > 1:
            raise ValueError("has_flow False: expected a generator of one scale, got one of several")
        weights = {name: one for name, one in weights.items() if not name.startswith(FLOW_BRANCH)}
        config = replace(
            config,
            generator=replace(config.generator, no_flow=True, ngf_flow=0),
            schedule=replace(config.schedule, begin_as_copy=False),  # no such training could begin so
        )
    if blend_shift != 0:
        heads = [name for name in weights if name.endswith(BLEND_BIAS)]  # one at every scale
        if not heads:
            raise ValueError(f"blend_shift {blend_shift}: expected a generator with a blending head, got one without")
        weights = weights | {name: weights[name] + blend_shift for name in heads}
    weights = {name: one.half() if one.is_floating_point() else one for name, one in weights.items()}
    described = {"format": FORMAT, "step": saved.step, "metadata": saved.metadata, "config": to_json(config)}
    with atomic_directory(folder, former=_names_of_before) as scratch:
        save_file(weights, scratch / f"{GENERATOR}.safetensors")
        write_json(scratch / CONFIG_FILE, described)
        _share_as_other_files(scratch)


def _share_as_other_files(folder: Path) -> None:
    """Let everybody read weights who may read the config: safetensors keeps its files to their owner."""
    for path in folder.glob("*.safetensors"):
        shutil.copymode(folder / CONFIG_FILE, path)


def _names_of_before(folder: Path) -> Sequence[str]:
    """What is ours in a save of before there was a list of it; nothing in another program's folder."""
    try:
        described = read_json(folder / CONFIG_FILE, _Described, expected="a checkpoint")
    except UserError:
        return ()
    if described.format != FORMAT:
        return ()
    return [CONFIG_FILE, STATE_FILE, *(path.name for path in folder.glob("*.safetensors"))]


def run_lock(folder: Path) -> AbstractContextManager[None]:
    """Hold the run that lives in ``folder``; see ``locked``."""
    return locked(folder / LOCK, place=folder)


def _olds(folder: Path) -> list[Path]:
    return [old for old in hidden(folder, "old") if (old / CONFIG_FILE).is_file()]


def is_save(folder: Path) -> bool:
    """Whether ``folder`` holds a save, or the rest of one that ``recover`` mends."""
    return (folder / CONFIG_FILE).is_file() or bool(_olds(folder))


def find(path: str | Path, *, flag: str) -> Path:
    """The folder of a save: ``path`` itself, or ``path/latest``; errors name ``flag``.

    Raises:
        UserError: when neither is a save.
    """
    for folder in (Path(path), Path(path) / "latest"):
        # a reader leaves the folders alone: a training may be between its two renames right now
        for whole in (folder, *_olds(folder)):
            if (whole / CONFIG_FILE).is_file():
                return whole
    found = "no such folder"
    if Path(path).is_dir():
        found = "a folder with " + (", ".join(sorted(one.name for one in Path(path).iterdir())[:5]) or "nothing in it")
    raise UserError(
        f"{flag} {path}: expected a checkpoint (a folder with {CONFIG_FILE}, or a run's folder with latest/), "
        f"found {found}"
    )


def load(path: str | Path, *, flag: str) -> Checkpoint:
    """Read what a save says of itself; weights are read when asked for.

    Raises:
        UserError: when there is no save, or its config is broken or of a newer format.
    """
    for tries_left in reversed(range(_TRIES)):
        folder = find(path, flag=flag)
        file = folder / CONFIG_FILE
        before, hashes = _identity(file), read_manifest(folder)
        try:
            with checked_file(file, hashes):
                expected = f"a checkpoint of format {FORMAT}; use another save of the run"
                described = read_json(file, _Described, expected=expected)
            if before == _identity(file):
                break
        except UserError:
            if before == _identity(file):
                raise
        if not tries_left:  # a training put a new save in its place each time
            raise UserError(f"{file}: was written anew while it was read; start again")
    if described.format != FORMAT:
        raise UserError(f"{file}: expected a checkpoint of format {FORMAT}; it was written by another version")
    config = from_json(TrainConfig, described.config, where=str(file))
    return Checkpoint(folder, config, described.step, _read_metadata(described, where=file), hashes)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of its name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _read_metadata(described: _Described, *, where: Path) -> dict[str, Any]:
    """What a run noted; saves of before a renaming call its ``components`` ``made_of``."""
    metadata = dict(described.facts if described.metadata is None else described.metadata)
    if "made_of" in metadata:
        metadata["components"] = metadata.pop("made_of")
    expected = "the notes of a checkpoint; use another save of the run"
    parse_json(metadata, _Metadata, where=where, expected=expected)
    return metadata


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], *, where: Path) -> None:
    """Fill ``network`` with exactly these tensors.

    Raises:
        UserError: when names or shapes differ; the message names the first.
    """
    fill(network, weights, where=str(where), expected="the weights of the network its config describes")


def transfer_weights(network: nn.Module, weights: dict[str, Tensor]) -> tuple[int, int]:
    """Take over every tensor whose name and shape fit; the rest of ``network`` stays as it is.

    Returns:
        (tensors taken, tensors of the network).
    """
    own = network.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict({**own, **fitting})
    return len(fitting), len(own)
