"""Export the shipped face model, then draw with NumPy and ONNX Runtime alone: no torch, nothing of this project.

    pip install -r requirements-fast.txt
    python -m models.inference.export --checkpoint checkpoints/face_sample_student --format onnx --out student.onnx
    python examples/onnx_alone.py student.onnx semantics.npy frames.npy

``semantics.npy`` holds the semantic frames to draw, float32 [T, C, H, W]; ``frames.npy`` gets uint8 [T, H, W, 3]. A
model begins well without real first frames only if it was trained with ``--no_first_img``. Copy this file anywhere.
"""

import sys
from collections import deque
from pathlib import Path

import numpy as np
import onnxruntime


def draw(model: Path, semantics: np.ndarray, first_frames: np.ndarray | None = None) -> np.ndarray:
    """The frames of a semantic video, each from the last semantic frames and the last frames.

    Args:
        model: written by ``python -m models.inference.export``.
        semantics: float32 [T, C, H, W], as the encoder of the checkpoint gives them.
        first_frames: float32 [N, 3, H, W] in [-1, 1], which the video begins with.

    Returns:
        float32 [T, 3, H, W] in [-1, 1].
    """
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    channels = {one.name: one.shape[1] for one in session.get_inputs()}
    num_maps, num_past = channels["semantic"] // semantics.shape[1], channels["previous"] // 3
    given = [] if first_frames is None else list(first_frames)
    blank = np.zeros((3, *semantics.shape[2:]), np.float32)
    maps = deque([semantics[0]] * num_maps, maxlen=num_maps)
    past = deque([blank] * num_past, maxlen=num_past)
    frames = []
    for number, semantic in enumerate(semantics):
        maps.append(semantic)
        if number < len(given):
            frame = given[number]
        else:
            inputs = {"semantic": np.concatenate(maps)[None], "previous": np.concatenate(past)[None]}
            # the very first frame has no past to warp: "raw" is drawn without one
            (drawn,) = session.run(["raw" if number == 0 else "final"], inputs)
            frame = drawn[0]
        past.append(frame)
        frames.append(frame)
    return np.stack(frames)


def main(model: str, semantics: str, frames: str) -> None:
    """Draw all frames of a file of semantic frames."""
    drawn = draw(Path(model), np.load(semantics))
    pictures = ((drawn + 1) * 127.5).round().clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    np.save(frames, pictures)
    print(f"{frames}: {pictures.shape}")


if __name__ == "__main__":
    main(*sys.argv[1:])
