"""Phantoms of volumes: brains with tumours, healthy brains and hippocampi."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from benchbed_brain.hippocampus_phantom import render as render_hippocampus
from benchbed_brain.volume_anatomy import Anatomy, build_standard_brain
from benchbed_brain.volume_fields import (
    Lattice,
    Points,
    compute_inside,
    intersect_solids,
    join_solids,
    make_raster,
    make_rotation,
    measure_ellipsoid,
    measure_tube,
    sample_noise,
)
from benchbed_brain.volume_phantom import (
    SEQUENCES,
    render_tissue,
    render_tumour,
    render_tumour_and_tissue,
)
from benchbed_brain.volume_subject import sample_head

Arrays = dict[str, np.ndarray[Any, Any]]
Render = Callable[..., Arrays]

COUNT = 12
CUBE = (100.0, 100.0, 100.0)
RENDERS = [render_tumour, render_tissue, render_hippocampus]


@pytest.fixture(scope="module")
def tumours() -> Arrays:
    return render_tumour_and_tissue(range(COUNT), 32, 7)


@pytest.fixture(scope="module")
def healthy() -> Arrays:
    return render_tissue(range(COUNT), 32, 7)


@pytest.fixture(scope="module")
def hippocampi() -> Arrays:
    return render_hippocampus(range(COUNT), 32, 7)


def _dice(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def _halved(volumes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return means over two voxels of each of the last three axes."""
    *rest, depth, height, width = volumes.shape
    pairs = volumes.reshape(*rest, depth // 2, 2, height // 2, 2, width // 2, 2)
    return np.asarray(pairs.mean((-5, -3, -1)))


@pytest.mark.parametrize(
    ("render", "channels", "depth"),
    [(render_tumour, 4, 7), (render_tissue, 1, 7), (render_hippocampus, 1, 16)],
)
def test_shapes_types_and_ranges(render: Render, channels: int, depth: int) -> None:
    cases = render([3, 4], 16, 7)
    assert set(cases) == {"image", "mask"}
    image, mask = cases["image"], cases["mask"]
    assert (image.shape, image.dtype) == ((2, channels, depth, 16, 16), np.float32)
    assert (mask.shape, mask.dtype) == ((2, depth, 16, 16), np.uint8)
    assert image.min() == -1
    assert 0.3 < image.max() <= 1
    for size in (8, 512):
        with pytest.raises(ValueError, match=f"{size} .*16 to 256"):
            render([0], size, 0)


@pytest.mark.parametrize("render", RENDERS)
def test_a_case_depends_on_its_number_and_the_seed_only(render: Render) -> None:
    several, single, other = render([5, 3], 16, 7), render([3], 16, 7), render([3], 16, 8)
    for name in ("image", "mask"):
        assert np.array_equal(single[name][0], several[name][1])
        assert not np.array_equal(other[name], single[name])
    assert not np.array_equal(several["image"][0], several["image"][1])


def test_depths_match_shin_2018() -> None:
    """54 slices at 128 voxels, 27 at 64 and 14 at 32."""
    assert render_tissue([0], 64, 0)["mask"].shape == (1, 27, 64, 64)
    assert render_tissue([0], 32, 0)["mask"].shape == (1, 14, 32, 32)


@pytest.mark.parametrize(
    ("render", "overlaps"),
    [(render_tumour, (0.85, 0.85, 0.8)), (render_tissue, (0.65, 0.85, 0.88))],
)
def test_a_brain_is_the_same_at_two_sizes(render: Render, overlaps: tuple[float, ...]) -> None:
    """Fluid overlaps least, as most clefts are thinner than the larger voxels."""
    small, large = render([1], 64, 7), render([1], 128, 7)
    votes = [_halved(large["mask"] == code) for code in range(4)]
    halved = np.stack(votes).argmax(axis=0)
    assert _dice(small["mask"] > 0, halved > 0) > 0.95
    for code, overlap in enumerate(overlaps, start=1):
        assert _dice(small["mask"] == code, halved == code) > overlap
    shrunk = _halved(large["image"])
    assert np.corrcoef(shrunk.ravel(), small["image"].ravel())[0, 1] > 0.98
    same = (small["mask"] == halved) & (small["image"] > -1).all(axis=1)
    bias = [(small["image"][:, k] - shrunk[:, k])[same].mean() for k in range(shrunk.shape[1])]
    assert np.abs(bias).max() < 0.02, "each sequence has the same brightness"


def test_a_hippocampus_is_the_same_at_two_sizes() -> None:
    small, large = render_hippocampus([1, 2], 32, 7), render_hippocampus([1, 2], 64, 7)
    halved = large["mask"][:, ::2, ::2, ::2]
    for code in (1, 2):
        assert _dice(small["mask"] == code, halved == code) > 0.75
    shrunk = _halved(large["image"])
    assert np.corrcoef(shrunk.ravel(), small["image"].ravel())[0, 1] > 0.97


def test_tissue_contrast_matches_each_sequence() -> None:
    """T1: white, grey, fluid from bright to dark; T2 the reverse; FLAIR: grey, white, fluid.

    Voxels of the cortex also contain fluid, which is dark in FLAIR.
    """
    case = render_tumour_and_tissue([0], 128, 7)
    image, tissue = case["image"], case["tissue"]
    order = {"T1": (3, 2, 1), "T1c": (3, 2, 1), "T2": (1, 2, 3), "FLAIR": (2, 3, 1)}
    for channel, name in enumerate(SEQUENCES):
        bright, middle, dark = (image[:, channel][tissue == k].mean() for k in order[name])
        assert bright > middle + 0.02
        assert middle > dark + 0.1


def test_tumour_contrast_matches_each_sequence(tumours: Arrays) -> None:
    image, tissue, mask = (tumours[name] for name in ("image", "tissue", "mask"))
    t1, t1c, t2, flair = (image[:, k] for k in range(4))
    white, core, oedema, rim = tissue == 3, mask == 1, mask == 2, mask == 3
    assert t1[core].mean() < t1[oedema].mean() < t1[white].mean() - 0.2
    assert t1c[rim].mean() > t1c[white].mean() + 0.2
    assert t2[oedema].mean() > t2[white].mean() + 0.3
    assert flair[oedema].mean() > max(flair[tissue == k].mean() for k in (1, 2, 3)) + 0.3


def test_a_tumour_is_inside_the_brain_and_its_oedema_outside_the_fluid(tumours: Arrays) -> None:
    image, tissue, mask = (tumours[name] for name in ("image", "tissue", "mask"))
    sick = mask > 0
    assert not (sick & (tissue > 0)).any(), "every voxel has one code"
    assert (image[:, 0][sick] > -1).all()
    brain = sick | (tissue > 0)
    for case in range(COUNT):
        filled = ndimage.binary_fill_holes(brain[case])
        parts, count = ndimage.label(filled)
        sizes = ndimage.sum_labels(filled, parts, range(1, count + 1))
        assert parts[sick[case]].min() == parts[sick[case]].max() == np.argmax(sizes) + 1
    # Fluid is dark in T1; oedema is brighter.
    fluid = np.percentile(image[:, 0][tissue == 1], 25)
    assert (image[:, 0][mask == 2] > fluid).mean() > 0.97


def test_tumours_have_all_parts_and_many_sizes(tumours: Arrays) -> None:
    mask = tumours["mask"]
    assert set(np.unique(mask)) == {0, 1, 2, 3}
    volumes = (mask > 0).sum((1, 2, 3))
    assert volumes.min() > 5
    assert volumes.max() > 5 * volumes.min()
    assert (mask == 2).sum() > max((mask == 1).sum(), (mask == 3).sum())


def test_one_tumour_in_ten_has_no_rim_and_both_sides_have_tumours() -> None:
    growths = [sample_head(np.random.default_rng(k), sick=True).growth for k in range(400)]
    assert all(growth is not None for growth in growths)
    rims = np.asarray([growth.rim for growth in growths if growth is not None])
    right = np.asarray([growth.centre[0] > 0 for growth in growths if growth is not None])
    volumes = np.asarray([growth.radius**3 for growth in growths if growth is not None])
    assert 0.06 < (rims == 0).mean() < 0.14
    assert 0.4 < right.mean() < 0.6
    assert volumes.max() / volumes.min() > 5
    assert sample_head(np.random.default_rng(0), sick=False).growth is None


def test_tissue_is_displaced_away_from_the_tumour_centre() -> None:
    growth = sample_head(np.random.default_rng(0), sick=True).growth
    assert growth is not None
    rng = np.random.default_rng(1)
    away = rng.normal(0, 20, (3, 200)).astype(np.float32)
    at = Points(*(a + np.float32(c) for a, c in zip(away, growth.centre, strict=True)))
    before = growth.push_points(at, np.ones(200, np.float32))
    offsets = [b - np.float32(c) for b, c in zip(before.axes, growth.centre, strict=True)]
    now, then = np.linalg.norm(away, axis=0), np.linalg.norm(np.stack(offsets), axis=0)
    assert (then <= now + 1e-3).all()
    assert (now - then).max() > 1
    still = growth.push_points(at, np.zeros(200, np.float32))
    assert np.allclose(still.x, at.x)


def test_healthy_brains_have_realistic_volume_fractions(healthy: Arrays) -> None:
    """Real values: brain 0.27 of the frame; fluid 0.26, grey 0.43, white 0.32 of the brain."""
    mask, image = healthy["mask"], healthy["image"][:, 0]
    assert set(np.unique(mask)) == {0, 1, 2, 3}
    assert ((mask > 0) == (image > -1)).mean() > 0.99
    brain = (mask > 0).mean((1, 2, 3))
    assert brain.min() > 0.14
    assert brain.max() < 0.34
    fluid, grey, white = ((mask == k).sum() / (mask > 0).sum() for k in (1, 2, 3))
    assert 0.05 < fluid < 0.3
    assert 0.35 < grey < 0.62
    assert 0.25 < white < 0.5
    means = [image[mask == k].mean() for k in (1, 2, 3)]
    assert means[0] + 0.2 < means[1] < means[2] - 0.2


def test_the_cortex_is_outside_the_white_matter(healthy: Arrays) -> None:
    mask = healthy["mask"]
    for case in mask:
        filled = ndimage.binary_fill_holes(case > 0)
        depth = ndimage.distance_transform_edt(np.pad(filled, 1, mode="edge"))[1:-1, 1:-1, 1:-1]
        assert depth[case == 3].mean() > depth[case == 2].mean() + 0.5


def test_old_brains_have_more_fluid(healthy: Arrays) -> None:
    subjects = [sample_head(np.random.default_rng((7, k)), sick=False) for k in range(COUNT)]
    ages = np.asarray([subject.age for subject in subjects])
    mask = healthy["mask"]
    fluid = (mask == 1).sum((1, 2, 3)) / (mask > 0).sum((1, 2, 3))
    assert np.corrcoef(ages, fluid)[0, 1] > 0.8


def test_both_hemispheres_are_folded_differently(healthy: Arrays) -> None:
    image = healthy["image"][:, 0]
    for case in image:
        mirrored = np.corrcoef(case.ravel(), case[..., ::-1].ravel())[0, 1]
        assert mirrored < 0.97


def test_hippocampi_have_realistic_fractions_and_positions(hippocampi: Arrays) -> None:
    """Real parts fill 2.7 and 2.5 % of the image; the anterior part is in front and below."""
    image, mask = hippocampi["image"][:, 0], hippocampi["mask"]
    assert set(np.unique(mask)) == {0, 1, 2}
    picture = image > -1
    for code, share in ((1, 0.027), (2, 0.025)):
        assert (mask == code).sum() / picture.sum() == pytest.approx(share, rel=0.35)
    for case in mask:
        front, back = (np.argwhere(case == code).mean(axis=0) for code in (1, 2))
        assert front[1] > back[1] + 6
        assert front[0] < back[0]
    medial = [case[:, :, :16].mean() - case[:, :, 16:].mean() for case in image]
    assert min(medial) < 0 < max(medial), "left and right hippocampi"


def test_a_threshold_does_not_segment_the_hippocampus(
    hippocampi: Arrays,
) -> None:
    image, mask = hippocampi["image"][:, 0], hippocampi["mask"]
    for case, codes in zip(image, mask, strict=True):
        inner, outer = case[codes > 0], case[(codes == 0) & (case > -1)]
        low, high = np.percentile(inner, (10, 90))
        assert inner.mean() < outer.mean() - 0.15
        assert ((outer > low) & (outer < high)).sum() > 1.2 * len(inner)


def _grid() -> Points:
    return make_raster(CUBE, (50, 50, 50), 1).points


def test_solids_have_their_volumes_and_distances() -> None:
    at = _grid()
    ball = measure_ellipsoid(at, (5, 0, -5), (20, 20, 20))
    away = np.sqrt((at.x - 5) ** 2 + at.y**2 + (at.z + 5) ** 2)
    assert np.abs(ball - (away - 20)).max() < 0.01
    egg = measure_ellipsoid(at, (0, 0, 0), (30, 20, 10), pitch=0.5)
    assert (egg < 0).sum() * 8 == pytest.approx(4 / 3 * np.pi * 6000, rel=0.02)
    bar = measure_tube(at, ((-20, 0, 0, 10), (20, 0, 0, 10)))
    assert compute_inside(bar, 2.0).sum() * 8 == pytest.approx(
        np.pi * 100 * (40 + 40 / 3), rel=0.02
    )
    assert compute_inside(ball, 2.0).sum() * 8 == pytest.approx(4 / 3 * np.pi * 8000, rel=0.02)
    both, either = intersect_solids(ball, bar, 1.0), join_solids(ball, bar, 1.0)
    assert (either <= np.minimum(ball, bar) + 1e-5).all()
    assert (both >= np.maximum(ball, bar) - 1e-5).all()


def test_noise_does_not_depend_on_resolution_or_region() -> None:
    fine = make_raster(CUBE, (10, 20, 20), 2)
    part = make_raster(CUBE, (10, 20, 20), 2, (slice(2, 5), slice(0, 20), slice(10, 12)))
    whole = sample_noise(np.random.default_rng(0), 10.0, fine.points, CUBE)
    region = sample_noise(np.random.default_rng(0), 10.0, part.points, CUBE)
    assert np.allclose(whole[4:10, :, 20:24], region, atol=1e-5)
    assert abs(whole.mean()) < 0.2
    assert whole.std() == pytest.approx(1, abs=0.15)
    averaged = fine.reduce_mean(whole)
    assert averaged.shape == (10, 20, 20)
    assert averaged[0, 0, 0] == pytest.approx(whole[:2, :2, :2].mean(), abs=1e-5)


def test_a_lattice_interpolates_linearly() -> None:
    z, y, x = np.meshgrid(np.arange(4), np.arange(5), np.arange(6), indexing="ij")
    values = np.stack([x + 10 * y + 100 * z, -x], axis=-1).astype(np.float32)
    lattice = Lattice(values, (-1.0, 0.0, 2.0), 0.5)
    at = Points(*(np.asarray(v, np.float32) for v in ([0.1, 99], [0.75, 99], [3.2, 99])))
    found = lattice.interpolate_at(at)
    assert found[:, 0] == pytest.approx([2.2 + 15 + 240, -2.2], rel=1e-4)
    assert found[:, 1] == pytest.approx([5 + 40 + 300, -5], rel=1e-2)


def test_a_rotation_keeps_lengths_and_handedness() -> None:
    matrix = make_rotation(np.asarray([0.2, -0.4, 1.0]))
    assert np.allclose(matrix @ matrix.T, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    assert np.allclose(make_rotation(np.asarray([0, 0, np.pi / 2])) @ [1, 0, 0], [0, 1, 0])


def test_the_standard_brain_has_its_parts_inside_its_hull() -> None:
    parts = Anatomy(*np.moveaxis(build_standard_brain().values, -1, 0))
    for name in ("cerebrum", "cerebellum", "nuclei", "ventricles", "bridges"):
        solid = getattr(parts, name) < 0
        assert solid.sum() > 50
        assert (parts.hull[solid] < 1).all()
    half = (parts.hull < 0)[:, :, 1:].sum() * 2.5**3
    assert 0.6e6 < half < 0.95e6, "half a brain has about 0.7 litres"
