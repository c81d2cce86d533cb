"""Multi-scale PatchGAN discriminator."""

from torch import Tensor, nn

from models.networks.blocks import Layers, Norm, halve, initialise, make_norm, require_channels

MAX_CHANNELS = 512
MAX_BASE_CHANNELS = 64


class MultiscaleDiscriminator(nn.Module):
    """One PatchGAN discriminator per scale of an image pyramid (pix2pixHD): for images, faces and videos (vid2vid).

    Args:
        input_channels: everything the discriminator sees, concatenated.
        base_channels: channels of the first layer of the full-resolution discriminator; doubled for each coarser
            scale, at most 64.
        num_layers: convolutions with stride 2.
        num_scales: discriminators; each sees half the size of the one before.
        norm: ``batch`` or ``instance``.
        spectral_norm: divide every convolution by its largest singular value (Miyato et al., 2018).
        with_features: return every layer's output, for feature matching. This changes the parameters' names
            (as published), not their values.
    """

    def __init__(
        self,
        *,
        input_channels: int,
        base_channels: int = 64,
        num_layers: int = 3,
        num_scales: int = 2,
        norm: str = "batch",
        spectral_norm: bool = False,
        with_features: bool = True,
    ) -> None:
        super().__init__()
        self.input_channels = input_channels
        self.num_scales = num_scales
        self.num_groups = num_layers + 2
        self.with_features = with_features
        for scale in range(num_scales):
            width = min(MAX_BASE_CHANNELS, base_channels * 2**scale)
            groups = discriminator(input_channels, width, num_layers, make_norm(norm))
            number = num_scales - 1 - scale  # published names count from the coarsest
            if with_features:
                for index, group in enumerate(groups):
                    self.add_module(f"scale{number}_layer{index}", nn.Sequential(*group))
            else:
                self.add_module(f"layer{number}", nn.Sequential(*(layer for group in groups for layer in group)))
        initialise(self)
        if spectral_norm:
            for convolution in [module for module in self.modules() if isinstance(module, nn.Conv2d)]:
                nn.utils.parametrizations.spectral_norm(convolution)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Judge ``x``.

        Args:
            x: [B, input_channels, H, W].

        Returns:
            For each scale, full resolution first, the outputs of the layers: features, then the map of
            patch scores [B, 1, h, w] (logits) as the last; only that map when ``with_features`` is False.

        Raises:
            ValueError: for a wrong number of channels.
        """
        require_channels("discriminator input", x, self.input_channels)
        judged = []
        for scale in range(self.num_scales):
            judged.append(self._judge(self.num_scales - 1 - scale, x))
            x = halve(x) if scale + 1 < self.num_scales else x
        return judged

    def _judge(self, number: int, x: Tensor) -> list[Tensor]:
        if not self.with_features:
            return [self.get_submodule(f"layer{number}")(x)]
        outputs = []
        for index in range(self.num_groups):
            x = self.get_submodule(f"scale{number}_layer{index}")(x)
            outputs.append(x)
        return outputs


def discriminator(inputs: int, base_channels: int, num_layers: int, norm: Norm) -> list[Layers]:
    """The layers of one PatchGAN discriminator, grouped by convolution; the first and the last have no norm."""

    def convolution(inputs: int, outputs: int, stride: int) -> nn.Module:
        return nn.Conv2d(inputs, outputs, 4, stride=stride, padding=2)

    widths = [min(MAX_CHANNELS, base_channels * 2**level) for level in range(num_layers + 1)]
    groups: list[Layers] = [[convolution(inputs, widths[0], 2), nn.LeakyReLU(0.2, inplace=True)]]
    for level in range(1, num_layers + 1):
        stride = 2 if level < num_layers else 1
        narrow, wide = widths[level - 1], widths[level]
        groups.append([convolution(narrow, wide, stride), norm(wide), nn.LeakyReLU(0.2, inplace=True)])
    return [*groups, [convolution(widths[-1], 1, 1)]]
