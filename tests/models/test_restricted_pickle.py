"""Hostile and damaged files are refused in one line, and nothing in them runs."""

import argparse
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.legacy.importing import import_generator
from models.legacy.old_file import read_old_file
from tests.published_files import Networks, small, write
from util.errors import UserError


def zipped(
    path: Path, code: bytes, *, storages: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", code)
        for key, numbers in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", numbers)
    return path


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


CONV = b"\x80\x02ctorch.nn.modules.conv\nConv2d\n"


class System:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


HARM = {
    "os.system by reduce": (pickle.dumps(System(), 2), "system, which no published file needs"),
    "builtins.eval": (b"\x80\x02c__builtin__\neval\n" + text("1+1") + b"\x85R.", "names __builtin__.eval"),
    "builtins.getattr": (b"\x80\x02cbuiltins\ngetattr\n.", "names builtins.getattr"),
    "a way through an attribute": (b"\x80\x02cmodels.networks\nResnetBlock.__init__.__globals__\n.", "__globals__"),
    "the same in a newer protocol": (b"\x80\x04\x8c\x0fmodels.networks\x8c\x09os.system\x93.", "SHORT_BINUNICODE"),
    "a class called": (CONV + text("x") + b"\x85R.", "it calls torch.nn.modules.conv.Conv2d"),
    "a class made with arguments": (CONV + text("x") + b"\x85\x81.", "it makes a new torch.nn.modules.conv.Conv2d"),
    "a value called": (b"\x80\x02" + text("os.system") + text("x") + b"\x85R.", "it calls 'os.system'"),
    "a state that is no dict": (CONV + b")\x81" + text("x") + b"b.", "a strange state, 'x'"),
    "a state of slots": (CONV + b")\x81N}" + text("__class__") + b"K\x01s\x86b.", "a strange state, a tuple"),
    "a state for a class": (CONV + b"}b.", "it changes torch.nn.modules.conv.Conv2d"),
    "values put into a record": (CONV + b")\x81" + text("a") + b"K\x01s.", "it puts values into a torch.nn"),
    "values added to a record": (CONV + b")\x81K\x01a.", "it adds values to a torch.nn.modules.conv"),
    "an old-style instance": (b"(ios\nsystem\n.", "instruction INST"),
    "an extension": (b"\x80\x02\x82\x01.", "instruction EXT1"),
    "a name that orders a terminal about": (b"\x80\x02cmodels.networks\n\x1b[2J\n.", r"models.networks.\x1b[2J"),
    "a huge memo": (b"\x80\x02Nr\xff\xff\xff\xff0.", "instruction POP"),
    "too few values": (b"\x80\x02\x85.", "a value that is not there"),
    "a list without a begin": (b"\x80\x02]e.", "never began"),
    "a memory of nothing": (b"\x80\x02h\x05.", "recalls a value that is not there"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARM)
def test_harm_is_refused_in_one_line_and_nothing_runs(name: str, tmp_path: Path) -> None:
    code, expected = HARM[name]
    with pytest.raises(UserError) as caught:
        read_old_file(zipped(tmp_path / "harm.pth", code))
    message = str(caught.value)
    assert "harm.pth: refused, nothing in it was executed" in message and expected in message
    assert "\n" not in message and "\x1b" not in message


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_hidden_in_a_generator_does_not_run(tmp_path: Path, networks: Networks, is_zip: bool) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    module = networks.like(small(), "CompositeGenerator")
    module.opt = argparse.Namespace(loadSize=64, hidden=Evil())  # type: ignore[assignment]
    path = write(module, tmp_path / "harm.pth", is_zip=is_zip)
    with pytest.raises(UserError, match="refused, nothing in it was executed: it names .*mkdir"):
        import_generator([path], tmp_path / "old", dataset_mode="face", role="teacher")
    assert not (tmp_path / "owned").exists() and not (tmp_path / "old").exists()


def tensor_code(*, count: int = 4, offset: int = 0, size: int = 4, stride: int = 1, key: str = "0") -> bytes:
    """A dict of one tensor as torch pickles it, with these numbers."""

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(count) + b"tQ"
    arguments = storage + number(offset) + number(size) + b"\x85" + number(stride) + b"\x85\x89}t"
    return b"\x80\x02}" + text("a") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"Rs."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"size": 5}, "larger than its storage"),
        ({"offset": 1}, "larger than its storage"),
        ({"stride": 2}, "larger than its storage"),
        ({"size": 2**30, "stride": 0}, "larger than its storage"),
        ({"offset": -1}, "no list of numbers"),
        ({"count": -1}, "a storage called"),
        ({"count": 2**30, "size": 2**30}, "not of 4294967296 bytes"),
        ({"count": 5}, "not of 20 bytes"),
        ({"key": "../../data.pkl"}, "no storage"),
    ],
)
def test_tensors_stay_within_their_numbers(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    numbers = {"0": struct.pack("<4f", 1, 2, 3, 4)}
    good = read_old_file(zipped(tmp_path / "good.pth", tensor_code(), storages=numbers))
    assert good.tensors["a"].tolist() == [1, 2, 3, 4]
    with pytest.raises(UserError, match=expected):
        read_old_file(zipped(tmp_path / "harm.pth", tensor_code(**changes), storages=numbers))


def test_a_zip_that_unpacks_to_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "bomb.pth", tensor_code(count=2**20), storages={"0": bytes(2**22)}, method=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(UserError, match="compressed contents"):
        read_old_file(path)


def whole_file(*, is_zip: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(3)}, buffer,
               _use_new_zipfile_serialization=is_zip)  # fmt: skip
    return buffer.getvalue()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(is_zip=st.booleans(), data=st.data())
def test_a_damaged_file_is_a_one_line_error_or_reads(tmp_path: Path, is_zip: bool, data: st.DataObject) -> None:
    content = bytearray(whole_file(is_zip=is_zip))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:place]
    else:
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.pth"
    path.write_bytes(content)
    try:
        read_old_file(path)
    except UserError as error:
        assert "\n" not in str(error)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(code=st.lists(st.sampled_from([b"N", b"K\x01", b"}", b"]", b")", b"(", b"t", b"\x85", b"\x86", b"s", b"u", b"e",
                                      b"a", b"b", b"R", b"\x81", b"Q", b"q\x01", b"h\x01", text("_modules"),
                                      b"cmodels.networks\nA\n", b"ccollections\nOrderedDict\n",
                                      b"ctorch._utils\n_rebuild_tensor_v2\n", b"c__builtin__\nset\n"]),
                     max_size=30))  # fmt: skip
def test_no_order_of_instructions_escapes(tmp_path: Path, code: list[bytes]) -> None:
    path = zipped(tmp_path / "any.pth", b"\x80\x02" + b"".join(code) + b".")
    with pytest.raises(UserError):
        read_old_file(path)
