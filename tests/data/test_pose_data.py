import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import data.kinds.body_drawing
from data.build import build_clips, build_sequences
from data.clips import ClipRequest
from data.kinds.body_drawing import BASIC_PARTS, NUM_DRAWN_PARTS, STROKES, draw_person
from data.kinds.openpose import (
    BODY,
    FACE,
    LEFT_HAND,
    MIDDLE_HIP,
    NECK,
    NOSE,
    RIGHT_HAND,
    is_seen,
    most_prominent,
    people_as_json,
    read_people,
)
from data.kinds.pose import PoseEncoder, shaken
from data.transforms import Box, middle_half
from options.data_config import DataConfig
from options.training_config import ScheduleConfig
from tests.golden import GOLDENS
from util.errors import UserError
from util.files import write_json, write_text
from util.media.pictures import write_picture

SIZE = (144, 256)


def golden_person(number: int, folder: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    with np.load(GOLDENS / "data_pose.npz") as file:
        text = bytes(file[f"json{number}"]).decode()
        drawings = {key.split("_", 1)[1]: file[key] for key in file.files if key.startswith(f"kp{number}_")}
    write_text(folder / "person.json", text)
    (person,) = read_people(folder / "person.json")
    return person, drawings


def standing_person(x: float = 60.0, y: float = 10.0, *, scale: float = 1.0) -> np.ndarray:
    """A body of 25 points, a face and a left hand, feet at ``y`` + 90 ``scale``."""
    person = np.zeros((137, 3))
    body = [(0, 0), (0, 14), (-10, 14), (-14, 32), (-16, 48), (10, 14), (14, 32), (16, 48), (0, 46), (-6, 46), (-7, 66),
            (-8, 86), (6, 46), (7, 66), (8, 86), (-3, -3), (3, -3), (-6, -1), (6, -1), (12, 89), (14, 88), (7, 90),
            (-12, 89), (-14, 88), (-7, 90)]  # fmt: skip
    person[BODY] = np.column_stack((np.array(body) * scale + (x, y), np.full(25, 0.9)))
    angle = np.linspace(0, 2 * np.pi, 70)
    person[FACE] = np.column_stack((x + 6 * scale * np.cos(angle), y + 8 * scale * np.sin(angle), np.full(70, 0.8)))
    fingers = np.arange(21)[:, None] * (0.3, 0.4) * scale
    person[LEFT_HAND] = np.column_stack((fingers + person[7, :2], np.full(21, 0.7)))
    return person


def write_pose_dataset(
    root: Path, *, phase: str = "train", num_frames: int = 5, size: tuple[int, int] = (96, 256)
) -> None:
    rng = np.random.default_rng(0)
    for frame in range(num_frames):
        name = f"{frame:05d}"
        people = people_as_json([standing_person(120.0 + 2 * frame, 5.0)])
        write_json(root / f"{phase}_openpose/s/{name}_keypoints.json", people)
        densepose = rng.integers(0, 255, (*size, 3)).astype(np.uint8)
        densepose[..., 2] = rng.integers(0, 25, size)
        write_picture(root / f"{phase}_densepose/s/{name}_IUV.png", densepose)
        write_picture(root / f"{phase}_img/s/{name}.png", rng.integers(0, 255, (*size, 3)).astype(np.uint8))


@pytest.mark.parametrize("number", [3, 8])
def test_drawings_equal_the_published_ones(number: int, tmp_path: Path) -> None:
    person, golden = golden_person(number, tmp_path)
    np.testing.assert_array_equal(draw_person(person, size=SIZE), golden["full"])
    np.testing.assert_array_equal(draw_person(person, size=SIZE, is_kept=BASIC_PARTS), golden["basic"])
    is_kept = np.random.RandomState(3).rand(NUM_DRAWN_PARTS) > 0.3
    np.testing.assert_array_equal(draw_person(person, size=SIZE, is_kept=is_kept), golden["drop0.3_seed3"])
    rng = np.random.RandomState(4)
    moved = shaken(person, heads=rng.randn(5, 2), face=rng.randn(2))
    drawing = draw_person(moved, size=SIZE, is_kept=rng.rand(NUM_DRAWN_PARTS) > 0.05)
    np.testing.assert_array_equal(drawing, golden["drop0.05_removeface_seed4"])


# Whole pixels that the published curve fit let fall to the one before: start and end of a finger's line, and the steps.
# No rule stands behind them but the last bit of SciPy's solver: its releases 1.14 and 1.17 let different ones fall.
FALLEN_PIXELS = {
    (LEFT_HAND.start, 1, 2): [2],
    (LEFT_HAND.start, 0, 5): [1, 2],
    (LEFT_HAND.start, 9, 10): [2],
    (LEFT_HAND.start, 10, 11): [0, 1],
    (LEFT_HAND.start, 0, 13): [2],
    (LEFT_HAND.start, 17, 18): [2],
    (LEFT_HAND.start, 18, 19): [2],
    (RIGHT_HAND.start, 1, 2): [2],
    (RIGHT_HAND.start, 5, 6): [2],
    (RIGHT_HAND.start, 0, 9): [0],
    (RIGHT_HAND.start, 9, 10): [1, 2],
    (RIGHT_HAND.start, 13, 14): [2],
    (RIGHT_HAND.start, 17, 18): [2],
}


def let_pixels_fall(person: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw ``person``'s fingers with ``FALLEN_PIXELS``."""
    fallen = {
        (*person[hand + start, :2], *person[hand + end, :2]): steps
        for (hand, start, end), steps in FALLEN_PIXELS.items()
    }

    def line_with_fallen_pixels(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        line = straight_line(start, end).copy()
        is_upright = abs(end[1] - start[1]) > abs(end[0] - start[0])
        line[fallen.get((*start, *end), []), 0 if is_upright else 1] -= 1
        return line

    straight_line = data.kinds.body_drawing._line
    monkeypatch.setattr(data.kinds.body_drawing, "_line", line_with_fallen_pixels)


def test_drawings_equal_the_published_ones_but_for_whole_pixels_that_fell_by_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # every point of the fingers of this person lies on a whole pixel; ours keep it, which no release of SciPy can shift
    person, golden = golden_person(0, tmp_path)
    is_kept = np.random.RandomState(3).rand(NUM_DRAWN_PARTS) > 0.3
    np.testing.assert_array_equal(draw_person(person, size=SIZE, is_kept=BASIC_PARTS), golden["basic"])
    let_pixels_fall(person, monkeypatch)
    np.testing.assert_array_equal(draw_person(person, size=SIZE), golden["full"])
    np.testing.assert_array_equal(draw_person(person, size=SIZE, is_kept=is_kept), golden["drop0.3_seed3"])


def test_a_nose_that_was_not_seen_is_not_drawn_where_the_published_shaking_put_it_into_the_corner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # published: "not seen" is the position (0, 0), and shaken it is a position like any other, so that limbs run from
    # the neck and the eyes to the corner of the frame. A fault: the intent, an uncertain head, wins
    person, golden = golden_person(0, tmp_path)
    rng = np.random.RandomState(4)
    moved = shaken(person, heads=rng.randn(5, 2), face=rng.randn(2))
    is_kept = rng.rand(NUM_DRAWN_PARTS) > 0.05
    seen_nose = moved.copy()
    seen_nose[NOSE, 2] = 1
    has_nose = np.zeros(NUM_DRAWN_PARTS, np.bool_)
    has_nose[[stroke.part for stroke in STROKES if NOSE in (stroke.start, stroke.end)]] = True
    let_pixels_fall(person, monkeypatch)
    published = draw_person(seen_nose, size=SIZE, is_kept=is_kept)
    np.testing.assert_array_equal(published, golden["drop0.05_removeface_seed4"])
    ours = draw_person(moved, size=SIZE, is_kept=is_kept)
    np.testing.assert_array_equal(ours, draw_person(seen_nose, size=SIZE, is_kept=is_kept & ~has_nose))
    assert published[:8, :8].any() and not ours[:8, :8].any()


def test_drawing_outside_the_frame_stays_on_its_border() -> None:
    drawing = draw_person(standing_person(-40.0, 20.0), size=(64, 64))
    assert drawing[:, 0].any() and not drawing[:, 8:].any()


def test_smaller_skeletons_become_body_25(tmp_path: Path) -> None:
    whole = standing_person()
    body_18 = whole[[0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]]
    coco = whole[[0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]]
    for points in (body_18, coco):
        write_json(tmp_path / "a.json", {"people": [{"pose_keypoints": points.ravel().tolist()}]})
        (person,) = read_people(tmp_path / "a.json")
        np.testing.assert_allclose(person[:19, :2], whole[:19, :2])
        assert person[NECK, 2] > 0 and person[MIDDLE_HIP, 2] > 0 and not is_seen(person)[19:].any()


def test_files_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", people_as_json([standing_person(), standing_person(100)]))
    first, second = read_people(tmp_path / "a.json")
    np.testing.assert_allclose(first, standing_person(), atol=0.006)
    np.testing.assert_allclose(second[BODY, 0] - first[BODY, 0], 40, atol=0.02)


def test_the_largest_person_is_drawn() -> None:
    small, large = standing_person(scale=0.5), standing_person(150)
    assert most_prominent([small, large]) is large and most_prominent([large, small]) is large
    assert most_prominent([]) is None and most_prominent([np.zeros((137, 3))]) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found something else"),
        ("[" * 100000, "found something else"),
        ('{"people": 3}', "expected {"),
        ('{"people": [[]]}', "expected an object"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "x, y, confidence"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "found 1"),
        ('{"people": [{"pose_keypoints_2d": ["a", 2, 3]}]}', "x, y, confidence"),
        ('{"people": [{"face_keypoints_2d": [1, 2, 3]}]}', "expected 70 points"),
        ('{"people": [{"pose_keypoints_2d": [1e30' + ", 0" * 74 + "]}]}", "in pixels"),
        ('{"people": [{"pose_keypoints_2d": [NaN' + ", 0" * 74 + "]}]}", "x, y, confidence"),
    ],
)
def test_broken_files_are_refused_in_one_line(text: str, told: str, tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", text)
    with pytest.raises(UserError, match="a.json") as error:
        read_people(tmp_path / "a.json")
    assert told in str(error.value) and "\n" not in str(error.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["people", "pose_keypoints_2d"]), inner)
    ),
    max_leaves=12,
)
_PERSON = st.dictionaries(
    st.sampled_from(["pose_keypoints_2d", "face_keypoints_2d", "hand_left_keypoints_2d", "pose_keypoints"]),
    st.lists(st.floats() | st.integers() | st.none(), max_size=80) | st.just([1.5] * 75) | _JSON,
)


