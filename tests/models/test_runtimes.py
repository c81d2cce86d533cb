"""Every fast path draws what the plain generator draws in eager fp32, within the tolerance stated beside it."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.inference.runtimes.choose import choose_name, make_runtime
from models.inference.runtimes.engines import load_runtime
from models.inference.runtimes.fold import fold_norms, has_fixed_statistics
from models.inference.runtimes.graph import SUFFIXES, example_inputs, export
from models.inference.runtimes.heads import WideHead, widen_heads
from models.inference.runtimes.in_torch import TorchRuntime
from models.inference.runtimes.precision import choose_precision, lower_precision
from models.networks.batch_norm import norm_layers, use_batch_statistics
from models.networks.coarse_to_fine import CoarseToFine, VideoGenerator
from models.networks.generator import CompositeGenerator
from models.networks.local_enhancer import LocalEnhancer
from util.errors import UserError

CPU = torch.device("cpu")


def settled(generator: VideoGenerator) -> VideoGenerator:
    """With statistics, scales and shifts as after a training, so that a wrong fold would show."""
    random = torch.Generator().manual_seed(1)
    for layer in norm_layers(generator):
        assert layer.running_mean is not None and layer.running_var is not None
        layer.running_mean.normal_(0, 0.3, generator=random)
        layer.running_var.uniform_(0.5, 2, generator=random)
        if layer.affine:
            layer.weight.data.uniform_(0.5, 1.5, generator=random)
            layer.bias.data.normal_(0, 0.3, generator=random)
    return generator.eval()


def composite(**settings: object) -> CompositeGenerator:
    torch.manual_seed(0)
    parts: dict = {"semantic_channels": 3, "base_channels": 8, "num_downsamples": 2, "num_blocks": 3}
    return CompositeGenerator(**(parts | settings))


def coarse_to_fine() -> CoarseToFine:
    torch.manual_seed(0)
    fine = LocalEnhancer(semantic_channels=3, base_channels=4, num_downsamples=2, num_blocks=1)
    return CoarseToFine(composite(), [fine])


GENERATORS: dict[str, Callable[[], VideoGenerator]] = {
    "teacher": composite,
    "student": lambda: composite(block="mobile", low_demand=True),
    "foreground": lambda: composite(block="mobile", low_demand=True, has_foreground=True),
    "instance norm": lambda: composite(norm="instance"),
    "no flow": lambda: composite(has_flow=False),
    "two scales": coarse_to_fine,
}


def make(name: str) -> VideoGenerator:
    return settled(GENERATORS[name]())


def keywords(inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    return {"foreground_mask": inputs[2]} if len(inputs) == 3 else {}


@torch.no_grad()
def assert_draws_the_same(runtime: object, generator: VideoGenerator, *, tolerance: float) -> None:
    for size in ((32, 64), (48, 32)):
        inputs = example_inputs(generator, size=size)
        for raw_only in (False, True):
            expected = generator(*inputs[:2], **keywords(inputs), raw_only=raw_only)
            found = runtime(*inputs[:2], **keywords(inputs), raw_only=raw_only)  # type: ignore[operator]
            for name in ("final", "raw", "flow", "weight"):
                a, b = getattr(found, name), getattr(expected, name)
                assert (a is None) == (b is None), name
                unit = 20 if name == "flow" else 1  # the flow head's 1 means 20 pixels
                assert a is None or (a.dtype == torch.float32 and (a - b).abs().max() <= tolerance * unit), name


@pytest.mark.parametrize("name", GENERATORS)
def test_folded_norms_draw_the_same_within_1e_4(name: str) -> None:
    generator = make(name)
    before = copy.deepcopy(generator.state_dict())
    folded = fold_norms(generator)
    assert not [layer for layer in folded.modules() if isinstance(layer, nn.modules.batchnorm._NormBase)]
    assert_draws_the_same(folded, generator, tolerance=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())


@pytest.mark.parametrize("name", GENERATORS)
def test_wide_heads_draw_the_same_within_1e_5(name: str) -> None:
    generator = make(name)
    widened = widen_heads(generator)
    assert [layer for layer in widened.modules() if isinstance(layer, WideHead)]
    assert_draws_the_same(widened, generator, tolerance=1e-5)


@pytest.mark.parametrize("width", [9, 12, 13, 14])
def test_a_wide_head_is_exact_for_every_width(width: int) -> None:
    head, x = nn.Conv2d(5, 3, 7), torch.randn(2, 5, 8, width)
    assert torch.allclose(WideHead(head)(x), head(x), atol=1e-5)


@pytest.mark.parametrize("name", GENERATORS)
def test_the_folded_runtime_draws_the_same_within_1e_4(name: str) -> None:
    generator = make(name)
    runtime = make_runtime(generator, name="folded", precision="fp32", device=CPU).runtime
    assert_draws_the_same(runtime, generator, tolerance=1e-4)


@pytest.mark.parametrize("name", ["student", "foreground", "two scales"])
def test_16_bits_draw_the_same_within_5_percent_of_the_range_and_heads_stay_in_32(name: str) -> None:
    generator = make(name)
    lowered = lower_precision(fold_norms(generator), torch.bfloat16)
    types = {path: one.dtype for path, one in lowered.named_parameters()}
    assert {one for path, one in types.items() if "_final" in path} == {torch.float32}
    assert {one for path, one in types.items() if "_final" not in path} == {torch.bfloat16}
    assert_draws_the_same(lowered, generator, tolerance=0.1)


@pytest.mark.parametrize("kind", ["openvino", "onnx"])
@pytest.mark.parametrize("name", ["student", "foreground", "no flow", "two scales"])
def test_other_programs_draw_the_same_within_1e_3(kind: str, name: str) -> None:
    generator = make(name)
    runtime = make_runtime(generator, name=kind, precision="auto", device=CPU).runtime
    assert_draws_the_same(runtime, generator, tolerance=1e-3)


@pytest.mark.slow
def test_the_compiled_runtime_draws_the_same_within_1e_4() -> None:
    generator = make("student")
    runtime = TorchRuntime(generator, device=CPU, dtype=torch.float32, is_compiled=True)
    assert_draws_the_same(runtime, generator, tolerance=1e-4)


def test_batch_statistics_are_not_folded_and_have_no_graph(tmp_path: Path) -> None:
    generator = make("student")
    use_batch_statistics(generator)
    assert not has_fixed_statistics(generator)
    choice = make_runtime(generator, name="folded", precision="fp32", device=CPU)
    assert "not folded" in choice.description
    assert_draws_the_same(choice.runtime, generator, tolerance=1e-4)
    with pytest.raises(UserError, match="batch_statistics"):
        export(generator, tmp_path / "model.pt", kind="torchscript")


@pytest.mark.parametrize("kind", SUFFIXES)
def test_exported_files_draw_the_same_within_1e_3_at_any_size(kind: str, tmp_path: Path) -> None:
    generator = make("foreground")
    path = tmp_path / f"model{SUFFIXES[kind]}"
    export(generator, path, kind=kind)
    assert {one.suffix for one in tmp_path.iterdir()} == ({".xml", ".bin"} if kind == "openvino" else {path.suffix})
    assert_draws_the_same(load_runtime(path), generator, tolerance=1e-3)


def test_a_graph_of_another_model_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export(make("student"), path, kind="onnx")
    runtime = load_runtime(path)
    with pytest.raises(UserError, match="expects 9 channels of semantic, found 12"):
        runtime(torch.zeros(1, 12, 32, 32), torch.zeros(1, 6, 32, 32))
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read"):
        load_runtime(path)
    with pytest.raises(UserError, match="no such file"):
        load_runtime(tmp_path / "other.onnx")


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(UserError, match="draws in fp32"):
        make_runtime(make("student"), name="eager", precision="bf16", device=CPU)
    with pytest.raises(UserError, match="on the CPU"):
        choose_name("onnx", device=torch.device("cuda"), has_fixed_statistics=True)
    with pytest.raises(UserError, match="fp16"):
        choose_precision("fp16", CPU)
    with pytest.raises(UserError, match="expected a file name in .onnx"):
        export(make("student"), Path("model.pt"), kind="onnx")


def test_auto_says_what_it_chose_and_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.inference.runtimes.choose.is_installed", lambda package: False)
    choice = make_runtime(make("student"), name="auto", precision="auto", device=CPU)
    assert choice.description.startswith("folded") and "auto" in choice.description
    monkeypatch.setattr("models.inference.runtimes.choose.is_installed", lambda package: True)
    assert choose_name("auto", device=CPU, has_fixed_statistics=True) == "openvino"
    assert choose_name("auto", device=CPU, has_fixed_statistics=False) == "folded"
    assert choose_name("auto", device=torch.device("cuda"), has_fixed_statistics=True) == "folded"
