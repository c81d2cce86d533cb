"""The single-image generator of first frames (pix2pixHD's global generator)."""

from torch import Tensor, nn

from models.networks.blocks import conv7, decode, encode, initialise, make_norm, require_channels, residuals, widen
from models.networks.generator import IMAGE_CHANNELS

MAX_CHANNELS = 1024


class GlobalGenerator(nn.Module):
    """Down, residual blocks, up: one semantic map -> one image (pix2pixHD, ``global``).

    Args:
        semantic_channels: channels of the input.
        base_channels: channels at full resolution; doubled by every down-sampling, at most 1024.
        num_downsamples: how often the size is halved.
        num_blocks: residual blocks at the smallest size.
        norm: ``batch`` or ``instance``.
    """

    def __init__(
        self,
        *,
        semantic_channels: int,
        base_channels: int = 64,
        num_downsamples: int = 3,
        num_blocks: int = 9,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.semantic_channels = semantic_channels
        self.num_downsamples = num_downsamples
        normalise = make_norm(norm)
        widths = widen(base_channels, num_downsamples, limit=MAX_CHANNELS)
        self.model = nn.Sequential(
            *encode(semantic_channels, widths, normalise),
            *residuals(num_blocks, widths[-1], normalise),
            *decode(widths, normalise),
            *conv7(widths[0], IMAGE_CHANNELS),
            nn.Tanh(),
        )
        initialise(self)

    def forward(self, semantic: Tensor) -> Tensor:
        """Draw [B, 3, H, W] in [-1, 1] from [B, C, H, W]; H and W are divisible by 2**num_downsamples.

        Raises:
            ValueError: for a wrong number of channels or a size that cannot be halved so often.
        """
        require_channels("semantic", semantic, self.semantic_channels)
        require_size(semantic, self.num_downsamples)
        return self.model(semantic)


def require_size(x: Tensor, num_halvings: int) -> None:
    """Raise ValueError unless ``x`` can be halved so often and still be 2 pixels, for the reflecting pads."""
    multiple = 2**num_halvings
    size = tuple(x.shape[-2:])
    if any(side % multiple or side < 2 * multiple for side in size):
        raise ValueError(f"expected sides divisible by {multiple} and at least {2 * multiple}, got {size}")
