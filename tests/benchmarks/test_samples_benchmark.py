"""`benchmark.py samples` tells a face that holds from one that does not."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from benchmarks.command_line import build_parser
from benchmarks.metrics.identity import known_faces, make_identity
from benchmarks.metrics.label_agreement import make_label_agreement, mean_iou, train_segmenter
from benchmarks.metrics.landmark_error import make_landmark_error
from benchmarks.metrics.measure import MeanOverFrames, Rules
from benchmarks.metrics.pose_error import make_body_error
from benchmarks.metrics.videos import Pair
from benchmarks.rollouts import BackAndForth
from benchmarks.samples import Figure, figure
from benchmarks.strips import strip_numbers
from data.build import build_sequences
from data.kinds.openpose import BODY, NUM_POINTS
from data.sequences import VideoSequence
from options.data_config import DataConfig
from tests.benchmarks.metric_videos import ListVideo, noisy
from tests.tiny_face import write_tiny_face
from tests.tiny_video import write_student
from util.errors import UserError

SIDE = 48


def face_at(x: int) -> Tensor:
    """A bright disc with two eyes on a dark ground."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    frame = np.full((3, SIDE, SIDE), -0.8, np.float32)
    frame[:, (rows - 24) ** 2 + (columns - x) ** 2 < 100] = 0.8
    frame[1:, (rows - 20) ** 2 + (abs(columns - x) - 4) ** 2 < 5] = -0.5
    return torch.from_numpy(frame)


def find_points(picture: np.ndarray) -> np.ndarray | None:
    """68 points around the middle of what is bright; None where little is."""
    rows, columns = np.nonzero(picture[..., 0] > 160)
    if len(rows) < 150:
        return None
    angles = np.linspace(0, 2 * np.pi, 68)
    return np.stack((columns.mean() + 10 * np.cos(angles), rows.mean() + 10 * np.sin(angles)), axis=1)


def find_body(picture: np.ndarray) -> np.ndarray | None:
    points = find_points(picture)
    if points is None:
        return None
    person = np.zeros((NUM_POINTS, 3))
    person[BODY, :2], person[BODY, 2] = points[:25], 1
    return person


REAL = [face_at(14 + number) for number in range(20)]
STILL = [*REAL[:2], *[REAL[1]] * 18]
COPY_OF_PREVIOUS = [REAL[0], *REAL[:-1]]
MELTING = [frame * (1 - min(1.0, number / 12)) - 0.5 for number, frame in enumerate(REAL)]


def measured(metric: MeanOverFrames, frames: list[Tensor]) -> Figure:
    real = ListVideo(REAL)
    scores = metric.measure([Pair(ListVideo(frames), real)], Rules()).per_frame["talk"]
    return figure(scores, num_given=2, shown=None, better=metric.better)


