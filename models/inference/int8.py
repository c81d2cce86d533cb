"""``--precision int8``: a model calibrated at the first use and kept beside its checkpoint."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import torch

from data.build import build_encoder, build_sequences
from models.checkpoint import Checkpoint
from models.inference.calibration import OPENERS, Calibrated, Calibration, CalibrationData, calibration_data
from models.inference.runtimes.choose import Choice
from models.inference.runtimes.graph import frame_graph
from models.inference.runtimes.label_tables import table_reader
from models.networks.coarse_to_fine import VideoGenerator
from options.values import to_json
from util.device import instruction_sets
from util.errors import UserError
from util.files import atomic_write, file_sha256
from util.optional import require

_FORMAT = "1"  # of the quantised graph: another number, and all kept models are made anew
_NOTE = "fast_vid2vid_int8"  # the name of what a kept model says of itself
_FAST = {"VNNI", "AMX-INT8", "DOTPROD", "I8MM"}  # instructions that multiply bytes faster than floats


@dataclass(frozen=True)
class Note:
    """What a kept model says of itself.

    Attributes:
        weights: SHA-256 of the generator's weights and of what it is.
        versions: of our format and of the packages.
        data: SHA-256 of what it was calibrated on.
        float_layers: what was asked for.
        in_float: the layers that kept 32 bits.
        decibels: of the held-out frames.
    """

    weights: str
    versions: str
    data: str
    float_layers: str
    in_float: list[str]
    decibels: float


def weights_key(saved: Checkpoint, *, raw: bool) -> str:
    """SHA-256 of the weights that frames are drawn with, and of the generator they are for."""
    digest = hashlib.sha256(file_sha256(saved.folder / f"{saved.generator_name(raw=raw)}.safetensors").encode())
    digest.update(json.dumps(to_json(saved.config.generator), sort_keys=True).encode())
    return digest.hexdigest()


def versions_key(runtime: str) -> str:
    """What a model depends on beside weights and data."""
    package = {"onnx": "onnxruntime"}.get(runtime, runtime)
    return f"format {_FORMAT}, torch {torch.__version__}, onnx {version('onnx')}, {package} {version(package)}"


def kept_path(saved: Checkpoint, runtime: str) -> Path:
    """Where the model of a runtime is kept: beside the weights, and in no list of what a save holds."""
    return saved.folder / f"int8_{runtime}.onnx"


def read_kept(saved: Checkpoint, runtime: str, *, raw: bool) -> tuple[bytes, Note] | None:
    """The model kept for these weights and versions, if there is one; any other is as good as none."""
    path = kept_path(saved, runtime)
    if not path.is_file():
        return None
    onnx = require("onnx", instead="use --precision fp32")
    try:
        model = path.read_bytes()
        notes = {one.key: one.value for one in onnx.load_from_string(model).metadata_props}
        note = msgspec.json.decode(notes[_NOTE], type=Note)
    except Exception:  # half a file, or another program's: the decoder has errors of its own
        return None
    is_ours = (note.weights, note.versions) == (weights_key(saved, raw=raw), versions_key(runtime))
    return (model, note) if is_ours else None


def keep(saved: Checkpoint, runtime: str, found: Calibrated, note: Note) -> None:
    """Write a model beside the checkpoint; where that cannot be written, say so."""
    onnx = require("onnx", instead="use --precision fp32")
    model = onnx.load_from_string(found.model)
    onnx.helper.set_model_props(model, {_NOTE: json.dumps(asdict(note))})
    path = kept_path(saved, runtime)
    try:
        with atomic_write(path) as scratch:
            scratch.write_bytes(model.SerializeToString())
    except OSError as error:
        print(f"{path}: cannot be written ({error.strerror}), so the next run calibrates again")


def read_calibration_data(saved: Checkpoint, dataroot: str) -> CalibrationData | None:
    """Stretches of the training videos of a dataset; None where there is no such dataset.

    Raises:
        UserError: its files are broken, or its videos too short.
    """
    root = Path(dataroot)
    if not any(root.glob("train*")) and not any(root.glob("*/train")):
        return None
    sequences = build_sequences(saved.config.data, root=root, phase="train")
    videos = [(one.semantic, one.image, one.num_frames) for one in sequences]
    return calibration_data(videos, num_given=saved.config.generator.n_frames_G - 1)


def choose_int8(
    saved: Checkpoint,
    generator: VideoGenerator,
    *,
    runtime: str,
    precision: str,
    dataroot: str,
    float_layers: str,
    raw: bool,
) -> Choice | None:
    """The generator in 8 bits: kept, or calibrated now on the training videos of ``dataroot``.

    Args:
        saved: the checkpoint.
        generator: its network.
        runtime: one of ``RUNTIMES``.
        precision: ``--precision``; ``auto`` takes 8 bits only where a model of these weights is kept.
        dataroot: folder of a dataset; without a training part there a kept model is used, whatever it was made from.
        float_layers: see ``Calibration.checked``.
        raw: see ``Checkpoint.generator_name``.

    Returns:
        None where another precision is meant.

    Raises:
        UserError: another runtime, no data and no kept model, or frames too far from fp32.
    """
    if precision not in ("int8", "auto") or (precision == "auto" and runtime not in OPENERS):
        return None
    if runtime not in OPENERS:
        raise UserError(f"--precision int8 runs in {' or '.join(OPENERS)}, found --runtime {runtime}; choose one")
    kept = read_kept(saved, runtime, raw=raw)
    if precision == "auto":
        return None if kept is None else opened(generator, runtime, kept)
    data = read_calibration_data(saved, dataroot)
    if kept is not None and kept[1].float_layers == float_layers and (data is None or data.digest() == kept[1].data):
        return opened(generator, runtime, kept)
    if data is None:
        raise UserError(
            f"--precision int8: expected a training part in --dataroot {dataroot} to calibrate on, or a model of these "
            f"weights and --float_layers in {kept_path(saved, runtime)}, found neither; give the dataset of the run"
        )
    print(f"int8: calibrating for {runtime} on the training part of {dataroot}")
    found, note = calibrate(saved, generator, data, runtime=runtime, float_layers=float_layers, raw=raw)
    keep(saved, runtime, found, note)
    return opened(generator, runtime, (found.model, note))


def calibrate(
    saved: Checkpoint,
    generator: VideoGenerator,
    data: CalibrationData,
    *,
    runtime: str,
    float_layers: str,
    raw: bool,
    has_tables: bool = True,
) -> tuple[Calibrated, Note]:
    """See ``Calibration``; with what is to be noted."""
    calibration = Calibration(
        generator,
        data,
        runtime=runtime,
        num_frames=saved.config.generator.n_frames_G,
        foreground=build_encoder(saved.config.data).foreground,
        has_tables=has_tables,
    )
    found = calibration.checked(float_layers)
    weights, versions = weights_key(saved, raw=raw), versions_key(runtime)
    note = Note(weights, versions, data.digest(), float_layers, list(found.in_float), round(found.decibels, 2))
    return found, note


def opened(generator: VideoGenerator, runtime: str, kept: tuple[bytes, Note]) -> Choice:
    """The runtime of a kept model."""
    model, note = kept
    choice = OPENERS[runtime](model, reader=table_reader(frame_graph(generator).generator))
    in_float = f", in float: {', '.join(note.in_float)}" if note.in_float else ""
    described = f"{runtime}, int8, {note.decibels:.1f} dB to fp32{in_float}; {expectation(instruction_sets())}"
    return Choice(choice, described)


def expectation(instructions: Sequence[str]) -> str:
    """What 8 bits are worth on a processor with these instructions, in words."""
    told = "instructions: " + (", ".join(instructions) or "none known")
    if _FAST & set(instructions):
        return told
    return f"{told}; none for products of bytes, so expect little more than fp32"
