from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader

from data.clips import ClipRequest, PackedClip, RequestSampler, VideoClips, collate_clips
from data.kinds.face import FaceEncoder, FaceFrames, read_landmarks
from data.layout import face_files
from data.storage.picture_files import ArrayCache
from data.transforms import Geometry
from tests.data.synthetic_face import write_face_dataset
from util.errors import UserError
from util.media.pictures import write_picture

GEOMETRY = Geometry("scaleWidth", 64, 64)


def face_clips(
    root: Path,
    *,
    seed: int = 3,
    max_t_step: int = 1,
    flip: bool = True,
    affine: float = 0.0,
    geometry: Geometry = GEOMETRY,
) -> VideoClips:
    encoder, cache = FaceEncoder(), ArrayCache()
    files = face_files(root, phase="train", needs_images=True)
    return VideoClips(
        [FaceFrames(one, cache=cache, encoder=encoder) for one in files],
        encoder=encoder,
        geometry=geometry,
        seed=seed,
        max_t_step=max_t_step,
        flip=flip,
        affine=affine,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_face_dataset(tmp_path_factory.mktemp("faces"), lengths=(9, 14))


def same(a: PackedClip, b: PackedClip) -> bool:
    tensors = torch.equal(a.planes, b.planes) and torch.equal(a.image, b.image) and torch.equal(a.index, b.index)
    return tensors and a.names == b.names


def test_clip_has_the_promised_shapes_and_ranges(root: Path) -> None:
    clip = face_clips(root, affine=1)[ClipRequest(0, 5)]
    assert clip.planes.shape == (1, 5, 15, 64, 64) and clip.image.shape == (1, 5, 3, 64, 64)
    assert clip.planes.dtype == clip.image.dtype == torch.float32 and clip.index.dtype == torch.int64
    assert clip.planes.min() >= 0 and clip.planes.max() <= 1
    assert -1 <= clip.image.min() < -0.5 and 0.5 < clip.image.max() <= 1
    assert clip.names[0] in ("s0", "s1")


def test_same_draw_gives_same_clip_and_others_differ(root: Path) -> None:
    clips = face_clips(root, affine=1)
    assert same(clips[ClipRequest(5, 4)], face_clips(root, affine=1)[ClipRequest(5, 4)])
    assert not same(clips[ClipRequest(5, 4)], clips[ClipRequest(6, 4)])
    assert not same(clips[ClipRequest(5, 4)], face_clips(root, seed=4, affine=1)[ClipRequest(5, 4)])


def test_draws_do_not_depend_on_what_was_drawn_before(root: Path) -> None:
    used, fresh = face_clips(root, affine=1), face_clips(root, affine=1)
    for draw in (9, 2, 9):
        used[ClipRequest(draw, 3)]
    assert same(used[ClipRequest(4, 3)], fresh[ClipRequest(4, 3)])


def test_workers_give_the_same_batches_as_the_main_process(root: Path) -> None:
    def batches(num_workers: int) -> list[PackedClip]:
        sampler = RequestSampler(first_step=0, num_steps=4, batch_size=2, clip_frames=lambda step: 3 + step)
        loader = DataLoader(
            face_clips(root, affine=1), batch_sampler=sampler, collate_fn=collate_clips, num_workers=num_workers
        )
        return list(loader)

    alone, together = batches(0), batches(2)
    assert len(alone) == 4 and alone[3].planes.shape[:2] == (2, 6)
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))


def test_resumed_sampler_continues_where_it_was_stopped() -> None:
    def requests(first_step: int) -> list[list[ClipRequest]]:
        return list(RequestSampler(first_step=first_step, num_steps=9, batch_size=3, clip_frames=lambda step: 4 + step))

    whole = requests(0)
    assert requests(5) == whole[5:]
    assert [request.draw for batch in whole for request in batch] == list(range(27))
    assert len(RequestSampler(first_step=5, num_steps=9, batch_size=3, clip_frames=lambda step: 4)) == 4
    assert requests(9) == []


def brightest(image: Tensor, channel: int) -> tuple[float, float]:
    """Centre (x, y) of a bright dot in one colour of an image [3, H, W]."""
    weight = (image[channel] + 1).clamp(min=0.2) - 0.2
    y, x = torch.meshgrid(torch.arange(weight.shape[0]), torch.arange(weight.shape[1]), indexing="ij")
    return float((x * weight).sum() / weight.sum()), float((y * weight).sum() / weight.sum())


# a landmark for each colour, and the channels of its curves: chin, outer corner of either eye
DOTS = {8: (1,), 36: (7, 8), 45: (9, 10)}
IN_MIRROR = {1: 1, 7: 9, 8: 10, 9: 7, 10: 8}


