"""Videos are read as players show them: their own stream, square pixels, BT.709; broken ones are refused by name."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from data.build import build_sequences
from data.prepare.paired import prepare_paired
from data.sources.own_video import timing_of
from data.storage.video_files import frames_of, read_video_frame, video_table
from options.config import DataConfig
from util.errors import UserError
from util.media.video import VideoWriter, probe, read_video, video_notes, write_video


def shades(num_frames: int, *, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames that all differ."""
    return [np.full((height, width, 3), 16 + 9 * number, np.uint8) for number in range(num_frames)]


def write(
    path: Path,
    frames: list[np.ndarray],
    *,
    codec: str = "libx264",
    times: list[int] | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    cover: bool = False,
    tracks: tuple[str, ...] = (),
) -> None:
    """A video of 25 frames a second as other programs write them."""
    with av.open(str(path.absolute()), "w") as container:
        if cover:
            picture = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
            picture.disposition = Disposition.attached_pic
        stream: Any = container.add_stream(codec, rate=Fraction(25), options=options or {})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        sounds = [container.add_stream("aac", rate=48000, layout="mono") for _ in tracks]
        for sound, language in zip(sounds, tracks, strict=True):
            sound.metadata["language"] = language
            sound.disposition = Disposition.default if language == "deu" else Disposition(0)
        if cover:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
            container.mux(picture.encode(None))
        for number, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for sound in sounds:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 48000
            container.mux(sound.encode(silence))
            container.mux(sound.encode(None))


@pytest.mark.parametrize(("aspect", "size"), [((2, 1), (48, 128)), ((16, 15), (48, 68)), ((1, 2), (96, 64))])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pixels_become_square(tmp_path: Path, suffix: str, aspect: tuple[int, int], size: tuple[int, int]) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, shades(4), aspect=Fraction(*aspect))
    assert [frame.shape[:2] for frame in read_video(path)] == [size] * 4
    assert probe(path)[2:] == size and read_video_frame(frames_of(path)[2]).shape[:2] == size
    assert "made square" in video_notes(path)[0]


def pq(candelas: float) -> float:
    """SMPTE ST 2084."""
    power = (candelas / 10_000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def hlg(candelas: float) -> float:
    """ARIB STD-B67 for a display of 1000 candelas."""
    scene = (candelas / 1000) ** (1 / 1.2)
    return float(0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073)


@pytest.mark.parametrize("transfer", [16, 18])
def test_white_and_colours_of_hdr_become_those_of_bt709(tmp_path: Path, transfer: int) -> None:
    encoded = [(pq if transfer == 16 else hlg)(candelas) for candelas in (203.0, 101.5)]
    with av.open(str(tmp_path / "hdr.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 8, 8, "gbrp16le"
        context = stream.codec_context
        context.color_trc, context.color_primaries = transfer, 9
        for value in encoded:
            array = np.full((8, 8, 3), round(value * 65535), np.uint16)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(array, format="rgb48le").reformat(format="gbrp16le"))
            )
        container.mux(stream.encode(None))
    frames = list(read_video(tmp_path / "hdr.mkv"))
    half = 255 * 0.5 ** (1 / 2.4)
    assert frames[0].mean() > 252
    assert abs(frames[1].mean() - half) < 1.5
    assert "HDR" in video_notes(tmp_path / "hdr.mkv")[0]


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    try:
        write(tmp_path / "song.mp4", shades(6), cover=True)
    except (av.FFmpegError, AttributeError) as error:
        pytest.skip(f"this PyAV writes no cover: {error}")
    assert [frame.shape for frame in read_video(tmp_path / "song.mp4")] == [(48, 64, 3)] * 6
    assert probe(tmp_path / "song.mp4")[:1] == (25,)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_with_frames_out_of_order_is_read_in_place(tmp_path: Path, codec: str) -> None:
    for side in "AB":
        (tmp_path / side / "train").mkdir(parents=True)
        write(tmp_path / side / "train/s.avi", shades(20), codec=codec, options={"g": "12", "bf": "2"})
    expected = list(read_video(tmp_path / "A/train/s.avi"))
    frames = frames_of(tmp_path / "A/train/s.avi")
    assert len(frames) == len(expected) == 20
    for number in (0, 7, 1, 19, 12):
        assert np.array_equal(read_video_frame(frames[number]), expected[number])
    (sequence,) = build_sequences(DataConfig(dataset_mode="paired", loadSize=32), root=tmp_path, phase="train")
    assert sequence.num_frames == 20


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi", ".webm"])
@pytest.mark.parametrize("share", [0.4, 0.7])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"cut{suffix}"
    noise = [np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8) for number in range(50)]
    codec, options = ("libvpx", {}) if suffix == ".webm" else ("libx264", {"g": "5"})
    write(path, noise, codec=codec, options=options)
    os.truncate(path, int(path.stat().st_size * share))
    for reading in (lambda: list(read_video(path)), lambda: video_table(path)):
        with pytest.raises(UserError, match="cut off|damaged"):
            reading()


