"""Damage of prepared data is found and repaired; a file that changed since is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.data import stored_files
from benchbed.data.cache import load_cached
from benchbed.data.preprocessing.prepare import PreparedDataset, prepare_dataset
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection
from benchbed.data.stamps import make_stamp
from benchbed.data.stored_files import DamagedDataError, read_array
from benchbed.errors import BenchbedError

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def _build(folder: Path) -> None:
    np.save(folder / "a.npy", VALUES)
    (folder / "note.json").write_text("{}")


def _load(folder: Path) -> np.ndarray:
    return np.array(read_array(folder / "a.npy"))


def _load_and_log(_: int = 0) -> tuple[np.ndarray, list[str]]:
    messages: list[str] = []
    return load_cached("array", _build, _load, messages.append), messages


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an array that was prepared."""
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    values, messages = _load_and_log()
    assert np.array_equal(values, VALUES)
    assert not messages
    return tmp_path / "cache" / "prepared" / "array"


def _flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


def _save_other_dtype(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, VALUES.view(np.int32))


def _save_other_shape(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, VALUES.reshape(2, 4, 3))


@pytest.mark.parametrize("name", ["a.npy", "files.json"])
@pytest.mark.parametrize(
    "damage", [_flip_bit, _save_other_dtype, _save_other_shape, Path.unlink, Path.touch]
)
def test_damage_is_found_and_repaired(
    folder: Path, name: str, damage: Callable[[Path], None]
) -> None:
    before = (folder / "a.npy").read_bytes()
    damage(folder / name)
    values, messages = _load_and_log()
    assert np.array_equal(values, VALUES)
    assert (folder / "a.npy").read_bytes() == before
    # A file that only has another time is none that is damaged.
    assert len(messages) == (0 if damage is Path.touch else 1)
    assert all(str(folder) in message for message in messages)
    assert _load_and_log()[1] == []
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".array")]


def test_a_file_without_array_is_verified(folder: Path) -> None:
    (folder / "note.json").write_text("[]")
    assert len(_load_and_log()[1]) == 1
    assert (folder / "note.json").read_text() == "{}"


def test_a_state_is_hashed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def hash_and_count(path: Path) -> str:
        hashed.append(path)
        return original(path)

    original = stored_files.hash_file
    monkeypatch.setattr(stored_files, "hash_file", hash_and_count)
    _load_and_log()
    assert not hashed
    os.utime(folder / "a.npy", ns=(1, 1))
    _load_and_log()
    _load_and_log()
    assert hashed == [folder / "a.npy"]


def test_a_header_is_checked_even_in_a_verified_state(folder: Path) -> None:
    """A shape that the index does not have is found although no checksum is computed."""
    index = folder / "files.json"
    index.write_text(index.read_text().replace("<f4", "<i4"))
    assert len(_load_and_log()[1]) == 1


def test_data_that_are_damaged_again_are_refused(folder: Path) -> None:
    def fail(_: Path) -> None:
        raise DamagedDataError("Prepared data are damaged.")

    with pytest.raises(DamagedDataError):
        load_cached("array", _build, fail)


def test_processes_repair_together(folder: Path) -> None:
    """One process prepares the data again, and all get the right values."""
    _flip_bit(folder / "a.npy")
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        results = list(pool.map(_load_and_log, range(8)))
    assert all(np.array_equal(values, VALUES) for values, _ in results)
    assert sum(len(messages) for _, messages in results) == 1


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Collection, str]:
    """Return five images, identified."""
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine").mkdir()
    for number in range(5):
        pixels = np.full((8, 8, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "mine" / f"{number}.png")
    return identify_collection(resolve_collection(f"folder:{tmp_path / 'mine'}"))


def _prepare(identified: tuple[Collection, str]) -> PreparedDataset:
    return prepare_dataset(*identified, size=8, channels=3, framing="center")


def test_a_file_changed_after_it_was_hashed_is_refused(
    collection: tuple[Collection, str],
) -> None:
    path = collection[0].cases[2].image
    state = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\0")
    # The same size and time of content: only the time of status shows the change.
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(BenchbedError, match=path.name):
        _prepare(collection)
    path.unlink()
    with pytest.raises(BenchbedError, match=path.name):
        _prepare(collection)


def test_a_file_changed_while_it_is_decoded_is_refused(
    collection: tuple[Collection, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchbed.data.preprocessing import prepare

    original = prepare.read_native_case

    def read_and_change(case, *args, **kwargs):  # type: ignore[no-untyped-def]
        native = original(case, *args, **kwargs)
        case.image.write_bytes(case.image.read_bytes() + b"\0")
        return native

    monkeypatch.setattr(prepare, "read_native_case", read_and_change)
    with pytest.raises(BenchbedError):
        _prepare(collection)


def test_unchanged_files_are_prepared(collection: tuple[Collection, str]) -> None:
    assert sum(len(split) for split in _prepare(collection).splits.values()) == 5
    # The stamps are no part of the collection's identity.
    (again, fingerprint) = collection
    assert again.stamps.keys() == {case.image for case in again.cases}
    assert len({make_stamp(case.image) for case in again.cases}) == 5
    assert fingerprint == identify_collection(again)[1]
