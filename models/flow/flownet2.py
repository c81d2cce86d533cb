"""FlowNet 2.0 in plain PyTorch: five networks that correct each other's flow (Ilg et al., CVPR 2017).

Parameters bear the published names, so that the published checkpoint loads as it is.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.flow.warp import warp

DIV_FLOW = 20  # the published div_flow: the networks speak of flow in units of 20 pixels
MULTIPLE = 64  # the sides that six halvings can take


def correlation(first: Tensor, second: Tensor, *, max_displacement: int = 20, stride: int = 2) -> Tensor:
    """Correlation of each place of ``first`` with the places around it in ``second``.

    The work goes row of displacements by row of displacements. For one of them, the product of an image row with the
    displaced row holds every pair of their columns, and the wanted pairs lie on its diagonals: so a step needs
    (W + 2 ``max_displacement``) / C times the memory of a feature map, in place of one copy for each displacement.

    Args:
        first, second: features, [B, C, H, W]; outside ``second`` is zero.
        max_displacement: how far to look, in places.
        stride: distance between two displacements; divides ``max_displacement``.

    Returns:
        [B, N * N, H, W] with N = 2 ``max_displacement`` / ``stride`` + 1: the mean over the channels of the product,
        displacements ordered by rows, from (-max, -max) over (x) first.

    Raises:
        ValueError: when the two differ in shape, or ``stride`` does not divide ``max_displacement``.
    """
    if first.shape != second.shape:
        raise ValueError(f"expected two feature maps of one shape, got {tuple(first.shape)} and {tuple(second.shape)}")
    if max_displacement % stride:
        raise ValueError(f"expected a stride that divides {max_displacement}, got {stride}")
    channels, height = first.shape[1:3]
    offsets = range(0, 2 * max_displacement + 1, stride)
    rows = first.permute(0, 2, 3, 1) / channels  # [B, H, W, C]
    padded = F.pad(second, (max_displacement,) * 4).permute(0, 2, 1, 3).contiguous()  # [B, H + 2 max, C, W + 2 max]
    found = first.new_empty(first.shape[0], len(offsets), len(offsets), *first.shape[2:])
    for row, down in enumerate(offsets):
        products = rows @ padded[:, down : down + height]  # [B, H, W, W + 2 max]
        for column, right in enumerate(offsets):
            found[:, row, column] = products.diagonal(right, dim1=2, dim2=3)
    return found.flatten(1, 2)


def channel_norm(image: Tensor) -> Tensor:
    """Length of every pixel's vector, [B, C, H, W] -> [B, 1, H, W]."""
    return torch.linalg.vector_norm(image, dim=1, keepdim=True)


def _conv(channels: int, out: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2), nn.LeakyReLU(0.1, inplace=True)
    )


def _deconv(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1), nn.LeakyReLU(0.1, inplace=True))


def _inter_conv(channels: int, out: int) -> nn.Sequential:
    # alone in its container: the published names end in .0 here too
    return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1))


def _predict_flow(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, 2, 3, padding=1)


def _upsampled_flow(*, bias: bool = True) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1, bias=bias)