def test_frames_of_another_size_are_named(tmp_path: Path) -> None:
    path = tmp_path / "grows.h264"
    with path.open("wb") as file:
        for size in ((48, 64), (64, 96)):
            write(tmp_path / "part.h264", shades(5, height=size[0], width=size[1]), options={"bf": "0", "g": "3"})
            file.write((tmp_path / "part.h264").read_bytes())
    with pytest.raises(UserError, match="expected frames of 64 x 48 like the first, found 96 x 64 at frame 5"):
        list(read_video(path))


def test_uneven_times_are_told_and_make_a_mean_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "screen.mkv"
    write(path, shades(6), times=[0, 1, 2, 8, 9, 10], options={"bf": "0", "g": "3"})
    prepare_paired(path, path, tmp_path / "out", phase="train", name="s")
    told = capsys.readouterr().out
    assert "0.04 to 0.24 s apart" in told
    assert probe(path).frames_per_second == pytest.approx(6 / (11 / 25), rel=0.02)
    write_video(tmp_path / "even.mp4", shades(6), frames_per_second=30000 / 1001)
    assert video_notes(tmp_path / "even.mp4") == []


@pytest.mark.parametrize("name", ["12:30.mp4", "%03d.mp4", "-a.mp4", "é #1 100%.mp4", "in: x.mp4", "concat:a|b.mp4"])
def test_any_file_name_works(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(Path(name), shades(3), frames_per_second=25)
    assert len(list(read_video(Path(name)))) == 3
    prepare_paired(Path(name), Path(name), Path("out"), phase="train", name=Path(name).stem)
    (sequence,) = build_sequences(DataConfig(dataset_mode="paired", loadSize=32), root=Path("out"), phase="train")
    assert sequence.num_frames == 3 and sequence.name == Path(name).stem


def test_languages_and_the_default_track_stay(tmp_path: Path) -> None:
    write(tmp_path / "two.mkv", shades(6), tracks=("eng", "deu"))
    with VideoWriter(tmp_path / "out.mp4", frames_per_second=25, sound_from=tmp_path / "two.mkv") as video:
        for frame in shades(6):
            video.write(frame)
    with av.open(str(tmp_path / "out.mp4")) as container:
        tracks = [(one.metadata["language"], bool(one.disposition & Disposition.default)) for one in
                  container.streams.audio]  # fmt: skip
    assert tracks == [("eng", False), ("deu", True)]


def test_a_video_without_its_table_is_called_cut_off(tmp_path: Path) -> None:
    write(tmp_path / "whole.mp4", shades(20))
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: content.index(b"moov")])
    with pytest.raises(UserError, match="found it cut off before the table"):
        list(read_video(tmp_path / "cut.mp4"))
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(UserError, match="found something else"):
        probe(tmp_path / "text.mp4")


def test_interlaced_frames_and_transparency_are_told(tmp_path: Path) -> None:
    write(tmp_path / "fields.mp4", shades(4), options={"x264-params": "tff=1"})
    assert "interlaced" in " ".join(video_notes(tmp_path / "fields.mp4"))
    with av.open(str(tmp_path / "clear.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "bgra"
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 4), 128, np.uint8), format="bgra")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "transparent" in " ".join(video_notes(tmp_path / "clear.mkv"))
    write(tmp_path / "plain.mp4", shades(4))
    assert video_notes(tmp_path / "plain.mp4") == []


def test_frames_that_an_edit_list_hides_are_not_counted(tmp_path: Path) -> None:
    """As after a cut without encoding anew: what is before the cut but is needed to decode stays in the file."""
    write(tmp_path / "cut.mp4", shades(12), times=[number - 4 for number in range(12)], options={"bf": "0", "g": "3"})
    assert probe(tmp_path / "cut.mp4").num_frames == len(list(read_video(tmp_path / "cut.mp4"))) == 8


