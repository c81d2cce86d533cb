"""How fast this machine multiplies matrices, in fp32, bf16 and int8: what no network can go beyond."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from util.optional import is_installed

REPETITIONS = 5


def product_rates(*, side: int, device: torch.device) -> dict[str, float]:
    """10^9 multiply-accumulates a second of a product of two square matrices, by precision.

    Args:
        side: of the matrices in fp32; a quarter of it in bf16, which some processors only imitate.
        device: bf16 and fp32 are PyTorch's there. int8 is ONNX Runtime's on a CPU, left out where that is missing.
    """
    products = {
        "fp32": (side, _in_torch(side, torch.float32, device)),
        "bf16": (side // 4, _in_torch(side // 4, torch.bfloat16, device)),
    }
    if device.type == "cpu" and is_installed("onnxruntime") and is_installed("onnx"):
        products["int8"] = (side, _in_bytes(side))
    return {precision: round(size**3 / _seconds(product) / 1e9, 3) for precision, (size, product) in products.items()}


def _seconds(product: Callable[[], object]) -> float:
    """The median of ``REPETITIONS`` runs, after one that is not counted."""
    seconds = []
    for _ in range(REPETITIONS + 1):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _in_torch(side: int, dtype: torch.dtype, device: torch.device) -> Callable[[], object]:
    a, b = torch.rand(2, side, side, device=device).to(dtype).unbind()

    def product() -> None:
        torch.mm(a, b)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return product


def _in_bytes(side: int) -> Callable[[], object]:
    """Bytes by signed bytes, added up in 32 bits, with as many threads as PyTorch."""
    import onnx
    import onnxruntime

    rng, shape = np.random.default_rng(0), (side, side)
    weights = onnx.numpy_helper.from_array(rng.integers(-128, 128, shape, dtype=np.int8), "b")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMulInteger", ["a", "b"], ["y"])],
        "product",
        [onnx.helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT32, shape)],
        [weights],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = {"a": rng.integers(0, 256, shape, dtype=np.uint8)}
    return lambda: session.run(None, inputs)
