from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.kinds.face import (
    FaceEncoder,
    face_box,
    landmarks_as_text,
    part_labels,
    read_landmarks,
    with_forehead,
)
from data.kinds.face_curves import canny_edges
from data.transforms import Box, Geometry, Placement
from tests.data.synthetic_face import synthetic_points
from tests.golden import load_golden
from util.errors import UserError

GOLDEN, _ = load_golden("data_face")
FRAMES = ("v0_f0", "v0_f3", "v1_f0", "v1_f3")
SIZE = (288, 352)
# the published curves are fitted by iterations; a few dozen of 1700 drawn pixels fall beside ours
CURVE_PIXELS = 80


def golden(name: str) -> np.ndarray:
    return GOLDEN[name].numpy()


def placed(points: np.ndarray, side: int = 64, *, is_mirrored: bool = False) -> Placement:
    box = face_box(points, height=SIZE[0], width=SIZE[1], fits_frame=False)
    return Geometry("scaleWidth", side, side).place(box, is_mirrored=is_mirrored)


@pytest.mark.parametrize("frame", FRAMES)
def test_crop_forehead_and_parts_equal_published_ones(frame: str) -> None:
    points = golden(f"{frame}_points")
    left, right, top, bottom = golden(f"{frame}_crop_minx_maxx_miny_maxy")
    assert face_box(points, height=SIZE[0], width=SIZE[1], fits_frame=False) == (left, top, right, bottom)
    np.testing.assert_array_equal(with_forehead(points), golden(f"{frame}_keypoints83"))
    np.testing.assert_array_equal(part_labels(points, Box(0, 0, 352, 288)), golden(f"{frame}_part_labels"))


@pytest.mark.parametrize("frame", FRAMES)
def test_a_close_up_is_cut_out_without_black_bars(frame: str) -> None:
    points = golden(f"{frame}_points")
    left, top, right, bottom = face_box(points, height=SIZE[0], width=SIZE[1])
    assert 0 <= left < right <= SIZE[1] and 0 <= top < bottom <= SIZE[0] and right - left == bottom - top


@pytest.mark.parametrize("frame", FRAMES)
def test_face_curves_equal_published_ones_but_for_some_pixels(frame: str) -> None:
    points = golden(f"{frame}_points")
    whole = Geometry("none").place(Box(0, 0, 352, 288))
    edges = FaceEncoder(with_distance_maps=False).encode(points, placement=whole, size=SIZE, background=None)
    assert edges.shape == (1, 288, 352)
    assert (edges[0].numpy() * 255 != golden(f"{frame}_edges")).sum() <= CURVE_PIXELS


@pytest.mark.parametrize("frame", FRAMES)
def test_distance_maps_equal_published_ones_to_a_step(frame: str) -> None:
    points = golden(f"{frame}_points")
    encoded = FaceEncoder().encode(points, placement=placed(points), size=SIZE, background=None)
    difference = np.abs(encoded[1:].numpy() * 255 - golden(f"{frame}_dist"))
    assert difference.max() <= 1.01
    assert difference.mean() <= 0.1


def test_fifteen_channels_equal_published_ones() -> None:
    points, picture = golden("v1_f0_points"), golden("v1_f0_img")
    encoder = FaceEncoder()
    background = encoder.background(picture)
    encoded = encoder.encode(points, placement=placed(points), size=SIZE, background=background).numpy()
    difference = np.abs(encoded - golden("v1_f0_A15")) * 255
    assert encoded.shape == (15, 64, 64)
    assert difference[1:].max() <= 1.01
    assert (difference[0] > 3).sum() <= CURVE_PIXELS and difference[0].max() <= 40


@pytest.mark.parametrize("frame", ["v0_f0", "v1_f0"])
def test_canny_and_image_equal_published_ones(frame: str) -> None:
    points, picture = golden(f"{frame}_points"), golden(f"{frame}_img")
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    np.testing.assert_array_equal(canny_edges(grey), golden(f"{frame}_canny"))
    image = placed(points).of_frame(picture, filter="bicubic").float() / 127.5 - 1
    assert (image - GOLDEN[f"{frame}_B"]).abs().max() <= 1.01 / 127.5


def test_number_of_channels() -> None:
    assert FaceEncoder().num_channels == 15
    assert FaceEncoder(with_distance_maps=False).num_channels == 1


