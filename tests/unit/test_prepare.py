"""Preparation: done once, atomic, and the same for real files and phantoms."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed import DatasetSpec, Derived, Layout, Part
from benchbed.data.cache import cached
from benchbed.data.collection import Collection, collect, found
from benchbed.data.folder import open_folder
from benchbed.data.prepare import identify, prepare
from benchbed.data.source import dataset_spec, resolve
from benchbed.data.verify import verify
from benchbed.errors import BenchbedError

CALLS: list[int] = []


def invert(image: np.ndarray, *, strength: float) -> np.ndarray:
    CALLS.append(image.shape[0])
    return np.round((255 - image[..., 0]) * strength).astype(np.uint8)


def _discs() -> tuple[Collection, str]:
    return identify(Collection(dataset_spec("discs"), "phantom"))


def test_a_phantom_is_prepared_once_with_splits_and_masks(with_plugin: Path) -> None:
    collection, fingerprint = _discs()
    calls: list[str] = []
    options = {"size": 32, "channels": 1, "framing": "center"}
    for _ in range(2):
        prepared = prepare(
            collection, fingerprint, **options, progress=lambda what, *_: calls.append(what)
        )
    assert {name: len(split) for name, split in prepared.splits.items()} == {"train": 24, "test": 8}
    assert len(calls) in (0, 32), "prepared twice"
    train = prepared.split("train")
    assert train.image.shape == (24, 1, 32, 32)
    inside = train.image[:, 0][train.arrays["mask"].astype(bool)]
    outside = train.image[:, 0][~train.arrays["mask"].astype(bool)]
    assert inside.mean() > 100 > outside.mean()
    assert not set(train.ids) & set(prepared.split("test").ids)
    with pytest.raises(BenchbedError, match=r"discs.*'val'.*test, train"):
        prepared.split("val")


def test_arrays_are_read_only(with_plugin: Path) -> None:
    prepared = prepare(*_discs(), size=32, channels=1, framing="center")
    with pytest.raises(ValueError, match="read-only"):
        prepared.split("train").image[0] = 0


def test_derived_arrays_are_computed_once_and_downsampled(
    with_plugin: Path,
) -> None:
    CALLS.clear()
    rule = {"inverse": Derived(invert, {"strength": 0.5}, 64)}
    for _ in range(2):
        prepared = prepare(*_discs(), size=32, channels=1, framing="center", derived=rule)
    assert CALLS == [64] * 32
    train = prepared.split("train")
    expected = (255 - train.image.astype(float)) * 0.5
    assert train.arrays["inverse"].shape == (24, 1, 32, 32)
    assert np.abs(train.arrays["inverse"] - expected).mean() < 3
    prepare(
        *_discs(), size=32, channels=1, framing="center",
        derived={"inverse": Derived(invert, {"strength": 0.25}, 64)},
    )  # fmt: skip
    assert len(CALLS) == 64, "other parameters use another cache entry"


def test_a_derived_size_that_is_no_multiple_is_refused(with_plugin: Path) -> None:
    rule = {"inverse": Derived(invert, {"strength": 1.0}, 48)}
    with pytest.raises(BenchbedError, match=r"48 px.*32 px"):
        prepare(*_discs(), size=32, channels=1, framing="center", derived=rule)


def test_a_failed_preparation_writes_nothing(shared_cache: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half.npy").write_bytes(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cached("failed", build)
    assert not list((shared_cache / "prepared").glob("*failed[!.]*"))
    assert not (shared_cache / "prepared/failed").exists()


def test_fingerprint_of_a_phantom_depends_on_counts_and_seed(with_plugin: Path) -> None:
    spec = dataset_spec("discs")
    assert spec.phantom is not None
    prints = {
        identify(Collection(replace(spec, phantom=phantom), "phantom"))[1]
        for phantom in (
            spec.phantom,
            replace(spec.phantom, seed=1),
            replace(spec.phantom, counts={"train": 25, "test": 8}),
        )
    }
    assert len(prints) == 3


def test_images_of_any_shape_become_square(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "mine").mkdir()
    for number, shape in enumerate([(50, 80, 3), (80, 50, 3), (64, 64), (33, 97, 3)] * 3):
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "mine" / f"{number}.png")
    collection, fingerprint = identify(resolve(f"folder:{tmp_path / 'mine'}"))
    for channels in (1, 3):
        prepared = prepare(collection, fingerprint, size=32, channels=channels, framing="center")
        shapes = {split.image.shape[1:] for split in prepared.splits.values()}
        assert shapes == {(channels, 32, 32)}


def _pictures(folder: Path, contents: dict[str, int]) -> None:
    """Write images by path; equal numbers give equal images."""
    for name, number in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (24, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def _folders(tmp_path: Path, image: str, **more: object) -> Collection:
    layout = Layout(folders=("x",), parts=(Part(image=image),), picture="  x/1.png")
    spec = DatasetSpec(
        name="example", title="Example", modality="x", licence="x", access="ask", layouts=(layout,),
        **more,
    )  # type: ignore[arg-type]  # fmt: skip
    return collect(spec, found(spec, tmp_path), tmp_path)


def test_duplicates_are_skipped_with_a_message(tmp_path: Path) -> None:
    """The hash of the names would put some of the duplicates into another split."""
    _pictures(tmp_path / "x", {f"{k:02d}.png": k // 2 for k in range(40)})
    collection = _folders(tmp_path, "{id}.png")
    assert len(verify(collection).duplicates) == 20
    split = {case.id: case.split for case in collection.cases}
    assert any(split[f"{k:02d}"] != split[f"{k + 1:02d}"] for k in range(0, 40, 2))
    messages: list[str] = []
    usable, fingerprint = identify(collection, say=messages.append)
    assert sorted(case.id for case in usable.cases) == [f"{k:02d}" for k in range(0, 40, 2)]
    assert usable.copies == tuple(f"{k:02d}" for k in range(1, 40, 2))
    (message,) = messages
    assert "20 of 40 images" in message
    assert re.search(r"\b\d\d = \d\d\b", message)
    findings = verify(collection)
    assert (findings.leaks, findings.fingerprint) == ([], fingerprint)
    assert findings.cases == usable.counts()


def test_no_message_without_duplicates(tmp_path: Path) -> None:
    _pictures(tmp_path / "x", {f"{k}.png": k for k in range(8)})
    messages: list[str] = []
    collection, _ = identify(_folders(tmp_path, "{id}.png"), say=messages.append)
    assert (len(collection.cases), collection.copies, messages) == (8, (), [])


def test_duplicates_in_different_classes_are_named(tmp_path: Path) -> None:
    _pictures(tmp_path / "x", {"no/1.png": 1, "yes/2.png": 1, "yes/3.png": 3, "no/4.png": 4})
    collection = _folders(tmp_path, "{label}/{id}.png", classes=("no", "yes"))
    messages: list[str] = []
    usable, _ = identify(collection, say=messages.append)
    assert {case.id: case.label for case in usable.cases} == {"1": 0, "3": 1, "4": 0}
    (message,) = messages
    assert "1 of 4 images" in message
    assert re.search(r"classes.*1 = 2\.", message)
    assert verify(collection).classes == [["1", "2"]]


def test_duplicates_across_official_splits_are_reported_as_leaks(tmp_path: Path) -> None:
    _pictures(tmp_path / "x", {"train/1.png": 1, "test/2.png": 1, "train/3.png": 1})
    collection = _folders(tmp_path, "{split}/{id}.png")
    usable, _ = identify(collection)
    assert usable.cases == collection.cases
    findings = verify(collection)
    assert findings.leaks == [["1", "2", "3"]]
    assert findings.copies == ()


def test_a_duplicate_of_an_image_in_an_official_split_is_skipped(tmp_path: Path) -> None:
    """Otherwise a test image of one dataset could be a training image of another."""
    _pictures(tmp_path / "x", {"test/2.png": 1, "0.png": 1, "4.png": 7})
    parts = (Part(image="test/{id}.png", split="test"), Part(image="{id}.png"))
    layout = Layout(folders=("x",), parts=parts, picture="  x/1.png")
    spec = replace(_folders(tmp_path, "{id}.png").spec, layouts=(layout,))
    usable, _ = identify(collect(spec, found(spec, tmp_path), tmp_path))
    assert {case.id: case.split for case in usable.cases} == {"2": "test", "4": "train"}
    assert usable.copies == ("0",)


def test_a_scored_folder_keeps_duplicates(tmp_path: Path) -> None:
    """A generator must not score better by repeating itself."""
    _pictures(tmp_path / "made", {f"{k}.png": 0 for k in range(6)})
    assert len(open_folder(tmp_path / "made", skip_bad=False).images(16)) == 6


def test_real_retinal_datasets_have_their_official_layouts(real_data: Path) -> None:
    """DRIVE and CHASE_DB1: counts, splits, both annotators, fields of view, patients."""
    drive = resolve("drive", "real", real_data)
    assert drive.counts() == {"test": 20, "train": 20}
    test = [case for case in drive.cases if case.split == "test"]
    assert all(case.mask and case.second_mask and case.fov for case in test)
    assert {case.id for case in test} == {f"{n:02d}" for n in range(1, 21)}
    chase = resolve("chasedb1", "real", real_data)
    assert chase.counts() == {"test": 8, "train": 20}
    patients = {s: {c.patient for c in chase.cases if c.split == s} for s in ("train", "test")}
    assert not patients["train"] & patients["test"]
    assert len(patients["train"] | patients["test"]) == 14
    fundus = resolve("fundus", "real", real_data)
    assert len(fundus.cases) == 40 + 28 + 200
    eyes = {(case.patient, case.split) for case in fundus.cases}
    assert len(eyes) == len({case.patient for case in fundus.cases}), "a patient in two splits"


def test_real_drive_is_framed_by_its_field_of_view(real_data: Path) -> None:
    collection, fingerprint = identify(resolve("drive", "real", real_data))
    prepared = prepare(collection, fingerprint, size=64, channels=3, framing="fov")
    train = prepared.split("train")
    assert train.image.shape == (20, 3, 64, 64)
    fov = train.arrays["fov"].astype(bool)
    assert 0.74 < fov.mean() < 0.82, "a circle fills pi/4 of its square"
    red, green, blue = (train.image[:, c][fov].mean() for c in range(3))
    assert red > green > blue
    vessels = train.arrays["mask"].astype(bool)
    assert train.image[:, 1][vessels].mean() < train.image[:, 1][fov & ~vessels].mean()
