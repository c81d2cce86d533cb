"""What is looked up in a table is what the convolution computes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.inference.runtimes.choose import make_runtime
from models.inference.runtimes.heads import widen_heads
from models.inference.runtimes.label_tables import TableReader, table_reader
from models.networks.generator import CompositeGenerator

LABELS = 17


def student(**parts: object) -> CompositeGenerator:
    torch.manual_seed(0)
    settled: dict = {
        "semantic_channels": LABELS, "base_channels": 8, "num_downsamples": 2, "num_blocks": 2, "block": "mobile",
        "low_demand": True, "has_foreground": True,
    }  # fmt: skip
    generator = CompositeGenerator(**(settled | parts)).eval()
    for parameter in generator.parameters():
        parameter.data.normal_(0, 0.1)  # biases, too
    return generator


def label_frames(seed: int, *, size: tuple[int, int] = (32, 48)) -> Tensor:
    """Three one-hot frames of blocks of labels, [1, 3 * LABELS, *size]."""
    random = torch.Generator().manual_seed(seed)
    blocks = torch.randint(LABELS, (3, size[0] // 8 + 1, size[1] // 8 + 1), generator=random)
    labels = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, 1 : size[0] + 1, 3 : size[1] + 3]
    return torch.nn.functional.one_hot(labels, LABELS).movedim(-1, 1).float().flatten(0, 1)[None]


@torch.no_grad()
@given(seed=st.integers(0, 2**20), low_demand=st.booleans(), has_foreground=st.booleans())
@settings(max_examples=10, deadline=None)
def test_looked_up_frames_are_the_convolved_ones(seed: int, low_demand: bool, has_foreground: bool) -> None:
    generator = student(low_demand=low_demand, has_foreground=has_foreground)
    reader, frames = TableReader(generator), label_frames(seed)
    found, expected = reader(frames), generator.read(frames)
    assert reader.is_worthwhile and len(found) == len(expected) == 1 + has_foreground
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@torch.no_grad()
def test_frames_larger_than_a_strip_are_looked_up_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, frames = TableReader(student()), label_frames(5)
    whole = reader(frames)
    monkeypatch.setattr("models.inference.runtimes.label_tables._STRIP", 7 * 24)  # of 16 rows of 24 pixels
    for one, other in zip(reader(frames), whole, strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


@torch.no_grad()
def test_frames_of_many_different_pixels_are_convolved_and_no_table_is_tried_again() -> None:
    generator = student()
    reader = TableReader(generator)
    noise = torch.rand(1, 3 * LABELS, 48, 64)
    for found, expected in zip(reader(noise), generator.read(noise), strict=True):
        torch.testing.assert_close(found, expected, atol=0, rtol=0)
    assert not reader.is_worthwhile


@torch.no_grad()
@pytest.mark.parametrize("name", ["folded", "openvino", "onnx"])
def test_runtimes_that_look_up_draw_the_same(name: str) -> None:
    generator, frames = student(), label_frames(3, size=(32, 64))
    runtime = make_runtime(generator, name=name, precision="fp32", device=torch.device("cpu")).runtime
    assert runtime.reader is not None  # type: ignore[attr-defined]
    previous, mask = torch.rand(1, 6, 32, 64) * 2 - 1, (torch.rand(1, 1, 32, 64) > 0.5).float()
    for raw_only in (False, True):
        expected = generator(frames, previous, foreground_mask=mask, raw_only=raw_only)
        found = runtime(frames, previous, foreground_mask=mask, raw_only=raw_only)
        torch.testing.assert_close(found.final, expected.final, atol=1e-3, rtol=0)
    assert runtime.reader.is_worthwhile  # type: ignore[attr-defined]


def test_frames_of_few_channels_have_no_table() -> None:
    assert table_reader(student(semantic_channels=15)) is None


def test_an_encoder_so_narrow_that_it_was_widened_has_no_table() -> None:
    assert table_reader(widen_heads(student(base_channels=4))) is None
