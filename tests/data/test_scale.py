"""Large datasets start fast and read right: kept headers, video files, shards, many processes."""

import gc
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from data.build import build_clips, build_sequences
from data.checking import validate
from data.clips import ClipRequest, PackedClip, RequestSampler, collate_clips
from data.prepare.pack_shards import prepare_shards
from data.storage.picture_files import picture_size, read_picture
from data.storage.shards import listing, open_file, stamp
from data.storage.size_index import kept
from data.storage.video_files import VideoReader, frames_of, read_video_frame, video_table
from options.data_config import DataConfig
from options.training_config import ScheduleConfig
from tests.data.synthetic_face import write_face_dataset
from tests.tiny_street import write_tiny_paired, write_tiny_street
from util.errors import UserError
from util.media.containers import opened_video
from util.media.display import shown
from util.media.pictures import write_picture
from util.media.video import read_video, write_video

PAIRED = DataConfig(dataset_mode="paired", loadSize=64)


def moving(num_frames: int, *, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames that all differ, with enough texture for motion vectors."""
    texture = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    return [
        np.roll(texture, 3 * number, axis=1).astype(np.uint8) // 2 + np.uint8(number) for number in range(num_frames)
    ]


def write_coded(path: Path, num_frames: int, *, codec: str, options: dict[str, str]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25), options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, picture in enumerate(moving(num_frames)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


CODINGS = {
    "b-frames.mp4": ("libx264", {"g": "12", "bf": "3"}),
    "open-groups.mp4": ("libx264", {"g": "10", "x264-params": "open-gop=1:bframes=3:keyint=10:min-keyint=10"}),
    "open-groups.mkv": ("libx264", {"g": "10", "x264-params": "open-gop=1:bframes=3:keyint=10:min-keyint=10"}),
    "no-times.avi": ("mpeg4", {"g": "12", "bf": "2"}),
    "mpeg4.mov": ("mpeg4", {"g": "12", "bf": "2"}),
}


@pytest.mark.parametrize("name", CODINGS)
def test_any_order_of_frames_gives_what_decoding_all_gives(tmp_path: Path, name: str) -> None:
    codec, options = CODINGS[name]
    write_coded(tmp_path / name, 50, codec=codec, options=options)
    expected = list(read_video(tmp_path / name))
    frames = frames_of(tmp_path / name)
    assert len(frames) == len(expected) and picture_size(frames[0]) == expected[0].shape[:2]
    order = [*range(45, 50), *range(12), 30, 29, 28, 10, 9, 11, *np.random.default_rng(1).permutation(len(expected))]
    for number in order:
        np.testing.assert_array_equal(read_video_frame(frames[min(number, len(expected) - 1)]),
                                      expected[min(number, len(expected) - 1)])  # fmt: skip


def test_going_on_decodes_every_frame_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "talk.mp4", moving(40), frames_per_second=25)
    reader = VideoReader(tmp_path / "talk.mp4", video_table(tmp_path / "talk.mp4"))
    starts: list[int] = []
    decode = reader._decode

    def noted(start: int) -> Iterator[tuple[int, av.VideoFrame, av.VideoStream]]:
        starts.append(start)
        return decode(start)

    monkeypatch.setattr(reader, "_decode", noted)
    for number in range(5, 30):
        reader.frame(number)
        reader.frame(number)  # the picture once more, for its edges
    assert starts == [0]


def test_a_forked_process_reads_the_same_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "talk.mp4", moving(20), frames_per_second=25)
    frames = frames_of(tmp_path / "talk.mp4")
    before = read_video_frame(frames[7])
    # what other tests left behind is not this one's: a loader's workers begin so, too
    with multiprocessing.get_context("fork").Pool(2, initializer=gc.freeze) as pool:
        found = pool.map(read_video_frame, [frames[7], frames[3], frames[19]])
    np.testing.assert_array_equal(found[0], before)
    np.testing.assert_array_equal(read_video_frame(frames[8]), list(read_video(tmp_path / "talk.mp4"))[8])


def test_a_forked_process_forgets_what_its_parent_decoded(tmp_path: Path) -> None:
    write_video(tmp_path / "talk.mp4", moving(3), frames_per_second=25)
    with opened_video(tmp_path / "talk.mp4") as (container, stream):
        ring: list[object] = [frame for frame in container.decode(stream) if shown(frame, stream) is not None]
    ring.append(ring)  # so that only the garbage collector can free it
    child = multiprocessing.get_context("fork").Process(target=ring.clear)
    child.start()
    child.join(60)
    child.kill()
    ring.clear()
    assert child.exitcode == 0


def test_videos_stand_for_folders_of_pictures(tmp_path: Path) -> None:
    for side, shift in (("A", 0), ("B", 3)):
        write_video(tmp_path / f"{side}/train/drive.mp4", moving(12)[shift : shift + 9], frames_per_second=30)
        for number, frame in enumerate(read_video(tmp_path / f"{side}/train/drive.mp4")):
            write_picture(tmp_path / f"unpacked/{side}/train/drive/{number:05d}.png", frame)
    packed = build_clips(PAIRED, ScheduleConfig(), root=tmp_path, seed=0)
    unpacked = build_clips(PAIRED, ScheduleConfig(), root=tmp_path / "unpacked", seed=0)
    for draw in range(4):
        one, other = (clips[ClipRequest(draw, 4)] for clips in (packed, unpacked))
        assert torch.equal(one.planes, other.planes) and torch.equal(one.image, other.image)
    (sequence,) = build_sequences(PAIRED, root=tmp_path, phase="train")
    assert sequence.frames_per_second == 30 and sequence.frame_name(2) == "00002" and sequence.num_frames == 9


def test_landmarks_go_with_the_frames_of_a_video_by_their_order(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(5,), with_images=False)
    video = tmp_path / "train_img/s0.mp4"
    write_video(video, moving(5, height=120, width=136), frames_per_second=25)
    clips = build_clips(DataConfig(loadSize=32), ScheduleConfig(), root=tmp_path, seed=0)
    assert clips[ClipRequest(0, 3)].image.shape == (1, 3, 3, 32, 32)
    assert validate(DataConfig(), root=tmp_path, phases=["train"]).findings == []
    (tmp_path / "train_keypoints/s0/00004.txt").unlink()
    with pytest.raises(UserError, match="s0.mp4: expected one of the pictures for each of the landmark files"):
        build_clips(DataConfig(), ScheduleConfig(), root=tmp_path, seed=0)
    video.write_bytes(video.read_bytes()[:600])
    with pytest.raises(UserError, match="s0.mp4"):
        build_clips(DataConfig(), ScheduleConfig(), root=tmp_path, seed=0)


def test_a_video_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    write_tiny_paired(tmp_path, phase="train", num_frames=3)
    write_video(tmp_path / "B/train/drive.mp4", moving(3), frames_per_second=25)
    with pytest.raises(UserError, match=r"expected one video a sequence, found drive\.mp4 too"):
        build_clips(PAIRED, ScheduleConfig(), root=tmp_path, seed=0)


def test_only_what_changed_is_measured_again(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for file in files:
        write_picture(file, np.zeros((8, 16), np.uint8))
    asked: list[str] = []

    def measure(path: Path) -> tuple[int, int]:
        asked.append(path.name)
        return picture_size(path)

    def sizes() -> list[object]:
        found = kept(files, measure, stamp=stamp, index=tmp_path / ".sizes.json", label="", worth_keeping=0)
        return [one if isinstance(one, UserError) else tuple(one) for one in found]

    assert sizes() == [(8, 16)] * 4 and len(asked) == 4
    assert sizes() == [(8, 16)] * 4 and len(asked) == 4
    write_picture(files[2], np.zeros((9, 16), np.uint8))
    assert sizes()[2] == (9, 16) and asked[4:] == ["2.png"]
    files[1].write_text("broken")
    assert isinstance(sizes()[1], UserError) and isinstance(sizes()[1], UserError)
    files[0].unlink()
    assert isinstance(sizes()[0], UserError)
    assert set(json.loads((tmp_path / ".sizes.json").read_text())) == {"2.png", "3.png"}
    (tmp_path / ".sizes.json").write_text('{"2.png": 3')
    assert sizes()[3] == (8, 16)


def test_a_dataset_that_cannot_be_written_to_works_as_well(tmp_path: Path) -> None:
    write_picture(tmp_path / "0.png", np.zeros((8, 16), np.uint8))
    # nobody, not even root, can write a file below a file
    index = tmp_path / "0.png" / ".sizes.json"
    assert kept([tmp_path / "0.png"], picture_size, stamp=stamp, index=index, label="", worth_keeping=0) == [(8, 16)]


@pytest.mark.parametrize("kind", ["face", "street"])
def test_shards_give_the_clips_of_the_files_they_were_made_of(tmp_path: Path, kind: str) -> None:
    config = DataConfig(loadSize=64)
    root = tmp_path / "data"
    if kind == "face":
        write_face_dataset(root, lengths=(4, 5, 3))
        write_face_dataset(root, phase="test", lengths=(2,))
    else:
        config = DataConfig(dataset_mode="street", loadSize=64, use_instance=True)
        for name in ("a", "b"):
            write_tiny_street(root, phase="train", num_frames=4, name=name)
        write_tiny_street(root, phase="test", num_frames=2)
    prepare_shards(root, tmp_path / "shards", shard_mb=1)
    assert sorted(path.suffix for path in (tmp_path / "shards").iterdir() if path.name[0] != ".") == [".sha256", ".tar"]
    files, packed = (build_clips(config, ScheduleConfig(), root=one, seed=0) for one in (root, tmp_path / "shards"))
    for draw in range(4):
        one, other = (clips[ClipRequest(draw, 3)] for clips in (files, packed))
        assert torch.equal(one.planes, other.planes) and torch.equal(one.image, other.image)
        assert one.names == other.names
    assert validate(config, root=tmp_path / "shards", phases=["train", "test"]).findings == []
    assert not (tmp_path / "shards" / "train_img").exists()


def test_sequences_stay_whole_in_shards_that_stay_small(tmp_path: Path) -> None:
    write_face_dataset(tmp_path / "data", lengths=(3,) * 4, size=(500, 600))
    prepare_shards(tmp_path / "data", tmp_path / "shards", shard_mb=6)
    shards = sorted((tmp_path / "shards").glob("*.tar"))
    assert len(shards) == 2 and all(path.stat().st_size < 7e6 for path in shards)
    names = listing(tmp_path / "shards/train_img/s3")
    assert names is not None and names.files == ["00000.png", "00001.png", "00002.png"]
    path = tmp_path / "shards/train_img/s3/00001.png"
    np.testing.assert_array_equal(read_picture(path), read_picture(tmp_path / "data/train_img/s3/00001.png"))
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "shards/train_img/s3/00009.png")


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    write_face_dataset(tmp_path / "data", lengths=(3,))
    prepare_shards(tmp_path / "data", tmp_path / "shards")
    (shard,) = (tmp_path / "shards").glob("*.tar")
    os.truncate(shard, shard.stat().st_size // 2)
    with pytest.raises(UserError, match="shard-00000.tar"):
        build_clips(DataConfig(), ScheduleConfig(), root=tmp_path / "shards", seed=0)


def test_videos_go_into_no_shards(tmp_path: Path) -> None:
    write_video(tmp_path / "data/B/train/drive.mp4", moving(3), frames_per_second=25)
    with pytest.raises(UserError, match="drive.mp4: expected pictures"):
        prepare_shards(tmp_path / "data", tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_a_clip_reads_the_files_of_its_frames_and_no_others(tmp_path: Path) -> None:
    write_face_dataset(tmp_path, lengths=(9,))
    clip = build_clips(DataConfig(loadSize=32), ScheduleConfig(), root=tmp_path, seed=0)[ClipRequest(5, 3)]
    clips = build_clips(DataConfig(loadSize=32), ScheduleConfig(), root=tmp_path, seed=0)
    frames = {f"{index:05d}" for index in clip.index[0].tolist()}
    for path in (path for path in tmp_path.rglob("0*") if path.stem not in frames):
        path.write_bytes(b"unread")
    assert torch.equal(clips[ClipRequest(5, 3)].planes, clip.planes)


def batches_of(root: Path, *, rank: int, num_processes: int, num_steps: int) -> list[PackedClip]:
    """What one of several processes loads in a training of two clips a process and step."""
    sampler = RequestSampler(first_step=0, num_steps=num_steps, batch_size=2, clip_frames=lambda step: 3,
                             batches=range(rank, rank + 1), num_batches=num_processes)  # fmt: skip
    clips = build_clips(DataConfig(loadSize=32), ScheduleConfig(), root=root, seed=0)
    return list(DataLoader(clips, batch_sampler=sampler, collate_fn=collate_clips, num_workers=1 + rank % 2))


@pytest.mark.slow
def test_processes_share_the_clips_of_shards_without_overlap(tmp_path: Path) -> None:
    write_face_dataset(tmp_path / "data", lengths=(9, 8, 12), size=(200, 240))
    prepare_shards(tmp_path / "data", tmp_path / "shards", shard_mb=1)
    assert len(list((tmp_path / "shards").glob("*.tar"))) > 1
    together = batches_of(tmp_path / "data", rank=0, num_processes=1, num_steps=6)
    shares = [batches_of(tmp_path / "shards", rank=rank, num_processes=3, num_steps=2) for rank in range(3)]
    # one process takes six batches in the order in which three take them side by side
    for number, wanted in enumerate(together):
        step, rank = divmod(number, 3)
        assert torch.equal(shares[rank][step].image, wanted.image) and shares[rank][step].names == wanted.names


@given(
    num_processes=st.integers(1, 5),
    accumulate=st.integers(1, 3),
    batch_size=st.integers(1, 4),
    first_step=st.integers(0, 3),
    num_steps=st.integers(0, 6),
)
@settings(max_examples=30, deadline=None)
def test_processes_take_every_draw_and_none_twice(
    num_processes: int, accumulate: int, batch_size: int, first_step: int, num_steps: int
) -> None:
    taken: Counter[int] = Counter()
    for rank in range(num_processes):
        sampler = RequestSampler(
            first_step=first_step,
            num_steps=num_steps,
            batch_size=batch_size,
            clip_frames=lambda step: 3,
            batches=range(rank * accumulate, (rank + 1) * accumulate),
            num_batches=accumulate * num_processes,
        )
        batches = list(sampler)
        assert len(batches) == len(sampler) and all(len(batch) == batch_size for batch in batches)
        taken.update(request.draw for batch in batches for request in batch)
    per_step = num_processes * accumulate * batch_size
    assert taken == Counter(range(first_step * per_step, num_steps * per_step))
