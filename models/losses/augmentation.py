"""Differentiable augmentation of what a discriminator sees (Zhao et al., 2020).

A discriminator soon knows a small dataset by heart; it cannot know all its augmentations.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SHIFT = 8  # a picture moves by at most this part of its sides
HOLE = 2  # the cut-out square's sides are this part of the picture's
IMAGE_CHANNELS = 3


class Augmentation(NamedTuple):
    """One draw for each of N pictures; shifts and places are shares of the sides.

    Attributes:
        brightness: added to every colour, [N, 1, 1, 1].
        saturation: of colours about the grey of their pixel, [N, 1, 1, 1].
        contrast: of colours about the mean of their picture, [N, 1, 1, 1].
        shift: rows and columns, -1 to 1 of the largest shift, [N, 2].
        hole: centre of the cut-out square, 0 to 1, [N, 2].
    """

    brightness: Tensor
    saturation: Tensor
    contrast: Tensor
    shift: Tensor
    hole: Tensor

    @classmethod
    def draw(cls, number: int, random: torch.Generator) -> "Augmentation":
        """Draw for so many pictures; on the CPU, so that every device sees the same."""
        colours = torch.rand(3, number, 1, 1, 1, generator=random)
        return cls(
            brightness=colours[0] - 0.5,
            saturation=colours[1] * 2,
            contrast=colours[2] + 0.5,
            shift=torch.rand(number, 2, generator=random) * 2 - 1,
            hole=torch.rand(number, 2, generator=random),
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Augment pictures [N, C, H, W], their semantics first, their colours last; gradients pass.

        Colours change in the last three channels alone, place and hole in all.
        """
        semantic, image = x[:, :-IMAGE_CHANNELS], x[:, -IMAGE_CHANNELS:]
        image = image + self.brightness.to(x)
        grey = image.mean(dim=1, keepdim=True)
        image = grey + (image - grey) * self.saturation.to(x)
        mean = image.mean(dim=(1, 2, 3), keepdim=True)
        image = mean + (image - mean) * self.contrast.to(x)
        x = torch.cat([semantic, image], dim=1)
        return self._shifted(x) * self._kept(x)

    def _shifted(self, x: Tensor) -> Tensor:
        """Each picture moved by its own whole number of pixels; what comes in is 0."""
        rows, columns = x.shape[-2:]
        margins = rows // SHIFT, columns // SHIFT
        padded = torch.nn.functional.pad(x, (margins[1], margins[1], margins[0], margins[0]))
        starts = [[round((1 + float(s)) * m) for s, m in zip(shift, margins, strict=True)] for shift in self.shift]
        return torch.stack([p[:, r : r + rows, c : c + columns] for p, (r, c) in zip(padded, starts, strict=True)])

    def _kept(self, x: Tensor) -> Tensor:
        """[N, 1, H, W]: 0 in each picture's hole, 1 elsewhere."""
        rows, columns = x.shape[-2:]
        centre = self.hole.to(x) * torch.tensor([rows, columns]).to(x)
        row_is_far = (torch.arange(rows, device=x.device)[None] - centre[:, :1]).abs() > rows / HOLE / 2
        column_is_far = (torch.arange(columns, device=x.device)[None] - centre[:, 1:]).abs() > columns / HOLE / 2
        return (row_is_far[:, :, None] | column_is_far[:, None, :])[:, None].to(x)
