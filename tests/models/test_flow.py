from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.flow.dis import DenseInverseSearch
from models.flow.estimators import FlowNet2Estimator, FlowNetwork, RaftEstimator, load_published, make_flow, raft_file
from models.flow.reference import confidence
from models.flow.warp import warp
from options.training_config import LossConfig
from util.errors import UserError


class Stub(nn.Module):
    """A network that remembers what it saw; its flow is a ramp with a weight, so that a graph could grow."""

    def __init__(self, *, is_raft: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.is_raft = is_raft
        self.seen: list[Tensor] = []

    def forward(self, target: Tensor, source: Tensor) -> Any:
        self.seen = [target, source]
        batch, _, height, width = target.shape
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        flow = torch.stack((x, y)).expand(batch, 2, height, width) * self.weight
        return [torch.zeros_like(flow), flow] if self.is_raft else flow


def both_estimators() -> list[FlowNetwork]:
    return [
        FlowNet2Estimator(Stub(), name="flownet2"),
        RaftEstimator(Stub(is_raft=True), name="raft"),
    ]


def texture(side: int = 64) -> Tensor:
    coarse = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False).clamp(-1, 1)


def test_flow_of_a_shifted_picture_is_the_shift() -> None:
    source = texture()
    target = torch.roll(source, shifts=(2, 3), dims=(2, 3))  # content moves right by 3 and down by 2
    flow = make_flow("dis")(target, source)
    inner = flow[0, :, 16:-16, 16:-16]
    assert inner[0].median().item() == pytest.approx(-3, abs=0.2)
    assert inner[1].median().item() == pytest.approx(-2, abs=0.2)


def test_warping_by_the_flow_makes_the_source_look_like_the_target() -> None:
    source = texture()
    target = torch.roll(source, shifts=(2, 3), dims=(2, 3))
    flow = DenseInverseSearch()(target, source)
    inner = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    before, after = ((target - frame)[inner].abs().mean() for frame in (source, warp(source, flow)))
    assert after < before / 5


def test_confidence_is_one_where_colours_agree_and_zero_where_they_do_not() -> None:
    target = texture()
    source = target.clone()
    source[..., :32] = -source[..., :32].sign()
    sure = confidence(target, source, torch.zeros(1, 2, 64, 64))
    assert sure.shape == (1, 1, 64, 64)
    assert sure[..., 32:].min() == 1
    assert sure[..., :32].mean() < 0.05


@pytest.mark.parametrize("size", [(12, 400), (13, 64), (400, 12), (12, 12)])
def test_long_low_frames_have_finite_flow(size: tuple[int, int]) -> None:
    frames = torch.rand(2, 1, 3, *size) * 2 - 1
    assert torch.isfinite(DenseInverseSearch()(*frames)).all()


def test_tiny_frames_have_zero_flow() -> None:
    assert DenseInverseSearch()(torch.rand(2, 3, 8, 40), torch.rand(2, 3, 8, 40)).abs().sum() == 0


@pytest.mark.parametrize("size", [(64, 128), (100, 200), (130, 64), (40, 70), (7, 9)])
def test_flownet2_sees_multiples_of_64_and_its_flow_is_scaled_back_per_axis(size: tuple[int, int]) -> None:
    network = Stub()
    flow = FlowNet2Estimator(network, name="flownet2")(*torch.rand(2, 3, 3, *size))
    height, width = (max(64, side - side % 64) for side in size)
    assert network.seen[0].shape == network.seen[1].shape == (3, 3, height, width)
    ramp = Stub()(*network.seen)
    expected = F.interpolate(ramp, size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(flow[:, 0], expected[:, 0] * (size[1] / width))
    torch.testing.assert_close(flow[:, 1], expected[:, 1] * (size[0] / height))


def test_frames_of_a_fitting_size_reach_flownet2_untouched() -> None:
    network, frames = Stub(), torch.rand(2, 1, 3, 64, 64)
    FlowNet2Estimator(network, name="flownet2")(*frames)
    assert torch.equal(torch.stack(network.seen), frames)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 150), width=st.integers(1, 150))
def test_raft_sees_padded_frames_and_its_flow_is_cut_to_the_frames(height: int, width: int) -> None:
    network, frames = Stub(is_raft=True), torch.rand(2, 1, 3, height, width)
    flow = RaftEstimator(network, name="raft")(*frames)
    padded_height, padded_width = network.seen[0].shape[-2:]
    assert padded_height % 8 == padded_width % 8 == 0 and min(padded_height, padded_width) >= 128
    assert padded_height - height < 8 or padded_height == 128
    # the ramp says where the frame's first pixel lies
    left, above = (int(start) for start in flow[0, :, 0, 0])
    inner = (..., slice(above, above + height), slice(left, left + width))
    assert torch.equal(torch.stack(network.seen)[inner], frames)
    assert torch.equal(flow, Stub()(*network.seen)[inner])


