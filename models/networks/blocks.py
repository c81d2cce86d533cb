"""Building blocks of all networks.

The builders return lists of layers, because the published parameter names count them: a network
concatenates the lists into one ``nn.Sequential`` and old checkpoints load by name.
"""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

Norm = Callable[[int], nn.Module]
Layers = list[nn.Module]


def make_norm(kind: str) -> Norm:
    """The normalisation layer called ``kind``, as a function of the number of channels.

    Args:
        kind: ``batch`` (affine) or ``instance`` (not affine, with running statistics, as published).

    Raises:
        ValueError: for any other kind.
    """
    if kind == "batch":
        return nn.BatchNorm2d
    if kind == "instance":
        return partial(nn.InstanceNorm2d, affine=False, track_running_stats=True)
    raise ValueError(f"expected norm 'batch' or 'instance', got {kind!r}")


def conv7(inputs: int, outputs: int) -> Layers:
    """C7: a 7x7 convolution of the reflected image, [B, inputs, H, W] -> [B, outputs, H, W]; 2 layers."""
    return [nn.ReflectionPad2d(3), nn.Conv2d(inputs, outputs, 7)]


def down(inputs: int, outputs: int, norm: Norm, *, stride: int = 2) -> Layers:
    """D: a 3x3 convolution that halves the size (or keeps it, with stride 1), norm, ReLU; 3 layers."""
    return [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), norm(outputs), nn.ReLU(inplace=True)]


def up(inputs: int, outputs: int, norm: Norm) -> Layers:
    """U: a transposed 3x3 convolution that doubles the size, norm, ReLU; 3 layers."""
    convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return [convolution, norm(outputs), nn.ReLU(inplace=True)]


def encode(inputs: int, widths: Sequence[int], norm: Norm, *, first_stride: int = 2) -> Layers:
    """C7 with norm and ReLU, then one D per step of ``widths``.

    Args:
        inputs: channels of the input.
        widths: channels after C7 and after each D.
        norm: from ``make_norm``.
        first_stride: stride of the first D; 1 where the input has been halved before.
    """
    layers = [*conv7(inputs, widths[0]), norm(widths[0]), nn.ReLU(inplace=True)]
    for level, (wide, wider) in enumerate(zip(widths, widths[1:], strict=False)):
        layers += down(wide, wider, norm, stride=first_stride if level == 0 else 2)
    return layers


def decode(widths: Sequence[int], norm: Norm) -> Layers:
    """One U per step of ``widths``, walked from its end to its start."""
    narrowing = list(reversed(widths))
    return [layer for wide, narrow in zip(narrowing, narrowing[1:], strict=False) for layer in up(wide, narrow, norm)]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions of the reflected input, added to it; [B, C, H, W] -> the same."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            norm(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what the convolutions make of it."""
        return x + self.conv_block(x)


class MobileResidualBlock(nn.Module):
    """1x1, depth-wise 3x3, 1x1 convolutions, added to the input; about a ninth of the work of a residual block.

    Always batch norm, whatever the rest of the network uses (method of the paper's mobile student).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU6(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU6(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what the convolutions make of it."""
        return x + self.conv(x)


def residuals(count: int, channels: int, norm: Norm, *, kind: str = "residual") -> Layers:
    """``count`` residual blocks in a row, of ``kind`` residual or mobile (which use batch norm, not ``norm``).

    Raises:
        ValueError: for any other kind.
    """
    if kind == "residual":
        return [ResidualBlock(channels, norm) for _ in range(count)]
    if kind == "mobile":
        return [MobileResidualBlock(channels) for _ in range(count)]
    raise ValueError(f"expected block 'residual' or 'mobile', got {kind!r}")


def widen(base: int, num_steps: int, *, limit: int | None = None) -> list[int]:
    """The widths of an encoder: ``base``, doubled ``num_steps`` times, at most ``limit``."""
    widths = [base * 2**step for step in range(num_steps + 1)]
    return widths if limit is None else [min(width, limit) for width in widths]


def halve(x: Tensor) -> Tensor:
    """Average [B, C, H, W] down to [B, C, ceil(H/2), ceil(W/2)]: the published pyramid; borders count what exists."""
    return nn.functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)


def require_channels(what: str, x: Tensor, expected: int) -> None:
    """Raise ValueError unless ``x`` is [B, expected, H, W]; ``what`` names it in the message."""
    if x.ndim != 4 or x.shape[1] != expected:
        raise ValueError(f"expected {what} of shape [B, {expected}, H, W], got {list(x.shape)}")


def initialise(module: nn.Module) -> None:
    """Draw the published initial weights: conv ~ N(0, 0.02), batch-norm weight ~ N(1, 0.02), every bias 0."""
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(part.weight, 0.0, 0.02)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.02)
        else:
            continue
        if part.bias is not None:
            nn.init.zeros_(part.bias)