def test_mirrored_encoding_is_the_mirror_with_left_and_right_curves_swapped() -> None:
    points = golden("v1_f0_points")
    plain = FaceEncoder().encode(points, placement=placed(points), size=SIZE, background=None)
    mirrored = FaceEncoder().encode(points, placement=placed(points, is_mirrored=True), size=SIZE, background=None)
    assert torch.equal(mirrored[0], plain[0].flip(-1))
    brows, mouth = (2, 3), (11, 12, 13, 14)
    assert torch.equal(mirrored[list(brows)], plain[list(reversed(brows))].flip(-1))
    assert torch.equal(mirrored[list(mouth)], plain[list(mouth)].flip(-1))


def test_mirrored_encoding_is_that_of_landmarks_found_in_the_mirror() -> None:
    points = np.round(synthetic_points(center=(176.0, 150.0), width=120))
    swap = [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *range(27, 31),
        *range(35, 30, -1),
        45,
        44,
        43,
        42,
        47,
        46,
        39,
        38,
        37,
        36,
        41,
        40,
        *range(54, 47, -1),
        *range(59, 54, -1),
        *range(64, 59, -1),
        *range(67, 64, -1),
    ]
    in_mirror = np.column_stack((352 - points[:, 0], points[:, 1]))[swap]
    whole = Box(0, 0, 352, 288)
    encoder, geometry = FaceEncoder(), Geometry("none")
    expected = encoder.encode(in_mirror, placement=geometry.place(whole), size=SIZE, background=None)
    got = encoder.encode(points, placement=geometry.place(whole, is_mirrored=True), size=SIZE, background=None)
    # the brush is a pixel off centre, 3 pixels are one step
    assert (got[1:] - expected[1:]).abs().max() * 255 <= 1.01


def test_distances_are_zero_outside_the_frame_and_growing_inside() -> None:
    points = golden("v0_f0_points")
    encoded = FaceEncoder().encode(points, placement=placed(points), size=SIZE, background=None)
    assert (encoded[:, :4] == 0).all()  # the crop begins 22 rows above the frame
    assert (encoded[1:, 6:, :] > 0).float().mean() > 0.9


def test_background_edges_are_optional_and_spare_the_face() -> None:
    points, picture = golden("v1_f0_points"), golden("v1_f0_img")
    whole = Geometry("none").place(Box(0, 0, 352, 288))

    def edges(background: np.ndarray | None) -> torch.Tensor:
        return FaceEncoder().encode(points, placement=whole, size=SIZE, background=background)[0]

    bare, full = edges(None), edges(FaceEncoder().background(picture))
    assert torch.equal(bare, edges(FaceEncoder(with_canny_edges=False).background(picture)))
    face = torch.from_numpy(part_labels(points, Box(0, 0, 352, 288)) > 0)
    assert torch.equal(full[face], bare[face])
    assert (full > bare).sum() > 1000


def test_coinciding_landmarks_of_an_eye_are_far_everywhere() -> None:
    points = synthetic_points(center=(176.0, 150.0), width=120)
    points[36:42] = points[36]
    encoded = FaceEncoder().encode(points, placement=placed(points), size=SIZE, background=None)
    assert (encoded[7:9] > 0.5).float().mean() > 0.5
    assert torch.isfinite(encoded).all()


def test_landmarks_survive_the_file(tmp_path: Path) -> None:
    points = synthetic_points()
    (tmp_path / "0.txt").write_text(landmarks_as_text(points))
    assert np.abs(read_landmarks(tmp_path / "0.txt") - points).max() <= 0.005001


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1,2\n" * 67, "found 67"),
        ("1,2\n" * 69, "found 69"),
        ("", "found 0"),
        ("1,2\n" * 30 + "left,right\n" + "1,2\n" * 37, "line 31, found 'left,right'"),
        ("1,2\n" * 67 + "1,2,3\n", "line 68"),
        ("nan,2\n" + "1,2\n" * 67, "line 1"),
    ],
)
def test_broken_landmark_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "00003.txt"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_landmarks(path)
    assert str(path) in str(error.value) and complaint in str(error.value) and "\n" not in str(error.value)


def test_missing_or_binary_landmark_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no file"):
        read_landmarks(tmp_path / "00003.txt")
    (tmp_path / "00004.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match="00004.txt"):
        read_landmarks(tmp_path / "00004.txt")
