"""LPIPS with weights from files: known distances, and what is missing is named."""

from pathlib import Path

import pytest
import torch

from benchmarks.metrics.lpips import BACKBONES, load_lpips
from tests.benchmarks.metric_videos import save_random_backbone
from util.errors import UserError
from util.optional import require

# of an implementation of our own, that was compared with the package on equal weights
DISTANCES = {"alex": (0.0924513, 0.0973611), "vgg": (0.1196158, 0.1195592)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BACKBONES)
def test_weights_from_files_give_known_distances(kind: str, tmp_path: Path) -> None:
    backbone = save_random_backbone(tmp_path / "backbone.pth", kind=kind)
    network, weights = load_lpips(kind, backbone_weights=str(backbone), linear_weights=None)
    torch.manual_seed(0)
    first, second = torch.rand(2, 2, 3, 64, 72) * 2 - 1
    assert network(first, second).flatten().tolist() == pytest.approx(DISTANCES[kind], rel=1e-4)
    assert network(first, first).flatten().tolist() == [0, 0]
    assert weights.file == f"backbone.pth + {kind}.pth" and len(weights.sha256) == 2 * 64 + 3


def test_missing_and_wrong_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"alexnet-owt-7be5be79.pth \(233 MB\).*--lpips_backbone"):
        load_lpips("alex", backbone_weights=None, linear_weights=None)
    (tmp_path / "checkpoints").mkdir()
    cached = tmp_path / "checkpoints" / BACKBONES["alex"][0]
    cached.write_bytes(b"no weights")
    with pytest.raises(UserError, match="--lpips_linear"):
        load_lpips("alex", backbone_weights=None, linear_weights=str(tmp_path / "none.pth"))
    with pytest.raises(UserError, match="expected lpips: the published weights of alex"):
        load_lpips("alex", backbone_weights=None, linear_weights=None)
    linear = Path(str(require("lpips", instead="").__file__)).parent / "weights" / "v0.1" / "alex.pth"
    cached.write_bytes(linear.read_bytes())
    with pytest.raises(UserError, match=r"weights of alex with \d+ tensors, found 0, .* differs is slice1"):
        load_lpips("alex", backbone_weights=None, linear_weights=None)
