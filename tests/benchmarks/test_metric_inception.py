"""Our Inception is FID's."""

from pathlib import Path

import pytest
import torch

from benchmarks.metrics.inception import FidInception, load_inception
from tests.golden import fill_state, load_golden
from util.errors import UserError


@pytest.mark.slow
def test_features_are_those_of_an_independent_implementation() -> None:
    values, _ = load_golden("fid_inception")
    network = FidInception()
    fill_state(network.network, "inception")
    # torch-fidelity maps bytes by (x - 128) / 128
    image = (values["image"].float() - 128) / 128
    assert torch.allclose(network(image), values["features"], rtol=1e-3, atol=1e-4)


def test_missing_weights_are_named_with_the_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"pt_inception-2015-12-05-6726825d.pth \(91 MB.*--inception_weights.*lite0"):
        load_inception(None)
    with pytest.raises(UserError, match="--inception_weights no.pth: no such file"):
        load_inception("no.pth")


@pytest.mark.slow
def test_other_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(1000, 2048)}, tmp_path / "torchvision.pth")
    with pytest.raises(UserError, match="expected FID's Inception weights"):
        load_inception(str(tmp_path / "torchvision.pth"))
