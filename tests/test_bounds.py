"""Hostile and broken files end in one line at once: no hang, no memory beyond what the file holds."""

import json
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.metrics.results_file import read_results
from benchmarks.protocol import read_protocol
from data.layout import VideoNotes
from data.storage.shards import listing, read_text
from models import checkpoint as checkpoints
from models.build import build_generator, load_generator
from models.weights_file import fill, read_tensors, read_torch_file, safetensors_shapes
from options.config import TestConfig, TrainConfig
from options.network_config import GeneratorConfig
from util.errors import MOST_LETTERS, UserError, brief
from util.json_files import read_json
from util.manifest import MANIFEST
from util.report.live_page import HOST, _Server
from util.report.training_log import _lines_until

SMALL = GeneratorConfig(ngf=4, n_blocks=1, n_downsample_G=1)


def shard(path: Path, size: int, *, kind: bytes = tarfile.REGTYPE) -> None:
    member = tarfile.TarInfo("train_img/talk/0.png")
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (b"\xff" if size < 0 else b"\x80") + size.to_bytes(11, "big", signed=size < 0)
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
    path.write_bytes(bytes(header) + bytes(2048))


@pytest.mark.parametrize("size", [-512, -1024, 2**60, 2**80])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_tar_file_that_lies_about_sizes_is_refused_at_once(tmp_path: Path, size: int, kind: bytes) -> None:
    shard(tmp_path / "shard-00000.tar", size, kind=kind)
    with pytest.raises(UserError, match="shard-00000.tar: expected a whole tar file"):
        listing(tmp_path / "train_img")


def test_a_pipe_in_place_of_a_landmark_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "00000.txt")
    with pytest.raises(UserError, match="expected a regular file, found a pipe"):
        read_text(tmp_path / "00000.txt")
    with pytest.raises(UserError, match="found no regular file"):
        read_torch_file(tmp_path / "00000.txt", expected="weights")
    with pytest.raises(UserError, match="found no regular file"):
        read_json(tmp_path / "00000.txt", VideoNotes, expected="notes")


def test_views_that_would_grow_are_refused(tmp_path: Path) -> None:
    torch.save({str(number): torch.zeros(1).expand(10**6) for number in range(20)}, tmp_path / "a.pth")
    with pytest.raises(UserError, match="found tensors of 80000000 bytes in a file of"):
        read_tensors(tmp_path / "a.pth", expected="weights")


def test_a_compressed_file_of_torch_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "plain.pt")
    packed = zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, packed as bomb:
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    with pytest.raises(UserError, match="compressed: "):
        read_torch_file(tmp_path / "bomb.pt", expected="weights")


def saved(folder: Path, **generator: Any) -> checkpoints.Checkpoint:
    """A save whose config was changed afterwards."""
    network = build_generator(SMALL, semantic_channels=3)
    checkpoints.save(folder, config=TrainConfig(generator=SMALL), step=1, networks={"generator": network},
                     training_state={}, metadata={"semantic_channels": 3})  # fmt: skip
    (folder / MANIFEST).unlink()
    path = folder / "config.json"
    described = json.loads(path.read_text())
    described["config"]["generator"] |= generator
    path.write_text(json.dumps(described))
    return checkpoints.load(folder, flag="--checkpoint")


@pytest.mark.parametrize("lie", [{"ngf": 3000}, {"n_blocks": 10**7}, {"ngf": 10**9}, {"n_frames_G": 10**6}, {"ngf": 8}])
def test_a_config_that_describes_more_than_the_weights_is_refused_before_memory_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: dict[str, int]
) -> None:
    save = saved(tmp_path / "latest", **lie)
    monkeypatch.setattr(checkpoints, "load_weights", None)
    monkeypatch.setattr(nn.init, "kaiming_uniform_", lambda tensor, **_: tensor if tensor.is_meta else 1 / 0)
    with pytest.raises(UserError, match="generator.safetensors: expected"):
        load_generator(save)


