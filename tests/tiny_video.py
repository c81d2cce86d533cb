"""Videos of one's own, so small that a test makes them in milliseconds, and a finder of the landmarks in them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from data.detectors.blaze_pose import BodyFinder
from data.detectors.landmarks import LandmarkFinder
from data.kinds.openpose import BODY, NUM_POINTS
from data.samples.face import SAMPLES, sample_landmarks
from models import checkpoint as checkpoints
from models.build import build_generator
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import SHRINK, SIZE, STUDENT, TINY
from util.media.video import Timing, VideoWriter, write_video


def write_tone(path: Path, *, seconds: float, codec: str = "aac", rate: int = 48000) -> Path:
    """A file with a rising tone and nothing else."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        time = np.arange(int(seconds * rate)) / rate
        tone = (8000 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(stream.format.name, "mono", rate, 1024)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """Times and contents of the packets of a file's ``audio`` or ``video``, by time."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return sorted((one.pts * one.time_base, bytes(one)) for one in container.demux(stream) if one.size)


def write_talk(
    path: Path, *, num_frames: int, rate: float = 25.0, timing: Timing | None = None, sound_from: Path | None = None
) -> Path:
    """A video whose texture moves; ``landmark_finder`` knows where its face is."""
    random = np.random.default_rng(0)
    texture = np.kron(random.integers(0, 256, (9, 11, 3)), np.ones((SHRINK * 3, SHRINK * 3, 1)))
    with VideoWriter(path, frames_per_second=rate, timing=timing, sound_from=sound_from) as video:
        for number in range(num_frames):
            video.write(np.roll(texture, number, axis=1)[: SIZE[0], : SIZE[1]].astype(np.uint8))
    return path


def write_stand_in(kind: str, monkeypatch: pytest.MonkeyPatch, downloads: Path) -> None:
    """Put a made-up video of the same size and length in the place of a face sample's, which tests do not fetch."""
    sample = SAMPLES[kind]
    height, width, rate = {"face": (360, 640, 24000 / 1001), "face_carphone": (144, 176, 30000 / 1001)}[kind]
    texture = np.random.default_rng(0).integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), np.uint8)
    picture = np.kron(texture, np.ones((16, 16, 1), np.uint8))[:height, :width]
    num_frames = sample.first_frame + sample.split["test"].stop
    frames = (np.roll(picture, number, axis=1) for number in range(num_frames))
    write_video(downloads / sample.bundle / sample.file, frames, frames_per_second=rate)
    monkeypatch.setattr("data.fetch.DOWNLOADS", downloads)


def landmark_finder(*, without: Sequence[int] = ()) -> LandmarkFinder:
    """Finds the landmarks of ``write_talk``'s frames when it is shown all of them in order; none in some."""
    landmarks = np.rint(sample_landmarks() / SHRINK)
    count = 0

    def find(picture: np.ndarray) -> np.ndarray | None:
        nonlocal count
        count += 1
        return None if count - 1 in without else landmarks[count - 1]

    return find


def body_finder(*, without: Sequence[int] = ()) -> BodyFinder:
    """Finds a body that wanders when it is shown frame after frame; none in some."""
    count = 0
    body = np.zeros((NUM_POINTS, 3))
    body[BODY] = np.random.default_rng(0).uniform((20, 20, 0.5), (100, 90, 1), (25, 3))

    def find(picture: np.ndarray) -> np.ndarray | None:
        nonlocal count
        count += 1
        return None if count - 1 in without else body + [0.7 * count, 0.3 * count, 0]

    return find


def know_faces(monkeypatch: pytest.MonkeyPatch, *, without: Sequence[int] = ()) -> None:
    """Put ``landmark_finder`` in the place of every finder."""
    for room in ("data.sources.own_video", "data.sources.camera"):
        monkeypatch.setattr(f"{room}.load_landmark_finder", lambda name: landmark_finder(without=without))


def write_student(folder: Path, *more: str, channels: int) -> Path:
    """A student that was never trained."""
    config = parse(TrainConfig, [*TINY, *STUDENT, "--stage", "skd", "--teacher", "nowhere", *more], description="test")
    generator = build_generator(config.generator, semantic_channels=channels)
    metadata = {"semantic_channels": channels}
    checkpoints.save(
        folder / "latest",
        config=config,
        step=1,
        networks={"generator": generator},
        training_state={},
        metadata=metadata,
    )
    return folder
