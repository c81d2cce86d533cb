"""How do several processes train one network? Each on its own clips; the gradients are averaged.

``DistributedDataParallel`` averages what one forward and one backward touch. A chunk calls the generator once a frame
and a discriminator for several rows, so it is the *loss* of a chunk that is the forward here, and not the network.
"""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from util.distributed import DistributedContext
from util.errors import UserError

T = TypeVar("T")
N = TypeVar("N", bound=nn.Module)


class _ChunkLoss(nn.Module):
    """A network whose forward computes whatever it is told to, with that network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, compute: Callable[[], Any]) -> Any:
        """What ``compute`` returns; tensors with a graph may be anywhere in tuples, dicts and dataclasses."""
        return compute()


def _own_buffers() -> dict[str, Any]:
    """How this version of torch is told to leave running statistics to each process.

    They are averaged when a save is due, see ``Processes.average_buffers``.
    """
    known = inspect.signature(DistributedDataParallel).parameters
    return {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}


class DistributedLoss:
    """A network that learns, in all processes alike."""

    def __init__(self, network: nn.Module, processes: DistributedContext) -> None:
        """Args: the network, the same in every process, and the processes."""
        module: nn.Module = _ChunkLoss(network)
        if processes.size > 1:
            # a first frame leaves out the flow branch, an early chunk the slow discriminators: some weights go unused
            module = DistributedDataParallel(module, find_unused_parameters=True, **_own_buffers())
        self._module = module

    def loss(self, compute: Callable[[], T]) -> T:
        """Run ``compute``; the next backward through what it returns averages the gradients over the processes."""
        result: T = self._module(compute)
        return result

    def alone(self, wanted: bool) -> AbstractContextManager[Any]:
        """In the block gradients are added up in this process and not yet averaged, if ``wanted``."""
        return self._module.no_sync() if wanted and isinstance(self._module, DistributedDataParallel) else nullcontext()


def synchronised(network: N, device: torch.device) -> N:
    """``network`` with batch norm over the batches of all processes (``--sync_bn``); names of parameters stay.

    Raises:
        UserError: when the device cannot.
    """
    if device.type != "cuda":
        raise UserError(f"--sync_bn needs CUDA, found {device}: leave it out, or use --norm instance")
    converted: N = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return converted
