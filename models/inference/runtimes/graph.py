"""A generator as one graph from tensors to tensors, in a file that other programs can run."""

import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from models.inference.runtimes.fold import fold_norms, has_fixed_statistics
from models.inference.runtimes.heads import widen_heads
from models.networks.coarse_to_fine import CoarseToFine, VideoGenerator
from models.networks.generator import CompositeGenerator, GeneratorOutput
from util.errors import UserError
from util.files import atomic_write
from util.optional import require

INPUTS = ("semantic", "previous", "foreground_mask")
READ = ("read", "read_foreground")  # in place of "semantic" where it is read outside the graph
OUTPUTS = ("final", "raw", "flow", "weight")
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}
_OPSET = 17


class FrameGraph(nn.Module):
    """A video generator as a function of two tensors (three with a foreground branch), without options or ``None``.

    Its outputs are the first four of ``GeneratorOutput``, without those that the generator does not have. What
    ``raw_only`` asks for is its output ``raw``.
    """

    def __init__(self, generator: VideoGenerator) -> None:
        """Wrap ``generator``."""
        super().__init__()
        self.generator = generator
        self.input_names = list(INPUTS if generator.has_foreground else INPUTS[:2])
        self.output_names = list(OUTPUTS if generator.has_flow else OUTPUTS[:2])

    def forward(self, semantic: Tensor, previous: Tensor, foreground_mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Draw a frame; shapes as in ``CompositeGenerator.forward``."""
        output = self.generator(semantic, previous, foreground_mask=foreground_mask)
        return _outputs(output)

    def example_inputs(self, *, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """See the function ``example_inputs``."""
        return example_inputs(self.generator, size=size)


class DrawingGraph(nn.Module):
    """``FrameGraph`` without its beginning: what ``CompositeGenerator.draw`` makes of what was read."""

    def __init__(self, generator: CompositeGenerator) -> None:
        """Wrap ``generator``."""
        super().__init__()
        self.generator = generator
        whole = FrameGraph(generator)
        self.num_read = len(generator.readers)
        self.input_names = [*READ[: self.num_read], *whole.input_names[1:]]
        self.output_names = whole.output_names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Draw a frame; inputs are those of ``input_names``."""
        previous, *mask = inputs[self.num_read :]
        output = self.generator.draw(inputs[: self.num_read], previous, foreground_mask=mask[0] if mask else None)
        return _outputs(output)

    def example_inputs(self, *, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """See the function ``example_inputs``."""
        semantic, *others = example_inputs(self.generator, size=size)
        return (*self.generator.read(semantic), *others)


Graph = FrameGraph | DrawingGraph


def _outputs(output: GeneratorOutput) -> tuple[Tensor, ...]:
    known = (output.final, output.raw, output.flow, output.weight)
    return tuple(tensor for tensor in known if tensor is not None)


def named_output(outputs: Mapping[str, Tensor], *, raw_only: bool) -> GeneratorOutput:
    """What a graph gave, as the generator would have given it."""
    if raw_only:
        return GeneratorOutput(outputs["raw"], outputs["raw"])
    return GeneratorOutput(outputs["final"], outputs["raw"], outputs.get("flow"), outputs.get("weight"))


def example_inputs(generator: VideoGenerator, *, size: tuple[int, int]) -> tuple[Tensor, ...]:
    """Random inputs of a generator's graph, on the CPU: one-hot-like semantics, colours, and a mask if it wants one."""
    random = torch.Generator().manual_seed(0)
    coarse = coarsest(generator)
    semantic = (torch.rand(1, coarse.semantic_channels, *size, generator=random) > 0.8).float()
    previous = 2 * torch.rand(1, coarse.previous_channels, *size, generator=random) - 1
    mask = (torch.rand(1, 1, *size, generator=random) > 0.5).float()
    return (semantic, previous, mask) if generator.has_foreground else (semantic, previous)


def coarsest(generator: VideoGenerator) -> CompositeGenerator:
    """The composite generator of a video generator: itself, or its smallest scale."""
    return generator.G0 if isinstance(generator, CoarseToFine) else generator


def smallest_size(generator: VideoGenerator) -> tuple[int, int]:
    """Sides that every generator of its depth takes, two different ones."""
    num_scales = generator.num_scales if isinstance(generator, CoarseToFine) else 1
    side = 2 ** (coarsest(generator).num_downsamples + num_scales)
    return side, 2 * side


def frame_graph(generator: VideoGenerator) -> FrameGraph:
    """The graph of ``generator`` with its norms folded and its heads wide, on the CPU, in 32 bits.

    Raises:
        UserError: a model that normalises by the statistics of what it sees: a graph with constants cannot.
    """
    if not has_fixed_statistics(generator):
        raise UserError(
            "a model with batch_statistics normalises by each frame's own statistics and has no fixed graph: "
            "use --runtime eager or compile"
        )
    return FrameGraph(widen_heads(fold_norms(generator).cpu().float())).eval()


def to_onnx(graph: Graph) -> bytes:
    """An ONNX model (opset 17) with free height and width.

    Raises:
        UserError: the package onnx is missing.
    """
    axes = {name: {2: "height", 3: "width"} for name in (*graph.input_names, *graph.output_names)}
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        # the generator's checks of sizes are not part of the graph; the old exporter is the one without more packages
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                graph,
                graph.example_inputs(size=smallest_size(graph.generator)),
                buffer,  # type: ignore[arg-type]
                dynamo=False,
                opset_version=_OPSET,
                input_names=graph.input_names,
                output_names=graph.output_names,
                dynamic_axes=axes,
            )
        except (ImportError, torch.onnx.errors.OnnxExporterError) as error:
            if "onnx" in str(error) and "install" in str(error):
                raise UserError("ONNX needs further packages: pip install -r requirements-fast.txt") from error
            raise
    return buffer.getvalue()


def to_torchscript(graph: FrameGraph) -> torch.jit.ScriptModule:
    """A TorchScript module with free height and width."""
    example = example_inputs(graph.generator, size=smallest_size(graph.generator))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.freeze(torch.jit.trace(graph, example, check_trace=False))


def export(generator: VideoGenerator, path: Path, *, kind: str) -> None:
    """Write ``generator`` as a file that runs without our code, with its norms folded, for frames of any size.

    Args:
        generator: with fixed statistics.
        path: its suffix is that of the kind: ``.onnx``, ``.xml`` (OpenVINO; the weights lie beside in ``.bin``) or
            ``.pt``.
        kind: ``onnx``, ``openvino`` or ``torchscript``.

    Raises:
        UserError: another suffix, a missing package, or a model with ``batch_statistics``.
    """
    check_suffix(path, kind=kind)
    graph = frame_graph(generator)
    if kind == "torchscript":
        with atomic_write(path) as scratch:
            to_torchscript(graph).save(str(scratch))
    else:
        write_model(to_onnx(graph), path, kind=kind)


def check_suffix(path: Path, *, kind: str) -> None:
    """Refuse a file whose name says another kind than ``export`` would write."""
    if path.suffix != SUFFIXES[kind]:
        raise UserError(f"--out {path}: expected a file name in {SUFFIXES[kind]} for --format {kind}")


def write_model(model: bytes, path: Path, *, kind: str) -> None:
    """Write an ONNX model as ``onnx`` or ``openvino``; see ``export``."""
    if kind == "openvino":
        _write_openvino(model, path)
        return
    with atomic_write(path) as scratch:
        scratch.write_bytes(model)


def _write_openvino(model: bytes, path: Path) -> None:
    """Two files, the weights first: whoever sees the ``.xml`` has both."""
    openvino = require("openvino", instead="choose another --format")
    read = openvino.Core().read_model(model, b"")
    with atomic_write(path) as scratch:
        weights = scratch.with_suffix(".bin")
        try:
            openvino.save_model(read, scratch, compress_to_fp16=False)
            weights.replace(path.with_suffix(".bin"))
        finally:
            weights.unlink(missing_ok=True)
