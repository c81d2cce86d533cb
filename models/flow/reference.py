"""Where did every pixel of a frame come from? Reference flow between two real frames, behind one interface."""

import codecs
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlparse

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.flow.warp import warp
from models.losses.perceptual import Frozen, file_hash
from models.networks.flownet2 import MULTIPLE, FlowNet2
from util.errors import UserError

FLOWNET2_FILE = "FlowNet2_checkpoint.pth.tar"  # the published name


class FlowEstimator(Protocol):
    """Estimates the flow that carries ``source`` onto ``target``.

    Attributes:
        name: which estimator, and for a trained one which weights, for the log and the checkpoint.
    """

    name: str

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        """Flow [B, 2, H, W] in pixels, x then y: ``warp(source, flow)`` looks like ``target``.

        Args:
            target, source: [B, 3, H, W] in [-1, 1].
        """
        ...


def make_search(preset: int, *, smallest_side: int) -> Any:
    """OpenCV's dense inverse search for frames whose smallest side is at least 12 pixels.

    Args:
        preset: ``cv2.DISOPTICAL_FLOW_PRESET_*``.
        smallest_side: of the frames. Patches must fit into the coarsest level: left to itself the search crashes on
            long, low frames.
    """
    search = cv2.DISOpticalFlow_create(preset)  # type: ignore[attr-defined]
    coarsest = int(math.log2(smallest_side / search.getPatchSize()))
    search.setCoarsestScale(coarsest)
    search.setFinestScale(min(search.getFinestScale(), 1, coarsest))
    return search


class DenseInverseSearch:
    """OpenCV's dense inverse search: needs no weights, runs on the CPU, the same at any number of threads."""

    name = "dis"
    smallest_side = 12

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        """See ``FlowEstimator``; frames with a side below 12 pixels get zero flow."""
        if min(target.shape[-2:]) < self.smallest_side:
            return target.new_zeros(target.shape[0], 2, *target.shape[-2:])
        estimator = make_search(cv2.DISOPTICAL_FLOW_PRESET_FAST, smallest_side=min(target.shape[-2:]))
        pairs = zip(_gray(target), _gray(source), strict=True)
        flows = np.stack([estimator.calc(to, of, None) for to, of in pairs])
        return torch.from_numpy(flows).permute(0, 3, 1, 2).to(target.device, target.dtype).contiguous()


def _gray(frames: Tensor) -> list[np.ndarray]:
    """[B, 3, H, W] in [-1, 1] -> B luma pictures, uint8."""
    luma = frames.detach().float() * frames.new_tensor([0.299, 0.587, 0.114]).float().view(1, 3, 1, 1)
    pixels = ((luma.sum(dim=1) + 1) * 127.5).round().clamp(0, 255)
    return list(pixels.to("cpu", torch.uint8).numpy())


def confidence(target: Tensor, source: Tensor, flow: Tensor, *, threshold: float = 0.02) -> Tensor:
    """1 where the warped source has the target's colour: squared colour distance below ``threshold`` (vid2vid).

    Args:
        target, source: [B, 3, H, W] in [-1, 1].
        flow: [B, 2, H, W] in pixels.
        threshold: on the sum over the colours of the squared difference.

    Returns:
        [B, 1, H, W], 0 or 1.
    """
    distance = (target - warp(source, flow)).square().sum(dim=1, keepdim=True)
    return (distance < threshold).to(target.dtype)


class FlowNetwork(Frozen, ABC):
    """A trained network as a ``FlowEstimator``: frozen, without gradients, in 32 bits whatever autocast says."""

    def __init__(self, network: nn.Module, *, name: str) -> None:
        """Args: the network (called with target and source), and what the log says of it."""
        super().__init__()
        self.network = network
        self.name = name
        self.freeze()

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """See ``FlowEstimator``; the batch goes through the network at once."""
        with torch.no_grad(), torch.autocast(target.device.type, enabled=False):
            return self.estimate(target.float(), source.float()).to(target.dtype)

    @abstractmethod
    def estimate(self, target: Tensor, source: Tensor) -> Tensor:
        """The flow [B, 2, H, W] at the frames' size, from a network that may not take this size."""


