"""Eight bits: a generator's graph whose convolutions multiply bytes, from ranges seen in real rollouts.

Heads, warp, blend and label tables stay in 32 bits. Inputs of convolutions have 8 bits without sign, one scale a
tensor; weights have 8 bits, one scale for each output channel; sums have 32 bits. The graph is ONNX with pairs of
QuantizeLinear and DequantizeLinear, which OpenVINO and ONNX Runtime turn into products of bytes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.inference.runtimes.graph import Graph, to_onnx
from models.inference.runtimes.precision import HEADS
from models.networks.coarse_to_fine import VideoGenerator
from util.optional import require

# of the values of a tensor so many lie outside its range, half of them on each side: 100 - 99.999 %
_OUTSIDE = 1e-5
_MOST_FRAMES = 100
_INSTEAD = "use --precision fp32"


class Range(NamedTuple):
    """What 8 bits have to cover; 0 is in it, since borders are padded with it."""

    lowest: float
    highest: float

    @property
    def scale(self) -> float:
        """The distance of two neighbouring numbers."""
        return max(self.highest - self.lowest, 1e-6) / 255

    @property
    def zero_point(self) -> int:
        """The byte that means 0."""
        return round(-self.lowest / self.scale)


class Extremes:
    """The largest and smallest values of a tensor: exact percentiles of up to 100 frames without keeping these."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.num_seen = 0
        self.largest = [torch.empty(0), torch.empty(0)]  # of the values, and of the negated values

    def see(self, values: Tensor) -> None:
        """Take the values of one frame into account; frames have equal sizes."""
        flat = values.detach().flatten()
        self.num_seen += len(flat)
        keep = int(_MOST_FRAMES * len(flat) * _OUTSIDE / 2) + 1
        for side, signed in enumerate((flat, -flat)):
            found = signed.topk(min(keep, len(flat))).values
            together = torch.cat((self.largest[side], found))
            self.largest[side] = together.topk(min(keep, len(together))).values

    def range(self) -> Range:
        """What holds all but the outermost values."""
        outside = int(self.num_seen * _OUTSIDE / 2)
        highest, lowest = (float(side[min(outside, len(side) - 1)]) for side in self.largest)
        return Range(min(0.0, -lowest), max(0.0, highest))


def layers(network: nn.Module) -> dict[str, nn.Module]:
    """The convolutions that may have 8 bits, by name: all but the heads."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return {name: one for name, one in network.named_modules() if isinstance(one, kinds) and not _is_head(name)}


def _is_head(name: str) -> bool:
    return any(part.startswith(HEADS) for part in name.split("."))


@contextmanager
def watched(network: nn.Module) -> Iterator[dict[str, Extremes]]:
    """In the block, what enters each of ``layers`` is looked at."""
    seen = {name: Extremes() for name in layers(network)}

    def watch(name: str) -> Any:
        return lambda layer, inputs: seen[name].see(inputs[0])

    hooks = [one.register_forward_pre_hook(watch(name)) for name, one in layers(network).items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def weight_scales(layer: nn.Module) -> Tensor:
    """The scale of each output channel of a convolution, [C]."""
    assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    channels = _by_channel(layer.weight.detach(), layer)
    return (channels.abs().amax(dim=1) / 127).clamp(min=1e-12)


def _by_channel(weight: Tensor, layer: nn.Module) -> Tensor:
    """[C, all else]; the outputs of a transposed convolution are its weight's second side."""
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)


def frame_errors(
    network: VideoGenerator, ranges: Mapping[str, Range], inputs: Sequence[tuple[Tensor, ...]]
) -> dict[str, float]:
    """How much each layer costs: the squared difference of the frames when it alone has 8 bits.

    Args:
        network: as in ``to_int8``.
        ranges: as in ``to_int8``.
        inputs: semantic frames, previous frames and, where the network wants one, the mask: one tuple a frame.
    """

    def frames() -> list[Tensor]:
        return [network(one[0], one[1], foreground_mask=one[2] if len(one) > 2 else None).final for one in inputs]

    found = {}
    with torch.no_grad():
        exact = frames()
        for name, layer in layers(network).items():
            with rounded(layer, ranges[name]):
                differences = [(a - b).square().mean() for a, b in zip(frames(), exact, strict=True)]
            found[name] = float(torch.stack(differences).mean())
    return found


