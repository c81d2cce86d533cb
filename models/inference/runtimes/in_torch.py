"""The fastest way in PyTorch itself: norms folded, channels last, 16 bits where that is faster, fewer launches."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.inference.runtimes.fold import fold_norms
from models.inference.runtimes.graph import FrameGraph, named_output
from models.inference.runtimes.heads import widen_heads
from models.inference.runtimes.label_tables import table_reader
from models.inference.runtimes.precision import lower_precision
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.generator import GeneratorOutput

Function = Callable[..., tuple[Tensor, ...]]


def prepare_for_inference(generator: VideoGenerator, device: torch.device) -> VideoGenerator:
    """A copy of ``generator`` that draws the same up to rounding, faster; with ``batch_statistics`` its norms stay."""
    folded = fold_norms(generator)
    return widen_heads(folded) if device.type == "cpu" else folded


class TorchRuntime:
    """Draws frames with a copy of a generator that is made for nothing but drawing."""

    def __init__(
        self, generator: VideoGenerator, *, device: torch.device, dtype: torch.dtype, is_compiled: bool = False
    ) -> None:
        """Make the copy; with ``batch_statistics`` its norms stay.

        Args:
            generator: left as it is.
            device: where to compute.
            dtype: of the layers between the inputs and the heads.
            is_compiled: by ``torch.compile``: the first frame of a size takes long, and a C++ compiler is needed.
        """
        fast = lower_precision(prepare_for_inference(generator, device), dtype).to(device)
        self.generator: VideoGenerator = fast.to(memory_format=torch.channels_last)
        self.graph = FrameGraph(self.generator).eval()
        self.replays: dict[tuple[torch.Size, ...], CudaGraph] = {}
        self.compiled: Function | None = torch.compile(self.graph) if is_compiled else None
        is_plain = device.type == "cpu" and dtype == torch.float32 and not is_compiled
        self.reader = table_reader(self.generator) if is_plain else None

    def __call__(
        self, semantic: Tensor, previous: Tensor, *, foreground_mask: Tensor | None = None, raw_only: bool = False
    ) -> GeneratorOutput:
        """See ``CompositeGenerator.forward``."""
        if self.reader is not None:
            previous = previous.contiguous(memory_format=torch.channels_last)
            draw = self.reader.generator.draw
            return draw(self.reader(semantic), previous, foreground_mask=foreground_mask, raw_only=raw_only)
        if raw_only and self.compiled is None:  # without the flow branch; once a video, so it is not recorded
            return self.generator(semantic, previous, foreground_mask=foreground_mask, raw_only=True)
        inputs = [semantic, previous]
        if self.generator.has_foreground and foreground_mask is not None:
            inputs.append(foreground_mask)
        inputs = [one.contiguous(memory_format=torch.channels_last) for one in inputs]
        outputs = self._function(inputs)(*inputs)
        return named_output(dict(zip(self.graph.output_names, outputs, strict=True)), raw_only=raw_only)

    def _function(self, inputs: Sequence[Tensor]) -> Function:
        if self.compiled is not None:
            return self.compiled
        if inputs[0].device.type != "cuda":
            return self.graph
        shapes = tuple(one.shape for one in inputs)
        if shapes not in self.replays:
            self.replays.clear()  # a video has one size
            self.replays[shapes] = CudaGraph(self.graph, inputs)
        return self.replays[shapes]


class CudaGraph:
    """Replays what a function launched once, on the same memory: one launch in place of hundreds."""

    def __init__(self, function: Function, inputs: Sequence[Tensor]) -> None:
        """Record ``function(*inputs)``, without its Python.

        Args:
            function: gives the same tensors for the same inputs, and touches no other device.
            inputs: on CUDA; later calls have their shapes and types.
        """
        self._inputs = [one.clone() for one in inputs]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            function(*self._inputs)  # whatever is allocated or chosen at a first call is not to be recorded
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the function gives for ``inputs``, in memory of its own."""
        for own, one in zip(self._inputs, inputs, strict=True):
            own.copy_(one)
        self._graph.replay()
        return tuple(one.clone() for one in self._outputs)
