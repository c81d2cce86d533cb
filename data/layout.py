"""The folders of a dataset, and which files belong to the same frame.

The folders are those that users of vid2vid have; a video file may stand for a folder of pictures. Hidden files and
folders are passed over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.storage.shards import Listing, listing, read_text
from data.storage.video_files import VIDEO_SUFFIXES, frames_of, is_video_frame, video_table
from util.errors import UserError, brief
from util.json_files import parse_json
from util.names import first_gap, natural_key, partners

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp", ".tif", ".tiff")
VIDEO_METADATA = "video.json"
DEFAULT_FRAMES_PER_SECOND = 25.0


@dataclass(frozen=True)
class VideoMetadata:
    """What the pictures of a sequence do not tell: ``video.json`` beside them, which may be absent."""

    frames_per_second: float = DEFAULT_FRAMES_PER_SECOND
    size: tuple[int, int] | None = None
    """Height and width of the frames, needed only where there are landmarks without pictures."""
    finder: str | None = None
    """What found the landmarks or poses: name, version, hash of its file; None: nobody noted it."""


@dataclass(frozen=True)
class SequenceFiles:
    """The files of one sequence in order of time."""

    name: str
    parts: dict[str, list[Path]]
    """Entry i of every list belongs to frame i; a list is empty where the sequence has no such files."""
    metadata: VideoMetadata

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
    can_be_video: bool = False
    """Whether ``root/<sequence>.mp4`` may be there in place of a folder; its frames pair by their order."""


class Problems:
    """What is wrong with a dataset, told at once or gathered, and which files it does not use."""

    def __init__(self, *, is_raised: bool = True) -> None:
        """Args: whether the first problem ends the work; else all are kept in ``errors``."""
        self.is_raised = is_raised
        self.errors: list[UserError] = []
        self.passed_over: list[Path] = []

    def add(self, message: str | UserError) -> None:
        """Tell of one.

        Raises:
            UserError: the problem, where it ends the work.
        """
        error = message if isinstance(message, UserError) else UserError(message)
        if self.is_raised:
            raise error
        self.errors.append(error)


def find_sequences(parts: list[Part], *, problems: Problems | None = None) -> list[SequenceFiles]:
    """Find the sequences of a dataset and which files belong to the same frame.

    Files belong together by their names without suffix; where no names agree, by the numbers in them. Unlike in the
    published programs never by their place alone, which pairs all frames after a missing one wrongly.

    Args:
        parts: the first one leads: it says which sequences and frames there are.
        problems: gathers all that is wrong (``data.validate``); frames and sequences with a problem are then left out.

    Raises:
        UserError: a folder is missing or empty, or a frame lacks a file; the first such file is named. Not where
            ``problems`` gathers.
    """
    problems = problems or Problems()
    leading, *others = parts
    places = {part.name: _places(part, problems) for part in parts}
    for part in others:
        for name in sorted(places[part.name].keys() - places[leading.name].keys()):
            problems.add(
                f"{leading.root / name}: expected the {leading.files} of {places[part.name][name]}, found no folder; "
                f"{leading.remedy}, or remove the {part.files}"
            )
    found = [_sequence(name, leading, others, places=places, problems=problems) for name in places[leading.name]]
    return [files for files in found if files is not None]


def face_files(root: Path, *, phase: str, needs_images: bool, problems: Problems | None = None) -> list[SequenceFiles]:
    """The sequences of ``<phase>_keypoints/<sequence>/*.txt`` and their ``<phase>_img/<sequence>/*``.

    Args:
        root: the dataset's folder.
        phase: ``train``, ``test`` or what the folders' names begin with.
        needs_images: whether a sequence without any picture is an error (training) or fine (testing).
        problems: see ``find_sequences``.

    Raises:
        UserError: see ``find_sequences``.
    """
    remedy = "make them with `python -m data.prepare face`"
    parts = [
        Part("keypoints", root / f"{phase}_keypoints", (".txt",), "landmark files", remedy),
        real_video(root / f"{phase}_img", is_needed=needs_images),
    ]
    return find_sequences(parts, problems=problems)


def real_video(root: Path, *, is_needed: bool) -> Part:
    """The part of every kind that holds the real frames."""
    return Part("images", root, PICTURE_SUFFIXES, "pictures", is_needed=is_needed, can_be_video=True)


def two_spellings(root: Path, name: str, *, phase: str) -> Path:
    """``root/<name>/<phase>``, or the older ``root/<phase>_<name>`` where only that is there: vid2vid has both."""
    newer, older = root / name / phase, root / f"{phase}_{name if len(name) == 1 else name.lower()}"
    return older if listing(newer) is None and listing(older) is not None else newer


def _sequence(
    name: str, leading: Part, others: list[Part], *, places: dict[str, dict[str, Path]], problems: Problems
) -> SequenceFiles | None:
    """The files of one sequence; None where it has a problem that leaves no frame."""
    place = places[leading.name][name]
    frames = _files(place, leading, problems)
    if not frames:
        problems.add(
            f"{place}: expected {leading.files} {_listed(leading.suffixes)}, found {_others(place, problems)}; remove "
            f"the folder or {leading.remedy}"
        )
        return None
    found: dict[str, list[Path | None]] = {leading.name: [*frames]}
    for part in others:
        other = places[part.name].get(name)
        files = [] if other is None else _files(other, part, problems)
        if not files and part.is_needed:
            if places[part.name]:  # else it was told already that the part is missing as a whole
                problems.add(
                    f"{part.root / name}: expected the {part.files} of {place} ({_listed(part.suffixes)}), found "
                    f"{_others(part.root / name, problems)}; {part.remedy} or remove the {leading.files}"
                )
            return None
        found[part.name] = _aligned(files, frames, part, leading, problems) if files else []
    # a part that the sequence lacks as a whole stays empty; of the others every frame has a file
    kept = [number for number in range(len(frames)) if all(not files or files[number] for files in found.values())]
    if not kept:
        return None
    whole = {part: [path for number in kept if files and (path := files[number])] for part, files in found.items()}
    return SequenceFiles(name, whole, _metadata([places[part.name].get(name) for part in (*others, leading)], problems))


def _others(place: Path, problems: Problems) -> str:
    """What is in a place without a single file that can be used."""
    others = [path for path in problems.passed_over if path.parent == place]
    return f"only others, such as {others[0].name}" if others else "none"


def _listed(suffixes: Sequence[str]) -> str:
    return " ".join(f"*{suffix}" for suffix in suffixes)


def _aligned(files: list[Path], frames: list[Path], part: Part, leading: Part, problems: Problems) -> list[Path | None]:
    """The file of ``part`` for each of the ``frames``, None where it is missing; what has no partner is told."""
    counts = f"{len(files)} {part.files} and {len(frames)} {leading.files}"
    if is_video_frame(frames[0]) or is_video_frame(files[0]):
        return _aligned_in_order(files, frames, part, leading, problems, counts=counts)
    with_file = {part.stem(path): path for path in files}
    with_frame = {leading.stem(path): path for path in frames}
    pairs = partners(list(with_frame), list(with_file))
    for name in (name for name in with_file if name not in pairs.values()):
        problems.add(_missing(with_file[name], part, like=frames[0], of=leading, counts=counts))
    for name in (name for name in with_frame if name not in pairs):
        problems.add(_missing(with_frame[name], leading, like=files[0], of=part, counts=counts))
    return [with_file[pairs[name]] if name in pairs else None for name in with_frame]


def _aligned_in_order(
    files: list[Path], frames: list[Path], part: Part, leading: Part, problems: Problems, *, counts: str
) -> list[Path | None]:
    """The same where one of the two is a video, whose frames have no names."""
    if len(files) != len(frames):
        problems.add(
            f"{files[0].parent}: expected one of the {part.files} for each of the {leading.files} in "
            f"{frames[0].parent}, found {counts}; cut both to the same frames"
        )
    for paths, its_part in ((files, part), (frames, leading)):
        gap = None if is_video_frame(paths[0]) else first_gap([its_part.stem(path) for path in paths])
        if gap is not None:
            problems.add(
                f"{paths[0].parent}: expected {its_part.files} without gaps, to go with the frames of a video, found "
                f"none of number {gap}; add it, or write the video's frames as pictures"
            )
            return [None] * len(frames)
    return [*files[: len(frames)], *[None] * (len(frames) - len(files))]


def _missing(path: Path, part: Part, *, like: Path, of: Part, counts: str) -> str:
    """The error for the file that ``of`` lacks and ``path`` of ``part`` asks for; ``like`` is one of its neighbours."""
    name = like.name.replace(of.stem(like), part.stem(path), 1)
    return (
        f"{like.with_name(name)}: expected one of the {of.files}, to go with {path}, found no file of that name or "
        f"number ({counts}); add it or remove the other"
    )


def _metadata(places: list[Path | None], problems: Problems) -> VideoMetadata:
    """The facts in the first of ``places`` that has them: of a folder its ``video.json``, of a video its own."""
    for place in places:
        if place is None:
            continue
        if _is_video(place):
            table = video_table(place)
            return VideoMetadata(table.frames_per_second, (table.height, table.width))
        try:
            return _read_metadata(place / VIDEO_METADATA)
        except FileNotFoundError:
            continue
        except UserError as error:
            problems.add(error)
    return VideoMetadata()


@dataclass(frozen=True)
class VideoNotes:
    """What a ``video.json`` can say."""

    frames_per_second: float = DEFAULT_FRAMES_PER_SECOND
    height: int | None = None
    width: int | None = None
    finder: str | None = None
    source: str | None = None


def _read_metadata(path: Path) -> VideoMetadata:
    """What a ``video.json`` says.

    Raises:
        FileNotFoundError: there is none.
        UserError: it says something else.
    """
    expected = '{"frames_per_second": 25, "height": 432, "width": 528}; mend or remove it'
    try:
        text = read_text(path)
    except ValueError as error:
        raise UserError(f"{path}: expected {expected}, found something else ({brief(error)})") from error
    noted = parse_json(text, VideoNotes, where=path, expected=expected)
    rate = noted.frames_per_second
    size = None if noted.height is None or noted.width is None else (noted.height, noted.width)
    is_half = (noted.height is None) != (noted.width is None)
    if not 0 < rate < float("inf") or is_half or (size is not None and min(size) < 1):
        raise UserError(
            f"{path}: expected a positive rate and size, found {rate} and {noted.height} x {noted.width}; mend or "
            "remove it"
        )
    return VideoMetadata(rate, size, noted.finder)


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def _places(part: Part, problems: Problems) -> dict[str, Path]:
    """Where each sequence of ``part`` lies, in order of their names: a folder, or a video file."""
    expected = f"expected a folder of {part.files} for each sequence"
    found = listing(part.root)
    if found is None:
        if part.is_needed:
            problems.add(
                f"{part.root}: {expected}, found no such folder; {part.remedy}, or check --dataroot, "
                "--dataset_mode and --phase"
            )
        return {}
    places = {name: part.root / name for name in found.folders}
    for path in (part.root / name for name in found.files):
        if part.can_be_video and path.suffix.lower() in VIDEO_SUFFIXES:
            first = places.setdefault(path.stem, path)
            if first != path:
                problems.add(f"{first}: expected one video a sequence, found {path.name} too; remove one of them")
        else:
            problems.passed_over.append(path)
    if not places:
        problems.add(f"{part.root}: {expected}, found none; put the frames of a video into a folder of its own")
    return dict(sorted(places.items()))


def _files(place: Path, part: Part, problems: Problems) -> list[Path]:
    """The files of ``part`` in ``place``, in order of their frames; of two that belong to one frame the first."""
    if _is_video(place):
        try:
            return frames_of(place)
        except UserError as error:
            problems.add(error)
            return []
    found = listing(place) or Listing([], [])
    problems.passed_over += [place / name for name in found.folders]
    files: dict[str, Path] = {}
    for path in (place / name for name in found.files):
        if path.name == VIDEO_METADATA:
            continue  # also where frames are JSON
        if path.suffix.lower() in part.suffixes:
            first = files.setdefault(part.stem(path), path)
            if first != path:
                problems.add(f"{first}: expected one file a frame, found {path.name} too; remove one of them")
        else:
            problems.passed_over.append(path)
    return [files[stem] for stem in sorted(files, key=natural_key)]
