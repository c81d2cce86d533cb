"""Sound goes into another file packet by packet, at its own times."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.tiny_video import packets, write_tone
from tests.util.test_video import colourful_frames
from util.errors import UserError
from util.media.video import Timing, VideoWriter, read_video


def write_with_sound(path: Path, source: Path, *, num_frames: int = 30, timing: Timing | None = None) -> str:
    with VideoWriter(path, frames_per_second=25, timing=timing, sound_from=source) as video:
        for frame in colourful_frames(num_frames, 32, 32):
            video.write(frame)
    assert video.sound is not None
    return video.sound.description


@pytest.mark.parametrize(
    ("codec", "suffix"), [("aac", "mp4"), ("libmp3lame", "mkv"), ("libopus", "mkv"), ("ac3", "avi")]
)
def test_what_players_know_is_copied_bit_by_bit_with_its_times(tmp_path: Path, codec: str, suffix: str) -> None:
    source = write_tone(tmp_path / f"sound.{suffix}", codec=codec, seconds=1)
    description = write_with_sound(tmp_path / "video.mp4", source)
    assert description.endswith("copied")
    assert packets(tmp_path / "video.mp4", "audio") == packets(source, "audio")
    assert len(list(read_video(tmp_path / "video.mp4"))) == 30


def test_other_codecs_are_encoded_anew_as_long_as_before(tmp_path: Path) -> None:
    source = write_tone(tmp_path / "sound.wav", codec="pcm_s16le", seconds=2)
    assert write_with_sound(tmp_path / "video.mp4", source) == "pcm_s16le encoded anew as mono aac"
    with av.open(str(tmp_path / "video.mp4")) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples == pytest.approx(2 * 48000, abs=2048)


def test_sound_and_pictures_lie_side_by_side_in_the_file(tmp_path: Path) -> None:
    source = write_tone(tmp_path / "sound.mp4", seconds=8)
    write_with_sound(tmp_path / "video.mp4", source, num_frames=200)
    with av.open(str(tmp_path / "video.mp4")) as container:
        kinds = [one.stream.type for one in container.demux() if one.size]
    half = kinds[: len(kinds) // 2]
    assert half.count("audio") == pytest.approx(kinds.count("audio") / 2, rel=0.4)


def test_a_file_without_sound_gives_none(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "mute.mp4", frames_per_second=25) as video:
        video.write(colourful_frames(1, 32, 32)[0])
    assert write_with_sound(tmp_path / "video.mp4", tmp_path / "mute.mp4") == "none"


def test_sound_from_something_else_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("dear diary")
    with pytest.raises(UserError, match="text.mp4: expected a video file"):
        write_with_sound(tmp_path / "video.mp4", tmp_path / "text.mp4")
    assert not (tmp_path / "video.mp4").exists()


@pytest.mark.parametrize("time_base", [Fraction(1, 90000), Fraction(1, 1000), Fraction(1, 12800)])
def test_every_frame_keeps_its_own_time_and_the_last_one_its_duration(tmp_path: Path, time_base: Fraction) -> None:
    times = [7, 90, 100, 220, 1000, 1001]
    path = tmp_path / "video.mp4"
    with VideoWriter(path, frames_per_second=25, timing=Timing(time_base, times, 1300)) as video:
        for frame in colourful_frames(len(times), 32, 32):
            video.write(frame)
    assert [time for time, _ in packets(path, "video")] == [time * time_base for time in times]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.duration is not None and stream.time_base is not None
        assert stream.duration * stream.time_base == (1300 - 7) * time_base


def test_more_frames_than_times_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="expected 1 frames, which have times"),
        VideoWriter(tmp_path / "video.mp4", frames_per_second=25, timing=Timing(Fraction(1, 25), [0], 1)) as video,
    ):
        for frame in colourful_frames(2, 32, 32):
            video.write(frame)
