"""Bad data: pictures, masks and volumes that are not what they should be.

Each is taken for what it shows, or refused in one sentence that names the file.
"""

from __future__ import annotations

import gzip
import io
import json
import os
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
from benchbed.data.io.images import read_image, read_image_size, read_mask
from benchbed.data.io.volumes import read_label_volume, read_volume
from benchbed.data.preprocessing.framing import (
    compute_window,
    crop_window,
    resize_image,
    resize_mask,
)
from benchbed.data.preprocessing.native_cases import read_native_case
from benchbed.data.preprocessing.prepare import identify_collection, prepare_dataset
from benchbed.data.preprocessing.volume_cases import build_volume_arrays
from benchbed.data.sources.cases import Case
from benchbed.data.sources.resolve import resolve_collection, resolve_dataset_spec
from benchbed.errors import BenchbedError

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Tried = Callable[..., None]

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
VOXELS = RNG.random((5, 6, 7)).astype(np.float32)
IDENTITY = np.eye(4)
LEFT_BACK = np.diag([-1.0, -1, 1, 1])


def _head(width: int, height: int) -> bytes:
    """A PNG that says this size, with a right checksum and hardly a pixel."""
    fields = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0)
    return PNG[:12] + fields + struct.pack(">I", zlib.crc32(fields)) + PNG[33:]


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _refusal(read: Callable[..., object], path: Path, *more: object) -> str:
    with pytest.raises(BenchbedError) as caught:
        read(path, *more)
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    return text


PNG = _encoded(Image.fromarray(RGB), "PNG")

