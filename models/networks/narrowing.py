"""A narrower generator from a wide one: the most important channels are kept.

Layers whose channels are added to each other, or that read them, must keep the same ones. Such channels are a *group*:
what a convolution writes, its norm, and all that read it. A residual block goes on with the group that it began with;
both encoders and the branches after them share one. How important a channel is says the L1 norm of the filters that
write it (Li et al. 2017, "Pruning Filters for Efficient ConvNets"). Batch norm cancels that: then its factor counts
(Liu et al. 2017, "Network Slimming"), which in our students finds better channels (docs/training.md).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from models.networks.blocks import MobileResidualBlock, ResidualBlock
from models.networks.coarse_to_fine import CoarseToFine
from models.networks.generator import CompositeGenerator
from models.networks.single_image import GlobalGenerator

NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


class Path(NamedTuple):
    """Layers in a row, and the groups of channels that they begin and end with."""

    layers: str
    begins: str
    ends: str


PATHS = (
    Path("model_down_seg", "input semantic", "encoded"),
    Path("model_down_img", "input previous", "encoded"),
    Path("model_res_img", "encoded", "encoded"),
    Path("model_up_img", "encoded", "image"),
    Path("model_final_img", "image", "output image"),
    Path("model_res_flow", "encoded", "encoded"),
    Path("model_up_flow", "encoded", "flow"),
    Path("model_final_flow", "flow", "output flow"),
    Path("model_final_w", "flow", "output weight"),
    Path("indv_down", "input semantic", "foreground encoded"),
    Path("indv_res", "foreground encoded", "foreground encoded"),
    Path("indv_up", "foreground encoded", "foreground"),
    Path("indv_final", "foreground", "output foreground"),
)
# of several scales: what the heads of one read is added to what the next finer one encoded
GROUPS_ABOVE = {"image": "encoded", "flow": "encoded", "foreground": "foreground encoded"}


class Layer(NamedTuple):
    """A layer with channels: its name, the groups that it reads and writes, and the norm after it, if any."""

    name: str
    layer: nn.Module
    reads: str
    writes: str
    norm: str | None


class Narrowed(NamedTuple):
    """Weights that a narrower network takes over, and of how many inner channels it keeps how many."""

    weights: dict[str, Tensor]
    num_kept: int
    num_channels: int


def narrow(weights: Mapping[str, Tensor], *, source: nn.Module, target: nn.Module) -> Narrowed:
    """What ``target`` takes over from wider weights; tensors that do not become its own are left as they are.

    Args:
        weights: of ``source``, by name.
        source: the network that they belong to; on the ``meta`` device is enough.
        target: the same kind of network, of other widths. A group that is wider than the source's stays whole.
    """
    theirs, ours = layers_of(source), layers_of(target)
    sizes, wanted = group_sizes(theirs), group_sizes(ours)
    importance = channel_importance(weights, theirs)
    kept = {
        group: largest(importance[group], wanted[group])
        for group, size in sizes.items()
        if wanted.get(group, size) < size and group in importance
    }
    chosen = dict(weights)
    for name, dimension, group in tensors_of(theirs):
        if name in chosen and group in kept:
            chosen[name] = chosen[name].index_select(dimension, kept[group])
    shared = [group for group in importance if wanted.get(group, sizes[group] + 1) <= sizes[group]]
    return Narrowed(
        chosen,
        num_kept=sum(len(kept[group]) if group in kept else sizes[group] for group in shared),
        num_channels=sum(sizes[group] for group in shared),
    )


def largest(importance: Tensor, count: int) -> Tensor:
    """The numbers of the ``count`` most important channels, in the order that they have."""
    return importance.topk(count).indices.sort().values


def channel_importance(weights: Mapping[str, Tensor], layers: list[Layer]) -> dict[str, Tensor]:
    """For every group that convolutions write, the size of their filters as they are normed, summed over them."""
    found: dict[str, Tensor] = {}
    for one in layers:
        if is_output(one):
            continue
        filters = weights[f"{one.name}.weight"].detach().float().abs()
        of_channel = filters.sum(dim=[side for side in range(4) if side != written_side(one.layer)])
        if f"{one.norm}.weight" in weights:
            # filters of nothing but 0 write nothing, whatever their norm would make of it
            of_channel = weights[f"{one.norm}.weight"].float().abs() * (of_channel > 0)
        found[one.writes] = found.get(one.writes, 0) + of_channel
    return found


def is_output(layer: Layer) -> bool:
    """Whether the layer writes pixels, flow or weights, which are no channels to choose from."""
    return layer.writes.startswith("output ")


def written_side(layer: nn.Module) -> int:
    """The dimension of a convolution's weight that counts what it writes."""
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0