@pytest.fixture(scope="module")
def dotted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Black frames with one dot for each of three landmarks, in a colour of its own."""
    root = write_face_dataset(tmp_path_factory.mktemp("dots"), lengths=(6,), noise=0)
    for keypoints in sorted((root / "train_keypoints/s0").iterdir()):
        points = read_landmarks(keypoints)
        picture = np.zeros((120, 140, 3), np.uint8)
        for channel, landmark in enumerate(DOTS):
            x, y = np.round(points[landmark]).astype(int)
            picture[y - 1 : y + 2, x - 1 : x + 2, channel] = 255
        write_picture(root / "train_img/s0" / f"{keypoints.stem}.png", picture)
    return root


@given(draw=st.integers(0, 10**6), affine=st.sampled_from([0.0, 1.0]))
@settings(max_examples=20, deadline=None)
def test_landmarks_in_the_image_lie_where_the_semantics_say(dotted: Path, draw: int, affine: float) -> None:
    clip = face_clips(dotted, affine=affine, geometry=Geometry("scaleWidth", 128, 128))[ClipRequest(draw, 3)]
    for semantic, image in zip(clip.planes[0], clip.image[0], strict=True):
        is_mirrored = brightest(image, 1)[0] > brightest(image, 2)[0]
        for channel, curves in enumerate(DOTS.values()):
            x, y = (round(place) for place in brightest(image, channel))
            for curve in curves:
                distance = semantic[IN_MIRROR[curve] if is_mirrored else curve, y, x]
                # one step of 255 is 3 pixels of the frame; the eyes are 6 steps apart
                assert distance * 255 < 2.5, (curve, is_mirrored)


def test_about_half_of_the_clips_are_mirrored_and_none_without_flip(dotted: Path) -> None:
    def num_mirrored(clips: VideoClips) -> int:
        images = [clips[ClipRequest(draw, 1)].image[0, 0] for draw in range(30)]
        return sum(brightest(image, 1)[0] > brightest(image, 2)[0] for image in images)

    assert 6 < num_mirrored(face_clips(dotted)) < 24
    assert num_mirrored(face_clips(dotted, flip=False)) == 0


def test_affine_moves_the_face_although_the_crop_follows_faces(dotted: Path) -> None:
    clips = face_clips(dotted, flip=False, affine=1.0)
    places = np.array([brightest(clips[ClipRequest(draw, 1)].image[0, 0], 0) for draw in range(12)])
    assert np.ptp(places, axis=0).min() > 2


def test_crop_is_constant_over_a_clip(dotted: Path) -> None:
    clip = face_clips(dotted, flip=False)[ClipRequest(0, 6)]
    x = [brightest(image, 0)[0] for image in clip.image[0]]
    # the face drifts by a pixel a frame; a crop for each frame would hold it still
    assert np.diff(x).min() > 0.3


@given(draw=st.integers(0, 10**6), num_frames=st.integers(1, 14), max_t_step=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_indices_are_evenly_spaced_and_in_the_sequence(root: Path, draw: int, num_frames: int, max_t_step: int) -> None:
    clips = face_clips(root, max_t_step=max_t_step)
    frames, indices = clips._drawn_frames(np.random.default_rng(draw), num_frames)
    steps = set(np.diff(indices))
    assert len(indices) == num_frames and indices[0] >= 0 and indices[-1] < len(frames)
    assert len(steps) <= 1 and all(1 <= step <= max_t_step for step in steps)


def test_long_requests_use_sequences_that_are_long_enough(root: Path) -> None:
    clips = face_clips(root)
    assert (len(clips), clips.max_clip_frames) == (2, 14)
    assert [clips.num_fitting(n) for n in (9, 10, 15)] == [2, 1, 0]
    assert {clips[ClipRequest(draw, 10)].names[0] for draw in range(6)} == {"s1"}
    assert {clips[ClipRequest(draw, 3)].names[0] for draw in range(12)} == {"s0", "s1"}
    assert clips[ClipRequest(0, 50)].index.tolist() == [list(range(14))]


def test_number_of_frames_is_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    face_clips(root)
    assert "2 sequences of 9 to 14 frames, 23 in all" in capsys.readouterr().out


def test_too_short_sequences_are_named_and_counted(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(5, 2, 1))
    with pytest.raises(UserError, match=r"train_img/s1: .* found 2 \(2 of 3 sequences"):
        face_clips(tmp_path)


def test_broken_frame_is_named_when_its_clip_is_drawn(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(3,))
    picture = tmp_path / "train_img/s0/00001.png"
    picture.write_bytes(picture.read_bytes()[:3000])
    with pytest.raises(UserError, match="00001.png"):
        face_clips(tmp_path)[ClipRequest(0, 3)]


def test_frame_of_another_size_is_named(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(3,))
    write_picture(tmp_path / "train_img/s0/00002.png", np.zeros((60, 70, 3), np.uint8))
    with pytest.raises(UserError, match="00002.png: expected 140 x 120"):
        face_clips(tmp_path)[ClipRequest(0, 3)]


def test_chosen_positions_keep_everything_together(root: Path) -> None:
    clips = face_clips(root)
    clip = collate_clips([clips[ClipRequest(draw, 6)] for draw in range(2)]).finished(clips.encoder)
    clip.foreground = clip.semantic[:, :, :1]
    chosen = clip.at([0, 3, 5])
    assert torch.equal(chosen.index, clip.index[:, [0, 3, 5]])
    assert torch.equal(chosen.image, clip.image[:, [0, 3, 5]]) and chosen.foreground is not None
    assert torch.equal(chosen.foreground[:, :, 0], chosen.semantic[:, :, 0])
    assert clip.at(slice(2, 4)).semantic.shape[1] == 2
    assert clip.to("cpu").names == clip.names and len(clip.names) == 2


def test_clips_of_different_lengths_are_not_joined(root: Path) -> None:
    clips = face_clips(root)
    with pytest.raises(ValueError, match="one shape"):
        collate_clips([clips[ClipRequest(0, 3)], clips[ClipRequest(1, 4)]])
