from typing import Any

import pytest
import torch

from models.networks.generator import CompositeGenerator, GeneratorFeatures
from models.networks.local_enhancer import LocalEnhancer
from tests.golden import fill_state, load_golden, randn


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_agrees_with_the_published_program(mode: str) -> None:
    name = "compositeLocal_scale1_fg"
    arrays, meta = load_golden(name)
    case, shapes = meta["meta"], meta["meta"]["input_shapes"]
    enhancer = LocalEnhancer(
        semantic_channels=shapes["input"][1] // 3,
        scale=case["scale"],
        base_channels=case["ngf"],
        num_downsamples=case["n_downsample"],
        num_blocks=3,
        has_foreground=True,
        align_corners=False,
    )
    assert {key: list(value.shape) for key, value in enhancer.state_dict().items()} == meta["state_shapes"]
    fill_state(enhancer, name)
    enhancer.train(mode == "train")
    coarse = GeneratorFeatures(
        arrays["inputs/img_feat_coarse"], arrays["inputs/flow_feat_coarse"], arrays["inputs/img_fg_feat_coarse"]
    )
    with torch.no_grad():
        output = enhancer(
            torch.from_numpy(randn(f"{name}/in", tuple(shapes["input"]))),
            arrays["inputs/img_prev"],
            coarse,
            foreground_mask=arrays["inputs/mask"].float(),
        )
    for ours, published in {"final": "img_final", "raw": "img_raw", "flow": "flow", "weight": "weight"}.items():
        expected, value = arrays[f"{mode}/{published}"], getattr(output, ours)
        thinned = value.flatten()[::7] if expected.ndim == 1 else value
        torch.testing.assert_close(thinned, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("has_flow", [True, False])
@pytest.mark.parametrize("raw_only", [True, False])
def test_three_scales_stack(has_flow: bool, raw_only: bool) -> None:
    common: dict[str, Any] = {"semantic_channels": 2, "has_foreground": True, "has_flow": has_flow}
    coarse = CompositeGenerator(base_channels=16, num_blocks=2, **common).eval()
    finer = [
        LocalEnhancer(scale=scale, base_channels=16 // 2**scale, num_blocks=1, **common).eval() for scale in (1, 2)
    ]
    with torch.no_grad():
        images = [torch.zeros(1, 6, 16 * 2**scale, 16 * 2**scale) for scale in range(3)]
        masks = [torch.ones_like(image[:, :1]) for image in images]
        output = coarse(images[0], images[0], foreground_mask=masks[0], raw_only=raw_only)
        for enhancer, image, mask in zip(finer, images[1:], masks[1:], strict=True):
            output = enhancer(image, image, output.features, foreground_mask=mask, raw_only=raw_only)
    assert output.final.shape == (1, 3, 64, 64)
    assert (output.flow is not None) == (has_flow and not raw_only)


def test_flow_doubles_with_the_scale() -> None:
    flows = []
    image, features = torch.zeros(1, 6, 16, 16), torch.zeros(1, 8, 8, 8)
    for scale in (1, 2):
        enhancer = LocalEnhancer(semantic_channels=2, scale=scale, base_channels=4, num_blocks=1).eval()
        fill_state(enhancer, "scale")
        with torch.no_grad():
            flows.append(enhancer(image, image, GeneratorFeatures(features, features, None)).flow)
    torch.testing.assert_close(flows[1], 2 * flows[0])


def test_wrong_coarse_features_say_expected_and_got() -> None:
    enhancer = LocalEnhancer(semantic_channels=2, base_channels=4, num_blocks=1).eval()
    image, features = torch.zeros(1, 6, 16, 16), torch.zeros(1, 8, 8, 8)
    with pytest.raises(ValueError, match=r"expected coarse image features of shape \(1, 8, 8, 8\), got \(1, 4, 8, 8\)"):
        enhancer(image, image, GeneratorFeatures(features[:, :4], features, None))
    with pytest.raises(ValueError, match=r"expected coarse flow features of shape \(1, 8, 8, 8\), got none"):
        enhancer(image, image, GeneratorFeatures(features, None, None))


def test_scale_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="expected scale 1 or more, got 0"):
        LocalEnhancer(semantic_channels=2, scale=0)


def test_shapes_can_be_planned_without_memory() -> None:
    with torch.device("meta"):
        enhancer = LocalEnhancer(semantic_channels=15)
        features = torch.empty(1, 128, 256, 256)
        image = torch.empty(1, 6, 512, 512)
        output = enhancer(torch.empty(1, 45, 512, 512), image, GeneratorFeatures(features, features, None))
    assert output.final.is_meta and output.final.shape == (1, 3, 512, 512)
