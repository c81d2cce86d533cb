"""A video of one's own becomes semantic frames, without a dataset.

What the video shows decides: a face has landmarks and a body has points that can be found in it, the input of a
paired model is a video itself. Label maps are found by a segmentation network of one's own.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, cast

import numpy as np
from tqdm import tqdm

from data.build import build_geometry, build_kind
from data.detectors.blaze import crowd_note
from data.detectors.blaze_pose import BlazePose
from data.detectors.body_smoothing import steady
from data.detectors.face_retargeting import read_reference, retargeted
from data.detectors.landmarks import LandmarkFinder, finder_name, load_landmark_finder
from data.detectors.segmenter import Segmenter
from data.detectors.smoothing import filled_in_order, in_pixels, in_steps, smoothed_in_order
from data.kinds.face import NUM_LANDMARKS, FaceEncoder, FaceFrames, face_width
from data.kinds.interface import Frames, of_size
from data.kinds.openpose import BODY, as_written, is_seen
from data.kinds.pose import PoseEncoder, PoseFrames
from data.kinds.street import StreetEncoder, StreetFrames
from data.layout import SequenceFiles, VideoMetadata
from data.sequences import VideoSequence
from data.storage.picture_files import ArrayCache, read_picture
from data.storage.video_files import VIDEO_SUFFIXES, frames_of, video_table
from data.subject_size import UsualWidths, resizing
from data.transforms import enlarged, enlarged_size
from options.data_config import DataConfig
from util.errors import UserError
from util.media.containers import opened_video
from util.media.video import Timing, read_video

# in so many frames faces are measured, before landmarks are looked for in all
MEASURED_FRAMES = 9
LABELS = (
    "a street model draws from label maps, which no video has: give a segmentation network of yours with --segmenter "
    "model.onnx, or a dataset of maps with --dataroot"
)
DENSEPOSE = (
    "this pose model draws from DensePose's pictures too, which we cannot make; train one with --openpose_only, or "
    "give a dataset with --dataroot"
)


class OwnVideo(NamedTuple):
    """A video that a model can draw from.

    Attributes:
        sequence: its semantic frames, and its own frames where they are what the model draws.
        note: what was done to it, in words for the log.
    """

    sequence: VideoSequence
    note: str


class FaceVideoFrames(FaceFrames):
    """A video of a face, resized; its landmarks lie in memory, since they have just been found."""

    def __init__(
        self, files: SequenceFiles, *, cache: ArrayCache, encoder: FaceEncoder, landmarks: np.ndarray, factor: float
    ) -> None:
        """Args: see ``FaceFrames``; ``landmarks`` are those of ``found_landmarks``, ``factor`` resizes its frames."""
        super().__init__(files, cache=cache, encoder=encoder)
        self.landmarks = landmarks
        self.factor = factor

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of frame ``index``, resized."""
        return enlarged_size(super().size(index), self.factor)

    def picture(self, index: int, *, size: tuple[int, int]) -> np.ndarray | None:
        """Frame ``index``, resized; see ``Frames.picture``."""
        picture = super().picture(index, size=super().size(index))
        return None if picture is None else of_size(enlarged(picture, self.factor), size, path=self.files.name)

    def points(self, index: int) -> np.ndarray:
        """The landmarks of frame ``index``, float64 [68, 2], (x, y)."""
        return in_pixels(self.landmarks[index])


class PoseVideoFrames(PoseFrames):
    """A video of a body; its points lie in memory, since they have just been found."""

    def __init__(self, files: SequenceFiles, *, cache: ArrayCache, encoder: PoseEncoder, bodies: np.ndarray) -> None:
        """Args: see ``PoseFrames``; ``bodies`` are those of ``found_bodies``."""
        super().__init__(files, cache=cache, encoder=encoder)
        self.bodies = bodies

    def person(self, index: int) -> np.ndarray | None:
        """The person of frame ``index``, float64 [137, 3]; None where nobody was found."""
        person = as_written(self.bodies[index])
        return person if is_seen(person)[BODY].any() else None


class StreetVideoFrames(StreetFrames):
    """A video of a street; its maps lie in a folder that goes with this object, since they have just been found."""

    def __init__(
        self, files: SequenceFiles, *, cache: ArrayCache, encoder: StreetEncoder, scratch: TemporaryDirectory[str]
    ) -> None:
        """Args: see ``StreetFrames``; ``scratch`` holds the maps."""
        super().__init__(files, cache=cache, encoder=encoder)
        self.scratch = scratch


def check_video_kind(path: Path, config: DataConfig, *, segmenter: str | None = None) -> None:
    """Say what to do with a file that is no whole video, or from which the model of ``config`` cannot draw.

    Raises:
        UserError: it is such a file.
    """
    check_finder_kind(f"--video {path}", config, segmenter=segmenter)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise UserError(f"--video {path}: expected a file {', '.join(VIDEO_SUFFIXES)}; convert it first")
    video_table(path)


