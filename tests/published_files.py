"""Files as the published programs wrote them, for tests of the import."""

import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models.networks.blocks import MobileResidualBlock, ResidualBlock
from models.networks.generator import CompositeGenerator


class Networks(types.ModuleType):
    """Stands in for the published programs' ``models.networks`` while a file is written."""

    def like(self, module: nn.Module, kind: str) -> nn.Module:
        """What ``module`` would be in a published file: the same parts, in classes of that module."""
        if kind not in vars(self):
            setattr(self, kind, type(kind, (nn.Module,), {"__module__": "models.networks", "__qualname__": kind}))
        fake = vars(self)[kind]()
        fake.__dict__.update(module.__dict__)
        fake._modules = {name: self._part(part) for name, part in module._modules.items() if part is not None}
        return fake

    def _part(self, part: nn.Module) -> nn.Module:
        own = {ResidualBlock: "ResnetBlock", MobileResidualBlock: "InvertedResidual"}.get(type(part))
        if own is not None:
            return self.like(part, own)
        if isinstance(part, nn.Sequential):
            return nn.Sequential(*(self._part(one) for one in part))
        return part


@pytest.fixture()
def networks(monkeypatch: pytest.MonkeyPatch) -> Networks:
    # a package of ours has the same name: it must be back afterwards
    module = Networks("models.networks")
    monkeypatch.setitem(sys.modules, "models.networks", module)
    return module


def write(content: Any, path: Path, *, is_zip: bool) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fake classes have no source text to store
        torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    return path


def small(**changes: Any) -> CompositeGenerator:
    torch.manual_seed(0)
    return CompositeGenerator(semantic_channels=15, base_channels=4, num_downsamples=2, num_blocks=3, **changes)
