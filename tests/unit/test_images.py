"""Decoding of images and masks to arrays, and errors that name the file."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.data.io import decode
from benchbed.data.io.images import read_image, read_image_size, read_mask
from benchbed.errors import BenchbedError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
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


def test_transparent_pixels_become_black(tmp_path: Path) -> None:
    rgba = np.dstack([np.full((4, 4, 3), 200, np.uint8), np.zeros((4, 4), np.uint8)])
    assert read_image(_save(tmp_path / "a.png", Image.fromarray(rgba)), 3).max() == 0


def test_16_bit_images_are_scaled_by_percentiles(tmp_path: Path) -> None:
    ramp = np.linspace(1000, 3000, 600).reshape(20, 30).astype(np.uint16)
    ramp[0, 0] = 65535
    pixels = read_image(_save(tmp_path / "a.png", Image.fromarray(ramp)), 1)[..., 0]
    assert pixels.min() == 0
    assert pixels[-1, -1] >= 250
    assert abs(int(pixels[10, 0]) - 128) < 6


def test_nan_pixels_become_0_and_an_image_of_nan_raises(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    values[5, 5] = np.nan
    assert read_image(_save(tmp_path / "a.tif", Image.fromarray(values)), 1)[5, 5, 0] == 0
    nan = Image.fromarray(np.full((4, 4), np.nan, np.float32))
    with pytest.raises(BenchbedError, match=r"nan\.tif\b.*NaN"):
        read_image(_save(tmp_path / "nan.tif", nan), 1)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _save(tmp_path / "a.png", Image.fromarray(RGB), exif=exif)
    assert read_image(path, 3).shape == (30, 20, 3)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_an_undecodable_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(BenchbedError, match=re.escape(str(path))):
        read_image(path, 3)


def test_a_truncated_image_is_named(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", Image.fromarray(RGB))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BenchbedError, match=r"/a\.png\b.*truncated"):
        read_image(path, 3)


def test_a_decompression_bomb_is_rejected(tmp_path: Path) -> None:
    path = _save(tmp_path / "bomb.png", Image.new("1", (14_000, 14_000)))
    with pytest.raises(BenchbedError, match=r"/bomb\.png\b.*pixels.*\b196000000\b"):
        read_image(path, 1)


def _compress(path: Path, source: Path) -> Path:
    path.write_bytes(gzip.compress(source.read_bytes()))
    return path


def test_gzip_compressed_images_and_masks_are_read(tmp_path: Path) -> None:
    image = _compress(tmp_path / "a.ppm.GZ", _save(tmp_path / "a.ppm", Image.fromarray(RGB)))
    assert np.array_equal(read_image(image, 3), RGB)
    assert read_image_size(image) == read_image_size(tmp_path / "a.ppm") == (30, 20)
    truth = RNG.random((20, 30)) > 0.7
    grey = Image.fromarray(np.where(truth, 255, 0).astype(np.uint8))
    mask = _compress(tmp_path / "m.pgm.gz", _save(tmp_path / "m.pgm", grey))
    assert np.array_equal(read_mask(mask), truth)


def test_a_damaged_compressed_image_is_named(tmp_path: Path) -> None:
    """Not gzip, truncated, damaged inside, empty, and valid gzip of another file."""
    valid = gzip.compress(_save(tmp_path / "a.ppm", Image.fromarray(RGB)).read_bytes())
    damaged = valid[:40] + bytes([valid[40] ^ 255]) + valid[41:]
    path = tmp_path / "a.ppm.gz"
    for content in (b"no gzip", valid[:-30], damaged, b""):
        path.write_bytes(content)
        with pytest.raises(BenchbedError, match=re.escape(str(path))):
            read_image(path, 3)
    path.write_bytes(gzip.compress(b"not an image"))
    with pytest.raises(BenchbedError, match=rf"^(?!.*gzip:).*{re.escape(str(path))}.*image"):
        read_image(path, 3)


def test_decompression_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = _compress(tmp_path / "a.ppm.gz", _save(tmp_path / "a.ppm", Image.fromarray(RGB)))
    monkeypatch.setattr(decode, "MAX_UNPACKED_BYTES", (tmp_path / "a.ppm").stat().st_size)
    assert read_image(image, 3).shape == RGB.shape
    monkeypatch.setattr(decode, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(BenchbedError, match=r"a\.ppm\.gz\b.*\b1000\b"):
        read_image(image, 3)


@pytest.mark.parametrize("levels", [(0, 255), (0, 1), (3, 253), (0, 7)])
def test_masks_are_thresholded_at_half_their_range(tmp_path: Path, levels: tuple[int, int]) -> None:
    truth = RNG.random((20, 30)) > 0.7
    path = _save(
        tmp_path / "m.png", Image.fromarray(np.where(truth, *levels[::-1]).astype(np.uint8))
    )
    assert np.array_equal(read_mask(path), truth)


def test_a_constant_mask_is_empty_or_full(tmp_path: Path) -> None:
    assert not read_mask(_save(tmp_path / "0.png", Image.new("L", (4, 4), 0))).any()
    assert read_mask(_save(tmp_path / "1.png", Image.new("L", (4, 4), 255))).all()


def test_official_masks_of_real_data_contain_vessels(real_data: Path) -> None:
    """DRIVE has palette GIFs with values other than 0 and 255; both annotators must agree."""
    first = read_mask(real_data / "DRIVE/test/1st_manual/01_manual1.gif")
    second = read_mask(real_data / "DRIVE/test/2nd_manual/01_manual2.gif")
    assert 0.05 < first.mean() < 0.15
    dice = 2 * (first & second).sum() / (first.sum() + second.sum())
    assert dice > 0.75
