"""Composite generator: the next frame from the last frames and their semantics.

Teacher and spatially low-demand student are two configurations of one class.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.flow.warp import warp
from models.networks.blocks import conv7, decode, encode, initialise, make_norm, require_channels, residuals, widen

IMAGE_CHANNELS = 3  # of every generated frame
FLOW_SCALE = 20.0  # the flow head's output of 1 means so many pixels
BLEND_BIAS = "model_final_w.1.bias"  # the name of the blending head's bias
# how the names of the flow branch's parameters begin
FLOW_BRANCH = ("model_res_flow.", "model_up_flow.", "model_final_flow.", "model_final_w.")
_FIRST = slice(2)  # of an encoder: the padding and the convolution that read its input
_REST = slice(2, None)


class GeneratorFeatures(NamedTuple):
    """What a finer scale reads, the input of each head, [B, base_channels, H, W]; the bottleneck."""

    image: Tensor
    flow: Tensor | None
    foreground: Tensor | None  # half as wide when num_downsamples > 2
    bottleneck: Tensor | None = None  # of the coarsest scale, where its image and flow branch begin, [B, C, h, w]


class GeneratorOutput(NamedTuple):
    """One generated frame and its by-products; ``None`` where the network has no such branch or skipped it."""

    final: Tensor  # [B, 3, H, W] in [-1, 1]
    raw: Tensor  # the same, drawn without the previous frame's pixels
    flow: Tensor | None = None  # [B, 2, H, W] in pixels, x then y, into the newest previous frame
    weight: Tensor | None = None  # [B, 1, H, W] in [0, 1]: the share of ``raw``
    features: GeneratorFeatures | None = None


class CompositeGenerator(nn.Module):
    """Draws a frame, warps the previous one, and blends the two (vid2vid; Fast-Vid2Vid, sections 3.1 and 3.3).

    Args:
        semantic_channels: channels of one semantic frame.
        num_frames: semantic frames read; one more than the generated frames read.
        base_channels: channels at full resolution; doubled by every down-sampling.
        flow_channels: the same of the flow branch where it is drawn up again; None: ``base_channels``.
        num_downsamples: how often the encoder halves the size.
        num_blocks: residual blocks, the larger half before and the smaller after the two inputs are added.
        norm: ``batch`` or ``instance``.
        block: ``residual``, or ``mobile`` for the student.
        low_demand: read semantics and previous frames at half resolution and halve once less; parameters
            keep their names and shapes, and frames are still written at full resolution.
        has_foreground: a second branch draws the pixels of the foreground labels.
        has_flow: predict flow and blending weight; without, the drawn image is the result.
        align_corners: see ``warp``.
    """

    def __init__(
        self,
        *,
        semantic_channels: int,
        num_frames: int = 3,
        base_channels: int = 128,
        flow_channels: int | None = None,
        num_downsamples: int = 3,
        num_blocks: int = 9,
        norm: str = "batch",
        block: str = "residual",
        low_demand: bool = False,
        has_foreground: bool = False,
        has_flow: bool = True,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        self.semantic_channels = num_frames * semantic_channels
        self.previous_channels = (num_frames - 1) * IMAGE_CHANNELS
        self.num_downsamples = num_downsamples
        self.low_demand = low_demand
        self.has_foreground = has_foreground
        self.has_flow = has_flow
        self.align_corners = align_corners

        normalise = make_norm(norm)
        first_stride = 1 if low_demand else 2
        widths = widen(base_channels, num_downsamples)
        self.bottleneck_channels = widths[-1]
        before, after = num_blocks - num_blocks // 2, num_blocks // 2

        def encoder(inputs: int) -> nn.Sequential:
            layers = encode(inputs, widths, normalise, first_stride=first_stride)
            return nn.Sequential(*layers, *residuals(before, widths[-1], normalise, kind=block))

        self.model_down_seg = encoder(self.semantic_channels)
        self.model_down_img = encoder(self.previous_channels)
        self.model_res_img = nn.Sequential(*residuals(after, widths[-1], normalise, kind=block))
        self.model_up_img = nn.Sequential(*decode(widths, normalise))
        self.model_final_img = nn.Sequential(*conv7(base_channels, IMAGE_CHANNELS), nn.Tanh())
        if has_flow:
            self.model_res_flow = nn.Sequential(*residuals(after, widths[-1], normalise, kind=block))
            # both branches begin with the same features; only on the way up may this one be narrower
            flow_widths = [*widen(flow_channels or base_channels, num_downsamples)[:-1], widths[-1]]
            self.model_up_flow = nn.Sequential(*decode(flow_widths, normalise))
            self.model_final_flow = nn.Sequential(*conv7(flow_widths[0], 2))
            self.model_final_w = nn.Sequential(*conv7(flow_widths[0], 1), nn.Sigmoid())
        if has_foreground:
            widths = widen(foreground_channels(base_channels, num_downsamples), num_downsamples)
            self.indv_down = nn.Sequential(
                *encode(self.semantic_channels, widths, normalise, first_stride=first_stride)
            )
            self.indv_res = nn.Sequential(*residuals(num_blocks, widths[-1], normalise, kind=block))
            self.indv_up = nn.Sequential(*decode(widths, normalise))
            self.indv_final = nn.Sequential(*conv7(widths[0], IMAGE_CHANNELS), nn.Tanh())
        initialise(self)

    @torch.no_grad()
    def begin_as_copy(self, *, raw_share: float = 0.2) -> None:
        """Start training from a network that repeats the previous frame: no flow, and little of what is drawn.

        Ours, for trainings too short to unlearn a random flow first; the published networks start at random.

        Args:
            raw_share: how much of the drawn image the blend shows at first.

        Raises:
            ValueError: when the network has no flow branch.
        """
        if not self.has_flow:
            raise ValueError("expected a generator with a flow branch, got one without")
        for head, bias in ((self.model_final_flow, 0.0), (self.model_final_w, math.log(raw_share / (1 - raw_share)))):
            convolution = next(layer for layer in head if isinstance(layer, nn.Conv2d))
            convolution.weight.zero_()
            assert convolution.bias is not None
            convolution.bias.fill_(bias)

    @torch.no_grad()
    def shift_blend(self, by: float) -> None:
        """Add ``by`` to the blending head's bias: below 0 shows less of what is drawn, more of the moved frame.

        Ours, not in the paper. The weight is the sigmoid of what that head gives.

        Raises:
            ValueError: when the network has no flow branch.
        """
        if not self.has_flow:
            raise ValueError("expected a generator with a flow branch, got one without")
        self.get_parameter(BLEND_BIAS).add_(by)

    def forward(
        self,
        semantic: Tensor,
        previous: Tensor,
        *,
        foreground_mask: Tensor | None = None,
        raw_only: bool = False,
    ) -> GeneratorOutput:
        """Generate one frame per batch item.

        Args:
            semantic: the last ``num_frames`` semantic frames, oldest first, [B, num_frames * C, H, W].
            previous: the last ``num_frames - 1`` generated frames, oldest first, [B, (num_frames - 1) * 3, H, W].
                H and W are divisible by 2**num_downsamples, or by 2 when ``low_demand``.
            foreground_mask: 1 where the foreground branch draws, [B, 1, H, W]. Needed with that branch,
                and ignored without it.
            raw_only: there is no previous frame worth warping (the first frame of a video): the flow
                branch does not run. The foreground is drawn all the same, unlike in the published program.

        Raises:
            ValueError: for a wrong number of channels, a size that cannot be halved, or a missing mask.
        """
        self._check(semantic, previous)
        return self.draw(self.read(semantic), previous, foreground_mask=foreground_mask, raw_only=raw_only)

    @property
    def readers(self) -> list[nn.Sequential]:
        """The encoders that read the semantic frames: of the image, and of the foreground if it has a branch."""
        return [self.model_down_seg, self.indv_down] if self.has_foreground else [self.model_down_seg]

    def read(self, semantic: Tensor) -> list[Tensor]:
        """What the first convolution of each of ``readers`` makes of the semantic frames; ``draw`` does the rest."""
        seen = self.shrink(semantic)
        return [cast(Tensor, encoder[_FIRST](seen)) for encoder in self.readers]

    def shrink(self, frames: Tensor) -> Tensor:
        """Frames as the encoders see them: at half resolution when ``low_demand``, else as they are."""
        if not self.low_demand:
            return frames
        height, width = frames.shape[-2:]
        return F.interpolate(frames, size=(height // 2, width // 2), mode="bilinear", align_corners=False)

    def draw(
        self,
        read: Sequence[Tensor],
        previous: Tensor,
        *,
        foreground_mask: Tensor | None = None,
        raw_only: bool = False,
    ) -> GeneratorOutput:
        """Generate one frame per batch item from what ``read`` gave; the rest as in ``forward``."""
        height, width = previous.shape[-2:]
        # a half-size that is not a multiple comes back larger; the surplus is at the bottom and right,
        # so that cropping it leaves every pixel in its place
        visible = (..., slice(height), slice(width))
        encoded = self.model_down_seg[_REST](read[0]) + self.model_down_img(self.shrink(previous))
        image_features = self.model_up_img(self.model_res_img(encoded))[visible]
        raw = self.model_final_img(image_features)
        final, flow, weight, flow_features, foreground_features = raw, None, None, None, None
        if self.has_flow and not raw_only:
            flow_features = self.model_up_flow(self.model_res_flow(encoded))[visible]
            flow = self.model_final_flow(flow_features) * FLOW_SCALE
            weight = self.model_final_w(flow_features)
            final = blend(raw, previous[:, -IMAGE_CHANNELS:], flow, weight, align_corners=self.align_corners)
        if self.has_foreground:
            foreground_features = self.indv_up(self.indv_res(self.indv_down[_REST](read[1])))[visible]
            mask = require_mask(foreground_mask, raw)
            foreground = self.indv_final(foreground_features)
            final, raw = paste(foreground, final, mask), paste(foreground, raw, mask)
        features = GeneratorFeatures(image_features, flow_features, foreground_features, encoded)
        return GeneratorOutput(final, raw, flow, weight, features)

    def _check(self, semantic: Tensor, previous: Tensor) -> None:
        require_channels("semantic", semantic, self.semantic_channels)
        require_channels("previous", previous, self.previous_channels)
        size, previous_size = tuple(semantic.shape[-2:]), tuple(previous.shape[-2:])
        if semantic.shape[0] != previous.shape[0] or size != previous_size:
            raise ValueError(
                f"expected previous of the batch and size of semantic, {semantic.shape[0]} x {size}, "
                f"got {previous.shape[0]} x {previous_size}"
            )
        multiple = 2 if self.low_demand else 2**self.num_downsamples
        smallest = 2 ** (self.num_downsamples + 1)  # leaves 2 pixels at the bottom, for the reflecting pads
        if any(side % multiple or side < smallest for side in size):
            raise ValueError(f"expected sides divisible by {multiple} and at least {smallest}, got {size}")


def foreground_channels(base_channels: int, num_downsamples: int) -> int:
    """Channels of the foreground branch at full resolution: half as wide in deep generators."""
    return base_channels // 2 if num_downsamples > 2 else base_channels


def blend(raw: Tensor, newest: Tensor, flow: Tensor, weight: Tensor, *, align_corners: bool) -> Tensor:
    """Mix the drawn image with the newest previous frame, moved by ``flow``; ``weight`` is the drawn image's share."""
    return weight * raw + (1 - weight) * warp(newest, flow, align_corners=align_corners)


def paste(foreground: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Put ``foreground`` over ``image`` where ``mask`` [B, 1, H, W] is 1."""
    return mask * foreground + (1 - mask) * image


def require_mask(mask: Tensor | None, image: Tensor) -> Tensor:
    """The foreground mask in the type of ``image``.

    Raises:
        ValueError: when it is missing, or not [B, 1, H, W] for the image's B, H and W.
    """
    expected = (image.shape[0], 1, *image.shape[-2:])
    if mask is None or tuple(mask.shape) != expected:
        got = "none" if mask is None else str(tuple(mask.shape))
        raise ValueError(f"expected foreground_mask of shape {expected}, got {got}")
    return mask.to(image.dtype)
