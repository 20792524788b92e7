"""Files with random changes of bytes.

Small valid files are truncated, spliced and overwritten, with a fixed seed. Each result is read, or
rejected with the error that its reader declares: nothing else is raised, nothing is written
outside, and no file takes long. `corpus/` contains files that crashed a reader before.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from pydicom.data import get_testdata_file
from safetensors.torch import save

from benchbed.config.settings import read_settings_file
from benchbed.data.cache import read_index
from benchbed.data.download.unpack import UnpackError, unpack_download
from benchbed.data.io.decode import read_stored_size
from benchbed.data.io.dicom import read_dicom_header, read_dicom_volume
from benchbed.data.io.images import (
    count_pages,
    examine_image,
    examine_mask,
    read_image,
    read_mask_values,
)
from benchbed.data.io.volumes import read_label_volume, read_volume
from benchbed.data.stored_files import read_array
from benchbed.errors import BenchbedError
from benchbed.report.model.paper_values import read_papers
from benchbed.results.record import read_record
from benchbed.results.showcase import read_showcase
from benchbed.results.store import ResultStore
from benchbed.runs.build import load_trained_method
from benchbed.sharing.archive import read_archive
from benchbed.sharing.export import export_run, find_exportable_run
from benchbed.sharing.tensors import from_bytes
from benchbed.suites.spec import read_suite
from benchbed.training.checkpoint import get_random_states, load_checkpoint, save_checkpoint
from benchbed.training.loggers import History

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

CountAttempt = Callable[..., None]
Read = Callable[[Path], object]

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
OLD = ROOT / "tests/historic/schema-1"

FEW, MANY = 12, 2000
"""Number of changed files per valid file."""

MAX_SECONDS = 20.0
"""Most CPU seconds for one file; the largest file that is read takes one second."""

RNG = np.random.default_rng(0)
RGB = Image.fromarray(RNG.integers(0, 256, (12, 14, 3), dtype=np.uint8))
DEEP = Image.fromarray(RNG.integers(0, 2**16, (12, 14), dtype=np.uint16))
VOXELS = RNG.random((4, 5, 6)).astype(np.float32)
EXTREME = (b"\0", b"\xff", b"\x7f\xff", b"\x80\0", b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(8))
"""Extreme values of number fields."""


def _encode(kind: str, picture: Image.Image = RGB, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _image_files() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = RGB.convert("P")
    return {
        "rgb.png": _encode("PNG", exif=exif),
        "palette.png": _encode("PNG", palette, transparency=3),
        "deep.png": _encode("PNG", DEEP),
        "rgb.jpg": _encode("JPEG", exif=exif),
        "cmyk.jpg": _encode("JPEG", RGB.convert("CMYK")),
        "plain.tif": _encode("TIFF"),
        "lzw.tif": _encode("TIFF", compression="tiff_lzw"),
        "jpeg.tif": _encode("TIFF", compression="jpeg"),
        "fax.tif": _encode("TIFF", RGB.convert("1"), compression="group4"),
        "animated.gif": _encode("GIF", palette, save_all=True, append_images=[palette.rotate(90)]),
        "plain.bmp": _encode("BMP"),
        "plain.ppm": _encode("PPM"),
        "web.png": _encode("WEBP"),
        "packed.ppm.gz": gzip.compress(_encode("PPM")),
        "plain.tga": _encode("TGA"),
        "plain.jp2": _encode("JPEG2000"),
        **_deep_files(),
    }


def _deep_files() -> dict[str, bytes]:
    """Return TIFF pages that Pillow cannot decode, and DICOM files."""
    colours, doubles = io.BytesIO(), io.BytesIO()
    deep = np.asarray(DEEP)
    tifffile.imwrite(colours, np.dstack([deep] * 3), photometric="rgb", compression="zlib")
    tifffile.imwrite(doubles, deep.astype(np.float64), photometric="miniswhite")
    shipped = {"a": "MR_small_RLE", "b": "SC_rgb_small_odd_jpeg", "c": "rtdose_1frame"}
    dicom = {f"{name}.dcm": get_testdata_file(f"{file}.dcm") for name, file in shipped.items()}
    return {
        "colours.tif": colours.getvalue(),
        "doubles.tif": doubles.getvalue(),
        **{name: Path(str(path)).read_bytes() for name, path in dicom.items()},
    }


def _volume_files() -> dict[str, bytes]:
    two = np.stack([VOXELS, VOXELS * 2], axis=-1)
    plain = {
        "floats.nii": nibabel.Nifti1Image(VOXELS, np.eye(4)).to_bytes(),
        "two.nii": nibabel.Nifti1Image(two, np.eye(4)).to_bytes(),
        "second.nii": nibabel.Nifti2Image(VOXELS, np.eye(4)).to_bytes(),
        "codes.nii": nibabel.Nifti1Image((VOXELS * 3).astype(np.uint8), np.eye(4)).to_bytes(),
    }
    return {**plain, "packed.nii.gz": gzip.compress(plain["codes.nii"], mtime=0)}


def _zip(packing: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in (("a/b.png", _encode("PNG")), ("c.txt", b"x" * 500), ("é", b"y")):
            entry = zipfile.ZipInfo(name)
            entry.compress_type = packing
            archive.writestr(entry, content)
    return file.getvalue()


def _tar(mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in (("a/b.png", _encode("PNG")), ("d/" + "l" * 150, b"x" * 700)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _archive_files() -> dict[str, bytes]:
    kinds = {"stored": 0, "deflated": 8, "bzip2": 12, "lzma": 14}
    zips = {f"{name}.zip": _zip(packing) for name, packing in kinds.items()}
    return zips | {"a.tar": _tar("w"), "a.tar.gz": _tar("w:gz"), "a.tar.xz": _tar("w:xz")}


def _checkpoint_files(folder: Path) -> dict[str, bytes]:
    torch.manual_seed(0)
    weights = torch.randn(3, 4)
    state = {"steps": 1, "modules": {"g": {"w": weights}}, "own": {}}
    content = {"state": state, "random": get_random_states()}
    save_checkpoint(folder / "sound", "m", "r", content)
    old = io.BytesIO()
    plain = {"format": 1, "method": "m", "run": "r", "x": weights}
    torch.save(plain, old, _use_new_zipfile_serialization=False)
    small, bare = io.BytesIO(), io.BytesIO()
    torch.save(plain, small)
    torch.save({"format": 1, "method": "dcgan"}, bare)
    (run,) = OLD.glob("runs/*/checkpoints/last.pt")
    return {
        "whole.pt": (folder / "sound").read_bytes(),
        "small.pt": small.getvalue(),
        "legacy.pt": old.getvalue(),
        "whole.run.pt": run.read_bytes(),
        "bare.run.pt": bare.getvalue(),
    }


def _npy_bytes() -> bytes:
    file = io.BytesIO()
    np.save(file, VOXELS)
    return file.getvalue()


def _text_files() -> dict[str, bytes]:
    record = next(iter(sorted((ROOT / "results/records").glob("unet-*.json"))))
    index = {"ids": ["a"], "splits": {"train": [0, 1]}, "arrays": ["image"]}
    return {
        "a.record.json": record.read_bytes(),
        "a.index.json": json.dumps(index).encode(),
        "a.suite.yaml": (ROOT / "benchmarks/migan-table2.yaml").read_bytes(),
        "a.paper.yaml": (ROOT / "benchmarks/papers/guibas2017-dual-gan.yaml").read_bytes(),
        "a.settings.yaml": b"lr: 1e-4\nname: [1, {a: b}]\nd: 2024-01-02\nt: 12:30:40\ny: &y 3\n",
        "curves.csv": b"step,kimg,seconds,g\n1,2,3,4\n5,6,7,8\n",
    }


def _read_all(path: Path, *reads: Read) -> None:
    """Run all readers, even if an earlier one rejects the file."""
    for read in reads:
        try:
            read(path)
        except BenchbedError as error:
            text = str(error)
            assert "\n" not in text, text
            assert path.name in text or str(path.parent) in text, text


def _read_as_image(path: Path) -> None:
    _read_all(path, lambda p: read_image(p, 3), lambda p: read_image(p, 1, (0, 100)),
         read_stored_size, read_mask_values, examine_image, examine_mask, count_pages)  # fmt: skip
    if path.suffix == ".dcm":
        _read_all(path, read_dicom_header, lambda p: read_dicom_volume([p]))


def _read_as_volume(path: Path) -> None:
    _read_all(path, read_volume, lambda p: read_label_volume(p, {1: 1, 2: 2}))


def _unpack(path: Path) -> None:
    """Unpack into a folder, and check that nothing is written outside it."""
    inside = path.parent / "outer" / "inner"
    with contextlib.suppress(UnpackError):
        unpack_download(path, inside, lambda *_: None, lambda _: None)
    _read_all(path, read_archive)
    outside = {p for p in path.parent.rglob("*") if not p.is_relative_to(inside)}
    assert outside <= {path, inside.parent, path.parent / "sound"}, outside


def _read_curves(path: Path) -> None:
    folder = path.parent / "showcase" / "run"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "curves.csv").write_bytes(path.read_bytes())
    read_showcase(path.parent, "run")
    _read_all(path, lambda p: History(p).read())


def _read_weights(path: Path) -> None:
    with contextlib.suppress(BenchbedError):
        from_bytes(path.read_bytes())


def _read_paper(path: Path) -> None:
    folder = path.parent / "papers"
    folder.mkdir(exist_ok=True)
    (folder / path.name).write_bytes(path.read_bytes())
    _read_all(path, lambda p: read_papers(folder))


def _use_checkpoint(path: Path) -> None:
    """Use the file as the checkpoint of a finished run."""
    store = ResultStore(path.parent / "store")
    if not store.root.exists():
        for part in ("records", "runs"):
            shutil.copytree(OLD / part, store.root / part)
    (last,) = store.root.glob("runs/*/checkpoints/last.pt")
    shutil.copyfile(path, last)
    run, out = last.parents[1].name, path.with_name("out.zip")
    out.unlink(missing_ok=True)
    _read_all(
        path,
        lambda _: export_run(find_exportable_run(store, run), out),
        lambda _: load_trained_method(store, run, "cpu"),
    )


READERS: dict[str, Read] = {
    ".nii": _read_as_volume,
    ".nii.gz": _read_as_volume,
    ".zip": _unpack,
    ".tar": _unpack,
    ".tar.gz": _unpack,
    ".tar.xz": _unpack,
    ".pt": lambda path: _read_all(path, lambda p: load_checkpoint(p, "m")),
    ".run.pt": _use_checkpoint,
    ".safetensors": _read_weights,
    ".npy": lambda path: _read_all(path, read_array),
    ".record.json": lambda path: _read_all(path, read_record),
    ".index.json": lambda path: _read_all(path, read_index),
    ".suite.yaml": lambda path: _read_all(path, read_suite),
    ".paper.yaml": _read_paper,
    ".settings.yaml": lambda path: _read_all(path, read_settings_file),
    ".csv": _read_curves,
}
"""Readers by suffix; the longest suffix wins, and other files are images."""


def _reader_of(name: str) -> Read:
    ends = [end for end in READERS if name.endswith(end)]
    return READERS[max(ends, key=len)] if ends else _read_as_image


def _change(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to eight random changes of bits, bytes, numbers and parts."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        if not found:
            break
        place, other = rng.randrange(len(found)), rng.randrange(len(found))
        length = rng.randrange(1, 17)
        change = rng.randrange(8)
        if change == 0:
            found[place] ^= 1 << rng.randrange(8)
        elif change == 1:
            found[place] = rng.randrange(256)
        elif change == 2:
            extreme = rng.choice(EXTREME)
            found[place : place + len(extreme)] = extreme
        elif change == 3:
            del found[place : place + length]
        elif change == 4:
            found[place:place] = found[place : place + 2 * length]
        elif change == 5:
            del found[place:]
        elif change == 6:
            found[place:place] = rng.randbytes(length)
        else:
            found[place : place + length] = found[other : other + length]
    return bytes(found)


def _valid_files(folder: Path) -> dict[str, bytes]:
    return {
        **_image_files(), **_volume_files(), **_archive_files(), **_checkpoint_files(folder),
        **_text_files(), "a.npy": _npy_bytes(),
        "a.safetensors": save({"a": torch.ones(3, 4), "b.c": torch.arange(5)}),
    }  # fmt: skip


def _fuzz(folder: Path, count: int, count_attempt: CountAttempt) -> None:
    for name, content in _valid_files(folder).items():
        rng, read, place = random.Random(name), _reader_of(name), folder / name
        place.mkdir()
        for number in range(count + 1):
            (place / name).write_bytes(_change(content, rng) if number else content)
            start = time.process_time()
            try:
                read(place / name)
            except Exception as error:
                error.add_note(f"{name}, change {number}: {(place / name).read_bytes()[:2000]!r}")
                raise
            assert time.process_time() - start < MAX_SECONDS, (name, number)
        count_attempt(name.partition(".")[2], count)


@pytest.mark.attack(
    guarantee="A damaged file is read, or rejected with a message that names it.",
    attack="random changes of small valid files of every supported kind, a few of each",
)
def test_a_few_random_changes_of_every_file_type(
    tmp_path: Path, count_attempt: CountAttempt
) -> None:
    _fuzz(tmp_path, FEW, count_attempt)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.attack(
    guarantee="A damaged file is read, or rejected with a message that names it.",
    attack="random changes of small valid files of every supported kind, 2,000 of each",
)
def test_many_random_changes_of_every_file_type(
    tmp_path: Path, count_attempt: CountAttempt
) -> None:
    _fuzz(tmp_path, MANY, count_attempt)


@pytest.mark.attack(
    guarantee="A damaged file is read, or rejected with a message that names it.",
    attack="files that crashed a reader before",
)
def test_files_that_crashed_a_reader_before(tmp_path: Path, count_attempt: CountAttempt) -> None:
    for path in sorted(CORPUS.iterdir()):
        copy = tmp_path / path.stem / path.name
        copy.parent.mkdir()
        copy.write_bytes(path.read_bytes())
        _reader_of(path.name)(copy)
        count_attempt(path.name.partition(".")[2])
