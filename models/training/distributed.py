"""Gradients averaged over several processes, each of which trains on its own clips.

``DistributedDataParallel`` averages what one forward and one backward touch. A chunk calls the generator once a frame
and a discriminator for several terms, so what passes through its forward here is the finished *loss* of a chunk.
"""

import inspect
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from util.distributed import DistributedContext
from util.errors import UserError

N = TypeVar("N", bound=nn.Module)


class _Loss(nn.Module):
    """A network whose forward is a loss that was computed with it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, loss: Tensor) -> Tensor:
        """``loss`` itself."""
        return loss


def _own_buffers() -> dict[str, Any]:
    """How this version of torch is told to leave running statistics to each process.

    They are averaged when a save is due, see ``DistributedContext.average_buffers``.
    """
    known = inspect.signature(DistributedDataParallel).parameters
    return {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}


class DistributedLoss:
    """The loss of a network that is trained by all processes alike."""

    def __init__(self, network: nn.Module, processes: DistributedContext) -> None:
        """Args: the network, the same in every process, and the processes."""
        self._module: DistributedDataParallel | None = None
        if processes.size > 1:
            # a first frame leaves out the flow branch, an early chunk slow discriminators: some weights go unused
            self._module = DistributedDataParallel(_Loss(network), find_unused_parameters=True, **_own_buffers())

    def averaged(self, loss: Tensor) -> Tensor:
        """The same scalar; its next backward averages the network's gradients over the processes."""
        if self._module is None:
            return loss
        averaged: Tensor = self._module(loss)
        return averaged

    def no_sync(self, wanted: bool) -> AbstractContextManager[Any]:
        """In the block gradients are added up in this process and not yet averaged, if ``wanted``."""
        return self._module.no_sync() if wanted and self._module is not None else nullcontext()


def synchronised(network: N, device: torch.device) -> N:
    """``network`` with batch norm over the batches of all processes (``--sync_bn``); names of parameters stay.

    Raises:
        UserError: when the device cannot.
    """
    if device.type != "cuda":
        raise UserError(f"--sync_bn needs CUDA, found {device}: leave it out, or use --norm instance")
    converted: N = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return converted
