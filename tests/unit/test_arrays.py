"""npz files: headers, memory maps, damage; and cases that are rows of their arrays."""

from __future__ import annotations

import errno
import json
import zipfile
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from benchbed import ArrayArchive, DatasetSpec, Layout, VolumeSpec
from benchbed.data.io import arrays
from benchbed.data.io.arrays import (
    examine_arrays,
    map_array,
    read_array_headers,
    read_image_row,
    read_volume_row,
)
from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.sources import fingerprint as prints
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.integrity import find_duplicates, verify_files
from benchbed.data.sources.resolve import find_dataset
from benchbed.errors import BenchbedError

SPLITS = ("train", "test")
ARCHIVE = ArrayArchive(
    files=("rows.npz", "inner/rows.npz"),
    images={split: f"{split}_images" for split in SPLITS},
    labels={split: f"{split}_labels" for split in SPLITS},
    case_counts={"train": 6, "test": 4},
)


def _spec(**changes: Any) -> DatasetSpec:
    fields: dict[str, Any] = {
        "name": "rows", "title": "Rows", "modality": "x", "licence": "x",
        "access_instructions": "x", "channels": 1, "classes": ("a", "b", "c"), "archive": ARCHIVE,
    }  # fmt: skip
    return DatasetSpec(**(fields | changes))


def _make_arrays(row: tuple[int, ...] = (9, 9), train: int = 6) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    content: dict[str, np.ndarray[Any, Any]] = {}
    for split, count in (("train", train), ("test", 4)):
        content[f"{split}_images"] = rng.integers(0, 256, (count, *row), dtype=np.uint8)
        content[f"{split}_labels"] = rng.integers(0, 3, (count, 1), dtype=np.uint8)
    return content


def _write(root: Path, content: dict[str, Any], name: str = "rows.npz") -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **content)
    return file


def _collect(root: Path, spec: DatasetSpec | None = None) -> Collection:
    return find_dataset(spec or _spec(), root).collect_cases()


# ---- The reader. ----


@settings(max_examples=25, deadline=None)
@given(
    values=arrays_of.arrays(
        np.uint8, arrays_of.array_shapes(min_dims=3, max_dims=4, min_side=1, max_side=5)
    ),
    fortran=st.booleans(),
    packed=st.booleans(),
)
def test_a_map_equals_the_array(
    tmp_path_factory: pytest.TempPathFactory, values: Any, fortran: bool, packed: bool
) -> None:
    stored = np.asfortranarray(values) if fortran else values
    file = tmp_path_factory.mktemp("npz") / "x.npz"
    (np.savez_compressed if packed else np.savez)(file, rows=stored, other=np.arange(3))
    mapped = map_array(file, "rows")
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable
    assert np.array_equal(mapped, values)
    header = read_array_headers(file)["rows"]
    assert (header.shape, header.dtype) == (values.shape, np.uint8)


def test_an_array_larger_than_a_chunk_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_CHUNK_BYTES", 100)
    content = _make_arrays()
    file = _write(tmp_path, content)
    first = map_array(file, "train_images")
    assert np.array_equal(first, content["train_images"])
    monkeypatch.setattr(arrays, "_unpack_array", lambda *_: pytest.fail("unpacked again"))
    arrays._map_version.cache_clear()
    assert np.array_equal(map_array(file, "train_images"), first)


def test_a_full_disk_is_no_damaged_file(tmp_path: Path) -> None:
    """The device is always full."""
    file = _write(tmp_path, _make_arrays((40, 40)))
    (tmp_path / "rows.npy").symlink_to("/dev/full")
    with pytest.raises(OSError, match="space") as caught:
        arrays._unpack_array(file, "train_images", tmp_path)
    assert caught.value.errno == errno.ENOSPC


def test_another_version_of_the_file_is_unpacked_again(tmp_path: Path) -> None:
    content = _make_arrays()
    before = map_array(_write(tmp_path, content), "train_images").copy()
    content["train_images"] = 255 - content["train_images"]
    after = map_array(_write(tmp_path, content), "train_images")
    assert np.array_equal(after, 255 - before)


