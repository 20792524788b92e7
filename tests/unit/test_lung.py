"""CT slices of the lungs: windows, pairing of masks, patients, classes, and phantoms."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from tifffile import imwrite

from benchbed.api.specs import DatasetSpec
from benchbed.data.io.images import read_image
from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.sources.cases import Collection, collect_cases, find_layouts
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed_lung.phantom import render, render_nodules

WINDOW = (-1000, 400)
IQ_OTH = "The IQ-OTHNCCD lung cancer dataset"


def _collected(name: str, root: Path) -> Collection:
    spec = get_registry().get_spec(DatasetSpec, name)
    return collect_cases(spec, find_layouts(spec, root), root)


def _write_slices(root: Path, patients: int = 30, dtype: str = "int32") -> Path:
    """Write slices in Hounsfield units with masks, two per patient, and the unused 3D part."""
    folder = root / "finding-lungs-in-ct-data"
    for part in ("2d_images", "2d_masks", "3d_images"):
        (folder / part).mkdir(parents=True)
    (folder / "3d_images/IMG_0002.nii.gz").write_bytes(b"a volume")
    (folder / "lung_stats.csv").write_text("lung_area_px\n")
    for patient in range(patients):
        for height in (142, 146):
            field = np.full((24, 24), -1024.0)
            field[4:20, 2:22] = 50 + patient
            field[8:16, 6:18] = -850
            name = f"ID_{patient:04d}_Z_{height:04d}.tif"
            imwrite(folder / "2d_images" / name, field.astype(dtype))
            imwrite(folder / "2d_masks" / name, np.where(field == -850, 255, 0).astype(np.uint8))
    return folder


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_the_window_is_exact_for_every_dtype(tmp_path: Path, dtype: str) -> None:
    values = np.asarray([[-1024, -1000, -999, -300], [0, 399, 400, 3071]], dtype=dtype)
    imwrite(tmp_path / "a.tif", values)
    for channels in (1, 3):
        pixels = read_image(tmp_path / "a.tif", channels, WINDOW)
        assert pixels.shape == (2, 4, channels)
        assert pixels[..., 0].tolist() == [[0, 0, 0, 128], [182, 255, 255, 255]]
    assert not np.array_equal(read_image(tmp_path / "a.tif", 1), pixels[..., :1])


def test_8_bit_images_ignore_the_window(tmp_path: Path) -> None:
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    imwrite(tmp_path / "a.tif", values)
    assert np.array_equal(read_image(tmp_path / "a.tif", 1, WINDOW)[..., 0], values)


def test_shifted_values_raise(tmp_path: Path) -> None:
    """Unsigned 16-bit files cannot contain Hounsfield units without an offset."""
    imwrite(tmp_path / "a.tif", np.arange(64, dtype=np.uint16).reshape(8, 8) + 24)
    with pytest.raises(BenchbedError, match=r"/a\.tif\b.*\b0\b.*-1000\b.*\b400\b"):
        read_image(tmp_path / "a.tif", 1, WINDOW)


def test_a_decreasing_window_raises() -> None:
    with pytest.raises(ValueError, match=r"'x'.*intensity_window\b.*\b400\b.*-1000\b"):
        DatasetSpec(
            name="x", title="x", modality="x", licence="x", access_instructions="x", layouts=(),
            intensity_window=(400, -1000),
        )  # fmt: skip


def test_slices_pair_with_masks_and_splits_are_patient_disjoint(tmp_path: Path) -> None:
    _write_slices(tmp_path)
    collection = _collected("lung-ct", tmp_path)
    assert len(collection.cases) == 60
    assert set(collection.count_cases()) == {"train", "test"}
    splits_of: dict[str, set[str]] = {}
    for case in collection.cases:
        assert case.mask is not None
        assert case.mask.name == case.image.name
        splits_of.setdefault(case.patient, set()).add(case.split)
    assert len(splits_of) == 30
    assert all(len(splits) == 1 for splits in splits_of.values())


def test_a_slice_without_mask_is_named(tmp_path: Path) -> None:
    (_write_slices(tmp_path) / "2d_masks/ID_0003_Z_0146.tif").unlink()
    with pytest.raises(BenchbedError, match=r"\b1 of 60\b.*2d_masks/ID_0003_Z_0146\.tif"):
        _collected("lung-ct", tmp_path)


def test_prepared_slices_use_the_window(tmp_path: Path) -> None:
    """-850 HU become 27 and 50 HU or more at least 191; percentiles would give 0 to 255."""
    _write_slices(tmp_path)
    collection, fingerprint = identify_collection(_collected("lung-ct", tmp_path))
    prepared = prepare_dataset(collection, fingerprint, size=24, channels=1, framing="center")
    for split in prepared.splits.values():
        lungs = np.asarray(split.arrays["mask"]).astype(bool)
        assert lungs.sum((1, 2)).tolist() == [96] * len(split)
        assert set(split.images[:, 0][lungs]) == {27}
        assert split.images.max((1, 2, 3)).min() == 191
        assert split.images.max() <= 197


def _write_cancer_cases(root: Path, *folders: str) -> None:
    rng = np.random.default_rng(0)
    for folder in folders:
        for kind in ("Normal", "Bengin", "Malignant", "Test"):
            for number in range(1, 13):
                path = root / folder / f"{kind} cases" / f"{kind} case ({number}).jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                wide = 30 if number == 5 else 20
                Image.fromarray(rng.integers(40, 256, (20, wide), dtype=np.uint8)).save(path)


@pytest.mark.parametrize(
    "folders", [(IQ_OTH,), (f"{IQ_OTH}/{IQ_OTH}",), (IQ_OTH, f"{IQ_OTH}/{IQ_OTH}")]
)
def test_classes_are_the_official_folders_found_once(
    tmp_path: Path, folders: tuple[str, ...]
) -> None:
    """Test cases of the archive have no class and are ignored."""
    _write_cancer_cases(tmp_path, *folders)
    cases = _collected("iq-oth", tmp_path).cases
    assert sorted(case.label for case in cases) == [0] * 12 + [1] * 12 + [2] * 12
    names = ("Normal", "Bengin", "Malignant")
    assert all(case.id.startswith(names[case.label]) for case in cases)


def test_a_wide_slice_is_padded_with_black(tmp_path: Path) -> None:
    _write_cancer_cases(tmp_path, IQ_OTH)
    spec = get_registry().get_spec(DatasetSpec, "iq-oth")
    collection, fingerprint = identify_collection(_collected("iq-oth", tmp_path))
    prepared = prepare_dataset(collection, fingerprint, size=30, channels=1, framing=spec.framing)
    for split in prepared.splits.values():
        for name, image in zip(split.ids, split.images[:, 0], strict=True):
            padded = "(5)" in name
            assert bool(image[:4].max() == 0 and image[-4:].max() == 0) == padded
            assert image[:, :3].max() > 0


def test_the_access_text_says_that_the_split_is_by_file() -> None:
    access = get_registry().get_spec(DatasetSpec, "iq-oth").access_instructions
    assert re.search(r"\bsplit\b.*\bfile\b", access)


def test_real_slices_are_counted(real_data: Path) -> None:
    if not (real_data / "lung-ct" / IQ_OTH).is_dir():
        pytest.skip(f"no lung-ct/{IQ_OTH} in BENCHBED_DATA")
    cases = resolve_collection("iq-oth", "real", real_data).cases
    assert [sum(case.label == kind for case in cases) for kind in range(3)] == [90, 87, 90]


CASES = render(range(12), 128, 7)


def test_a_case_depends_on_its_number_and_seed_alone() -> None:
    for draw, cases in ((render, CASES), (render_nodules, render_nodules(range(5), 128, 7))):
        single = draw([3], 128, 7)
        assert all(np.array_equal(single[name][0], cases[name][3]) for name in cases)
        assert not np.array_equal(draw([3], 128, 8)["image"][0], cases["image"][3])


def test_ranges_and_shapes() -> None:
    assert CASES["image"].shape == (12, 128, 128, 1)
    assert {array.dtype for array in CASES.values()} == {np.dtype(np.uint8)}
    assert set(np.unique(CASES["mask"])) == {0, 1}
    for draw in (render, render_nodules):
        for size in (8, 2048):
            with pytest.raises(ValueError, match=r"\b16\b.*\b1024\b"):
                draw([0], size, 0)


@pytest.mark.parametrize("size", [64, 256])
def test_the_same_slice_at_every_size(size: int) -> None:
    other = render(range(3), size, 7)
    for name, least in (("image", 0.99), ("mask", 0.98)):
        for first, second in zip(CASES[name], other[name], strict=False):
            small = [p.reshape(32, len(p) // 32, 32, -1).mean((1, 3)) for p in (first, second)]
            assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > least


def test_the_mask_is_two_dark_lungs_within_a_bright_body() -> None:
    for image, mask in zip(CASES["image"][..., 0], CASES["mask"].astype(bool), strict=True):
        parts, count = ndimage.label(mask)
        areas = np.bincount(parts.ravel())[1:]
        assert count == 2
        assert areas.min() > 0.5 * areas.max()
        assert 0.08 < mask.mean() < 0.35
        ring = ndimage.binary_dilation(mask, iterations=3) & ~mask
        assert np.median(image[mask]) < 0.4 * np.median(image[ring])
        body = ndimage.binary_fill_holes(ndimage.binary_closing(image > 120, iterations=2))
        assert (mask & body).sum() > 0.98 * mask.sum()


def test_lungs_have_vessels_and_outside_air_is_black() -> None:
    vessels = [(CASES["image"][k, ..., 0][CASES["mask"][k] == 1] > 90).mean() for k in range(12)]
    assert 0.02 < np.mean(vessels) < 0.2
    assert CASES["image"][:, :8].mean() < 5


def test_the_spine_is_bright_and_posterior() -> None:
    for image in CASES["image"][..., 0]:
        smooth = ndimage.gaussian_filter(image.astype(float), 3)
        row, column = np.unravel_index(smooth.argmax(), smooth.shape)
        assert row > 60
        assert 50 < column < 78


def test_nodules_are_small_if_benign_and_large_if_malignant() -> None:
    """Compared with the slice of the same number and anatomy without a nodule."""
    cases = render_nodules(range(40), 128, 7)
    healthy = render(range(40), 128, 7)
    change = np.abs(cases["image"].astype(int) - healthy["image"]) > 70
    solid = [ndimage.binary_opening(c[..., 0], iterations=1).sum() for c in change]
    normal, benign, malignant = (
        [area for area, label in zip(solid, cases["label"], strict=True) if label == kind]
        for kind in range(3)
    )
    assert max(normal) == 0 < min(benign + malignant)
    assert np.median(benign) > 10
    assert np.median(malignant) > 3 * np.median(benign)
    assert 0.3 < len(malignant) / 40 < 0.7
