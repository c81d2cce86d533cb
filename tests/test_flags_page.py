import re
from pathlib import Path

import pytest

from scripts.flags_page import PAGE, flags_of, page, programs

PAGES = sorted([*Path("docs").glob("*.md"), *Path("checkpoints").glob("**/README.md"), *Path(".").glob("*.md")])
# flags of programs that are not ours, and of our bash scripts
FOREIGN = {
    "--extra-index-url", "--index-url", "--require-hashes", "--no-deps", "--standalone", "--nproc_per_node", "--nnodes",
    "--rdzv_backend", "--rdzv_endpoint", "--logdir", "--write_json", "--face", "--hand", "--keypoint_scale",
    "--train", "--quick", "--generate-hashes", "--check", "--rm", "--build-arg", "--gpus",
}  # fmt: skip
FLAG = re.compile(r"(?<![\w-])--[a-zA-Z][\w-]*")


def test_page_is_what_the_programs_have_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m scripts.flags_page"


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_flags_that_a_page_names_exist(path: Path) -> None:
    known = FOREIGN.union(*map(flags_of, programs().values()))
    text = path.read_text(encoding="utf-8")
    assert not sorted({flag for flag in FLAG.findall(text) if flag not in known and flag != "--flag"})


def test_every_flag_has_a_meaning() -> None:
    assert not [line for line in page().splitlines() if line.startswith("|") and line.endswith("|  |")]
