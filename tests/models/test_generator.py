from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.networks.generator import CompositeGenerator, GeneratorOutput
from tests.golden import fill_state, load_golden, randn

GOLDENS = [
    "composite_face_64",
    "composite_face_64_instancenorm",
    "composite_face_64_noflow",
    "composite_face_64_rawonly",
    "composite_pose_64x56",
    "composite_street_fg_64x128",
    "srm_face_teacher_64",
    "srm_face_student_64",
    "srm_pose_student_64x56_resize32x28",
    "srm_street_fg_student_64x128_resize32x64",
]


def small(**changes: Any) -> CompositeGenerator:
    return CompositeGenerator(semantic_channels=2, base_channels=4, num_blocks=3, **changes)


def inputs(height: int = 32, width: int = 32, *, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    semantic = torch.from_numpy(randn("generator/semantic", (batch, 6, height, width)))
    previous = torch.from_numpy(randn("generator/previous", (batch, 6, height, width))).tanh()
    return semantic, previous


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", GOLDENS)
def test_agrees_with_the_published_program(name: str, mode: str) -> None:
    arrays, meta = load_golden(name)
    case, shapes = meta["meta"], meta["meta"]["input_shapes"]
    generator = CompositeGenerator(
        semantic_channels=shapes["input"][1] // 3,
        base_channels=case["ngf"],
        num_blocks=case["n_blocks"],
        norm="instance" if "--norm instance" in case["extra"] else "batch",
        block="mobile" if "mobile" in case["netG"] else "residual",
        low_demand="mobile" in case["netG"] and case["optname"] == "golden_student",
        has_foreground="mask" in shapes,
        has_flow="--no_flow" not in case["extra"],
        align_corners=False,
    )
    assert {key: list(value.shape) for key, value in generator.state_dict().items()} == meta["state_shapes"]
    fill_state(generator, name)
    generator.train(mode == "train")
    noise = torch.from_numpy(randn(f"{name}/in", tuple(shapes["input"])))
    mask = arrays.get("inputs/mask")
    with torch.no_grad():
        output = generator(
            arrays.get("inputs/input", noise).float(),
            arrays["inputs/img_prev"],
            foreground_mask=None if mask is None else mask.float(),
            raw_only=case["raw_only"],
        )
    for ours, published in {"final": "img_final", "raw": "img_raw", "flow": "flow", "weight": "weight"}.items():
        expected, value = arrays.get(f"{mode}/{published}"), getattr(output, ours)
        if expected is None:
            assert value is None
        else:
            thinned = value.flatten()[::7] if expected.ndim == 1 else value
            torch.testing.assert_close(thinned, expected, atol=1e-4, rtol=1e-4)


def test_teacher_and_student_share_names_and_shapes() -> None:
    teacher = small(block="mobile", has_foreground=True)
    student = small(block="mobile", has_foreground=True, low_demand=True)
    student.load_state_dict(teacher.state_dict(), strict=True)


@settings(max_examples=8, deadline=None)
@given(height=st.integers(8, 24), width=st.integers(8, 24))
def test_student_writes_full_size_frames_at_any_even_size(height: int, width: int) -> None:
    student = small(block="mobile", low_demand=True, has_foreground=True).eval()
    semantic, previous = inputs(2 * height, 2 * width)
    with torch.no_grad():
        output = student(semantic, previous, foreground_mask=torch.ones_like(semantic[:, :1]))
    assert output.final.shape == output.raw.shape == (1, 3, 2 * height, 2 * width)
    assert output.flow.shape == (1, 2, 2 * height, 2 * width)
    assert output.weight.shape == (1, 1, 2 * height, 2 * width)


def test_pixels_stay_in_place_when_a_size_is_cropped() -> None:
    # zero padding only: what is added below and to the right must not reach the top left corner
    student = small(block="mobile", low_demand=True).eval()
    fill_state(student, "crop")
    semantic, previous = inputs(128, 128)
    with torch.no_grad():
        whole = student(semantic, previous).raw
        part = student(semantic[..., :106, :102], previous[..., :106, :102]).raw
    torch.testing.assert_close(part[..., :24, :24], whole[..., :24, :24], atol=1e-5, rtol=1e-4)


def test_student_warps_the_full_resolution_frame() -> None:
    student = small(block="mobile", low_demand=True).eval()
    semantic, previous = inputs()
    state = student.state_dict()
    state["model_final_flow.1.weight"].zero_()
    state["model_final_w.1.weight"].zero_()
    state["model_final_w.1.bias"].fill_(-100.0)  # all of the frame comes from the previous one
    with torch.no_grad():
        torch.testing.assert_close(student(semantic, previous).final, previous[:, 3:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("raw_only", [False, True])
def test_foreground_is_drawn_only_where_its_mask_says(raw_only: bool) -> None:
    generator = small(has_foreground=True).eval()
    fill_state(generator, "foreground")
    semantic, previous = inputs()

    def frame(mask: torch.Tensor) -> GeneratorOutput:
        with torch.no_grad():
            return generator(semantic, previous, foreground_mask=mask, raw_only=raw_only)

    mask = torch.zeros(1, 1, 32, 32)
    background, everywhere = frame(mask), frame(torch.ones_like(mask))
    without = small().eval()
    without.load_state_dict(generator.state_dict(), strict=False)
    with torch.no_grad():
        plain = without(semantic, previous, raw_only=raw_only)
    torch.testing.assert_close(background.final, plain.final)
    torch.testing.assert_close(background.raw, plain.raw)
    torch.testing.assert_close(everywhere.final, everywhere.raw)
    mask[..., :16] = 1
    half = frame(mask)
    torch.testing.assert_close(half.final[..., :16], everywhere.final[..., :16])
    torch.testing.assert_close(half.final[..., 16:], background.final[..., 16:])


def test_the_flow_branch_rests_for_raw_only() -> None:
    output = small().eval()(*inputs(), raw_only=True)
    assert output.flow is None and output.weight is None
    assert torch.equal(output.final, output.raw)


def test_every_parameter_is_trained() -> None:
    generator = small(has_foreground=True, block="mobile", low_demand=True)
    semantic, previous = inputs(batch=2)
    mask = (semantic[:, :1] > 0).float()
    generator(semantic, previous, foreground_mask=mask).final.square().sum().backward()
    untrained = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert untrained == []


@pytest.mark.parametrize("low_demand", [False, True])
def test_half_precision_is_finite(low_demand: bool) -> None:
    generator = small(block="mobile", low_demand=low_demand).eval().bfloat16()
    semantic, previous = inputs()
    with torch.no_grad():
        output = generator(semantic.bfloat16(), previous.bfloat16())
    assert output.final.dtype == torch.bfloat16
    assert all(x.isfinite().all() for x in output[:4])


def test_autocast_is_finite_and_close() -> None:
    generator = small().eval()
    fill_state(generator, "autocast")
    semantic, previous = inputs()
    with torch.no_grad():
        expected = generator(semantic, previous)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = generator(semantic, previous)
    assert all(x.isfinite().all() for x in output[:4])
    assert (output.final.float() - expected.final).abs().mean() < 0.05


def test_shapes_can_be_planned_without_memory() -> None:
    with torch.device("meta"):
        generator = CompositeGenerator(semantic_channels=36, has_foreground=True, block="mobile", low_demand=True)
        mask = torch.empty(1, 1, 256, 512)
        output = generator(torch.empty(1, 108, 256, 512), torch.empty(1, 6, 256, 512), foreground_mask=mask)
    assert output.final.is_meta and output.final.shape == (1, 3, 256, 512)


def test_initial_weights_are_the_published_ones() -> None:
    torch.manual_seed(0)
    generator = CompositeGenerator(semantic_channels=2, base_channels=16, num_blocks=2)
    state = generator.state_dict()
    assert state["model_down_seg.10.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    assert state["model_down_seg.11.weight"].mean().item() == pytest.approx(1, abs=0.02)
    assert state["model_down_seg.11.weight"].std().item() == pytest.approx(0.02, rel=0.3)
    assert not any(value.any() for name, value in state.items() if name.endswith("bias"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm": "group"}, "expected norm 'batch' or 'instance', got 'group'"),
        ({"block": "dense"}, "expected block 'residual' or 'mobile', got 'dense'"),
    ],
)
def test_unknown_kinds_raise(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changes)


@pytest.mark.parametrize(
    ("low_demand", "semantic", "previous", "message"),
    [
        (False, (1, 5, 32, 32), (1, 6, 32, 32), r"expected semantic of shape \[B, 6, H, W\], got \[1, 5, 32, 32\]"),
        (False, (1, 6, 32, 32), (1, 3, 32, 32), r"expected previous of shape \[B, 6, H, W\], got \[1, 3, 32, 32\]"),
        (False, (1, 6, 32, 32), (1, 6, 32, 40), r"expected previous of .* 1 x \(32, 32\), got 1 x \(32, 40\)"),
        (False, (1, 6, 32, 36), (1, 6, 32, 36), r"divisible by 8 and at least 16, got \(32, 36\)"),
        (True, (1, 6, 32, 35), (1, 6, 32, 35), r"divisible by 2 and at least 16, got \(32, 35\)"),
        (True, (1, 6, 8, 32), (1, 6, 8, 32), r"divisible by 2 and at least 16, got \(8, 32\)"),
    ],
)
def test_wrong_shapes_say_expected_and_got(
    low_demand: bool, semantic: tuple[int, ...], previous: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        small(low_demand=low_demand)(torch.zeros(semantic), torch.zeros(previous))


def test_a_missing_foreground_mask_raises() -> None:
    with pytest.raises(ValueError, match=r"expected foreground_mask of shape \(1, 1, 32, 32\), got none"):
        small(has_foreground=True).eval()(*inputs())


def test_a_shifted_blend_shows_less_of_what_is_drawn() -> None:
    generator = small().eval()
    before = generator(*inputs())
    generator.shift_blend(-4)
    after = generator(*inputs())
    assert before.weight is not None and after.weight is not None
    torch.testing.assert_close(after.weight.logit(), before.weight.logit() - 4, atol=1e-4, rtol=0)
    assert torch.equal(after.raw, before.raw)


def test_a_generator_that_begins_as_a_copy_shows_nearly_the_previous_frame_and_learns() -> None:
    generator = CompositeGenerator(semantic_channels=4, base_channels=4, num_downsamples=2, num_blocks=2)
    generator.begin_as_copy(raw_share=0.05)
    semantic, previous = torch.rand(1, 12, 32, 32), torch.rand(1, 6, 32, 32) * 2 - 1
    output = generator(semantic, previous)
    assert output.flow is not None and output.weight is not None
    assert output.flow.abs().max() == 0
    assert torch.allclose(output.weight, torch.full_like(output.weight, 0.05), atol=1e-6)
    assert torch.allclose(output.final, 0.05 * output.raw + 0.95 * previous[:, 3:], atol=1e-5)
    output.final.square().sum().backward()
    gradients = [generator.get_parameter(f"model_final_{head}.1.weight").grad for head in ("flow", "w")]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