class _Refining(nn.Module):
    """What FlowNetC, FlowNetS and FlowNetSD share: from features at 1/8 of the size down to 1/64, flow back up to 1/4.

    Levels are named by the number of halvings: level 2 has a quarter of the size.
    """

    skipped = {5: 512, 4: 512, 3: 256, 2: 128}  # channels that the way down hands to the way up
    raised = {5: 512, 4: 256, 3: 128, 2: 64}  # channels that come up from the coarser level

    def __init__(self, *, eighth_channels: int, flow_bias: bool, has_inter_convs: bool) -> None:
        """Build the shared layers.

        Args:
            eighth_channels: of the features at 1/8 of the size.
            flow_bias: whether the layers that enlarge a flow have a bias.
            has_inter_convs: whether a convolution stands between a level's features and its flow.
        """
        super().__init__()
        self.has_inter_convs = has_inter_convs
        self.conv3_1 = _conv(eighth_channels, 256)
        channels = 256
        for level, wider in ((4, 512), (5, 512), (6, 1024)):
            self.add_module(f"conv{level}", _conv(channels, wider, stride=2))
            self.add_module(f"conv{level}_1", _conv(wider, wider))
            channels = wider
        self.predict_flow6 = _predict_flow(channels)
        for level, raised in self.raised.items():
            self.add_module(f"deconv{level}", _deconv(channels, raised))
            self.add_module(f"upsampled_flow{level + 1}_to_{level}", _upsampled_flow(bias=flow_bias))
            channels = self.skipped[level] + raised + 2
            if has_inter_convs:
                self.add_module(f"inter_conv{level}", _inter_conv(channels, raised))
            self.add_module(f"predict_flow{level}", _predict_flow(raised if has_inter_convs else channels))

    def refine(self, quarter: Tensor, eighth: Tensor) -> Tensor:
        """Flow at a quarter of the size, [B, 2, H/4, W/4], from features at a quarter and at an eighth of it."""
        layer = self.get_submodule
        skipped = {2: quarter, 3: self.conv3_1(eighth)}
        for level in (4, 5, 6):
            skipped[level] = layer(f"conv{level}_1")(layer(f"conv{level}")(skipped[level - 1]))
        features = skipped[6]
        flow = self.predict_flow6(features)
        for level in self.raised:
            raised = layer(f"deconv{level}")(features)
            enlarged = layer(f"upsampled_flow{level + 1}_to_{level}")(flow)
            features = torch.cat((skipped[level], raised, enlarged), dim=1)
            seen = layer(f"inter_conv{level}")(features) if self.has_inter_convs else features
            flow = layer(f"predict_flow{level}")(seen)
        return flow


class FlowNetC(_Refining):
    """The first guess: features of both images, compared by correlation."""

    def __init__(self) -> None:
        super().__init__(eighth_channels=32 + 441, flow_bias=True, has_inter_convs=False)
        self.conv1 = _conv(3, 64, kernel=7, stride=2)
        self.conv2 = _conv(64, 128, kernel=5, stride=2)
        self.conv3 = _conv(128, 256, kernel=5, stride=2)
        self.conv_redir = _conv(256, 32, kernel=1)

    def forward(self, pair: Tensor) -> Tensor:
        """Flow [B, 2, H/4, W/4] of the two images in ``pair`` [B, 6, H, W]."""
        quarters = self.conv2(self.conv1(torch.cat(pair.chunk(2, dim=1))))
        first, second = self.conv3(quarters).chunk(2)
        alike = F.leaky_relu(correlation(first, second), 0.1, inplace=True)
        return self.refine(quarters.chunk(2)[0], torch.cat((self.conv_redir(first), alike), dim=1))


class FlowNetS(_Refining):
    """A correction: sees the images, the second one warped by the guess, the guess, and the error that it leaves."""

    def __init__(self) -> None:
        super().__init__(eighth_channels=256, flow_bias=False, has_inter_convs=False)
        self.conv1 = _conv(12, 64, kernel=7, stride=2)
        self.conv2 = _conv(64, 128, kernel=5, stride=2)
        self.conv3 = _conv(128, 256, kernel=5, stride=2)

    def forward(self, evidence: Tensor) -> Tensor:
        """Flow [B, 2, H/4, W/4] from ``evidence`` [B, 12, H, W]."""
        quarter = self.conv2(self.conv1(evidence))
        return self.refine(quarter, self.conv3(quarter))


class FlowNetSD(_Refining):
    """Flow of small displacements: small kernels, and no halving at first."""

    def __init__(self) -> None:
        super().__init__(eighth_channels=256, flow_bias=True, has_inter_convs=True)
        self.conv0 = _conv(6, 64)
        self.conv1 = _conv(64, 64, stride=2)
        self.conv1_1 = _conv(64, 128)
        self.conv2 = _conv(128, 128, stride=2)
        self.conv2_1 = _conv(128, 128)
        self.conv3 = _conv(128, 256, stride=2)

    def forward(self, pair: Tensor) -> Tensor:
        """Flow [B, 2, H/4, W/4] of the two images in ``pair`` [B, 6, H, W]."""
        half = self.conv1_1(self.conv1(self.conv0(pair)))
        quarter = self.conv2_1(self.conv2(half))
        return self.refine(quarter, self.conv3(quarter))


