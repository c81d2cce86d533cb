import importlib.util
import re
from pathlib import Path

import pytest

PAGES = sorted([*Path("docs").glob("*.md"), Path("README.md"), Path("checkpoints/README.md")])
FOLDERS = ("benchmarks", "data", "docs", "examples", "models", "options", "scripts", "tests", "util")
# a path, and what follows it where it is the beginning of several
PATH = re.compile(rf"(?<![\w/<])((?:{'|'.join(FOLDERS)})/[\w/]*(?:\.(?:py|sh|md|json|png|jpg|webp|txt)\b)?)([{{<*]?)")


def sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for folder in FOLDERS for path in Path(folder).rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_and_modules_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [path for path, more in PATH.findall(text) if not more and not Path(path).exists()]
    modules = re.findall(r"python -m ((?:benchmarks|data|examples|models|scripts|util)[\w.]*\w)", text)
    missing += [module for module in modules if importlib.util.find_spec(module) is None]
    assert not missing


def test_files_and_classes_of_the_architecture_page_exist() -> None:
    words = re.findall(r"`([^`\n]+)`", Path("docs/architecture.md").read_text(encoding="utf-8"))
    files = {path.name for folder in (".", *FOLDERS) for path in Path(folder).glob("**/*" if folder != "." else "*")}
    code = sources()
    missing = [word for word in words if re.fullmatch(r"\w+\.(py|sh|toml)", word) and word not in files]
    missing += [
        word
        for word in words
        if re.fullmatch(r"(?:[A-Z][a-z0-9]+){1,4}", word) and not re.search(rf"^class {word}\b|^{word} = ", code, re.M)
    ]
    assert not missing


def test_differences_from_the_published_training_are_named_once() -> None:
    text = Path("docs/training.md").read_text()
    assert text.count("from the published programs\n") == 1
    section = text.split("## Differences from the published programs")[1]
    for named in ("--lambda_face", "--no_flow", "`G_Warp` for the first frames", "side by side", "2 to n - 3",
                  "full size", "--warp_align_corners false", "--keyframes published", "--i3d_weights"):  # fmt: skip
        assert named in section


def test_answers_are_short_and_name_what_to_do() -> None:
    _, *paragraphs = Path("docs/faq.md").read_text(encoding="utf-8").split("\n\n")
    answers = [one for one in paragraphs if one.startswith("**")]
    assert len(answers) >= 38
    assert not [one for one in answers if one.count("\n") > 3]


@pytest.mark.parametrize(
    "card", sorted(Path("checkpoints").glob("*_sample_*/README.md")), ids=lambda card: card.parent.name
)
def test_a_card_tells_what_a_user_of_a_model_must_know(card: Path) -> None:
    text = card.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\w[^|]*?) \| (.+) \|$", text, re.MULTILINE))
    assert {"data", "licence", "training", "recipe", "size"} <= rows.keys()
    assert (
        "train_samples.sh" in rows["training"] + rows["recipe"]
        and "`bash scripts/" in rows[next(one for one in rows if "held-out" in one)]
    )
    assert "\nLimits: " in text and re.search(r"^Do not ", text, re.MULTILINE)
