"""A kind of data of one's own, pencil sketches made of the real frames as they are read, and a few steps of training.

    python -m data.fetch face_sample && python -m data.samples face
    python -m examples.own_kind

A kind is an ``Encoder`` (what the channels mean), ``Frames`` (how they are read) and a function that finds the files.
Here it stands in for ``paired``; in a copy of this project it gets a name in ``KINDS`` and ``DataConfig.dataset_mode``.
Further words: the dataset's folder and the name of the run.
"""

import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from data.build import KINDS, Kind
from data.kinds.interface import Encoder, Frames, signed
from data.layout import Problems, SequenceFiles, find_sequences, real_video
from data.transforms import View
from models.training.loop import run
from options.config import TrainConfig
from options.data_config import DataConfig
from options.network_config import DiscriminatorConfig, GeneratorConfig
from options.training_config import LossConfig, RunConfig, ScheduleConfig
from util.media.pictures import to_uint8


class SketchEncoder(Encoder):
    """One channel in [-1, 1]: dark lines on white paper."""

    @property
    def num_channels(self) -> int:
        """Of a semantic frame."""
        return 1

    def finish(self, planes: Tensor) -> Tensor:
        """What the loader packed, uint8, as the networks see it: the only step on the device."""
        return signed(planes)

    def picture(self, semantic: Tensor) -> np.ndarray:
        """For people: pages, training pictures."""
        return to_uint8(semantic.expand(3, -1, -1))


class SketchFrames(Frames):
    """A sketch of each real frame."""

    def semantic(self, index: int, *, view: View, rng: np.random.Generator | None) -> Tensor:
        """The sketch of frame ``index``, uint8 [1, H, W]; ``view`` is the crop that the whole clip shares."""
        picture = self.picture(index, size=view.size)
        grey = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2GRAY)
        light = cv2.GaussianBlur(grey, (0, 0), 6)
        return view.of_frame(cv2.divide(grey, light, scale=255), filter="bicubic")


def sketch_files(
    root: Path, *, phase: str, needs_images: bool, problems: Problems | None = None
) -> list[SequenceFiles]:
    """``<phase>_img/<sequence>/*``: pictures alone."""
    return find_sequences([real_video(root / f"{phase}_img", is_needed=True)], problems=problems)


def sketches(config: DataConfig) -> Kind:
    """The kind, set up as a config says; this one has nothing to set up."""
    return Kind(SketchEncoder(), sketch_files, partial(SketchFrames))


def main(dataset: str = "datasets/face_sample", name: str = "sketches") -> None:
    """Train a tiny teacher for six steps: to see that the kind works, not to see a face."""
    KINDS["paired"] = sketches
    torch.manual_seed(0)
    config = TrainConfig(
        run=RunConfig(name=name, dataroot=dataset, nThreads=0, print_freq=1, display_freq=3),
        data=DataConfig(dataset_mode="paired", loadSize=64),
        generator=GeneratorConfig(ngf=8, n_blocks=2, n_downsample_G=2),
        discriminator=DiscriminatorConfig(ndf=8),
        loss=LossConfig(perceptual="none", lambda_pixel=10),
        schedule=ScheduleConfig(steps_per_epoch=3, niter=1, niter_decay=1, n_frames_total=4),
    )
    run(config)
    print(f"pictures: checkpoints/{name}/pictures")


if __name__ == "__main__":
    main(*sys.argv[1:])
