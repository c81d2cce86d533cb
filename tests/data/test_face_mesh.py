"""The default finder of landmarks: geometry on numbers, and the networks on frames of the fetched face video."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.build import build_sequences
from data.detectors import face_mesh
from data.detectors.blaze import Crop, Detection, anchors, merged, nearest, overlap, tiles
from data.detectors.face_mesh import MESH_FILE
from data.detectors.landmarks import common_finder, finder_name, finder_note, load_landmark_finder
from data.detectors.smoothing import filled, smoothed
from data.kinds.face import read_landmarks
from data.layout import face_files
from data.prepare.face import prepare_face
from data.samples.face import SAMPLES, write_face_sample
from data.sources.own_video import own_video
from data.storage.picture_files import read_picture
from options.config import DataConfig
from tests.fetched import fetched_or_skip
from util.errors import UserError
from util.media.video import read_video, write_video


def detection(x: float, y: float, side: float, score: float = 0.9) -> Detection:
    return Detection(score, np.array((x - side / 2, y - side / 2, x + side / 2, y + side / 2)), np.zeros((6, 2)))


def test_a_turned_crop_shows_what_it_should_and_leads_back() -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[30:34, 50:54] = 255  # its middle is (52, 32)
    crop = Crop(np.array((40.0, 32.0)), 48.0, np.pi / 2)
    cut = crop.cut(picture, 96)[..., 0]
    y, x = (float(np.average(axis, weights=cut)) + 0.5 for axis in np.mgrid[:96, :96])
    assert (x, y) == pytest.approx((48, 24), abs=0.05)  # what lay to the right is above
    np.testing.assert_allclose(crop.to_picture(np.array(((x, y),)), 96), [(52, 32)], atol=0.05)


def test_a_detector_has_the_cells_of_its_strides() -> None:
    cells = anchors(128, strides=(8, 16, 16, 16))
    assert cells.shape == (896, 2)
    np.testing.assert_allclose(cells[:4] * 128, [(4, 4), (4, 4), (12, 4), (12, 4)])
    np.testing.assert_allclose(cells[512:520] * 128, [(8, 8)] * 6 + [(24, 8)] * 2)


def test_detections_of_one_face_become_their_mean_and_others_stay() -> None:
    found = merged([detection(10, 10, 8, 0.5), detection(11, 10, 8, 0.5), detection(40, 10, 8, 0.7)])
    assert [tuple(one.centre) for one in found] == [(40, 10), (10.5, 10)]
    assert overlap(detection(0, 0, 2).box, detection(1, 0, 2).box) == pytest.approx(1 / 3)


def test_the_largest_is_followed_and_stays_the_same() -> None:
    large, small = detection(20, 20, 16), detection(60, 20, 10)
    first = nearest([small, large], None, num_lost=0)
    assert first is large
    last = Crop(large.centre, large.side, 0.0)
    moved = detection(22, 20, 12)
    assert nearest([detection(62, 20, 30), moved], last, num_lost=1) is moved
    assert nearest([small], last, num_lost=1) is None  # somebody else
    assert nearest([small], last, num_lost=60) is small  # gone for long: may have come back elsewhere
    assert nearest([], None, num_lost=0) is None


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (50, 50), (20, 90)])
def test_parts_of_a_picture_cover_it(size: tuple[int, int]) -> None:
    covered = np.zeros(size, bool)
    for tile in tiles(np.zeros((*size, 3), np.uint8), min(size) / 2):
        (left, top), (right, bottom) = (np.rint(tile.centre + sign * tile.side / 2).astype(int) for sign in (-1, 1))
        covered[max(0, top) : bottom, max(0, left) : right] = True
    assert covered.all()


def test_finders_are_told_apart() -> None:
    assert finder_name("mesh 1 abc") == "mesh" and finder_name(None) == "dlib"
    assert common_finder([None, "mesh 1 abc", "mesh 1 abc"]) == "mesh 1 abc" and common_finder([None]) is None
    with pytest.raises(UserError, match="expected those of one finder, found dlib 19 def and mesh 1 abc"):
        common_finder(["mesh 1 abc", "dlib 19 def"])
    with pytest.raises(UserError, match="found other 3"):
        finder_name("other 3")


def test_missing_networks_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.fetch.DOWNLOADS", tmp_path)
    with pytest.raises(UserError, match="run `python -m data.fetch detectors`"):
        load_landmark_finder()


@pytest.fixture
def smile() -> list[np.ndarray]:
    """Eight pictures of the face sample, as it is prepared."""
    fetched_or_skip("detectors", face_mesh.MESH_FILE)
    sample = SAMPLES["face"]
    video = read_video(fetched_or_skip(sample.bundle, sample.file))
    return [sample.picture(frame) for frame in islice(video, sample.first_frame, sample.first_frame + 8)]


def test_the_landmarks_are_those_that_are_shipped(smile: list[np.ndarray]) -> None:
    assert finder_note("mesh") == SAMPLES["face"].finder
    find = load_landmark_finder()
    found = smoothed(filled([find(picture) for picture in smile]))
    # the last frames are smoothed with others here; stored in quarters of a pixel
    np.testing.assert_allclose(found[:6], SAMPLES["face"].landmarks()[:6], atol=0.2)


def test_carphones_landmarks_lie_on_the_face_that_is_written_with_them(tmp_path: Path) -> None:
    fetched_or_skip("detectors", MESH_FILE)
    fetched_or_skip("videos", "carphone_pristine.mp4")
    write_face_sample(tmp_path, kind="face_carphone", phases=("test",))
    (files,) = face_files(tmp_path, phase="test", needs_images=True)
    found, wanted = load_landmark_finder()(read_picture(files.images[0])), read_landmarks(files.leading[0])
    eyes = slice(36, 48)
    assert found is not None and np.abs(found[eyes] - wanted[eyes]).max() < 8  # dlib and mesh differ by a few pixels


def test_dlib_finds_the_stored_landmarks_of_carphone(tmp_path: Path) -> None:
    pytest.importorskip("dlib", reason="scripts/run_tests.sh installs it for its last part")
    fetched_or_skip("videos", "carphone_pristine.mp4")
    write_face_sample(tmp_path, kind="face_carphone", phases=("test",))
    (files,) = face_files(tmp_path, phase="test", needs_images=True)
    find = load_landmark_finder("dlib")
    for image, stored in zip(files.images[:3], files.leading, strict=False):
        found = find(read_picture(image))
        # stored ones were found in narrower pixels, and smoothed
        assert found is not None and np.linalg.norm(found - read_landmarks(stored), axis=1).mean() < 3


def test_a_face_is_found_wherever_it_is_and_lost_where_there_is_none(smile: list[np.ndarray]) -> None:
    find = load_landmark_finder()
    expected = find(smile[0])
    assert expected is not None
    wide = np.full((360, 1280, 3), 90, np.uint8)
    wide[60:316, 900:1156] = smile[0]
    moved = load_landmark_finder()(wide)
    assert moved is not None
    np.testing.assert_allclose(moved - (900, 60), expected, atol=3)
    assert find(np.full((256, 256, 3), 90, np.uint8)) is None
    again = find(smile[1])
    assert again is not None and np.abs(again - expected).max() < 12


def test_a_video_has_the_landmarks_of_the_dataset_that_would_be_prepared_of_it(
    tmp_path: Path, smile: list[np.ndarray]
) -> None:
    video, note = tmp_path / "smile.mp4", finder_note("mesh")
    write_video(video, smile, frames_per_second=24)
    prepare_face(
        video, tmp_path / "data", phase="test", name="smile", find_landmarks=load_landmark_finder(), finder=note
    )
    config = DataConfig(loadSize=64)
    (prepared,) = build_sequences(config, root=tmp_path / "data", phase="test")
    sequence = own_video(video, config, finder=note).sequence
    assert prepared.num_frames == sequence.num_frames == 8
    assert all(torch.equal(prepared.semantic(number), sequence.semantic(number)) for number in range(8))
    with pytest.raises(UserError, match="expected those of one finder"):
        prepare_face(
            video, tmp_path / "data", phase="train", name="b", find_landmarks=load_landmark_finder(), finder="dlib 1 a"
        )


def test_one_of_two_faces_is_followed_and_the_other_told(
    tmp_path: Path, smile: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    """The left one is larger at the start, the right one in the end."""

    def pair(number: int) -> np.ndarray:
        canvas = np.full((256, 512, 3), 60, np.uint8)
        for place, side in enumerate((256 - 8 * number, 190 + 8 * number)):
            face = np.asarray(Image.fromarray(smile[number]).resize((side, side)))
            canvas[:side, 256 * place : 256 * place + side] = face
        return canvas

    write_video(tmp_path / "two.mp4", map(pair, range(8)), frames_per_second=24)
    prepare_face(tmp_path / "two.mp4", tmp_path, phase="test", name="two", find_landmarks=load_landmark_finder())
    points = [read_landmarks(path) for path in sorted((tmp_path / "test_keypoints/two").glob("*.txt"))]
    assert len(points) == 8 and all(frame[:, 0].max() < 256 for frame in points)
    assert "up to 2 faces at once" in capsys.readouterr().out
