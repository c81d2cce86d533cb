"""How does a training report? Loss rows by name on the screen, in a file, on TensorBoard; pictures every so often."""

import json
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from util.distributed import SINGLE_PROCESS, DistributedContext
from util.files import write_text
from util.media.pictures import write_picture


def _rows_until(path: Path, last_step: int) -> list[str]:
    """The whole rows of a log up to a step: a run that was killed did the later ones again."""
    kept: list[str] = []
    for row in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            step = int(json.loads(row)["step"])
        except (ValueError, KeyError, TypeError):
            continue
        if step <= last_step:
            kept.append(row)
    return kept


class TrainingLog:
    """Progress bar with rate and remaining time, ``loss_log.jsonl``, TensorBoard, ``pictures/``. A context manager.

    Of several processes one writes; the others hand it their losses.
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
        self._rows = folder / "loss_log.jsonl"
        self._board: SummaryWriter | None = None
        if processes.is_writer:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(self._rows, "".join(row + "\n" for row in _rows_until(self._rows, first_step)))
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)
        is_silent = not processes.is_writer
        self._bar = tqdm(
            initial=first_step, total=num_steps, desc=title, unit="step", dynamic_ncols=True, disable=is_silent
        )
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> "TrainingLog":
        """Return the log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close bar and board."""
        self._bar.close()
        if self._board is not None:
            self._board.close()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._processes.is_writer:
            tqdm.write(text)

    def count(self, rows: dict[str, Tensor]) -> None:
        """Add the rows of one weight update to the means of the next report; nothing is copied from the device."""
        for name, value in rows.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def advance(self) -> None:
        """One step is done."""
        self._bar.update()

    def report(self, step: int, **more: float) -> dict[str, float]:
        """Write the mean of every row since the last report, over all processes: all of them call this.

        Args:
            step: steps done.
            **more: further numbers, such as the learning rate.

        Returns:
            The means by name.
        """
        sums = {name: float(total) for name, total in self._sums.items()}
        told = self._processes.gathered((sums, dict(self._counts)))
        # a row may be absent where there is nothing to judge, such as a face
        names = list(dict.fromkeys(name for counts in told for name in counts[1]))
        means = {
            name: sum(one.get(name, 0.0) for one, _ in told) / sum(counts.get(name, 0) for _, counts in told)
            for name in names
        }
        self._sums.clear()
        self._counts.clear()
        if self._board is None:
            return means
        for name, value in (means | more).items():
            self._board.add_scalar(("loss/" if name in means else "schedule/") + name, value, step)
        with self._rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step} | {name: round(value, 6) for name, value in (means | more).items()}))
            file.write("\n")
        self.say(f"step {step}: " + "  ".join(f"{name} {value:.3f}" for name, value in means.items()))
        return means

    def picture(self, step: int, pixels: np.ndarray) -> None:
        """Keep a picture of what is drawn now.

        Args:
            step: steps done.
            pixels: uint8 [H, W, 3].
        """
        if self._board is None:
            return
        write_picture(self.folder / "pictures" / f"{step:07d}.png", pixels)
        self._board.add_image("drawn", pixels, step, dataformats="HWC")
