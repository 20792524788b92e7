"""brain-mri: its official layout with its faults, and its phantom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from benchbed.data.collection import Collection
from benchbed.data.prepare import identify, prepare
from benchbed.data.source import resolve
from benchbed.data.verify import verify
from benchbed.errors import BenchbedError
from benchbed_brain.anatomy import brain
from benchbed_brain.phantom import render
from benchbed_brain.tumour import pushed, tumours

CASES = render(range(40), 128, 7)
IMAGES, LABELS = CASES["image"][..., 0], CASES["label"]


def _slice(path: Path, number: int, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (50, 40), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def _official(root: Path, *, nested: bool = True, folder: str = "brain-mri") -> Path:
    """Names, modes and suffixes as Kaggle's zip file has them; its tree is in there twice."""
    for top in (Path(), Path("brain_tumor_dataset")) if nested else (Path(),):
        place = root / folder / top
        for number in range(1, 9):
            _slice(place / "yes" / f"Y{number}.{'JPG' if number % 2 else 'jpg'}", number)
        _slice(place / "yes/Y8.png", 80, "RGBA")
        for number, name in enumerate(("1 no.jpeg", "no 1.jpg", "N1.JPG", "No15.jpg", "no.jpg")):
            _slice(place / "no" / name, 100 + number)
        _slice(place / "no/2 no.png", 200, "P")
        _slice(place / "no/3 no.png", 201, "RGB")
    return root


def _counts(collection: Collection) -> tuple[int, int]:
    labels = [case.label for case in collection.cases]
    return labels.count(1), labels.count(0)


@pytest.mark.parametrize("nested", [True, False])
def test_the_two_folders_are_the_classes_and_the_nested_copy_is_not_counted(
    tmp_path: Path, nested: bool
) -> None:
    collection = resolve("brain-mri", "real", _official(tmp_path, nested=nested))
    assert _counts(collection) == (9, 7)
    assert "no 1" in {case.id for case in collection.cases}
    findings = verify(collection)
    assert findings.duplicates == []
    assert findings.undecodable == {}


def test_it_is_found_under_the_name_of_its_inner_folder_too(tmp_path: Path) -> None:
    root = _official(tmp_path, nested=False, folder="brain_tumor_dataset")
    assert _counts(resolve("brain-mri", "real", root)) == (9, 7)
    _official(tmp_path)
    assert _counts(resolve("brain-mri", "real", root)) == (9, 7), "counted in both places"


def test_two_files_of_one_name_are_two_cases_of_one_patient(tmp_path: Path) -> None:
    cases = resolve("brain-mri", "real", _official(tmp_path)).cases
    twins = [case for case in cases if case.patient == "Y8"]
    assert sorted(case.id for case in twins) == ["yes/Y8.jpg", "yes/Y8.png"]
    assert len({case.split for case in twins}) == 1


def test_every_mode_becomes_a_grey_square_with_its_label(tmp_path: Path) -> None:
    collection, fingerprint = identify(resolve("brain-mri", "real", _official(tmp_path)))
    spec = collection.spec
    prepared = prepare(
        collection, fingerprint, size=32, channels=spec.channels, framing=spec.framing
    )
    splits = prepared.splits.values()
    assert {split.image.shape[1:] for split in splits} == {(1, 32, 32)}
    assert sum(split.arrays["label"].sum() for split in splits) == 9
    assert spec.classes == ("no", "yes")
    for split in splits:
        assert split.image[..., :2].max() < split.image[..., 8:-8].mean(), "portrait: black sides"


def test_files_that_lie_there_twice_are_used_once(tmp_path: Path) -> None:
    folder = _official(tmp_path) / "brain-mri"
    for copy, of in (("yes/Y9.jpg", "yes/Y3.JPG"), ("no/4 no.jpg", "yes/Y5.JPG")):
        (folder / copy).write_bytes((folder / of).read_bytes())
    said: list[str] = []
    usable, _ = identify(resolve("brain-mri", "real", tmp_path), say=said.append)
    assert len(usable.cases) == 16
    assert "2 of 18 images are left out" in said[0]
    assert "4 no = Y5" in said[0], "equal pictures of two classes are named"


def test_another_folder_is_refused_by_name(tmp_path: Path) -> None:
    _slice(_official(tmp_path) / "brain-mri/maybe/1.jpg", 1)
    with pytest.raises(BenchbedError, match="'maybe', but brain-mri has the classes no, yes"):
        resolve("brain-mri", "real", tmp_path)


