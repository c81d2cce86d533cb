"""ONNX Runtime, OpenVINO and TorchScript behind one interface, which runs a generator's graph."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from models.inference.runtimes.graph import INPUTS, OUTPUTS, READ, named_output
from models.inference.runtimes.label_tables import TableReader
from models.networks.generator import GeneratorOutput
from util.errors import UserError
from util.optional import require

_INSTEAD = "use --runtime folded"

Run = Callable[[Sequence[Tensor]], Mapping[str, Tensor]]


class Runtime(Protocol):
    """Draws frames; a ``CompositeGenerator`` in eval mode is one."""

    def __call__(
        self, semantic: Tensor, previous: Tensor, *, foreground_mask: Tensor | None = None, raw_only: bool = False
    ) -> GeneratorOutput:
        """See ``CompositeGenerator.forward``; ``features`` may be None."""
        ...


class GraphRuntime:
    """Draws frames with a graph that another program runs on the CPU."""

    def __init__(
        self, run: Run, *, channels: Mapping[str, int | None], origin: str, reader: TableReader | None = None
    ) -> None:
        """Wrap ``run``.

        Args:
            run: contiguous float32 tensors on the CPU, in the order of the graph's inputs -> outputs by name.
            channels: of every input, by name; None where the program does not tell.
            origin: what is run, named in errors.
            reader: reads the semantic frames for a ``DrawingGraph``; None: the graph reads them itself.
        """
        self.run = run
        self.reader = reader
        self.channels = dict(channels)
        self.origin = origin

    def __call__(
        self, semantic: Tensor, previous: Tensor, *, foreground_mask: Tensor | None = None, raw_only: bool = False
    ) -> GeneratorOutput:
        """See ``CompositeGenerator.forward``.

        Raises:
            UserError: the graph was made for another kind of input.
        """
        given = {"semantic": semantic} if self.reader is None else dict(zip(READ, self.reader(semantic), strict=False))
        given["previous"] = previous
        if "foreground_mask" in self.channels:
            if foreground_mask is None:
                raise ValueError("expected foreground_mask, got none")
            given["foreground_mask"] = foreground_mask
        for name, channels in self.channels.items():
            if channels is not None and channels != given[name].shape[1]:
                raise UserError(
                    f"{self.origin}: expects {channels} channels of {name}, found {given[name].shape[1]}; export it "
                    "from the checkpoint that is used"
                )
        outputs = self.run([one.detach().to("cpu", torch.float32).contiguous() for one in given.values()])
        return named_output({name: one.to(semantic.device) for name, one in outputs.items()}, raw_only=raw_only)


def onnx_runtime(model: bytes | Path, *, reader: TableReader | None = None) -> GraphRuntime:
    """ONNX Runtime on the CPU, with as many threads as PyTorch has.

    Args:
        model: an ONNX model or its file.
        reader: see ``GraphRuntime``.

    Raises:
        UserError: the package is missing, or the file is no model of ours.
    """
    onnxruntime = require("onnxruntime", instead=_INSTEAD)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else model
    session = _opened(model, lambda: onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"]))
    names = [one.name for one in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        fed = {name: one.numpy() for name, one in zip(names, inputs, strict=True)}
        found = session.run(None, fed)
        return {one.name: torch.from_numpy(value) for one, value in zip(session.get_outputs(), found, strict=True)}

    channels = {one.name: one.shape[1] for one in session.get_inputs()}
    return GraphRuntime(run, channels=channels, origin=_called(model), reader=reader)


def openvino_runtime(model: bytes | Path, *, reader: TableReader | None = None) -> GraphRuntime:
    """OpenVINO on the CPU in 32 bits, compiled anew for every size of frames, with as many threads as PyTorch has.

    Args:
        model: an ONNX model, or the file of one, or an OpenVINO ``.xml``.
        reader: see ``GraphRuntime``.

    Raises:
        UserError: the package is missing, or the file is no model of ours.
    """
    openvino = require("openvino", instead=_INSTEAD)
    core = openvino.Core()
    source, weights = (str(model), None) if isinstance(model, Path) else (model, b"")
    read = _opened(model, lambda: core.read_model(source) if weights is None else core.read_model(source, weights))
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled: dict[tuple[torch.Size, ...], Any] = {}

    def run(inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        shapes = tuple(one.shape for one in inputs)
        if shapes not in compiled:
            compiled.clear()  # a video has one size; graphs of others would only fill the memory
            fixed = read.clone()
            fixed.reshape(dict(zip(fixed.inputs, map(list, shapes), strict=True)))
            compiled[shapes] = core.compile_model(fixed, "CPU", settings)
        found = compiled[shapes]([one.numpy() for one in inputs], share_inputs=True)
        # by place: OpenVINO gives a tensor many names
        return dict(zip(OUTPUTS, map(torch.from_numpy, found.values()), strict=False))

    names = INPUTS if reader is None else (*READ[: len(reader.outputs)], *INPUTS[1:])
    channels = {name: one.partial_shape[1].get_length() for name, one in zip(names, read.inputs, strict=False)}
    return GraphRuntime(run, channels=channels, origin=_called(model), reader=reader)


def torchscript_runtime(path: Path) -> GraphRuntime:
    """A TorchScript file on the CPU.

    Raises:
        UserError: the file is no model of ours.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch prefers a younger format, which only PyTorch reads
        script = _opened(path, lambda: torch.jit.load(str(path), map_location="cpu"))
    num_inputs = len(list(script.graph.inputs())) - 1

    def run(inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        return dict(zip(OUTPUTS, script(*inputs), strict=False))

    return GraphRuntime(run, channels=dict.fromkeys(INPUTS[:num_inputs]), origin=str(path))


def load_runtime(path: Path) -> GraphRuntime:
    """The runtime of an exported file, by its suffix (``models.inference.runtimes.graph.export``).

    Raises:
        UserError: no such file, another suffix, a missing package, or no model of ours.
    """
    if not path.is_file():
        raise UserError(f"--runtime_file {path}: no such file; python -m models.inference.export writes one")
    if path.suffix == ".onnx":
        return onnx_runtime(path)
    if path.suffix == ".xml":
        return openvino_runtime(path)
    if path.suffix == ".pt":
        return torchscript_runtime(path)
    raise UserError(f"--runtime_file {path}: expected a file in .onnx, .xml (OpenVINO) or .pt (TorchScript)")


def _opened(model: bytes | Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # each program has errors of its own
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{_called(model)}: cannot be read as a model ({reason}); export it again") from error


def _called(model: bytes | Path) -> str:
    return str(model) if isinstance(model, Path) else "the generator's graph"
