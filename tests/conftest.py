import signal

import pytest
import torch

from tests.published_files import networks  # noqa: F401  (a fixture)

# Test tensors are tiny: a second thread only costs, and on a busy machine it costs tenfold.
torch.set_num_threads(1)


def pytest_configure() -> None:
    """Hear Ctrl-C, which background jobs of a shell leave ignored: the programs under test would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a GPU where there is none."""
    if torch.cuda.is_available():
        return
    left_out = [item for item in items if item.get_closest_marker("cuda") is not None]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