@pytest.mark.parametrize(
    ("row", "shape", "channels"), [((9, 7), "9x7", "1"), ((9, 7, 3), "9x7", "3")]
)
def test_facts_of_images(tmp_path: Path, row: tuple[int, ...], shape: str, channels: str) -> None:
    content = _make_arrays(row)
    facts = examine_arrays(_write(tmp_path, content))
    pixels = np.concatenate([content[f"{split}_images"] for split in SPLITS])
    assert facts == {
        "shape": shape, "channels": channels, "bits": "8", "pages": "10",
        "low": str(pixels.min()), "high": str(pixels.max()),
    }  # fmt: skip


def test_facts_of_volumes(tmp_path: Path) -> None:
    facts = examine_arrays(_write(tmp_path, _make_arrays((4, 5, 6))))
    assert (facts["shape"], facts["spacing"], facts["pages"]) == ("1x4x5x6", "1,1,1", "10")
    assert json.loads(facts["affine"]) == np.eye(4).tolist()


def test_rows_of_images_and_volumes(tmp_path: Path) -> None:
    grey, volume = _make_arrays((4, 5))["train_images"], _make_arrays((4, 5, 6))["train_images"]
    colour = _make_arrays((4, 5, 3))["train_images"]
    file = _write(tmp_path, {"grey": grey, "colour": colour, "volume": volume})
    assert np.array_equal(read_image_row(file, "grey", 2), grey[2, ..., None])
    assert np.array_equal(read_image_row(file, "colour", 5), colour[5])
    voxels = read_volume_row(file, "volume", 3)
    assert (voxels.shape, voxels.dtype) == ((1, 4, 5, 6), np.float32)
    assert voxels[0] == pytest.approx(volume[3] / 127.5 - 1, abs=1e-6)


def _corrupt(content: bytes) -> bytes:
    """Return the file with some compressed bytes inverted."""
    middle = len(content) // 3
    return content[:middle] + bytes(255 - b for b in content[middle : middle + 40]) + content[
        middle + 40 :
    ]  # fmt: skip


@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: b"no zip file", lambda c: c[: len(c) // 2], _corrupt],
    ids=["empty", "text", "half", "corrupt"],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: Any) -> None:
    file = _write(tmp_path, _make_arrays((40, 40)))
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(BenchbedError, match=r"rows\.npz"):
        examine_arrays(file)
    with pytest.raises(BenchbedError, match=r"rows\.npz"):
        map_array(file, "train_images")


def test_a_header_that_promises_more_than_the_file_has_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.npz"
    np.save(tmp_path / "x.npy", np.zeros((50, 9, 9), np.uint8))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("rows.npy", (tmp_path / "x.npy").read_bytes()[:-100])
    with pytest.raises(BenchbedError, match=r"rows\.npy"):
        read_array_headers(file)


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    content = _make_arrays()
    for key in ("train_images", "train_labels"):
        wrong = {**content, key: np.asarray([{}] * 6, dtype=object)}
        _write(tmp_path, wrong)
        with pytest.raises(BenchbedError, match=key):
            _collect(tmp_path)


# ---- Cases that are rows. ----


@pytest.mark.parametrize("name", ["rows.npz", "inner/rows.npz", "Inner/ROWS.npz"])
def test_rows_become_cases_with_split_and_label(tmp_path: Path, name: str) -> None:
    content = _make_arrays(train=12)
    file = _write(tmp_path, content, name)
    collection = _collect(tmp_path)
    assert collection.count_cases() == {"test": 4, "train": 12}
    assert [case.id for case in collection.cases] == [
        *(f"test-{n}" for n in range(4)),
        *(f"train-{n:02d}" for n in range(12)),
    ]
    for case in collection.cases:
        assert (case.image, case.is_official_split) == (file, True)
        assert case.label == content[f"{case.split}_labels"][case.page, 0]


def test_rows_are_prepared_as_they_are_stored(tmp_path: Path) -> None:
    content = _make_arrays((16, 16, 3))
    _write(tmp_path, content)
    collection, fingerprint = identify_collection(_collect(tmp_path, _spec(channels=3)))
    prepared = prepare_dataset(collection, fingerprint, size=16, channels=3, framing="center")
    for split in SPLITS:
        data = prepared.get_split(split)
        assert np.array_equal(np.moveaxis(data.images, 1, -1), content[f"{split}_images"])
        assert np.array_equal(data.arrays["label"], content[f"{split}_labels"].ravel())


