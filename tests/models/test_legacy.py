"""Old checkpoints in and out; published files are imitated here: fake ``models.networks`` and old formats."""

import argparse
import io
import os
import pickle
import struct
import sys
import types
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from models import checkpoint as checkpoints
from models.build import build_generator, load_generator
from models.legacy.export_checkpoint import export_generator
from models.legacy.import_checkpoint import import_generator, recover
from models.legacy.old_file import read_old_file
from models.networks.blocks import MobileResidualBlock, ResidualBlock
from models.networks.generator import CompositeGenerator
from options.network_config import GeneratorConfig
from tests.golden import fill_state, load_golden, randn
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


class Networks(types.ModuleType):
    """Stands in for the published programs' ``models.networks`` while a file is written."""

    def like(self, module: nn.Module, kind: str) -> nn.Module:
        """What ``module`` would be in a published file: the same parts, in classes of that module."""
        if kind not in vars(self):
            setattr(self, kind, type(kind, (nn.Module,), {"__module__": "models.networks", "__qualname__": kind}))
        fake = vars(self)[kind]()
        fake.__dict__.update(module.__dict__)
        fake._modules = {name: self._part(part) for name, part in module._modules.items() if part is not None}
        return fake

    def _part(self, part: nn.Module) -> nn.Module:
        own = {ResidualBlock: "ResnetBlock", MobileResidualBlock: "InvertedResidual"}.get(type(part))
        if own is not None:
            return self.like(part, own)
        if isinstance(part, nn.Sequential):
            return nn.Sequential(*(self._part(one) for one in part))
        return part


@pytest.fixture()
def networks(monkeypatch: pytest.MonkeyPatch) -> Networks:
    # a package of ours has the same name: it must be back afterwards
    module = Networks("models.networks")
    monkeypatch.setitem(sys.modules, "models.networks", module)
    return module


def write(content: Any, path: Path, *, is_zip: bool) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fake classes have no source text to store
        torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    return path


def small(**changes: Any) -> CompositeGenerator:
    torch.manual_seed(0)
    return CompositeGenerator(semantic_channels=15, base_channels=4, num_downsamples=2, num_blocks=3, **changes)


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
    with pytest.raises(UserError, match="do not fit .*extra.weight"):
        import_generator([write(state, tmp_path / "more.pth", is_zip=True)], tmp_path / "old", **FACE)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = write(small().state_dict(), tmp_path / "net.pth", is_zip=True)
    import_generator([path], tmp_path / "old", **FACE)
    with pytest.raises(UserError, match="there is a checkpoint already"):
        import_generator([path], tmp_path / "old", **FACE)
    with pytest.raises(UserError, match="no such file"):
        import_generator([tmp_path / "nowhere.pth"], tmp_path / "other", **FACE)


# ---------------------------------------------------------------- files that mean harm


