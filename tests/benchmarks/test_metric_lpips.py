"""Is our LPIPS the authors' own?"""

from pathlib import Path

import lpips as authors
import pytest
import torch

from benchmarks.metrics.lpips import BACKBONES, Lpips, _packaged_linear, load_lpips
from util.errors import UserError


def save_backbone(network: Lpips, path: Path) -> Path:
    torch.save({name: value for name, value in network.state_dict().items() if name.startswith("features")}, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", BACKBONES)
def test_distances_are_those_of_the_authors_package(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = save_backbone(Lpips(kind), tmp_path / "backbone.pth")
    ours, told = load_lpips(kind, backbone_weights=str(backbone), linear_weights=None)
    theirs = authors.LPIPS(net=kind, pnet_rand=True, verbose=False).eval()
    # theirs names a layer by its slice and its number in torchvision's network
    by_number = {name.split(".", 1)[1]: value for name, value in ours.state_dict().items() if name[0] == "f"}
    theirs.net.load_state_dict({name: by_number[name.split(".", 1)[1]] for name in theirs.net.state_dict()})
    first, second = torch.rand(2, 3, 64, 72) * 2 - 1, torch.rand(2, 3, 64, 72) * 2 - 1
    assert torch.allclose(ours(first, second), theirs(first, second).flatten(), rtol=1e-4, atol=1e-7)
    assert ours(first, first).tolist() == [0, 0]
    assert told.file == f"backbone.pth + {kind}.pth" and len(told.sha256) == 2 * 64 + 3


def test_missing_weights_are_named_with_the_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"alexnet-owt-7be5be79.pth \(233 MB\).*--lpips_backbone"):
        load_lpips("alex", backbone_weights=None, linear_weights=None)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / BACKBONES["alex"].file).write_bytes(b"no weights")
    with pytest.raises(UserError, match="--lpips_linear"):
        load_lpips("alex", backbone_weights=None, linear_weights=str(tmp_path / "none.pth"))
    with pytest.raises(UserError, match="expected weights"):
        load_lpips("alex", backbone_weights=None, linear_weights=str(_packaged_linear("alex")))
