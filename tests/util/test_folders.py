"""Folders of ours and of others: what is replaced, what stays, what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from util.errors import UserError
from util.files import write_text
from util.folders import atomic_directory
from util.locks import locked
from util.manifest import MANIFEST, read_manifest, write_manifest


def write(folder: Path, **texts: str) -> None:
    with atomic_directory(folder) as scratch:
        for name, text in texts.items():
            write_text(scratch / name, text)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_what_others_put_beside_our_files_stays_and_what_we_wrote_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    write(folder, page="first", old="gone next time")
    (folder / "notes.txt").write_text("dear diary")
    (folder / "figures" / "empty").mkdir(parents=True)
    (folder / "figures" / "a.svg").write_text("<svg/>")
    (folder / "shortcut").symlink_to("figures")
    write(folder, page="second")
    assert names(folder) == ["figures", "figures/a.svg", "figures/empty", "notes.txt", "page", "shortcut", MANIFEST]
    assert (folder / "page").read_text() == "second" and (folder / "notes.txt").read_text() == "dear diary"
    assert os.readlink(folder / "shortcut") == "figures"
    assert os.listdir(tmp_path) == ["results"]


def test_a_file_of_others_in_the_way_is_refused_and_everything_stays(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    write(folder, page="first")
    (folder / "table").write_text("mine")
    with pytest.raises(UserError, match="table: is not ours"):
        write(folder, page="second", table="ours")
    assert (folder / "page").read_text() == "first" and (folder / "table").read_text() == "mine"
    assert os.listdir(tmp_path) == ["results"]


@pytest.mark.parametrize("name", ["summary.json", "config.json", MANIFEST])
def test_a_foreign_folder_is_refused_whatever_its_files_are_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"mine": true}\n')
    with pytest.raises(UserError, match="give another folder"):
        write(tmp_path, page="ours")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("told", [".", "", ".."])
def test_the_current_folder_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match="expected a folder of its own"), atomic_directory(Path(told)):
        raise AssertionError("not reached")


def test_a_link_to_a_folder_that_is_yet_to_be_made_stays_one(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(tmp_path / "drive" / "results")
    write(tmp_path / "results", page="first")
    assert (tmp_path / "results").is_symlink() and (tmp_path / "drive/results/page").read_text() == "first"


def test_the_list_keeps_strange_names_and_is_one_that_sha256sum_reads(tmp_path: Path) -> None:
    strange = ["two\nlines", "back\\slash", "\\n", "a  b", "\udcff"]
    for name in strange:
        (tmp_path / name).write_text(name.encode("utf-8", "surrogateescape").hex())
    write_manifest(tmp_path)
    assert sorted(read_manifest(tmp_path) or {}) == sorted(strange)
    done = subprocess.run(["sha256sum", "--strict", "-c", MANIFEST], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_second_of_two_programs_is_told_who_is_the_first(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from util.locks import locked\n"
        "with locked(Path(sys.argv[1]), place=Path('run')): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None and first.stdout.readline() == b"held\n"
        told = pytest.raises(UserError, match=f"run: in use by process {first.pid} on ")
        with told, locked(tmp_path / "lock", place=Path("run")):
            raise AssertionError("not reached")
        first.kill()
    with locked(tmp_path / "lock", place=Path("run")), locked(tmp_path / "lock", place=Path("run")):
        pass  # the lock of a killed process is free, and one's own can be taken again
    assert os.listdir(tmp_path) == []


def test_scratch_of_others_is_never_removed(tmp_path: Path) -> None:
    for name in (".results.more.0123456789ab.part", ".resultsx.0123456789ab.part", ".other.1.part"):
        (tmp_path / name).mkdir()
    (tmp_path / ".results.0123456789ab.part").mkdir()  # of a killed run of the same folder: no one holds its lock
    write(tmp_path / "results", page="first")
    assert sorted(os.listdir(tmp_path)) == [
        ".other.1.part", ".results.more.0123456789ab.part", ".resultsx.0123456789ab.part", "results",
    ]  # fmt: skip
