import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.flow.warp import warp
from models.losses.motion import add_flow_terms, add_temporal_warp_term
from models.losses.table import LossTable, LossWeights
from models.networks.generator import blend
from tests.golden import randn


def noise(key: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(randn(key, shape))


def constant_flow(image: torch.Tensor, x: float, y: float) -> torch.Tensor:
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(len(image), 2, *image.shape[-2:]).contiguous()


def test_zero_flow_is_identity() -> None:
    image = noise("warp", 2, 3, 11, 14)
    torch.testing.assert_close(warp(image, constant_flow(image, 0, 0)), image)


def test_zero_flow_blurs_as_published_without_align_corners() -> None:
    image = noise("warp", 1, 1, 8, 8)
    assert (warp(image, constant_flow(image, 0, 0), align_corners=False) - image).abs().max() > 0.1


@settings(max_examples=15, deadline=None)
@given(x=st.integers(-4, 4), y=st.integers(-4, 4))
def test_whole_pixels_move_exactly_and_the_border_repeats(x: int, y: int) -> None:
    image = noise("warp", 1, 2, 7, 9)
    rows = (torch.arange(7) + y).clamp(0, 6)
    columns = (torch.arange(9) + x).clamp(0, 8)
    moved = warp(image, constant_flow(image, x, y))
    torch.testing.assert_close(moved, image[:, :, rows][..., columns], atol=1e-5, rtol=0)


def test_x_comes_before_y() -> None:
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 1, 3] = 1
    assert warp(image, constant_flow(image, 2, -1))[0, 0, 2, 1] == pytest.approx(1)


def test_gradients_reach_image_and_flow() -> None:
    image = noise("warp/image", 1, 2, 4, 5).double().requires_grad_()
    flow = (0.3 + 0.05 * noise("warp/flow", 1, 2, 4, 5).double()).requires_grad_()
    assert torch.autograd.gradcheck(warp, (image, flow))


def test_half_precision_keeps_its_type_and_its_pixels() -> None:
    image = noise("warp", 1, 3, 4, 600).bfloat16()
    moved = warp(image, constant_flow(image, 5, 0).bfloat16())
    assert moved.dtype == torch.bfloat16
    # positions in 8 bits of mantissa would be off by pixels at this width
    torch.testing.assert_close(moved[..., :-5], image[..., 5:], atol=0.02, rtol=0.02)


def test_autocast_does_not_change_the_result() -> None:
    image, flow = noise("warp/image", 1, 3, 16, 16), noise("warp/flow", 1, 2, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = warp(image, flow)
    torch.testing.assert_close(moved, warp(image, flow), rtol=0, atol=0)


def test_one_pixel_wide_images_warp() -> None:
    image = noise("warp", 1, 1, 1, 1)
    torch.testing.assert_close(warp(image, constant_flow(image, 3, 3)), image)


def test_wrong_flow_shape_says_expected_and_got() -> None:
    with pytest.raises(ValueError, match=r"expected flow of shape \(1, 2, 4, 4\), got \(1, 2, 4, 5\)"):
        warp(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 4, 5))


def test_losses_warp_exactly_whatever_the_generator_does() -> None:
    """A flow that carries one frame onto the other costs nothing, also where `--warp_align_corners false` blurs."""
    frames, still = torch.rand(1, 3, 8, 8), torch.zeros(1, 2, 8, 8)
    blurred = blend(frames, frames, still, torch.zeros(1, 1, 8, 8), align_corners=False)
    assert (blurred - frames).abs().max() > 0.05
    table, ones = LossTable(), torch.ones(1, 1, 8, 8)
    given = {"real": frames, "before": frames, "reference": still, "confidence": ones}
    add_flow_terms(table, still, ones, **given, weights=LossWeights())
    add_temporal_warp_term(table, frames, frames, still, ones, weight=10.0)
    assert table.terms.keys() == {"F_Flow", "F_Warp", "G_Warp"}
    assert all(float(value) < 1e-5 for value, _ in table.terms.values())