def tensors_of(layers: list[Layer]) -> Iterator[tuple[str, int, str]]:
    """(name of a tensor, its dimension, the group of channels along it)."""
    for one in layers:
        is_deep = isinstance(one.layer, nn.Conv2d) and one.layer.groups > 1
        yield f"{one.name}.weight", written_side(one.layer), one.writes
        if not is_deep:  # a depth-wise filter has one channel to read
            yield f"{one.name}.weight", 1 - written_side(one.layer), one.reads
        yield f"{one.name}.bias", 0, one.writes
        if one.norm is not None:
            yield from ((f"{one.norm}.{tensor}", 0, one.writes) for tensor in NORM_TENSORS)


def group_sizes(layers: list[Layer]) -> dict[str, int]:
    """Channels of every group that layers write."""
    return {one.writes: one.layer.out_channels for one in layers}  # type: ignore[misc]


def layers_of(network: nn.Module) -> list[Layer]:
    """The convolutions of a generator with the groups of their channels."""
    return [layer for path in paths_of(network) for layer in walk(network.get_submodule(path.layers), path)]


def walk(layers: nn.Module, path: Path) -> Iterator[Layer]:
    """The convolutions of layers in a row, residual blocks entered; the last that is outside of one ends the path."""
    children = [(f"{path.layers}.{name}", child) for name, child in layers.named_children()]
    last = next((name for name, child in reversed(children) if is_convolution(child)), None)
    group = path.begins
    for (name, child), after in zip(children, [*children[1:], ("", None)], strict=True):
        if isinstance(child, (ResidualBlock, MobileResidualBlock)):
            inside, block = next(child.named_children())
            yield from walk(block, Path(f"{name}.{inside}", group, group))
        elif is_convolution(child):
            # a depth-wise convolution keeps its channels apart
            is_deep = isinstance(child, nn.Conv2d) and child.groups > 1
            writes = group if is_deep else path.ends if name == last else name
            yield Layer(name, child, group, writes, after[0] if isinstance(after[1], _NormBase) else None)
            group = writes


def is_convolution(layer: nn.Module) -> bool:
    """Whether a layer has filters."""
    return isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))


def paths_of(network: nn.Module) -> list[Path]:
    """All paths of a generator; what is no part of it is left out.

    Raises:
        ValueError: for any other network.
    """
    if isinstance(network, GlobalGenerator):
        return [Path("model", "input semantic", "output image")]
    if isinstance(network, CompositeGenerator):
        return [path for path in PATHS if hasattr(network, path.layers)]
    if not isinstance(network, CoarseToFine):
        raise ValueError(f"expected a generator, got {type(network).__name__}")
    found = []
    for scale, part in enumerate([network.G0, *network.finer]):

        def group_at_scale(name: str, scale: int = scale) -> str:
            is_shared = name in GROUPS_ABOVE and scale + 1 < network.num_scales
            return f"{GROUPS_ABOVE[name]} {scale + 1}" if is_shared else f"{name} {scale}"

        found += [
            Path(f"G{scale}.{layers}", group_at_scale(begins), group_at_scale(ends))
            for layers, begins, ends in PATHS
            if hasattr(part, layers)
        ]
    return found
