"""Exact flows of the sample datasets, cut and scaled as the frames that are evaluated."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.protocol import Protocol
from data.samples.motion_files import read_motion
from data.sequences import VideoSequence
from data.transforms import Placement, cut
from util.files import atomic_write


def write_exact_flows(protocol: Protocol, clips: Sequence[VideoSequence], *, root: Path, folder: Path) -> Path | None:
    """Write the flows of all clips as the metric ``flow_epe`` reads them.

    Args:
        protocol: says which sequence each clip is of.
        clips: the same, as videos.
        root: the dataset; exact motion is in ``<phase>_flow/<sequence>/*.npz``, where there is any.
        folder: gets ``<clip>/<number>.npy``; none for a clip's first frame, which has no frame before it.

    Returns:
        ``folder``; None where the dataset has no exact motion.

    Raises:
        UserError: a file of motion is missing or broken.
    """
    source = root / f"{protocol.phase}_flow"
    if not source.is_dir():
        return None
    for part, clip in zip(protocol.clips, clips, strict=True):
        for number in range(1, clip.num_frames):
            motion = read_motion(source / part.sequence / f"{clip.frame_name(number)}.npz")
            flow = placed_flow(motion["backward"], unknown=motion["appeared"], placement=clip.placement)
            with atomic_write(folder / clip.name / f"{number:05d}.npy") as scratch, scratch.open("wb") as file:
                np.save(file, flow)
    return folder


def placed_flow(flow: np.ndarray, *, unknown: np.ndarray, placement: Placement) -> np.ndarray:
    """A flow of whole frames as the flow of the frames that were made of them.

    Args:
        flow: [H, W, 2] in pixels, x then y.
        unknown: bool [H, W], pixels that come from nowhere.
        placement: how frames were cut and scaled; not mirrored.

    Returns:
        float32 [2, height, width]; NaN where a pixel, or a part of it, is unknown.
    """
    height, width = placement.resized
    box = placement.box
    shape = width, height
    kept = cv2.resize(np.ascontiguousarray(cut(flow, box), np.float32), shape, interpolation=cv2.INTER_AREA)
    kept *= np.array([width / box.width, height / box.height], np.float32)
    # what sticks out of the frame is unknown, too
    hidden = cut(1 - unknown.astype(np.float32), box) < 1
    kept[cv2.resize(hidden.astype(np.float32), shape, interpolation=cv2.INTER_AREA) > 0] = np.nan
    return np.ascontiguousarray(cut(kept, placement.crop).transpose(2, 0, 1), np.float32)