def test_ten_bits_are_read_without_the_error_of_eight(tmp_path: Path) -> None:
    colours = [(940, 512, 512), (64, 512, 512), (500, 420, 600), (301, 640, 450), (777, 470, 530)]
    with av.open(str(tmp_path / "deep.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuv420p10le"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        for colour in colours:
            frame = av.VideoFrame(16, 16, "yuv420p10le")
            for plane, value in zip(frame.planes, colour, strict=True):
                plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for (luma, blue, red), found in zip(colours, read_video(tmp_path / "deep.mkv"), strict=True):
        bright, more_blue, more_red = (luma - 64) / 876, (blue - 512) / 896, (red - 512) / 896
        r, b = bright + 1.5748 * more_red, bright + 1.8556 * more_blue
        exact = np.clip([r, (bright - 0.2126 * r - 0.0722 * b) / 0.7152, b], 0, 1) * 255
        assert np.abs(found - exact).max() < 1.5


def test_titles_in_any_encoding_are_no_matter(tmp_path: Path) -> None:
    """As old programs write them: in Latin-1, where UTF-8 is due."""
    path = tmp_path / "titled.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = container.metadata["comment"] = "CAFE"
        stream: Any = container.add_stream("libx264", rate=25)
        sound = container.add_stream("aac", rate=48000, layout="mono")
        sound.metadata["handler_name"] = "CAFE"
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for array in shades(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 48000
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    assert path.read_bytes().count(b"CAFE") == 3
    path.write_bytes(path.read_bytes().replace(b"CAFE", "Café".encode("latin-1")))
    assert probe(path).num_frames == len(list(read_video(path))) == len(frames_of(path)) == 5
    assert video_notes(path) == [] and timing_of(path) is None
    prepare_paired(path, path, tmp_path / "out", phase="train", name="s")
    with VideoWriter(tmp_path / "again.mp4", frames_per_second=25, sound_from=path) as video:
        video.write(shades(1)[0])


def test_files_are_opened_in_one_place() -> None:
    """So what is true of one program that takes a video is true of all."""
    sources = [path for room in ("benchmarks", "data", "models", "util") for path in Path(room).rglob("*.py")]
    reading = [str(path) for path in sources for line in path.read_text().splitlines()
               if "av.open(" in line and '"w"' not in line]  # fmt: skip
    assert reading == ["util/media/containers.py"]


def frames_that_cannot_be_decoded(content: bytes) -> bytes:
    begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    return content[:begin] + b"\x65" * (end - begin) + content[end:]


@pytest.mark.parametrize("damage", [
    lambda content: content.replace(b"avc1", b"zzzz"),  # no decoder
    lambda content: content.replace(b"avcC", b"zzzC"),
    frames_that_cannot_be_decoded,
    lambda content: content[: content.index(b"mdat") + 30],
])  # fmt: skip
def test_a_video_that_cannot_be_decoded_is_one_line_whoever_reads_it(tmp_path: Path, damage: Any) -> None:
    """Found by tests/fuzz.py."""
    write(tmp_path / "whole.mp4", shades(4), options={"bf": "0"})
    (tmp_path / "a.mp4").write_bytes(damage((tmp_path / "whole.mp4").read_bytes()))
    for read in (probe, video_table, video_notes, lambda path: list(read_video(path))):
        with pytest.raises(UserError, match=r"a\.mp4: expected a"):
            read(tmp_path / "a.mp4")


def test_a_wrong_rate_is_told(tmp_path: Path) -> None:
    """Raw H.264 holds no times; put into a file without them it gets any."""
    with av.open(str(tmp_path / "raw.h264"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=50)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for array in shades(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "raw.h264")) as raw, av.open(str(tmp_path / "wrong.mp4"), "w") as container:
        target: Any = container.add_stream_from_template(raw.streams.video[0])
        target.time_base = Fraction(1, 25)
        for number, packet in enumerate(one for one in raw.demux(video=0) if one.size):
            packet.pts, packet.dts, packet.duration = number, number, 1
            packet.time_base, packet.stream = Fraction(1, 25), target
            container.mux(packet)
    for name, told in (
        ("raw.h264", "holds no times, 25 frames per second are assumed"),
        ("wrong.mp4", "25 frames per"),
    ):
        (note,) = video_notes(tmp_path / name)
        assert told in note and "its pictures say 50; give the true rate with --fps" in note
