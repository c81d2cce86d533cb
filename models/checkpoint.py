"""Checkpoints: a folder from which a run can be resumed and a model rebuilt.

``checkpoints/<name>/<label>/`` holds ``config.json``, one ``.safetensors`` file a network, and
``training_state.pt`` (optimizers, scaler, RNG, step). A save is written beside, flushed, and takes the old one's place
by renaming: whatever kills the process, one whole save is there.
"""

import json
import os
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from options.config import TrainConfig
from options.values import from_json, to_json
from util.errors import UserError
from util.files import atomic_directory, flush, write_json

FORMAT = 1
CONFIG_FILE = "config.json"
STATE_FILE = "training_state.pt"
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

    def weights(self, network: str) -> dict[str, Tensor]:
        """The tensors of ``<network>.safetensors``.

        Raises:
            UserError: when the file is missing or broken.
        """
        path = self.folder / f"{network}.safetensors"
        try:
            return load_file(path)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; the checkpoint has no network '{network}'") from None
        except SafetensorError as error:
            raise UserError(f"{path}: broken weights ({error}); use another save of the run") from None

    def generator_weights(self, *, raw: bool = False) -> dict[str, Tensor]:
        """The generator as it is used: the moving average of its weights where the run kept one (``--ema``).

        Args:
            raw: the weights of the last step in any case.
        """
        has_average = (self.folder / f"{GENERATOR_AVERAGE}.safetensors").is_file()
        return self.weights(GENERATOR_AVERAGE if has_average and not raw else GENERATOR)

    def training_state(self) -> dict[str, Any]:
        """Optimizers, scaler and RNG.

        Raises:
            UserError: when the file is missing or broken.
        """
        path = self.folder / STATE_FILE
        if not path.is_file():
            raise UserError(f"{path}: no such file; this checkpoint can be used but not resumed")
        try:
            return dict(torch.load(path, map_location="cpu", weights_only=True))
        except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path}: broken training state ({reason}); use another save of the run") from None


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
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name, network in networks.items():
        state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
        save_file(state, scratch / f"{name}.safetensors")
    torch.save(training_state, scratch / STATE_FILE)
    described = {"format": FORMAT, "step": step, "metadata": metadata, "config": to_json(config)}
    (scratch / CONFIG_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    for path in (*scratch.iterdir(), scratch):
        flush(path)
    _take_place(scratch, folder)


def save_for_inference(saved: Checkpoint, folder: Path) -> None:
    """Write the generator of ``saved`` in 16 bits, with its config, to ``folder``: to use and share, not to resume."""
    weights = {name: one.half() if one.is_floating_point() else one for name, one in saved.generator_weights().items()}
    described = {"format": FORMAT, "step": saved.step, "metadata": saved.metadata, "config": to_json(saved.config)}
    with atomic_directory(folder, marker=CONFIG_FILE) as scratch:
        save_file(weights, scratch / f"{GENERATOR}.safetensors")
        write_json(scratch / CONFIG_FILE, described)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _take_place(scratch: Path, folder: Path) -> None:
    """Rename ``scratch`` to ``folder``. Folders cannot be exchanged everywhere: ``recover`` mends what a kill between
    the two renames leaves."""
    recover(folder)
    if folder.exists():
        os.replace(folder, _old(folder))
    os.replace(scratch, folder)
    flush(folder.parent)
    shutil.rmtree(_old(folder), ignore_errors=True)


def recover(folder: Path) -> None:
    """Put the last whole save back where a kill struck between two renames; clear away what is left over."""
    old = _old(folder)
    if old.exists() and not folder.exists():
        os.replace(old, folder)
    shutil.rmtree(old, ignore_errors=True)


def is_save(folder: Path) -> bool:
    """Whether ``folder`` holds a save, or the rest of one that ``recover`` mends."""
    return (folder / CONFIG_FILE).is_file() or (_old(folder) / CONFIG_FILE).is_file()


def find(path: str | Path, *, flag: str) -> Path:
    """The folder of a save: ``path`` itself, or ``path/latest``; errors name ``flag``.

    Raises:
        UserError: when neither is a save.
    """
    for folder in (Path(path), Path(path) / "latest"):
        # a reader leaves the folders alone: a training may be between its two renames right now
        for whole in (folder, _old(folder)):
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
    folder = find(path, flag=flag)
    file = folder / CONFIG_FILE
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not JSON ({error}); use another save of the run") from None
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise UserError(f"{file}: expected a checkpoint of format {FORMAT}; it was written by another version")
    config = from_json(TrainConfig, described.get("config"), where=str(file))
    return Checkpoint(folder, config, int(described.get("step", 0)), _read_metadata(described))


def _read_metadata(described: dict[str, Any]) -> dict[str, Any]:
    """What a run noted; saves of before a renaming call it ``facts``, and its ``components`` ``made_of``."""
    metadata = dict(described.get("metadata", described.get("facts", {})))
    if "made_of" in metadata:
        metadata["components"] = metadata.pop("made_of")
    return metadata


def load_weights(network: nn.Module, weights: dict[str, Tensor], *, where: Path) -> None:
    """Fill ``network`` with exactly these tensors.

    Raises:
        UserError: when names or shapes differ; the message names the first.
    """
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{where}: the weights do not fit the network its config describes: {reason}") from None


def transfer_weights(network: nn.Module, weights: dict[str, Tensor]) -> tuple[int, int]:
    """Take over every tensor whose name and shape fit; the rest of ``network`` stays as it is.

    Returns:
        (tensors taken, tensors of the network).
    """
    own = network.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict({**own, **fitting})
    return len(fitting), len(own)
