import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.clips import Clip
from models.build import build_generator
from models.losses.temporal import GlobalTemporalLoss, make_global_loss
from models.networks.i3d import I3D, load_i3d, pad_same
from models.training.build_stage import build_stage
from options.config import TrainConfig
from options.network_config import DiscriminatorConfig, GeneratorConfig
from options.training_config import LossConfig, RunConfig
from tests.golden import fill_state, randn
from util.errors import UserError


@pytest.fixture(scope="module")
def network() -> I3D:
    network = I3D()
    fill_state(network, "i3d", gain=2**0.5)
    return network


def video(num_frames: int = 4, height: int = 32, width: int = 40, *, batch: int = 1) -> torch.Tensor:
    return torch.from_numpy(randn("i3d/in", (batch, num_frames, 3, height, width))).tanh()


def test_names_shapes_and_size_are_the_published_ones(network: I3D) -> None:
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert sum(value.numel() for value in network.parameters()) == 12_697_264
    assert shapes["Conv3d_1a_7x7.conv3d.weight"] == (64, 3, 7, 7, 7)
    assert shapes["Conv3d_1a_7x7.bn.running_var"] == (64,)
    assert shapes["Conv3d_2b_1x1.conv3d.weight"] == (64, 64, 1, 1, 1)
    assert shapes["Mixed_3b.b0.conv3d.weight"] == (64, 192, 1, 1, 1)
    assert shapes["Mixed_4f.b1b.conv3d.weight"] == (320, 160, 3, 3, 3)
    assert shapes["Mixed_5c.b2b.bn.weight"] == (128,)
    assert shapes["Mixed_5c.b3b.conv3d.weight"] == (128, 832, 1, 1, 1)
    assert shapes["logits.conv3d.weight"] == (400, 1024, 1, 1, 1) and shapes["logits.conv3d.bias"] == (400,)
    assert not any(name.startswith("MaxPool") or ".b3a" in name for name in shapes)
    assert len([name for name in shapes if name.endswith("conv3d.weight")]) == 58
    assert {layer.eps for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm3d)} == {1e-3}


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 3))
def test_padding_gives_every_stride_its_step_and_the_end_the_odd_zero(size: int, kernel: int, stride: int) -> None:
    padded = pad_same(torch.ones(1, 1, 1, 1, size), (1, 1, kernel), (1, 1, stride))[0, 0, 0, 0]
    assert (len(padded) - kernel) // stride + 1 == -(-size // stride) or kernel < stride
    ones = padded.nonzero().flatten()
    before, after = int(ones[0]), len(padded) - 1 - int(ones[-1])
    assert after - before in (0, 1)


@settings(max_examples=5, deadline=None)
@given(num_frames=st.integers(2, 9), height=st.integers(8, 40), width=st.integers(8, 40))
def test_any_length_and_size_gives_1024_features(network: I3D, num_frames: int, height: int, width: int) -> None:
    with torch.no_grad():
        features = network(video(num_frames, height, width))
    assert features.shape == (1, 1024) and bool(features.isfinite().all())


def test_frames_are_resized_when_a_side_is_given(network: I3D) -> None:
    small = video(2, 16, 16)
    enlarged = torch.nn.functional.interpolate(small[0], size=(64, 64), mode="bilinear", align_corners=False)[None]
    with torch.no_grad():
        assert torch.equal(network(small, side=64), network(enlarged))


def test_features_follow_order_in_time_and_repeat_exactly(network: I3D) -> None:
    frames = video(6)
    with torch.no_grad():
        features = network(frames)
        assert torch.equal(features, network(frames))
        assert not torch.allclose(features, network(frames.flip(1)), rtol=1e-3)


def test_items_of_a_batch_do_not_meet(network: I3D) -> None:
    both = video(3, batch=2)
    with torch.no_grad():
        torch.testing.assert_close(network(both)[1:], network(both[1:]), rtol=1e-4, atol=1e-5)


