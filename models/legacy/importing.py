"""Published checkpoints become ours.

Sizes are recovered from names and shapes; what the file cannot say comes from flags, and is printed.
"""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from data.build import build_encoder
from models import checkpoint as checkpoints
from models.build import build_generator
from models.legacy.old_file import OldFile, read_old_file
from models.networks.generator import IMAGE_CHANNELS
from options.cli import parse
from options.config import TrainConfig
from options.data_config import DataConfig
from options.network_config import GeneratorConfig
from options.training_config import RunConfig, ScheduleConfig
from options.values import from_json, option
from util.errors import UserError
from util.files import short_hash

# what a pickled module's own options may tell about its data; a flag goes before them
WORTH_KEEPING = (
    "loadSize", "fineSize", "resize_or_crop", "no_canny_edge", "no_dist_map", "use_instance", "openpose_only",
    "densepose_only", "basic_point_only", "remove_face_labels", "no_first_img",
)  # fmt: skip


@dataclass(frozen=True)
class Args:
    """What a file cannot say of itself: flags of this program beside its own."""

    data: DataConfig = DataConfig()
    no_first_img: bool = option(False, "it was trained to draw the first frames too")


@dataclass(frozen=True)
class Architecture:
    """What names and shapes say of a generator."""

    generator: dict[str, Any]  # values of GeneratorConfig
    semantic_channels: int


Shapes = Mapping[str, Sequence[int]]


