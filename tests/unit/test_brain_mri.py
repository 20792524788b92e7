"""brain-mri: its official layout with its flaws, and its phantom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection
from benchbed.data.sources.verification import verify_files
from benchbed.errors import BenchbedError
from benchbed_brain.anatomy import sample_brain
from benchbed_brain.phantom import render
from benchbed_brain.tumour import push_brain, sample_tumours

CASES = render(range(40), 128, 7)
IMAGES, LABELS = CASES["image"][..., 0], CASES["label"]


def _slice(path: Path, number: int, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (50, 40), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def _official(root: Path, *, nested: bool = True, folder: str = "brain-mri") -> Path:
    """Write files with the names, modes and suffixes of Kaggle's zip, which has its tree twice."""
    for top in (Path(), Path("brain_tumor_dataset")) if nested else (Path(),):
        base = root / folder / top
        for number in range(1, 9):
            _slice(base / "yes" / f"Y{number}.{'JPG' if number % 2 else 'jpg'}", number)
        _slice(base / "yes/Y8.png", 80, "RGBA")
        for number, name in enumerate(("1 no.jpeg", "no 1.jpg", "N1.JPG", "No15.jpg", "no.jpg")):
            _slice(base / "no" / name, 100 + number)
        _slice(base / "no/2 no.png", 200, "P")
        _slice(base / "no/3 no.png", 201, "RGB")
    return root


def _counts(collection: Collection) -> tuple[int, int]:
    labels = [case.label for case in collection.cases]
    return labels.count(1), labels.count(0)


@pytest.mark.parametrize("nested", [True, False])
def test_folders_are_the_classes_and_the_nested_copy_is_ignored(
    tmp_path: Path, nested: bool
) -> None:
    collection = resolve_collection("brain-mri", "real", _official(tmp_path, nested=nested))
    assert _counts(collection) == (9, 7)
    assert "no 1" in {case.id for case in collection.cases}
    findings = verify_files(collection)
    assert findings.duplicates == []
    assert findings.undecodable == {}


def test_the_name_of_the_inner_folder_is_found_too(tmp_path: Path) -> None:
    root = _official(tmp_path, nested=False, folder="brain_tumor_dataset")
    assert _counts(resolve_collection("brain-mri", "real", root)) == (9, 7)
    _official(tmp_path)
    assert _counts(resolve_collection("brain-mri", "real", root)) == (9, 7), (
        "both folders are counted"
    )


def test_two_files_of_the_same_name_are_two_cases_of_one_patient(tmp_path: Path) -> None:
    cases = resolve_collection("brain-mri", "real", _official(tmp_path)).cases
    same_name = [case for case in cases if case.patient == "Y8"]
    assert sorted(case.id for case in same_name) == ["yes/Y8.jpg", "yes/Y8.png"]
    assert len({case.split for case in same_name}) == 1


def test_all_modes_become_grey_squares_with_labels(tmp_path: Path) -> None:
    collection, fingerprint = identify_collection(
        resolve_collection("brain-mri", "real", _official(tmp_path))
    )
    spec = collection.spec
    prepared = prepare_dataset(
        collection, fingerprint, size=32, channels=spec.channels, framing=spec.framing
    )
    splits = prepared.splits.values()
    assert {split.images.shape[1:] for split in splits} == {(1, 32, 32)}
    assert sum(split.arrays["label"].sum() for split in splits) == 9
    assert spec.classes == ("no", "yes")
    for split in splits:
        assert split.images[..., :2].max() < split.images[..., 8:-8].mean(), "portrait: black sides"


def test_duplicate_files_are_used_once(tmp_path: Path) -> None:
    folder = _official(tmp_path) / "brain-mri"
    for copy, original in (("yes/Y9.jpg", "yes/Y3.JPG"), ("no/4 no.jpg", "yes/Y5.JPG")):
        (folder / copy).write_bytes((folder / original).read_bytes())
    messages: list[str] = []
    usable, _ = identify_collection(
        resolve_collection("brain-mri", "real", tmp_path), log=messages.append
    )
    assert len(usable.cases) == 16
    assert "2 of 18" in messages[0]
    assert "4 no = Y5" in messages[0], "duplicates in two classes are named"


def test_an_unknown_class_folder_is_named(tmp_path: Path) -> None:
    _slice(_official(tmp_path) / "brain-mri/maybe/1.jpg", 1)
    with pytest.raises(BenchbedError, match=r"maybe/1\.jpg.*'maybe'.*brain-mri.*\bno, yes\b"):
        resolve_collection("brain-mri", "real", tmp_path)


