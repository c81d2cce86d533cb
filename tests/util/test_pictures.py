"""Do pictures show what the tensors say?"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from util.media.pictures import labels_to_rgb, palette, semantic_to_rgb, to_uint8


def test_every_uint8_value_survives_the_way_there_and_back() -> None:
    values = np.arange(256, dtype=np.uint8)
    picture = np.stack((values, values[::-1], values), axis=-1)[None]
    frame = torch.from_numpy(picture).permute(2, 0, 1).float() / 127.5 - 1
    assert np.array_equal(to_uint8(frame), picture)


def test_values_outside_the_range_are_clipped() -> None:
    frame = torch.tensor([-3.0, 0.0, 3.0]).view(3, 1, 1)
    assert to_uint8(frame).tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused(value: float) -> None:
    frame = torch.zeros(3, 2, 2)
    frame[1, 1, 1] = value
    with pytest.raises(ValueError, match="finite"):
        to_uint8(frame)


def test_a_frame_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3, 2, 2\)"):
        to_uint8(torch.zeros(1, 3, 2, 2))


@settings(max_examples=12, deadline=None)
@given(st.sampled_from([1, 2, 3, 6, 9, 15, 36]), st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_every_semantic_frame_becomes_a_picture(channels: int, height: int, width: int, is_binary: bool) -> None:
    semantic = torch.rand(channels, height, width)
    picture = semantic_to_rgb(semantic.round() if is_binary else semantic)
    assert picture.shape == (height, width, 3) and picture.dtype == np.uint8


def test_face_edges_are_white_and_the_far_background_is_dark() -> None:
    face = torch.ones(15, 8, 8) * 0.4
    face[0] = 0
    face[0, 2, 3] = 1
    face[3, 6, 6] = 0
    picture = semantic_to_rgb(face)
    assert picture[2, 3].tolist() == [255, 255, 255]
    assert picture[6, 6].max() > 150, "a curve glows where it runs"
    assert picture[0, 0].max() < 40


def test_two_curves_of_a_face_have_two_colours() -> None:
    face = torch.ones(15, 4, 4) * 0.5
    face[0], face[2, 0], face[9, 3] = 0, 0, 0
    picture = semantic_to_rgb(face).astype(int)
    assert abs(picture[0, 0] - picture[3, 0]).sum() > 100


def test_what_lies_outside_the_original_frame_is_dark() -> None:
    face = torch.full((15, 4, 4), 0.3)
    face[0], face[1:, 0] = 0, 0
    assert semantic_to_rgb(face)[0].max() < 40


def test_labels_keep_their_colour_and_edges_are_white() -> None:
    labels = torch.tensor([[0, 1], [2, 2]])
    one_hot = torch.nn.functional.one_hot(labels, 35).permute(2, 0, 1).float()
    edges = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    colours = palette(35)
    picture = labels_to_rgb(torch.cat((one_hot, edges[None])), colours=colours)
    assert np.array_equal(picture[0], colours[[0, 1]])
    assert picture[1].tolist() == [[255, 255, 255], colours[2].tolist()]


def test_unlabelled_pixels_are_black() -> None:
    one_hot = torch.zeros(5, 2, 2)
    one_hot[1, 0] = 1
    assert labels_to_rgb(one_hot, colours=palette(5))[1].max() == 0
    with pytest.raises(ValueError, match="3 or one more"):
        labels_to_rgb(one_hot, colours=palette(3))


def test_labels_have_different_colours() -> None:
    assert len({tuple(colour) for colour in palette(35).tolist()}) == 35


def test_open_pose_lies_over_dimmed_dense_pose() -> None:
    pose = torch.full((6, 1, 2), -1.0)
    pose[:3] = 1.0
    pose[4, 0, 1] = 1.0
    assert semantic_to_rgb(pose).tolist() == [[[127, 127, 127], [0, 255, 0]]]