def recover(scales: Sequence[Shapes], *, where: str) -> Architecture:
    """The architecture of a generator from the names and shapes of its tensors, the coarsest scale first.

    Raises:
        UserError: when these are not the tensors of a published generator.
    """
    coarse = scales[0]
    if "model.1.weight" in coarse and len(scales) == 1:
        return _single_image(coarse, where=where)
    first, previous = (_shape(coarse, f"model_down_{what}.1.weight", where=where) for what in ("seg", "img"))
    before, after = _blocks(coarse, "model_down_seg"), _blocks(coarse, "model_res_img")
    if not before:  # enhancers have their blocks elsewhere
        raise UserError(f"{where}: a finer scale by itself; give the file of the coarsest scale first (*_net_G0.pth)")
    num_frames = previous[1] // IMAGE_CHANNELS + 1
    if previous[1] % IMAGE_CHANNELS or first[1] % num_frames:
        raise UserError(
            f"{where}: {first[1]} semantic and {previous[1]} image channels are no whole number of frames; "
            "is it a generator of videos?"
        )
    is_mobile = f"model_down_seg.{before[0]}.conv.0.weight" in coarse
    found: dict[str, Any] = {
        "netG": "sr_mobile_composite" if is_mobile else "composite",
        "ngf": first[0],
        "n_downsample_G": _num_downsamples(before),
        "n_blocks": len(before) + len(after),
        "n_frames_G": num_frames,
        "norm": _norm(coarse, "model_down_seg.2", where=where),
        "fg": "indv_down.1.weight" in coarse,
        "no_flow": "model_final_flow.1.weight" not in coarse,
    }
    if len(scales) > 1:
        found |= {"n_scales_spatial": len(scales), "n_blocks_local": len(_blocks(scales[1], "model_up_img"))}
    return Architecture(found, first[1] // num_frames)


def _single_image(shapes: Shapes, *, where: str) -> Architecture:
    first = _shape(shapes, "model.1.weight", where=where)
    blocks = _blocks(shapes, "model")
    found = {
        "netG": "global",
        "ngf": first[0],
        "n_downsample_G": _num_downsamples(blocks),
        "n_blocks": len(blocks),
        "norm": _norm(shapes, "model.2", where=where),
    }
    return Architecture(found, first[1])


def _shape(shapes: Shapes, name: str, *, where: str) -> Sequence[int]:
    if len(shapes.get(name, ())) != 4:
        some = ", ".join(list(shapes)[:3])
        is_discriminator = any(re.match(r"(scale\d+_)?layer\d+\.", one) for one in shapes)
        found = "a discriminator; generators alone are imported" if is_discriminator else f"other tensors ({some}, ...)"
        raise UserError(f"{where}: expected a published generator, with {name}, found {found}")
    return shapes[name]


def _blocks(shapes: Shapes, part: str) -> list[int]:
    """Positions of the residual blocks, of either kind, in ``part``."""
    matches = (re.match(rf"{part}\.(\d+)\.conv(_block)?\.", name) for name in shapes)
    return sorted({int(match[1]) for match in matches if match is not None})


def _num_downsamples(blocks: list[int]) -> int:
    """An encoder begins with 4 layers, then 3 for each down-sampling, then its blocks."""
    return (blocks[0] - 4) // 3 if blocks else 0


def _norm(shapes: Shapes, layer: str, *, where: str) -> str:
    if f"{layer}.weight" in shapes:
        return "batch"
    if f"{layer}.running_mean" in shapes:
        return "instance"
    raise UserError(f"{where}: {layer} is no norm layer with statistics; such generators are not supported")


def data_found(dataset_mode: str, semantic_channels: int) -> dict[str, Any]:
    """What the number of channels of a frame says of the data; flags go before it."""
    found: dict[str, Any] = {"dataset_mode": dataset_mode}
    if dataset_mode == "face" and semantic_channels == 1:
        found["no_dist_map"] = True
    if dataset_mode == "street":
        sets = {35: ("cityscapes35", False), 36: ("cityscapes35", True), 19: ("cityscapes19", False),
                20: ("cityscapes19", True)}  # fmt: skip
        found["label_set"], found["use_instance"] = sets.get(semantic_channels, (f"plain{semantic_channels}", False))
    return found


def resolve_data(found: dict[str, Any], args: Sequence[str], *, semantic_channels: int, where: str) -> Args:
    """The data's config: what was found, then the user's flags.

    Raises:
        UserError: for an unknown flag, or when they make another number of channels than the file has.
    """
    flags = [word for name, value in found.items() for word in (f"--{name}", _word(value))]
    resolved = parse(Args, [*flags, *args], description=__doc__ or "")
    channels = build_encoder(resolved.data).num_channels
    if channels != semantic_channels:
        remedies = {"pose": "--openpose_only, --densepose_only or ", "street": "--label_set, --use_instance or "}
        remedy = remedies.get(resolved.data.dataset_mode, "") + "another --dataset_mode"
        raise UserError(
            f"{where}: it reads {semantic_channels} channels a frame, --dataset_mode {resolved.data.dataset_mode} with "
            f"these flags makes {channels}; give {remedy}, as it was trained with"
        )
    return resolved


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def options_found(old: OldFile) -> dict[str, Any]:
    """The options in a pickled module that say how its data was made."""
    kept = {name: old.options[name] for name in WORTH_KEEPING if name in old.options}
    return {name: value for name, value in kept.items() if isinstance(value, (bool, int, str))}


def stride_found(old: OldFile) -> int | None:
    """The stride of the first down-sampling, where a pickled module says it: 1 for a student, 2 for a teacher."""
    stride = old.modules.get("model_down_seg.4", {}).get("stride")
    return stride[0] if isinstance(stride, tuple) and stride and stride[0] in (1, 2) else None


def plain_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names without the ``module.`` that training on several GPUs put before them."""
    if all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def import_generator(
    files: Sequence[Path], out: Path, *, dataset_mode: str, role: str, args: Sequence[str] = ()
) -> list[str]:
    """Write ``out/latest``, a checkpoint that draws the frames of the published program.

    Args:
        files: published files of the generator, one a spatial scale, the coarsest first.
        out: folder of the run to be.
        dataset_mode: ``face``, ``street`` or ``pose``.
        role: ``teacher`` or ``student``; they have the same names and shapes.
        told: flags of the data.

    Returns:
        What was found, and what was not, in lines for the user.

    Raises:
        UserError: when a file is refused, is no generator, does not fit the flags, or ``out`` is taken.
    """
    if checkpoints.is_save(out / "latest"):
        raise UserError(f"--out {out}: there is a checkpoint already; give another folder")
    where = str(files[0])
    olds = [read_old_file(file) for file in files]
    scales = [plain_names(old.tensors) for old in olds]
    found = recover([{name: value.shape for name, value in one.items()} for one in scales], where=where)
    is_image = found.generator["netG"] == "global"
    if is_image and role == "student":
        raise UserError(f"{where}: draws single images, and no such student exists; give --as teacher")
    options = options_found(olds[0])
    data = data_found(dataset_mode, found.semantic_channels) | options
    resolved = resolve_data(data, args, semantic_channels=found.semantic_channels, where=where)
    architecture = found.generator | {
        "low_demand": role == "student",
        "warp_align_corners": False,
        "batch_statistics": True,
    }
    config = TrainConfig(
        # a student was trained whole elsewhere: it needs no teacher here, and its stage is not taken up
        run=RunConfig(name=out.name, checkpoints_dir=str(out.parent), stage="first_frame" if is_image else "teacher"),
        data=resolved.data,
        generator=from_json(GeneratorConfig, architecture, where=where),
        schedule=ScheduleConfig(no_first_img=resolved.no_first_img),
    )
    generator = build_generator(config.generator, semantic_channels=found.semantic_channels)
    weights, num_counters = _complete(scales, generator.state_dict())
    checkpoints.load_weights(generator, weights, where=files[0])
    origin = [f"imported from {file.name}, sha256 {short_hash(file)}, as {role}" for file in files]
    checkpoints.save(
        out / "latest",
        config=config,
        step=0,
        networks={"generator": generator},
        training_state={},
        metadata={
            "semantic_channels": found.semantic_channels,
            "components": origin,
            "command": shlex.join(["python", *sys.argv]),
        },
    )
    lines = [f"{file}: {old.kind}, {len(old.tensors)} tensors" for file, old in zip(files, olds, strict=True)]
    lines.append(
        "found by names and shapes: " + _listed(found.generator | {"semantic channels": found.semantic_channels})
    )
    if options:
        lines.append("found in the module's own options: " + _listed(options))
    if num_counters:
        lines.append(f"{num_counters} counters of norm layers are younger than the file: they are 0")
    stride = None if is_image else stride_found(olds[0])
    if stride is not None and stride != (1 if role == "student" else 2):
        lines.append(f"warning: the file's first down-sampling has stride {stride}, that of a "
                     f"{'student' if stride == 1 else 'teacher'}; --as {role} was followed")  # fmt: skip
    lines += [
        "warning: not in the file, check them: "
        + ", ".join(filter(None, (f"--as {role}", _listed(_unsure(resolved, options))))),
        "for the published frames: warp_align_corners false, batch_statistics true",
        f"written: {out}/latest",
    ]
    return lines


def _complete(scales: Sequence[dict[str, Tensor]], own: dict[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """All scales' tensors by our names, with the norms' counters that old files lack; how many those are."""
    if len(scales) == 1:
        weights = dict(scales[0])
    else:
        weights = {f"G{scale}.{name}": value for scale, one in enumerate(scales) for name, value in one.items()}
    counters = {name: value for name, value in own.items()
                if name.endswith("num_batches_tracked") and name not in weights}  # fmt: skip
    return weights | counters, len(counters)


def _unsure(resolved: Args, options: dict[str, Any]) -> dict[str, Any]:
    """Settings that neither shapes nor the file's own options decide."""
    of_kind = {
        "face": ("no_canny_edge",),
        "street": ("label_set", "use_instance", "fg_labels"),
        "pose": ("openpose_only", "densepose_only", "basic_point_only", "remove_face_labels"),
    }[resolved.data.dataset_mode]
    names = [name for name in ("loadSize", "resize_or_crop", *of_kind) if name not in options]
    values = {name: getattr(resolved.data, name) for name in names}
    return values if "no_first_img" in options else values | {"no_first_img": resolved.no_first_img}


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_word(value)}" for name, value in values.items())
