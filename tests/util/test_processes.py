"""One process alone agrees with itself; which GPU is whose."""

import pytest
import torch
from torch import nn

from util.distributed import ALONE, Processes, joined
from util.errors import UserError


def test_alone_everything_is_as_it_was() -> None:
    value, layer = torch.tensor([1.0, 2.0]), nn.BatchNorm2d(2)
    ALONE.average_buffers([layer])
    ALONE.wait()
    assert ALONE.is_writer and ALONE.mean(value) is value
    assert (ALONE.all(True), ALONE.all(False), ALONE.first(3.0), ALONE.gathered("x")) == (True, False, 3.0, ["x"])


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as processes:
        assert processes == ALONE


def test_every_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    second = Processes(rank=1, size=2, local_rank=1)
    assert second.device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(UserError, match="at most 1 processes"):
        second.device(torch.device("cuda"))
    with pytest.raises(UserError, match="share one GPU"):
        second.device(torch.device("cuda:0"))
