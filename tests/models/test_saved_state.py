"""A training state that is not this run's is refused before anything of the run takes it up."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models import checkpoint as checkpoints
from models.training import loop as train
from models.training.saved_state import check_state
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import TINY, write_tiny_face
from util.errors import UserError
from util.manifest import MANIFEST

WHERE = Path("training_state.pt")


def optimizers() -> dict[str, torch.optim.Optimizer]:
    found: dict[str, torch.optim.Optimizer] = {}
    for name in ("generator", "discriminators"):
        network = nn.Linear(3, 2)
        found[name] = torch.optim.Adam(network.parameters(), fused=True)
        network(torch.ones(1, 3)).sum().backward()
        found[name].step()
    return found


def state_of(optimizers: dict[str, torch.optim.Optimizer]) -> dict[str, Any]:
    return {
        "optimizers": {name: copy.deepcopy(one.state_dict()) for name, one in optimizers.items()},
        "scaler": {},
        "rng": torch.get_rng_state(),
        "seconds": 1.5,
        "average_updates": 3,
        "guard": {"rollbacks": 0, "lr_scale": 1.0},
    }


def test_a_sound_state_passes_also_one_of_other_names_and_of_no_step() -> None:
    own = optimizers()
    state = state_of(own)
    check_state(state, own, where=WHERE)
    state["optimizers"]["critics"] = state["optimizers"].pop("discriminators")
    state["optimizers"]["generator"]["state"] = {}
    del state["average_updates"], state["guard"]
    check_state(state, own, where=WHERE)


DAMAGES: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "no optimizers": lambda state, _: state.pop("optimizers"),
    "a tensor for optimizers": lambda state, _: state.update(optimizers=torch.zeros(3)),
    "a list for an optimizer": lambda state, _: state["optimizers"].update(generator=[1]),
    "moments of another shape": lambda _, adam: adam["state"][0].update(exp_avg=torch.zeros(5, 7)),
    "moments of another type": lambda _, adam: adam["state"][0].update(exp_avg_sq=torch.zeros(2, 3, dtype=torch.int8)),
    "no moments": lambda _, adam: adam["state"][0].pop("exp_avg"),
    "a word for moments": lambda _, adam: adam["state"].update({1: "x"}),
    "a word for a step": lambda _, adam: adam["state"][1].update(step="x"),
    "one parameter more": lambda _, adam: adam["state"].update({7: adam["state"][0]}),
    "a key that is a word": lambda _, adam: adam["state"].update(x={}),
    "no groups": lambda _, adam: adam.update(param_groups=[]),
    "a word for a rate": lambda _, adam: adam["param_groups"][0].update(lr="fast"),
    "no rate": lambda _, adam: adam["param_groups"][0].pop("lr"),
    "a rate that is no number": lambda _, adam: adam["param_groups"][0].update(lr=float("nan")),
    "one beta": lambda _, adam: adam["param_groups"][0].update(betas=(0.5,)),
    "another Adam": lambda _, adam: adam["param_groups"][0].update(amsgrad=True),
    "other parameters": lambda _, adam: adam["param_groups"][0].update(params=[1, 0]),
    "random numbers of another size": lambda state, _: state.update(rng=torch.zeros(3, dtype=torch.uint8)),
    "no random numbers": lambda state, _: state.pop("rng"),
    "a word for seconds": lambda state, _: state.update(seconds="long"),
    "a list for the guard": lambda state, _: state.update(guard=[]),
    "a word in the guard": lambda state, _: state.update(guard={"lr_scale": "x"}),
    "a word in the scaler": lambda state, _: state.update(scaler={"scale": "x"}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_odd_state_is_one_line(damage: str) -> None:
    """Some of these took the process down at the next step of Adam; tests/fuzz.py found them."""
    own = optimizers()
    state = state_of(own)
    DAMAGES[damage](state, state["optimizers"]["generator"])
    with pytest.raises(UserError, match="training_state.pt: expected the training state of this run, found") as caught:
        check_state(state, own, where=WHERE)
    assert "\n" not in str(caught.value)


def test_resuming_from_an_odd_state_names_its_file_and_writes_nothing(tmp_path: Path) -> None:
    data = write_tiny_face(tmp_path / "data", phase="train", num_frames=8)
    arguments = [*TINY, "--dataroot", str(data), "--checkpoints_dir", str(tmp_path), "--name", "run"]
    short = [*arguments, "--niter", "1", "--niter_decay", "0"]
    train.run(parse(TrainConfig, short, description=""))
    latest = tmp_path / "run" / "latest"
    (latest / MANIFEST).unlink()
    state = torch.load(latest / checkpoints.STATE_FILE, weights_only=True)
    state["optimizers"]["generator"]["state"][0]["exp_avg"] = torch.zeros(1)
    torch.save(state, latest / checkpoints.STATE_FILE)
    before = {path.name: path.read_bytes() for path in latest.iterdir()}
    with pytest.raises(UserError, match=r"run/latest/training_state.pt: expected the training state of this run"):
        train.run(parse(TrainConfig, [*short, "--resume", "--niter", "2"], description=""))
    assert {path.name: path.read_bytes() for path in latest.iterdir()} == before
