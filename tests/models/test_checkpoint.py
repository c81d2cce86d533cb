import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from models import checkpoint as checkpoints
from options.config import TrainConfig
from options.training_config import RunConfig
from util.errors import UserError
from util.files import file_sha256
from util.manifest import MANIFEST, read_manifest

CONFIG = TrainConfig(run=RunConfig(name="mine"))


def network(value: float) -> nn.Module:
    module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    for parameter in module.parameters():
        nn.init.constant_(parameter, value)
    return module


def save(folder: Path, value: float, step: int) -> None:
    checkpoints.save(
        folder,
        config=CONFIG,
        step=step,
        networks={"generator": network(value)},
        training_state={"rng": torch.get_rng_state(), "optimizers": {"generator": {"state": {}, "lr": 0.1}}},
        metadata={"semantic_channels": 15},
    )


def forget_hashes(folder: Path) -> None:
    """Make a save one of before there were hashes, so that what is in its files can be broken on purpose."""
    (folder / MANIFEST).unlink()


def weight_of(saved: checkpoints.Checkpoint) -> float:
    return saved.weights("generator")["0.weight"].flatten()[0].item()


def test_a_save_comes_back_whole(tmp_path: Path) -> None:
    save(tmp_path / "mine" / "latest", 0.5, step=7)
    saved = checkpoints.load(tmp_path / "mine", flag="--resume")
    assert (saved.config, saved.step, saved.metadata) == (CONFIG, 7, {"semantic_channels": 15})
    assert weight_of(saved) == 0.5
    assert torch.equal(saved.training_state()["rng"], torch.get_rng_state())


def test_who_may_read_the_config_may_read_the_weights(tmp_path: Path) -> None:
    save(tmp_path / "mine" / "latest", 0.5, step=7)
    checkpoints.save_for_inference(checkpoints.load(tmp_path / "mine", flag="--resume"), tmp_path / "shipped")
    for folder in (tmp_path / "mine" / "latest", tmp_path / "shipped"):
        assert len({path.stat().st_mode for path in folder.iterdir()}) == 1


def test_a_blend_that_is_not_there_cannot_be_shifted(tmp_path: Path) -> None:
    save(tmp_path / "mine" / "latest", 0.5, step=7)
    saved = checkpoints.load(tmp_path / "mine", flag="--resume")
    with pytest.raises(ValueError, match="expected a generator with a blending head"):
        checkpoints.save_for_inference(saved, tmp_path / "shipped", blend_shift=-1)


def test_a_new_save_takes_the_old_ones_place_and_leaves_nothing_else(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path / "mine" / "latest", float(step), step=step)
    assert weight_of(checkpoints.load(tmp_path / "mine" / "latest", flag="--resume")) == 2
    assert os.listdir(tmp_path / "mine") == ["latest"]


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "latest"
    save(folder, 1.0, step=1)
    os.replace(folder, folder.with_name(".latest.old"))
    assert weight_of(checkpoints.load(tmp_path / "mine", flag="--resume")) == 1


def test_a_kill_while_writing_leaves_the_old_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine" / "latest"
    save(folder, 1.0, step=1)

    def power_cut(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", power_cut)
    with pytest.raises(KeyboardInterrupt):
        save(folder, 2.0, step=2)
    monkeypatch.undo()
    assert checkpoints.load(folder, flag="--resume").step == 1
    save(folder, 3.0, step=3)
    assert checkpoints.load(folder, flag="--resume").step == 3


def test_a_missing_checkpoint_is_named_with_its_flag(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--teacher .*nowhere: expected a checkpoint .* no such folder"):
        checkpoints.load(tmp_path / "nowhere", flag="--teacher")


@pytest.mark.parametrize("broken", ["generator.safetensors", "training_state.pt", "config.json"])
def test_a_truncated_file_is_named(tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "latest"
    save(folder, 1.0, step=1)
    path = folder / broken
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=broken):
        saved = checkpoints.load(folder, flag="--resume")
        saved.weights("generator")
        saved.training_state()


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    save(tmp_path / "latest", 1.0, step=1)
    forget_hashes(tmp_path / "latest")
    torch.save({"rng": Evil()}, tmp_path / "latest" / "training_state.pt")
    with pytest.raises(UserError, match="training_state.pt: expected the training state of a save"):
        checkpoints.load(tmp_path / "latest", flag="--resume").training_state()
    assert not (tmp_path / "owned").exists()


def test_another_format_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "latest", 1.0, step=1)
    forget_hashes(tmp_path / "latest")
    path = tmp_path / "latest" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(UserError, match="format 1"):
        checkpoints.load(tmp_path / "latest", flag="--resume")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "latest", 1.0, step=1)
    weights = checkpoints.load(tmp_path, flag="--init").weights("generator")
    with pytest.raises(UserError, match=r"with 2 tensors, found 7, of which 0 fit; .* 0.bias: expected none"):
        checkpoints.load_weights(nn.Conv2d(2, 3, 1), weights, where=tmp_path)


def test_transfer_takes_what_fits_and_counts(tmp_path: Path) -> None:
    target = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1))
    taken, total = checkpoints.transfer_weights(target, network(0.25).state_dict())
    assert (taken, total) == (7, 9)
    assert target.state_dict()["0.weight"].unique().tolist() == [0.25]


@pytest.mark.parametrize("folder", sorted(Path("checkpoints").glob("*_sample_*")), ids=lambda folder: folder.name)
def test_the_list_of_a_shipped_model_is_whole_and_right(folder: Path, tmp_path: Path) -> None:
    ours = {MANIFEST, "README.md"} | {path.name for path in folder.glob("int8_*.onnx")}  # test.py may keep these there
    files = {path.name for path in folder.iterdir()} - ours
    listed = read_manifest(folder)
    assert listed == {name: file_sha256(folder / name) for name in files}
    assert files == {"config.json", "generator.safetensors"}
    for name in (MANIFEST, *files):
        shutil.copy(folder / name, tmp_path / name)
    weights = tmp_path / "generator.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match="generator.safetensors: damaged or changed"):
        checkpoints.load(tmp_path, flag="--checkpoint").generator_weights()
