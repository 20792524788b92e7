"""Preparation: done once, atomic, and the same for real files and phantoms."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed import DatasetSpec, DerivedArray, Layout, LayoutPart
from benchbed.data.cache import load_cached
from benchbed.data.image_folder import open_folder
from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.sources.cases import Collection, collect_cases, find_layouts
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection, resolve_dataset_spec
from benchbed.data.sources.verification import verify_files
from benchbed.errors import BenchbedError

CALLS: list[int] = []


def invert(image: np.ndarray, *, strength: float) -> np.ndarray:
    CALLS.append(image.shape[0])
    return np.round((255 - image[..., 0]) * strength).astype(np.uint8)


def _discs() -> tuple[Collection, str]:
    return identify_collection(Collection(resolve_dataset_spec("discs"), "phantom"))


def test_a_phantom_is_prepared_once_with_splits_and_masks(with_plugin: Path) -> None:
    collection, fingerprint = _discs()
    calls: list[str] = []
    options = {"size": 32, "channels": 1, "framing": "center"}
    for _ in range(2):
        prepared = prepare_dataset(
            collection, fingerprint, **options, progress=lambda what, *_: calls.append(what)
        )
    assert {name: len(split) for name, split in prepared.splits.items()} == {"train": 24, "test": 8}
    assert len(calls) in (0, 32), "prepared twice"
    train = prepared.get_split("train")
    assert train.images.shape == (24, 1, 32, 32)
    inside = train.images[:, 0][train.arrays["mask"].astype(bool)]
    outside = train.images[:, 0][~train.arrays["mask"].astype(bool)]
    assert inside.mean() > 100 > outside.mean()
    assert not set(train.ids) & set(prepared.get_split("test").ids)
    with pytest.raises(BenchbedError, match=r"discs.*'val'.*test, train"):
        prepared.get_split("val")


def test_arrays_are_read_only(with_plugin: Path) -> None:
    prepared = prepare_dataset(*_discs(), size=32, channels=1, framing="center")
    with pytest.raises(ValueError, match="read-only"):
        prepared.get_split("train").images[0] = 0


def test_derived_arrays_are_computed_once_and_downsampled(
    with_plugin: Path,
) -> None:
    CALLS.clear()
    rule = {"inverse": DerivedArray(invert, {"strength": 0.5}, 64)}
    for _ in range(2):
        prepared = prepare_dataset(*_discs(), size=32, channels=1, framing="center", derived=rule)
    assert CALLS == [64] * 32
    train = prepared.get_split("train")
    expected = (255 - train.images.astype(float)) * 0.5
    assert train.arrays["inverse"].shape == (24, 1, 32, 32)
    assert np.abs(train.arrays["inverse"] - expected).mean() < 3
    prepare_dataset(
        *_discs(), size=32, channels=1, framing="center",
        derived={"inverse": DerivedArray(invert, {"strength": 0.25}, 64)},
    )  # fmt: skip
    assert len(CALLS) == 64, "other parameters use another cache entry"


def test_a_derived_size_that_is_no_multiple_is_refused(with_plugin: Path) -> None:
    rule = {"inverse": DerivedArray(invert, {"strength": 1.0}, 48)}
    with pytest.raises(BenchbedError, match=r"48 px.*32 px"):
        prepare_dataset(*_discs(), size=32, channels=1, framing="center", derived=rule)


def test_a_failed_preparation_writes_nothing(shared_cache: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half.npy").write_bytes(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        load_cached("failed", build, lambda folder: folder)
    assert not list((shared_cache / "prepared").glob("*failed[!.]*"))
    assert not (shared_cache / "prepared/failed").exists()


def test_fingerprint_of_a_phantom_depends_on_counts_and_seed(with_plugin: Path) -> None:
    spec = resolve_dataset_spec("discs")
    assert spec.phantom is not None
    prints = {
        identify_collection(Collection(replace(spec, phantom=phantom), "phantom"))[1]
        for phantom in (
            spec.phantom,
            replace(spec.phantom, seed=1),
            replace(spec.phantom, case_counts={"train": 25, "test": 8}),
        )
    }
    assert len(prints) == 3


def test_images_of_any_shape_become_square(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "mine").mkdir()
    for number, shape in enumerate([(50, 80, 3), (80, 50, 3), (64, 64), (33, 97, 3)] * 3):
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "mine" / f"{number}.png")
    collection, fingerprint = identify_collection(resolve_collection(f"folder:{tmp_path / 'mine'}"))
    for channels in (1, 3):
        prepared = prepare_dataset(
            collection, fingerprint, size=32, channels=channels, framing="center"
        )
        shapes = {split.images.shape[1:] for split in prepared.splits.values()}
        assert shapes == {(channels, 32, 32)}


def _pictures(folder: Path, contents: dict[str, int]) -> None:
    """Write images by path; equal numbers give equal images."""
    for name, number in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (24, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def _folders(tmp_path: Path, image: str, **more: object) -> Collection:
    layout = Layout(folders=("x",), parts=(LayoutPart(image=image),), diagram="  x/1.png")
    spec = DatasetSpec(
        name="example", title="Example", modality="x", licence="x", access_instructions="ask",
        layouts=(layout,),
        **more,
    )  # type: ignore[arg-type]  # fmt: skip
    return collect_cases(spec, find_layouts(spec, tmp_path), tmp_path)


def test_duplicates_are_skipped_with_a_message(tmp_path: Path) -> None:
    """The hash of the names would put some of the duplicates into another split."""
    _pictures(tmp_path / "x", {f"{k:02d}.png": k // 2 for k in range(40)})
    collection = _folders(tmp_path, "{id}.png")
    assert len(verify_files(collection).duplicates) == 20
    split = {case.id: case.split for case in collection.cases}
    assert any(split[f"{k:02d}"] != split[f"{k + 1:02d}"] for k in range(0, 40, 2))
    messages: list[str] = []
    usable, fingerprint = identify_collection(collection, log=messages.append)
    assert sorted(case.id for case in usable.cases) == [f"{k:02d}" for k in range(0, 40, 2)]
    assert usable.duplicates == tuple(f"{k:02d}" for k in range(1, 40, 2))
    (message,) = messages
    assert "20 of 40 images" in message
    assert re.search(r"\b\d\d = \d\d\b", message)
    findings = verify_files(collection)
    assert (findings.split_leaks, findings.fingerprint) == ([], fingerprint)
    assert findings.cases == usable.count_cases()


def test_no_message_without_duplicates(tmp_path: Path) -> None:
    _pictures(tmp_path / "x", {f"{k}.png": k for k in range(8)})
    messages: list[str] = []
    collection, _ = identify_collection(_folders(tmp_path, "{id}.png"), log=messages.append)
    assert (len(collection.cases), collection.duplicates, messages) == (8, (), [])


def test_duplicates_in_different_classes_are_named(tmp_path: Path) -> None:
    _pictures(tmp_path / "x", {"no/1.png": 1, "yes/2.png": 1, "yes/3.png": 3, "no/4.png": 4})
    collection = _folders(tmp_path, "{label}/{id}.png", classes=("no", "yes"))
    messages: list[str] = []
    usable, _ = identify_collection(collection, log=messages.append)
    assert {case.id: case.label for case in usable.cases} == {"1": 0, "3": 1, "4": 0}
    (message,) = messages
    assert "1 of 4 images" in message
    assert re.search(r"classes.*1 = 2\.", message)
    assert verify_files(collection).class_conflicts == [["1", "2"]]


def test_duplicates_across_official_splits_are_reported_as_leaks(tmp_path: Path) -> None:
    _pictures(tmp_path / "x", {"train/1.png": 1, "test/2.png": 1, "train/3.png": 1})
    collection = _folders(tmp_path, "{split}/{id}.png")
    usable, _ = identify_collection(collection)
    assert usable.cases == collection.cases
    findings = verify_files(collection)
    assert findings.split_leaks == [["1", "2", "3"]]
    assert findings.removed_duplicates == ()


def test_a_duplicate_of_an_image_in_an_official_split_is_skipped(tmp_path: Path) -> None:
    """Otherwise a test image of one dataset could be a training image of another."""
    _pictures(tmp_path / "x", {"test/2.png": 1, "0.png": 1, "4.png": 7})
    parts = (LayoutPart(image="test/{id}.png", split="test"), LayoutPart(image="{id}.png"))
    layout = Layout(folders=("x",), parts=parts, diagram="  x/1.png")
    spec = replace(_folders(tmp_path, "{id}.png").spec, layouts=(layout,))
    usable, _ = identify_collection(collect_cases(spec, find_layouts(spec, tmp_path), tmp_path))
    assert {case.id: case.split for case in usable.cases} == {"2": "test", "4": "train"}
    assert usable.duplicates == ("0",)


def test_a_scored_folder_keeps_duplicates(tmp_path: Path) -> None:
    """A generator must not score better by repeating itself."""
    _pictures(tmp_path / "made", {f"{k}.png": 0 for k in range(6)})
    assert len(open_folder(tmp_path / "made", skip_bad=False).load_images(16)) == 6


def test_real_retinal_datasets_have_their_official_layouts(real_data: Path) -> None:
    """DRIVE and CHASE_DB1: counts, splits, both annotators, fields of view, patients."""
    drive = resolve_collection("drive", "real", real_data)
    assert drive.count_cases() == {"test": 20, "train": 20}
    test = [case for case in drive.cases if case.split == "test"]
    assert all(case.mask and case.second_mask and case.fov for case in test)
    assert {case.id for case in test} == {f"{n:02d}" for n in range(1, 21)}
    chase = resolve_collection("chasedb1", "real", real_data)
    assert chase.count_cases() == {"test": 8, "train": 20}
    patients = {s: {c.patient for c in chase.cases if c.split == s} for s in ("train", "test")}
    assert not patients["train"] & patients["test"]
    assert len(patients["train"] | patients["test"]) == 14
    fundus = resolve_collection("fundus", "real", real_data)
    assert len(fundus.cases) == 40 + 28 + 200
    eyes = {(case.patient, case.split) for case in fundus.cases}
    assert len(eyes) == len({case.patient for case in fundus.cases}), "a patient in two splits"


def test_real_drive_is_framed_by_its_field_of_view(real_data: Path) -> None:
    collection, fingerprint = identify_collection(resolve_collection("drive", "real", real_data))
    prepared = prepare_dataset(collection, fingerprint, size=64, channels=3, framing="fov")
    train = prepared.get_split("train")
    assert train.images.shape == (20, 3, 64, 64)
    fov = train.arrays["fov"].astype(bool)
    assert 0.74 < fov.mean() < 0.82, "a circle fills pi/4 of its square"
    red, green, blue = (train.images[:, c][fov].mean() for c in range(3))
    assert red > green > blue
    vessels = train.arrays["mask"].astype(bool)
    assert train.images[:, 1][vessels].mean() < train.images[:, 1][fov & ~vessels].mean()
