"""Old checkpoints in and out; published files are imitated here: fake ``models.networks`` and old formats."""

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models import checkpoint as checkpoints
from models.build import build_generator, load_generator
from models.legacy.exporting import export_generator
from models.legacy.import_checkpoint import build_parser
from models.legacy.importing import import_generator, recover
from models.legacy.old_file import read_old_file
from models.networks.generator import CompositeGenerator
from options.network_config import GeneratorConfig
from tests.golden import fill_state, load_golden, randn
from tests.published_files import Networks, small, write
from util.errors import UserError

PUBLISHED = {  # golden values: dataset, role, class of the published module
    "composite_face_64": ("face", "teacher", "CompositeGenerator"),
    "composite_face_64_instancenorm": ("face", "teacher", "CompositeGenerator"),
    "composite_face_64_noflow": ("face", "teacher", "CompositeGenerator"),
    "composite_street_fg_64x128": ("street", "teacher", "CompositeGenerator"),
    "srm_face_teacher_64": ("face", "teacher", "SRMobileCompositeGenerator"),
    "srm_face_student_64": ("face", "student", "SRMobileCompositeGenerator"),
    "srm_pose_student_64x56_resize32x28": ("pose", "student", "SRMobileCompositeGenerator"),
    "srm_street_fg_student_64x128_resize32x64": ("street", "student", "SRMobileCompositeGenerator"),
}
FACE = {"dataset_mode": "face", "role": "teacher"}


def golden_generator(name: str) -> CompositeGenerator:
    case = load_golden(name)[1]["meta"]
    generator = CompositeGenerator(
        semantic_channels=case["input_shapes"]["input"][1] // 3,
        base_channels=case["ngf"],
        num_blocks=case["n_blocks"],
        norm="instance" if "--norm instance" in case["extra"] else "batch",
        block="mobile" if "mobile" in case["netG"] else "residual",
        low_demand=PUBLISHED[name][1] == "student",
        has_foreground="mask" in case["input_shapes"],
        has_flow="--no_flow" not in case["extra"],
        align_corners=False,
    )
    fill_state(generator, name)
    return generator


# ---------------------------------------------------------------- what published files hold


@pytest.mark.parametrize("is_zip", [True, False])
def test_both_kinds_in_both_formats_give_every_tensor_bit_by_bit(
    tmp_path: Path, networks: Networks, is_zip: bool
) -> None:
    generator = small(block="mobile")
    module = networks.like(generator, "SRMobileCompositeGenerator")
    module.opt = argparse.Namespace(loadSize=64, name="mine", gpu_ids=[0], lr=2e-4, labels={"a": (1, 2)})  # type: ignore[assignment]
    files = [
        write(generator.state_dict(), tmp_path / "state.pth", is_zip=is_zip),
        write(module, tmp_path / "module.pth", is_zip=is_zip),
    ]
    del sys.modules["models.networks"]
    state, whole = (read_old_file(file) for file in files)
    sys.modules["models.networks"] = networks
    for old in (state, whole):
        assert list(old.tensors) == list(generator.state_dict())
        assert all(torch.equal(old.tensors[name], value) for name, value in generator.state_dict().items())
    assert (state.kind, whole.kind) == ("state dict", "models.networks.SRMobileCompositeGenerator")
    assert whole.options["loadSize"] == 64 and whole.options["labels"] == {"a": (1, 2)}


def test_views_of_one_storage_and_empty_tensors_are_rebuilt(tmp_path: Path) -> None:
    numbers = torch.arange(12.0).view(3, 4)
    state = {"turned": numbers.t(), "part": numbers[1:, 2], "none": torch.empty(0), "one": torch.tensor(7)}
    for is_zip in (True, False):
        found = read_old_file(write(state, tmp_path / "views.pth", is_zip=is_zip)).tensors
        assert all(torch.equal(found[name], value) for name, value in state.items())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_imported_generator_draws_the_published_frames(name: str, tmp_path: Path, networks: Networks) -> None:
    arrays, meta = load_golden(name)
    dataset, role, kind = PUBLISHED[name]
    path = write(networks.like(golden_generator(name), kind), tmp_path / "latest_net_G0.pth", is_zip=False)
    lines = import_generator([path], tmp_path / "old", dataset_mode=dataset, role=role)
    assert not any("stride" in line for line in lines)
    generator = load_generator(checkpoints.load(tmp_path / "old", flag="--checkpoint"))
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    noise = torch.from_numpy(randn(f"{name}/in", tuple(meta["meta"]["input_shapes"]["input"])))
    mask = arrays.get("inputs/mask")
    with torch.no_grad():
        output = generator(
            arrays.get("inputs/input", noise).float(),
            arrays["inputs/img_prev"],
            foreground_mask=None if mask is None else mask.float(),
        )
    for ours, published in {"final": "img_final", "raw": "img_raw", "flow": "flow", "weight": "weight"}.items():
        expected, value = arrays.get(f"train/{published}"), getattr(output, ours)
        if expected is None:
            assert value is None
        else:
            thinned = value.flatten()[::7] if expected.ndim == 1 else value
            torch.testing.assert_close(thinned, expected, atol=1e-4, rtol=1e-4)
    assert all(torch.equal(before[key], value) for key, value in generator.state_dict().items())


