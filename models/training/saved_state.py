"""What a save keeps of a training beside its weights: checked before anything of the run takes it up."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from util.errors import UserError, brief

_NUMBERS = ("lr", "eps", "weight_decay")
_FREE = ("fused", "foreach")  # how it is computed: may differ from one machine to another


def check_state(state: Mapping[str, Any], optimizers: Mapping[str, torch.optim.Optimizer], *, where: Path) -> None:
    """Refuse a training state that is not one of these optimizers.

    Adam takes moments of any shape and fails, or takes the process down, at its next step.

    Args:
        state: as ``Training.save`` writes it.
        optimizers: by name; saves of before a renaming call the ``discriminators`` ``critics``.
        where: its file, for the error.

    Raises:
        UserError: something is missing, or of another kind, shape or number.
    """
    try:
        for name, optimizer in optimizers.items():
            _check_optimizer(saved_optimizer(state, name), optimizer, name)
        rng = state["rng"]
        if not (isinstance(rng, Tensor) and rng.dtype == torch.uint8 and rng.shape == torch.get_rng_state().shape):
            raise ValueError(f"rng {brief(rng, 40)}")
        for name in ("seconds", "average_updates"):
            _check_number(state.get(name, 0 if name == "average_updates" else None), name)
        for group in ("guard", "scaler"):
            for name, value in _dict(state.get(group, {}), group).items():
                _check_number(value, f"{group} {brief(name, 20)}")
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
        found = f"no {error}" if isinstance(error, KeyError) else brief(error)
        raise UserError(
            f"{where}: expected the training state of this run, found another one ({found}); use another save of it"
        ) from None


def saved_optimizer(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What ``state`` keeps of the optimizer ``name``."""
    saved = _dict(state["optimizers"], "optimizers")
    return _dict(saved[name] if name in saved else saved["critics"], name)


def _check_optimizer(saved: Mapping[str, Any], optimizer: torch.optim.Optimizer, name: str) -> None:
    own = optimizer.param_groups
    groups = [_dict(one, f"{name}: group") for one in saved["param_groups"]]
    if [len(one["params"]) for one in groups] != [len(one["params"]) for one in own]:
        raise ValueError(f"{name}: other groups of parameters")
    for group, ours in zip(groups, own, strict=True):
        for option in (*_NUMBERS, "initial_lr"):
            _check_number(group.get(option, 0.0) if option == "initial_lr" else group[option], f"{name}: {option}")
        for beta, _ in zip(group["betas"], range(2), strict=True):
            _check_number(beta, f"{name}: betas")
        for option in (group.keys() & ours.keys()) - {*_NUMBERS, "params", "betas", "initial_lr"}:
            if not isinstance(group[option], (bool, type(None))) or (
                option not in _FREE and group[option] != ours[option]
            ):
                raise ValueError(f"{name}: {option} {brief(group[option], 40)}")
    # torch counts parameters through all groups
    numbers = [number for group in groups for number in group["params"]]
    parameters = [one for group in own for one in group["params"]]
    kept = _dict(saved["state"], f"{name}: state")
    if numbers != list(range(len(parameters))) or not set(kept) <= set(numbers):
        raise ValueError(f"{name}: other parameters")
    for number, moments in kept.items():
        shapes = {"step": torch.Size(()), "exp_avg": parameters[number].shape, "exp_avg_sq": parameters[number].shape}
        for key, shape in shapes.items():
            value = _dict(moments, f"{name}: parameter {number}")[key]
            if not isinstance(value, Tensor) or value.shape != shape or not value.is_floating_point():
                raise ValueError(f"{name}: {key} of parameter {number}: expected {list(shape)}, found {_told(value)}")


def _dict(value: Any, name: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} {brief(value, 40)}")
    return value


def _check_number(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} {brief(value, 40)}")


def _told(value: Any) -> str:
    return f"{list(value.shape)} of {value.dtype}" if isinstance(value, Tensor) else brief(value, 40)
