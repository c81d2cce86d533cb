"""Frames in, frames out: the shipped face model as an engine that one calls from Python.

    python -m data.fetch face_sample && python -m data.samples face
    python -m examples.engine

The last line tells how fast it was. Further words: the dataset's folder and the video to write.
"""

import sys
from pathlib import Path
from typing import cast

import torch

from data.build import build_encoder, build_sequences
from models import checkpoint
from models.build import load_generator
from models.inference.runtimes.choose import make_runtime
from models.inference.synthesizer import Synthesizer
from models.interpolation.choose import choose_interpolator
from models.networks.coarse_to_fine import VideoGenerator
from util.media.pictures import to_uint8
from util.media.video import write_video


def main(dataset: Path = Path("datasets/face_sample"), video: Path = Path("results/engine.mp4")) -> None:
    """Draw the first sequence of the dataset's phase ``test`` and write an mp4."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    saved = checkpoint.load("checkpoints/face_sample_student", flag="the checkpoint")
    data = saved.config.data  # a checkpoint knows how its frames are encoded

    generator = cast(VideoGenerator, load_generator(saved))  # others draw single images
    engine = Synthesizer(
        make_runtime(generator, name="auto", precision="auto", device=device).runtime,
        num_frames=saved.config.generator.n_frames_G,
        interpolator=choose_interpolator("auto", kind=data.dataset_mode),
        device=device,
        foreground=build_encoder(data).foreground,
    )
    sequence = build_sequences(data, root=dataset, phase="test")[0]
    semantics = (sequence.semantic(number, device=device) for number in range(sequence.num_frames))
    given = [image for number in (0, 1) if (image := sequence.image(number)) is not None]

    # a third of the frames is drawn, chosen from 6 frames ahead; the others are motion-compensated
    frames = engine.live(semantics, share=0.3, lookahead=6, first_frames=given)
    write_video(video, map(to_uint8, frames), frames_per_second=sequence.frames_per_second)
    told = engine.latency.summary()
    print(
        f"{video}: {told['frames']} frames; latency {told['median']:.0f} ms in the median, {told['worst']:.0f} at most"
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
