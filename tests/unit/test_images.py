"""Decoding of images and masks to arrays, and errors that name the file."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchbed.data.io import image_files
from benchbed.data.io.decode import read_stored_size
from benchbed.data.io.images import (
    QUANTILE_POINTS,
    count_pages,
    examine_image,
    examine_mask,
    read_image,
    read_mask_values,
)
from benchbed.errors import BenchbedError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _read_binary(path: Path) -> npt.NDArray[np.bool_]:
    """Return where a mask of two values has the larger one."""
    values = read_mask_values(path)
    return values > (values.min() if values.min() < values.max() else 0)


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
    assert read_stored_size(image) == read_stored_size(tmp_path / "a.ppm") == (30, 20)
    truth = RNG.random((20, 30)) > 0.7
    grey = Image.fromarray(np.where(truth, 255, 0).astype(np.uint8))
    mask = _compress(tmp_path / "m.pgm.gz", _save(tmp_path / "m.pgm", grey))
    assert np.array_equal(_read_binary(mask), truth)


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
    monkeypatch.setattr(image_files, "MAX_UNPACKED_BYTES", (tmp_path / "a.ppm").stat().st_size)
    assert read_image(image, 3).shape == RGB.shape
    monkeypatch.setattr(image_files, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(BenchbedError, match=r"a\.ppm\.gz\b.*\b1000\b"):
        read_image(image, 3)


@pytest.mark.parametrize("levels", [(0, 255), (0, 1), (3, 253), (0, 7)])
def test_masks_are_thresholded_at_half_their_range(tmp_path: Path, levels: tuple[int, int]) -> None:
    truth = RNG.random((20, 30)) > 0.7
    path = _save(
        tmp_path / "m.png", Image.fromarray(np.where(truth, *levels[::-1]).astype(np.uint8))
    )
    assert np.array_equal(_read_binary(path), truth)


def test_a_constant_mask_is_empty_or_full(tmp_path: Path) -> None:
    assert not _read_binary(_save(tmp_path / "0.png", Image.new("L", (4, 4), 0))).any()
    assert _read_binary(_save(tmp_path / "1.png", Image.new("L", (4, 4), 255))).all()


def test_official_masks_of_real_data_contain_vessels(real_data: Path) -> None:
    """DRIVE has palette GIFs with values other than 0 and 255; both annotators must agree."""
    first = _read_binary(real_data / "DRIVE/test/1st_manual/01_manual1.gif")
    second = _read_binary(real_data / "DRIVE/test/2nd_manual/01_manual2.gif")
    assert 0.05 < first.mean() < 0.15
    dice = 2 * (first & second).sum() / (first.sum() + second.sum())
    assert dice > 0.75


BLOB = ((np.mgrid[:24, :24] - 11.5) ** 2).sum(axis=0) < 50


def test_one_window_keeps_brightness_across_files(tmp_path: Path) -> None:
    """With one window, a picture five times darker stays five times darker."""
    values = np.linspace(0, 50_000, 600).reshape(20, 30).astype(np.uint16)
    bright = _save(tmp_path / "b.png", Image.fromarray(values))
    dark = _save(tmp_path / "d.png", Image.fromarray(values // 5))
    pixels = [read_image(path, 1, (0, 50_000)).astype(float) for path in (bright, dark)]
    assert np.abs(pixels[0] / 5 - pixels[1]).max() <= 1
    stretched = [read_image(path, 1).astype(float) for path in (bright, dark)]
    assert np.abs(stretched[0] - stretched[1]).max() <= 1


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_sparse_images_are_not_black(tmp_path: Path, kind: Any) -> None:
    values = np.zeros((100, 100), kind)
    values[3, :5] = (100, 200, 300, 400, 500)
    path = _save(tmp_path / "a.tif", Image.fromarray(values))
    assert read_image(path, 1)[3, :5, 0].tolist() == [51, 102, 153, 204, 255]
    facts = examine_image(path)
    assert facts["background"] == "0"
    assert json.loads(facts["quantiles"])[0] == 100
    assert not read_image(_save(tmp_path / "0.tif", Image.fromarray(values * 0)), 1).any()


def test_quantiles_pool_the_pages_of_a_deep_image(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((10, 10), 100 * n, np.uint16)) for n in range(5)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    facts = examine_image(tmp_path / "a.tif")
    quantiles = json.loads(facts.pop("quantiles"))
    expected = {"shape": "10x10", "bits": "16", "channels": "1", "pages": "5"}
    assert facts == {**expected, "low": "0", "high": "400"}
    assert len(quantiles) == len(QUANTILE_POINTS)
    assert QUANTILE_POINTS[0] == 0
    assert QUANTILE_POINTS[-1] == 1
    assert sorted(QUANTILE_POINTS) == list(QUANTILE_POINTS)
    assert (quantiles[0], quantiles[len(quantiles) // 2], quantiles[-1]) == (0, 200, 400)


@pytest.mark.parametrize(
    ("mode", "bits", "channels"),
    [("1", "1", "1"), ("L", "8", "1"), ("LA", "8", "1"), ("P", "8", "3"), ("RGB", "8", "3"),
     ("RGBA", "8", "3"), ("I;16", "16", "1")],
)  # fmt: skip
def test_depth_and_channels_are_those_of_the_file(
    tmp_path: Path, mode: str, bits: str, channels: str
) -> None:
    deep = Image.fromarray(RGB[..., 0].astype(np.uint16))
    picture = deep if mode == "I;16" else Image.fromarray(RGB).convert(mode)
    facts = examine_image(_save(tmp_path / "a.png", picture))
    assert (facts["shape"], facts["bits"], facts["channels"]) == ("20x30", bits, channels)
    assert ("quantiles" in facts) == (mode == "I;16")
    grey = Image.fromarray(RGB[..., 0])
    grey.putpalette([value for n in range(256) for value in (255 - n,) * 3])
    assert examine_image(_save(tmp_path / "p.png", grey))["channels"] == "1"


def _write_mask(path: Path, codes: npt.NDArray[Any], kind: str) -> Path:
    """Write a mask whose pixels have the given values, stored in the given way."""
    grey = codes.astype(np.uint8)
    if kind == "palette":
        picture = Image.fromarray(grey, mode="P")
        picture.putpalette([7, 7, 7, 128, 0, 0, 0, 128, 0, 128, 128, 0])
        return _save(path.with_suffix(".png"), picture)
    if kind == "maxval":
        path.with_suffix(".pgm").write_bytes(b"P5 24 24 4\n" + grey.tobytes())
        return path.with_suffix(".pgm")
    if kind == "jp2":
        return _save(path.with_suffix(".jp2"), Image.fromarray(grey), irreversible=False)
    if kind == "rgb":
        return _save(path.with_suffix(".png"), Image.fromarray(np.dstack([grey] * 3)))
    if kind == "opaque":
        opaque = np.dstack([grey] * 3 + [np.full_like(grey, 200)])
        return _save(path.with_suffix(".png"), Image.fromarray(opaque))
    dtype = {"16": np.uint16, "float": np.float32, "grey": np.uint8}[kind]
    return _save(path.with_suffix(".tif"), Image.fromarray(codes.astype(dtype)))


KINDS = ("palette", "maxval", "jp2", "rgb", "opaque", "16", "float", "grey")


@settings(deadline=None, max_examples=30)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 99), classes=st.integers(1, 4))
def test_stored_values_are_kept_however_they_are_stored(
    tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int, classes: int
) -> None:
    codes = np.random.default_rng(seed).integers(0, classes, (24, 24))
    path = _write_mask(tmp_path_factory.mktemp("masks") / "m", codes, kind)
    values = read_mask_values(path)
    assert values.dtype == np.int64
    assert np.array_equal(values, codes)
    counts = np.bincount(codes.ravel())
    expected = {str(n): int(count) for n, count in enumerate(counts) if count}
    assert json.loads(examine_mask(path)["values"]) == expected


def test_white_is_255_in_1_bit_masks(tmp_path: Path) -> None:
    """So that masks of 1 and of 8 bits have the same values."""
    for suffix in ("png", "tif", "pbm"):
        path = _save(tmp_path / f"m.{suffix}", Image.fromarray(BLOB))
        assert np.array_equal(read_mask_values(path), BLOB * 255)


@pytest.mark.parametrize("colour", [0, 255])
def test_opacity_is_the_mask_where_the_colour_is_constant(tmp_path: Path, colour: int) -> None:
    rgba = np.full((24, 24, 4), colour, np.uint8)
    rgba[..., 3] = BLOB * 255
    path = _save(tmp_path / "m.png", Image.fromarray(rgba))
    assert np.array_equal(read_mask_values(path), BLOB * 255)
    assert examine_mask(path)["kind"] == "alpha"
    rgba[~BLOB, :3] = RNG.integers(0, 256, ((~BLOB).sum(), 3))  # hidden by alpha
    path = _save(tmp_path / "m.png", Image.fromarray(rgba))
    assert np.array_equal(read_mask_values(path), BLOB * 255)
    rgba[..., 3] = 0
    rgba[..., :3] = colour
    path = _save(tmp_path / "empty.png", Image.fromarray(rgba))
    assert not read_mask_values(path).any()


def test_grey_with_opacity_follows_the_same_rule(tmp_path: Path) -> None:
    pair = np.dstack([np.full(BLOB.shape, 255), BLOB * 128]).astype(np.uint8)
    path = _save(tmp_path / "m.png", Image.fromarray(pair))
    assert np.array_equal(read_mask_values(path), BLOB * 128)
    grey = _save(tmp_path / "t.png", Image.fromarray(BLOB.astype(np.uint8) * 9), transparency=0)
    assert np.array_equal(read_mask_values(grey), BLOB * 255)


def test_colours_and_opacity_that_both_vary_are_refused(tmp_path: Path) -> None:
    rgba = np.full((24, 24, 4), 255, np.uint8)
    rgba[:5, :, 3] = 0
    rgba[BLOB, :3] = 0
    path = _save(tmp_path / "m.png", Image.fromarray(rgba))
    with pytest.raises(BenchbedError, match=r"m\.png\b.*transparency"):
        read_mask_values(path)


def test_colours_are_packed(tmp_path: Path) -> None:
    rgb = np.where(BLOB[..., None], (0x12, 0x34, 0x56), (255, 255, 255)).astype(np.uint8)
    path = _save(tmp_path / "m.png", Image.fromarray(rgb))
    assert np.array_equal(read_mask_values(path), np.where(BLOB, 0x123456, 0xFFFFFF))
    assert examine_mask(path)["kind"] == "colour"


def test_floats_near_integers_are_these(tmp_path: Path) -> None:
    near = Image.fromarray(np.where(BLOB, 0.9999999, 1e-7).astype(np.float32))
    assert np.array_equal(read_mask_values(_save(tmp_path / "m.tif", near)), BLOB)


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf, 1e30])
def test_floats_that_are_no_classes_are_refused(tmp_path: Path, wrong: float) -> None:
    values = BLOB.astype(np.float32)
    values[0, 0] = wrong
    path = _save(tmp_path / "m.tif", Image.fromarray(values))
    for read in (read_mask_values, examine_mask):
        with pytest.raises(BenchbedError, match=r"m\.tif\b"):
            read(path)


def test_masks_of_all_pages_are_counted(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((3, 4), n, np.uint8)) for n in range(7)]
    pages[0].save(tmp_path / "m.tif", save_all=True, append_images=pages[1:])
    path = tmp_path / "m.tif"
    assert count_pages(path) == 7
    for page in range(7):
        assert (read_mask_values(path, page) == page).all()
    facts = examine_mask(path)
    assert (facts["shape"], facts["pages"]) == ("3x4", "7")
    assert json.loads(facts["values"]) == {str(n): 12 for n in range(7)}


def test_too_many_values_are_not_listed(tmp_path: Path) -> None:
    values = np.arange(4097, dtype=np.uint16).reshape(241, 17)
    assert examine_mask(_save(tmp_path / "m.png", Image.fromarray(values)))["values"] == "many"
    values[0, 0] = 1
    facts = examine_mask(_save(tmp_path / "m.png", Image.fromarray(values)))
    assert len(json.loads(facts["values"])) == 4096