BROKEN = {
    "zero bytes": b"",
    "a word": b"no picture",
    "a head alone": PNG[:33],
    "cut in the middle": PNG[: len(PNG) // 2],
    "without its last row": PNG[: PNG.index(b"IEND") - 60],
    "a text page": b"<html><body>404</body></html>",
    "PostScript, whose reader starts a program": b"%!PS-Adobe-3.0 EPSF-3.0\n"
    b"%%BoundingBox: 0 0 9 9\n%%EndComments\n9 9 scale\n",
    "a bomb of 900 million pixels": _head(30_000, 30_000),
    "a bomb of 100 million pixels": _head(10_000, 10_000),
    "no pixel is a number": _encoded(
        Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"
    ),
}  # fmt: skip


@pytest.mark.attack(
    promise="A file that does not decode is refused in one sentence that names it.",
    attack="pictures and masks that are empty, cut, bombs, or no pictures, plain and packed",
)
def test_broken_pictures(tmp_path: Path, tried: Tried) -> None:
    for kind, content in BROKEN.items():
        path = tmp_path / "broken.png"
        path.write_bytes(content)
        packed = tmp_path / "broken.ppm.gz"
        packed.write_bytes(gzip.compress(content))
        for place in (path, packed):
            _refusal(read_image, place, 3)
            _refusal(read_mask, place)
        tried(kind, 4)
    (tmp_path / "cut.ppm.gz").write_bytes(gzip.compress(PNG)[:-9])
    _refusal(read_image_size, tmp_path / "cut.ppm.gz")
    tried("a packed one that is cut")


SIXTEEN = (RGB[..., 0].astype(np.uint16) * 200)  # fmt: skip
ROTATED = Image.Exif()
ROTATED[0x0112] = 6
FRAMES = [Image.fromarray(RGB).convert("P"), Image.fromarray(255 - RGB).convert("P")]

ODD = {
    "PNG named .jpg": ("a.jpg", PNG, (20, 30)),
    "WebP named .png": ("a.png", _encoded(Image.fromarray(RGB), "WEBP"), (20, 30)),
    "16 bits": ("a.png", _encoded(Image.fromarray(SIXTEEN), "PNG"), (20, 30)),
    "16 bits, big-endian": (
        "a.tif", _encoded(Image.frombytes("I;16B", (30, 20), SIXTEEN.byteswap().tobytes()), "TIFF"),
        (20, 30),
    ),
    "CMYK": ("a.jpg", _encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG"), (20, 30)),
    "palette with transparency": (
        "a.png", _encoded(Image.fromarray(RGB).convert("P"), "PNG", transparency=3), (20, 30)
    ),
    "LAB": ("a.tif", _encoded(Image.new("LAB", (30, 20), (99, 9, 9)), "TIFF"), (20, 30)),
    "animated": (
        "a.gif", _encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), (20, 30)
    ),
    "turned by its camera": (
        "a.png", _encoded(Image.fromarray(RGB), "PNG", exif=ROTATED), (30, 20)
    ),
    "one pixel": ("a.png", _encoded(Image.new("RGB", (1, 1), (9, 9, 9)), "PNG"), (1, 1)),
    "one row of 30,000": ("a.png", _encoded(Image.new("L", (30_000, 1), 9), "PNG"), (1, 30_000)),
    "all zero": ("a.png", _encoded(Image.new("RGB", (30, 20)), "PNG"), (20, 30)),
    "floats with NaN and infinity": (
        "a.tif",
        _encoded(Image.fromarray(np.float32([[np.nan, 0, 1], [np.inf, -np.inf, 2]])), "TIFF"),
        (2, 3),
    ),
}  # fmt: skip


@pytest.mark.attack(
    promise="Pictures of every mode and size are read as what they show.",
    attack="wrong suffix, 16 bits, CMYK, palette, animated, turned, one pixel, one row",
)
def test_odd_pictures(tmp_path: Path, tried: Tried) -> None:
    """Read in one and three channels, and brought to a square of the run's size in every way."""
    for kind, (name, content, shape) in ODD.items():
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
        tried(kind)
    first = read_image(tmp_path / "a.gif", 3) if (tmp_path / "a.gif").exists() else None
    assert first is not None
    assert np.array_equal(first, np.asarray(FRAMES[0].convert("RGB")))


@pytest.mark.attack(
    promise="A mask is read as what it shows, or refused in one sentence that names it.",
    attack="masks of one pixel, of one value, of 16 bits, with NaN, of another size",
)
def test_odd_masks(tmp_path: Path, tried: Tried) -> None:
    def saved(name: str, picture: Image.Image) -> Path:
        picture.save(tmp_path / name)
        return tmp_path / name

    assert resize_mask(read_mask(saved("1.png", Image.new("L", (1, 1), 255))), 16).all()
    tried("one pixel")
    assert not resize_mask(read_mask(saved("0.png", Image.new("L", (30, 20)))), 16).any()
    tried("empty")
    deep = Image.fromarray(np.where(RGB[..., 0] > 99, 60_000, 0).astype(np.uint16))
    assert np.array_equal(read_mask(saved("16.png", deep)), RGB[..., 0] > 99)
    tried("16 bits")
    holes = np.ones((4, 4), np.float32)
    for value in (np.nan, np.inf):
        holes[0, 0] = value
        path = saved("holes.tif", Image.fromarray(holes))
        assert "no numbers" in _refusal(read_mask, path)
        tried("with pixels that are no numbers")
    image = saved("image.png", Image.fromarray(RGB))
    mask = saved("mask.png", Image.new("L", (30, 21)))
    case = Case("a", "train", "a", image, mask)
    with pytest.raises(BenchbedError, match=r"mask\.png is 30 x 21 .*image\.png is 30 x 20"):
        read_native_case(
            case, resolve_dataset_spec(f"folder:{tmp_path}"), channels=3, framing="center"
        )
    tried("another size")


def _volume(path: Path, values: npt.NDArray[Any], affine: npt.ArrayLike = IDENTITY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.asarray(affine)), path)
    return path