class FlowNet2Estimator(FlowNetwork):
    """FlowNet2, the reference flow of vid2vid and of the paper."""

    def estimate(self, target: Tensor, source: Tensor) -> Tensor:
        """See ``FlowNetwork``: frames are resized to multiples of 64, down where possible."""
        size = target.shape[-2:]
        fitting = tuple(max(side // MULTIPLE, 1) * MULTIPLE for side in size)
        if fitting == tuple(size):
            return self.network(target, source)
        frames = [F.interpolate(one, size=fitting, mode="bilinear", align_corners=False) for one in (target, source)]
        flow = F.interpolate(self.network(*frames), size=size, mode="bilinear", align_corners=False)
        # pixels of the resized frames -> pixels of the frames, x by the width (published: both by the height)
        return flow * flow.new_tensor([size[1] / fitting[1], size[0] / fitting[0]]).view(1, 2, 1, 1)


class RaftEstimator(FlowNetwork):
    """RAFT (Teed and Deng, ECCV 2020), as torchvision has it."""

    multiple = 8
    smallest_side = 128  # its pyramid of correlations ends there

    def estimate(self, target: Tensor, source: Tensor) -> Tensor:
        """See ``FlowNetwork``: borders are repeated up to a size that the network takes, and cut off again."""
        height, width = target.shape[-2:]
        above, below = self._padding(height)
        left, right = self._padding(width)
        frames = [F.pad(one, (left, right, above, below), mode="replicate") for one in (target, source)]
        flow = self.network(*frames)[-1]  # every iteration gives one; the last is the best
        return flow[..., above : above + height, left : left + width].contiguous()

    def _padding(self, side: int) -> tuple[int, int]:
        missing = max(-(-side // self.multiple) * self.multiple, self.smallest_side) - side
        return missing // 2, missing - missing // 2


def _read_state(path: Path, *, published: str) -> Mapping[str, Tensor]:
    """The tensors of a published file, without executing anything in it."""
    if not path.is_file():
        raise UserError(f"--flow_weights {path}: no such file; expected {published}")
    # old training loops saved their best error beside the weights, as a number of numpy's
    scalar: Any = np.float64(0).__reduce__()[0]
    kinds: list[Any] = [np.dtype, type(np.dtype("float64")), type(np.dtype("float32")), codecs.encode]
    numbers = [scalar, (scalar, "numpy.core.multiarray.scalar"), *kinds]
    try:
        with torch.serialization.safe_globals(numbers):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch's errors for broken files are of many kinds, and advise to switch the safety off
        raise UserError(
            f"--flow_weights {path}: expected {published}, found {path.stat().st_size / 1e6:.1f} MB that cannot be "
            "read as tensors alone; fetch the file again"
        ) from None
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"--flow_weights {path}: expected {published}, found no tensors by name; fetch the file again")
    return state


def load_published(network: nn.Module, path: Path, *, published: str) -> None:
    """Give ``network``, whose parameters may be on the meta device, the weights of a published file.

    Args:
        network: what to fill.
        path: a dict of tensors by name, or a dict that has it as ``state_dict``.
        published: what the file should be, for errors.

    Raises:
        UserError: when the file is absent or broken, is another one than its name's digits say, or does not fit.
    """
    state = _read_state(path, published=published)
    digits = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    if digits is not None and not (found := file_hash(path)).startswith(digits[1]):
        raise UserError(
            f"--flow_weights {path}: expected sha256 {digits[1]}…, as its name says, found {found}; fetch it again"
        )
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in state.items()}
    wrong = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
    if wrong:
        raise UserError(
            f"--flow_weights {path}: expected {published} with {len(wanted)} tensors, found {len(given)}, of which "
            f"{sum(name in wanted and name not in wrong for name in given)} fit; the first that differs is {wrong[0]}: "
            f"expected {wanted.get(wrong[0], 'none')}, found {given.get(wrong[0], 'none')}; give the published file"
        )
    single = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    network.load_state_dict(single, assign=True)


def make_flownet2(weights: str | None) -> FlowNet2Estimator:
    """FlowNet2 with the published weights.

    Raises:
        UserError: when they are not given, absent or broken.
    """
    published = f"the published {FLOWNET2_FILE} (650 MB)"
    if weights is None:
        raise UserError(
            f"--flow flownet2 needs {published}: give its path with --flow_weights, or use --flow dis, which needs none"
        )
    path = Path(weights)
    with torch.device("meta"):
        network = FlowNet2()  # drawing 162 million numbers that nobody needs takes seconds
    load_published(network, path, published=published)
    return FlowNet2Estimator(network, name=f"flownet2, {path.name}, sha256 {file_hash(path)}")


def raft_file() -> str:
    """The name of torchvision's best weights for RAFT; its digits are the first of the SHA-256."""
    from torchvision.models.optical_flow import Raft_Large_Weights

    return PurePosixPath(urlparse(Raft_Large_Weights.DEFAULT.url).path).name


def make_raft(weights: str | None) -> RaftEstimator:
    """Torchvision's large RAFT with weights from a path, or from torch's cache. Nothing is downloaded.

    Raises:
        UserError: when they are absent or broken.
    """
    from torchvision.models.optical_flow import raft_large

    published = f"torchvision's {raft_file()} (21 MB)"
    path = Path(torch.hub.get_dir()) / "checkpoints" / raft_file() if weights is None else Path(weights)
    if weights is None and not path.is_file():
        raise UserError(
            f"--flow raft: torch's cache has no {raft_file()} (21 MB, torchvision publishes it): give its path with "
            "--flow_weights, or use --flow dis, which needs none"
        )
    network = raft_large(weights=None, progress=False)
    load_published(network, path, published=published)
    return RaftEstimator(network, name=f"raft, {path.name}, sha256 {file_hash(path)}")


def make_flow(kind: str, *, weights: str | None = None) -> FlowEstimator:
    """The reference flow of that name.

    Args:
        kind: ``flownet2``, ``raft`` or ``dis``.
        weights: path of the network's weights; for raft torch's cache when absent. Nothing is downloaded.

    Returns:
        The estimator. Those with weights are modules, on the CPU at first, and work on the device they are moved to.

    Raises:
        UserError: when the weights are absent or broken.
        ValueError: when the name is unknown, or weights are given to ``dis``.
    """
    if kind == "flownet2":
        return make_flownet2(weights)
    if kind == "raft":
        return make_raft(weights)
    if kind != "dis":
        raise ValueError(f"reference flow: expected flownet2, raft or dis, got {kind}")
    if weights is not None:
        raise ValueError(f"reference flow: dis has no weights, got {weights}")
    return DenseInverseSearch()
