"""LPIPS (Zhang et al. 2018), version 0.1: the perceptual distance of two frames, by the authors' package lpips.

The package downloads the backbone by itself, so it is built with random weights and gets torchvision's from a file.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.metrics.manifest import Backbone
from benchmarks.metrics.measure import MeanOverFrames, over_frames
from models.weights_file import fill, read_tensors
from util.errors import UserError
from util.files import file_sha256
from util.optional import require

# torchvision's file of each backbone, and its megabytes
BACKBONES = {"alex": ("alexnet-owt-7be5be79.pth", 233), "vgg": ("vgg16-397923af.pth", 528)}


def load_lpips(kind: str, *, backbone_weights: str | None, linear_weights: str | None) -> tuple[nn.Module, Backbone]:
    """LPIPS with its published weights; nothing is downloaded.

    Args:
        kind: ``alex``, the authors' choice for evaluation, or ``vgg``.
        backbone_weights: torchvision's file; torch's cache when None.
        linear_weights: ``weights/v0.1/<kind>.pth`` of the package lpips; the installed package's when None.

    Returns:
        The network, two batches [B, 3, H, W] in [-1, 1] -> [B, 1, 1, 1], 0 for equal images; and its files.

    Raises:
        UserError: when the package or a file is not at hand, or a file holds something else.
    """
    file, megabytes = BACKBONES[kind]
    backbone = Path(backbone_weights or Path(torch.hub.get_dir()) / "checkpoints" / file)
    if not backbone.is_file():
        raise UserError(
            f"lpips: {backbone}: no such file; expected torchvision's {file} ({megabytes} MB); give its path with "
            "--lpips_backbone, or leave lpips out of --metrics"
        )
    package = require("lpips", instead="leave lpips out of --metrics")
    linear = Path(linear_weights or Path(str(package.__file__)).parent / "weights" / "v0.1" / f"{kind}.pth")
    if not linear.is_file():
        raise UserError(
            f"lpips: {linear}: expected the channel weights weights/v0.1/{kind}.pth (10 kB), found none; leave out "
            "--lpips_linear to use those of the package"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision's options by their old names
        network = package.LPIPS(net=kind, pretrained=False, pnet_rand=True, verbose=False)
    expected = f"lpips: the published weights of {kind}"
    # the package's slice2.3.weight is torchvision's features.3.weight, its lins.0 is lin0 of the file
    _fill(network.net, backbone, lambda name: f"features{name[6:]}", expected=expected)
    _fill(network.lins, linear, lambda name: f"lin{name}", expected=expected)
    hashes = f"{file_sha256(backbone)} + {file_sha256(linear)}"
    return network, Backbone(f"LPIPS 0.1, {kind}", f"{backbone.name} + {linear.name}", hashes)


def _fill(network: nn.Module, path: Path, name_in_file: Callable[[str], str], *, expected: str) -> None:
    """Give ``network`` those of a file's tensors that it has; the file calls them otherwise."""
    state = read_tensors(path, expected=expected)
    names = {name: name_in_file(name) for name in network.state_dict()}
    given = {name: state[theirs] for name, theirs in names.items() if theirs in state}
    fill(network, given, where=str(path), expected=expected)


def make_lpips(
    *, kind: str, backbone_weights: str | None, linear_weights: str | None, device: torch.device
) -> MeanOverFrames:
    """The mean LPIPS of the frames; see ``load_lpips``."""
    network, backbone = load_lpips(kind, backbone_weights=backbone_weights, linear_weights=linear_weights)
    network = network.to(device)

    def compare(fake: Tensor, real: Tensor) -> float:
        images = [frame[None].float().to(device) for frame in (fake, real)]
        with torch.inference_mode():
            return float(network(*images))

    return MeanOverFrames("lpips", 1, "lower", over_frames(compare), backbone=backbone)
