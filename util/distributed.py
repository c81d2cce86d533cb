"""The processes that work together: ``torchrun`` starts them; without it there is one."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from util.errors import UserError

T = TypeVar("T")

# one process may be busy for long while the others wait: a save over a network, a long validation video
PATIENCE = timedelta(hours=1)


@dataclass(frozen=True)
class DistributedContext:
    """This process among those that work together; alone, every method is the identity.

    Attributes:
        rank: number of this process, over all machines.
        size: how many there are.
        local_rank: number of this process on its machine: its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_writer(self) -> bool:
        """Whether this process writes logs, pictures and saves; exactly one does."""
        return self.rank == 0

    def device(self, wanted: torch.device) -> torch.device:
        """The device of this process: with CUDA, a GPU of its own.

        Raises:
            UserError: when the machine has fewer GPUs than processes, or all were sent to one.
        """
        if self.size == 1 or wanted.type != "cuda":
            return wanted
        if wanted.index is not None:
            raise UserError(f"--device {wanted}: {self.size} processes would share one GPU; use --device cuda")
        if self.local_rank >= torch.cuda.device_count():
            raise UserError(
                f"torchrun --nproc_per_node: expected at most {torch.cuda.device_count()} processes on this machine, "
                f"one a GPU, found process {self.local_rank + 1}"
            )
        return torch.device("cuda", self.local_rank)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of ``values`` over all processes; a new tensor."""
        if self.size == 1:
            return values
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def all(self, holds: bool) -> bool:
        """Whether something holds in every process."""
        if self.size == 1:
            return holds
        told = torch.tensor(float(holds), device=self._device())
        dist.all_reduce(told, op=dist.ReduceOp.MIN)
        return bool(told)

    def gathered(self, value: T) -> list[T]:
        """What every process says, by rank: plain values, seldom."""
        if self.size == 1:
            return [value]
        told: list[T] = [value] * self.size
        dist.all_gather_object(told, value)
        return told

    def first(self, number: float) -> float:
        """What process 0 says, where processes could differ, such as on the time."""
        if self.size == 1:
            return number
        told = torch.tensor(number, dtype=torch.float64, device=self._device())
        dist.broadcast(told, src=0)
        return float(told)

    @torch.no_grad()
    def average_buffers(self, networks: Iterable[nn.Module]) -> None:
        """Every process's running statistics become the mean of all; each has seen other clips.

        Running statistics are linear in what was seen, so that the mean is what one process would have of all clips.
        """
        if self.size == 1:
            return
        for network in networks:
            for buffer in network.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self.mean(buffer))

    def from_writer(self, text: str) -> str:
        """What the writer says; others say anything."""
        if self.size == 1:
            return text
        told = [text]
        dist.broadcast_object_list(told, src=0, device=self._device())
        return told[0]

    @contextmanager
    def writer_first(self) -> Iterator[None]:
        """Let the writer do the block before all others."""
        if not self.is_writer:
            self.wait()
        yield
        if self.is_writer:
            self.wait()

    def python_command(self) -> list[str]:
        """What starts so many processes on one machine, without the program."""
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(self.size)]
        return ["python", *(torchrun if self.size > 1 else [])]

    def wait(self) -> None:
        """Go on when every process is here."""
        if self.size > 1:
            dist.barrier()

    @staticmethod
    def _device() -> torch.device:
        """Where the backend wants its tensors."""
        uses_cuda = dist.get_backend() == "nccl"
        return torch.device("cuda", torch.cuda.current_device()) if uses_cuda else torch.device("cpu")


SINGLE_PROCESS = DistributedContext()


@contextmanager
def distributed(device: str, *, patience: timedelta = PATIENCE) -> Iterator[DistributedContext]:
    """Join the processes that ``torchrun`` started, if it did; leave them when the block ends.

    Args:
        device: ``--device``; CUDA talks by NCCL, everything else by gloo.
        patience: how long one waits for another.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield SINGLE_PROCESS
        return
    uses_cuda = torch.cuda.is_available() and device not in ("cpu", "-1", "mps")
    processes = DistributedContext(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
    if uses_cuda and processes.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(processes.local_rank)  # what NCCL talks through, and what "cuda" means from here on
    dist.init_process_group("nccl" if uses_cuda else "gloo", timeout=patience)
    try:
        yield processes
    finally:
        dist.destroy_process_group()
