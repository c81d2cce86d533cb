"""Choice of the runtime that draws the frames: the one asked for, or the fastest that is there."""

from pathlib import Path
from typing import NamedTuple

import torch

from models.inference.runtimes.engines import Runtime, load_runtime, onnx_runtime, openvino_runtime
from models.inference.runtimes.fold import has_fixed_statistics
from models.inference.runtimes.graph import DrawingGraph, frame_graph, to_onnx
from models.inference.runtimes.in_torch import TorchRuntime
from models.inference.runtimes.label_tables import table_reader
from models.inference.runtimes.precision import choose_precision
from models.networks.coarse_to_fine import VideoGenerator
from util.errors import UserError
from util.optional import is_installed

RUNTIMES = ("eager", "folded", "compile", "openvino", "onnx")


class Choice(NamedTuple):
    """A runtime and what it is, in words for the log."""

    runtime: Runtime
    description: str


def choose_name(wish: str, *, device: torch.device, has_fixed_statistics: bool) -> str:
    """The runtime that ``--runtime`` names; ``auto`` is the fastest of docs/inference.md that is there.

    Compiling is never chosen by itself: it takes a minute before the first frame.

    Args:
        wish: ``auto`` or one of ``RUNTIMES``.
        device: where frames are drawn; OpenVINO and ONNX Runtime are for CPUs here.
        has_fixed_statistics: see ``models.inference.runtimes.fold``; without, there is no fixed graph.

    Raises:
        UserError: a runtime for CPUs on another device.
    """
    if wish in ("openvino", "onnx") and device.type != "cpu":
        raise UserError(f"--runtime {wish} draws on the CPU, found --device {device}; use --device cpu, or auto")
    if wish != "auto":
        return wish
    # the generator reaches OpenVINO as ONNX
    can_leave_torch = is_installed("openvino") and is_installed("onnx")
    return "openvino" if device.type == "cpu" and has_fixed_statistics and can_leave_torch else "folded"


def make_runtime(generator: VideoGenerator, *, name: str, precision: str, device: torch.device) -> Choice:
    """A runtime for ``generator``.

    Args:
        generator: in eval mode; left as it is but for its device.
        name: ``auto``, or
            "eager": the generator itself, as it was trained, in 32 bits: what all others are compared with;
            "folded": in PyTorch with norms folded, channels last, and one CUDA graph a size on CUDA;
            "compile": the same through ``torch.compile``;
            "openvino", "onnx": its graph in those programs, on the CPU, in 32 bits.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        device: where frames are drawn.

    Raises:
        UserError: what is asked for is not there, or does not go together.
    """
    is_fixed = has_fixed_statistics(generator)
    chosen = choose_name(name, device=device, has_fixed_statistics=is_fixed)
    dtype = torch.float32 if precision == "auto" and chosen in ("eager", "openvino", "onnx") else None
    dtype = dtype or choose_precision(precision, device)
    if chosen in ("eager", "openvino", "onnx") and dtype != torch.float32:
        raise UserError(f"--runtime {chosen} draws in fp32, found --precision {precision}; use --runtime folded")
    described = f"{chosen}, {str(dtype).removeprefix('torch.')}, {device}"
    if name == "auto":
        described += " (chosen by --runtime auto)"
    if chosen == "eager":
        return Choice(generator.to(device).eval(), described)
    if chosen in ("folded", "compile"):
        if not is_fixed:
            described += ", norms not folded: the model normalises by batch statistics"
        return Choice(TorchRuntime(generator, device=device, dtype=dtype, is_compiled=chosen == "compile"), described)
    graph = frame_graph(generator)
    open_graph = openvino_runtime if chosen == "openvino" else onnx_runtime
    reader = table_reader(graph.generator)
    model = to_onnx(graph if reader is None else DrawingGraph(reader.generator))
    return Choice(open_graph(model, reader=reader), described)


def read_runtime(path: str) -> Choice:
    """The runtime of a file that ``python -m models.inference.export`` wrote."""
    return Choice(load_runtime(Path(path)), f"exported file {path}, on the CPU")