def test_a_module_may_be_shared_but_not_hold_itself(tmp_path: Path, networks: Networks) -> None:
    """The published blocks have one activation object at several places."""
    generator = small()
    relu = nn.ReLU(True)
    shared = networks.like(generator, "CompositeGenerator")
    for part in shared.modules():
        for name, below in part.named_children():
            if isinstance(below, nn.ReLU):
                part._modules[name] = relu
    whole = read_old_file(write(shared, tmp_path / "shared.pth", is_zip=True))
    assert sum(module is whole.modules["model_down_seg.3"] for module in whole.modules.values()) > 2
    assert whole.tensors.keys() == generator.state_dict().keys()
    part = next(one for one in shared.children() if isinstance(one, nn.Sequential))
    part._modules["0"] = shared
    with pytest.raises(UserError, match="a module inside itself"):
        read_old_file(write(shared, tmp_path / "cycle.pth", is_zip=True))


def test_what_is_found_and_what_is_not_is_said(tmp_path: Path, networks: Networks) -> None:
    module = networks.like(small(block="mobile"), "SRMobileCompositeGenerator")
    module.opt = argparse.Namespace(loadSize=256, resize_or_crop="scaleWidth", label_nc=0, no_first_img=True)  # type: ignore[assignment]
    path = write(module, tmp_path / "latest_net_G0.pth", is_zip=True)
    args = ["--no_canny_edge", "--resize_or_crop", "resize"]
    lines = import_generator([path], tmp_path / "old", dataset_mode="face", role="student", args=args)
    text = "\n".join(lines)
    assert "models.networks.SRMobileCompositeGenerator" in text
    assert "netG sr_mobile_composite, ngf 4, n_downsample_G 2, n_blocks 3, n_frames_G 3, norm batch" in text
    assert "semantic channels 15" in text and "own options: loadSize 256" in text
    assert "check them: --as student, no_canny_edge true" in text
    assert "has stride 2, that of a teacher; --as student was followed" in text
    saved = checkpoints.load(tmp_path / "old", flag="--checkpoint")
    assert (saved.config.data.loadSize, saved.config.data.resize_or_crop) == (256, "resize")
    assert saved.config.data.no_canny_edge and saved.config.schedule.no_first_img
    assert saved.config.generator.low_demand and saved.config.generator.batch_statistics
    assert not saved.config.generator.warp_align_corners
    assert "imported from latest_net_G0.pth, sha256" in saved.metadata["components"][0]


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(ngf=4, n_downsample_G=3, n_blocks=1, n_frames_G=2, norm="instance"),
        GeneratorConfig(ngf=6, n_downsample_G=1, n_blocks=4, netG="sr_mobile_composite", no_flow=True, fg=True),
        GeneratorConfig(ngf=8, n_downsample_G=2, n_blocks=2, n_scales_spatial=2, n_blocks_local=2, fg=True),
        GeneratorConfig(ngf=4, n_downsample_G=2, n_blocks=5, netG="global"),
    ],
)
def test_sizes_are_recovered_from_names_and_shapes(config: GeneratorConfig) -> None:
    state = build_generator(config, semantic_channels=7).state_dict()
    shapes = {name: value.shape for name, value in state.items()}
    scales = [
        {name.removeprefix(f"G{scale}."): shape for name, shape in shapes.items() if name.startswith(f"G{scale}.")}
        for scale in range(config.n_scales_spatial)
    ]
    found = recover(scales if config.n_scales_spatial > 1 else [shapes], where="x.pth")
    assert found.semantic_channels == 7
    assert GeneratorConfig(**found.generator) == config


def test_norm_counters_that_the_oldest_files_lack_are_said_and_zero(tmp_path: Path) -> None:
    state = {name: value for name, value in small().state_dict().items() if not name.endswith("num_batches_tracked")}
    wrapped = {f"module.{name}": value for name, value in state.items()}
    path = write(wrapped, tmp_path / "net.pth", is_zip=False)
    lines = import_generator([path], tmp_path / "old", **FACE)
    assert any("counters of norm layers are younger" in line for line in lines)
    weights = checkpoints.load(tmp_path / "old", flag="--checkpoint").weights("generator")
    assert all(torch.equal(weights[name], value) for name, value in state.items())


# ---------------------------------------------------------------- there and back


def test_export_and_import_are_inverse_bit_by_bit(tmp_path: Path) -> None:
    generator = small(block="mobile")
    fill_state(generator, "round trip")
    path = write(generator.state_dict(), tmp_path / "net.pth", is_zip=True)
    import_generator([path], tmp_path / "old", dataset_mode="face", role="student")
    lines = export_generator(tmp_path / "old", tmp_path / "again" / "net.pth")
    assert not any(line.startswith("note") for line in lines)
    again = torch.load(tmp_path / "again" / "net.pth", weights_only=True)
    assert set(again) == set(generator.state_dict())
    assert all(torch.equal(again[name], value) for name, value in generator.state_dict().items())
    assert all(type(value) is torch.Tensor for value in again.values())
    assert torch.equal(read_old_file(tmp_path / "again" / "net.pth").tensors["model_down_seg.1.bias"],
                       generator.get_parameter("model_down_seg.1.bias"))  # fmt: skip


