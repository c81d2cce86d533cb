"""``python -m scripts.tutorial_pictures``: the pictures of ``docs/tutorial.md``, made of the fetched sample clip.

Needs ``python -m data.fetch detectors``, ``python -m data.fetch face_sample``, ``python -m data.samples face``, and for
``--run`` the pictures of a training.
"""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import torch
from PIL import Image

from data.build import build_sequences
from data.detectors.landmarks import finder_note, load_landmark_finder
from data.fetch import fetched_file
from data.prepare.face import prepare_face
from data.storage.picture_files import read_picture
from models import checkpoint
from models.build import load_generator
from models.inference.synthesizer import Synthesizer
from models.interpolation.choose import choose_interpolator
from models.keyframes.offline import choose_keyframes
from models.keyframes.thumbnails import thumbnail
from models.networks.coarse_to_fine import VideoGenerator
from options.data_config import DataConfig
from util.errors import OneLineParser, run_program
from util.media.pictures import to_uint8
from util.media.video import read_video

FOLDER = Path("docs/pictures")
STUDENT = "checkpoints/face_sample_student"


def clip(*, first: int, count: int) -> list[np.ndarray]:
    """Frames of the sample clip, uint8 [360, 640, 3]."""
    path = fetched_file("face_sample", "WolfgangLanger_Pexels.mp4")
    return list(islice(read_video(path), first, first + count))


def write_phone_video(path: Path, frames: Iterable[np.ndarray]) -> None:
    """A video as a phone that is held upside down writes it: turned pictures, and a note that says so."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.height, stream.width, stream.pix_fmt = 360, 640, "yuv420p"
        stream.set_display_rotation(180)
        for frame in frames:
            turned = np.ascontiguousarray(np.rot90(frame, 2))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(turned, format="rgb24")))
        container.mux(stream.encode(None))


def darkened(frame: np.ndarray) -> np.ndarray:
    """As filmed in a room without light, noise included."""
    noise = np.random.default_rng(0).normal(0, 6, frame.shape)
    return (frame * 0.12 + noise).clip(0, 255).astype(np.uint8)


def far_away(frame: np.ndarray) -> np.ndarray:
    """As filmed from the other end of a hall: the whole picture in a seventh of the frame's sides."""
    small = cv2.resize(frame, (92, 52), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(small, 154, 154, 274, 274, cv2.BORDER_REPLICATE)


def shaken(frame: np.ndarray) -> np.ndarray:
    """As filmed from a moving hand."""
    return cv2.blur(frame, (41, 1))


def prepared(video: Path, out: Path, *, count: int) -> list[np.ndarray]:
    """What ``data.prepare face`` makes of the first frames of a video: the real frame over what the network sees."""
    prepare_face(
        video,
        out,
        phase="test",
        name=video.stem,
        find_landmarks=load_landmark_finder("mesh"),
        finder=finder_note("mesh"),
        end_frame=count,
    )
    (sequence,) = build_sequences(DataConfig(loadSize=192), root=out, phase="test")
    return [column(sequence.image(n), sequence.encoder.picture(sequence.semantic(n))) for n in range(count)]


def column(image: torch.Tensor | None, semantic: np.ndarray) -> np.ndarray:
    """A real frame over its semantics."""
    return np.vstack([to_uint8(cast(torch.Tensor, image)), semantic])


def result_rows(numbers: Sequence[int]) -> list[np.ndarray]:
    """Held-out frames of the face sample: real, by the shipped student with enough key-frames, with too few."""
    saved = checkpoint.load(STUDENT, flag="student")
    (sequence,) = build_sequences(saved.config.data, root=Path("datasets/face_sample"), phase="test")
    semantics = [sequence.semantic(number) for number in range(sequence.num_frames)]
    given = [cast(torch.Tensor, sequence.image(number)) for number in (0, 1)]
    thumbnails = torch.stack([thumbnail(semantic) for semantic in semantics])
    rows = [[to_uint8(cast(torch.Tensor, sequence.image(number))) for number in numbers]]
    for share, interpolation in ((0.3, "auto"), (0.05, "blend")):
        engine = Synthesizer(
            cast(VideoGenerator, load_generator(saved)),
            num_frames=saved.config.generator.n_frames_G,
            interpolator=choose_interpolator(interpolation, kind="face"),
            device=torch.device("cpu"),
        )
        keys = choose_keyframes(thumbnails, method="dp", share=share, num_given=2)
        frames = list(engine.frames(semantics.__getitem__, key_frames=keys, first_frames=given))
        rows.append([to_uint8(frames[number]) for number in numbers])
    return [np.hstack(row) for row in rows]


def write(name: str, picture: np.ndarray) -> None:
    """Write ``docs/pictures/tutorial_NAME.jpg``, small."""
    Image.fromarray(picture).save(FOLDER / f"tutorial_{name}.jpg", quality=72, optimize=True)


def main() -> None:
    """Write the pictures."""
    parser = OneLineParser(prog="python -m scripts.tutorial_pictures", description=__doc__)
    parser.add_argument("--video", type=Path, help="only write the tutorial's video there, to go through it yourself")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="a training whose pictures are shown, too")
    arguments = parser.parse_args()
    if arguments.video is not None:
        return write_phone_video(arguments.video, clip(first=236, count=236))
    frames = clip(first=300, count=49)
    ways = {"good": lambda frame: frame, "dark": darkened, "far": far_away, "shaken": shaken}
    shown: dict[str, list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, way in ways.items():
            chosen, video = frames if name == "good" else frames[::24], Path(scratch) / f"{name}.mp4"
            write_phone_video(video, map(way, chosen))
            shown[name] = prepared(video, Path(scratch) / name, count=len(chosen))
    write("good", np.hstack(shown["good"][::12]))
    write("bad", np.hstack([shown[name][1] for name in ("dark", "far", "shaken")]))
    write("results", np.vstack(result_rows((4, 12, 20, 28, 36, 44))))
    if arguments.run is not None:
        pictures = sorted((arguments.run / "pictures").glob("*.png"))
        write("training", np.vstack([read_picture(pictures[number]) for number in (0, len(pictures) // 2, -1)]))


if __name__ == "__main__":
    run_program(main, debug="--debug" in sys.argv)
