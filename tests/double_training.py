"""``train.py`` in double precision, as a program for torchrun and for tests.

Sums in another order differ in the last bit. In single precision that is enough to set two equal trainings apart within
a few steps: Adam makes steps of one size from gradients that are zero but for rounding, and warping by a predicted flow
has a gradient that jumps. In double precision rounding stays below Adam's epsilon, and equal trainings stay equal.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import train
from data.clips import Clip, PackedClip
from models.training import assembly
from models.training.run import Training
from models.training.stages.base import Stage


def compute_in_double(change: Callable[[Any, str, Any], None]) -> None:
    """Make trainings compute in double precision; ``change`` is ``setattr`` or a monkeypatch's."""
    build_stage, ready = assembly.build_stage, Training.ready

    def build(*args: Any, **kwargs: Any) -> tuple[Stage, list[str]]:
        stage, described = build_stage(*args, **kwargs)
        for network in (stage.generator, stage.discriminators, *stage.frozen):
            network.double()
        return stage, described

    def as_double(training: Training, clip: PackedClip) -> Clip:
        return ready(training, clip)._map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    # losses are summed in single precision otherwise
    change(torch.Tensor, "float", torch.Tensor.double)
    change(assembly, "build_stage", build)
    change(Training, "ready", as_double)


if __name__ == "__main__":
    if folder := os.environ.get("WRITE_PROCESS_IDS_TO"):
        (Path(folder) / str(os.getpid())).touch()
    compute_in_double(setattr)
    train.run_program(train.main, debug=True)