@contextmanager
def rounded(layer: nn.Module, wanted: Range) -> Iterator[None]:
    """In the block ``layer`` computes as with 8 bits: its input and its weights are rounded."""
    assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    exact, scales = layer.weight.data, weight_scales(layer)
    shape = [-1 if side == axis else 1 for side in range(4)]
    layer.weight.data = (exact / scales.view(shape)).round() * scales.view(shape)

    def round_input(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (torch.fake_quantize_per_tensor_affine(inputs[0], wanted.scale, wanted.zero_point, 0, 255),)

    hook = layer.register_forward_pre_hook(round_input)
    try:
        yield
    finally:
        hook.remove()
        layer.weight.data = exact


def to_int8(graph: Graph, ranges: Mapping[str, Range], *, in_float: Collection[str]) -> bytes:
    """The ONNX model of ``graph`` with 8 bits in its convolutions.

    Args:
        graph: with the network whose inputs were ``watched``.
        ranges: of the input of each layer.
        in_float: names of layers that keep 32 bits.

    Raises:
        UserError: the package onnx is missing.
    """
    onnx = require("onnx", instead=_INSTEAD)
    model = onnx.load_from_string(to_onnx(graph))
    writer = _Writer(onnx, model)
    chosen = {f"generator.{name}.weight": (name, one) for name, one in layers(graph.generator).items()}
    for node in list(model.graph.node):
        if node.op_type not in ("Conv", "ConvTranspose") or node.input[1] not in chosen:
            continue
        name, layer = chosen[node.input[1]]
        if name not in in_float:
            writer.lower(node, layer, ranges[name])
    writer.finish()
    return bytes(model.SerializeToString())


class _Writer:
    """Puts pairs of QuantizeLinear and DequantizeLinear into an ONNX model."""

    def __init__(self, onnx: Any, model: Any) -> None:
        self.onnx, self.model = onnx, model
        self.before: dict[str, list[Any]] = {}  # new nodes, by the node they stand before
        self.rounded: dict[str, str] = {}  # tensor -> what it is after a pair

    def lower(self, node: Any, layer: nn.Module, wanted: Range) -> None:
        """Let ``node`` multiply bytes."""
        new = self.before.setdefault(node.name, [])
        scales = weight_scales(layer)
        source, _, *bias = node.input
        if source not in self.rounded:
            scale, zero = (self._constant(f"{source}_{what}", value) for what, value in (
                ("scale", np.float32(wanted.scale)), ("zero", np.uint8(wanted.zero_point))))  # fmt: skip
            new.append(self._node("QuantizeLinear", [source, scale, zero], f"{source}_bytes"))
            new.append(self._node("DequantizeLinear", [f"{source}_bytes", scale, zero], f"{source}_rounded"))
            self.rounded[source] = f"{source}_rounded"
        node.input[0] = self.rounded[source]
        assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        shape = [-1 if side == axis else 1 for side in range(4)]
        whole = (layer.weight.detach() / scales.view(shape)).round().clamp(-127, 127).to(torch.int8)
        node.input[1] = self._dequantised(new, f"{node.name}_weight", whole, scales, axis)
        if bias:
            assert layer.bias is not None
            steps = scales.double() * wanted.scale
            sums = (layer.bias.detach().double() / steps).round().clamp(-(2**31) + 1, 2**31 - 1).to(torch.int32)
            node.input[2] = self._dequantised(new, f"{node.name}_bias", sums, steps.float(), 0)

    def _dequantised(self, new: list[Any], name: str, whole: Tensor, scales: Tensor, axis: int) -> str:
        inputs = [self._constant(f"{name}_{what}", value.numpy()) for what, value in (
            ("whole", whole), ("scale", scales), ("zero", torch.zeros(len(scales), dtype=whole.dtype)))]  # fmt: skip
        new.append(self._node("DequantizeLinear", inputs, f"{name}_rounded", axis=axis))
        return f"{name}_rounded"

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: int) -> Any:
        return self.onnx.helper.make_node(kind, inputs, [output], name=f"{output}_node", **attributes)

    def _constant(self, name: str, value: np.ndarray | np.generic) -> str:
        self.model.graph.initializer.append(self.onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def finish(self) -> None:
        """Put the new nodes in their places, and leave out the weights that nobody reads any more.

        The exporter writes equal tensors once, so others may still read what one layer has left.
        """
        nodes = [one for node in self.model.graph.node for one in (*self.before.get(node.name, ()), node)]
        read = {name for node in nodes for name in node.input}
        kept = [one for one in self.model.graph.initializer if one.name in read]
        del self.model.graph.node[:], self.model.graph.initializer[:]
        self.model.graph.node.extend(nodes)
        self.model.graph.initializer.extend(kept)