def zipped(
    path: Path, code: bytes, *, storages: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", code)
        for key, numbers in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", numbers)
    return path


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


CONV = b"\x80\x02ctorch.nn.modules.conv\nConv2d\n"


class System:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


HARM = {
    "os.system by reduce": (pickle.dumps(System(), 2), "system, which no published file needs"),
    "builtins.eval": (b"\x80\x02c__builtin__\neval\n" + text("1+1") + b"\x85R.", "names __builtin__.eval"),
    "builtins.getattr": (b"\x80\x02cbuiltins\ngetattr\n.", "names builtins.getattr"),
    "a way through an attribute": (b"\x80\x02cmodels.networks\nResnetBlock.__init__.__globals__\n.", "__globals__"),
    "the same in a newer protocol": (b"\x80\x04\x8c\x0fmodels.networks\x8c\x09os.system\x93.", "SHORT_BINUNICODE"),
    "a class called": (CONV + text("x") + b"\x85R.", "it calls torch.nn.modules.conv.Conv2d"),
    "a class made with arguments": (CONV + text("x") + b"\x85\x81.", "it makes a new torch.nn.modules.conv.Conv2d"),
    "a value called": (b"\x80\x02" + text("os.system") + text("x") + b"\x85R.", "it calls 'os.system'"),
    "a state that is no dict": (CONV + b")\x81" + text("x") + b"b.", "a strange state, 'x'"),
    "a state of slots": (CONV + b")\x81N}" + text("__class__") + b"K\x01s\x86b.", "a strange state, a tuple"),
    "a state for a class": (CONV + b"}b.", "it changes torch.nn.modules.conv.Conv2d"),
    "values put into a record": (CONV + b")\x81" + text("a") + b"K\x01s.", "it puts values into a torch.nn"),
    "values added to a record": (CONV + b")\x81K\x01a.", "it adds values to a torch.nn.modules.conv"),
    "an old-style instance": (b"(ios\nsystem\n.", "instruction INST"),
    "an extension": (b"\x80\x02\x82\x01.", "instruction EXT1"),
    "a name that orders a terminal about": (b"\x80\x02cmodels.networks\n\x1b[2J\n.", r"models.networks.\x1b[2J"),
    "a huge memo": (b"\x80\x02Nr\xff\xff\xff\xff0.", "instruction POP"),
    "too few values": (b"\x80\x02\x85.", "a value that is not there"),
    "a list without a begin": (b"\x80\x02]e.", "never began"),
    "a memory of nothing": (b"\x80\x02h\x05.", "recalls a value that is not there"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARM)
def test_harm_is_refused_in_one_line_and_nothing_runs(name: str, tmp_path: Path) -> None:
    code, expected = HARM[name]
    with pytest.raises(UserError) as caught:
        read_old_file(zipped(tmp_path / "harm.pth", code))
    message = str(caught.value)
    assert "harm.pth: refused, nothing in it was executed" in message and expected in message
    assert "\n" not in message and "\x1b" not in message


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_hidden_in_a_generator_does_not_run(tmp_path: Path, networks: Networks, is_zip: bool) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    module = networks.like(small(), "CompositeGenerator")
    module.opt = argparse.Namespace(loadSize=64, hidden=Evil())  # type: ignore[assignment]
    path = write(module, tmp_path / "harm.pth", is_zip=is_zip)
    with pytest.raises(UserError, match="refused, nothing in it was executed: it names .*mkdir"):
        import_generator([path], tmp_path / "old", **FACE)
    assert not (tmp_path / "owned").exists() and not (tmp_path / "old").exists()


def tensor_code(*, count: int = 4, offset: int = 0, size: int = 4, stride: int = 1, key: str = "0") -> bytes:
    """A dict of one tensor as torch pickles it, with these numbers."""

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(count) + b"tQ"
    arguments = storage + number(offset) + number(size) + b"\x85" + number(stride) + b"\x85\x89}t"
    return b"\x80\x02}" + text("a") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"Rs."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"size": 5}, "larger than its storage"),
        ({"offset": 1}, "larger than its storage"),
        ({"stride": 2}, "larger than its storage"),
        ({"size": 2**30, "stride": 0}, "larger than its storage"),
        ({"offset": -1}, "no list of numbers"),
        ({"count": -1}, "a storage called"),
        ({"count": 2**30, "size": 2**30}, "not of 4294967296 bytes"),
        ({"count": 5}, "not of 20 bytes"),
        ({"key": "../../data.pkl"}, "no storage"),
    ],
)
def test_tensors_stay_within_their_numbers(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    numbers = {"0": struct.pack("<4f", 1, 2, 3, 4)}
    good = read_old_file(zipped(tmp_path / "good.pth", tensor_code(), storages=numbers))
    assert good.tensors["a"].tolist() == [1, 2, 3, 4]
    with pytest.raises(UserError, match=expected):
        read_old_file(zipped(tmp_path / "harm.pth", tensor_code(**changes), storages=numbers))


def test_a_zip_that_unpacks_to_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "bomb.pth", tensor_code(count=2**20), storages={"0": bytes(2**22)}, method=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(UserError, match="compressed contents"):
        read_old_file(path)


def whole_file(*, is_zip: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(3)}, buffer,
               _use_new_zipfile_serialization=is_zip)  # fmt: skip
    return buffer.getvalue()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(is_zip=st.booleans(), data=st.data())
def test_a_damaged_file_is_a_one_line_error_or_reads(tmp_path: Path, is_zip: bool, data: st.DataObject) -> None:
    content = bytearray(whole_file(is_zip=is_zip))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:place]
    else:
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.pth"
    path.write_bytes(content)
    try:
        read_old_file(path)
    except UserError as error:
        assert "\n" not in str(error)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(code=st.lists(st.sampled_from([b"N", b"K\x01", b"}", b"]", b")", b"(", b"t", b"\x85", b"\x86", b"s", b"u", b"e",
                                      b"a", b"b", b"R", b"\x81", b"Q", b"q\x01", b"h\x01", text("_modules"),
                                      b"cmodels.networks\nA\n", b"ccollections\nOrderedDict\n",
                                      b"ctorch._utils\n_rebuild_tensor_v2\n", b"c__builtin__\nset\n"]),
                     max_size=30))  # fmt: skip
def test_no_order_of_instructions_escapes(tmp_path: Path, code: list[bytes]) -> None:
    path = zipped(tmp_path / "any.pth", b"\x80\x02" + b"".join(code) + b".")
    with pytest.raises(UserError):
        read_old_file(path)
