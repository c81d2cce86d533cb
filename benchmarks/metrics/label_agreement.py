"""Label agreement: what a small segmenter reads in generated frames, against the labels that drove them."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.metrics.measure import MeanOverFrames, Scores
from benchmarks.metrics.videos import Pair, Video

STEPS, _BATCH, _RATE = 400, 4, 3e-3

LabelMaps = Callable[[Video, int], Tensor]
"""(real video, number of a frame) -> its label numbers, int64 [H, W]."""


class Segmenter(nn.Sequential):
    """A small fully convolutional segmenter that reads at a quarter of the size: [B, 3, H, W] -> [B, labels, H, W]."""

    def __init__(self, num_labels: int, *, width: int = 32) -> None:
        """Build it with random weights."""

        def block(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
            convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False)
            return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

        super().__init__(
            *block(3, width, stride=2),
            *block(width, 2 * width, stride=2),
            *(part for dilation in (1, 2, 4, 8, 1) for part in block(2 * width, 2 * width, dilation=dilation)),
            nn.Conv2d(2 * width, num_labels, 1),
            nn.Upsample(scale_factor=4, mode="bilinear"),
        )


def train_segmenter(
    frames: Sequence[tuple[Tensor, Tensor]], *, num_labels: int, steps: int = STEPS, seed: int = 0
) -> Segmenter:
    """A segmenter of true frames.

    Args:
        frames: images [3, H, W] in [-1, 1] and label numbers int64 [H, W], of one size.
        num_labels: how many there are.
        steps: of training.
        seed: of the weights and of the order.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        segmenter = Segmenter(num_labels)
    optimizer = torch.optim.Adam(segmenter.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for _ in tqdm(range(steps), desc="segmenter of true frames", unit="step"):
        chosen = [frames[int(one)] for one in torch.randint(len(frames), (_BATCH,), generator=generator)]
        images, labels = (torch.stack(part) for part in zip(*chosen, strict=True))
        loss = F.cross_entropy(_read(segmenter, images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return segmenter.eval()


def make_label_agreement(segmenter: Segmenter, labels: LabelMaps) -> MeanOverFrames:
    """Mean intersection over union of the labels of a frame, as the segmenter reads them in the generated one."""

    @torch.inference_mode()
    def score(pair: Pair, number: int) -> float:
        image = pair.frames(number)[0]
        found = _read(segmenter, image[None].float())[0].argmax(dim=0)
        return mean_iou(found.numpy(), labels(pair.real, number).numpy())

    def scores(pair: Pair) -> Scores:
        return [None] * pair.num_given + [score(pair, number) for number in range(pair.num_given, pair.num_frames)]

    settings = {"segmenter": f"{STEPS} steps on true training frames"}
    return MeanOverFrames("label_agreement", 1, "higher", scores, unit="mean IoU", settings=settings)


def mean_iou(found: np.ndarray, wanted: np.ndarray) -> float:
    """Mean over the labels in ``wanted`` of intersection over union; integers of one shape."""
    shares = []
    for label in np.unique(wanted):
        one, other = found == label, wanted == label
        shares.append(np.count_nonzero(one & other) / np.count_nonzero(one | other))
    return float(np.mean(shares))


def _read(segmenter: Segmenter, images: Tensor) -> Tensor:
    """Logits [B, labels, H, W] of images [B, 3, H, W] of any size."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (0, -width % 4, 0, -height % 4), mode="replicate")
    return segmenter(padded)[..., :height, :width]
