"""Pictures of every kind become uint8 arrays, or are refused by name."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.data import decode
from benchbed.data.decode import picture_size, read_image, read_mask
from benchbed.errors import BenchbedError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _save(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def test_rgb_is_unchanged_and_grey_is_luma(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", Image.fromarray(RGB))
    assert np.array_equal(read_image(path, 3), RGB)
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read_image(path, 1)[..., 0] - luma).max() <= 1


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "CMYK"])
def test_modes_become_three_channels_of_the_same_size(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    path = _save(tmp_path / f"a.{suffix}", Image.fromarray(RGB).convert(mode))
    assert read_image(path, 3).shape == (20, 30, 3)
    assert read_image(path, 1).shape == (20, 30, 1)


def test_transparency_is_laid_on_black(tmp_path: Path) -> None:
    rgba = np.dstack([np.full((4, 4, 3), 200, np.uint8), np.zeros((4, 4), np.uint8)])
    assert read_image(_save(tmp_path / "a.png", Image.fromarray(rgba)), 3).max() == 0


def test_sixteen_bits_use_the_robust_range_of_the_picture(tmp_path: Path) -> None:
    ramp = np.linspace(1000, 3000, 600).reshape(20, 30).astype(np.uint16)
    ramp[0, 0] = 65535
    pixels = read_image(_save(tmp_path / "a.png", Image.fromarray(ramp)), 1)[..., 0]
    assert pixels.min() == 0
    assert pixels[-1, -1] >= 250
    assert abs(int(pixels[10, 0]) - 128) < 6


def test_float_tiff_with_nan_is_read_and_one_of_nan_alone_is_refused(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    values[5, 5] = np.nan
    assert read_image(_save(tmp_path / "a.tif", Image.fromarray(values)), 1)[5, 5, 0] == 0
    nan = Image.fromarray(np.full((4, 4), np.nan, np.float32))
    with pytest.raises(BenchbedError, match="no pixel is a number"):
        read_image(_save(tmp_path / "nan.tif", nan), 1)


def test_a_rotated_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _save(tmp_path / "a.png", Image.fromarray(RGB), exif=exif)
    assert read_image(path, 3).shape == (30, 20, 3)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n broken"])
def test_what_does_not_decode_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(BenchbedError, match=r"broken\.png does not decode"):
        read_image(path, 3)


def test_a_truncated_picture_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", Image.fromarray(RGB))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BenchbedError, match="does not decode"):
        read_image(path, 3)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "bomb.png", Image.new("1", (14_000, 14_000)))
    with pytest.raises(BenchbedError, match="too many pixels"):
        read_image(path, 1)


def _packed(path: Path, picture: Path) -> Path:
    path.write_bytes(gzip.compress(picture.read_bytes()))
    return path


def test_a_packed_picture_is_the_picture(tmp_path: Path) -> None:
    image = _packed(tmp_path / "a.ppm.GZ", _save(tmp_path / "a.ppm", Image.fromarray(RGB)))
    assert np.array_equal(read_image(image, 3), RGB)
    assert picture_size(image) == picture_size(tmp_path / "a.ppm") == (30, 20)
    truth = RNG.random((20, 30)) > 0.7
    grey = Image.fromarray(np.where(truth, 255, 0).astype(np.uint8))
    mask = _packed(tmp_path / "m.pgm.gz", _save(tmp_path / "m.pgm", grey))
    assert np.array_equal(read_mask(mask), truth)


def test_a_broken_packed_picture_is_named(tmp_path: Path) -> None:
    """No gzip at all, cut off, damaged inside, and sound gzip of what is no picture."""
    whole = gzip.compress(_save(tmp_path / "a.ppm", Image.fromarray(RGB)).read_bytes())
    damaged = whole[:40] + bytes([whole[40] ^ 255]) + whole[41:]
    path = tmp_path / "a.ppm.gz"
    for content in (b"no gzip", whole[:-30], damaged, b""):
        path.write_bytes(content)
        with pytest.raises(BenchbedError, match=r"a\.ppm\.gz does not (unpack|decode)"):
            read_image(path, 3)
    path.write_bytes(gzip.compress(b"no picture"))
    with pytest.raises(BenchbedError, match=r"a\.ppm\.gz does not decode.*image file\.$"):
        read_image(path, 3)


def test_a_packed_picture_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = _packed(tmp_path / "a.ppm.gz", _save(tmp_path / "a.ppm", Image.fromarray(RGB)))
    monkeypatch.setattr(decode, "UNPACKED_LIMIT", (tmp_path / "a.ppm").stat().st_size)
    assert read_image(image, 3).shape == RGB.shape
    monkeypatch.setattr(decode, "UNPACKED_LIMIT", 1000)
    with pytest.raises(BenchbedError, match="more than 1000 bytes"):
        read_image(image, 3)


@pytest.mark.parametrize("levels", [(0, 255), (0, 1), (3, 253), (0, 7)])
def test_masks_are_split_at_half_of_their_own_range(
    tmp_path: Path, levels: tuple[int, int]
) -> None:
    truth = RNG.random((20, 30)) > 0.7
    path = _save(
        tmp_path / "m.png", Image.fromarray(np.where(truth, *levels[::-1]).astype(np.uint8))
    )
    assert np.array_equal(read_mask(path), truth)


def test_a_mask_of_one_value_is_empty_or_full(tmp_path: Path) -> None:
    assert not read_mask(_save(tmp_path / "0.png", Image.new("L", (4, 4), 0))).any()
    assert read_mask(_save(tmp_path / "1.png", Image.new("L", (4, 4), 255))).all()


def test_the_official_masks_of_a_real_set_hold_vessels(real_data: Path) -> None:
    """DRIVE ships palette GIFs whose two values are not 0 and 255; both annotators must agree."""
    first = read_mask(real_data / "DRIVE/test/1st_manual/01_manual1.gif")
    second = read_mask(real_data / "DRIVE/test/2nd_manual/01_manual2.gif")
    assert 0.05 < first.mean() < 0.15
    dice = 2 * (first & second).sum() / (first.sum() + second.sum())
    assert dice > 0.75
