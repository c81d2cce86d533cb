"""I3D, a frozen network for videos: features for the global temporal loss and for FVD."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.frozen import Frozen
from models.weights_file import fill, read_tensors

FEATURES = 1024
KINETICS_CLASSES = 400
TRAINED_SIDE = 224  # FVD shows the network frames of this side
SMALLEST_SIDE = 32  # five halvings leave one pixel
Triple = tuple[int, int, int]

# (channels in; 1x1; 1x1 -> 3x3; 1x1 -> 3x3; pooled -> 1x1) of the nine mixed blocks (I3D paper, figure 3)
MIXED: dict[str, tuple[int, ...]] = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}


def pad_same(video: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Zeros around [B, C, T, H, W] so that a layer gives ceil(side / stride); of an odd number the end gets more.

    That is TensorFlow's "SAME", which the published weights were trained with.
    """
    sides: list[int] = []
    for size, width, step in zip(video.shape[-3:], kernel, stride, strict=True):
        missing = max((-(-size // step) - 1) * step + width - size, 0)
        sides = [missing // 2, missing - missing // 2, *sides]
    return F.pad(video, sides) if any(sides) else video


class Convolution(nn.Module):
    """A 3-d convolution with batch norm and ReLU, or with a bias and neither of them (``is_last``)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, is_last: bool = False) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride=stride, bias=is_last)
        self.bn = None if is_last else nn.BatchNorm3d(outputs, eps=1e-3, momentum=0.01)
        self.sides: tuple[Triple, Triple] = ((kernel,) * 3, (stride,) * 3)

    def forward(self, video: Tensor) -> Tensor:
        """[B, inputs, T, H, W] -> [B, outputs, T / stride, H / stride, W / stride], rounded up."""
        found = self.conv3d(pad_same(video, *self.sides))
        return found if self.bn is None else F.relu(self.bn(found))


class MaxPool(nn.Module):
    """The largest value around each place; the padding's zeros never win against what a ReLU gave."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.sides = (kernel, stride)

    def forward(self, video: Tensor) -> Tensor:
        """[B, C, T, H, W] -> the same, every side divided by its stride and rounded up."""
        return F.max_pool3d(pad_same(video, *self.sides), *self.sides)


class Mixed(nn.Module):
    """Inception's block: four views of the same input, side by side; the letters are the published names."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs, one, narrow, wide, narrow_again, wide_again, pooled = widths
        self.b0 = Convolution(inputs, one)
        self.b1a, self.b1b = Convolution(inputs, narrow), Convolution(narrow, wide, 3)
        self.b2a, self.b2b = Convolution(inputs, narrow_again), Convolution(narrow_again, wide_again, 3)
        self.b3a, self.b3b = MaxPool((3, 3, 3), (1, 1, 1)), Convolution(inputs, pooled)

    def forward(self, video: Tensor) -> Tensor:
        """[B, C, T, H, W] -> the same size with the four views' channels."""
        views = (self.b0(video), self.b1b(self.b1a(video)), self.b2b(self.b2a(video)), self.b3b(self.b3a(video)))
        return torch.cat(views, dim=1)


class I3D(Frozen):
    """Inception-v1 inflated to three dimensions, RGB, 400 Kinetics classes (Carreira and Zisserman, CVPR 2017).

    Parameters have the names of the widely used ``rgb_imagenet.pt``. It never trains: eval mode always, no gradients
    to its weights; gradients pass through it to the video.
    """

    def __init__(self) -> None:
        """Build the network with random weights; ``load_i3d`` reads the published ones."""
        super().__init__()
        layers: dict[str, nn.Module] = {
            "Conv3d_1a_7x7": Convolution(3, 64, 7, stride=2),
            "MaxPool3d_2a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
            "Conv3d_2b_1x1": Convolution(64, 64),
            "Conv3d_2c_3x3": Convolution(64, 192, 3),
            "MaxPool3d_3a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
        }
        for name, widths in MIXED.items():
            if name == "4b":
                layers["MaxPool3d_4a_3x3"] = MaxPool((3, 3, 3), (2, 2, 2))
            if name == "5b":
                layers["MaxPool3d_5a_2x2"] = MaxPool((2, 2, 2), (2, 2, 2))
            layers[f"Mixed_{name}"] = Mixed(widths)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.order = tuple(layers)
        self.logits = Convolution(FEATURES, KINETICS_CLASSES, is_last=True)
        self.freeze()

    def forward(self, video: Tensor, *, side: int | None = None) -> Tensor:
        """The pooled features of whole videos: the mean over time and place of the last block.

        Args:
            video: [B, T, 3, H, W] in [-1, 1], T >= 2.
            side: frames are resized to this square first, 224 for FVD; without, they are seen at their own size,
                enlarged where a side is below 32.

        Returns:
            [B, 1024].

        Raises:
            ValueError: for another shape, or a video of one frame.
        """
        if video.ndim != 5 or video.shape[2] != 3 or video.shape[1] < 2:
            raise ValueError(f"expected a video of shape [B, T, 3, H, W] with T >= 2, got {list(video.shape)}")
        batch, time, _, height, width = video.shape
        scale = max(1.0, SMALLEST_SIDE / min(height, width))
        size = (side, side) if side is not None else (round(height * scale), round(width * scale))
        frames = video.flatten(0, 1)
        if size != (height, width):
            frames = F.interpolate(frames, size=size, mode="bilinear", align_corners=False)
        features = frames.unflatten(0, (batch, time)).transpose(1, 2)  # time comes after the channels
        for name in self.order:
            features = self.get_submodule(name)(features)
        return features.float().mean(dim=(2, 3, 4))


def load_i3d(path: str | Path, *, flag: str = "--i3d_weights") -> I3D:
    """I3D with published weights.

    Args:
        path: a state dict as ``rgb_imagenet.pt`` has it.
        flag: named in errors.

    Raises:
        UserError: when there is no such file, or it holds something else.
    """
    path = Path(path)
    expected = "I3D's RGB Kinetics weights (rgb_imagenet.pt, 50 MB)"
    network = I3D()
    fill(network, read_tensors(path, expected=expected, flag=flag), where=f"{flag} {path}", expected=expected)
    return network
