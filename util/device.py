"""The device that ``--device`` names."""

import torch

from util.errors import UserError


def choose_device(wish: str) -> torch.device:
    """The device that ``--device`` names.

    Args:
        wish: ``auto`` (CUDA, else MPS, else CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``; or, as vid2vid's
            ``--gpu_ids`` has it, a number of a CUDA device, -1 for the CPU.

    Raises:
        UserError: when the name is unknown or the device is not there.
    """
    if wish == "auto":
        return torch.device(
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    if wish.lstrip("-").isdigit():
        wish = "cpu" if int(wish) < 0 else f"cuda:{wish}"
    try:
        device = torch.device(wish)
    except RuntimeError:
        raise UserError(f"--device {wish}: expected auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda":
        is_there = (device.index or 0) < torch.cuda.device_count()
    else:
        is_there = device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())
    if not is_there:
        raise UserError(f"--device {wish}: this machine has no such device; use --device auto or cpu")
    return device
