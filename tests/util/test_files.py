from pathlib import Path

import pytest

from util.errors import UserError, run_program
from util.files import atomic_write, write_json, write_text
from util.folders import atomic_directories, atomic_directory


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "first")
    with pytest.raises(RuntimeError), atomic_write(path) as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert path.read_text() == "first"
    assert [one.name for one in path.parent.iterdir()] == ["a.txt"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    for text in ("first", "second"):
        with atomic_directory(folder) as scratch:
            write_text(scratch / "sign", text)
    with pytest.raises(RuntimeError), atomic_directory(folder) as scratch:
        write_text(scratch / "sign", "half")
        raise RuntimeError
    assert (folder / "sign").read_text() == "second"
    assert [one.name for one in tmp_path.iterdir()] == ["results"]


def test_somebody_elses_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_json(tmp_path / "photos" / "mine.json", {})
    with (
        pytest.raises(UserError, match="photos: expected a folder of results"),
        atomic_directory(tmp_path / "photos"),
    ):
        raise AssertionError("not reached")
    assert (tmp_path / "photos" / "mine.json").is_file()


def test_a_user_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def program() -> None:
        raise UserError("there is no such flag")

    with pytest.raises(SystemExit) as caught:
        run_program(program, debug=False)
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: there is no such flag\n"
    with pytest.raises(UserError):
        run_program(program, debug=True)


def test_a_link_to_results_stays_and_its_folder_is_written(tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "drive")
    for text in ("first", "second"):
        with atomic_directory(tmp_path / "results") as scratch:
            write_text(scratch / "sign", text)
    assert (tmp_path / "results").is_symlink() and (tmp_path / "drive/sign").read_text() == "second"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["drive", "results"]


def test_folders_that_appear_together_may_lie_below_links(tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "set/B").symlink_to(tmp_path / "drive")
    places = [tmp_path / "set/A/train/s", tmp_path / "set/B/train/s"]
    with pytest.raises(RuntimeError), atomic_directories(places) as scratches:
        for scratch in scratches:
            write_text(scratch / "0", "half")
        raise RuntimeError
    assert not (tmp_path / "set/A").exists() and not any((tmp_path / "drive").iterdir())
    with atomic_directories(places) as scratches:
        assert scratches[1].resolve().is_relative_to(tmp_path / "drive")
        for scratch in scratches:
            write_text(scratch / "0", "whole")
    assert [(place / "0").read_text() for place in places] == ["whole", "whole"]