@settings(max_examples=60, deadline=None)
@given(values=_JSON | st.builds(lambda people: {"people": people}, st.lists(_PERSON, max_size=3)))
def test_random_json_is_read_or_refused_in_one_line(values: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("random") / "a.json"
    write_text(path, json.dumps(values))
    try:
        people = read_people(path)
    except UserError as error:
        assert "\n" not in str(error) and "a.json" in str(error)
    else:
        for person in people:
            assert person.shape == (137, 3) and np.isfinite(person).all()
            draw_person(person, size=(16, 16))


def test_channels_are_densepose_then_openpose_over_the_full_range(tmp_path: Path) -> None:
    write_pose_dataset(tmp_path, phase="test")
    config = DataConfig(dataset_mode="pose", resize_or_crop="none")
    (sequence,) = build_sequences(config, root=tmp_path, phase="test")
    semantic, image = sequence.semantic(0), sequence.image(0)
    assert semantic.shape == (6, 96, 128) and image is not None and image.shape == (3, 96, 128)
    assert semantic[2].unique().numel() == 25 and semantic[2].min() == -1 and semantic[2].max() == 1
    drawing = draw_person(standing_person(120.0, 5.0), size=(96, 256))[:, 64:192]
    np.testing.assert_allclose((semantic[3:].permute(1, 2, 0).numpy() + 1) * 127.5, drawing, atol=1e-3)
    for config in (
        DataConfig(dataset_mode="pose", openpose_only=True),
        DataConfig(dataset_mode="pose", densepose_only=True),
    ):
        (sequence,) = build_sequences(config, root=tmp_path, phase="test")
        assert len(sequence.semantic(0)) == 3


def test_parts_are_dropped_in_training_only_and_the_same_for_a_draw(tmp_path: Path) -> None:
    write_pose_dataset(tmp_path)
    config = DataConfig(dataset_mode="pose", resize_or_crop="none", random_drop_prob=0.3)
    clips = build_clips(config, ScheduleConfig(), root=tmp_path, seed=1)
    one, again, other = (clips[ClipRequest(draw, 4)] for draw in (0, 0, 1))
    assert torch.equal(one.planes, again.planes) and not torch.equal(one.planes, other.planes)
    finished = one.finished(clips.encoder)
    assert finished.semantic.shape == (1, 4, 6, 96, 128) and finished.semantic.dtype == torch.float32
    # frame by frame: another part is missing in each
    missing = [{*range(1, 25)} - set(frame[2].unique().tolist()) for frame in one.planes[0]]
    assert all(missing) and any(a != b for a, b in zip(missing, missing[1:], strict=False))


@pytest.fixture(scope="module")
def mirror_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that show the drawing of the person, and in the upper rows the parts of DensePose, in grey."""
    root, size = tmp_path_factory.mktemp("mirror_world"), (96, 256)
    for frame in range(6):
        person = standing_person(110.0 + 6 * frame, 8.0, scale=0.95)
        densepose = np.zeros((*size, 3), np.uint8)
        for part in range(1, 25):
            left = 12 + 9 * part + 3 * frame
            densepose[4:40, left : left + 9, 2] = part
        picture = draw_person(person, size=size)
        picture[4:40] = densepose[4:40, :, 2:] * 10
        write_picture(root / f"train_img/s/{frame}.png", picture)
        write_picture(root / f"train_densepose/s/{frame}.png", densepose)
        write_json(root / f"train_openpose/s/{frame}.json", people_as_json([person]))
    return root


@settings(max_examples=15, deadline=None)
@given(
    draw=st.integers(0, 10**6),
    affine=st.sampled_from([0.0, 1.0]),
    mode=st.sampled_from(["scaleHeight", "randomScaleHeight_and_scaledCrop", "none"]),
    keeps_width=st.booleans(),
)
def test_densepose_skeleton_and_picture_of_a_clip_stay_aligned(
    mirror_world: Path, draw: int, affine: float, mode: str, keeps_width: bool
) -> None:
    config = DataConfig(dataset_mode="pose", resize_or_crop=mode, loadSize=96, fineSize=64, random_drop_prob=0.0,
                        no_center_crop=keeps_width)  # fmt: skip
    clips = build_clips(config, ScheduleConfig(affine=affine, max_t_step=2), root=mirror_world, seed=0)
    clip = clips[ClipRequest(draw, 3)].finished(clips.encoder)
    for semantic, image in zip(clip.semantic[0], clip.image[0], strict=True):
        part, grey = ((semantic[2] + 1) * 12).round(), (image[0] + 1) * 127.5 / 10
        is_part = part > 0
        shows_skeleton = ~is_part & (semantic[3:] > 0).any(dim=0)
        # other filters mix neighbours: measured 0.93 and 0.79 at least; moved by 3 pixels, 0.67 and 0.67 at most
        assert is_part.any() and ((part - grey).abs() < 0.6)[is_part].float().mean() > 0.85
        assert ((semantic[3:] - image).abs() < 0.1)[:, shows_skeleton].float().mean() > 0.73


def test_nobody_is_drawn_black_and_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pose_dataset(tmp_path, phase="test")
    for frame in (1, 2):
        write_json(tmp_path / f"test_openpose/s/{frame:05d}_keypoints.json", {"people": []})
    (sequence,) = build_sequences(DataConfig(dataset_mode="pose"), root=tmp_path, phase="test")
    assert (sequence.semantic(1)[3:] == -1).all() and (sequence.semantic(2)[3:] == -1).all()
    assert capsys.readouterr().out.count("nobody was found") == 1


def test_a_coloured_densepose_picture_is_refused(tmp_path: Path) -> None:
    write_pose_dataset(tmp_path, phase="test")
    write_picture(tmp_path / "test_densepose/s/00000_IUV.png", np.full((96, 256, 3), 200, np.uint8))
    (sequence,) = build_sequences(DataConfig(dataset_mode="pose"), root=tmp_path, phase="test")
    with pytest.raises(UserError, match="00000_IUV.png: expected DensePose's IUV"):
        sequence.semantic(0)


def test_face_region_is_densepose_s_head() -> None:
    encoder = PoseEncoder()
    planes = torch.zeros(6, 4, 4, dtype=torch.uint8)
    planes[2, 0], planes[2, 1] = 24, 22
    face = encoder.face(encoder.finish(planes))
    assert face is not None and face[0, 0].all() and not face[0, 1:].any()


@pytest.mark.parametrize(
    ("width", "kept"), [(512, 256), (448, 192), (896, 448), (256, 128), (128, 64), (96, 64), (64, 32)]
)
def test_middle_half_is_what_the_published_crop_keeps(width: int, kept: int) -> None:
    box = middle_half(Box(0, 0, width, 64))
    assert box.width == kept and abs(box.left - (width - box.right)) <= 1