def test_a_header_of_more_numbers_than_bytes_is_refused(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(UserError, match="broken weights"):
        safetensors_shapes(tmp_path / "a.safetensors", expected="weights")


@pytest.mark.parametrize("flipped", ["generator.safetensors", "training_state.pt", "config.json"])
def test_a_flipped_bit_is_found(tmp_path: Path, flipped: str) -> None:
    network = nn.Linear(2, 2)
    checkpoints.save(tmp_path / "latest", config=TrainConfig(), step=1, networks={"generator": network},
                     training_state={"numbers": torch.ones(9)}, metadata={"semantic_channels": 3})  # fmt: skip
    path = tmp_path / "latest" / flipped
    content = bytearray(path.read_bytes())
    content[-9 if flipped != "config.json" else content.index(b'"step": 1') + 8] ^= 2
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{flipped}: damaged or changed: expected sha256"):
        save = checkpoints.load(tmp_path, flag="--resume")
        save.weights("generator")
        save.training_state()


BROKEN = {
    "deep": b"[" * 100_000, "digits": b"9" * 4301, "no object": b"[]", "latin": b"{\xe9}", "cut": b'{"format": 1',
    "missing": b'{"format": 1}', "odd": b'{"format": 1, "config": 3, "methods": 4, "clips": 5}', "empty": b"",
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("read", [
    read_protocol, read_results, lambda path: checkpoints.load(path.parent, flag="--checkpoint"),
])  # fmt: skip
def test_broken_json_is_one_line_whoever_reads_it(tmp_path: Path, broken: str, read: Callable[[Path], Any]) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(BROKEN[broken])
    if read is read_results and broken == "missing":
        return  # no methods at all are results, too
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("metadata", [
    {}, {"semantic_channels": "3"}, {"semantic_channels": -1}, {"semantic_channels": 3, "best": {"value": None}},
    {"semantic_channels": 3, "subject_widths": [1]}, {"semantic_channels": 3, "components": {"a": 1}},
])  # fmt: skip
def test_notes_of_a_checkpoint_of_odd_kinds_are_named(tmp_path: Path, metadata: dict[str, Any]) -> None:
    saved(tmp_path / "latest")
    path = tmp_path / "latest" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metadata": metadata}))
    with pytest.raises(UserError, match="config.json: expected the notes of a checkpoint"):
        checkpoints.load(tmp_path, flag="--checkpoint")


def test_a_broken_byte_in_the_log_costs_its_line_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log").write_bytes(b'{"step": 1}\n{"st\xe9p": 2}\n' + b"[" * 10**5 + b'\n{"step": 3}\n{"step": 9}\n')
    assert _lines_until(tmp_path / "log", 5) == ['{"step": 1}', '{"step": 3}']
    assert capsys.readouterr().out.count("left out") == 2


@pytest.mark.parametrize("content", [{"weight": torch.zeros(3, 3)}, {"weight": 1}, [1], {"a": torch.zeros(2)}, {}])
def test_foreign_weights_are_one_line_that_names_the_first_difference(tmp_path: Path, content: object) -> None:
    network = nn.Linear(2, 2)
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth: expected the weights") as caught:
        fill(network, read_tensors(tmp_path / "a.pth", expected="the weights"), where=str(tmp_path / "a.pth"),
             expected="the weights")  # fmt: skip
    assert "\n" not in str(caught.value)


def test_an_error_is_one_short_line_whatever_names_a_file_holds() -> None:
    line = brief("key\n\x1b[31m" + "x" * 10**6 + "; fetch it again", MOST_LETTERS)
    assert len(line) <= MOST_LETTERS and line.isprintable() and line.endswith("; fetch it again")


@pytest.mark.parametrize("name", ["../../x", "a/b", "", ".", "..", "a\\b"])
def test_the_results_of_a_name_stay_in_their_folder(name: str) -> None:
    with pytest.raises(UserError, match="expected a plain folder name"):
        TestConfig(checkpoint="c", name=name)


def test_many_browsers_at_once_are_not_turned_away() -> None:
    with _Server((HOST, 0), BaseHTTPRequestHandler) as server, ExitStack() as browsers:
        for _ in range(200):  # nobody is served yet: all of them wait
            browsers.enter_context(socket.create_connection((HOST, server.server_port), timeout=2))