@pytest.mark.attack(
    promise="A volume that cannot be what it says is refused in one sentence that names it.",
    attack="volumes and masks that are cut, empty, bombs, all zero, without axes or numbers",
)
def test_broken_volumes(tmp_path: Path, tried: Tried) -> None:
    sound = _volume(tmp_path / "sound.nii", VOXELS).read_bytes()
    path = tmp_path / "broken.nii"
    for kind, content in {
        "zero bytes": b"",
        "a PNG": PNG,
        "cut": sound[:-40],
        "a head alone": sound[:352],
        "a header of 8 billion voxels": sound[:42] + struct.pack("<3h", *[2000] * 3) + sound[48:],
    }.items():
        packed = tmp_path / "broken.nii.gz"
        path.write_bytes(content)
        packed.write_bytes(gzip.compress(content))
        for place in (path, packed):
            _refusal(read_volume, place)
            _refusal(read_label_volume, place, {1: 1})
        tried(kind, 4)
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(sound + bytes(2**22)))
    assert "unpacks to more than" in _refusal(read_volume, bomb)
    tried("a packed file of more than its header says")
    holes = VOXELS.copy()
    holes[1, 2, 3] = np.nan
    assert "no numbers" in _refusal(read_volume, _volume(tmp_path / "nan.nii.gz", holes))
    tried("NaN")
    assert "nothing but the value 0" in _refusal(
        read_volume, _volume(tmp_path / "zero.nii.gz", np.zeros_like(VOXELS))
    )
    tried("all zero")
    _refusal(read_volume, _volume(tmp_path / "flat.nii.gz", VOXELS[0, 0]))
    tried("one axis")


def _spec() -> DatasetSpec:
    return DatasetSpec(
        name="mine", title="Mine", modality="MRI", licence="none", access_instructions="none", layouts=(),
        channels=1, volumes=VolumeSpec(sequences=("T1",), structures=("a",), framing="cube"),
    )  # fmt: skip


