"""Running statistics of the norm layers, recomputed on the finished weights.

In training the running statistics trail behind: they remember weights that are long gone, and after a short training
they still remember their start. Measured once more at the end, as a plain mean, they fit the weights that are saved.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.hooks import RemovableHandle


def norm_layers(network: nn.Module) -> list[_NormBase]:
    """The layers of ``network`` that keep running statistics: batch norm, and instance norm as published."""
    return [layer for layer in network.modules() if isinstance(layer, _NormBase) and layer.track_running_stats]


class _PlainMean:
    """Makes a layer's running statistics the plain mean over its calls (``momentum=None`` does so for batch norm)."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, layer: nn.Module, inputs: object) -> None:
        assert isinstance(layer, _NormBase)
        self.calls += 1
        layer.momentum = 1 / self.calls


@contextmanager
def recompute_batch_norm(network: nn.Module) -> Iterator[None]:
    """Forget the running statistics of ``network``; in the block, in train mode, every call counts alike.

    A layer that is never called in the block keeps what it had.
    """
    layers = norm_layers(network)
    before = [(layer.momentum, layer.training, {name: one.clone() for name, one in layer.named_buffers()})
              for layer in layers]  # fmt: skip
    counters = [_PlainMean() for _ in layers]
    handles: list[RemovableHandle] = []
    for layer, counter in zip(layers, counters, strict=True):
        layer.reset_running_stats()
        layer.train()
        handles.append(layer.register_forward_pre_hook(counter))
    try:
        yield
    finally:
        for layer, counter, handle, (momentum, is_training, buffers) in zip(
            layers, counters, handles, before, strict=True
        ):
            handle.remove()
            layer.momentum = momentum
            layer.train(is_training)
            if counter.calls == 0:
                for name, one in layer.named_buffers():
                    one.copy_(buffers[name])


def use_batch_statistics(network: nn.Module) -> None:
    """Forget the running statistics of ``network`` for good: it normalises by those of what it sees, in eval mode too.

    The published programs drew like that, so their weights need it; nothing drifts, because nothing is kept.
    """
    for layer in norm_layers(network):
        layer.track_running_stats = False
        layer.running_mean = layer.running_var = layer.num_batches_tracked = None