@pytest.mark.parametrize("estimator", both_estimators(), ids=lambda one: one.name)
def test_estimators_never_carry_a_gradient_and_never_train(estimator: FlowNetwork) -> None:
    frames = torch.rand(2, 2, 3, 72, 80, requires_grad=True)
    flow = estimator.train()(*frames)
    assert not flow.requires_grad and not estimator.network.training
    assert not any(parameter.requires_grad for parameter in estimator.parameters())


@pytest.mark.parametrize("estimator", both_estimators(), ids=lambda one: one.name)
def test_estimators_work_in_32_bits_and_answer_in_the_type_of_the_frames(estimator: FlowNetwork) -> None:
    frames = torch.rand(2, 1, 3, 64, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert estimator(*frames).dtype == torch.float32
        assert estimator(*frames.bfloat16()).dtype == torch.bfloat16
    assert isinstance(estimator.network, Stub)
    assert {one.dtype for one in estimator.network.seen} == {torch.float32}


def test_raft_of_torchvision_takes_frames_of_any_size(tmp_path: Path) -> None:
    from torchvision.models.optical_flow import raft_large

    torch.manual_seed(0)
    network = raft_large(weights=None)
    path = tmp_path / "raft_own.pth"
    torch.save(network.state_dict(), path)
    estimator = make_flow("raft", weights=str(path))
    assert estimator.name.startswith("raft, raft_own.pth, sha256 ")
    frames = torch.rand(2, 1, 3, 120, 131) * 2 - 1
    flow = estimator(*frames)
    assert flow.shape == (1, 2, 120, 131) and flow.isfinite().all() and not flow.requires_grad


def test_raft_weights_come_from_torchs_cache_and_are_never_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("a download"))
    with pytest.raises(UserError, match=rf"cache has no {raft_file()} .*--flow_weights.*--flow dis"):
        make_flow("raft")
    cached = tmp_path / "checkpoints" / raft_file()
    cached.parent.mkdir()
    torch.save({"weight": torch.zeros(1)}, cached)
    with pytest.raises(UserError, match=r"expected sha256 [0-9a-f]{8}…, as its name says, found"):
        make_flow("raft")


@pytest.mark.parametrize("as_published", [True, False], ids=["with training state", "state alone"])
@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "old format"])
def test_published_weights_load_into_a_network_without_storage(
    tmp_path: Path, as_published: bool, is_zip: bool
) -> None:
    state = nn.Linear(2, 3).state_dict()
    # training loops of the time saved numpy's numbers too
    content = {"epoch": 3, "best_EPE": np.float64(1.5), "state_dict": state} if as_published else state
    torch.save(content, tmp_path / "weights.pth.tar", _use_new_zipfile_serialization=is_zip)
    network = nn.Linear(2, 3, device="meta")
    load_published(network, tmp_path / "weights.pth.tar", published="two numbers")
    assert torch.equal(network.weight, state["weight"]) and network.weight.dtype == torch.float32


class Command:
    """What a malicious file holds: something that acts when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file; expected the weights"),
        (b"<html>not found</html>", "expected the weights, found 0.0 MB that cannot be read"),
        ([1, 2], "found no tensors by name"),
        ({"state_dict": {"weight": 3}}, "found no tensors by name"),
        ({"weight": torch.zeros(3, 2)}, r"with 2 tensors, found 1, of which 1 fit.*bias: expected \(3,\), found none"),
        (
            {"weight": torch.zeros(2, 2), "bias": torch.zeros(3), "more": torch.zeros(1)},
            r"with 2 tensors, found 3, of which 1 fit.*more: expected none, found \(1,\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_told_in_one_line(tmp_path: Path, content: Any, told: str) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(UserError, match=told) as error:
        load_published(nn.Linear(2, 3), path, published="the weights")
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_malicious_file_is_refused_and_nothing_in_it_runs(tmp_path: Path) -> None:
    torch.save({"state_dict": Command(tmp_path / "was_here")}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match="cannot be read as tensors alone"):
        load_published(nn.Linear(2, 3), tmp_path / "weights.pth", published="the weights")
    assert not (tmp_path / "was_here").exists()


def test_flownet2_without_weights_says_which_file_and_which_flag() -> None:
    with pytest.raises(UserError, match=r"FlowNet2_checkpoint\.pth\.tar .*--flow_weights.*--flow dis"):
        make_flow("flownet2")


def test_weights_of_another_network_are_refused_by_flownet2(tmp_path: Path) -> None:
    torch.save({"state_dict": nn.Linear(2, 3).state_dict()}, tmp_path / "other.pth.tar")
    with pytest.raises(UserError, match="with 220 tensors, found 2, of which 0 fit"):
        make_flow("flownet2", weights=str(tmp_path / "other.pth.tar"))


def test_dis_has_no_weights() -> None:
    with pytest.raises(UserError, match="--flow_weights does not go with --flow dis"):
        LossConfig(flow_weights="some.pth")
    with pytest.raises(ValueError, match=r"dis has no weights, got some\.pth"):
        make_flow("dis", weights="some.pth")


def test_an_unknown_flow_is_refused() -> None:
    with pytest.raises(ValueError, match="got sift"):
        make_flow("sift")
