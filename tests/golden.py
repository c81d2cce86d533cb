"""Golden values: the recipe that fills weights and noise by name (see goldens/README.md)."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

GOLDENS = Path(__file__).parent / "goldens"


def randn(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """White noise that depends on ``key`` alone, float32."""
    return np.random.RandomState(zlib.crc32(key.encode())).randn(*shape).astype(np.float32)


def rand(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform noise in [0, 1) that depends on ``key`` alone, float32."""
    return np.random.RandomState(zlib.crc32(key.encode())).rand(*shape).astype(np.float32)


def fill_state(module: nn.Module, tag: str, *, gain: float = 1.0) -> None:
    """Fill every parameter and buffer of ``module`` by its name, as the golden values were made."""
    state = module.state_dict()
    for name, value in state.items():
        shape = tuple(value.shape)
        key = f"{tag}:{name}"
        filled: Any
        if name.endswith("num_batches_tracked"):
            filled = np.array(7)
        elif name.endswith("running_mean"):
            filled = 0.2 * randn(key, shape)
        elif name.endswith("running_var"):
            filled = 0.5 + rand(key, shape)
        elif name.endswith("bias"):
            filled = 0.1 * randn(key, shape)
        elif len(shape) == 1:
            filled = 1 + 0.2 * randn(key, shape)
        else:
            filled = randn(key, shape) * gain / np.sqrt(np.prod(shape[1:]))
            if "final_flow" in name:
                filled = filled * 0.1
        state[name] = torch.as_tensor(filled, dtype=value.dtype)
    module.load_state_dict(state)


def load_golden(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The arrays of ``goldens/<name>.npz`` as tensors, and what its meta says."""
    with np.load(GOLDENS / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    meta = json.loads(bytes(arrays.pop("meta")).decode()) if "meta" in arrays else {}
    return {key: torch.from_numpy(value) for key, value in arrays.items() if value.dtype.kind in "fiub"}, meta
