"""Weight files: read without executing anything, and compared with a network before it is touched."""

import codecs
import json
import math
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from util.errors import UserError, brief

Shapes = Mapping[str, tuple[int, ...]]

_MOST_HEADER_BYTES = 100_000_000  # as safetensors itself has it


def _check_regular(path: Path, *, where: str, expected: str) -> int:
    """The size of a regular file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        raise UserError(f"{where}: no such file; expected {expected}") from None
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{where}: expected {expected}, found no regular file; check the path")
    return found.st_size


def read_torch_file(path: Path, *, expected: str, flag: str = "") -> Any:
    """What ``torch.save`` wrote, on the CPU: tensors, plain values and numbers of numpy's, nothing that runs.

    Args:
        path: the file.
        expected: what it should be, for errors.
        flag: that named it, for errors.

    Raises:
        UserError: there is no such file, it is broken, or holds more than its bytes can.
    """
    where = f"{flag} {path}".strip()
    size = _check_regular(path, where=where, expected=expected)
    # old training loops saved their best error beside the weights, as a number of numpy's
    scalar: Any = np.float64(0).__reduce__()[0]
    kinds: list[Any] = [np.dtype, type(np.dtype("float64")), type(np.dtype("float32")), codecs.encode]
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(one.file_size for one in archive.infolist())
            if unpacked > size:
                raise ValueError(f"compressed: {size} bytes would be {unpacked}")
        with torch.serialization.safe_globals([scalar, (scalar, "numpy.core.multiarray.scalar"), *kinds]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's errors for broken files are of many kinds, and advise to switch the safety off
        reason = brief(str(error).split("Please file")[0].split("In PyTorch 2.6")[0], 80)
        raise UserError(
            f"{where}: expected {expected}, found {size / 1e6:.1f} MB that cannot be read as tensors alone ({reason}); "
            "fetch the file again"
        ) from None


def read_tensors(path: Path, *, expected: str, flag: str = "") -> dict[str, Tensor]:
    """The tensors by name of a published ``.pth`` or ``.pt`` file; also those under ``state_dict`` in it.

    Args:
        path, expected, flag: see ``read_torch_file``.

    Raises:
        UserError: see ``read_torch_file``; it holds something else, or tensors larger than itself.
    """
    where = f"{flag} {path}".strip()
    content = read_torch_file(path, expected=expected, flag=flag)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{where}: expected {expected}, found no tensors by name; fetch the file again")
    # a tensor with stride 0 is a small one that grows once it is copied
    needed = sum(value.numel() * value.element_size() for value in state.values())
    if needed > 2 * path.stat().st_size:
        raise UserError(f"{where}: expected {expected}, found tensors of {needed} bytes in a file of "
                        f"{path.stat().st_size}; fetch the file again")  # fmt: skip
    return {str(name): value for name, value in state.items()}


def read_safetensors(path: Path, *, expected: str) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file.

    Raises:
        UserError: there is no such file, or it is broken.
    """
    _check_regular(path, where=str(path), expected=expected)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{path}: broken weights ({brief(error)}); use another save of the run") from None


def safetensors_shapes(path: Path, *, expected: str) -> dict[str, tuple[int, ...]]:
    """The shapes that a ``.safetensors`` file has by its first lines; no tensor is read.

    Raises:
        UserError: there is no such file, it is broken, or has fewer bytes than its tensors.
    """
    size = _check_regular(path, where=str(path), expected=expected)
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, _MOST_HEADER_BYTES):
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
        shapes = {name: tuple(map(int, one["shape"])) for name, one in header.items() if name != "__metadata__"}
        count = sum(math.prod(shape) for shape in shapes.values())
        if count > size:  # a number takes a byte or more
            raise ValueError(f"{count} numbers in {size} bytes")
        return shapes
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, struct.error) as error:
        raise UserError(f"{path}: broken weights ({brief(error)}); use another save of the run") from None


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def check_fit(given: Shapes, wanted: Shapes, *, where: str, expected: str) -> None:
    """Refuse shapes by name that are not the wanted ones.

    Raises:
        UserError: the message names the first tensor that differs.
    """
    wrong = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
    if wrong:
        raise UserError(
            f"{where}: expected {expected} with {len(wanted)} tensors, found {len(given)}, of which "
            f"{sum(name in wanted and name not in wrong for name in given)} fit; the first that differs is "
            f"{brief(wrong[0], 60)}: expected {_told(wanted.get(wrong[0]))}, found {_told(given.get(wrong[0]))}"
        )


def fill(network: nn.Module, tensors: Mapping[str, Tensor], *, where: str, expected: str, assign: bool = False) -> None:
    """Give ``network`` exactly these tensors; counters of norm layers that older files lack stay 0.

    Args:
        network: what to fill.
        tensors: by the network's names.
        where: the file, for errors.
        expected: what it should be, for errors.
        assign: take the tensors themselves, in 32 bits; for networks on the meta device.

    Raises:
        UserError: names or shapes differ; the message names the first.
    """
    own = network.state_dict()
    counters = {name: torch.zeros_like(value, device="cpu") for name, value in own.items()
                if name.endswith("num_batches_tracked") and name not in tensors}  # fmt: skip
    whole = {**tensors, **counters}
    check_fit(shapes_of(whole), shapes_of(own), where=where, expected=expected)
    if assign:
        whole = {name: value.float() if value.is_floating_point() else value for name, value in whole.items()}
    network.load_state_dict(whole, assign=assign)


def _told(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else brief(shape, 60)
