"""Who draws a video's first frame, when no frame is given?

Single-image generators (pix2pixHD), with and without a feature map ``z`` that chooses each object's looks,
and the encoder that finds such features in a real image.
"""

import torch
from torch import Tensor, nn

from models.networks.blocks import (
    conv7,
    decode,
    encode,
    halve,
    initialise,
    make_norm,
    require_channels,
    residuals,
    up,
    widen,
)

MAX_CHANNELS = 1024


class GlobalGenerator(nn.Module):
    """Down, residual blocks, up: one semantic map -> one image (pix2pixHD, ``global``).

    Args:
        semantic_channels: channels of the input.
        image_channels: channels of the output.
        base_channels: channels at full resolution; doubled by every down-sampling, at most 1024.
        num_downsamples: how often the size is halved.
        num_blocks: residual blocks at the smallest size.
        norm: ``batch`` or ``instance``.
    """

    def __init__(
        self,
        *,
        semantic_channels: int,
        image_channels: int = 3,
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
            *conv7(widths[0], image_channels),
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


class EnhancedGlobalGenerator(nn.Module):
    """A global generator at a fraction of the size, and enhancers that double it (pix2pixHD, ``local``).

    Args:
        semantic_channels: channels of the input.
        image_channels: channels of the output.
        base_channels: channels of the finest enhancer; doubled for every coarser one.
        num_downsamples: of the global generator.
        num_blocks: residual blocks of the global generator.
        num_enhancers: scales above the global generator, each twice the size of the one below.
        num_enhancer_blocks: residual blocks of an enhancer.
        norm: ``batch`` or ``instance``.
    """

    def __init__(
        self,
        *,
        semantic_channels: int,
        image_channels: int = 3,
        base_channels: int = 32,
        num_downsamples: int = 3,
        num_blocks: int = 9,
        num_enhancers: int = 1,
        num_enhancer_blocks: int = 3,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.semantic_channels = semantic_channels
        self.num_halvings = num_downsamples + num_enhancers
        self.num_enhancers = num_enhancers
        coarsest = GlobalGenerator(
            semantic_channels=semantic_channels,
            image_channels=image_channels,
            base_channels=base_channels * 2**num_enhancers,
            num_downsamples=num_downsamples,
            num_blocks=num_blocks,
            norm=norm,
        )
        self.model = coarsest.model[:-3]  # features, not an image: without pad, convolution and tanh
        normalise = make_norm(norm)
        for number in range(1, num_enhancers + 1):  # 1 is the coarsest, as in the published names
            width = base_channels * 2 ** (num_enhancers - number)
            refine = [*residuals(num_enhancer_blocks, 2 * width, normalise), *up(2 * width, width, normalise)]
            if number == num_enhancers:
                refine += [*conv7(width, image_channels), nn.Tanh()]
            encoder = encode(semantic_channels, [width, 2 * width], normalise)
            self.add_module(f"model{number}_1", nn.Sequential(*encoder))
            self.add_module(f"model{number}_2", nn.Sequential(*refine))
        initialise(self)

    def forward(self, semantic: Tensor) -> Tensor:
        """Draw [B, 3, H, W] in [-1, 1] from [B, C, H, W].

        H and W are divisible by 2**(num_downsamples + num_enhancers).

        Raises:
            ValueError: for a wrong number of channels or a size that cannot be halved so often.
        """
        require_channels("semantic", semantic, self.semantic_channels)
        require_size(semantic, self.num_halvings)
        *finer, coarsest = pyramid(semantic, self.num_enhancers)
        x = self.model(coarsest)
        for number, seen in enumerate(reversed(finer), start=1):
            encoded = self.get_submodule(f"model{number}_1")(seen)
            x = self.get_submodule(f"model{number}_2")(encoded + x)
        return x


class GlobalGeneratorWithFeatures(nn.Module):
    """A global generator whose every stage also sees a feature map ``z`` (``global_with_features``).

    Args:
        semantic_channels: channels of the semantic input.
        feature_channels: channels of ``z``.
        image_channels: channels of the output.
        base_channels: channels at full resolution; doubled by every down-sampling, at most 1024.
        num_downsamples: how often the size is halved.
        num_blocks: residual blocks at the smallest size.
        norm: ``batch`` or ``instance``.
    """

    def __init__(
        self,
        *,
        semantic_channels: int,
        feature_channels: int,
        image_channels: int = 3,
        base_channels: int = 64,
        num_downsamples: int = 3,
        num_blocks: int = 9,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.semantic_channels = semantic_channels
        self.feature_channels = feature_channels
        self.num_downsamples = num_downsamples
        normalise = make_norm(norm)
        widths = widen(base_channels, num_downsamples, limit=MAX_CHANNELS)
        inner = widths[-1] + feature_channels
        self.model_downsample = nn.Sequential(*encode(semantic_channels + feature_channels, widths, normalise))
        self.model_resnet = nn.Sequential(*residuals(num_blocks, inner, normalise))
        self.model_upsample = nn.Sequential(*decode([*widths[:-1], inner + feature_channels], normalise))
        self.model_upsample_conv = nn.Sequential(*conv7(widths[0] + feature_channels, image_channels), nn.Tanh())
        initialise(self)

    def forward(self, semantic: Tensor, z: Tensor) -> Tensor:
        """Draw [B, 3, H, W] in [-1, 1].

        Args:
            semantic: [B, C, H, W]; H and W are divisible by 2**num_downsamples.
            z: [B, feature_channels, H, W], from a ``FeatureEncoder``.

        Raises:
            ValueError: for a wrong number of channels or a size that cannot be halved so often.
        """
        require_channels("semantic", semantic, self.semantic_channels)
        require_channels("z", z, self.feature_channels)
        require_size(semantic, self.num_downsamples)
        return self.model_upsample_conv(torch.cat((self.upsampled(semantic, z), z), dim=1))

    def upsampled(self, semantic: Tensor, z: Tensor) -> Tensor:
        """The features before the last convolution, [B, base_channels, H, W]: what an enhancer reads."""
        small = pyramid(z, self.num_downsamples)[-1]
        encoded = self.model_downsample(torch.cat((semantic, z), dim=1))
        refined = self.model_resnet(torch.cat((encoded, small), dim=1))
        return self.model_upsample(torch.cat((refined, small), dim=1))


class EnhancedGlobalGeneratorWithFeatures(nn.Module):
    """A global generator with features, and enhancers that double its size (``local_with_features``).

    Every enhancer also sees ``z`` at its own size; the finest one sees it again before the last convolution.
    No published weights of this network are known to us: its parameter names are our own.

    Args:
        semantic_channels: channels of the semantic input.
        feature_channels: channels of ``z``.
        image_channels: channels of the output.
        base_channels: channels of the finest enhancer; doubled for every coarser one.
        num_downsamples: of the global generator.
        num_blocks: residual blocks of the global generator.
        num_enhancers: scales above the global generator, each twice the size of the one below.
        num_enhancer_blocks: residual blocks of an enhancer.
        norm: ``batch`` or ``instance``.
    """

    def __init__(
        self,
        *,
        semantic_channels: int,
        feature_channels: int,
        image_channels: int = 3,
        base_channels: int = 32,
        num_downsamples: int = 3,
        num_blocks: int = 9,
        num_enhancers: int = 1,
        num_enhancer_blocks: int = 3,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.semantic_channels = semantic_channels
        self.feature_channels = feature_channels
        self.num_halvings = num_downsamples + num_enhancers
        self.num_enhancers = num_enhancers
        self.coarsest = GlobalGeneratorWithFeatures(
            semantic_channels=semantic_channels,
            feature_channels=feature_channels,
            image_channels=image_channels,
            base_channels=base_channels * 2**num_enhancers,
            num_downsamples=num_downsamples,
            num_blocks=num_blocks,
            norm=norm,
        )
        del self.coarsest.model_upsample_conv  # features, not an image
        normalise = make_norm(norm)
        for number in range(1, num_enhancers + 1):
            width = base_channels * 2 ** (num_enhancers - number)
            encoder = encode(semantic_channels + feature_channels, [width, 2 * width], normalise)
            refine = [*residuals(num_enhancer_blocks, 2 * width, normalise), *up(2 * width, width, normalise)]
            self.add_module(f"model{number}_1", nn.Sequential(*encoder))
            self.add_module(f"model{number}_2", nn.Sequential(*refine))
        self.model_final = nn.Sequential(*conv7(base_channels + feature_channels, image_channels), nn.Tanh())
        initialise(self)

    def forward(self, semantic: Tensor, z: Tensor) -> Tensor:
        """Draw [B, 3, H, W] in [-1, 1].

        Args:
            semantic: [B, C, H, W]; H and W are divisible by 2**(num_downsamples + num_enhancers).
            z: [B, feature_channels, H, W], from a ``FeatureEncoder``.

        Raises:
            ValueError: for a wrong number of channels or a size that cannot be halved so often.
        """
        require_channels("semantic", semantic, self.semantic_channels)
        require_channels("z", z, self.feature_channels)
        require_size(semantic, self.num_halvings)
        *finer, coarsest = zip(pyramid(semantic, self.num_enhancers), pyramid(z, self.num_enhancers), strict=True)
        x = self.coarsest.upsampled(*coarsest)
        for number, seen in enumerate(reversed(finer), start=1):
            encoded = self.get_submodule(f"model{number}_1")(torch.cat(seen, dim=1))
            x = self.get_submodule(f"model{number}_2")(encoded + x)
        return self.model_final(torch.cat((x, z), dim=1))


class FeatureEncoder(nn.Module):
    """Describes each object of an image by a few numbers (pix2pixHD, ``encoder``).

    Args:
        image_channels: channels of the image.
        feature_channels: numbers per object.
        base_channels: channels at full resolution; doubled by every down-sampling.
        num_downsamples: how often the size is halved.
        norm: ``batch`` or ``instance``.
    """

    def __init__(
        self,
        *,
        image_channels: int = 3,
        feature_channels: int = 3,
        base_channels: int = 32,
        num_downsamples: int = 4,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.image_channels = image_channels
        self.num_downsamples = num_downsamples
        normalise = make_norm(norm)
        widths = widen(base_channels, num_downsamples)
        self.model = nn.Sequential(
            *encode(image_channels, widths, normalise),
            *decode(widths, normalise),
            *conv7(base_channels, feature_channels),
            nn.Tanh(),
        )
        initialise(self)

    def forward(self, image: Tensor, instance: Tensor) -> Tensor:
        """Features, equal all over each object: [B, feature_channels, H, W] in [-1, 1].

        Args:
            image: [B, 3, H, W] in [-1, 1]; H and W are divisible by 2**num_downsamples.
            instance: object numbers, [B, 1, H, W]; the same number in two images is two objects.

        Raises:
            ValueError: for a wrong number of channels or a size that cannot be halved so often.
        """
        require_channels("image", image, self.image_channels)
        require_channels("instance", instance, 1)
        require_size(image, self.num_downsamples)
        return average_per_instance(self.model(image), instance)


def average_per_instance(x: Tensor, instance: Tensor) -> Tensor:
    """Replace ``x`` [B, C, H, W] by its mean over the pixels of the same image and ``instance`` [B, 1, H, W]."""
    batch, channels, height, width = x.shape
    numbers, index = torch.unique(instance, return_inverse=True)
    item = torch.arange(batch, device=x.device).view(batch, 1, 1, 1)
    index = (index + item * len(numbers)).flatten()
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels).float()  # sums of many pixels need 32 bits
    total = pixels.new_zeros(batch * len(numbers), channels).index_add(0, index, pixels)
    count = torch.bincount(index, minlength=len(total)).clamp(min=1)
    mean = (total / count[:, None])[index].to(x.dtype)
    return mean.view(batch, height, width, channels).permute(0, 3, 1, 2)


def pyramid(x: Tensor, num_halvings: int) -> list[Tensor]:
    """``x`` and its halves, finest first."""
    levels = [x]
    for _ in range(num_halvings):
        levels.append(halve(levels[-1]))
    return levels


def require_size(x: Tensor, num_halvings: int) -> None:
    """Raise ValueError unless ``x`` can be halved so often and still be 2 pixels, for the reflecting pads."""
    multiple = 2**num_halvings
    size = tuple(x.shape[-2:])
    if any(side % multiple or side < 2 * multiple for side in size):
        raise ValueError(f"expected sides divisible by {multiple} and at least {2 * multiple}, got {size}")
