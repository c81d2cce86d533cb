"""End-point error of an estimated motion, where the exact one is known."""

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.measure import MeanOverFrames, Scores
from benchmarks.metrics.videos import Pair
from models.flow.reference import FlowEstimator
from util.errors import UserError, brief
from util.numpy_files import read_arrays

_FLO_MAGIC = 202021.25
# Middlebury's mark of a pixel whose motion is not known
_UNKNOWN = 1e9


def end_point_error(flow: Tensor, exact: Tensor, valid: Tensor | None = None) -> float | None:
    """The mean distance between two flows, in pixels.

    Args:
        flow: what was estimated, [B, 2, H, W] in pixels, x then y.
        exact: what is true; pixels with a value that is not finite, or above 10^9, are left out.
        valid: further pixels to leave out are 0, [B, 1, H, W].

    Returns:
        None when no pixel is left.

    Raises:
        ValueError: the flows differ in shape.
    """
    if flow.shape != exact.shape:
        raise ValueError(f"expected two flows of one shape, got {tuple(flow.shape)} and {tuple(exact.shape)}")
    is_known = (torch.isfinite(exact) & (exact.abs() < _UNKNOWN)).all(dim=1)
    if valid is not None:
        is_known = is_known & (valid[:, 0] > 0)
    distance = (flow - torch.where(is_known[:, None], exact, 0.0)).square().sum(dim=1).sqrt()
    return float(distance[is_known].mean()) if bool(is_known.any()) else None


def read_flow(path: Path) -> Tensor:
    """An exact flow, [2, H, W] in pixels, x then y: Middlebury's ``.flo``, or a ``.npy`` array [2, H, W].

    Raises:
        UserError: the file is missing or something else.
    """
    expected = "a flow, .flo or .npy [2, height, width]"
    try:
        if path.suffix == ".npy":
            (flow,) = read_arrays(path, expected=expected).values()
        else:
            content = path.read_bytes()
            magic, width, height = struct.unpack("<fii", content[:12])
            if magic != _FLO_MAGIC:
                raise ValueError("not a .flo file")
            flow = np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2).transpose(2, 0, 1)
        if flow.ndim != 3 or flow.shape[0] != 2 or flow.dtype.kind not in "fiu":
            raise ValueError(f"an array {list(flow.shape)} of {flow.dtype}")
    except (OSError, ValueError, struct.error) as error:
        raise UserError(f"{path}: expected {expected}, found: {brief(error)}") from None
    return torch.from_numpy(flow.astype(np.float32))


def make_end_point_error(folder: Path, estimator: FlowEstimator) -> MeanOverFrames:
    """How far the motion of the generated video is from the exact one.

    Args:
        folder: ``<sequence>/<number>.flo`` or ``.npy``, five digits: the flow that carries frame ``number - 1`` onto
            frame ``number``. A frame without a file counts as missed.
        estimator: estimates the flow of the generated video; its own error is within the figure.
    """

    def scores(pair: Pair) -> Scores:
        first = max(pair.num_given, 1)
        found: Scores = [None] * min(first, pair.num_frames)
        for number in range(first, pair.num_frames):
            files = [folder / pair.name / f"{number:05d}{suffix}" for suffix in (".flo", ".npy")]
            file = next((file for file in files if file.is_file()), None)
            if file is None:
                found.append(None)
                continue
            before, now = (pair.frames(one)[0][None].float() for one in (number - 1, number))
            flow, exact = estimator(now, before), read_flow(file)[None]
            if flow.shape != exact.shape:
                raise UserError(
                    f"{file}: expected a flow of the frames' size {tuple(flow.shape[-2:])}, found "
                    f"{tuple(exact.shape[-2:])}; scale and crop frames and flows alike"
                )
            found.append(end_point_error(flow, exact))
        return found

    settings = {"flow": f"{estimator.name}, of the generated frames"}
    return MeanOverFrames("flow_epe", 1, "lower", scores, needs_past=True, unit="pixels", settings=settings)
