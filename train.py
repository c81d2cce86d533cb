"""Train: clips -> step -> log -> save. ``--stage`` says what is trained; the loop is in ``models/training/loop.py``."""

import sys

from options.cli import parse
from options.config import TrainConfig
from util.errors import run_program


def main() -> None:
    """Train as the command line says."""
    config = parse(TrainConfig, description=__doc__.splitlines()[0])
    # here, since --help needs none of it
    from models.training.loop import run
    from models.training.memory_plan import make_plan
    from util.distributed import distributed

    if config.run.plan:
        print("\n".join(make_plan(config)))
        return
    with distributed(config.run.device) as processes:
        run(config, processes=processes)


if __name__ == "__main__":
    run_program(main, debug="--debug" in sys.argv)