def test_real_data_has_the_published_counts(real_data: Path) -> None:
    """155 with a tumour, 98 without; 22 groups of equal files with 25 duplicates."""
    if not (real_data / "brain-mri").is_dir():
        pytest.skip("BENCHBED_DATA has no brain-mri")
    collection = resolve_collection("brain-mri", "real", real_data)
    assert _counts(collection) == (155, 98)
    findings = verify_files(collection)
    assert len(findings.duplicates) == 22
    assert ["Y15", "Y181", "Y34"] in findings.duplicates
    assert (findings.class_conflicts, findings.split_leaks, findings.undecodable) == ([], [], {})
    messages: list[str] = []
    usable, fingerprint = identify_collection(collection, log=messages.append)
    assert (len(usable.cases), len(usable.duplicates)) == (228, 25)
    assert fingerprint == findings.fingerprint
    assert "25 of 253" in messages[0]
    contents = [case.image.read_bytes() for case in usable.cases]
    assert len(set(contents)) == 228, "a training image is in the test split"


def test_a_case_depends_on_its_number_and_seed_alone() -> None:
    single = render([3], 128, 7)
    assert np.array_equal(single["image"][0], CASES["image"][3])
    assert single["label"][0] == LABELS[3]
    assert not np.array_equal(render([3], 128, 8)["image"][0], CASES["image"][3])


def test_shapes_and_ranges() -> None:
    assert (CASES["image"].shape, CASES["image"].dtype) == ((40, 128, 128, 1), np.uint8)
    assert (LABELS.shape, LABELS.dtype) == ((40,), np.int64)
    assert 0.4 < LABELS.mean() < 0.8
    for size in (8, 2048):
        with pytest.raises(ValueError, match=r"\b16\b.*\b1024\b"):
            render([0], size, 0)


@pytest.mark.parametrize("size", [32, 64, 256])
def test_the_same_head_at_every_size(size: int) -> None:
    other = render(range(12), size, 7)
    assert np.array_equal(other["label"], LABELS[:12])
    for first, second in zip(IMAGES, other["image"][..., 0], strict=False):
        small = [p.reshape(32, len(p) // 32, 32, -1).mean((1, 3)) for p in (first, second)]
        assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.99
        assert np.abs(small[0] - small[1]).mean() < 4


def test_cases_differ() -> None:
    flat = IMAGES.reshape(40, -1).astype(float)
    distance = np.abs(flat[:, None] - flat[None]).mean(-1)
    assert distance[~np.eye(40, dtype=bool)].min() > 5


def test_a_head_is_a_bright_scalp_on_dark_bone_around_the_brain() -> None:
    """From outside inwards, for every head that is wholly inside the image."""
    complete = 0
    for image in IMAGES:
        assert image[:6, :6].mean() < 16
        lit = ndimage.gaussian_filter(image.astype(float), 1) > 0.3 * np.percentile(image, 95)
        filled = ndimage.binary_fill_holes(lit)
        parts, _ = ndimage.label(filled)
        sizes = np.bincount(parts.ravel())[1:]
        if sizes.max() < 0.97 * sizes.sum():
            continue
        complete += 1
        depth = ndimage.distance_transform_edt(filled)
        rings = [image[(depth > d) & (depth <= d + 1)].mean() for d in range(12)]
        scalp = int(np.argmax(rings[:5]))
        assert min(rings[scalp:]) < 0.6 * rings[scalp]
    assert complete > 30


def test_a_tumour_makes_the_halves_different() -> None:
    """Heads without one are nearly their own mirror images."""
    images = render(range(120), 64, 3)
    smooth = ndimage.gaussian_filter(images["image"][..., 0].astype(float), (0, 2.5, 2.5))
    inner = smooth[:, 16:48, 16:48]
    difference = np.abs(inner - inner[:, :, ::-1]).mean((1, 2)) / inner.mean((1, 2))
    sick = images["label"].astype(bool)
    assert difference[sick].mean() > 2 * difference[~sick].mean()


def test_ventricles_are_dark_in_some_weightings_and_bright_in_others() -> None:
    healthy = IMAGES[LABELS == 0]
    middle = [np.median(i[44:84, 44:84]) for i in healthy]
    extremes = [
        np.percentile(i[44:84, 44:84], 98) - m - (m - np.percentile(i[44:84, 44:84], 2))
        for i, m in zip(healthy, middle, strict=True)
    ]
    assert min(extremes) < -10
    assert max(extremes) > 40


def test_a_tumour_pushes_tissue_away_but_not_out_of_the_skull() -> None:
    moved = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        before = sample_brain("bodies", rng)
        growths = sample_tumours(before.outline, rng)[:1]
        after = push_brain(before, growths)
        old, new = before.fluid.start, after.fluid.start
        centre = np.asarray(growths[0].centre)
        gained = np.hypot(*(new - centre).T) - np.hypot(*(old - centre).T)
        assert gained.min() >= -1e-9
        moved += bool(gained.max() > 0.02)
        for start, end in ((before.sulci.end, after.sulci.end), (old, new)):
            furthest = np.maximum(before.outline.measure_depth(*start.T), 0.98)
            assert (before.outline.measure_depth(*end.T) <= furthest + 0.01).all()
    assert moved > 7