METRICS = {
    "landmark_error": lambda: make_landmark_error(find_points, finder="test", driven=None),
    "body_error": lambda: make_body_error(find_body, finder="test"),
    "identity": lambda: make_identity(known_faces(REAL[::2], find_points), find_points, finder="test"),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_still_frame_and_a_copy_of_the_previous_one_do_badly(name: str) -> None:
    metric = METRICS[name]()
    right, still, copy = (measured(metric, frames) for frames in (noisy(REAL, 0.02), STILL, COPY_OF_PREVIOUS))
    assert right.value is not None and still.value is not None and copy.value is not None
    assert right.value < copy.value < still.value
    assert still.worse_at_end is not None and still.worse_at_end > 0.5


def test_a_face_that_melts_is_missed() -> None:
    assert measured(METRICS["landmark_error"](), MELTING).missed > 0.4
    assert measured(METRICS["landmark_error"](), REAL).missed == 0


def test_identity_needs_a_face_to_compare_with() -> None:
    with pytest.raises(UserError, match="identity: expected a training frame with a face"):
        make_identity(known_faces([torch.full((3, SIDE, SIDE), -1.0)], find_points), find_points, finder="test")


def test_a_segmenter_of_true_frames_reads_labels_again() -> None:
    def labels(video: object, number: int) -> Tensor:
        return (REAL[number][0] > 0).long()

    frames = [(image, labels(None, number)) for number, image in enumerate(REAL)]
    segmenter = train_segmenter(frames, num_labels=2, steps=60)
    again = train_segmenter(frames, num_labels=2, steps=60)
    assert all(torch.equal(a, b) for a, b in zip(segmenter.parameters(), again.parameters(), strict=True))
    metric = make_label_agreement(segmenter, labels)
    right, still = measured(metric, REAL).value, measured(metric, STILL).value
    assert right is not None and still is not None and right > 0.8 > 0.7 > still


def test_mean_iou_counts_labels_alike() -> None:
    wanted = np.array([[0, 0, 0, 1]])
    assert mean_iou(wanted, wanted) == 1
    assert mean_iou(np.zeros_like(wanted), wanted) == pytest.approx((3 / 4 + 0) / 2)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> VideoSequence:
    root = write_tiny_face(tmp_path_factory.mktemp("data"), phase="test", num_frames=5)
    return build_sequences(DataConfig(loadSize=32), root=root, phase="test")[0]


@given(num_frames=st.integers(1, 40))
def test_back_and_forth_moves_by_one_frame_and_first_shows_each_under_its_own_number(
    talk: VideoSequence, num_frames: int
) -> None:
    played = BackAndForth(talk, num_frames=num_frames)
    shown = [played.shown(number) for number in range(num_frames)]
    assert shown[:5] == [0, 1, 2, 3, 4][:num_frames]
    assert all(abs(one - other) == 1 for one, other in zip(shown, shown[1:], strict=False))
    names = {played.frame_name(number) for number in range(num_frames)}
    assert set(shown) <= set(range(5)) and len(names) == num_frames


def test_drift_of_a_rollout_compares_equal_frames(talk: VideoSequence) -> None:
    played = BackAndForth(talk, num_frames=22)
    hard = [1.0 + played.shown(number) for number in range(22)]  # some frames are harder than others
    assert figure([None, None, *hard[2:]], num_given=2, shown=played.shown, better="lower").worse_at_end == 0
    drifting = [score * (1 if number < 5 else 1.1) for number, score in enumerate(hard)]
    worse = figure([None, None, *drifting[2:]], num_given=2, shown=played.shown, better="lower").worse_at_end
    assert worse == pytest.approx(0.1)


def test_strips_show_the_last_frame() -> None:
    assert strip_numbers(46) == [2, 12, 24, 36, 45] and strip_numbers(300)[-1] == 299
    assert strip_numbers(12) == [2, 11]


def test_the_program_measures_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.samples.load_landmark_finder", lambda name, follows: lambda picture: FOUND)
    monkeypatch.setattr("benchmarks.samples.finder_note", lambda name: "mesh 1 test")
    data = write_tiny_face(tmp_path / "data/face_sample", phase="train", num_frames=4)
    write_tiny_face(data, phase="test", num_frames=6)
    for model in ("teacher", "student"):
        write_student(tmp_path / f"models/face_sample_{model}", channels=15)
    run("--checkpoints", tmp_path / "models", "--datasets", tmp_path / "data", "--output", tmp_path / "out",
        "--picture", tmp_path / "all.webp")  # fmt: skip
    with Image.open(tmp_path / "all.webp") as picture:
        assert picture.size == (3 * 128, 132) and getattr(picture, "n_frames", 1) > 1
    rows = json.loads((tmp_path / "out/samples.json").read_text())
    methods = {row["method"] for row in rows}
    assert methods == {"teacher", "student", "pipeline", "pipeline_fewer", "still_frame"} and len(rows) == 10
    assert {"psnr", "ssim", "landmark_error", "identity"} == set(rows[0]["figures"])
    assert (tmp_path / "out/face/talk.jpg").is_file() and "| talk_back_and_forth" in capsys.readouterr().out
    compared = ("--datasets", tmp_path / "data", "--compare", tmp_path / "models/face_sample_student")
    run("--kinds", "face", "--output", tmp_path / "compared", *compared)
    rows = json.loads((tmp_path / "compared/samples.json").read_text())
    assert {row["method"] for row in rows} == {"face_sample_student", "still_frame"}
    with pytest.raises(UserError, match="expected one kind, got several"):
        run("--output", tmp_path / "compared", *compared)
    with pytest.raises(UserError, match="expected a sample model"):
        run("--checkpoints", tmp_path / "data", "--output", tmp_path / "out")


FOUND = np.stack((np.linspace(4, 30, 68), np.linspace(4, 20, 68)), axis=1)


def run(*words: str | Path) -> None:
    common = ["samples", "--rollout", "9", "--timing_runs", "1", "--runtime", "eager", "--device", "cpu"]
    arguments = build_parser("test").parse_args([*common, *map(str, words)])
    arguments.run(arguments)
