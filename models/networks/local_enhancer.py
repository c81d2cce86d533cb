"""Local enhancer: a finer scale that adds detail to a coarser one."""

from torch import Tensor, nn

from models.networks.blocks import conv7, encode, initialise, make_norm, require_channels, residuals, up
from models.networks.generator import (
    FLOW_SCALE,
    IMAGE_CHANNELS,
    GeneratorFeatures,
    GeneratorOutput,
    blend,
    foreground_channels,
    paste,
    require_mask,
)


class LocalEnhancer(nn.Module):
    """Generates a frame at twice the size of the scale below, whose features it reads (vid2vid, ``compositeLocal``).

    Args:
        semantic_channels: channels of one semantic frame.
        scale: 1 for the scale above the composite generator, 2 for the next, and so on.
        num_frames: semantic frames read; one more than the generated frames read.
        base_channels: channels of this scale at full resolution: half of the coarser scale's.
        num_downsamples: of the composite generator below; decides how wide the foreground branch is.
        num_blocks: residual blocks of each branch.
        norm: ``batch`` or ``instance``.
        has_foreground: a second branch draws the pixels of the foreground labels.
        has_flow: predict flow and blending weight; without, the drawn image is the result.
        align_corners: see ``warp``.
    """

    def __init__(
        self,
        *,
        semantic_channels: int,
        scale: int = 1,
        num_frames: int = 3,
        base_channels: int = 64,
        num_downsamples: int = 3,
        num_blocks: int = 3,
        norm: str = "batch",
        has_foreground: bool = False,
        has_flow: bool = True,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        if scale < 1:
            raise ValueError(f"expected scale 1 or more, got {scale}")
        self.scale = scale
        self.semantic_channels = num_frames * semantic_channels
        self.previous_channels = (num_frames - 1) * IMAGE_CHANNELS
        self.base_channels = base_channels
        self.has_foreground = has_foreground
        self.has_flow = has_flow
        self.align_corners = align_corners

        normalise = make_norm(norm)

        def encoder(inputs: int, width: int) -> nn.Sequential:
            return nn.Sequential(*encode(inputs, [width, 2 * width], normalise))

        def decoder(width: int) -> nn.Sequential:
            return nn.Sequential(*residuals(num_blocks, 2 * width, normalise), *up(2 * width, width, normalise))

        self.model_down_seg = encoder(self.semantic_channels, base_channels)
        self.model_down_img = encoder(self.previous_channels, base_channels)
        self.model_up_img = decoder(base_channels)
        self.model_final_img = nn.Sequential(*conv7(base_channels, IMAGE_CHANNELS), nn.Tanh())
        if has_flow:
            self.model_up_flow = decoder(base_channels)
            self.model_final_flow = nn.Sequential(*conv7(base_channels, 2))
            self.model_final_w = nn.Sequential(*conv7(base_channels, 1), nn.Sigmoid())
        if has_foreground:
            width = foreground_channels(base_channels, num_downsamples)
            self.indv_down = encoder(self.semantic_channels, width)
            self.indv_up = decoder(width)
            self.indv_final = nn.Sequential(*conv7(width, IMAGE_CHANNELS), nn.Tanh())
        initialise(self)

    def forward(
        self,
        semantic: Tensor,
        previous: Tensor,
        coarse: GeneratorFeatures,
        *,
        foreground_mask: Tensor | None = None,
        raw_only: bool = False,
    ) -> GeneratorOutput:
        """Generate one frame per batch item.

        Args:
            semantic: semantic frames at this scale, oldest first, [B, num_frames * C, H, W]; H and W are even.
            previous: generated frames at this scale, oldest first, [B, (num_frames - 1) * 3, H, W].
            coarse: the features of the scale below for the same frames, [B, 2 * base_channels, H/2, W/2].
            foreground_mask: 1 where the foreground branch draws, [B, 1, H, W]; needed with that branch.
            raw_only: as in ``CompositeGenerator``.

        Raises:
            ValueError: for a wrong number of channels or size, or a missing mask.
        """
        require_channels("semantic", semantic, self.semantic_channels)
        require_channels("previous", previous, self.previous_channels)
        encoded = self.model_down_seg(semantic) + self.model_down_img(previous)
        image_features = self.model_up_img(encoded + like("image", coarse.image, encoded))
        raw = self.model_final_img(image_features)
        final, flow, weight, flow_features, foreground_features = raw, None, None, None, None
        if self.has_flow and not raw_only:
            flow_features = self.model_up_flow(encoded + like("flow", coarse.flow, encoded))
            flow = self.model_final_flow(flow_features) * (FLOW_SCALE * 2**self.scale)
            weight = self.model_final_w(flow_features)
            final = blend(raw, previous[:, -IMAGE_CHANNELS:], flow, weight, align_corners=self.align_corners)
        if self.has_foreground:
            drawn = self.indv_down(semantic)
            foreground_features = self.indv_up(drawn + like("foreground", coarse.foreground, drawn))
            mask = require_mask(foreground_mask, raw)
            foreground = self.indv_final(foreground_features)
            final, raw = paste(foreground, final, mask), paste(foreground, raw, mask)
        features = GeneratorFeatures(image_features, flow_features, foreground_features, coarse.bottleneck)
        return GeneratorOutput(final, raw, flow, weight, features)


def like(what: str, coarse: Tensor | None, fine: Tensor) -> Tensor:
    """The coarse features called ``what``, if they can be added to ``fine``.

    Raises:
        ValueError: when they are missing or have another shape.
    """
    if coarse is None or coarse.shape != fine.shape:
        got = "none" if coarse is None else str(tuple(coarse.shape))
        raise ValueError(f"expected coarse {what} features of shape {tuple(fine.shape)}, got {got}")
    return coarse
