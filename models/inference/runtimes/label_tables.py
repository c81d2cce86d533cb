"""Label maps read by table, without multiplying zeros: what each different pixel adds at each place."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.coarse_to_fine import VideoGenerator
from models.networks.generator import IMAGE_CHANNELS, CompositeGenerator

_MOST_DIFFERENT = 512  # pixels that may have an entry; a street at 256x512 has about 300, between its labels
_STRIP = 2**15  # pixels that are looked up at once
_FEWEST_CHANNELS = 16  # of a semantic frame; with fewer, products are as fast as rows (measured: about 8)


class TableReader:
    """``CompositeGenerator.read`` on the CPU, for semantic frames in which few pixels differ, as in label maps.

    A convolution is a sum over the places of its kernel; where only U different pixels occur, all that it can add at a
    place are U rows of numbers. They are computed once a frame, and the sum is one of looked-up rows: 49 rows for each
    semantic frame in place of 49 products with all channels. It is exact up to the order of the sum. Frames with more
    different pixels are read by the convolution itself, and so are all frames after them.
    """

    def __init__(self, generator: CompositeGenerator) -> None:
        """Read for ``generator``, which is not changed any more."""
        convolutions = [_reading(encoder) for encoder in generator.readers]
        self.generator = generator
        self.num_frames = _num_frames(generator)
        self.channels = generator.semantic_channels // self.num_frames
        self.kernel = convolutions[0].kernel_size[0]
        self.outputs = [one.out_channels for one in convolutions]
        weight = torch.cat([one.weight.detach() for one in convolutions])
        parts = weight.unflatten(1, (self.num_frames, self.channels)).permute(1, 2, 3, 4, 0)
        self.weight = parts.flatten(2).contiguous()  # [frames, channels, kernel * kernel * outputs]
        self.bias = torch.cat([_bias(one) for one in convolutions])
        # any numbers that tell pixels apart; that they did is looked at
        self.mark = torch.rand(self.channels, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        self.is_worthwhile = True

    @torch.no_grad()
    def __call__(self, semantic: Tensor) -> list[Tensor]:
        """See ``CompositeGenerator.read``; ``semantic`` is [1, frames * channels, H, W]."""
        found = self._different_pixels(self.generator.shrink(semantic)) if self.is_worthwhile else None
        if found is None:
            self.is_worthwhile = False
            return self.generator.read(semantic)
        return list(self._looked_up(*found).split(self.outputs, dim=1))

    def _different_pixels(self, seen: Tensor) -> tuple[Tensor, Tensor] | None:
        """The different pixels, [U, channels], and which is where, [frames, h, w]; None if they are too many."""
        if seen.shape[0] != 1:
            return None
        height, width = seen.shape[-2:]
        pixels = seen.view(self.num_frames, self.channels, -1).transpose(1, 2).reshape(-1, self.channels)
        marks, which = torch.unique(pixels.double() @ self.mark, return_inverse=True)
        if len(marks) > _MOST_DIFFERENT:
            return None
        someone = which.new_empty(len(marks)).scatter_(0, which, torch.arange(len(which)))
        different = pixels[someone]
        is_told_apart = torch.equal(different[which], pixels)
        return (different, which.view(self.num_frames, height, width)) if is_told_apart else None

    def _looked_up(self, different: Tensor, which: Tensor) -> Tensor:
        """The sum of rows at every pixel, [1, outputs, h, w], channels last; borders reflect as in the generator."""
        height, width = which.shape[-2:]
        places = self.kernel * self.kernel
        table = torch.matmul(different, self.weight).view(-1, len(self.bias))  # a row a frame, pixel and place
        frames = torch.arange(self.num_frames).view(-1, 1, 1) * len(different)
        margin = (self.kernel // 2,) * 4
        padded = F.pad(which[None].float(), margin, mode="reflect")[0].long()  # whole numbers this small stay exact
        windows = ((padded + frames) * places).unfold(1, self.kernel, 1).unfold(2, self.kernel, 1)
        place = torch.arange(places).view(self.kernel, self.kernel)
        # in strips: the numbers of the rows take 588 bytes a pixel
        strips = windows.permute(1, 2, 0, 3, 4).split(max(1, _STRIP // width))
        rows = ((strip + place).int().reshape(-1, self.num_frames * places) for strip in strips)
        summed = torch.cat([F.embedding_bag(one, table, mode="sum") for one in rows]) + self.bias
        return summed.view(1, height, width, -1).permute(0, 3, 1, 2)


def table_reader(generator: VideoGenerator) -> TableReader | None:
    """A reader for ``generator``, or None where it would gain nothing: several scales, few channels, few outputs."""
    if not isinstance(generator, CompositeGenerator):
        return None
    channels = generator.semantic_channels // _num_frames(generator)
    # of very few outputs a WideHead may have been made
    is_plain = all(isinstance(encoder[1], nn.Conv2d) for encoder in generator.readers)
    return TableReader(generator) if is_plain and channels >= _FEWEST_CHANNELS else None


def _num_frames(generator: CompositeGenerator) -> int:
    return 1 + generator.previous_channels // IMAGE_CHANNELS


def _reading(encoder: nn.Sequential) -> nn.Conv2d:
    padding, convolution = encoder[0], encoder[1]
    assert isinstance(padding, nn.ReflectionPad2d) and isinstance(convolution, nn.Conv2d)
    return convolution


def _bias(convolution: nn.Conv2d) -> Tensor:
    empty = convolution.weight.new_zeros(convolution.out_channels)
    return empty if convolution.bias is None else convolution.bias.detach()
