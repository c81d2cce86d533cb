"""A camera's pictures become semantic frames while it runs.

A video file may stand in for a camera; it then comes at its own rate, ready or not.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar, cast

import cv2
import numpy as np
from PIL import Image
from torch import Tensor

from data.build import build_geometry, build_kind
from data.detectors.blaze_pose import BlazePose, BodyFinder
from data.detectors.body_smoothing import steady_in_order
from data.detectors.landmarks import LandmarkFinder, finder_name, load_landmark_finder
from data.detectors.segmenter import Segmenter
from data.detectors.smoothing import held_in_order, in_pixels, in_steps, smoothed_in_order
from data.kinds.face import FaceEncoder, face_box, face_width
from data.kinds.interface import of_size, signed
from data.kinds.openpose import as_written
from data.kinds.paired import MODES
from data.kinds.pose import PoseEncoder
from data.kinds.street import StreetEncoder
from data.sequences import VideoSequence
from data.sources.own_video import check_finder_kind, other_finder_note, street_segmenter
from data.subject_size import UsualWidths, resizing
from data.transforms import Box, Geometry, View, enlarged
from options.data_config import DataConfig
from util.errors import UserError
from util.media.video import probe, read_video

Item = TypeVar("Item")

# pictures that may wait for the engine: enough for a slow frame now and then, and no more latency than that
_WAITING = 3


class Captured(NamedTuple):
    """A picture and when it was there, by ``time.perf_counter``."""

    time: float
    picture: np.ndarray
    """uint8 [H, W, 3] RGB."""


class LiveFrame(NamedTuple):
    """A semantic frame of a stream, and when what it was made of was there, by ``time.perf_counter``."""

    time: float
    semantic: Tensor
    """[C, H, W]."""
    image: Tensor | None = None
    """What the camera saw there, [3, H, W] in [-1, 1], where that is what the model draws."""


def paced(items: Iterable[Item], *, frames_per_second: float) -> Iterator[tuple[float, Item]]:
    """The items with the time of each, none earlier than that rate allows; no rush after a delay."""
    due = time.perf_counter()
    for item in items:
        now = time.perf_counter()
        if now < due:
            time.sleep(due - now)
        now = time.perf_counter()
        yield now, item
        due = max(due, now - 1 / frames_per_second) + 1 / frames_per_second


def sequence_frames(sequence: VideoSequence) -> Iterator[LiveFrame]:
    """The semantic frames of a sequence at its own rate, or as fast as they are taken; none is left out."""
    for now, number in paced(range(sequence.num_frames), frames_per_second=sequence.frames_per_second):
        yield LiveFrame(now, sequence.semantic(number))


class DropOldestQueue(Generic[Item]):
    """Iterates over items that a thread of its own reads as they come; of those that wait the newest are kept.

    Attributes:
        num_dropped: items that nobody took in time.
    """

    def __init__(self, items: Iterable[Item], *, waiting: int = _WAITING) -> None:
        """Args: what is read, from the first ``next`` on, and how many may wait."""
        self.num_dropped = 0
        self._items = items
        self._waiting: deque[Item] = deque(maxlen=waiting)
        self._changed = threading.Condition()
        self._has_stopped = False
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[Item]:
        """The items that were not dropped, in order.

        Raises:
            BaseException: whatever the items raised, after those before it.
        """
        thread = threading.Thread(target=self._read, daemon=True)
        thread.start()
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._has_stopped)
                    if not self._waiting:
                        break
                    item = self._waiting.popleft()
                yield item
            if self._error is not None:
                raise self._error
        finally:
            self._has_stopped = True
            thread.join()

    def _read(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    if self._has_stopped:
                        return
                    self.num_dropped += len(self._waiting) == self._waiting.maxlen
                    self._waiting.append(item)
                    self._changed.notify()
        except BaseException as error:  # whatever it is, the reader gets it
            self._error = error
        finally:
            with self._changed:
                self._has_stopped = True
                self._changed.notify()


def camera_pictures(source: str) -> Iterator[Captured]:
    """What a camera sees, as it comes. The camera is opened at once, so that a missing one is told at once.

    Args:
        source: the camera's number, or a video file that stands in for it.

    Raises:
        UserError: there is no such camera or video.
    """
    if not source.isdecimal():
        rate = probe(Path(source)).frames_per_second
        return (Captured(now, picture) for now, picture in paced(read_video(Path(source)), frames_per_second=rate))
    # OpenCV tells at length on the screen how it looked for a camera
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    camera = cv2.VideoCapture(int(source))
    cv2.utils.logging.setLogLevel(level)
    if not camera.isOpened():
        raise UserError(f"--webcam {source}: expected a camera, found none of that number; give another one")
    return _read_camera(camera)


def _read_camera(camera: cv2.VideoCapture) -> Iterator[Captured]:
    try:
        while True:
            is_there, picture = camera.read()
            if not is_there:
                return
            yield Captured(time.perf_counter(), cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    finally:
        camera.release()


@dataclass
class CameraCounts:
    """What became of a camera's pictures.

    Attributes:
        num_before_face: pictures before the first face or person, of which nothing can be made.
        num_held: pictures in which none was seen; the last landmarks or poses stand for them.
    """

    num_before_face: int = 0
    num_held: int = 0


def camera_frames(
    pictures: Iterable[Captured],
    config: DataConfig,
    *,
    counts: CameraCounts,
    usual: UsualWidths | None = None,
    finder: str | None = None,
    segmenter: str | None = None,
) -> Iterator[LiveFrame]:
    """The semantic frames of a camera for the model of ``config``; where the face is, is settled by its first frame.

    Faces come two pictures late, bodies four and streets one, since what is found is smoothed in time.

    Args:
        pictures: as they come.
        config: how they become tensors.
        counts: is kept up to date.
        usual: how wide the faces of its training were; pictures of larger or smaller ones are resized, by one factor
            for the whole stream.
        finder: what found the landmarks of its training, as its dataset notes it.
        segmenter: a segmentation network in ONNX, for streets.

    Raises:
        UserError: the model draws from something that no camera shows, or its finder is missing.
    """
    check_finder_kind("--webcam", config, segmenter=segmenter)
    geometry = build_geometry(config)
    if config.dataset_mode == "pose":
        print(f"--webcam: {other_finder_note(finder) or 'poses are found as in the training'}", flush=True)
        poses = cast(PoseEncoder, build_kind(config).encoder)
        return _body_frames(pictures, encoder=poses, geometry=geometry, find=BlazePose(), counts=counts)
    if config.dataset_mode == "face":
        encoder = cast(FaceEncoder, build_kind(config).encoder)
        find = load_landmark_finder(finder_name(finder))
        return _face_frames(pictures, encoder=encoder, geometry=geometry, find=find, counts=counts, usual=usual)
    if segmenter is not None:
        streets = cast(StreetEncoder, build_kind(config).encoder)
        network = street_segmenter(Path(segmenter), streets)
        return _street_frames(pictures, encoder=streets, geometry=geometry, network=network)
    return _picture_frames(pictures, config, geometry=geometry)


def _street_frames(
    pictures: Iterable[Captured], *, encoder: StreetEncoder, geometry: Geometry, network: Segmenter
) -> Iterator[LiveFrame]:
    waiting: deque[Captured] = deque()
    view: View | None = None

    def shown() -> Iterator[np.ndarray]:
        for one in pictures:
            waiting.append(one)
            yield one.picture

    for maps in network.maps(shown()):
        now, picture = waiting.popleft()
        if view is None:
            height, width = picture.shape[:2]
            view = View((height, width), geometry.place(Box(0, 0, width, height)))
        of_size(picture, view.size, path="--webcam")
        planes = view.of_frame(encoder.packed(encoder.table[maps.labels], maps.instances), filter="nearest")
        yield LiveFrame(now, encoder.finish(planes), signed(view.of_frame(picture, filter="bicubic")))


def _picture_frames(pictures: Iterable[Captured], config: DataConfig, *, geometry: Geometry) -> Iterator[LiveFrame]:
    encoder = build_kind(config).encoder
    mode = MODES[encoder.num_channels]
    view: View | None = None
    for now, picture in pictures:
        if view is None:
            height, width = picture.shape[:2]
            view = View((height, width), geometry.place(Box(0, 0, width, height)))
        of_size(picture, view.size, path="--webcam")
        given = picture if mode == "RGB" else np.asarray(Image.fromarray(picture).convert(mode))
        yield LiveFrame(now, encoder.finish(view.of_frame(given, filter="bicubic")))


def _face_frames(
    pictures: Iterable[Captured],
    *,
    encoder: FaceEncoder,
    geometry: Geometry,
    find: LandmarkFinder,
    counts: CameraCounts,
    usual: UsualWidths | None,
) -> Iterator[LiveFrame]:
    waiting: deque[Captured] = deque()
    widths: list[float] = []

    def measured() -> Iterator[np.ndarray | None]:
        for points in _from_the_first(pictures, find, counts=counts, waiting=waiting):
            if points is not None and view is None:
                widths.append(face_width(points))
            yield points

    view: View | None = None
    factor = 1.0
    for points in smoothed_in_order(points for points in held_in_order(measured()) if points is not None):
        now, picture = waiting.popleft()
        if view is None:
            factor, note = resizing(widths, usual, size=picture.shape[:2])
            print(f"--webcam: {note}", flush=True)
        # found in the camera's own picture, since looking in a larger one takes too long; (0, 0) is a pixel's centre
        points, picture = in_pixels(in_steps((points + 0.5) * factor - 0.5)), enlarged(picture, factor)
        if view is None:
            height, width = picture.shape[:2]
            view = View((height, width), geometry.place(face_box(points, height=height, width=width)))
        of_size(picture, view.size, path="--webcam")
        background = encoder.background(picture) if encoder.with_canny_edges else None
        semantic = encoder.encode(points, placement=view.placement, size=view.size, background=background)
        yield LiveFrame(now, semantic, signed(view.of_frame(picture, filter="bicubic")))


def _body_frames(
    pictures: Iterable[Captured], *, encoder: PoseEncoder, geometry: Geometry, find: BodyFinder, counts: CameraCounts
) -> Iterator[LiveFrame]:
    waiting: deque[Captured] = deque()
    view: View | None = None
    found = _from_the_first(pictures, find, counts=counts, waiting=waiting)
    for person in steady_in_order(person for person in held_in_order(found) if person is not None):
        now, picture = waiting.popleft()
        if view is None:
            height, width = picture.shape[:2]
            view = View((height, width), geometry.place(Box(0, 0, width, height)))
        of_size(picture, view.size, path="--webcam")
        semantic = encoder.finish(encoder.drawn(as_written(person), view=view, rng=None))
        yield LiveFrame(now, semantic, signed(view.of_frame(picture, filter="bicubic")))


def _from_the_first(
    pictures: Iterable[Captured],
    find: Callable[[np.ndarray], np.ndarray | None],
    *,
    counts: CameraCounts,
    waiting: deque[Captured],
) -> Iterator[np.ndarray | None]:
    """What is found in the pictures, from the first on in which there is anything; these pictures go to ``waiting``."""
    has_begun = False
    for one in pictures:
        points = find(one.picture)
        has_begun |= points is not None
        if not has_begun:
            counts.num_before_face += 1
            continue
        counts.num_held += points is None
        waiting.append(one)
        yield points


class CameraStart:
    """The first frames of a stream, as a sequence to take the first frames from."""

    def __init__(self, name: str, frames: Sequence[LiveFrame]) -> None:
        """Args: what it is called in errors, and the frames."""
        self.name = name
        self.num_frames = len(frames)
        self._frames = frames

    def semantic(self, index: int) -> Tensor:
        """The semantic frame ``index``, [C, H, W]."""
        return self._frames[index].semantic

    def image(self, index: int) -> Tensor | None:
        """What was seen there, [3, H, W] in [-1, 1]; None where that is not what the model draws."""
        return self._frames[index].image
