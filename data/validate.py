"""``python -m data.validate --dataroot DIR --dataset_mode KIND``: names what is wrong with a dataset, file by file.

Exit code 0: nothing that would stop a training; 1: something would; 2: the command itself cannot be understood.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from options.cli import parse
from options.data_config import DataConfig
from options.values import option
from util.errors import UserError, run_program
from util.files import write_json


@dataclass(frozen=True)
class ValidateRun:
    """What is looked at, and where the findings go."""

    dataroot: str = option("", "the dataset's folder")
    phase: str = option("train", "parts of the dataset to look at, such as train,test; train must be fit to train on")
    quick: bool = option(False, "pairing, counts and header sizes alone, as a training does before it starts")
    json: str | None = option(None, "write the findings to this file too")
    page: str | None = option(None, "write an HTML page that shows the first frame of each sequence and its semantics")
    debug: bool = option(False, "show the traceback of an error")


@dataclass(frozen=True)
class ValidateConfig:
    """The flags of ``data.validate``: those of the data are ``train.py``'s."""

    run: ValidateRun = field(default_factory=ValidateRun)
    data: DataConfig = field(default_factory=DataConfig)


def _phases(text: str) -> list[str]:
    phases = [phase.strip() for phase in text.split(",")]
    if not all(phases):
        raise UserError(f"--phase {text}: expected names of parts such as train,test")
    return phases


def main(arguments: Sequence[str] | None = None) -> None:
    """Check the dataset that the flags name.

    Raises:
        UserError: the flags make no sense.
        SystemExit: 1 where a training would stop.
    """
    config = parse(ValidateConfig, arguments, description=__doc__.splitlines()[0])
    root = Path(config.run.dataroot)
    if not config.run.dataroot or not root.is_dir():
        raise UserError(f"--dataroot {config.run.dataroot}: expected the folder of a dataset, found none")
    # here, since --help needs none of it
    from data.checking import validate
    from data.contact_sheet import write_contact_sheet

    phases = _phases(config.run.phase)
    report = validate(config.data, root=root, phases=phases, is_quick=config.run.quick)
    print(report.text)
    if config.run.json is not None:
        write_json(Path(config.run.json), asdict(report))
    if config.run.page is not None:
        write_contact_sheet(Path(config.run.page), config.data, root=root, phases=phases, outcome=report.text)
        print(f"page: {config.run.page}")
    if report.num_errors:
        raise SystemExit(1)


if __name__ == "__main__":
    run_program(main, debug="--debug" in sys.argv)
