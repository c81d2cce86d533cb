"""FID's network: Inception-v3 as TensorFlow published it in 2015, on torchvision's layers.

torchvision's own weights are another training of another network: averages at the border, the last pooling and the
number of classes differ. Figures made with those are not FID.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.inception import (
    BasicConv2d,
    Inception3,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)

from benchmarks.metrics.manifest import Backbone
from models.frozen import Frozen
from models.weights_file import fill, read_tensors
from util.errors import UserError
from util.files import file_sha256

# both names are in use for one file; the digits are the first of its SHA-256
INCEPTION_FILES = ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")
NUM_FEATURES = 2048
NUM_CLASSES = 1008
SIDE = 299


class _AveragesWhatIsThere(nn.Module):
    """Of an Inception block: the pooled branch averages the pixels that exist, without the padding's zeros."""

    branch_pool: nn.Module

    def _forward(self, x: Tensor) -> list[Tensor]:
        *others, _ = super()._forward(x)  # type: ignore[misc]
        pooled = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return [*others, self.branch_pool(pooled)]


class _BlockA(_AveragesWhatIsThere, InceptionA):
    pass


class _BlockC(_AveragesWhatIsThere, InceptionC):
    pass


class _BlockE(_AveragesWhatIsThere, InceptionE):
    pass


class _LastBlock(InceptionE):
    """The published network has the largest value here, where its description has the average."""

    def _forward(self, x: Tensor) -> list[Tensor]:
        *others, _ = super()._forward(x)
        return [*others, self.branch_pool(F.max_pool2d(x, 3, stride=1, padding=1))]


class FidInception(Frozen):
    """Pooled features of FID's Inception-v3."""

    def __init__(self) -> None:
        """Build the network with random weights; ``load_inception`` reads the published ones."""
        super().__init__()
        blocks = [BasicConv2d, _BlockA, InceptionB, _BlockC, InceptionD, _BlockE, InceptionAux]
        self.network = Inception3(NUM_CLASSES, aux_logits=False, inception_blocks=blocks, init_weights=False)
        self.network.Mixed_7c = _LastBlock(NUM_FEATURES)
        self.freeze()

    def forward(self, image: Tensor) -> Tensor:
        """The features [B, 2048] of ``image`` [B, 3, H, W] in [-1, 1].

        Images are resized to 299 x 299, bilinear without antialiasing, as pytorch-fid does.
        """
        if image.shape[-2:] != (SIDE, SIDE):
            image = F.interpolate(image, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        features: list[Tensor] = []
        # the classes are of no use here: what reaches the last layer is what we want
        hook = self.network.fc.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
        try:
            self.network(image)
        finally:
            hook.remove()
        return features[0]


def load_inception(path: str | None) -> tuple[FidInception, Backbone]:
    """FID's network with its published weights, from ``path``, else from torch's cache; nothing is downloaded.

    Raises:
        UserError: when there is no such file, or it holds something else.
    """
    file = _find(path)
    expected = f"FID's Inception weights ({INCEPTION_FILES[0]})"
    network = FidInception()
    fill(network.network, read_tensors(file, expected=expected), where=str(file), expected=expected)
    return network, Backbone("FID's Inception-v3", file.name, file_sha256(file))


def _find(path: str | None) -> Path:
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    candidates = [cache / name for name in INCEPTION_FILES] if path is None else [Path(path)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    where = "torch's cache has no" if path is None else f"--inception_weights {path}: no such file; expected"
    raise UserError(
        f"fid: {where} {INCEPTION_FILES[0]} (91 MB, SHA-256 6726825d…, the file of pytorch-fid and torch-fidelity); "
        "give its path with --inception_weights, or use --metrics frechet_lite0, which needs none"
    )
