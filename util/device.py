"""The device that ``--device`` names."""

from pathlib import Path

import torch

from util.errors import UserError

# as Linux calls them, and as people do
_INSTRUCTIONS = {
    "avx2": "AVX2", "avx512f": "AVX512", "avx_vnni": "VNNI", "avx512_vnni": "VNNI", "avx512_bf16": "BF16",
    "amx_bf16": "AMX-BF16", "amx_int8": "AMX-INT8", "asimd": "NEON", "asimddp": "DOTPROD", "i8mm": "I8MM",
    "bf16": "BF16", "sve": "SVE",
}  # fmt: skip


def instruction_sets() -> list[str]:
    """The vector instructions of this processor that decide how fast networks run, such as AVX2 and VNNI."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return [torch.backends.cpu.get_cpu_capability()]  # what PyTorch uses, where Linux is not
    has = {word for line in lines if line.startswith(("flags", "Features")) for word in line.split(":")[1].split()}
    return list(dict.fromkeys(name for word, name in _INSTRUCTIONS.items() if word in has))


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
