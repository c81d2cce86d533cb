"""The collapse guard, alone and in a training: nothing that is not finite reaches a weight."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models import checkpoint as checkpoints
from models.training import loop as train
from models.training.chunks import Chunk
from models.training.divergence import Guard, NonFiniteError, check_finite, check_scale, gradient_norm
from models.training.rollout import Rollout
from models.training.stages.base import Stage, StageLosses
from options.cli import parse
from options.config import TrainConfig
from tests.tiny_face import TINY, write_tiny_face
from util.distributed import SINGLE_PROCESS
from util.errors import UserError


def test_gradients_above_the_limit_are_scaled_down_to_it_and_others_stay_bit_by_bit() -> None:
    parameter = nn.Parameter(torch.zeros(3))
    for limit, expected in ((0.0, 5.0), (10.0, 5.0), (1.0, 1.0)):
        parameter.grad = torch.tensor([3.0, 0.0, 4.0])
        assert gradient_norm([parameter], limit=limit).item() == pytest.approx(5)
        assert parameter.grad.norm().item() == pytest.approx(expected, rel=1e-5)
        if expected == 5:
            assert parameter.grad.tolist() == [3, 0, 4]


def test_what_is_not_finite_is_named() -> None:
    losses = {"G_GAN": torch.tensor(1.0), "G_VGG": torch.tensor(float("inf"))}
    with pytest.raises(NonFiniteError, match="^G_VGG, gradient of discriminators$"):
        check_finite(losses, {"discriminators": torch.tensor(float("nan"))}, processes=SINGLE_PROCESS)
    check_finite({"G_GAN": torch.tensor(1.0)}, {"discriminators": torch.tensor(2.0)}, processes=SINGLE_PROCESS)


def test_half_precision_may_lower_its_scale_but_not_for_ever() -> None:
    check_scale(torch.amp.GradScaler("cpu", init_scale=1.0))
    with pytest.raises(NonFiniteError, match="even scaled by"):
        check_scale(torch.amp.GradScaler("cpu", init_scale=2.0**-11))


def test_one_failure_too_many_ends_the_run_in_one_line() -> None:
    guard = Guard(max_failures=2, lr_factor=0.5)
    for _ in range(2):
        guard.count(NonFiniteError("G_GAN"), step=7, where="runs/x")
    assert (guard.lr_scale, guard.rollbacks) == (0.25, 2)
    with pytest.raises(UserError, match="runs/x: not finite after step 7: G_GAN; the run collapsed 3 times") as caught:
        guard.count(NonFiniteError("G_GAN"), step=7, where="runs/x")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_face(tmp_path_factory.mktemp("data"), phase="train", num_frames=12)


def run(data: Path, runs: Path, *more: str) -> train.Training:
    arguments = [*TINY, "--dataroot", str(data), "--checkpoints_dir", str(runs), "--name", "run", *more]
    return train.run(parse(TrainConfig, [*arguments, "--print_freq", "1"], description="test"))


def break_calls(monkeypatch: pytest.MonkeyPatch, broken: range) -> None:
    """Make the generator's loss not a number in these calls, counted over the whole run."""
    calls, sound = [0], Stage.losses

    def losses(self: Stage, chunk: Chunk, rollout: Rollout) -> StageLosses:
        found = sound(self, chunk, rollout)
        calls[0] += 1
        if calls[0] in broken:
            value, weight = found.generator.terms["G_GAN"]
            found.generator.terms["G_GAN"] = (value * float("nan"), weight)
        return found

    monkeypatch.setattr(Stage, "losses", losses)


def state(training: train.Training) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for name, network in training.networks().items()
            for key, value in network.state_dict().items()}  # fmt: skip


def test_a_collapse_goes_back_to_the_last_save_and_on_with_a_lower_rate(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # 2 chunks a step in the first two epochs of one step each, saves at steps 0, 2, 4 and 6
    break_calls(monkeypatch, range(7, 8))
    training = run(data, tmp_path, "--guard_lr_factor", "0.5")
    assert training.step == 6
    assert all(torch.isfinite(value).all() for value in state(training).values())
    saved = checkpoints.load(tmp_path / "run", flag="--resume")
    assert saved.training_state()["guard"] == {"rollbacks": 1, "lr_scale": 0.5}
    rows = [json.loads(line) for line in (tmp_path / "run" / "loss_log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["learning_rate"] == pytest.approx(2e-4 * 0.5 * training.schedule.learning_rate_factor(5), abs=1e-6)
    told = capsys.readouterr().out
    assert "not finite: G_GAN of batch 0" in told and "Back to the save of step 2" in told and "0.5 of the" in told


def test_no_weight_is_touched_by_a_loss_that_is_not_finite(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_calls(monkeypatch, range(1, 100))
    with pytest.raises(UserError, match="collapsed 2 times"):
        run(data, tmp_path, "--guard_max_failures", "1")
    saved = checkpoints.load(tmp_path / "run", flag="--resume")
    assert saved.step == 0
    assert all(torch.isfinite(value).all() for value in saved.weights("generator").values())
