"""Where do the files of a dataset lie, and which belong to the same frame?

The folders are those that users of vid2vid have. Hidden files and folders are passed over.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from util.errors import UserError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp")
VIDEO_FACTS = "video.json"
DEFAULT_FRAMES_PER_SECOND = 25.0


@dataclass(frozen=True)
class VideoFacts:
    """What the pictures of a sequence do not tell: ``<phase>_img/<sequence>/video.json``, which may be absent."""

    frames_per_second: float = DEFAULT_FRAMES_PER_SECOND
    size: tuple[int, int] | None = None
    """Height and width of the frames, needed only where there are landmarks without pictures."""


@dataclass(frozen=True)
class FaceFiles:
    """The files of one face sequence in order of time; entry i of both lists is frame i."""

    name: str
    keypoints: list[Path]
    images: list[Path]
    """Empty where there is no real video."""
    facts: VideoFacts


def face_files(root: Path, *, phase: str, needs_images: bool) -> list[FaceFiles]:
    """Find the sequences of ``<phase>_keypoints/<sequence>/*.txt`` and their ``<phase>_img/<sequence>/*``.

    Landmarks and pictures belong together by their names without suffix; where no name agrees but the numbers do, by
    their order, as the published programs paired them.

    Args:
        root: the dataset's folder.
        phase: ``train``, ``test`` or what the folders' names begin with.
        needs_images: whether a sequence without any picture is an error (training) or fine (testing).

    Raises:
        UserError: a folder is missing or empty, or a frame lacks its landmarks or its picture; the first such file is
            named.
    """
    keypoint_root, image_root = root / f"{phase}_keypoints", root / f"{phase}_img"
    keypoint_folders = _folders(keypoint_root, "one folder of landmark files for each sequence")
    image_folders = {}
    if needs_images or image_root.is_dir():
        image_folders = {folder.name: folder for folder in _folders(image_root, "one folder of pictures a sequence")}
    for name in sorted(image_folders.keys() - {folder.name for folder in keypoint_folders}):
        raise UserError(
            f"{keypoint_root / name}: expected the landmarks of {image_folders[name]}, found no folder; "
            "make them with `python -m data.prepare face`, or remove the pictures"
        )
    return [_sequence(folder, image_root / folder.name, needs_images=needs_images) for folder in keypoint_folders]


def _sequence(keypoint_folder: Path, image_folder: Path, *, needs_images: bool) -> FaceFiles:
    keypoints = _files(keypoint_folder, (".txt",))
    if not keypoints:
        raise UserError(
            f"{keypoint_folder}: expected landmark files *.txt, found none; remove the empty folder "
            "or make them with `python -m data.prepare face`"
        )
    images = _files(image_folder, PICTURE_SUFFIXES) if image_folder.is_dir() else []
    if images:
        _check_pairs(keypoints, images)
    elif needs_images:
        raise UserError(
            f"{image_folder}: expected the pictures of {keypoint_folder}, found none; add them or remove the landmarks"
        )
    return FaceFiles(keypoint_folder.name, keypoints, images, _read_facts(image_folder, keypoint_folder))


def _check_pairs(keypoints: list[Path], images: list[Path]) -> None:
    """Raise for the first frame that has a picture but no landmarks, or landmarks but no picture."""
    with_keypoints, with_image = {path.stem for path in keypoints}, {path.stem for path in images}
    if len(images) != len(with_image):
        twice = next(a for a, b in zip(images, images[1:], strict=False) if a.stem == b.stem)
        raise UserError(f"{twice}: expected one picture a frame, found two of this name; remove one of them")
    # two naming schemes, such as 0001.txt and frame_0001.png
    if len(keypoints) == len(images) and not with_keypoints & with_image:
        return
    counts = f"{len(images)} pictures and {len(keypoints)} landmark files"
    for path in images:
        if path.stem not in with_keypoints:
            missing = keypoints[0].with_name(f"{path.stem}.txt")
            raise UserError(
                f"{missing}: expected the landmarks of {path}, found no file ({counts}); add it or remove the picture"
            )
    for path in keypoints:
        if path.stem not in with_image:
            missing = images[0].with_name(path.stem + images[0].suffix)
            raise UserError(
                f"{missing}: expected the picture of {path}, found no file ({counts}); add it or remove the landmarks"
            )


def _read_facts(*folders: Path) -> VideoFacts:
    """The facts in the first of ``folders`` that has them, else the defaults."""
    path = next((folder / VIDEO_FACTS for folder in folders if (folder / VIDEO_FACTS).is_file()), None)
    if path is None:
        return VideoFacts()
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        rate = float(facts.get("frames_per_second", DEFAULT_FRAMES_PER_SECOND))
        size = (int(facts["height"]), int(facts["width"])) if "height" in facts else None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f'{path}: expected {{"frames_per_second": 25, "height": 432, "width": 528}}, found something '
            f"else ({error}); mend or remove it"
        ) from error
    if not 0 < rate < float("inf") or size is not None and min(size) < 1:
        raise UserError(f"{path}: expected a positive rate and size, found {rate} and {size}; mend or remove it")
    return VideoFacts(rate, size)


def _folders(root: Path, expected: str) -> list[Path]:
    if not root.is_dir():
        raise UserError(f"{root}: expected {expected}, found no such folder; check --dataroot and --phase")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise UserError(f"{root}: expected {expected}, found none; put the frames of a video into a folder of its own")
    return folders


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )
