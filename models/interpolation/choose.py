"""The interpolator of a name."""

from models.flow.dis import DenseInverseSearch
from models.interpolation.base import Interpolator, blend, nearest
from models.interpolation.block_search import block_flows
from models.interpolation.cuts import HoldAcrossCuts
from models.interpolation.guided import GuidedMotion
from models.interpolation.minterpolate import minterpolate
from models.interpolation.motion_compensation import DENSE_SEARCHES, MotionCompensation, flow_both_ways

# kinds of data for which guided motion won on true frames; others have not been measured
GUIDED_KINDS = ("face", "street", "pose")


def make_interpolator(name: str) -> Interpolator:
    """The interpolator of that name; all but "nearest" hold the nearest key-frame across a cut (``is_cut``).

    Args:
        name: "dis-fast", "dis" or "dis-medium": flow by OpenCV's dense inverse search, each slower and better than the
            one before, on the CPU;
            "blocks": flow by block search, on the device of the frames;
            "minterpolate": ffmpeg's filter, as the paper uses it, but at exact times and without its colour loss;
            "blend": cross-fade; "nearest": repeat the nearest key-frame.

    Raises:
        ValueError: an unknown name.
    """
    interpolators: dict[str, Interpolator] = {
        **{
            one: HoldAcrossCuts(
                MotionCompensation(flow_both_ways(DenseInverseSearch(patch_stride=stride, finest_scale=scale)))
            )
            for one, (stride, scale) in DENSE_SEARCHES.items()
        },
        "blocks": HoldAcrossCuts(MotionCompensation(block_flows)),
        "minterpolate": HoldAcrossCuts(minterpolate),
        "blend": HoldAcrossCuts(blend),
        "nearest": nearest,
    }
    if name not in interpolators:
        raise ValueError(f"expected an interpolation of {', '.join(interpolators)}, got {name!r}")
    return interpolators[name]


def resolve_interpolation(name: str, *, kind: str) -> str:
    """What "auto" stands for with that kind of data: "guided" where it won, else "dis"; other names as they are."""
    if name != "auto":
        return name
    return "guided" if kind in GUIDED_KINDS else "dis"


def choose_interpolator(name: str, *, kind: str) -> Interpolator:
    """The interpolator of that name for that kind of data: "auto", "guided", or one of ``make_interpolator``.

    Raises:
        ValueError: an unknown name.
    """
    name = resolve_interpolation(name, kind=kind)
    return GuidedMotion(kind=kind) if name == "guided" else make_interpolator(name)
