"""Preparation: once, whole, and the same from real files and phantoms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed import Derived
from benchbed.data.cache import cached
from benchbed.data.collection import Collection
from benchbed.data.prepare import identify, prepare
from benchbed.data.source import dataset_spec, resolve
from benchbed.errors import BenchbedError

CALLS: list[int] = []


def invert(image: np.ndarray, *, strength: float) -> np.ndarray:
    CALLS.append(image.shape[0])
    return np.round((255 - image[..., 0]) * strength).astype(np.uint8)


def _discs() -> tuple[Collection, str]:
    return identify(Collection(dataset_spec("discs"), "phantom"))


def test_a_phantom_is_rendered_once_split_and_paired(with_plugin: Path) -> None:
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
    with pytest.raises(BenchbedError, match="no split 'val'"):
        prepared.split("val")


def test_arrays_are_read_only(with_plugin: Path) -> None:
    prepared = prepare(*_discs(), size=32, channels=1, framing="center")
    with pytest.raises(ValueError, match="read-only"):
        prepared.split("train").image[0] = 0


def test_derived_arrays_are_computed_once_at_their_own_size_and_averaged_down(
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
    assert len(CALLS) == 64, "other parameters must not read the old cache"


def test_a_derived_size_that_does_not_divide_is_refused(with_plugin: Path) -> None:
    rule = {"inverse": Derived(invert, {"strength": 1.0}, 48)}
    with pytest.raises(BenchbedError, match="48 px cannot be averaged to 32 px"):
        prepare(*_discs(), size=32, channels=1, framing="center", derived=rule)


def test_a_preparation_that_breaks_off_leaves_nothing(shared_cache: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half.npy").write_bytes(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cached("broken-off", build)
    assert not list((shared_cache / "prepared").glob("*broken-off[!.]*"))
    assert not (shared_cache / "prepared/broken-off").exists()


def test_the_fingerprint_of_a_phantom_changes_with_its_counts_and_seed(with_plugin: Path) -> None:
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


def test_real_pictures_of_any_shape_come_out_square(tmp_path: Path) -> None:
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


def test_the_retinal_sets_lie_in_their_official_layouts(real_data: Path) -> None:
    """DRIVE and CHASE_DB1: counts, splits, both annotators, fields of view, patients apart."""
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
