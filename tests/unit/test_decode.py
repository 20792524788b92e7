"""Formats, depths and pages of image files."""

from __future__ import annotations

import zlib
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchbed.api.dataset import IMAGE_SUFFIXES
from benchbed.data.io import decode, image_files
from benchbed.data.io.decode import read_stored_size
from benchbed.data.io.images import count_pages, examine_image, read_image
from benchbed.errors import BenchbedError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
RAMP = np.arange(600).reshape(20, 30)
WINDOW = (0.0, 599.0)


def _write_tiff(path: Path, values: npt.NDArray[Any], **options: Any) -> Path:
    tifffile.imwrite(path, values, **options)
    return path


def _write_png(path: Path, values: npt.NDArray[np.uint16]) -> Path:
    """Write 16-bit channels, for which Pillow has no mode."""
    height, width, channels = values.shape
    colour_type = {2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", sorted(set(IMAGE_SUFFIXES)))
def test_every_suffix_is_decoded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    mode = {".pgm": "L", ".pbm": "1"}.get(suffix, "RGB")
    Image.fromarray(RGB).convert(mode).save(path)
    assert read_image(path, 3).shape == RGB.shape
    assert read_stored_size(path) == (30, 20)


@pytest.mark.parametrize("suffix", [".eps", ".pdf", ".ico"])
def test_formats_that_are_not_listed_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(path)
    with pytest.raises(BenchbedError, match=rf"a\{suffix}\b"):
        read_image(path, 3)


def test_text_with_the_suffix_of_another_format_is_no_tga(tmp_path: Path) -> None:
    """TGA has no signature, so that nearly any bytes could be one."""
    Image.fromarray(RGB).save(tmp_path / "a.tga")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.tga").read_bytes())
    with pytest.raises(BenchbedError, match=r"a\.png\b"):
        read_image(tmp_path / "a.png", 3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    dtype=st.sampled_from(
        ["u1", "u2", ">u2", "u4", "u8", "i1", "i2", "i4", "f2", "f4", "f8", "bool"]
    ),
    compression=st.sampled_from([None, "zlib"]),
    data=st.data(),
)
def test_white_is_zero_is_the_negative_in_every_depth(
    tmp_path: Path, dtype: str, compression: str | None, data: st.DataObject
) -> None:
    count = 2 if dtype == "bool" else 100
    grey = data.draw(st.lists(st.integers(0, count - 1), min_size=12, max_size=12))
    values = np.asarray(grey).reshape(3, 4).astype(dtype.lstrip(">"))
    values.flat[0], values.flat[1] = 0, count - 1
    order = ">" if dtype.startswith(">") else "<"
    options: Any = {"compression": compression, "byteorder": order}
    black = _write_tiff(tmp_path / "b.tif", values, photometric="minisblack", **options)
    white = _write_tiff(tmp_path / "w.tif", values, photometric="miniswhite", **options)
    facts = examine_image(black), examine_image(white)
    assert facts[0]["bits"] == facts[1]["bits"]
    spans = [float(fact["high"]) - float(fact["low"]) for fact in facts]
    if dtype != "u8":  # values near 2**64 lose digits as floats
        assert spans[0] == spans[1]
        total = read_image(black, 1).astype(int) + read_image(white, 1)
        assert np.abs(total - 255).max() <= 1


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [("u2", "16"), ("i2", "16"), ("u4", "32"), ("i4", "32"), ("f4", "32f"), ("f8", "64f")],
)
def test_deep_grey_is_exact_with_a_window(tmp_path: Path, dtype: str, bits: str) -> None:
    path = _write_tiff(tmp_path / "a.tif", RAMP.astype(dtype), photometric="minisblack")
    expected = np.round(RAMP / 599 * 255)
    assert np.array_equal(read_image(path, 1, WINDOW)[..., 0], expected)
    assert examine_image(path)["bits"] == bits


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("kind", ["png", "tif", "zlib", "planar", ">tif"])
def test_colours_of_16_bits_keep_all_bits(tmp_path: Path, kind: str, alpha: bool) -> None:
    """Pillow keeps the high bytes: values from 0 to 599 would have three levels."""
    values = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=-1).astype(np.uint16)
    stored = np.dstack([values, np.full_like(values[..., :1], 65535)]) if alpha else values
    options: dict[str, Any] = {"extrasamples": ["unassalpha"] if alpha else None}
    if kind == "png":
        path = _write_png(tmp_path / "a.png", stored)
    elif kind == "planar":
        options["planarconfig"] = "separate"
        path = _write_tiff(
            tmp_path / "a.tif", stored.transpose(2, 0, 1), photometric="rgb", **options
        )
    else:
        options["compression"] = "zlib" if kind == "zlib" else None
        options["byteorder"] = ">" if kind.startswith(">") else "<"
        path = _write_tiff(tmp_path / "a.tif", stored, photometric="rgb", **options)
    assert np.array_equal(read_image(path, 3, WINDOW), np.round(values / 599 * 255))
    facts = examine_image(path)
    assert (facts["bits"], facts["channels"], facts["high"]) == ("16", "3", "599")


