"""One process alone agrees with itself; which GPU is whose."""

import pytest
import torch
from torch import nn

from util.distributed import SINGLE_PROCESS, DistributedContext, distributed
from util.errors import UserError


def test_alone_everything_is_as_it_was() -> None:
    value, layer = torch.tensor([1.0, 2.0]), nn.BatchNorm2d(2)
    SINGLE_PROCESS.average_buffers([layer])
    SINGLE_PROCESS.wait()
    assert SINGLE_PROCESS.is_writer and SINGLE_PROCESS.mean(value) is value
    assert (
        SINGLE_PROCESS.all(True),
        SINGLE_PROCESS.all(False),
        SINGLE_PROCESS.first(3.0),
        SINGLE_PROCESS.gathered("x"),
    ) == (True, False, 3.0, ["x"])


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with distributed("cpu") as processes:
        assert processes == SINGLE_PROCESS


def test_every_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    second = DistributedContext(rank=1, size=2, local_rank=1)
    assert second.device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(UserError, match="at most 1 processes"):
        second.device(torch.device("cuda"))
    with pytest.raises(UserError, match="share one GPU"):
        second.device(torch.device("cuda:0"))