def test_the_real_set_is_what_its_makers_counted(real_data: Path) -> None:
    """155 with a tumour, 98 without; 22 groups of equal files, of which 25 files too many."""
    if not (real_data / "brain-mri").is_dir():
        pytest.skip("BENCHBED_DATA has no brain-mri")
    collection = resolve("brain-mri", "real", real_data)
    assert _counts(collection) == (155, 98)
    findings = verify(collection)
    assert len(findings.duplicates) == 22
    assert ["Y15", "Y181", "Y34"] in findings.duplicates
    assert (findings.classes, findings.leaks, findings.undecodable) == ([], [], {})
    said: list[str] = []
    usable, fingerprint = identify(collection, say=said.append)
    assert (len(usable.cases), len(usable.copies)) == (228, 25)
    assert fingerprint == findings.fingerprint
    assert said[0].startswith("Data: 25 of 253 images are left out")
    contents = [case.image.read_bytes() for case in usable.cases]
    assert len(set(contents)) == 228, "an image of the training split is in the test split"


def test_a_case_depends_on_its_number_and_the_seed_alone() -> None:
    alone = render([3], 128, 7)
    assert np.array_equal(alone["image"][0], CASES["image"][3])
    assert alone["label"][0] == LABELS[3]
    assert not np.array_equal(render([3], 128, 8)["image"][0], CASES["image"][3])


def test_shapes_and_ranges() -> None:
    assert (CASES["image"].shape, CASES["image"].dtype) == ((40, 128, 128, 1), np.uint8)
    assert (LABELS.shape, LABELS.dtype) == ((40,), np.int64)
    assert 0.4 < LABELS.mean() < 0.8
    for size in (8, 2048):
        with pytest.raises(ValueError, match="16 to 1024"):
            render([0], size, 0)


@pytest.mark.parametrize("size", [32, 64, 256])
def test_the_same_head_at_every_size(size: int) -> None:
    other = render(range(12), size, 7)
    assert np.array_equal(other["label"], LABELS[:12])
    for first, second in zip(IMAGES, other["image"][..., 0], strict=False):
        small = [p.reshape(32, len(p) // 32, 32, -1).mean((1, 3)) for p in (first, second)]
        assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.99
        assert np.abs(small[0] - small[1]).mean() < 4


def test_distinct_heads_differ() -> None:
    flat = IMAGES.reshape(40, -1).astype(float)
    distance = np.abs(flat[:, None] - flat[None]).mean(-1)
    assert distance[~np.eye(40, dtype=bool)].min() > 5


def test_a_head_is_a_bright_scalp_on_dark_bone_around_the_brain() -> None:
    """From outside inwards, in every head that its picture does not cut."""
    whole = 0
    for image in IMAGES:
        assert image[:6, :6].mean() < 16
        lit = ndimage.gaussian_filter(image.astype(float), 1) > 0.3 * np.percentile(image, 95)
        filled = ndimage.binary_fill_holes(lit)
        parts, _ = ndimage.label(filled)
        sizes = np.bincount(parts.ravel())[1:]
        if sizes.max() < 0.97 * sizes.sum():
            continue
        whole += 1
        depth = ndimage.distance_transform_edt(filled)
        rings = [image[(depth > d) & (depth <= d + 1)].mean() for d in range(12)]
        scalp = int(np.argmax(rings[:5]))
        assert min(rings[scalp:]) < 0.6 * rings[scalp]
    assert whole > 30


def test_a_tumour_makes_the_halves_unlike() -> None:
    """Heads without one are nearly their own mirror images."""
    images = render(range(120), 64, 3)
    smooth = ndimage.gaussian_filter(images["image"][..., 0].astype(float), (0, 2.5, 2.5))
    inner = smooth[:, 16:48, 16:48]
    unlike = np.abs(inner - inner[:, :, ::-1]).mean((1, 2)) / inner.mean((1, 2))
    sick = images["label"].astype(bool)
    assert unlike[sick].mean() > 2 * unlike[~sick].mean()


def test_ventricles_are_dark_in_some_weightings_and_bright_in_others() -> None:
    healthy = IMAGES[LABELS == 0]
    middle = [np.median(i[44:84, 44:84]) for i in healthy]
    extremes = [
        np.percentile(i[44:84, 44:84], 98) - m - (m - np.percentile(i[44:84, 44:84], 2))
        for i, m in zip(healthy, middle, strict=True)
    ]
    assert min(extremes) < -10
    assert max(extremes) > 40


def test_what_a_tumour_pushes_moves_away_from_it_and_stays_in_the_skull() -> None:
    moved = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        before = brain("bodies", rng)
        growths = tumours(before.outline, rng)[:1]
        after = pushed(before, growths)
        old, new = before.fluid.start, after.fluid.start
        centre = np.asarray(growths[0].centre)
        gained = np.hypot(*(new - centre).T) - np.hypot(*(old - centre).T)
        assert gained.min() >= -1e-9
        moved += bool(gained.max() > 0.02)
        for here, there in ((before.sulci.end, after.sulci.end), (old, new)):
            furthest = np.maximum(before.outline.reach(*here.T), 0.98)
            assert (before.outline.reach(*there.T) <= furthest + 0.01).all()
    assert moved > 7
