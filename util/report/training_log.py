"""Reports of a training: means of its loss terms on the screen, in a file and on TensorBoard; pictures."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from util.distributed import SINGLE_PROCESS, DistributedContext
from util.errors import UserError
from util.files import write_text
from util.json_files import parse_json
from util.media.pictures import write_picture


@dataclass(frozen=True)
class _Row:
    """What every line of the log has."""

    step: int


def _lines_until(path: Path, last_step: int) -> list[str]:
    """The whole lines of a log up to a step; a run that was killed does the later steps again."""
    kept: list[str] = []
    # a broken byte costs its line, not the log
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            row = parse_json(line, _Row, where=f"{path}:{number}", expected="a line of the log")
        except UserError as error:
            tqdm.write(f"left out: {error}")
            continue
        if row.step <= last_step:
            kept.append(line)
    return kept


class TrainingLog:
    """Progress bar with rate and remaining time, ``loss_log.jsonl``, TensorBoard, ``pictures/``. A context manager.

    One of several processes writes; the others send it their losses.
    """

    def __init__(
        self,
        folder: Path,
        *,
        first_step: int,
        num_steps: int,
        title: str,
        processes: DistributedContext = SINGLE_PROCESS,
    ) -> None:
        """Open the log of a run.

        Args:
            folder: of the run.
            first_step: where this process starts.
            num_steps: where the run ends.
            title: shown before the bar.
            processes: those that train together.
        """
        self.folder = folder
        self._processes = processes
        self._file = folder / "loss_log.jsonl"
        self._board: SummaryWriter | None = None
        if processes.is_writer:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(self._file, "".join(line + "\n" for line in _lines_until(self._file, first_step)))
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)
        self._bar = tqdm(initial=first_step, total=num_steps, desc=title, unit="step", dynamic_ncols=True,
                         disable=not processes.is_writer)  # fmt: skip
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        if self._board is not None:
            self._board.close()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._processes.is_writer:
            tqdm.write(text)

    def count(self, terms: dict[str, Tensor]) -> None:
        """Add the loss terms of one update to the means of the next report; nothing is copied from the device."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def advance(self) -> None:
        """Move the bar by one step."""
        self._bar.update()

    def report(self, step: int, **more: float) -> dict[str, float]:
        """Write the mean of every loss term since the last report, over all processes: all of them call this.

        Args:
            step: steps done.
            **more: further numbers, such as the learning rate.

        Returns:
            The means by name.
        """
        sums = {name: float(total) for name, total in self._sums.items()}
        gathered = self._processes.gathered((sums, dict(self._counts)))
        # a term is absent where there is nothing to judge, such as a face
        names = list(dict.fromkeys(name for counts in gathered for name in counts[1]))
        means = {
            name: sum(one.get(name, 0.0) for one, _ in gathered) / sum(counts.get(name, 0) for _, counts in gathered)
            for name in names
        }
        self._sums.clear()
        self._counts.clear()
        if self._board is None:
            return means
        for name, value in (means | more).items():
            self._board.add_scalar(("loss/" if name in means else "schedule/") + name, value, step)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step} | {name: round(value, 6) for name, value in (means | more).items()}))
            file.write("\n")
        self.say(f"step {step}: " + "  ".join(f"{name} {value:.3f}" for name, value in means.items()))
        return means

    def picture(self, step: int, pixels: np.ndarray) -> None:
        """Keep a picture of what the generator makes now.

        Args:
            step: steps done.
            pixels: uint8 [H, W, 3].
        """
        if self._board is None:
            return
        write_picture(self.folder / "pictures" / f"{step:07d}.png", pixels)
        self._board.add_image("generated", pixels, step, dataformats="HWC")
