import pytest
import torch

from models.networks.discriminator import MultiscaleDiscriminator
from tests.golden import fill_state, load_golden, randn


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", ["D_num2_feat_batch", "D_num3_nofeat_batch"])
def test_agrees_with_the_published_program(name: str, mode: str) -> None:
    arrays, meta = load_golden(name)
    case = meta["meta"]
    discriminator = MultiscaleDiscriminator(
        input_channels=case["nc"],
        base_channels=case["ndf"],
        num_layers=case["n_layers"],
        num_scales=case["num_D"],
        with_features=case["feat"],
    )
    assert {key: list(value.shape) for key, value in discriminator.state_dict().items()} == meta["state_shapes"]
    fill_state(discriminator, name)
    discriminator.train(mode == "train")
    with torch.no_grad():
        judged = discriminator(torch.from_numpy(randn(f"{name}/in", tuple(case["input_shapes"]["input"]))))
    outputs = {f"{mode}/out/{i}/{j}": value for i, scale in enumerate(judged) for j, value in enumerate(scale)}
    assert set(outputs) == {key for key in arrays if key.startswith(mode)}
    for key, value in outputs.items():
        thinned = value.flatten()[::7] if arrays[key].ndim == 1 else value
        torch.testing.assert_close(thinned, arrays[key], atol=1e-4, rtol=1e-4)


def test_features_end_with_the_same_scores() -> None:
    x = torch.from_numpy(randn("critic", (1, 4, 40, 40)))
    rich = MultiscaleDiscriminator(input_channels=4, base_channels=4, num_scales=1).eval()
    plain = MultiscaleDiscriminator(input_channels=4, base_channels=4, num_scales=1, with_features=False).eval()
    plain.load_state_dict(dict(zip(plain.state_dict(), rich.state_dict().values(), strict=True)))
    with torch.no_grad():
        torch.testing.assert_close(rich(x)[0][-1], plain(x)[0][-1])


def test_base_channels_double_per_scale_and_stop_at_64() -> None:
    with torch.device("meta"):
        discriminator = MultiscaleDiscriminator(input_channels=4, base_channels=32, num_scales=3)
        widths = [scale[0].shape[1] for scale in discriminator(torch.empty(1, 4, 128, 128))]
    assert widths == [32, 64, 64]


def test_channels_stop_at_512() -> None:
    with torch.device("meta"):
        features = MultiscaleDiscriminator(input_channels=4, num_layers=5)(torch.empty(1, 4, 256, 256))
    assert [x.shape[1] for x in features[0]] == [64, 128, 256, 512, 512, 512, 1]


def test_half_precision_is_finite() -> None:
    discriminator = MultiscaleDiscriminator(input_channels=4, base_channels=4).bfloat16()
    judged = discriminator(torch.from_numpy(randn("critic", (1, 4, 64, 64))).bfloat16())
    assert all(x.isfinite().all() for scale in judged for x in scale)


def test_wrong_channels_say_expected_and_got() -> None:
    discriminator = MultiscaleDiscriminator(input_channels=4, base_channels=4)
    with pytest.raises(ValueError, match=r"expected discriminator input of shape \[B, 4, H, W\], got \[1, 3, 32, 32\]"):
        discriminator(torch.zeros(1, 3, 32, 32))
