"""How does a config become clips and sequences? The only place where names of options meet datasets."""

from pathlib import Path

from data.clips import FaceClips
from data.face import FaceEncoder
from data.sequences import FaceSequence, face_sequences
from data.transforms import Geometry
from options.config import DataConfig, ScheduleConfig


def build_encoder(config: DataConfig) -> FaceEncoder:
    """What turns the files of a frame into its semantic tensor."""
    return FaceEncoder(with_canny_edges=not config.no_canny_edge, with_distance_maps=not config.no_dist_map)


def build_geometry(config: DataConfig) -> Geometry:
    """What turns a frame's size into the generator's."""
    return Geometry(resize_or_crop=config.resize_or_crop, load_size=config.loadSize, fine_size=config.fineSize)


def build_clips(config: DataConfig, schedule: ScheduleConfig, *, root: Path, seed: int) -> FaceClips:
    """The training clips of a dataset."""
    return FaceClips(
        root,
        phase="train",
        encoder=build_encoder(config),
        geometry=build_geometry(config),
        seed=seed,
        max_t_step=schedule.max_t_step,
        flip=not schedule.no_flip,
        affine=schedule.affine,
    )


def build_sequences(
    config: DataConfig, *, root: Path, phase: str, first_frame: int = 0, max_frames: int | None = None
) -> list[FaceSequence]:
    """The ordered sequences of a dataset, frame by frame, from ``first_frame`` on."""
    return face_sequences(
        root,
        phase=phase,
        encoder=build_encoder(config),
        geometry=build_geometry(config),
        first_frame=first_frame,
        max_frames=max_frames,
    )
