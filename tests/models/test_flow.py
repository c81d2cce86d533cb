import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.flow import DenseInverseSearch, confidence, make_flow
from models.warp import warp


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


def test_an_unknown_flow_is_refused() -> None:
    with pytest.raises(ValueError, match="got sift"):
        make_flow("sift")
