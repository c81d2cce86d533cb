"""The programs in ``examples/`` run, and do what they say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from data.build import build_sequences
from examples import own_kind
from examples.engine import main as run_engine
from examples.onnx_alone import draw
from models import checkpoint
from models.build import load_generator
from models.inference.exported import export_checkpoint
from models.inference.synthesizer import Synthesizer
from models.interpolation.base import nearest
from tests.tiny_face import write_tiny_face
from util.media.video import read_video

STUDENT = "checkpoints/face_sample_student"


def test_engine_gives_as_many_frames_as_it_gets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_engine(write_tiny_face(tmp_path, phase="test", num_frames=8), tmp_path / "out.mp4")
    assert len(list(read_video(tmp_path / "out.mp4"))) == 8 and "8 frames" in capsys.readouterr().out


def test_own_kind_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiny_face(tmp_path, phase="train", num_frames=8)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(own_kind.KINDS, "paired", own_kind.KINDS["paired"])  # put back afterwards
    own_kind.main(str(tmp_path), "sketches")
    assert "step 6 of 6" in capsys.readouterr().out
    assert list(Path("checkpoints/sketches/pictures").iterdir()) and checkpoint.load("checkpoints/sketches", flag="")


def test_onnx_alone_draws_what_the_engine_draws(tmp_path: Path) -> None:
    saved, model = checkpoint.load(STUDENT, flag="test"), tmp_path / "student.onnx"
    export_checkpoint(STUDENT, model, kind="onnx")
    (sequence,) = build_sequences(
        saved.config.data, root=write_tiny_face(tmp_path, phase="test", num_frames=4), phase="test"
    )
    semantics = torch.stack([sequence.semantic(number) for number in range(4)])
    given = [image for number in (0, 1) if (image := sequence.image(number)) is not None]
    engine = Synthesizer(load_generator(saved), num_frames=3, interpolator=nearest, device=torch.device("cpu"))
    wanted = list(engine.frames(lambda number: semantics[number], key_frames=[0, 1, 2, 3], first_frames=given))

    drawn = draw(model, semantics.numpy(), torch.stack(given).numpy())

    assert np.abs(drawn - torch.stack(wanted).numpy()).max() < 1e-3
    np.save(tmp_path / "semantics.npy", semantics.numpy())
    # the program stands alone: neither our folder nor torch is within its reach
    script = (
        "import sys, runpy; sys.modules['torch'] = None; del sys.argv[0]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    words = [str(Path("examples/onnx_alone.py").resolve()), str(model), "semantics.npy", "frames.npy"]
    subprocess.run([sys.executable, "-c", script, *words], cwd=tmp_path, check=True)
    assert np.load(tmp_path / "frames.npy").shape == (4, 128, 128, 3)