def own_video(
    path: Path,
    config: DataConfig,
    *,
    usual: UsualWidths | None = None,
    finder: str | None = None,
    segmenter: str | None = None,
    retarget: str | None = None,
) -> OwnVideo:
    """The video ``path`` as a sequence for the model of ``config``; only frames that are asked for are decoded.

    Args:
        path: of the video.
        config: how the model's data is encoded.
        usual: how wide the faces of its training were; a video of larger or smaller ones is resized.
        finder: what found the landmarks or poses of its training, as its dataset notes it.
        segmenter: a segmentation network in ONNX, for streets.
        retarget: a face dataset whose person takes on the expressions of this one; the video's own frames are then
            none of the model's.

    Raises:
        UserError: the file is no whole video, the model draws from something else than videos, or from faces or
            bodies and there is none, or its finder is missing.
    """
    check_video_kind(path, config, segmenter=segmenter)
    table = video_table(path)
    metadata = VideoMetadata(table.frames_per_second, (table.height, table.width))
    kind, cache = build_kind(config), ArrayCache(max_bytes=0)  # read once and in order
    if retarget is not None and config.dataset_mode != "face":
        raise UserError(
            f"--retarget {retarget}: this model draws no face; `data.prepare pose --retarget` is for bodies"
        )
    if config.dataset_mode == "face":
        finder = finder_name(finder)
        files = SequenceFiles(path.stem, {"images": frames_of(path)}, metadata)
        widths = [] if usual is None else face_widths(files.images, find=load_landmark_finder(finder))
        factor, resized = resizing(widths, usual, size=(table.height, table.width))
        find = load_landmark_finder(finder)  # a fresh one: it follows the face
        reference = None if retarget is None else read_reference(Path(retarget))
        landmarks, found = found_landmarks(path, find=find, num_frames=table.num_frames, factor=factor)
        if reference is not None:
            landmarks, factor = in_steps(retargeted(in_pixels(landmarks), reference.points)), 1.0
            metadata = VideoMetadata(table.frames_per_second, reference.size)
            files = SequenceFiles(path.stem, {"video": frames_of(path)}, metadata)
            resized = f"retargeted to {retarget}"
        encoder = cast(FaceEncoder, kind.encoder)
        frames: Frames = FaceVideoFrames(files, cache=cache, encoder=encoder, landmarks=landmarks, factor=factor)
        note = f"{found}; {resized}"
    elif config.dataset_mode == "pose":
        bodies, note = found_bodies(path, num_frames=table.num_frames)
        note = "; ".join(filter(None, [note, other_finder_note(finder)]))
        frames = PoseVideoFrames(
            SequenceFiles(path.stem, {"images": frames_of(path)}, metadata),
            cache=cache,
            encoder=cast(PoseEncoder, kind.encoder),
            bodies=bodies,
        )
    elif segmenter is not None:
        frames = street_frames(path, cast(StreetEncoder, kind.encoder), Path(segmenter), metadata, cache=cache)
        note = f"label maps by {segmenter}"
    else:
        note = ""
        frames = kind.frames(SequenceFiles(path.stem, {"inputs": frames_of(path)}, metadata), cache=cache)
    return OwnVideo(VideoSequence(frames, encoder=kind.encoder, geometry=build_geometry(config)), note)


def check_finder_kind(flag: str, config: DataConfig, *, segmenter: str | None = None) -> None:
    """Say what to do where a model of this kind draws from something that no video shows.

    Raises:
        UserError: it does, or a segmenter is of no use; ``flag`` is named.
    """
    if config.dataset_mode == "street" and segmenter is None:
        raise UserError(f"{flag}: {LABELS}")
    if config.dataset_mode != "street" and segmenter is not None:
        raise UserError(f"--segmenter {segmenter}: this model draws no street: leave it out")
    if config.dataset_mode == "pose" and not config.openpose_only:
        raise UserError(f"{flag}: {DENSEPOSE}")


def street_segmenter(path: Path, encoder: StreetEncoder) -> Segmenter:
    """The network ``path`` for a street model.

    Raises:
        UserError: it does not fit, or tells no instances where the model wants them.
    """
    network = Segmenter(path, labels=encoder.labels)
    if encoder.with_instances and not network.settings.instances:
        raise UserError(
            f'{path.with_suffix(".json")}: expected "instances", the labels whose connected parts are instances (the '
            "model was trained with them), found none; add them"
        )
    return network


