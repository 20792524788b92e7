"""Invalid data: damaged and unusual images, masks and volumes.

Each is read correctly, or rejected with a message that names the file.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from benchbed.api.dataset import VolumeSpec
from benchbed.api.specs import DatasetSpec
from benchbed.data.io.decode import read_stored_size
from benchbed.data.io.images import read_image, read_mask_values
from benchbed.data.io.volumes import read_label_volume, read_volume
from benchbed.data.preprocessing.framing import (
    compute_window,
    crop_window,
    resize_image,
    resize_mask,
)
from benchbed.data.preprocessing.native_cases import read_native_case
from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.preprocessing.volume_cases import build_volume_arrays
from benchbed.data.sources.cases import Case
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection
from benchbed.data.sources.rules import ReadingRules
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

Run = Callable[..., "subprocess.CompletedProcess[str]"]
CountAttempt = Callable[..., None]

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
VOXELS = RNG.random((5, 6, 7)).astype(np.float32)
IDENTITY = np.eye(4)
LEFT_BACK = np.diag([-1.0, -1, 1, 1])


def _png_header(width: int, height: int) -> bytes:
    """Return a PNG whose header states this size, with few pixels and a valid checksum."""
    fields = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0)
    return PNG[:12] + fields + struct.pack(">I", zlib.crc32(fields)) + PNG[33:]


def _encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _error_message(read: Callable[..., object], path: Path, *args: object) -> str:
    with pytest.raises(BenchbedError) as caught:
        read(path, *args)
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    return text


PNG = _encode(Image.fromarray(RGB), "PNG")

BROKEN = {
    "zero bytes": b"",
    "text": b"not an image",
    "header only": PNG[:33],
    "half of the file": PNG[: len(PNG) // 2],
    "missing last row": PNG[: PNG.index(b"IEND") - 60],
    "HTML": b"<html><body>404</body></html>",
    "PostScript, which would start a program": b"%!PS-Adobe-3.0 EPSF-3.0\n"
    b"%%BoundingBox: 0 0 9 9\n%%EndComments\n9 9 scale\n",
    "bomb of 900 million pixels": _png_header(30_000, 30_000),
    "bomb of 100 million pixels": _png_header(10_000, 10_000),
    "all NaN": _encode(
        Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"
    ),
}  # fmt: skip


@pytest.mark.attack(
    guarantee="An undecodable file is rejected with a message that names it.",
    attack="images and masks that are empty, truncated, bombs or not images, plain and gzipped",
)
def test_broken_images(tmp_path: Path, count_attempt: CountAttempt) -> None:
    for kind, content in BROKEN.items():
        path = tmp_path / "broken.png"
        path.write_bytes(content)
        gzipped = tmp_path / "broken.ppm.gz"
        gzipped.write_bytes(gzip.compress(content))
        for broken in (path, gzipped):
            _error_message(read_image, broken, 3)
            _error_message(read_mask_values, broken)
        count_attempt(kind, 4)
    (tmp_path / "cut.ppm.gz").write_bytes(gzip.compress(PNG)[:-9])
    _error_message(read_stored_size, tmp_path / "cut.ppm.gz")
    count_attempt("truncated gzip")


SIXTEEN = (RGB[..., 0].astype(np.uint16) * 200)  # fmt: skip
ROTATED = Image.Exif()
ROTATED[0x0112] = 6
FRAMES = [Image.fromarray(RGB).convert("P"), Image.fromarray(255 - RGB).convert("P")]

UNUSUAL = {
    "PNG named .jpg": ("a.jpg", PNG, (20, 30)),
    "WebP named .png": ("a.png", _encode(Image.fromarray(RGB), "WEBP"), (20, 30)),
    "16 bits": ("a.png", _encode(Image.fromarray(SIXTEEN), "PNG"), (20, 30)),
    "16 bits, big-endian": (
        "a.tif", _encode(Image.frombytes("I;16B", (30, 20), SIXTEEN.byteswap().tobytes()), "TIFF"),
        (20, 30),
    ),
    "CMYK": ("a.jpg", _encode(Image.fromarray(RGB).convert("CMYK"), "JPEG"), (20, 30)),
    "palette with transparency": (
        "a.png", _encode(Image.fromarray(RGB).convert("P"), "PNG", transparency=3), (20, 30)
    ),
    "LAB": ("a.tif", _encode(Image.new("LAB", (30, 20), (99, 9, 9)), "TIFF"), (20, 30)),
    "animated": (
        "a.gif", _encode(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), (20, 30)
    ),
    "rotated by EXIF": (
        "a.png", _encode(Image.fromarray(RGB), "PNG", exif=ROTATED), (30, 20)
    ),
    "one pixel": ("a.png", _encode(Image.new("RGB", (1, 1), (9, 9, 9)), "PNG"), (1, 1)),
    "one row of 30,000": ("a.png", _encode(Image.new("L", (30_000, 1), 9), "PNG"), (1, 30_000)),
    "all zero": ("a.png", _encode(Image.new("RGB", (30, 20)), "PNG"), (20, 30)),
    "floats with NaN and infinity": (
        "a.tif",
        _encode(Image.fromarray(np.float32([[np.nan, 0, 1], [np.inf, -np.inf, 2]])), "TIFF"),
        (2, 3),
    ),
}  # fmt: skip


@pytest.mark.attack(
    guarantee="Images of every mode and size are read correctly.",
    attack="wrong suffix, 16 bits, CMYK, palette, animated, rotated by EXIF, one pixel, one row",
)
def test_unusual_images(tmp_path: Path, count_attempt: CountAttempt) -> None:
    """Reads one and three channels, and resizes to a square with every framing."""
    for kind, (name, content, shape) in UNUSUAL.items():
        path = tmp_path / name
        path.write_bytes(content)
        for channels in (1, 3):
            pixels = read_image(path, channels)
            assert pixels.shape == (*shape, channels), kind
            for framing in ("center", "pad", "stretch", "fov"):
                part = compute_window(shape, framing, np.zeros(shape, bool))  # type: ignore[arg-type]
                if part.height * part.width < 10**7:
                    square = resize_image(crop_window(pixels, part), 16)
                    assert square.shape == (16, 16, channels), kind
        count_attempt(kind)
    first = read_image(tmp_path / "a.gif", 3) if (tmp_path / "a.gif").exists() else None
    assert first is not None
    assert np.array_equal(first, np.asarray(FRAMES[0].convert("RGB")))


@pytest.mark.attack(
    guarantee="A mask is read correctly, or rejected with a message that names it.",
    attack="masks of one pixel, one value, 16 bits, with NaN, or of another size",
)
def test_unusual_masks(tmp_path: Path, count_attempt: CountAttempt) -> None:
    def save(name: str, picture: Image.Image) -> Path:
        picture.save(tmp_path / name)
        return tmp_path / name

    pixel = read_mask_values(save("1.png", Image.new("L", (1, 1), 255)))
    assert resize_mask(pixel > 0, 16).all()
    count_attempt("one pixel")
    empty = read_mask_values(save("0.png", Image.new("L", (30, 20))))
    assert not resize_mask(empty > 0, 16).any()
    count_attempt("empty")
    deep = Image.fromarray(np.where(RGB[..., 0] > 99, 60_000, 0).astype(np.uint16))
    values = read_mask_values(save("16.png", deep))
    assert np.array_equal(values, np.where(RGB[..., 0] > 99, 60_000, 0))
    count_attempt("16 bits")
    with_nan = np.ones((4, 4), np.float32)
    for value in (np.nan, np.inf):
        with_nan[0, 0] = value
        path = save("with_nan.tif", Image.fromarray(with_nan))
        assert "NaN" in _error_message(read_mask_values, path)
        count_attempt("NaN and infinity")
    image = save("image.png", Image.fromarray(RGB))
    mask = save("mask.png", Image.new("L", (30, 21)))
    case = Case("a", "train", "a", image, mask)
    spec = next(iter(get_registry().get_specs(DatasetSpec).values()))
    rules = ReadingRules(mask_levels={"mask": {0: 0}})
    with pytest.raises(BenchbedError, match=r"mask\.png\b.*30 x 21.*image\.png\b.*30 x 20"):
        read_native_case(case, spec, rules, channels=3, framing="center")
    count_attempt("another size")


def _save_volume(path: Path, values: npt.NDArray[Any], affine: npt.ArrayLike = IDENTITY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.asarray(affine)), path)
    return path


@pytest.mark.attack(
    guarantee="An invalid volume is rejected with a message that names it.",
    attack="volumes and masks that are truncated, empty, bombs, all zero, NaN or of one axis",
)
def test_broken_volumes(tmp_path: Path, count_attempt: CountAttempt) -> None:
    valid = _save_volume(tmp_path / "valid.nii", VOXELS).read_bytes()
    path = tmp_path / "broken.nii"
    for kind, content in {
        "zero bytes": b"",
        "PNG": PNG,
        "truncated": valid[:-40],
        "header only": valid[:352],
        "header of 8 billion voxels": valid[:42] + struct.pack("<3h", *[2000] * 3) + valid[48:],
    }.items():
        gzipped = tmp_path / "broken.nii.gz"
        path.write_bytes(content)
        gzipped.write_bytes(gzip.compress(content))
        for broken in (path, gzipped):
            _error_message(read_volume, broken)
            _error_message(read_label_volume, broken, {1: 1})
        count_attempt(kind, 4)
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(valid + bytes(2**22)))
    assert re.search(r"\b\d+ bytes\b", _error_message(read_volume, bomb))
    count_attempt("gzip larger than its header states")
    with_nan = VOXELS.copy()
    with_nan[1, 2, 3] = np.nan
    assert "NaN" in _error_message(read_volume, _save_volume(tmp_path / "nan.nii.gz", with_nan))
    count_attempt("NaN")
    zero = _error_message(
        read_volume, _save_volume(tmp_path / "zero.nii.gz", np.zeros_like(VOXELS))
    )
    assert re.search(r"\b0\b", zero)
    count_attempt("all zero")
    _error_message(read_volume, _save_volume(tmp_path / "flat.nii.gz", VOXELS[0, 0]))
    count_attempt("one axis")


RULES = ReadingRules(extent=(7.0, 7.0, 7.0))


def _spec() -> DatasetSpec:
    return DatasetSpec(
        name="mine", title="Mine", modality="MRI", licence="none", access_instructions="none",
        layouts=(),
        channels=1, volumes=VolumeSpec(sequences=("T1",), structures=("a",), framing="cube"),
    )  # fmt: skip


@pytest.mark.attack(
    guarantee="An invalid volume is rejected with a message that names it.",
    attack="singular and NaN affines, and masks in other positions",
)
def test_invalid_affines(tmp_path: Path, count_attempt: CountAttempt) -> None:
    image = _save_volume(tmp_path / "image.nii.gz", VOXELS, LEFT_BACK)
    codes = (VOXELS > 0.5).astype(np.uint8)
    flat = _save_volume(tmp_path / "flat.nii.gz", VOXELS)
    for kind, affine in {
        "singular affine": np.diag([0.0, 0, 0, 1]),
        "NaN affine": np.full((4, 4), np.nan),
    }.items():
        damaged = nibabel.load(flat)
        header = bytearray(gzip.decompress(flat.read_bytes()))
        header[252:256] = struct.pack("<2h", 0, 1)
        header[280:328] = struct.pack("<12f", *affine[:3].ravel())
        assert damaged.shape == VOXELS.shape
        path = tmp_path / "axes.nii"
        path.write_bytes(bytes(header))
        _error_message(read_volume, path)
        count_attempt(kind)
    for kind, affine in {
        "mask of another direction": np.eye(4),
        "mask of another spacing": np.diag([-2.0, -1, 1, 1]),
        "mask at another position": np.asarray(
            [[-1, 0, 0, 9], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]
        ),
    }.items():
        mask = _save_volume(tmp_path / "mask.nii.gz", codes, affine)
        with pytest.raises(BenchbedError, match=r"mask\.nii\.gz\b.*\d voxels.*image\.nii\.gz"):
            build_volume_arrays(Case("a", "train", "a", image, mask), _spec(), RULES, 16)
        count_attempt(kind)
    flipped = np.diag([1.0, -1, 1, 1])
    flipped[0, 3] = 1 - len(VOXELS)
    masks = (
        _save_volume(tmp_path / "flipped.nii.gz", codes[::-1], flipped),
        _save_volume(tmp_path / "as-image.nii.gz", codes, LEFT_BACK),
    )
    one, other = (
        build_volume_arrays(Case("a", "train", "a", image, m), _spec(), RULES, 16) for m in masks
    )
    assert np.array_equal(one["mask"], other["mask"])
    count_attempt("mask in reversed voxel order, accepted")
    slices = [
        _save_volume(tmp_path / f"{n}.nii.gz", v[..., 0]) for n, v in (("i", VOXELS), ("m", codes))
    ]
    for path in slices:
        header = bytearray(gzip.decompress(path.read_bytes()))
        header[252:256] = struct.pack("<2h", 0, 1)
        header[280:328] = struct.pack("<12f", *[np.nan] * 12)
        path.write_bytes(gzip.compress(bytes(header)))
    assert build_volume_arrays(Case("a", "train", "a", *slices), _spec(), RULES, 16)["image"].any()
    count_attempt("2-D slices with NaN headers, accepted")


def _save_images(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.mark.attack(
    guarantee="Every file of a data folder is used or named; none is ignored silently.",
    attack="dangling links, link loops, pipes, non-UTF-8 names, missing masks, equal names",
)
def test_unusual_folders(tmp_path: Path, count_attempt: CountAttempt) -> None:
    for kind, make in {
        "dangling link": lambda p: p.symlink_to("nowhere.png"),
        "link to itself": lambda p: p.symlink_to(p.name),
        "pipe": os.mkfifo,
        "link to a folder's device": lambda p: p.symlink_to("/dev/null"),
    }.items():
        folder = _save_images(tmp_path / kind.replace(" ", "-"), "a.png", "b.png", "c.png", "d.png")
        make(folder / "odd.png")
        with pytest.raises(BenchbedError, match=r"odd\.png\b.*--skip-bad"):
            identify_collection(resolve_collection(f"folder:{folder}"))
        left, _ = identify_collection(resolve_collection(f"folder:{folder}"), skip_bad=True)
        assert len(left.cases) == 4
        count_attempt(kind)
    loop = _save_images(tmp_path / "loop", "a.png", "b.png")
    (loop / "again").symlink_to(loop)
    assert len(resolve_collection(f"folder:{loop}").cases) == 2
    count_attempt("loop of folders")
    (loop / os.fsdecode(b"\xff.png")).write_bytes(PNG)
    with pytest.raises(BenchbedError, match=r"udcff\.png\b.*UTF-8"):
        resolve_collection(f"folder:{loop}")
    count_attempt("non-UTF-8 name")
    equal_names = _save_images(tmp_path / "equal_names", "a.png", "a.jpg", "A.bmp")
    assert len({case.id for case in resolve_collection(f"folder:{equal_names}").cases}) == 3
    count_attempt("equal names")
    masked = _save_images(tmp_path / "masked/images", "a.png", "b.png").parent
    _save_images(masked / "masks", "a.png")
    with pytest.raises(BenchbedError, match=r"\b1 of 2\b.*images/b\.png"):
        resolve_collection(f"folder:{masked}")
    count_attempt("missing mask")


@pytest.mark.attack(
    guarantee="Every file of a data folder is used or named; none is ignored silently.",
    attack="names in other scripts, with newlines and quotes, of 255 bytes, in deep folders",
)
def test_unusual_file_names(tmp_path: Path, count_attempt: CountAttempt) -> None:
    names = (
        "日本語 網膜.png", "Ärzte–é.png", "a\nb.png", "'\"$(id)`.png", "[red]{id}.png", "-rf.png",
        "\u202egnp.png", f"{'x' * 251}.png", f"{'é' * 125}.png", "%s%n.png", "<script>.png",
    )  # fmt: skip
    folder = _save_images(tmp_path / "many", *names)
    inner = folder.joinpath(*["d" * 90] * 10)
    _save_images(inner)
    for name in names:
        (folder / name).rename(inner / name)
    Image.fromarray(RGB).save(inner / "deep.png")
    collection, fingerprint = identify_collection(resolve_collection(f"folder:{folder}"))
    ready = prepare_dataset(
        collection, fingerprint, size=16, channels=3, framing="center", derived={}
    )
    ids = {identity for split in ready.splits.values() for identity in split.ids}
    assert ids == {case.id for case in collection.cases}
    assert len(ids) == len(names) + 1
    count_attempt("", len(names) + 1)


INDEX_CHANGES: tuple[dict[str, object], ...] = (
    {"ids": ["a", "b"]}, {"ids": "abc"}, {"ids": [1, 2, 3]}, {"ids": None}, {"arrays": []},
    {"arrays": ["image", "mask"]}, {"arrays": ["image", "../image"]}, {"arrays": "image"},
    {"splits": {"train": [0, 4]}}, {"splits": {"train": [-1, 3]}}, {"splits": {"train": [2, 1]}},
    {"splits": {"train": 3}}, {"splits": {"train": [0, 1.5]}}, {"splits": [0, 3]},
)  # fmt: skip


def _change_index(arrays: Path, change: dict[str, object]) -> bytes:
    return json.dumps({**json.loads((arrays / "index.json").read_text()), **change}).encode()


def _npy_bytes(value: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, value)
    return file.getvalue()


@pytest.mark.attack(
    guarantee="Damaged cache files are reported or recomputed.",
    attack="cached arrays, indexes, file facts and features that are truncated or invalid",
)
def test_damaged_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count_attempt: CountAttempt
) -> None:
    from benchbed.metrics.features.cache import _read_array

    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    folder = _save_images(tmp_path / "mine", "a.png", "b.png", "c.png")

    def prepare_again() -> object:
        collection, fingerprint = identify_collection(resolve_collection(f"folder:{folder}"))
        return prepare_dataset(
            collection, fingerprint, size=16, channels=3, framing="center", log=messages.append
        )

    messages: list[str] = []
    prepare_again()
    assert not messages
    for facts in (tmp_path / "cache/index").glob("*.json"):
        for content in ("", "[]", "{", '{"a": 1}', '{"a": {}}', "[" * 10_000):
            facts.write_text(content)
            prepare_again()
            count_attempt("file facts")
    (arrays,) = [path for path in (tmp_path / "cache/prepared").iterdir() if path.is_dir()]
    for name, contents in {
        "index.json": (
            b"", b"[]", b"{", b"[" * 10_000, b"\xff", b"{}", b'{"arrays": 5}', b"null",
            *(_change_index(arrays, change) for change in INDEX_CHANGES),
        ),
        "image.npy": (
            b"", b"\x93NUMPY", (arrays / "image.npy").read_bytes()[:-1], PNG,
            *map(_npy_bytes, (np.zeros((2, 3, 16, 16), np.uint8), np.zeros((), np.uint8))),
        ),
    }.items():  # fmt: skip
        whole = (arrays / name).read_bytes()
        for content in contents:
            (arrays / name).write_bytes(content)
            messages.clear()
            prepare_again()
            assert len(messages) == 1
            assert str(arrays) in messages[0]
            assert (arrays / name).read_bytes() == whole
            count_attempt(name)
    features = tmp_path / "features.npy"
    for content in (b"", b"\x93NUMPY\x01\x00", whole, PNG):
        features.write_bytes(content)
        assert _read_array(features, 3) is None
        count_attempt("features")
    np.save(features, np.ones((3, 5), np.float32))
    assert np.array_equal(_read_array(features, 3), np.ones((3, 5)))  # type: ignore[arg-type]
    assert _read_array(features, 4) is None


@pytest.mark.attack(
    guarantee="An undecodable file is rejected with a message that names it.",
    attack="broken files and wrong arguments on the command line",
)
def test_the_command_line_reports_broken_files_in_one_message(
    cli: Run, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    run = ("run", "--method", "dcgan", "--size", "32", "--kimg", "0.1")
    _save_images(tmp_path / "mine", "a.png", "b.png")
    _save_images(tmp_path / "fakes", "a.png")
    (tmp_path / "mine/bomb.png").write_bytes(BROKEN["bomb of 900 million pixels"])
    (tmp_path / "mine/link.png").symlink_to("nowhere")
    _save_volume(tmp_path / "vols/images/a.nii.gz", np.zeros((4, 4, 4), np.float32))
    (tmp_path / "deep.yaml").write_text("settings: " + "[" * 5000)
    (tmp_path / "tag.yaml").write_text("batch_size: !!python/object/apply:os.system ['touch hit']")
    for arguments, facts in (
        ((*run, "--dataset", "folder:mine"), ("bomb.png", "1 more", "--skip-bad")),
        (("evaluate", "--real", "mine", "--fake", "fakes"), ("bomb.png",)),
        (("run", "--method", "pix2pix-3d", "--dataset", "nifti:vols"), ("a.nii.gz", " 0")),
        (("suite", "deep.yaml"), ("deep.yaml",)),
        (("suite", "tag.yaml"), ("tag.yaml", "python/object/apply:os.system")),
        ((*run, "--dataset", "fundus", "--set", "learning_rate=nan"), ("learning_rate", "nan")),
        ((*run[:-1], "inf", "--dataset", "fundus"), ("kimg", "inf")),
        ((*run, "--dataset", "fundus", "--seed", str(2**70)), ("seed", str(2**70))),
    ):  # fmt: skip
        result = cli(*arguments)
        assert result.returncode == 2, (arguments, result.stderr)
        assert "Traceback" not in result.stderr
        for fact in facts:
            assert fact in result.stderr, (arguments, result.stderr)
        count_attempt()
    assert not (tmp_path / "hit").exists()
    assert not (tmp_path / "results").exists()
    assert json.loads(cli("list", "runs", "--json").stdout) == []
