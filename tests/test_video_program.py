"""``test.py`` with a video of one's own or a camera: every frame, its time, the sound; and one line for mistakes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import torch

import models.inference.live
from benchmarks import testing as program
from data.build import build_sequences
from data.sources.camera import CameraCounts, Captured, LiveFrame, camera_frames
from data.sources.own_video import own_video
from models import checkpoint as checkpoints
from models.inference.live import LiveStream, StreamPass, camera_passes, open_source, run_live
from models.inference.pipeline import make_first_frames, make_methods
from options.cli import parse
from options.config import TestConfig
from tests.tiny_face import write_tiny_face
from tests.tiny_video import know_faces, packets, write_student, write_talk, write_tone
from util.errors import UserError
from util.media.pictures import to_uint8
from util.media.video import Timing, VideoWriter, probe, read_video
from util.report.live_page import LivePage

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_student(tmp_path_factory.mktemp("runs") / "face", "--no_dist_map", channels=1)


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "paired"
    return write_student(folder, "--dataset_mode", "paired", "--no_first_img", channels=3)


@pytest.fixture(autouse=True)
def faces(monkeypatch: pytest.MonkeyPatch) -> None:
    know_faces(monkeypatch)


def config_of(*words: object) -> TestConfig:
    return parse(TestConfig, [*map(str, words), "--device", "cpu"], description="test")


def run(student: Path, video: Path, output: Path, *more: object) -> Path:
    return program.run_video(config_of("--checkpoint", student, "--video", video, "--output", output, *more))


@pytest.mark.parametrize("more", [(), ("--lookahead", "4")])
def test_a_face_video_keeps_its_frames_its_rate_and_its_sound(
    student: Path, tmp_path: Path, more: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tone = write_tone(tmp_path / "tone.mp4", seconds=1)
    video = write_talk(tmp_path / "talk.mp4", num_frames=14, rate=30000 / 1001, sound_from=tone)
    out = run(student, video, tmp_path / "made" / "out.mp4", *more)
    assert probe(out) == (30000 / 1001, 14, 32, 32)
    assert [at for at, _ in packets(out, "video")] == [at for at, _ in packets(video, "video")]
    assert packets(out, "audio") == packets(video, "audio")
    told = capsys.readouterr().out
    assert "face found in 14 frames, 0 filled" in told and "2 given; sound: aac copied" in told
    assert "frames keep their size: this checkpoint does not tell" in told


def test_every_frame_of_a_varying_rate_keeps_its_time(paired: Path, tmp_path: Path) -> None:
    timing = Timing(Fraction(1, 90000), [500, 4000, 4100, 20000, 50000, 50100], 70000)
    video = write_talk(tmp_path / "talk.mp4", num_frames=6, timing=timing)
    out = run(paired, video, tmp_path / "out.mp4", "--first_frame", "generated")
    assert [at * 90000 for at, _ in packets(out, "video")] == list(timing.times)


def test_the_first_frames_are_the_videos_own_where_it_shows_what_is_drawn(student: Path, tmp_path: Path) -> None:
    video = write_talk(tmp_path / "talk.mp4", num_frames=5)
    data = checkpoints.load(str(student), flag="--checkpoint").config.data
    sequence, _ = own_video(video, data)
    frames = list(read_video(run(student, video, tmp_path / "out.mp4")))
    for number in (0, 1):
        real = sequence.image(number)
        assert real is not None
        grey = to_uint8(real).mean(axis=2)  # video coding blurs colours
        assert np.corrcoef(grey.ravel(), frames[number].mean(axis=2).ravel())[0, 1] > 0.9


def test_without_an_output_the_video_lies_among_the_results(student: Path, tmp_path: Path) -> None:
    video = write_talk(tmp_path / "talk.mp4", num_frames=3)
    config = config_of("--checkpoint", student, "--video", video, "--results_dir", tmp_path / "results")
    assert program.run_video(config) == tmp_path / "results" / "face" / "talk.mp4"
    assert [path.name for path in (tmp_path / "results" / "face").iterdir()] == ["talk.mp4"]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_very_short_videos_have_all_their_frames(student: Path, tmp_path: Path, length: int) -> None:
    video = write_talk(tmp_path / "talk.mp4", num_frames=length)
    assert len(list(read_video(run(student, video, tmp_path / "out.mp4")))) == length


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--output", "{video}"], "expected another file than --video"),
        (["--output", "out.avi"], "--output out.avi: expected an .mp4 file"),
        (["--webcam"], "--video and --webcam are two sources"),
        (["--teacher", "nowhere"], "--teacher does not go with --video"),
        (["--max_frames", "3"], "--max_frames does not go with --video"),
        (["--serve", "--output", "x.mp4"], "--output does not go with --serve"),
        (["--serve", "--keyframes", "all"], "--serve chooses key-frames live"),
        (["--serve", "70000"], "--serve 70000: expected a port"),
    ],
)
def test_mistakes_are_named(student: Path, tmp_path: Path, more: list[str], expected: str) -> None:
    video = write_talk(tmp_path / "talk.mp4", num_frames=2)
    words = [word.format(video=video) for word in more]
    with pytest.raises(UserError) as caught:
        program.run_video(config_of("--checkpoint", student, "--video", video, *words))
    assert expected in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["talk.mp4"]


def test_a_paired_model_has_no_real_first_frames_and_says_what_to_do(paired: Path, tmp_path: Path) -> None:
    video = write_talk(tmp_path / "talk.mp4", num_frames=3)
    with pytest.raises(UserError, match="--first_frame generated"):
        run(paired, video, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("kind", ["face", "paired"])
def test_a_camera_gives_the_frames_of_the_whole_video_when_nothing_is_dropped(
    student: Path, paired: Path, tmp_path: Path, kind: str
) -> None:
    checkpoint, first = (student, "real") if kind == "face" else (paired, "generated")
    video = write_talk(tmp_path / "talk.mp4", num_frames=14)
    config = config_of("--checkpoint", checkpoint, "--lookahead", "4", "--first_frame", first)
    (one,) = make_methods(config, CPU)
    data = one.saved.config.data
    first_frames = make_first_frames(config, data=data, count=2, device=CPU)
    sequence, _ = own_video(video, data)
    given = first_frames.frames(sequence)
    keys = one.choose_keyframes(sequence, num_given=len(given))
    offline = list(one.engine.frames(sequence.semantic, key_frames=keys, first_frames=given))
    pictures = (Captured(0.0, picture) for picture in read_video(video))
    frames = camera_frames(pictures, data, counts=CameraCounts())
    stream = LiveStream(one, camera_passes(frames, first_frames, name="talk"))
    live = [drawn for _, drawn in stream]
    # eager PyTorch itself repeats its frames to the last bit but one
    assert torch.allclose(torch.stack(live), torch.stack(offline), rtol=0, atol=1e-5)
    assert stream.num_arrived == 14 and stream.num_drawn == len(keys) - len(given)


def test_sequences_come_again_and_again_each_with_its_own_first_frames(student: Path, tmp_path: Path) -> None:
    root = write_tiny_face(tmp_path, phase="test", num_frames=5, name="a")
    write_tiny_face(root, phase="test", num_frames=4, name="b", first=3)
    config = config_of("--checkpoint", student, "--dataroot", root, "--lookahead", "3")
    (one,) = make_methods(config, CPU)
    first_frames = make_first_frames(config, data=one.saved.config.data, count=2, device=CPU)
    stream = iter(LiveStream(one, open_source(config, one.saved, first_frames).passes))
    frames = [next(stream)[1] for _ in range(9 + 9)]
    stream.close()  # type: ignore[attr-defined]
    assert torch.allclose(torch.stack(frames[:9]), torch.stack(frames[9:]), rtol=0, atol=1e-5)
    for sequence, first in zip(build_sequences(one.saved.config.data, root=root, phase="test"), (0, 5), strict=True):
        real = sequence.image(0)
        assert real is not None and torch.equal(frames[first], real)


def test_the_engine_is_warm_for_every_size_before_a_frame_of_it_is_made(
    student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = make_methods(config_of("--checkpoint", student, "--lookahead", "2"), CPU)
    warm: list[tuple[int, ...]] = []
    monkeypatch.setattr(one.engine, "warm_up", lambda semantic: warm.append(tuple(semantic.shape[1:])))

    def passes() -> Iterator[StreamPass]:
        for size in ((32, 32), (32, 64), (32, 32)):
            frames = [LiveFrame(0.0, torch.zeros(1, *size)) for _ in range(3)]
            yield StreamPass(iter(frames), [torch.zeros(3, *size)] * 2)
        yield StreamPass(iter(()), [])

    sizes = [tuple(drawn.shape[1:]) for _, drawn in LiveStream(one, passes())]
    assert sizes == [(32, 32)] * 3 + [(32, 64)] * 3 + [(32, 32)] * 3
    assert warm == [(32, 32), (32, 64)]


def test_a_stand_in_for_a_camera_is_shown_to_its_end_and_counted(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses: list[dict[str, Any]] = []

    class WatchedPage(LivePage):
        def show(self, jpeg: bytes, *, arrived: float) -> None:
            super().show(jpeg, arrived=arrived)
            with urlopen(self.url + "status.json", timeout=10) as answer:
                statuses.append(json.load(answer))

    monkeypatch.setattr(models.inference.live, "LivePage", WatchedPage)
    video = write_talk(tmp_path / "talk.mp4", num_frames=12, rate=100)
    run_live(config_of("--checkpoint", student, "--webcam", video, "--serve", "0", "--lookahead", "3"))
    last = statuses[-1]
    assert last["shown"] == len(statuses) > 0
    assert last["shown"] + last["dropped"] == 12
    assert (last["source"], last["checkpoint"], last["num_held"]) == ("talk.mp4", "face, latest", 0)
    assert f"{last['shown']} frames shown" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["98", "nowhere.mp4"])
def test_a_camera_that_is_not_there_is_named_and_the_page_ends(student: Path, source: str) -> None:
    with pytest.raises(UserError, match=f"{source}: expected a"):
        run_live(config_of("--checkpoint", student, "--webcam", source, "--serve", "0"))


def test_a_port_that_is_taken_is_named_before_anything_is_drawn(student: Path, tmp_path: Path) -> None:
    root = write_tiny_face(tmp_path, phase="test", num_frames=3)
    with LivePage(port=0, metadata={}, counts=dict) as page, pytest.raises(UserError, match="the port is taken"):
        run_live(config_of("--checkpoint", student, "--dataroot", root, "--serve", page.port))


@pytest.mark.slow
def test_ctrl_c_ends_the_program_with_its_figures_and_code_0(student: Path, tmp_path: Path) -> None:
    root = write_tiny_face(tmp_path, phase="test", num_frames=6)
    words = ["--checkpoint", student, "--dataroot", root, "--serve", "0", "--device", "cpu"]
    command = [sys.executable, "-u", "test.py", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[1]
    while json.load(urlopen(url + "status.json", timeout=10))["shown"] < 10:  # longer than the sequence
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    assert "frames shown in" in out


def test_sound_of_the_whole_file_stays_where_pictures_are_odd_sized(student: Path, tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "tone.wav", seconds=1, codec="pcm_s16le")
    with VideoWriter(tmp_path / "odd.mkv", frames_per_second=25, sound_from=tone) as video:
        for frame in read_video(write_talk(tmp_path / "talk.mp4", num_frames=4)):
            video.write(np.ascontiguousarray(frame[:97, :121]))
    out = run(student, tmp_path / "odd.mkv", tmp_path / "out.mp4")
    assert len(packets(out, "audio")) == len(packets(tmp_path / "odd.mkv", "audio"))
    assert probe(out).num_frames == 4
