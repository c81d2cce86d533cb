"""Semantic frames of a body: DensePose's picture, and the drawing of what OpenPose found, three channels each."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.kinds.body_drawing import BASIC_PARTS, NUM_DRAWN_PARTS, draw_person
from data.kinds.interface import Encoder, Frames, of_size, signed
from data.kinds.openpose import FACE, NUM_POINTS, is_seen, most_prominent, num_put_outside, read_people
from data.layout import PICTURE_SUFFIXES, Part, Problems, SequenceFiles, find_sequences, real_video
from data.storage.picture_files import ArrayCache, is_grey, picture_size, read_picture
from data.transforms import View
from util.errors import UserError
from util.media.pictures import semantic_to_rgb

# DensePose numbers 24 parts of the body; the last two are the halves of the head.
NUM_DENSE_PARTS = 24
DENSE_HEAD = (23, 24)
_HEAD_POINTS = [0, 15, 16, 17, 18]


class PoseEncoder(Encoder):
    """DensePose's U, V and part index, and the drawing of OpenPose's points, all in [-1, 1]; either may be left out.

    The frame's planes are bytes: the two pictures as they are, the part index as 0..24.
    """

    def __init__(
        self,
        *,
        with_densepose: bool = True,
        with_openpose: bool = True,
        drop_probability: float = 0.05,
        remove_face_labels: bool = False,
        basic_points_only: bool = False,
    ) -> None:
        """Choose the channels.

        Args:
            with_densepose: the first three channels.
            with_openpose: the last three.
            drop_probability: in training, the chance of each part of a frame to be left out; drawn for each frame, as
                a detector fails frame by frame.
            remove_face_labels: in training, leave the head out of DensePose and shake OpenPose's head a little, so that
                the generator does not trust a face that is too small to be found well.
            basic_points_only: leave out head, hands and face.

        Raises:
            ValueError: both are left out.
        """
        if not (with_densepose or with_openpose):
            raise ValueError("expected DensePose, OpenPose or both, got neither")
        self.with_densepose = with_densepose
        self.with_openpose = with_openpose
        self.drop_probability = drop_probability
        self.remove_face_labels = remove_face_labels
        self.basic_points_only = basic_points_only

    @property
    def num_channels(self) -> int:
        """6, or 3 where one of the two is left out."""
        return 3 * (self.with_densepose + self.with_openpose)

    def finish(self, planes: Tensor) -> Tensor:
        """Bytes [..., C, H, W] in [-1, 1]; the part index, 0..24, is spread over the full range."""
        semantic = signed(planes)
        if self.with_densepose:
            semantic[..., 2, :, :] = planes[..., 2, :, :].float() * (2 / NUM_DENSE_PARTS) - 1
        return semantic

    def face(self, semantic: Tensor) -> Tensor | None:
        """DensePose's head, else the white strokes of OpenPose's face: [..., 1, H, W]."""
        if self.with_densepose:
            return semantic[..., 2:3, :, :] > 2 * (DENSE_HEAD[0] - 0.5) / NUM_DENSE_PARTS - 1
        return semantic.amin(dim=-3, keepdim=True) > 0.5

    def picture(self, semantic: Tensor) -> np.ndarray:
        """The skeleton over the dimmed DensePose picture, uint8 [H, W, 3]."""
        return semantic_to_rgb(semantic)

    def draw(self, person: np.ndarray | None, *, size: tuple[int, int], rng: np.random.Generator | None) -> np.ndarray:
        """The drawing of a person [137, 3] (black for None), uint8 [H, W, 3]; with ``rng`` parts are dropped."""
        if person is None:
            return np.zeros((*size, 3), np.uint8)
        is_kept = BASIC_PARTS.copy() if self.basic_points_only else np.ones(NUM_DRAWN_PARTS, np.bool_)
        if rng is not None and self.drop_probability > 0:
            if self.remove_face_labels:
                person = shaken(person, heads=rng.standard_normal((5, 2)), face=rng.standard_normal(2))
            is_kept &= rng.random(NUM_DRAWN_PARTS) >= self.drop_probability
        return draw_person(person, size=size, is_kept=is_kept)

    def drawn(self, person: np.ndarray | None, *, view: View, rng: np.random.Generator | None) -> Tensor:
        """The bytes of ``draw`` as ``view`` shows them, uint8 [3, H, W]."""
        if person is not None:
            person = np.column_stack((view.of_points(person[:, :2]), person[:, 2]))
        return view.placement.of_frame(self.draw(person, size=view.size, rng=rng), filter="nearest")

    def thinned(self, densepose: np.ndarray, *, rng: np.random.Generator | None) -> np.ndarray:
        """A DensePose picture, uint8 [H, W, 3], without the parts that ``rng`` drops."""
        if rng is None:
            return densepose
        is_dropped = rng.random(NUM_DENSE_PARTS + 1) < self.drop_probability
        is_dropped[0] = False
        if self.remove_face_labels:
            is_dropped[list(DENSE_HEAD)] = True
        return np.where(is_dropped[densepose[..., 2]][..., None], np.uint8(0), densepose)


def shaken(person: np.ndarray, *, heads: np.ndarray, face: np.ndarray) -> np.ndarray:
    """A person [137, 3] whose head points are moved by 5 ``heads`` [5, 2] and whose whole face by 2 ``face`` [2]."""
    person = person.copy()
    person[_HEAD_POINTS, :2] += 5 * heads
    person[FACE, :2] += 2 * face
    return person


class PoseFrames(Frames):
    """The frames of one video of a body: OpenPose files, DensePose pictures, real pictures, as far as there are any.

    Of several people the most prominent one is drawn (``data.kinds.openpose.most_prominent``). A frame in which nobody
    was found is drawn black, as published; the first such frame of a sequence is named on the screen. ``data.prepare
    pose`` follows one person through a video and fills such gaps.
    """

    def __init__(self, files: SequenceFiles, *, cache: ArrayCache, encoder: PoseEncoder) -> None:
        """Args: where the frames lie, what keeps those that were read, and how they are drawn."""
        super().__init__(files, cache=cache)
        self.encoder = encoder
        self._has_told_of_gap = False

    def semantic(self, index: int, *, view: View, rng: np.random.Generator | None) -> Tensor:
        """The bytes of frame ``index``, uint8 [num_channels, H, W], resized without mixing colours (published)."""
        planes = []
        if self.encoder.with_densepose:
            densepose = self.encoder.thinned(self.densepose(index, size=view.size), rng=rng)
            planes.append(view.of_frame(densepose, filter="nearest"))
        if self.encoder.with_openpose:
            planes.append(self.encoder.drawn(self.person(index), view=view, rng=rng))
        return torch.cat(planes)

    def person(self, index: int) -> np.ndarray | None:
        """The person of frame ``index``, float64 [137, 3]; None where nobody was found."""
        path = self.files.parts["openpose"][index]

        def read() -> np.ndarray:
            person = most_prominent(read_people(path))
            return np.empty((0, 3)) if person is None else person

        person = self.cache.get(path, read)
        if len(person) == NUM_POINTS:
            return person
        if not self._has_told_of_gap:
            self._has_told_of_gap = True
            print(f"{path}: nobody was found, drawn black; `python -m data.prepare pose` fills such gaps")
        return None

    def check(self, part: str, index: int, *, size: tuple[int, int]) -> str | None:
        """See ``Frames.check``; frames without anybody are suspicious."""
        if part == "openpose":
            path = self.files.parts[part][index]
            person = most_prominent(read_people(path))
            if person is None:
                return "nobody was found"
            return outside_note(person, size=size) or absent_note(num_put_outside(path))
        if part == "densepose":
            return None if self.densepose(index, size=size)[..., 2].any() else "DensePose found nobody"
        return super().check(part, index, size=size)

    def densepose(self, index: int, *, size: tuple[int, int]) -> np.ndarray:
        """DensePose's picture of frame ``index``: U, V and part index 0..24, uint8 [H, W, 3].

        Raises:
            UserError: it is broken, of another size than ``size``, or its third channel is no part index.
        """
        path = self.files.parts["densepose"][index]

        def read() -> np.ndarray:
            picture = read_picture(path)
            if picture.any() and is_grey(picture) and picture.max() <= NUM_DENSE_PARTS:
                raise UserError(
                    f"{path}: expected DensePose's IUV in three channels, found its parts alone, as grey of 0 to "
                    f"{picture.max()}; write U, V and the part into red, green and blue"
                )
            if picture[..., 2].max() > NUM_DENSE_PARTS:
                raise UserError(
                    f"{path}: expected DensePose's IUV, whose blue channel is a part of 0 to {NUM_DENSE_PARTS}, found "
                    f"{picture[..., 2].max()} in it; write it without scaling or colouring"
                )
            return picture

        return of_size(self.cache.get(path, read), size, path=path)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of frame ``index``: of its picture, its DensePose picture, or as ``video.json`` says.

        Raises:
            UserError: none of the three is there.
        """
        for pictures in (self.files.images, self.files.parts.get("densepose", [])):
            if pictures:
                return picture_size(pictures[index])
        if self.files.metadata.size is None:
            path = self.files.leading[index]
            raise UserError(
                f"{path}: expected a frame size, found OpenPose files alone; put a video.json beside them: "
                '{"frames_per_second": 25, "height": 512, "width": 896}'
            )
        return self.files.metadata.size