def test_a_shipped_model_of_16_bits_goes_out_and_comes_back(tmp_path: Path) -> None:
    shipped = "checkpoints/face_sample_student"
    export_generator(shipped, tmp_path / "net.pth")
    import_generator([tmp_path / "net.pth"], tmp_path / "old", dataset_mode="face", role="student")
    again, weights = (checkpoints.load(path, flag="").generator_weights() for path in (tmp_path / "old", shipped))
    assert all(torch.equal(again[name], value.to(again[name].dtype)) for name, value in weights.items())


def test_finer_scales_go_to_files_of_their_own_and_come_back(tmp_path: Path) -> None:
    config = GeneratorConfig(ngf=8, n_downsample_G=2, n_blocks=2, n_scales_spatial=2, n_blocks_local=1)
    generator = build_generator(config, semantic_channels=15)
    fill_state(generator, "scales")
    files = []
    for scale in range(2):
        state = generator.get_submodule(f"G{scale}").state_dict()
        files.append(write(state, tmp_path / f"latest_net_G{scale}.pth", is_zip=True))
    import_generator(files, tmp_path / "old", **FACE)
    weights = checkpoints.load(tmp_path / "old", flag="--checkpoint").weights("generator")
    assert all(torch.equal(weights[name], value) for name, value in generator.state_dict().items())
    export_generator(tmp_path / "old", tmp_path / "mine.pth")
    for scale in range(2):
        back = read_old_file(tmp_path / f"mine_G{scale}.pth").tensors
        state = generator.get_submodule(f"G{scale}").state_dict()
        assert set(back) == set(state) and all(torch.equal(back[name], value) for name, value in state.items())


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dataset_mode": "street", "args": ["--use_instance"]}, "reads 15 channels a frame, --dataset_mode street"),
        ({"args": ["--no_dist_map"]}, "reads 15 channels a frame, --dataset_mode face with these flags makes 1"),
        ({"args": ["--loadsize", "64"]}, "did you mean --loadSize"),
        ({"args": ["--loadSize", "6"]}, "expected at least 32"),
    ],
)
def test_flags_that_do_not_fit_the_file_are_told_in_one_line(
    changes: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    path = write(small().state_dict(), tmp_path / "net.pth", is_zip=True)
    with pytest.raises(UserError, match=expected) as caught:
        import_generator([path], tmp_path / "old", **{**FACE, **changes})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "old").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"scale0_layer0.0.weight": torch.zeros(4, 18, 4, 4)},
            "expected a published generator, .* found a discriminator",
        ),
        ({"conv.weight": torch.zeros(1)}, r"found other tensors \(conv.weight, ...\)"),
        ({"epoch": 3}, "neither a pickled module nor a dict of tensors"),
        (torch.zeros(3), "neither a pickled module nor a dict of tensors"),
        ({"a": torch.zeros(3, dtype=torch.float16)}, "it names torch.HalfStorage"),
        (nn.Linear(2, 2), "it names torch.nn.modules.linear.Linear"),
        (nn.Sequential(nn.Conv2d(1, 1, 1)), "a pickled torch.nn.modules.container.Sequential"),
    ],
)
def test_other_files_are_named_for_what_they_are(content: Any, expected: str, tmp_path: Path) -> None:
    path = write(content, tmp_path / "other.pth", is_zip=True)
    with pytest.raises(UserError, match=expected) as caught:
        import_generator([path], tmp_path / "old", **FACE)
    assert "\n" not in str(caught.value) and "other.pth" in str(caught.value)


def test_a_finer_scale_alone_or_other_tensors_beside_the_generator_are_refused(tmp_path: Path) -> None:
    config = GeneratorConfig(ngf=8, n_downsample_G=2, n_blocks=2, n_scales_spatial=2)
    finer = build_generator(config, semantic_channels=15).get_submodule("G1").state_dict()
    with pytest.raises(UserError, match="a finer scale by itself"):
        import_generator([write(finer, tmp_path / "G1.pth", is_zip=True)], tmp_path / "old", **FACE)
    state = small().state_dict() | {"extra.weight": torch.zeros(1)}
    with pytest.raises(UserError, match="differs is extra.weight"):
        import_generator([write(state, tmp_path / "more.pth", is_zip=True)], tmp_path / "old", **FACE)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = write(small().state_dict(), tmp_path / "net.pth", is_zip=True)
    import_generator([path], tmp_path / "old", **FACE)
    with pytest.raises(UserError, match="there is a checkpoint already"):
        import_generator([path], tmp_path / "old", **FACE)
    with pytest.raises(UserError, match="no such file"):
        import_generator([tmp_path / "nowhere.pth"], tmp_path / "other", **FACE)


def test_a_missing_role_is_named() -> None:
    with pytest.raises(UserError, match=r"required: --as \(") as caught:
        build_parser().parse_args(["x.pth", "--dataset_mode", "face", "--out", "y"])
    assert not str(caught.value).endswith(",")
