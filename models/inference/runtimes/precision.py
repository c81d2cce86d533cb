"""Precision of the convolutions: 16 bits where the processor is made for it; heads and warps stay in 32."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from util.errors import UserError

Network = TypeVar("Network", bound=nn.Module)

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# of CompositeGenerator and LocalEnhancer: where 16 bits begin, and where they end
_ENTRANCES = ("model_down_seg", "model_down_img", "indv_down")
_BETWEEN = ("model_res_", "model_up_", "indv_res", "indv_up")
HEADS = ("model_final_img", "model_final_flow", "model_final_w", "indv_final")


def best_precision(device: torch.device) -> torch.dtype:
    """The fastest type that ``device`` has instructions for: bf16 on processors with them, 16 bits on CUDA."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return torch.bfloat16
    return torch.float32


def choose_precision(wish: str, device: torch.device) -> torch.dtype:
    """The type that ``--precision`` names on ``device``.

    Raises:
        UserError: fp16 on a CPU, which has no fast instructions for it.
    """
    if wish == "auto":
        return best_precision(device)
    if wish == "fp16" and device.type == "cpu":
        raise UserError("--precision fp16: a CPU computes it slower than fp32; use --precision auto")
    return PRECISIONS[wish]


class Cast(nn.Module):
    """Convert to a type, [any shape]."""

    def __init__(self, dtype: torch.dtype) -> None:
        """Convert to ``dtype``."""
        super().__init__()
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """``x`` in that type."""
        return x.to(self.dtype)


def lower_precision(network: Network, dtype: torch.dtype) -> Network:
    """A copy of a video generator that computes in ``dtype`` between its inputs and its heads.

    The heads (colours, flow, weight), the warp and the blend stay in 32 bits: a flow of 20 pixels in bf16 would be
    off by up to a 16th of a pixel, and a frame that is fed back would lose its last bits with every step.
    """
    lowered = copy.deepcopy(network)
    if dtype == torch.float32:
        return lowered
    for path, part in list(lowered.named_modules()):
        name = path.rpartition(".")[2]
        if name in _ENTRANCES:
            lowered.set_submodule(path, nn.Sequential(Cast(dtype), part.to(dtype)))
        elif name in HEADS:
            lowered.set_submodule(path, nn.Sequential(Cast(torch.float32), part))
        elif name.startswith(_BETWEEN):
            part.to(dtype)
    return lowered
