"""Chest radiographs: the official layout, patient-disjoint splits, and the phantom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from benchbed.api.specs import DatasetSpec
from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.sources.cases import Collection, collect_cases, find_layouts
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import describe_missing_dataset, find_dataset, resolve_collection
from benchbed.registry.lookup import get_registry
from benchbed_chest.phantom import render

NAMES = {
    "train/NORMAL": ("IM-0115-0001", "IM-0115-0002", "NORMAL2-IM-0383-0001", "IM-0117-0001-0001"),
    "train/PNEUMONIA": ("person1_bacteria_1", "person1_bacteria_2", "person101_virus_187"),
    "val/NORMAL": ("NORMAL2-IM-1427-0001",),
    "val/PNEUMONIA": ("person1946_bacteria_4874",),
    "test/NORMAL": ("IM-0001-0001", "NORMAL2-IM-0117-0001"),
    "test/PNEUMONIA": ("person1_virus_6", "person1_virus_7", "person101_bacteria_483"),
}


def _spec() -> DatasetSpec:
    return get_registry().get_spec(DatasetSpec, "chest-xray")


def _write_tree(folder: Path) -> None:
    """Write the official tree with grey images of several shapes, one of them RGB."""
    rng = np.random.default_rng(0)
    for subfolder, names in NAMES.items():
        for number, name in enumerate(names):
            path = folder / subfolder / f"{name}.jpeg"
            path.parent.mkdir(parents=True, exist_ok=True)
            grey = rng.integers(0, 256, (40, 50 + 15 * number), dtype=np.uint8)
            colour = name == "person1_bacteria_1"
            Image.fromarray(np.repeat(grey[..., None], 3, 2) if colour else grey).save(path)


def _write_mac_files(folder: Path) -> None:
    """Write the hidden files that macOS adds to archives."""
    for path in (folder / "__MACOSX/train/NORMAL/._IM-1.jpeg", folder / "train/.DS_Store"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"Mac OS X")


def _collected(root: Path) -> Collection:
    return collect_cases(_spec(), find_layouts(_spec(), root), root)


@pytest.mark.parametrize(
    "folders",
    [
        ("chest_xray", "chest_xray/chest_xray"),
        ("chest_xray",),
        ("chest_xray/chest_xray",),
        ("chest-xray/chest_xray",),
        ("chest-xray-pneumonia/chest_xray", "chest-xray-pneumonia/chest_xray/chest_xray"),
    ],
    ids=" + ".join,
)
def test_the_tree_is_found_once_at_any_nesting(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        _write_tree(tmp_path / folder)
        _write_mac_files(tmp_path / folder)
    assert _collected(tmp_path).count_cases() == {"test": 5, "train": 7, "val": 2}
    inside = tmp_path / folders[0].split("/")[0]
    assert _collected(inside).count_cases() == {"test": 5, "train": 7, "val": 2}


def test_labels_are_folders_and_splits_are_patient_disjoint(tmp_path: Path) -> None:
    """Bacterial person1 and viral person1 are two patients."""
    _write_tree(tmp_path / "chest_xray")
    cases = _collected(tmp_path).cases
    assert all(case.label == int("PNEUMONIA" in case.image.parts) for case in cases)
    splits_of: dict[str, set[str]] = {}
    for case in cases:
        splits_of.setdefault(case.patient, set()).add(case.split)
    assert all(len(splits) == 1 for splits in splits_of.values())
    patients = {case.id: case.patient for case in cases}
    assert patients["IM-0115-0001"] == patients["IM-0115-0002"] == "IM-0115"
    assert patients["person1_virus_6"] == patients["person1_virus_7"] == "person1_virus"
    assert patients["NORMAL2-IM-0117-0001"] != patients["IM-0117-0001-0001"]


def test_grey_and_rgb_images_become_one_channel_and_are_stretched(tmp_path: Path) -> None:
    _write_tree(tmp_path / "chest_xray")
    collection, fingerprint = identify_collection(_collected(tmp_path))
    spec = _spec()
    prepared = prepare_dataset(
        collection, fingerprint, size=32, channels=spec.channels, framing=spec.framing
    )
    train = prepared.get_split("train")
    assert train.images.shape == (7, 1, 32, 32)
    assert train.images.std((1, 2, 3)).min() > 10
    # A padded image would have a border of one value.
    assert min(train.images[..., 0, :].std(-1).min(), train.images[..., 0].std(-1).min()) > 3


def test_the_message_for_missing_data_shows_layout_and_source(tmp_path: Path) -> None:
    text = describe_missing_dataset(find_dataset(_spec(), tmp_path))
    assert "chest_xray/train/PNEUMONIA/person1_bacteria_1.jpeg" in text
    assert "Kaggle" in text


def test_real_radiographs_are_counted(real_data: Path) -> None:
    if not (real_data / "chest-xray/chest_xray").is_dir():
        pytest.skip("no chest-xray/chest_xray in BENCHBED_DATA")
    collection = resolve_collection("chest-xray", "real", real_data)
    assert collection.count_cases() == {"test": 64, "train": 230, "val": 16}
    assert sum(case.label or 0 for case in collection.cases) == 115 + 32 + 8
    assert len({case.patient for case in collection.cases}) == 310


CASES = render(range(24), 128, 7)


def test_a_case_depends_on_its_number_and_seed_alone() -> None:
    single = render([3], 128, 7)
    assert all(np.array_equal(single[name][0], CASES[name][3]) for name in CASES)
    assert not np.array_equal(render([3], 128, 8)["image"][0], CASES["image"][3])


def test_ranges_and_shapes() -> None:
    assert CASES["image"].shape == (24, 128, 128, 1)
    assert CASES["image"].dtype == np.uint8
    assert set(CASES["label"]) == {0, 1}
    for size in (8, 2048):
        with pytest.raises(ValueError, match=r"\b16\b.*\b1024\b"):
            render([0], size, 0)


def test_cases_differ() -> None:
    flat = CASES["image"].reshape(24, -1).astype(float)
    distance = np.abs(flat[:, None] - flat[None]).mean(-1)
    assert distance[~np.eye(24, dtype=bool)].min() > 5


@pytest.mark.parametrize("size", [64, 256])
def test_the_same_chest_at_every_size(size: int) -> None:
    other = render(range(3), size, 7)
    assert np.array_equal(other["label"], CASES["label"][:3])
    for first, second in zip(CASES["image"], other["image"], strict=False):
        small = [p.reshape(32, len(p) // 32, 32, -1).mean((1, 3)) for p in (first, second)]
        assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.99


def test_lungs_are_darker_than_spine_and_abdomen() -> None:
    """Medians over the cases, so that a few pneumonias do not matter."""
    middle = np.median(CASES["image"][..., 0].astype(float), axis=0)
    right, left, spine = middle[40:70, 30:45], middle[40:70, 85:98], middle[40:70, 60:68]
    assert max(np.median(right), np.median(left)) < 0.6 * np.median(spine)
    abdomen = middle[112:, 35:95]
    assert np.median(abdomen) > 1.6 * np.median(right)
    assert middle[:6, :20].mean() < 0.5 * np.median(right)


def test_the_heart_is_on_the_right_of_the_image() -> None:
    middle = np.median(CASES["image"][..., 0].astype(float), axis=0)
    assert middle[70:85, 78:88].mean() > 1.3 * middle[70:85, 40:50].mean()


def test_ribs_cross_the_lungs() -> None:
    """A vertical line through a healthy lung crosses several bright bands."""
    healthy = CASES["image"][CASES["label"] == 0, 25:80, 36:42, 0].mean(-1)
    waves = healthy - ndimage.gaussian_filter1d(healthy, 8, axis=1)
    crossings = (np.diff(np.sign(waves), axis=1) != 0).sum(1)
    assert np.median(crossings) >= 6
    assert waves.std(1).min() > 4


def test_pneumonia_makes_the_lungs_brighter_and_uneven() -> None:
    lungs = CASES["image"][:, 35:75, 28:100, 0].astype(float)
    columns = np.r_[0:16, 56:72]
    coarse = ndimage.gaussian_filter(lungs, (0, 6, 4))[..., columns]
    spine = lungs[..., 32:40].mean((1, 2))
    share, sick = coarse.max((1, 2)) / spine, CASES["label"] == 1
    assert np.median(share[sick]) > 1.1 * np.median(share[~sick])