@pytest.mark.attack(
    promise="A volume that cannot be what it says is refused in one sentence that names it.",
    attack="affines without axes, of NaN, and masks and sequences that lie elsewhere",
)
def test_wrong_affines(tmp_path: Path, tried: Tried) -> None:
    image = _volume(tmp_path / "image.nii.gz", VOXELS, LEFT_BACK)
    codes = (VOXELS > 0.5).astype(np.uint8)
    flat = _volume(tmp_path / "flat.nii.gz", VOXELS)
    for kind, affine in {
        "without axes": np.diag([0.0, 0, 0, 1]),
        "of NaN": np.full((4, 4), np.nan),
    }.items():
        spoilt = nibabel.load(flat)
        header = bytearray(gzip.decompress(flat.read_bytes()))
        header[252:256] = struct.pack("<2h", 0, 1)
        header[280:328] = struct.pack("<12f", *affine[:3].ravel())
        assert spoilt.shape == VOXELS.shape
        path = tmp_path / "axes.nii"
        path.write_bytes(bytes(header))
        _refusal(read_volume, path)
        tried(kind)
    for kind, affine in {
        "mask of another direction": np.eye(4),
        "mask of another spacing": np.diag([-2.0, -1, 1, 1]),
        "mask elsewhere": np.asarray([[-1, 0, 0, 9], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    }.items():
        mask = _volume(tmp_path / "mask.nii.gz", codes, affine)
        with pytest.raises(BenchbedError, match=r"mask\.nii\.gz lies .* voxels away from .*image"):
            build_volume_arrays(Case("a", "train", "a", image, mask), _spec(), 16)
        tried(kind)
    turned = np.diag([1.0, -1, 1, 1])
    turned[0, 3] = 1 - len(VOXELS)
    masks = (
        _volume(tmp_path / "turned.nii.gz", codes[::-1], turned),
        _volume(tmp_path / "as-image.nii.gz", codes, LEFT_BACK),
    )
    one, other = (
        build_volume_arrays(Case("a", "train", "a", image, m), _spec(), 16) for m in masks
    )
    assert np.array_equal(one["mask"], other["mask"])
    tried("mask of the same place in another order, which is taken")
    slices = [
        _volume(tmp_path / f"{n}.nii.gz", v[..., 0]) for n, v in (("i", VOXELS), ("m", codes))
    ]
    for path in slices:
        header = bytearray(gzip.decompress(path.read_bytes()))
        header[252:256] = struct.pack("<2h", 0, 1)
        header[280:328] = struct.pack("<12f", *[np.nan] * 12)
        path.write_bytes(gzip.compress(bytes(header)))
    assert build_volume_arrays(Case("a", "train", "a", *slices), _spec(), 16)["image"].any()
    tried("slices of two axes, whose headers say nothing, and which are taken")


def _pictures(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.mark.attack(
    promise="What lies in a data folder is used, or named; nothing is lost in silence.",
    attack="dangling links, link loops, pipes, unreadable names, missing masks, equal names",
)
def test_odd_folders(tmp_path: Path, tried: Tried) -> None:
    for kind, make in {
        "dangling link": lambda p: p.symlink_to("nowhere.png"),
        "link to itself": lambda p: p.symlink_to(p.name),
        "pipe": os.mkfifo,
        "link to a folder's device": lambda p: p.symlink_to("/dev/null"),
    }.items():
        folder = _pictures(tmp_path / kind.replace(" ", "-"), "a.png", "b.png", "c.png", "d.png")
        make(folder / "odd.png")
        with pytest.raises(BenchbedError, match=r"odd\.png does not decode, for it .*--skip-bad"):
            identify_collection(resolve_collection(f"folder:{folder}"))
        left, _ = identify_collection(resolve_collection(f"folder:{folder}"), skip_bad=True)
        assert len(left.cases) == 4
        tried(kind)
    loop = _pictures(tmp_path / "loop", "a.png", "b.png")
    (loop / "again").symlink_to(loop)
    assert len(resolve_collection(f"folder:{loop}").cases) == 2
    tried("loop of folders")
    (loop / os.fsdecode(b"\xff.png")).write_bytes(PNG)
    with pytest.raises(BenchbedError, match=r"udcff\.png' is no UTF-8; rename it"):
        resolve_collection(f"folder:{loop}")
    tried("a name that is no text")
    twins = _pictures(tmp_path / "twins", "a.png", "a.jpg", "A.bmp")
    assert len({case.id for case in resolve_collection(f"folder:{twins}").cases}) == 3
    tried("equal names")
    masked = _pictures(tmp_path / "masked/images", "a.png", "b.png").parent
    _pictures(masked / "masks", "a.png")
    with pytest.raises(BenchbedError, match=r"1 of 2 images .*images/b\.png"):
        resolve_collection(f"folder:{masked}")
    tried("missing mask")


@pytest.mark.attack(
    promise="What lies in a data folder is used, or named; nothing is lost in silence.",
    attack="names of other scripts, with line ends and quotes, of 255 bytes, 900 characters deep",
)
def test_odd_names(tmp_path: Path, tried: Tried) -> None:
    names = (
        "日本語 網膜.png", "Ärzte–é.png", "a\nb.png", "'\"$(id)`.png", "[red]{id}.png", "-rf.png",
        "\u202egnp.png", f"{'x' * 251}.png", f"{'é' * 125}.png", "%s%n.png", "<script>.png",
    )  # fmt: skip
    folder = _pictures(tmp_path / "many", *names)
    deep = folder.joinpath(*["d" * 90] * 10)
    _pictures(deep)
    Image.fromarray(RGB).save(deep / "deep.png")
    collection, fingerprint = identify_collection(resolve_collection(f"folder:{folder}"))
    ready = prepare_dataset(
        collection, fingerprint, size=16, channels=3, framing="center", derived={}
    )
    ids = {identity for split in ready.splits.values() for identity in split.ids}
    assert ids == {case.id for case in collection.cases}
    assert len(ids) == len(names) + 1
    tried("", len(names) + 1)


INDEX_CHANGES: tuple[dict[str, object], ...] = (
    {"ids": ["a", "b"]}, {"ids": "abc"}, {"ids": [1, 2, 3]}, {"ids": None}, {"arrays": []},
    {"arrays": ["image", "mask"]}, {"arrays": ["image", "../image"]}, {"arrays": "image"},
    {"splits": {"train": [0, 4]}}, {"splits": {"train": [-1, 3]}}, {"splits": {"train": [2, 1]}},
    {"splits": {"train": 3}}, {"splits": {"train": [0, 1.5]}}, {"splits": [0, 3]},
)  # fmt: skip


def _changed_index(arrays: Path, change: dict[str, object]) -> bytes:
    return json.dumps({**json.loads((arrays / "index.json").read_text()), **change}).encode()


def _array(value: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, value)
    return file.getvalue()


@pytest.mark.attack(
    promise="What was prepared before and is damaged now is told, or computed again.",
    attack="cached arrays, indexes, facts and features that are cut, swapped or hostile",
)
def test_damaged_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Tried) -> None:
    from benchbed.metrics.features.cache import _read_array

    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    folder = _pictures(tmp_path / "mine", "a.png", "b.png", "c.png")

    def prepared() -> object:
        collection, fingerprint = identify_collection(resolve_collection(f"folder:{folder}"))
        return prepare_dataset(collection, fingerprint, size=16, channels=3, framing="center")

    prepared()
    for facts in (tmp_path / "cache/index").glob("*.json"):
        for content in ("", "[]", "{", '{"a": 1}', '{"a": {}}', "[" * 10_000):
            facts.write_text(content)
            prepared()
            tried("facts of files")
    (arrays,) = [path for path in (tmp_path / "cache/prepared").iterdir() if path.is_dir()]
    for name, contents in {
        "index.json": (
            b"", b"[]", b"{", b"[" * 10_000, b"\xff", b"{}", b'{"arrays": 5}', b"null",
            *(_changed_index(arrays, change) for change in INDEX_CHANGES),
        ),
        "image.npy": (
            b"", b"\x93NUMPY", (arrays / "image.npy").read_bytes()[:-1], PNG,
            *map(_array, (np.zeros((2, 3, 16, 16), np.uint8), np.zeros((), np.uint8))),
        ),
    }.items():  # fmt: skip
        whole = (arrays / name).read_bytes()
        for content in contents:
            (arrays / name).write_bytes(content)
            with pytest.raises(BenchbedError, match=r"are damaged .*remove that folder"):
                prepared()
            tried(name)
        (arrays / name).write_bytes(whole)
    features = tmp_path / "features.npy"
    for content in (b"", b"\x93NUMPY\x01\x00", whole, PNG):
        features.write_bytes(content)
        assert _read_array(features, 3) is None
        tried("features")
    np.save(features, np.ones((3, 5), np.float32))
    assert np.array_equal(_read_array(features, 3), np.ones((3, 5)))  # type: ignore[arg-type]
    assert _read_array(features, 4) is None


@pytest.mark.attack(
    promise="A file that does not decode is refused in one sentence that names it.",
    attack="broken files and wrong words at the command line: exit code 2, no traceback",
)
def test_the_command_line_says_it_in_a_sentence(cli: Run, tmp_path: Path, tried: Tried) -> None:
    words = ("run", "--method", "dcgan", "--size", "32", "--kimg", "0.1")
    _pictures(tmp_path / "mine", "a.png", "b.png")
    (tmp_path / "mine/bomb.png").write_bytes(BROKEN["a bomb of 900 million pixels"])
    (tmp_path / "mine/link.png").symlink_to("nowhere")
    _volume(tmp_path / "vols/images/a.nii.gz", np.zeros((4, 4, 4), np.float32))
    (tmp_path / "deep.yaml").write_text("settings: " + "[" * 5000)
    (tmp_path / "tag.yaml").write_text("batch_size: !!python/object/apply:os.system ['touch hit']")
    for asked, said in (
        ((*words, "--dataset", "folder:mine"), ("bomb.png has too many pixels", "1 more")),
        (("evaluate", "--real", "mine", "--fake", "mine"), ("bomb.png",)),
        (("run", "--method", "pix2pix-3d", "--dataset", "nifti:vols"), ("a.nii.gz", "nothing but")),
        (("suite", "deep.yaml"), ("deep.yaml is no YAML", "nested too deeply")),
        (("suite", "tag.yaml"), ("tag.yaml is no YAML", "python/object/apply:os.system")),
        ((*words, "--dataset", "fundus", "--set", "learning_rate=nan"), ("finite number",)),
        ((*words[:-1], "inf", "--dataset", "fundus"), ("kimg", "a number")),
        ((*words, "--dataset", "fundus", "--seed", str(2**70)), ("seed", "from 0 to")),
    ):  # fmt: skip
        answer = cli(*asked)
        assert answer.returncode == 2, (asked, answer.stderr)
        assert "Traceback" not in answer.stderr
        for word in said:
            assert word in answer.stderr, (asked, answer.stderr)
        tried()
    assert not (tmp_path / "hit").exists()
    assert not (tmp_path / "results").exists()
    assert json.loads(cli("list", "runs", "--json").stdout) == []
