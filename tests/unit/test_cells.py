"""Cells under the phase-contrast microscope: pairing, sequences; the phantom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from benchbed.api.specs import DatasetSpec
from benchbed.data.collection import Collection, collect, found
from benchbed.data.prepare import identify, prepare
from benchbed.errors import BenchbedError
from benchbed.phantoms import fill
from benchbed.registry import registry
from benchbed_cells.cell import draw_lots
from benchbed_cells.phantom import render


def _collected(root: Path) -> Collection:
    spec = registry().spec(DatasetSpec, "bu-bil")
    return collect(spec, found(spec, root), root)


def _library(root: Path, names: list[str], prefix: str = "") -> Path:
    """Pictures of 24 x 32, each of its own grey, with a mask of 6 x 12 somewhere in it."""
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
def test_35_images_pair_with_their_masks_whatever_the_prefix(tmp_path: Path, prefix: str) -> None:
    """What lies beside the two folders, such as the crowd's annotations, is passed over."""
    _library(tmp_path, NAMES, prefix)
    collection = _collected(tmp_path)
    assert sum(collection.counts().values()) == 35
    assert set(collection.counts()) == {"train", "test"}
    for case in collection.cases:
        assert not case.official
        assert case.mask is not None
        assert case.mask.name == prefix + case.image.name
        assert case.mask.parent.name == "GoldStandard"


def test_a_sequence_stays_in_one_split(tmp_path: Path) -> None:
    """Equal names in two sub-folders are two cases, each with the mask of its own folder."""
    names = [f"chain{k}/{frame:02d}.png" for k in range(12) for frame in range(3)]
    _library(tmp_path, names)
    collection = _collected(tmp_path)
    homes: dict[str, set[str]] = {}
    for case in collection.cases:
        assert case.mask is not None
        assert case.mask.parts[-2:] == case.image.parts[-2:]
        homes.setdefault(case.patient, set()).add(case.split)
    assert len(collection.cases) == 36
    assert set(homes) == {f"chain{k}" for k in range(12)}
    assert all(len(splits) == 1 for splits in homes.values())


def test_an_image_without_mask_is_refused_in_words(tmp_path: Path) -> None:
    (_library(tmp_path, NAMES) / "GoldStandard/cell_07.png").unlink()
    with pytest.raises(BenchbedError, match=r"1 of 35 images.*cell_07\.png"):
        _collected(tmp_path)


def test_the_whole_picture_is_kept(tmp_path: Path) -> None:
    """A cell at the edge of a wide picture keeps its share of the area, here 72 of 768."""
    _library(tmp_path, NAMES)
    collection, fingerprint = identify(_collected(tmp_path))
    spec = registry().spec(DatasetSpec, "bu-bil")
    prepared = prepare(collection, fingerprint, size=48, channels=1, framing=spec.framing)
    for split in prepared.splits.values():
        assert split.image.shape[1:] == (1, 48, 48)
        share = np.asarray(split.arrays["mask"]).mean((1, 2))
        np.testing.assert_allclose(share, 72 / 768, atol=0.01)


def test_that_the_number_of_the_folder_is_unknown_is_said_where_the_data_are_offered() -> None:
    access = registry().spec(DatasetSpec, "bu-bil").access
    assert "35" in access
    assert "not known" in access


CASES = render(range(12), 128, 7)
MASKS = CASES["mask"].astype(bool)


def test_a_case_depends_on_its_number_and_the_seed_alone() -> None:
    alone = render([3], 128, 7)
    assert all(np.array_equal(alone[name][0], CASES[name][3]) for name in CASES)
    assert not np.array_equal(render([3], 128, 8)["image"][0], CASES["image"][3])


def test_ranges_and_shapes() -> None:
    assert CASES["image"].shape == (12, 128, 128, 1)
    assert CASES["mask"].shape == (12, 128, 128)
    assert {array.dtype for array in CASES.values()} == {np.dtype(np.uint8)}
    assert set(np.unique(CASES["mask"])) == {0, 1}
    for size in (8, 2048):
        with pytest.raises(ValueError, match="16 to 1024"):
            render([0], size, 0)


@pytest.mark.parametrize("size", [64, 256])
def test_the_same_cell_at_every_size(size: int) -> None:
    other = render(range(4), size, 7)
    for name, least in (("image", 0.97), ("mask", 0.98)):
        for first, second in zip(CASES[name], other[name], strict=False):
            small = [p.reshape(32, len(p) // 32, 32, -1).mean((1, 3)) for p in (first, second)]
            assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > least


def test_a_picture_has_one_cell_within_its_frame() -> None:
    for mask in MASKS:
        areas = np.bincount(ndimage.label(mask)[0].ravel())[1:]
        assert areas.max() > 0.99 * areas.sum()
        assert 0.04 < mask.mean() < 0.2
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()


def test_the_cell_is_dark_and_has_a_bright_halo() -> None:
    """Phase contrast: the membrane's outside is brighter than the surround, its inside darker."""
    for image, mask in zip(CASES["image"][..., 0].astype(float), MASKS, strict=True):
        halo = ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask)
        around = ndimage.binary_dilation(mask, iterations=16)
        around &= ~ndimage.binary_dilation(mask, iterations=10)
        assert image[mask].mean() < image[around].mean() - 8
        assert image[halo].mean() > image[around].mean() + 8


def test_the_inside_has_structure_that_the_surround_has_not() -> None:
    for image, mask in zip(CASES["image"][..., 0].astype(float), MASKS, strict=True):
        fine = image - ndimage.gaussian_filter(image, 2)
        inside = ndimage.binary_erosion(mask, iterations=3)
        outside = ~ndimage.binary_dilation(mask, iterations=10)
        assert fine[inside].std() > 2 * fine[outside].std()


def test_the_nucleus_lies_in_the_cell_and_most_cells_are_spindles() -> None:
    """Every process has six knots of ten steps, so the outline tells how many there are."""
    cells = [draw_lots(np.random.default_rng(k)) for k in range(60)]
    arms = np.asarray([len(cell.outline) // 60 for cell in cells])
    assert set(arms) == {2, 3, 4}
    assert 0.4 < (arms == 2).mean() < 0.75
    for cell in cells:
        assert np.abs(cell.outline).max() < 1
        nucleus, body = fill(cell.nucleus, 128), fill(cell.outline, 128)
        assert nucleus.sum() > 20
        assert (nucleus * body).sum() > 0.99 * nucleus.sum()
