"""Estimators of reference flow behind one interface: FlowNet2, RAFT, and DIS; ``make_flow`` chooses."""

import re
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.flow.dis import DenseInverseSearch
from models.flow.flownet2 import MULTIPLE, FlowNet2
from models.flow.reference import FlowEstimator
from models.frozen import Frozen
from models.weights_file import fill, read_tensors
from util.errors import UserError
from util.files import short_hash

FLOWNET2_FILE = "FlowNet2_checkpoint.pth.tar"  # the published name


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


def load_published(network: nn.Module, path: Path, *, published: str) -> None:
    """Give ``network``, whose parameters may be on the meta device, the weights of a published file.

    Args:
        network: what to fill.
        path: a dict of tensors by name, or a dict that has it as ``state_dict``.
        published: what the file should be, for errors.

    Raises:
        UserError: when the file is absent or broken, is another one than its name's digits say, or does not fit.
    """
    state = read_tensors(path, expected=published, flag="--flow_weights")
    digits = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    if digits is not None and not (found := short_hash(path)).startswith(digits[1]):
        raise UserError(
            f"--flow_weights {path}: expected sha256 {digits[1]}…, as its name says, found {found}; fetch it again"
        )
    fill(network, state, where=f"--flow_weights {path}", expected=published, assign=True)


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
    return FlowNet2Estimator(network, name=f"flownet2, {path.name}, sha256 {short_hash(path)}")


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
    return RaftEstimator(network, name=f"raft, {path.name}, sha256 {short_hash(path)}")


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