def test_the_gradient_reaches_the_video_and_no_weight(network: I3D) -> None:
    student = video(3).requires_grad_()
    loss = GlobalTemporalLoss(network)
    loss(student, video(3) * 0.5).backward()
    assert student.grad is not None and bool((student.grad.abs().sum(dim=(0, 2, 3, 4)) > 0).all())
    assert all(not value.requires_grad and value.grad is None for value in network.parameters())


def test_equal_sequences_have_no_distance(network: I3D) -> None:
    assert GlobalTemporalLoss(network)(video(3), video(3)).item() == 0


def test_it_stays_in_eval_mode(network: I3D) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    GlobalTemporalLoss(network).train()(video(2), video(2))
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("shape", [(1, 1, 3, 32, 32), (1, 4, 1, 32, 32), (4, 3, 32, 32)])
def test_other_shapes_are_refused(network: I3D, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected a video of shape \[B, T, 3, H, W\]"):
        network(torch.zeros(shape))


def test_published_weights_are_read_and_their_hash_is_shown(network: I3D, tmp_path: Path) -> None:
    path = tmp_path / "rgb_imagenet.pt"
    # the published file is older than the norms' counters
    old = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    torch.save(old, path, _use_new_zipfile_serialization=False)
    loaded = load_i3d(path)
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in old.items())
    loss, description = make_global_loss(str(path))
    assert loss is not None and "I3D features, rgb_imagenet.pt, sha256 " in description


def test_without_weights_the_stand_in_is_named() -> None:
    loss, description = make_global_loss(None)
    assert loss is None and "multi-scale temporal differences" in description


def test_broken_weights_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--i3d_weights .*nowhere.pt: no such file"):
        load_i3d(tmp_path / "nowhere.pt")
    path = tmp_path / "other.pt"
    for content in ({"conv.weight": torch.zeros(2)}, torch.zeros(2), ["a"]):
        torch.save(content, path)
        with pytest.raises(UserError, match="expected I3D's RGB Kinetics weights") as caught:
            load_i3d(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"no weights")
    with pytest.raises(UserError, match="expected I3D's RGB Kinetics weights"):
        load_i3d(path)


def test_temporal_distillation_compares_i3d_features_where_weights_are_given(network: I3D, tmp_path: Path) -> None:
    path = tmp_path / "rgb_imagenet.pt"
    torch.save(network.state_dict(), path)
    config = TrainConfig(
        run=RunConfig(stage="tkd", teacher="teacher", init="student"),
        generator=GeneratorConfig(ngf=4, n_downsample_G=2, n_blocks=2, low_demand=True),
        discriminator=DiscriminatorConfig(ndf=4, n_layers_D=2, num_D=1, n_scales_temporal=0),
        loss=LossConfig(perceptual="none", i3d_weights=str(path)),
    )
    teacher = build_generator(dataclasses.replace(config.generator, low_demand=False), semantic_channels=4)
    stage, described = build_stage(config, semantic_channels=4, teacher=teacher)  # type: ignore[arg-type]
    assert any("I3D features" in line for line in described)
    images = torch.from_numpy(randn("clip", (1, 7, 3, 32, 32))).tanh()
    clip = Clip(torch.zeros(1, 7, 4, 32, 32), images, None, torch.arange(7)[None], ["clip"])
    chunked_clip = stage.prepare(clip, torch.Generator().manual_seed(0))
    chunk = next(chunked_clip.chunks(5, context=stage.context))
    rollout = stage.rollout(chunk)
    value, weight = stage.losses(chunk, rollout).generator.terms["kd_global"]
    assert chunk.target is not None and chunk.target_before is not None
    wanted = network(torch.cat([chunk.target_before, chunk.target], dim=1))
    found = network(torch.cat([chunk.given[:, -1:], rollout.generated], dim=1))
    assert value.item() == pytest.approx((found - wanted).abs().mean().item(), rel=1e-5) and weight == 15
    (gradient,) = torch.autograd.grad(value, stage.generator.get_parameter("model_final_img.1.weight"))
    assert gradient.abs().sum() > 0


def test_weights_for_another_stage_are_refused() -> None:
    with pytest.raises(UserError, match="--i3d_weights goes with --stage tkd, found --stage teacher"):
        TrainConfig(loss=LossConfig(i3d_weights="x.pt"))
