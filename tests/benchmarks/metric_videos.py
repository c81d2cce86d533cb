"""Made-up videos for the tests of metrics: a textured scene that moves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torchvision.models import alexnet, vgg16

from benchmarks.metrics.videos import Pair
from util.media.pictures import to_uint8, write_picture

SIDE = 48


@dataclass(frozen=True)
class ListVideo:
    """Frames in memory."""

    frames: Sequence[Tensor]
    name: str = "talk"

    @property
    def num_frames(self) -> int:
        return len(self.frames)

    def image(self, index: int) -> Tensor:
        return self.frames[index]


def moving_scene(num_frames: int = 12, *, step: int = 2, seed: int = 0) -> list[Tensor]:
    """Frames [3, 48, 48] of a smooth texture that moves ``step`` pixels to the right in each."""
    random = np.random.default_rng(seed)
    texture = gaussian_filter(random.normal(size=(3, SIDE, SIDE + step * num_frames)), (0, 2, 2), mode="wrap")
    texture = np.clip(texture / (3 * texture.std()), -1, 1)
    starts = [step * (num_frames - number) for number in range(num_frames)]
    return [torch.from_numpy(texture[:, :, start : start + SIDE].copy()).float() for start in starts]


def blurred(frames: Sequence[Tensor], sigma: float) -> list[Tensor]:
    return [torch.from_numpy(gaussian_filter(frame.numpy(), (0, sigma, sigma))) for frame in frames]


def noisy(frames: Sequence[Tensor], std: float) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    return [(frame + std * torch.randn(frame.shape, generator=random)).clamp(-1, 1) for frame in frames]


def shuffled(frames: Sequence[Tensor], share: float) -> list[Tensor]:
    """The frames with the places of ``share`` of them exchanged at random."""
    places = np.arange(len(frames))
    random = np.random.default_rng(1)
    chosen = random.permutation(len(frames))[: round(share * len(frames))]
    places[chosen] = np.roll(chosen, 1)
    return [frames[int(place)] for place in places]


def save_random_backbone(path: Path, *, kind: str) -> Path:
    """The layers of LPIPS' backbone as torchvision names them, with random weights."""
    torch.manual_seed(0)
    layers = {"alex": alexnet, "vgg": vgg16}[kind](weights=None).features.state_dict()
    torch.save({f"features.{name}": value for name, value in layers.items()}, path)
    return path


def pair_of(fake: Sequence[Tensor], real: Sequence[Tensor], *, num_given: int = 0, name: str = "talk") -> Pair:
    return Pair(ListVideo(fake, name), ListVideo(real, name), num_given)


def write_frames(folder: Path, frames: Sequence[Tensor]) -> Path:
    for number, frame in enumerate(frames):
        write_picture(folder / f"{number:05d}.png", to_uint8(frame))
    return folder


def rises(figure: Callable[[float], float], amounts: Sequence[float]) -> bool:
    """Whether ``figure`` grows with every amount."""
    found = [figure(amount) for amount in amounts]
    return all(one < next_one for one, next_one in zip(found, found[1:], strict=False))