def test_grey_of_16_bits_is_blended_with_black(tmp_path: Path) -> None:
    opacity = np.where(RAMP > 299, 65535, 0)
    path = _write_png(tmp_path / "a.png", np.dstack([RAMP, opacity]).astype(np.uint16))
    expected = np.where(RAMP > 299, np.round(RAMP / 599 * 255), 0)
    assert np.array_equal(read_image(path, 1, WINDOW)[..., 0], expected)
    assert examine_image(path)["channels"] == "1"


def test_signed_bytes_do_not_wrap(tmp_path: Path) -> None:
    path = _write_tiff(tmp_path / "a.tif", (RAMP % 60 - 30).astype(np.int8))
    assert examine_image(path)["low"] == "-30"
    assert read_image(path, 1, (-30, 29))[0, 0, 0] == 0


@pytest.mark.parametrize("channels", [2, 5])
def test_channels_of_no_known_colour_are_refused(tmp_path: Path, channels: int) -> None:
    path = _write_tiff(
        tmp_path / "a.tif",
        np.dstack([RGB[..., 0]] * channels),
        photometric="minisblack",
        planarconfig="contig",
    )
    with pytest.raises(BenchbedError, match=rf"a\.tif\b.*\b{channels} channels"):
        read_image(path, 1)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_tiff_pages_are_turned_upright(tmp_path: Path, dtype: str, compression: str | None) -> None:
    """Where the first row and column of the stored pixels are, is TIFF's Orientation, 1 to 8."""
    stored = RAMP.astype(dtype)
    turned = stored.T
    upright = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: turned, 6: turned[:, ::-1], 7: turned[::-1, ::-1], 8: turned[::-1],
    }  # fmt: skip
    for orientation, expected in upright.items():
        tags = [(274, 3, 1, orientation, True)]
        path = _write_tiff(tmp_path / "a.tif", stored, extratags=tags, compression=compression)
        pixels = read_image(path, 1, (0, 255))[..., 0]
        assert np.array_equal(pixels, expected.clip(0, 255)), orientation


def test_every_page_of_a_tiff_is_read(tmp_path: Path) -> None:
    """Also stacks whose pages differ in depth."""
    pages = [RGB[..., 0], RGB[..., 1].astype(np.float64), RGB[..., 2].astype(np.uint16)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for values in pages:
            writer.write(values, photometric="minisblack")
    path = tmp_path / "a.tif"
    assert count_pages(path) == 3
    for number, values in enumerate(pages):
        assert np.array_equal(read_image(path, 1, (0, 255), page=number)[..., 0], values)
    assert np.array_equal(read_image(path, 1), read_image(path, 1, page=0))
    for number in (3, -1):
        with pytest.raises(BenchbedError, match=r"a\.tif\b.*\b3 pages"):
            read_image(path, 1, page=number)


def test_thumbnails_are_no_pages(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(RGB, photometric="rgb")
        writer.write(RGB[::4, ::4], photometric="rgb", subfiletype=1)
        writer.write(255 - RGB, photometric="rgb")
    path = tmp_path / "a.tif"
    assert count_pages(path) == 2
    assert np.array_equal(read_image(path, 3, page=1), 255 - RGB)


def test_pages_that_imagej_does_not_list_are_refused(tmp_path: Path) -> None:
    note = "ImageJ=1.53\nimages=7\nslices=7\n"
    path = _write_tiff(tmp_path / "a.tif", RGB, description=note, metadata=None)
    with pytest.raises(BenchbedError, match=r"a\.tif\b.*\b7 pages"):
        count_pages(path)


def test_an_animation_is_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(RGB).convert("P"), Image.fromarray(255 - RGB).convert("P")]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert count_pages(tmp_path / name) == 1
        facts = examine_image(tmp_path / name)
        assert (facts["pages"], facts["frames"]) == ("1", "2")
        whole = read_image(tmp_path / name, 3)
        assert np.array_equal(read_image(tmp_path / name, 3, page=5), whole)


def test_a_page_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever library would decode it."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for length, dtype in ((20, np.uint8), (40, np.uint8), (50, np.float64)):
            writer.write(np.zeros((length, length), dtype), photometric="minisblack")
    for module in (decode, image_files):
        monkeypatch.setattr(module, "MAX_PIXELS", 500)
    assert read_image(tmp_path / "a.tif", 1, page=0).shape == (20, 20, 1)
    for page, length in ((1, 40), (2, 50)):
        with pytest.raises(BenchbedError, match=rf"a\.tif\b.*pixels.*\b{length}\b"):
            read_image(tmp_path / "a.tif", 1, page=page)
