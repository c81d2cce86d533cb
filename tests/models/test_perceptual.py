from pathlib import Path

import pytest
import torch

from models.losses.perceptual import VGG19, EfficientNetLite0, PerceptualLoss, find_efficientnet_lite0, make_perceptual
from tests.golden import fill_state, load_golden
from util.errors import UserError


@pytest.fixture()
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def lite() -> PerceptualLoss:
    loss = make_perceptual("efficientnet_lite0").loss
    assert loss is not None
    return loss


@pytest.mark.slow
def test_vgg_distance_agrees_with_the_published_program() -> None:
    arrays, _ = load_golden("losses_small")
    network = VGG19(normalise=False)
    fill_state(network.features, "vgg19", gain=2**0.5)
    loss = PerceptualLoss(network, layer_weights=(1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), relative=False)
    got = loss(arrays["vgg_in/0"], loss.features(arrays["vgg_in/1"]))
    assert got.item() == pytest.approx(arrays["vgg_loss"].item(), rel=1e-4)
    for scale, feature in enumerate(network(arrays["vgg_in/0"])):
        assert list(feature.shape) == arrays[f"vgg_slices_shape/{scale}"].tolist()


def test_auto_takes_the_features_that_a_package_carries_where_vgg_is_absent(no_cache: Path) -> None:
    choice = make_perceptual("auto")
    assert "EfficientNet-Lite0" in choice.description and "sha256" in choice.description
    assert choice.weight == 2.0


def test_none_has_no_loss(no_cache: Path) -> None:
    choice = make_perceptual("none")
    assert choice.loss is None and choice.weight == 0


def test_absent_vgg_weights_say_the_file_and_the_flag(no_cache: Path) -> None:
    with pytest.raises(UserError, match=r"vgg19-dcbb9e9d.pth \(548 MB.*--vgg_weights"):
        make_perceptual("vgg19")


def test_broken_vgg_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "vgg.pth"
    torch.save({"features.0.weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="vgg.pth: expected VGG19's weights"):
        make_perceptual("vgg19", vgg_weights=str(path))


@pytest.mark.slow
def test_published_input_is_a_setting_that_the_log_names(tmp_path: Path) -> None:
    path = tmp_path / "vgg.pth"
    network = VGG19()
    fill_state(network.features, "vgg19", gain=2**0.5)
    torch.save(network.state_dict(), path)
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    seen = network.features[:2]
    choice = make_perceptual("vgg19", vgg_weights=str(path), vgg_input="published")
    assert choice.loss is not None
    assert torch.equal(choice.loss.features(image)[0], seen(image))
    assert "not normalised, as published" in choice.description
    usual = make_perceptual("vgg19", vgg_weights=str(path))
    assert usual.loss is not None
    assert torch.equal(usual.loss.features(image)[0], seen(network.prepare(image)))
    assert "normalised" not in usual.description
    with pytest.raises(ValueError, match="expected imagenet or published, got raw"):
        make_perceptual("vgg19", vgg_weights=str(path), vgg_input="raw")


def test_a_vgg_file_that_is_no_weights_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "vgg.pth"
    path.write_bytes(b"none of these")
    with pytest.raises(UserError, match="vgg.pth: expected VGG19's weights") as caught:
        make_perceptual("vgg19", vgg_weights=str(path))
    assert "\n" not in str(caught.value)


def test_equal_images_have_no_distance_and_gradients_reach_the_generated_one_alone(lite: PerceptualLoss) -> None:
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    generated = image.clone().requires_grad_()
    assert lite(generated, lite.features(image)).item() == 0
    lite(generated, lite.features(-image)).backward()
    assert generated.grad is not None and generated.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in lite.parameters())


def test_a_frozen_backbone_stays_in_eval_mode(lite: PerceptualLoss) -> None:
    lite.train()
    assert not any(module.training for module in lite.backbone.modules())
    before = {name: value.clone() for name, value in lite.state_dict().items()}
    lite(torch.rand(1, 3, 32, 32), lite.features(torch.rand(1, 3, 32, 32)))
    assert all(torch.equal(before[name], value) for name, value in lite.state_dict().items())


def test_features_shrink_as_the_network_deepens() -> None:
    weights = find_efficientnet_lite0()
    assert weights is not None
    sides = [feature.shape[-1] for feature in EfficientNetLite0(weights)(torch.rand(1, 3, 64, 64))]
    assert sides == [32, 32, 16, 8, 4]