def test_volumes_are_prepared(tmp_path: Path) -> None:
    content = _make_arrays((8, 8, 8))
    _write(tmp_path, content)
    spec = _spec(volumes=VolumeSpec(sequences=("x",), structures=()))
    collection, fingerprint = identify_collection(_collect(tmp_path, spec))
    prepared = prepare_dataset(collection, fingerprint, size=8, channels=1, framing="center")
    images = prepared.get_split("train").images
    assert images.shape == (6, 1, 8, 8, 8)
    assert images[:, 0] == pytest.approx(content["train_images"] / 127.5 - 1, abs=1e-3)


def _set(key: str, value: Any) -> Any:
    return lambda content: {**content, key: value}


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (_set("train_images", np.zeros((6, 9, 9), np.float32)), ["train_images", "float32"]),
        (_set("test_images", np.zeros((4, 9, 9, 9), np.uint8)), ["test_images", "(N, H, W)"]),
        (_set("test_images", np.zeros((0, 9, 9), np.uint8)), ["test_images", "(0, 9, 9)"]),
        (_set("train_labels", np.zeros((5, 1), np.uint8)), ["train_labels", "6", "(5, 1)"]),
        (_set("train_labels", np.zeros((6, 14), np.uint8)), ["train_labels", "(6, 14)"]),
        (_set("train_labels", np.zeros((6, 1))), ["train_labels", "float64"]),
        (_set("test_labels", np.asarray([0, 1, 2, 3])), ["test_labels", "0 to 3", "0 to 2"]),
        (_set("test_labels", np.asarray([0, 1, 2, -1])), ["test_labels", "-1"]),
        (lambda content: {"a": content["train_images"]}, ["test_images", "Its arrays: a"]),
    ],
)
def test_arrays_of_another_form_are_refused(tmp_path: Path, change: Any, facts: list[str]) -> None:
    _write(tmp_path, change(_make_arrays()))
    with pytest.raises(BenchbedError) as caught:
        _collect(tmp_path)
    assert all(fact in str(caught.value) for fact in ["rows.npz", *facts])


def test_the_file_is_examined_once_for_all_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    file = _write(tmp_path, _make_arrays((2, 2), train=2000))
    collection = _collect(tmp_path)
    calls: list[Path] = []

    def count(path: Path, original: Any, *options: Any, **more: Any) -> Any:
        calls.extend([path] if path == file else [])
        return original(path, *options, **more)

    for name in ("stat", "open"):
        monkeypatch.setattr(Path, name, partialmethod(count, getattr(Path, name)))
    steps: list[tuple[int, int]] = []
    facts = prints.collect_file_facts(
        collection, progress=lambda _, done, total: steps.append((done, total))
    )
    assert list(facts) == [file]
    assert steps == [(1, 1)]
    assert 0 < len(calls) < 10


def test_rows_of_one_file_are_no_duplicates(tmp_path: Path) -> None:
    _write(tmp_path, _make_arrays())
    collection = _collect(tmp_path)
    facts = prints.collect_file_facts(collection)
    assert find_duplicates(collection, facts) == []
    assert verify_files(collection).split_leaks == []


def test_other_content_gives_another_fingerprint(tmp_path: Path) -> None:
    content = _make_arrays()
    found = set()
    for number in range(3):
        content["train_images"][number] ^= 1
        _write(tmp_path, content)
        found.add(identify_collection(_collect(tmp_path))[1])
    assert len(found) == 3


def test_a_missing_file_is_described(tmp_path: Path) -> None:
    location = find_dataset(_spec(), tmp_path)
    assert location.paths == ()
    assert _spec().expected_paths == ("rows.npz", "inner/rows.npz")
    assert all(name in _spec().diagram for name in ("inner/rows.npz", "test_labels"))


def test_a_spec_has_layouts_or_an_archive() -> None:
    layout = Layout(folders=("x",), parts=(), diagram="x")
    with pytest.raises(ValueError, match="rows"):
        _spec(layouts=(layout,))
    with pytest.raises(ValueError, match="images"):
        ArrayArchive(files=("x",), images={})
    with pytest.raises(ValueError, match="labels"):
        ArrayArchive(files=("x",), images={"train": "a"}, labels={"test": "b"})
