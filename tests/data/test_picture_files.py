from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.storage.picture_files import (
    ArrayCache,
    is_transparent,
    picture_mode,
    picture_size,
    read_ids,
    read_numbers,
    read_picture,
)
from util.errors import UserError
from util.media.pictures import write_picture

NOISE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)


def test_png_of_odd_size_survives(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", NOISE)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), NOISE)
    assert picture_size(tmp_path / "a.png") == (37, 53)


def test_jpeg_is_near(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 40 * 40 * 3).reshape(40, 40, 3).astype(np.uint8)
    write_picture(tmp_path / "a.jpg", smooth)
    assert np.abs(read_picture(tmp_path / "a.jpg").astype(int) - smooth).max() < 12


def test_other_pixel_types_become_rgb(tmp_path: Path) -> None:
    Image.fromarray(NOISE).convert("L").save(tmp_path / "grey.png")
    Image.fromarray(NOISE).convert("RGBA").save(tmp_path / "alpha.png")
    assert read_picture(tmp_path / "grey.png").shape == read_picture(tmp_path / "alpha.png").shape == (37, 53, 3)
    assert read_picture(tmp_path / "grey.png", mode="L").shape == (37, 53)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_cut_off_picture_is_detected_and_named(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"00007{suffix}"
    write_picture(path, NOISE)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError) as error:
        read_picture(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_damaged_png_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_picture(path, NOISE)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match="a.png"):
        read_picture(path)


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no file"):
        read_picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    for read in (read_picture, picture_size):
        with pytest.raises(UserError, match="b.png"):
            read(tmp_path / "b.png")


def test_only_bytes_are_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"):
        write_picture(tmp_path / "a.png", NOISE.astype(np.float32))
    assert not list(tmp_path.iterdir())


def test_cache_reads_once_forgets_the_oldest_and_stays_in_its_bounds() -> None:
    reads: list[str] = []

    def read(name: str) -> np.ndarray:
        reads.append(name)
        return np.zeros(100, np.uint8)

    cache = ArrayCache(max_bytes=250)
    for name in ("a", "b", "a", "c", "a", "b"):
        cache.get(name, partial(read, name))
    assert reads == ["a", "b", "c", "b"]  # b was the oldest when c came
    assert cache.num_bytes <= 250


def test_cached_arrays_cannot_be_changed() -> None:
    array = ArrayCache().get("a", lambda: np.zeros(3))
    with pytest.raises(ValueError):
        array[0] = 1


def test_only_formats_that_are_read_are_opened(tmp_path: Path) -> None:
    """Pillow would start Ghostscript for this one."""
    Image.fromarray(NOISE).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    for read in (read_picture, picture_size, is_transparent, picture_mode):
        with pytest.raises(UserError, match="a.png: expected a picture, found a file of another kind"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".gif"])
def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (9000, 8000)).save(tmp_path / f"a{suffix}")
    monkeypatch.setattr(Image.Image, "load", None)
    for read in (read_picture, read_ids, read_numbers, picture_size):
        with pytest.raises(UserError, match="at most 67108864 pixels, found 9000 x 8000"):
            read(tmp_path / f"a{suffix}")
