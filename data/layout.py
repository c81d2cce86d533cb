"""Where do the files of a dataset lie, and which belong to the same frame?

The folders are those that users of vid2vid have. Hidden files and folders are passed over.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from util.errors import UserError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp")
VIDEO_FACTS = "video.json"
DEFAULT_FRAMES_PER_SECOND = 25.0


@dataclass(frozen=True)
class VideoFacts:
    """What the pictures of a sequence do not tell: ``video.json`` beside them, which may be absent."""

    frames_per_second: float = DEFAULT_FRAMES_PER_SECOND
    size: tuple[int, int] | None = None
    """Height and width of the frames, needed only where there are landmarks without pictures."""


@dataclass(frozen=True)
class SequenceFiles:
    """The files of one sequence in order of time."""

    name: str
    parts: dict[str, list[Path]]
    """Entry i of every list belongs to frame i; a list is empty where the sequence has no such files."""
    facts: VideoFacts

    @property
    def leading(self) -> list[Path]:
        """The files of the first part: one a frame, and always there."""
        return next(iter(self.parts.values()))

    @property
    def images(self) -> list[Path]:
        """The pictures of the real video; empty where there is none."""
        return self.parts.get("images", [])


@dataclass(frozen=True)
class Part:
    """One of the folders that make a dataset: ``root/<sequence>/<file of a frame>``."""

    name: str
    """Its key in ``SequenceFiles.parts``; ``images`` is the real video."""
    root: Path
    suffixes: tuple[str, ...]
    """Of its files, in lower case."""
    files: str
    """What its files are called in errors, such as ``pictures``."""
    remedy: str = "add them"
    """What to do where they are missing."""
    is_needed: bool = True
    """Whether a sequence may lack all of them."""
    stem: Callable[[Path], str] = lambda path: path.stem
    """What of a file's name tells the frame."""


def find_sequences(parts: list[Part]) -> list[SequenceFiles]:
    """Find the sequences of a dataset and which files belong to the same frame.

    Files belong together by their names without suffix; where no name agrees but the numbers do, by their order, as
    the published programs paired them.

    Args:
        parts: the first one leads: it says which sequences and frames there are.

    Raises:
        UserError: a folder is missing or empty, or a frame lacks a file; the first such file is named.
    """
    leading, *others = parts
    folders = _folders(leading)
    for part in others:
        if part.is_needed or part.root.is_dir():
            found = {folder.name: folder for folder in _folders(part)}
            for name in sorted(found.keys() - {folder.name for folder in folders}):
                raise UserError(
                    f"{leading.root / name}: expected the {leading.files} of {found[name]}, found no folder; "
                    f"{leading.remedy}, or remove the {part.files}"
                )
    return [_sequence(folder.name, leading, others) for folder in folders]


def face_files(root: Path, *, phase: str, needs_images: bool) -> list[SequenceFiles]:
    """The sequences of ``<phase>_keypoints/<sequence>/*.txt`` and their ``<phase>_img/<sequence>/*``.

    Args:
        root: the dataset's folder.
        phase: ``train``, ``test`` or what the folders' names begin with.
        needs_images: whether a sequence without any picture is an error (training) or fine (testing).

    Raises:
        UserError: see ``find_sequences``.
    """
    remedy = "make them with `python -m data.prepare face`"
    return find_sequences(
        [
            Part("keypoints", root / f"{phase}_keypoints", (".txt",), "landmark files", remedy),
            Part("images", root / f"{phase}_img", PICTURE_SUFFIXES, "pictures", is_needed=needs_images),
        ]
    )


def two_spellings(root: Path, name: str, *, phase: str) -> Path:
    """``root/<name>/<phase>`` where it is there, else the older ``root/<phase>_<name>``: vid2vid has both."""
    newer, older = root / name / phase, root / f"{phase}_{name if len(name) == 1 else name.lower()}"
    return newer if newer.is_dir() else older


def _sequence(name: str, leading: Part, others: list[Part]) -> SequenceFiles:
    folder = leading.root / name
    frames = _files(folder, leading)
    if not frames:
        raise UserError(
            f"{folder}: expected {leading.files} *{leading.suffixes[0]}, found none; remove the empty folder "
            f"or {leading.remedy}"
        )
    found = {leading.name: frames}
    for part in others:
        files = _files(part.root / name, part) if (part.root / name).is_dir() else []
        if files:
            _check_pairs(frames, files, leading, part)
        elif part.is_needed:
            raise UserError(
                f"{part.root / name}: expected the {part.files} of {folder}, found none; {part.remedy} or remove the "
                f"{leading.files}"
            )
        found[part.name] = files
    places = [part.root / name for part in (*others, leading)]
    return SequenceFiles(name, found, _read_facts(*places))


def _check_pairs(frames: list[Path], files: list[Path], leading: Part, part: Part) -> None:
    """Raise for the first frame that one of the two parts lacks."""
    with_frame = {leading.stem(path) for path in frames}
    with_file = {part.stem(path) for path in files}
    # two naming schemes, such as 0001.txt and frame_0001.png
    if len(frames) == len(files) and not with_frame & with_file:
        return
    counts = f"{len(files)} {part.files} and {len(frames)} {leading.files}"
    for path in files:
        if part.stem(path) not in with_frame:
            raise UserError(_missing(path, part, like=frames[0], of=leading, counts=counts))
    for path in frames:
        if leading.stem(path) not in with_file:
            raise UserError(_missing(path, leading, like=files[0], of=part, counts=counts))


def _missing(path: Path, part: Part, *, like: Path, of: Part, counts: str) -> str:
    """The error for the file that ``of`` lacks and ``path`` of ``part`` asks for; ``like`` is one of its neighbours."""
    name = like.name.replace(of.stem(like), part.stem(path), 1)
    return (
        f"{like.with_name(name)}: expected one of the {of.files}, to go with {path}, found no file ({counts}); "
        "add it or remove the other"
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


def _folders(part: Part) -> list[Path]:
    expected = f"expected a folder of {part.files} for each sequence"
    if not part.root.is_dir():
        raise UserError(f"{part.root}: {expected}, found no such folder; check --dataroot and --phase")
    folders = sorted(path for path in part.root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise UserError(f"{part.root}: {expected}, found none; put the frames of a video into a folder of its own")
    return folders


def _files(folder: Path, part: Part) -> list[Path]:
    """The files of ``part`` in ``folder``, in order of their frames.

    Raises:
        UserError: two of them belong to one frame.
    """
    files = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in part.suffixes and not path.name.startswith(".")
    )
    known: dict[str, Path] = {}
    for path in files:
        first = known.setdefault(part.stem(path), path)
        if first != path:
            raise UserError(f"{first}: expected one file a frame, found {path.name} too; remove one of them")
    return files