def street_frames(
    path: Path, encoder: StreetEncoder, segmenter: Path, metadata: VideoMetadata, *, cache: ArrayCache
) -> StreetVideoFrames:
    """The frames of the video ``path``, with label maps by the network ``segmenter``."""
    network = street_segmenter(segmenter, encoder)
    scratch = TemporaryDirectory(prefix="label_maps_")
    folders = [Path(scratch.name) / part for part in ("labels", "instances")]
    pictures = tqdm(read_video(path), desc="label maps", total=video_table(path).num_frames, unit="frame")
    network.write(pictures, *folders)
    labels, instances = (sorted(folder.glob("*.png")) for folder in folders)
    files = SequenceFiles(path.stem, {"labels": labels, "instances": instances, "images": frames_of(path)}, metadata)
    return StreetVideoFrames(files, cache=cache, encoder=encoder, scratch=scratch)


def other_finder_note(finder: str | None) -> str:
    """What to tell where the poses of a training were found by another program than ours; empty where not."""
    if finder is not None and finder.startswith("blazepose "):
        return ""
    return f"the poses of the training were found by {finder or 'another program'}, these may differ"


def face_widths(images: Sequence[Path], *, find: LandmarkFinder) -> list[float]:
    """The widths of the faces that are found in a few frames of a video, evenly spaced, in its own pixels."""
    numbers = np.linspace(0, len(images) - 1, min(len(images), MEASURED_FRAMES)).round().astype(int)
    found = (find(read_picture(images[number])) for number in numbers)
    return [face_width(points) for points in found if points is not None]


def found_landmarks(path: Path, *, find: LandmarkFinder, num_frames: int, factor: float) -> tuple[np.ndarray, str]:
    """The landmarks of every frame of a video, int32 [T, 68, 2] (``in_steps``), gaps filled, smoothed; and a note.

    They are found in frames that are resized by ``factor``.

    Raises:
        UserError: no face in any frame, or the video does not have ``num_frames``.
    """
    num_found = num_read = 0

    def found() -> Iterator[np.ndarray | None]:
        nonlocal num_found, num_read
        for picture in tqdm(read_video(path), desc="landmarks", total=num_frames, unit="frame"):
            points = find(enlarged(picture, factor))
            num_read += 1
            num_found += points is not None
            yield points

    landmarks = np.empty((num_frames, NUM_LANDMARKS, 2), np.int32)
    for number, points in enumerate(smoothed_in_order(filled_in_order(found()))):
        if number < num_frames:
            landmarks[number] = in_steps(points)
    if num_read != num_frames:
        raise UserError(f"{path}: expected {num_frames} frames, found {num_read}; re-encode the video")
    if num_found == 0:
        resized = "" if factor == 1 else f", resized {factor:g} times to the size of the checkpoint's training"
        raise UserError(
            f"{path}: expected a face, found none in {num_frames} frames{resized}; give a video with a larger one"
        )
    note = f"face found in {num_found} frames, {num_frames - num_found} filled from their neighbours in time"
    return landmarks, "; ".join(filter(None, [note, crowd_note(find, "faces")]))


def found_bodies(path: Path, *, num_frames: int) -> tuple[np.ndarray, str]:
    """The person in every frame of a video, [T, 137, 3], gaps filled, smoothed; and a note.

    Raises:
        UserError: nobody in any frame, or the video does not have ``num_frames``.
    """
    find = BlazePose()
    bodies = [find(picture) for picture in tqdm(read_video(path), desc="poses", total=num_frames, unit="frame")]
    if len(bodies) != num_frames:
        raise UserError(f"{path}: expected {num_frames} frames, found {len(bodies)}; re-encode the video")
    num_found = sum(body is not None for body in bodies)
    if num_found == 0:
        raise UserError(f"{path}: expected a person, found none in {num_frames} frames; give another video")
    note = f"a person found in {num_found} of {num_frames} frames"
    return steady(bodies), "; ".join(filter(None, [note, crowd_note(find, "people")]))


def timing_of(path: Path) -> Timing | None:
    """When each frame of a video is shown; None where it begins at 0 and keeps its rate, or does not tell."""
    table = video_table(path)
    with opened_video(path) as (_, stream):
        time_base, start, duration = stream.time_base, stream.start_time, stream.duration
    if not table.times or time_base is None:
        return None
    rate = Fraction(table.frames_per_second).limit_denominator(1001)
    steady = [Fraction(number) / rate / time_base for number in range(len(table.times))]
    if all(time == due for time, due in zip(table.times, steady, strict=True)):
        return None
    last = table.times[-1]
    end = (start or 0) + (duration or 0)
    if end <= last:  # the file does not tell how long its last frame is shown
        end = last + max(1, round((last - table.times[0]) / max(len(table.times) - 1, 1)))
    return Timing(time_base, table.times, end)
