"""``requirements.lock`` holds every requirement, at a version that fits, with hashes."""

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILES = ("requirements.txt", "requirements-fast.txt", "tests/requirements.txt")
PIN = re.compile(r"^([\w.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def test_lock_has_every_requirement_with_hashes() -> None:
    text = Path("requirements.lock").read_text(encoding="utf-8")
    pins = {canonicalize_name(name): version for name, version, _ in PIN.findall(text)}
    assert len(pins) == len(re.findall("^[^ #\n]", text, re.MULTILINE)), "a line without hashes"
    for file in FILES:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        for wanted in (Requirement(line) for line in lines if line and line[0] not in "#-"):
            assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)]), (file, wanted)


def test_lock_names_no_machine() -> None:
    assert not re.search(r"file:|https?:|--index|--find-links|/opt/", Path("requirements.lock").read_text("utf-8"))