_USUAL_SHARE_OUTSIDE = 0.1
"""Somebody may stand at the border."""


def outside_note(people: np.ndarray, *, size: tuple[int, int]) -> str | None:
    """What to tell of people [..., 137, 3] who stand largely outside frames of ``size``; None: nobody does."""
    points = people[is_seen(people)][:, :2]
    num_outside = int(((points < 0) | (points >= (size[1], size[0]))).any(axis=1).sum())
    if num_outside <= _USUAL_SHARE_OUTSIDE * len(points):
        return None
    return (
        f"{num_outside} of {len(points)} points lie outside the frame of {size[1]} x {size[0]}; were they found in "
        "frames of another size?"
    )


def absent_note(count: int) -> str | None:
    """What to tell of points at -1,-1; None: there are none."""
    return f"{count} points at -1,-1 count as not seen" if count else None


def pose_files(
    root: Path,
    *,
    phase: str,
    needs_images: bool,
    with_densepose: bool = True,
    with_openpose: bool = True,
    problems: Problems | None = None,
) -> list[SequenceFiles]:
    """The sequences of ``<phase>_openpose/<sequence>/*.json``, their ``<phase>_densepose`` and ``<phase>_img``.

    Args:
        root: the dataset's folder.
        phase: ``train``, ``test`` or what the folders' names begin with.
        needs_images: whether a sequence without any picture is an error (training) or fine (testing).
        with_densepose: whether DensePose pictures are read; else their folder is not looked at.
        with_openpose: the same for OpenPose files.
        problems: see ``data.layout.find_sequences``.

    Raises:
        UserError: see ``data.layout.find_sequences``.
    """
    parts = []
    if with_openpose:
        remedy = "make them with OpenPose (--write_json) and `python -m data.prepare pose`"
        openpose = root / f"{phase}_openpose"
        parts.append(Part("openpose", openpose, (".json",), "OpenPose files", remedy, stem=frame_of))
    if with_densepose:
        remedy = "make them with DensePose, or choose --openpose_only"
        parts.append(Part("densepose", root / f"{phase}_densepose", PICTURE_SUFFIXES, "DensePose pictures", remedy,
                          stem=frame_of))  # fmt: skip
    parts.append(real_video(root / f"{phase}_img", is_needed=needs_images))
    return find_sequences(parts, problems=problems)


def frame_of(path: Path) -> str:
    """The name of a file's frame: OpenPose and DensePose append what they are."""
    return path.stem.removesuffix("_keypoints").removesuffix("_IUV")