class FlowNetFusion(nn.Module):
    """One flow at full size from the flow of large and the flow of small displacements."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = _conv(11, 64)
        self.conv1 = _conv(64, 64, stride=2)
        self.conv1_1 = _conv(64, 128)
        self.conv2 = _conv(128, 128, stride=2)
        self.conv2_1 = _conv(128, 128)
        self.deconv1 = _deconv(128, 32)
        self.deconv0 = _deconv(128 + 32 + 2, 16)
        self.inter_conv1 = _inter_conv(128 + 32 + 2, 32)
        self.inter_conv0 = _inter_conv(64 + 16 + 2, 16)
        self.predict_flow2 = _predict_flow(128)
        self.predict_flow1 = _predict_flow(32)
        self.predict_flow0 = _predict_flow(16)
        self.upsampled_flow2_to_1 = _upsampled_flow()
        self.upsampled_flow1_to_0 = _upsampled_flow()

    def forward(self, evidence: Tensor) -> Tensor:
        """Flow in pixels, [B, 2, H, W], from ``evidence`` [B, 11, H, W]."""
        whole = self.conv0(evidence)
        half = self.conv1_1(self.conv1(whole))
        quarter = self.conv2_1(self.conv2(half))
        flow = self.upsampled_flow2_to_1(self.predict_flow2(quarter))
        half = torch.cat((half, self.deconv1(quarter), flow), dim=1)
        flow = self.upsampled_flow1_to_0(self.predict_flow1(self.inter_conv1(half)))
        whole = torch.cat((whole, self.deconv0(half), flow), dim=1)
        return self.predict_flow0(self.inter_conv0(whole))


class FlowNet2(nn.Module):
    """FlowNetC, corrected by two FlowNetS; FlowNetSD beside them; a last network chooses between the two."""

    def __init__(self) -> None:
        super().__init__()
        self.flownetc = FlowNetC()
        self.flownets_1 = FlowNetS()
        self.flownets_2 = FlowNetS()
        self.flownets_d = FlowNetSD()
        self.flownetfusion = FlowNetFusion()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow that carries ``second`` onto ``first``: ``warp(second, flow)`` looks like ``first``.

        Args:
            first, second: images, [B, 3, H, W] in [-1, 1] (the published ``rgb_max`` is 1); sides are multiples of 64.

        Returns:
            [B, 2, H, W] in pixels, x then y.

        Raises:
            ValueError: when a side is no multiple of 64.
        """
        if any(side % MULTIPLE for side in first.shape[-2:]):
            raise ValueError(f"expected sides that are multiples of {MULTIPLE}, got {tuple(first.shape[-2:])}")
        mean = (first.mean(dim=(2, 3), keepdim=True) + second.mean(dim=(2, 3), keepdim=True)) / 2
        first, second = first - mean, second - mean
        pair = torch.cat((first, second), dim=1)

        large = self.flownetc(pair) * DIV_FLOW
        for corrector in (self.flownets_1, self.flownets_2):
            large = F.interpolate(large, scale_factor=4, mode="bilinear", align_corners=False)
            guessed = warp(second, large)
            evidence = (pair, guessed, large / DIV_FLOW, channel_norm(first - guessed))
            large = corrector(torch.cat(evidence, dim=1)) * DIV_FLOW
        # no slip: where the others speak of 20 pixels, this branch speaks of twentieths of one
        small = self.flownets_d(pair) / DIV_FLOW

        flows = [F.interpolate(flow, scale_factor=4, mode="nearest") for flow in (small, large)]
        lengths = [channel_norm(flow) for flow in flows]
        errors = [channel_norm(first - warp(second, flow)) for flow in flows]
        return self.flownetfusion(torch.cat((first, *flows, *lengths, *errors), dim=1))
