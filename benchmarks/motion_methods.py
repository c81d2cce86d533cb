"""Methods that ``benchmark.py motion`` compares."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor

from benchmarks.footage import as_tensor
from benchmarks.lossy_pipeline import published_pipeline
from models.interpolation.base import KeyFrame, fill_between
from models.interpolation.choose import make_interpolator
from models.interpolation.guided import GuidedMotion
from models.interpolation.minterpolate import minterpolate_stream
from util.media.pictures import to_uint8

STREAMED = "minterpolate, streaming"
PUBLISHED = "published pipeline"
GUIDED = "guided"
# the reference of times goes first; pairwise minterpolate is there for those who ask
METHODS = (STREAMED, PUBLISHED, "minterpolate", "nearest", "blend", "blocks", "dis-fast", "dis", "dis-medium")


def guided_name(semantics: str) -> str:
    """The method that is guided by these semantic frames of a ``Footage``."""
    return f"{GUIDED}, {semantics}" if semantics else GUIDED


def recover(
    name: str, keyframes: Mapping[int, Tensor], semantics: Sequence[Tensor], *, kind: str, seed: int
) -> list[Tensor]:
    """What a method makes of the key-frames: a frame for every number up to the last.

    Args:
        name: of ``METHODS``, or a ``guided_name``.
        keyframes: frame number -> frame, from 0 on.
        semantics: for ``GUIDED``, those of all frames, of that ``kind``.
        seed: for ``PUBLISHED``.
    """
    if name == STREAMED:
        return minterpolate_stream(keyframes)
    if name == PUBLISHED:
        pictures = [to_uint8(frame) for frame in keyframes.values()]
        return [as_tensor(one) for one in published_pipeline(pictures, num_frames=max(keyframes) + 1, seed=seed)]
    if not name.startswith(GUIDED):
        return list(fill_between(keyframes, make_interpolator(name)))
    guided = GuidedMotion(kind=kind)
    guides = [guided.guide(semantic) for semantic in semantics[: max(keyframes) + 1]]
    stream = [
        KeyFrame(number, keyframes[number], guides[before + 1 : number + 1])
        for before, number in pairwise([-1, *keyframes])
    ]
    return list(fill_between(stream, guided))
