import weakref
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.flow import reference as flow_module
from models.flow.flownet2 import FlowNet2, channel_norm, correlation
from models.flow.reference import confidence
from models.flow.warp import warp
from tests.golden import fill_state, load_golden


def meta_network() -> FlowNet2:
    with torch.device("meta"):
        return FlowNet2()


def naive_correlation(first: Tensor, second: Tensor, *, max_displacement: int, stride: int) -> Tensor:
    batch, channels, height, width = first.shape
    steps = range(-max_displacement, max_displacement + 1, stride)
    found = torch.zeros(batch, len(steps) ** 2, height, width)
    for channel, (down, right) in enumerate((down, right) for down in steps for right in steps):
        for y in range(max(0, -down), min(height, height - down)):
            for x in range(max(0, -right), min(width, width - right)):
                found[:, channel, y, x] = (first[:, :, y, x] * second[:, :, y + down, x + right]).mean(dim=1)
    return found


class MemoryMeter(TorchDispatchMode):
    """Counts the bytes that tensors made inside hold at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(one, Tensor):
                self.note(one.untyped_storage())
        return result

    def note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.sizes:
            self.sizes[key] = storage.nbytes()
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self.forget, key)

    def forget(self, key: int) -> None:
        self.live -= self.sizes.pop(key, 0)


def test_operations_agree_with_the_published_ones() -> None:
    golden, _ = load_golden("flownet_ops")
    found = correlation(golden["corr_in1"], golden["corr_in2"])
    torch.testing.assert_close(found, golden["corr_out_20_1_20_1_2"], atol=1e-6, rtol=1e-5)
    moved = warp(golden["resample_in"], golden["resample_flow"])
    torch.testing.assert_close(moved, golden["resample_out"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(channel_norm(golden["channelnorm_in"]), golden["channelnorm_out"], atol=1e-6, rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 4),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    stride=st.integers(1, 2),
    steps=st.integers(0, 2),
)
def test_correlation_equals_a_naive_loop(
    batch: int, channels: int, height: int, width: int, stride: int, steps: int
) -> None:
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, batch, channels, height, width, generator=random)
    settings_of_both = {"max_displacement": steps * stride, "stride": stride}
    found = correlation(first, second, **settings_of_both)
    torch.testing.assert_close(found, naive_correlation(first, second, **settings_of_both))


def test_correlation_holds_a_few_feature_maps_at_once() -> None:
    first, second = torch.rand(2, 1, 256, 24, 24)
    padded = 256 * (24 + 40) * (24 + 40) * 4
    with MemoryMeter() as meter:
        found = correlation(first, second)
    output = found.untyped_storage().nbytes()
    assert meter.peak >= output + padded  # the meter does see what is held
    assert meter.peak < output + 3 * padded  # 441 copies of a feature map would be 62 times the padded one


@pytest.mark.parametrize(("shape", "stride"), [((1, 2, 4, 5), 2), ((1, 2, 4, 4), 3)])
def test_correlation_refuses_what_does_not_fit(shape: tuple[int, ...], stride: int) -> None:
    with pytest.raises(ValueError, match="got"):
        correlation(torch.rand(1, 2, 4, 4), torch.rand(shape), max_displacement=4, stride=stride)


def test_names_and_shapes_are_the_published_ones() -> None:
    _, meta = load_golden("flownet2")
    network = meta_network()
    assert {name: list(value.shape) for name, value in network.state_dict().items()} == dict(meta["keys"])
    assert sum(parameter.numel() for parameter in network.parameters()) == 162_518_834


def test_flow_has_the_size_of_the_images() -> None:
    images = torch.empty(3, 3, 64, 128, device="meta")
    assert meta_network()(images, images).shape == (3, 2, 64, 128)


def test_sides_that_cannot_be_halved_six_times_are_refused() -> None:
    with pytest.raises(ValueError, match=r"multiples of 64, got \(64, 96\)"):
        meta_network()(*torch.empty(2, 1, 3, 64, 96, device="meta"))


@pytest.mark.slow
def test_network_agrees_with_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    golden, _ = load_golden("flownet2")
    network = meta_network().to_empty(device="cpu")
    fill_state(network, "flownet2", gain=1.15)
    parts: dict[str, Tensor] = {}
    for name, part in network.named_children():
        part.register_forward_hook(lambda _part, _inputs, output, name=name: parts.update({name: output}))
    first, second = golden["raw64/im1"], golden["raw64/im2"]
    with torch.no_grad():
        flow = network(first, second)
        torch.testing.assert_close(flow, golden["raw64/flow"], atol=1e-3, rtol=0)
        for name in ("flownetc", "flownets_1", "flownets_2", "flownets_d"):
            torch.testing.assert_close(parts[name], golden[f"raw64/sub/{name}"], atol=1e-4, rtol=0)

        joint = network(first + 0.25, second + 0.25)  # the mean of both is taken away
        torch.testing.assert_close(joint, flow, atol=1e-3, rtol=0)

        # the published confidence looks through the published warp, which blurs
        monkeypatch.setattr(flow_module, "warp", lambda *frames: warp(*frames, align_corners=False))
        assert torch.equal(confidence(first, second, flow), golden["conf64/conf"].float())


def test_correlation_of_a_shifted_picture_is_highest_at_the_shift() -> None:
    source = F.normalize(torch.randn(1, 16, 12, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    target = torch.roll(source, shifts=(-2, 4), dims=(2, 3))  # comes from 2 below and 4 to the left
    best = correlation(target, source, max_displacement=4)[0, :, 4:-4, 4:-4].argmax(dim=0)
    down, right = best // 5 * 2 - 4, best % 5 * 2 - 4
    assert (down == 2).all() and (right == -4).all()
