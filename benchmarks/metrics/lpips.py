"""How different do two frames look to a network that was taught how people see? LPIPS (Zhang et al. 2018), version 0.1.

Two parts, both by path or cache: torchvision's ImageNet backbone, and the learned weight of each of its channels, which
the package lpips carries.
"""

import importlib.util
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.metrics.manifest import Backbone
from benchmarks.metrics.measure import MeanOverFrames, over_frames
from models.frozen import Frozen
from util.errors import UserError
from util.files import file_sha256

# its own statistics of pictures in [-1, 1]
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


class _Tapped(NamedTuple):
    file: str
    megabytes: int
    channels: tuple[int, ...]
    ends: tuple[int, ...]  # how many layers of torchvision's ``features`` lead to each tap


BACKBONES = {
    "alex": _Tapped("alexnet-owt-7be5be79.pth", 233, (64, 192, 384, 256, 256), (2, 5, 8, 10, 12)),
    "vgg": _Tapped("vgg16-397923af.pth", 528, (64, 128, 256, 512, 512), (4, 9, 16, 23, 30)),
}


class Lpips(Frozen):
    """The perceptual distance of two images."""

    shift: Tensor
    scale: Tensor

    def __init__(self, kind: str = "alex") -> None:
        """Build the network with random weights; ``load_lpips`` reads the published ones.

        Args:
            kind: ``alex``, the authors' choice for judging, or ``vgg``.
        """
        super().__init__()
        from torchvision.models import alexnet, vgg16

        tapped = BACKBONES[kind]
        self.ends = tapped.ends
        self.features = {"alex": alexnet, "vgg": vgg16}[kind](weights=None).features[: tapped.ends[-1]]
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        # of the published file: lin<tap>.model.1.weight; number 0 was dropout
        for tap, channels in enumerate(tapped.channels):
            head = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))
            self.add_module(f"lin{tap}", nn.ModuleDict({"model": head}))
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)
        self.freeze()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The distances [B] of two batches [B, 3, H, W] in [-1, 1]; 0 for equal images."""
        distance = first.new_zeros(len(first))
        for tap, (a, b) in enumerate(zip(self._seen(first), self._seen(second), strict=True)):
            weighted = self.get_submodule(f"lin{tap}.model")((_unit(a) - _unit(b)).square())
            distance = distance + weighted.mean(dim=(1, 2, 3))
        return distance

    def _seen(self, image: Tensor) -> list[Tensor]:
        features, found = (image - self.shift) / self.scale, []
        for number, layer in enumerate(self.features, start=1):
            features = layer(features)
            if number in self.ends:
                found.append(features)
        return found


def _unit(features: Tensor) -> Tensor:
    """Every pixel's features as a direction."""
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def load_lpips(kind: str, *, backbone_weights: str | None, linear_weights: str | None) -> tuple[Lpips, Backbone]:
    """LPIPS with its published weights; nothing is downloaded.

    Args:
        kind: ``alex`` or ``vgg``.
        backbone_weights: torchvision's file; torch's cache when None.
        linear_weights: ``weights/v0.1/<kind>.pth`` of the package lpips; the installed package's when None.

    Raises:
        UserError: when one of the two is not at hand, or holds something else.
    """
    tapped = BACKBONES[kind]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / tapped.file
    backbone = cached if backbone_weights is None else Path(backbone_weights)
    if not backbone.is_file():
        where = "torch's cache" if backbone_weights is None else backbone_weights
        raise UserError(
            f"lpips: {where}: no such file; expected torchvision's {tapped.file} ({tapped.megabytes} MB); give its "
            "path with --lpips_backbone, or leave lpips out of --metrics"
        )
    linear = _packaged_linear(kind) if linear_weights is None else Path(linear_weights)
    if linear is None or not linear.is_file():
        raise UserError(
            f"lpips: {linear_weights or 'the package lpips'}: expected the channel weights weights/v0.1/{kind}.pth (10 "
            "kB), found none; pip install --no-deps lpips, or give their path with --lpips_linear"
        )
    network = Lpips(kind)
    state = {name: value for name, value in _read(backbone).items() if name in network.state_dict()} | _read(linear)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"lpips: {backbone} and {linear} are not the published weights of {kind}: {reason}") from None
    hashes = f"{file_sha256(backbone)} + {file_sha256(linear)}"
    return network, Backbone(f"LPIPS 0.1, {kind}", f"{backbone.name} + {linear.name}", hashes)


def _packaged_linear(kind: str) -> Path | None:
    package = importlib.util.find_spec("lpips")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "weights" / "v0.1" / f"{kind}.pth"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, ValueError, TypeError, EOFError, OSError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"lpips: {path}: expected weights, found: {reason}") from None


def make_lpips(
    *, kind: str, backbone_weights: str | None, linear_weights: str | None, device: torch.device
) -> MeanOverFrames:
    """The mean LPIPS of the frames; see ``load_lpips``."""
    network, backbone = load_lpips(kind, backbone_weights=backbone_weights, linear_weights=linear_weights)
    network = network.to(device)

    def compare(fake: Tensor, real: Tensor) -> float:
        images: Sequence[Tensor] = [frame[None].float().to(device) for frame in (fake, real)]
        with torch.inference_mode():
            return float(network(*images))

    return MeanOverFrames("lpips", 1, "lower", over_frames(compare), backbone=backbone)
