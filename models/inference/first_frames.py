"""The first frames of a video: real, drawn by a single-image generator, or left to the video generator."""

from collections.abc import Callable

import torch
from torch import Tensor

from data.sequences import VideoSequence
from data.sources.camera import CameraStart
from models.networks.single_image import GlobalGenerator
from util.errors import UserError


@torch.inference_mode()
def draw_first_frames(
    generator: GlobalGenerator, semantic: Callable[[int], Tensor], *, count: int, device: torch.device
) -> list[Tensor]:
    """``count`` first frames [3, H, W] in [-1, 1], each from its own semantic frame (``--first_frame single``)."""
    generator = generator.to(device).eval()
    return [generator(semantic(number).to(device).unsqueeze(0))[0] for number in range(count)]


class FirstFrames:
    """The first frames of a video, as ``--first_frame`` has them."""

    def __init__(
        self, kind: str, *, count: int, device: torch.device, generator: GlobalGenerator | None = None
    ) -> None:
        """Args: ``--first_frame``, how many frames the video generator needs, where to compute, who draws "single"."""
        self.kind = kind
        self.count = count
        self.device = device
        self.generator = generator

    def frames(self, sequence: VideoSequence | CameraStart) -> list[Tensor]:
        """The first frames of ``sequence``; empty when the video generator draws them.

        Raises:
            UserError: real frames are wanted where there are none.
        """
        count = min(self.count, sequence.num_frames)
        if self.kind == "generated":
            return []
        if self.generator is not None:
            return draw_first_frames(self.generator, sequence.semantic, count=count, device=self.device)
        images = [sequence.image(number) for number in range(count)]
        real = [image for image in images if image is not None]
        if len(real) < count:
            raise UserError(
                f"sequence {sequence.name} has no real frames for --first_frame real; use --first_frame generated "
                "(a model trained with --no_first_img) or --first_frame single"
            )
        return real

    def num_real(self, first_frames: list[Tensor]) -> int:
        """How many of a sequence's first frames are given, not made."""
        return len(first_frames) if self.kind == "real" else 0
