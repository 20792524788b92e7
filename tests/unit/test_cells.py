"""Cells in phase contrast: pairing of masks, sequences, and the phantom."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from benchbed.api.specs import DatasetSpec
from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.sources.cases import Collection, collect_cases, find_layouts
from benchbed.data.sources.identify import identify_collection
from benchbed.errors import BenchbedError
from benchbed.phantoms import fill
from benchbed.registry.lookup import get_registry
from benchbed_cells.cell import sample_cell
from benchbed_cells.phantom import render


def _collected(root: Path) -> Collection:
    spec = get_registry().get_spec(DatasetSpec, "bu-bil")
    return collect_cases(spec, find_layouts(spec, root), root)


def _write_library(root: Path, names: list[str], prefix: str = "") -> Path:
    """Write images of 24 x 32 in different greys, each with a mask of 6 x 12."""
    folder = root / "BU-BIL"
    for number, name in enumerate(names):
        image, mask = (folder / part / name for part in ("RawImages", "GoldStandard"))
        mask = mask.with_name(prefix + mask.name)
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        cell = np.zeros((24, 32), np.uint8)
        cell[4 + number % 9 : 10 + number % 9, 2 + number % 15 : 14 + number % 15] = 255
        Image.fromarray(np.where(cell > 0, 60, 120 + number).astype(np.uint8)).save(image)
        Image.fromarray(cell).save(mask)
    (folder / "CrowdsourcedAnnotations").mkdir()
    Image.fromarray(cell).save(folder / "CrowdsourcedAnnotations/cell_00.png")
    return folder


NAMES = [f"cell_{number:02d}.png" for number in range(35)]


@pytest.mark.parametrize("prefix", ["", "seg_"])
def test_images_pair_with_masks_with_or_without_prefix(tmp_path: Path, prefix: str) -> None:
    """Files outside the two folders, such as crowdsourced annotations, are ignored."""
    _write_library(tmp_path, NAMES, prefix)
    collection = _collected(tmp_path)
    assert sum(collection.count_cases().values()) == 35
    assert set(collection.count_cases()) == {"train", "test"}
    for case in collection.cases:
        assert not case.is_official_split
        assert case.mask is not None
        assert case.mask.name == prefix + case.image.name
        assert case.mask.parent.name == "GoldStandard"


def test_a_sequence_stays_in_one_split(tmp_path: Path) -> None:
    """Files of the same name in two folders are two cases, each with the mask of its folder."""
    names = [f"chain{k}/{frame:02d}.png" for k in range(12) for frame in range(3)]
    _write_library(tmp_path, names)
    collection = _collected(tmp_path)
    splits_of: dict[str, set[str]] = {}
    for case in collection.cases:
        assert case.mask is not None
        assert case.mask.parts[-2:] == case.image.parts[-2:]
        splits_of.setdefault(case.patient, set()).add(case.split)
    assert len(collection.cases) == 36
    assert set(splits_of) == {f"chain{k}" for k in range(12)}
    assert all(len(splits) == 1 for splits in splits_of.values())


def test_an_image_without_mask_is_named(tmp_path: Path) -> None:
    (_write_library(tmp_path, NAMES) / "GoldStandard/cell_07.png").unlink()
    with pytest.raises(
        BenchbedError, match=r"\b1 of 35\b.*RawImages/cell_07\.png.*GoldStandard/.*cell_07\.png"
    ):
        _collected(tmp_path)


def test_framing_does_not_crop(tmp_path: Path) -> None:
    """A cell at the edge of a wide image keeps its share of the area, here 72 of 768."""
    _write_library(tmp_path, NAMES)
    collection, fingerprint = identify_collection(_collected(tmp_path))
    spec = get_registry().get_spec(DatasetSpec, "bu-bil")
    prepared = prepare_dataset(collection, fingerprint, size=48, channels=1, framing=spec.framing)
    for split in prepared.splits.values():
        assert split.images.shape[1:] == (1, 48, 48)
        share = np.asarray(split.arrays["mask"]).mean((1, 2))
        np.testing.assert_allclose(share, 72 / 768, atol=0.01)


def test_the_access_text_says_that_the_folder_number_is_unknown() -> None:
    access = get_registry().get_spec(DatasetSpec, "bu-bil").access_instructions
    assert re.search(r"\b35\b", access)
    assert re.search(r"not known|unknown", access)


CASES = render(range(12), 128, 7)
MASKS = CASES["mask"].astype(bool)


def test_a_case_depends_on_its_number_and_seed_alone() -> None:
    single = render([3], 128, 7)
    assert all(np.array_equal(single[name][0], CASES[name][3]) for name in CASES)
    assert not np.array_equal(render([3], 128, 8)["image"][0], CASES["image"][3])


def test_ranges_and_shapes() -> None:
    assert CASES["image"].shape == (12, 128, 128, 1)
    assert CASES["mask"].shape == (12, 128, 128)
    assert {array.dtype for array in CASES.values()} == {np.dtype(np.uint8)}
    assert set(np.unique(CASES["mask"])) == {0, 1}
    for size in (8, 2048):
        with pytest.raises(ValueError, match=r"\b16\b.*\b1024\b"):
            render([0], size, 0)


@pytest.mark.parametrize("size", [64, 256])
def test_the_same_cell_at_every_size(size: int) -> None:
    other = render(range(4), size, 7)
    for name, least in (("image", 0.97), ("mask", 0.98)):
        for first, second in zip(CASES[name], other[name], strict=False):
            small = [p.reshape(32, len(p) // 32, 32, -1).mean((1, 3)) for p in (first, second)]
            assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > least


def test_an_image_has_one_cell_that_does_not_touch_the_border() -> None:
    for mask in MASKS:
        areas = np.bincount(ndimage.label(mask)[0].ravel())[1:]
        assert areas.max() > 0.99 * areas.sum()
        assert 0.04 < mask.mean() < 0.2
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()


def test_the_cell_is_dark_and_has_a_bright_halo() -> None:
    """In phase contrast, the halo is brighter than the background and the cell darker."""
    for image, mask in zip(CASES["image"][..., 0].astype(float), MASKS, strict=True):
        halo = ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask)
        background = ndimage.binary_dilation(mask, iterations=16)
        background &= ~ndimage.binary_dilation(mask, iterations=10)
        assert image[mask].mean() < image[background].mean() - 8
        assert image[halo].mean() > image[background].mean() + 8


def test_the_cell_has_more_texture_than_the_background() -> None:
    for image, mask in zip(CASES["image"][..., 0].astype(float), MASKS, strict=True):
        fine = image - ndimage.gaussian_filter(image, 2)
        inside = ndimage.binary_erosion(mask, iterations=3)
        outside = ~ndimage.binary_dilation(mask, iterations=10)
        assert fine[inside].std() > 2 * fine[outside].std()


def test_the_nucleus_is_in_the_cell_and_most_cells_are_spindles() -> None:
    """A process is 60 points of the outline: six knots of ten steps."""
    cells = [sample_cell(np.random.default_rng(k)) for k in range(60)]
    arms = np.asarray([len(cell.outline) // 60 for cell in cells])
    assert set(arms) == {2, 3, 4}
    assert 0.4 < (arms == 2).mean() < 0.75
    for cell in cells:
        assert np.abs(cell.outline).max() < 1
        nucleus, body = fill(cell.nucleus, 128), fill(cell.outline, 128)
        assert nucleus.sum() > 20
        assert (nucleus * body).sum() > 0.99 * nucleus.sum()
