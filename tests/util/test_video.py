"""Video files keep every frame, the exact rate, and never lie half-written."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from util.errors import UserError
from util.media.video import VideoWriter, probe, read_video, write_video


def colourful_frames(num_frames: int, height: int, width: int) -> list[np.ndarray]:
    """Smooth colours that differ from frame to frame."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    return [
        (255 * np.stack((x, y, np.full_like(x, index / max(num_frames - 1, 1))), axis=-1)).astype(np.uint8)
        for index in range(num_frames)
    ]


@pytest.mark.parametrize("rate", [25, 29.97, 30000 / 1001, 24000 / 1001, 12.5, 0.5])
def test_frame_count_and_rate_survive_exactly(tmp_path: Path, rate: float) -> None:
    path = tmp_path / "video.mp4"
    write_video(path, colourful_frames(7, 32, 48), frames_per_second=rate)
    assert probe(path) == (rate, 7, 32, 48)
    assert len(list(read_video(path))) == 7


def test_every_frame_comes_back_in_order_with_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    frames = colourful_frames(12, 48, 64)
    write_video(path, frames, frames_per_second=30)
    for frame, read in zip(frames, read_video(path), strict=True):
        assert read.dtype == np.uint8
        assert np.abs(frame.astype(int) - read).mean() < 3


@pytest.mark.parametrize("size", [(33, 47), (32, 47), (33, 48), (1, 1), (2, 5)])
def test_odd_sides_are_padded_to_even_by_repeating_the_border(tmp_path: Path, size: tuple[int, int]) -> None:
    height, width = size
    path = tmp_path / "video.mp4"
    write_video(path, colourful_frames(3, height, width), frames_per_second=25)
    frames = list(read_video(path))
    assert len(frames) == 3
    assert frames[0].shape == (height + height % 2, width + width % 2, 3)
    if height % 2:
        assert np.abs(frames[0][-1].astype(int) - frames[0][-2]).mean() < 8


def test_browsers_can_play_it_while_it_loads(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    write_video(path, colourful_frames(3, 32, 32), frames_per_second=25)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield from colourful_frames(3, 32, 32)
        raise RuntimeError("the generator broke")

    with pytest.raises(RuntimeError, match="the generator broke"):
        write_video(tmp_path / "video.mp4", broken(), frames_per_second=25)
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "video.mp4", frames_per_second=25):
        raise RuntimeError
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(tmp_path / "video.mp4", [], frames_per_second=25)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_older_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    write_video(path, colourful_frames(3, 32, 32), frames_per_second=25)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="throughout"):
        write_video(path, [*colourful_frames(2, 32, 32), *colourful_frames(1, 16, 16)], frames_per_second=25)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_frames_and_rates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"):
        write_video(tmp_path / "video.mp4", [np.zeros((8, 8, 3))], frames_per_second=25)
    with pytest.raises(ValueError, match="positive"):
        VideoWriter(tmp_path / "video.mp4", frames_per_second=0)


def test_what_is_no_video_is_named_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    for path in (tmp_path / "missing.mp4", text):
        for read in (probe, lambda path: list(read_video(path))):
            with pytest.raises(UserError, match=path.name) as error:
                read(path)
            assert "\n" not in str(error.value)


def test_a_truncated_video_is_an_error_and_not_a_shorter_video(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    write_video(path, noise, frames_per_second=25)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"video\.mp4"):
        list(read_video(path))


def test_a_rotated_phone_video_is_read_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.mp4"
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :32] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuv420p"
        stream.set_display_rotation(90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    (frame,) = read_video(path)
    assert frame.shape == (64, 32, 3)
    assert frame[0].max() < 10
    assert frame[-1].min() > 245
    assert probe(path)[2:] == (64, 32)
