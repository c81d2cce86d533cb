"""Clips and sequences from a config: the only place where names of options meet datasets."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from data.clips import VideoClips
from data.header_checks import header_problems, size_index
from data.kinds.face import FaceEncoder, FaceFrames
from data.kinds.interface import Encoder, Frames
from data.kinds.label_sets import ids_named, parse_ids, read_label_set
from data.kinds.paired import PairedEncoder, PairedFrames, paired_files
from data.kinds.pose import PoseEncoder, PoseFrames, pose_files
from data.kinds.street import StreetEncoder, StreetFrames, street_files
from data.layout import Problems, SequenceFiles, face_files
from data.sequences import VideoSequence, part_of
from data.storage.picture_files import ArrayCache
from data.transforms import Geometry
from options.data_config import DataConfig
from options.training_config import ScheduleConfig
from util.errors import UserError


class Kind(NamedTuple):
    """A kind of semantic video, set up as a config says."""

    encoder: Encoder
    files: Callable[..., list[SequenceFiles]]
    """``(root, *, phase, needs_images, problems)``: the sequences of a dataset."""
    frames: Callable[..., Frames]
    """``(files, *, cache)``: how the frames of one of them are read."""
    can_flip: bool = True
    """Whether a mirrored clip could be a real one."""


def _face(config: DataConfig) -> Kind:
    encoder = FaceEncoder(with_canny_edges=not config.no_canny_edge, with_distance_maps=not config.no_dist_map)
    return Kind(encoder, face_files, partial(FaceFrames, encoder=encoder))


def _street(config: DataConfig) -> Kind:
    labels = read_label_set(config.label_set)
    encoder = StreetEncoder(
        labels,
        num_labels=config.label_nc,
        ignore_label=config.ignore_label,
        foreground_ids=ids_named(labels, "car") if config.fg_labels is None else parse_ids(config.fg_labels),
        with_instances=config.use_instance,
    )
    files = partial(street_files, with_instances=config.use_instance)
    return Kind(encoder, files, partial(StreetFrames, encoder=encoder))


def _paired(config: DataConfig) -> Kind:
    encoder = PairedEncoder(num_channels=config.input_nc or 3)
    return Kind(encoder, paired_files, partial(PairedFrames, encoder=encoder))


def _pose(config: DataConfig) -> Kind:
    encoder = PoseEncoder(
        with_densepose=not config.openpose_only,
        with_openpose=not config.densepose_only,
        drop_probability=config.random_drop_prob,
        remove_face_labels=config.remove_face_labels,
        basic_points_only=config.basic_point_only,
    )
    files = partial(pose_files, with_densepose=encoder.with_densepose, with_openpose=encoder.with_openpose)
    return Kind(encoder, files, partial(PoseFrames, encoder=encoder), can_flip=False)


KINDS: dict[str, Callable[[DataConfig], Kind]] = {"face": _face, "street": _street, "paired": _paired, "pose": _pose}


def build_kind(config: DataConfig) -> Kind:
    """The kind of data of a config.

    Raises:
        UserError: a wrong number of channels is asked for.
    """
    kind = KINDS[config.dataset_mode](config)
    if config.input_nc not in (None, kind.encoder.num_channels):
        raise UserError(
            f"--input_nc {config.input_nc}: expected {kind.encoder.num_channels}, which --dataset_mode "
            f"{config.dataset_mode} has with these flags; leave it out"
        )
    return kind


def build_encoder(config: DataConfig) -> Encoder:
    """What the channels of a config's semantic frames are."""
    return build_kind(config).encoder


def build_geometry(config: DataConfig) -> Geometry:
    """What turns a frame's size into the generator's."""
    return Geometry(
        resize_or_crop=config.resize_or_crop,
        load_size=config.loadSize,
        fine_size=config.fineSize,
        center_crop=config.dataset_mode == "pose" and not config.no_center_crop,
    )


def build_clips(config: DataConfig, schedule: ScheduleConfig, *, root: Path, seed: int) -> VideoClips:
    """The training clips of a dataset.

    Raises:
        UserError: a folder or file is missing, a header is broken or of another size than its sequence's, or a sequence
            is too short to train on.
    """
    kind, cache = build_kind(config), ArrayCache()
    problems = Problems()
    found = kind.files(root, phase="train", needs_images=True, problems=problems)
    if problems.passed_over:
        print(f"{root}: {len(problems.passed_over)} files belong to no frame, such as {problems.passed_over[0]}")
    sequences = [kind.frames(files, cache=cache) for files in found]
    for error in header_problems(sequences, index=size_index(root, "train")):
        raise error  # the first one; `python -m data.validate` tells all
    geometry = build_geometry(config)
    if schedule.batchSize > 1:
        check_one_size(sequences, geometry)
    return VideoClips(
        sequences,
        encoder=kind.encoder,
        geometry=geometry,
        seed=seed,
        max_t_step=schedule.max_t_step,
        flip=kind.can_flip and not schedule.no_flip,
        affine=schedule.affine,
    )


def check_one_size(sequences: Sequence[Frames], geometry: Geometry) -> None:
    """Say which sequence gives clips that fit into no batch with those of the first.

    Raises:
        UserError: one does.
    """
    sizes = (geometry.place(frames.box(0)).size for frames in sequences)
    first = next(sizes)
    for frames, size in zip(sequences[1:], sizes, strict=True):
        if size != first:
            raise UserError(
                f"{frames.files.leading[0].parent}: gives clips of {size[1]} x {size[0]}, the first sequence of "
                f"{first[1]} x {first[0]}, which fit into no batch; choose a --resize_or_crop that gives one size, "
                "such as resize, or train with --batchSize 1"
            )


def build_sequences(
    config: DataConfig, *, root: Path, phase: str, first_frame: int = 0, max_frames: int | None = None
) -> list[VideoSequence]:
    """The ordered sequences of a dataset, by name; any length from 1 frame on, with or without a real video.

    Args:
        config: how files become tensors.
        root: the dataset's folder.
        phase: which part of it.
        first_frame: where every sequence begins.
        max_frames: where it ends, counted from there; None is its own end.

    Raises:
        UserError: a folder or file is missing or broken, or a sequence ends before ``first_frame``.
    """
    kind, geometry = build_kind(config), build_geometry(config)
    # frames are read once and in order: a cache would only hold memory
    cache = ArrayCache(max_bytes=0)
    found = kind.files(root, phase=phase, needs_images=False)
    parts = [part_of(files, first_frame=first_frame, max_frames=max_frames) for files in found]
    return [VideoSequence(kind.frames(files, cache=cache), encoder=kind.encoder, geometry=geometry) for files in parts]
