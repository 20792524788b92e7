"""Volumes in any orientation, damaged files, false headers, and ranges of real files."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import struct
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchbed.api.dataset import VolumeSpec
from benchbed.api.types import CropBox
from benchbed.data.io.geometry import measure_offset, parse_geometry
from benchbed.data.io.volumes import (
    examine_volume,
    load_volume,
    normalize_robust,
    read_geometry,
    read_label_values,
    read_label_volume,
    read_volume,
)
from benchbed.data.preprocessing.volume_cases import (
    compute_box,
    resample_box,
    resample_labels,
    restore_volume,
)
from benchbed.errors import BenchbedError

IDENTITY = np.eye(4)
VOXELS = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
BRAIN = VolumeSpec(
    sequences=("T1",), structures=("tumour",), slices_per_pixel=54 / 128, central_slices=108
)

DIMENSIONS, KIND, OFFSET, AFFINE_CODES, AFFINE = 40, 70, 108, 252, 280
"""Offsets of fields in a NIfTI-1 header."""


def write(path: Path, values: npt.NDArray[np.generic], affine: npt.ArrayLike = IDENTITY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.asarray(affine, float)), path)
    return path


def with_field(path: Path, place: int, form: str, *values: float) -> Path:
    """Write a file that is valid except for one field of its header."""
    content = bytearray(write(path, VOXELS).read_bytes())
    content[place : place + struct.calcsize(form)] = struct.pack(form, *values)
    path.write_bytes(bytes(content))
    return path


def test_every_orientation_gives_the_same_volume(tmp_path: Path) -> None:
    """All 48 orders and directions of axes, with voxels of 1 x 2 x 3 mm."""
    expected = VOXELS.transpose(2, 1, 0)[None]
    spacing = np.diag([1.0, 2.0, 3.0])
    for number, order in enumerate(itertools.permutations(range(3))):
        for signs in itertools.product((1, -1), repeat=3):
            stored = VOXELS.transpose(order)
            affine = np.eye(4)
            affine[:3, :3] = spacing[:, order] * signs
            stored = stored[tuple(slice(None, None, sign) for sign in signs)]
            path = write(tmp_path / f"{number}{signs}.nii", stored, affine)
            np.testing.assert_array_equal(read_volume(path), expected)


def test_an_oblique_volume_is_aligned_to_the_nearest_axes(tmp_path: Path) -> None:
    """A rotation by 30 degrees is ignored; nothing is resampled."""
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    affine = [[cos, -sin, 0, 5], [sin, cos, 0, -3], [0, 0, -1, 2], [0, 0, 0, 1]]
    volume = read_volume(write(tmp_path / "a.nii.gz", VOXELS[..., ::-1], affine))
    np.testing.assert_array_equal(volume[0], VOXELS.transpose(2, 1, 0))


def test_scaled_integers_are_read_in_the_scaled_unit(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS * 1000 - 500, np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(volume[0], (VOXELS * 1000 - 500).T, atol=0.02)


def test_a_mask_may_be_empty(tmp_path: Path) -> None:
    """A case without a tumour is valid, an empty image is not."""
    empty = write(tmp_path / "m.nii.gz", np.zeros((6, 7, 8), np.uint8))
    assert not read_label_volume(empty, {1: 1, 2: 2, 4: 3}).any()
    with pytest.raises(BenchbedError, match=r"m\.nii\.gz .*\b0\b"):
        read_volume(empty)


def test_an_empty_sequence_in_a_file_of_several_is_refused(tmp_path: Path) -> None:
    values = np.stack([VOXELS, np.zeros_like(VOXELS)], axis=-1)
    with pytest.raises(BenchbedError, match=r"a\.nii\.gz .*\b0\b.*sequence 2 of 2"):
        read_volume(write(tmp_path / "a.nii.gz", values))


@pytest.mark.parametrize(
    ("labels", "codes", "facts"),
    [
        ((0, -1), {1: 1}, r"label -1\..* 0, 1\."),
        ((0, 3, 2), {1: 1}, r"labels 2, 3\..* 0, 1\."),
        ((0, 0.5, 2), {1: 1}, r"0\.5.* integers"),
        ((0, 300), {}, r"label 300\..* 0 to 255\."),
    ],
)
def test_unknown_labels_are_refused(
    labels: tuple[float, ...], codes: dict[int, int], facts: str, tmp_path: Path
) -> None:
    values = np.resize(np.asarray(labels, np.float32), (4, 4, 4))
    with pytest.raises(BenchbedError, match=rf"seg\.nii\.gz .*{facts}"):
        read_label_volume(write(tmp_path / "seg.nii.gz", values), codes)


@pytest.mark.parametrize("value", [0.9999999, 1.0001, 0.9991])
def test_labels_close_to_an_integer_are_that_integer(value: float, tmp_path: Path) -> None:
    """Masks that were resampled, or stored as scaled integers."""
    path = write(tmp_path / "seg.nii.gz", np.full((3, 3, 3), value))
    assert (read_label_values(path) == 1).all()
    assert json.loads(examine_volume(path, "mask")["values"]) == {"1": 27}


def test_0_and_255_are_binary_by_the_rule_of_the_dataset(tmp_path: Path) -> None:
    values = np.resize(np.asarray([0, 255], np.uint8), (3, 4, 5))
    path = write(tmp_path / "seg.nii.gz", values)
    assert json.loads(examine_volume(path, "mask")["values"]) == {"0": 30, "255": 30}
    assert np.array_equal(read_label_volume(path, {0: 0, 255: 1}), values.T > 0)


@given(
    hnp.arrays(
        st.sampled_from([np.int8, np.uint8, np.int16, np.int32, np.float32]),
        hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=5),
        elements=st.integers(0, 100),
    )
)
@settings(max_examples=30, deadline=None)
def test_labels_are_read_and_counted_as_stored(values: npt.NDArray[np.generic]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "a.nii", values)
        facts = examine_volume(path, "mask")
        assert np.array_equal(read_label_values(path), values.T)
    labels, counts = np.unique(values, return_counts=True)
    assert json.loads(facts["values"]) == {
        str(int(label)): int(count) for label, count in zip(labels, counts, strict=True)
    }
    assert facts["largest"] == str(int(values.max()))


def test_negative_labels_are_read_as_stored(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", np.resize(np.asarray([-1, 3], np.int16), (3, 4, 5)))
    assert json.loads(examine_volume(path, "mask")["values"]) == {"-1": 30, "3": 30}
    assert sorted(set(read_label_volume(path, {-1: 0, 3: 1}).flat)) == [0, 1]


def test_facts_of_a_mask_with_too_many_labels(tmp_path: Path) -> None:
    labels = np.arange(17**3, dtype=np.int32).reshape(17, 17, 17) * 1000
    facts = examine_volume(write(tmp_path / "a.nii", labels), "mask")
    assert facts["values"] == "many"
    assert facts["largest"] == str(labels.max())


def test_facts_of_an_image_are_those_of_the_turned_volume(tmp_path: Path) -> None:
    """The file's axes are superior, right and posterior."""
    affine = [[0, 2, 0, -10], [0, 0, -3, 20], [4, 0, 0, 0], [0, 0, 0, 1]]
    facts = examine_volume(write(tmp_path / "a.nii.gz", VOXELS, affine), "image")
    assert facts["shape"] == "1x6x8x7"
    assert facts["spacing"] == "4,3,2"
    geometry = parse_geometry(facts)
    assert geometry.shape == (6, 8, 7)
    assert geometry.spacing == (4, 3, 2)
    expected = [[2, 0, 0, -10], [0, 3, 0, -1], [0, 0, 4, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(geometry.affine, expected)
    assert measure_offset(geometry, read_geometry(tmp_path / "a.nii.gz")) == 0


@pytest.mark.parametrize(("unit", "length"), [("mm", 2), ("micron", 0.002), ("unknown", 2)])
def test_the_spacing_is_in_millimetres(unit: str, length: float, tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    assert load_volume(tmp_path / "a.nii").geometry.spacing == pytest.approx((length,) * 3)
    assert read_geometry(tmp_path / "a.nii").spacing == pytest.approx((length,) * 3)


@pytest.mark.parametrize("spacing", [0.0, np.nan, 1001.0, np.inf])
def test_impossible_spacings_are_refused(spacing: float, tmp_path: Path) -> None:
    rows = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, spacing, 0)
    path = with_field(tmp_path / "a.nii", AFFINE, "<12f", *rows)
    content = bytearray(path.read_bytes())
    content[AFFINE_CODES : AFFINE_CODES + 4] = struct.pack("<2h", 0, 1)
    path.write_bytes(bytes(content))
    for function in (read_volume, read_geometry, read_label_values):
        with pytest.raises(BenchbedError, match=r"a\.nii .* mm\."):
            function(path)


def test_a_dicom_series_is_turned_as_other_volumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices from the feet upwards, rows towards posterior, columns towards left."""
    paths = (tmp_path / "1.dcm", tmp_path / "2.dcm")
    affine = [[0, 0, -0.5, 9], [0, -0.7, 0, 8], [3, 0, 0, -40], [0, 0, 0, 1]]
    requests: list[object] = []

    def read(paths: object) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
        requests.append(paths)
        return VOXELS, np.asarray(affine, float)

    fake = ModuleType("benchbed.data.io.dicom")
    fake.read_dicom_volume = read
    monkeypatch.setitem(sys.modules, "benchbed.data.io.dicom", fake)
    volume = load_volume(paths[0], paths)
    assert requests == [paths]
    np.testing.assert_array_equal(volume.values, VOXELS[None, :, ::-1, ::-1])
    assert volume.geometry.spacing == pytest.approx((3, 0.7, 0.5))
    assert volume.geometry.affine[:3, 3] == pytest.approx((9 - 0.5 * 7, 8 - 0.7 * 6, -40))
    assert examine_volume(paths[0], "image", paths)["shape"] == "1x6x7x8"


@pytest.mark.parametrize("codes", [{}, {1: 2, 3: 1, 255: 3}, {1: 1, 3: 2, 255: 4, 1000: 5}])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_labels_are_mapped_without_sorting(
    codes: dict[int, int], kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes, wider integers and floats, with mapped codes or those of the file."""
    present = [0, 1, 3, 255] + ([1000] if 1000 in codes and kind is not np.uint8 else [])
    values = np.random.default_rng(0).choice(present, (5, 6, 7)).astype(kind)
    path = write(tmp_path / "seg.nii.gz", values)
    expected = np.vectorize(lambda value: ({0: 0} | codes).get(value, value))(values)
    if 1000 not in present:
        monkeypatch.setattr(np, "unique", None)
    assert np.array_equal(read_label_volume(path, codes), expected.transpose(2, 1, 0))


def test_a_damaged_compressed_file_is_refused(tmp_path: Path) -> None:
    """Truncated anywhere, also in the checksum, or with one flipped bit."""
    path = write(tmp_path / "a.nii.gz", VOXELS)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for content in (*(whole[:n] for n in (0, 5, 60, middle, len(whole) - 9, -1)), flipped):
        path.write_bytes(content)
        with pytest.raises(BenchbedError, match=r"a\.nii\.gz .*NIfTI"):
            read_volume(path)


def test_a_truncated_uncompressed_file_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.nii", VOXELS).read_bytes()
    for length in (0, 100, 348, 400, len(whole) - 1):
        (tmp_path / "a.nii").write_bytes(whole[:length])
        with pytest.raises(BenchbedError, match=r"a\.nii .*NIfTI"):
            read_volume(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("field", "fact"),
    [
        ((DIMENSIONS, "<4h", 3, 30000, 30000, 30000), "30000x30000x30000"),
        ((DIMENSIONS, "<4h", 3, -6, 7, 8), "-6x7x8"),
        ((DIMENSIONS, "<4h", 3, 0, 7, 8), "0x7x8"),
        ((KIND, "<h", 999), "NIfTI.*999"),
        ((OFFSET, "<f", 1e9), "NIfTI"),
    ],
)
def test_false_headers_are_refused(
    field: tuple[int, str, float], fact: str, tmp_path: Path
) -> None:
    """And the memory that they declare is not allocated."""
    path = with_field(tmp_path / "odd.nii", *field)
    packed = tmp_path / "odd.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for file in (path, packed):
        with pytest.raises(BenchbedError, match=rf"{re.escape(file.name)} .*{fact}"):
            read_volume(file)


def test_a_singular_affine_is_refused(tmp_path: Path) -> None:
    path = with_field(tmp_path / "flat.nii", AFFINE, "<12f", 1, 0, 0, 0, 0, 1, *[0] * 6)
    content = bytearray(path.read_bytes())
    content[AFFINE_CODES : AFFINE_CODES + 4] = struct.pack("<2h", 0, 1)
    path.write_bytes(bytes(content))
    with pytest.raises(BenchbedError, match=r"flat\.nii .*1 x 1 x 0 mm"):
        read_volume(path)


def test_colours_and_complex_numbers_are_refused(tmp_path: Path) -> None:
    colours = np.zeros((3, 3, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for values in (colours, VOXELS.astype(np.complex64)):
        with pytest.raises(BenchbedError, match=r"a\.nii\.gz .*RGB or complex"):
            read_volume(write(tmp_path / "a.nii.gz", values))


def test_values_beyond_float32_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", VOXELS.astype(np.float64) * 1e300)
    with pytest.raises(BenchbedError, match=r"a\.nii\.gz .*\binfinite\b"):
        read_volume(path)


@pytest.mark.parametrize("name", ["none.nii.gz", ""])
def test_a_missing_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchbedError, match=re.escape(str(tmp_path / name))):
        read_volume(tmp_path / name)


def test_a_standardised_brain_keeps_values_below_its_mean() -> None:
    """With mean 0 and background 0, the negative half of the brain is not background."""
    brain = np.random.default_rng(1).normal(0, 1, 4000).astype(np.float32)
    ranged = normalize_robust(np.concatenate([brain, np.zeros(8000, np.float32)]).reshape(1, 1, -1))
    assert (ranged[0, 0, 4000:] == -1).all()
    assert np.mean(ranged[0, 0, :4000] > -0.9) > 0.95
    assert abs(float(np.median(ranged[0, 0, :4000]))) < 0.1


def test_a_foreground_of_one_value_is_white() -> None:
    voxels = np.zeros((4, 4, 4), np.float32)
    voxels[1:3] = 7
    np.testing.assert_array_equal(normalize_robust(voxels), np.where(voxels > 0, 1, -1))


@pytest.mark.parametrize(("size", "target"), [(240, 128), (108, 14), (59, 32), (10, 10), (7, 16)])
def test_resampling_does_not_shift(size: int, target: int) -> None:
    """A ramp has the values at the new voxels' centres, to 0.05 of an old voxel.

    Means of whole voxels would be off by 0.3.
    """
    ramp = np.broadcast_to(np.arange(size, dtype=np.float32), (1, 2, 2, size))
    centres = (np.arange(target) + 0.5) * size / target - 0.5
    box = CropBox((0, 0, 0), (2, 2, size))
    found = resample_box(ramp, box, (2, 2, target))[0, 0, 0]
    np.testing.assert_allclose(found, centres.clip(0, size - 1), atol=0.05)


def test_fine_stripes_become_grey() -> None:
    """Detail finer than a new voxel is averaged, without aliasing."""
    stripes = np.zeros((1, 12, 12, 12), np.float32)
    stripes[..., ::2] = 1
    block = resample_box(stripes, CropBox((0, 0, 0), (12, 12, 12)), (4, 4, 3))
    np.testing.assert_allclose(block, 0.5, atol=1e-6)


def brains(root: Path) -> list[Path]:
    files = sorted((root / "brats").glob("*/*_flair.nii.gz"))
    assert len(files) == 2
    return files


def test_real_tumours_keep_their_position_after_resampling_twice(real_data: Path) -> None:
    """Dice above 0.9 after resampling from 240 x 240 x 155 to 54 x 128 x 128 and back.

    This is the result of a perfect method at the resolution of Shin et al.
    """
    for flair in brains(real_data):
        seg = flair.with_name(flair.name.replace("flair", "seg"))
        truth = read_label_volume(seg, {1: 1, 2: 2, 4: 3}) > 0
        box = compute_box(read_geometry(seg), (108, 240, 240))
        small = resample_labels(truth.astype(np.uint8), box, BRAIN.compute_shape(128))
        assert small.shape == (54, 128, 128)
        restored = restore_volume(small.astype(np.float32), box, truth.shape) > 0.5
        inside = np.zeros_like(truth)
        inside[box.start[0] : box.start[0] + 108] = True
        dice = 2 * (restored & truth & inside).sum() / (restored.sum() + (truth & inside).sum())
        assert dice > 0.9, seg.name


def test_real_brains_are_grey_on_a_dark_background(real_data: Path) -> None:
    """The background is 0, or the smallest value in the one standardised case."""
    standardised = sorted((real_data / "brats-t1ce-flair").rglob("*flair*.nii.gz"))
    assert len(standardised) == 1
    for path in (*brains(real_data), *standardised):
        raw = read_volume(path)[0]
        ranged = normalize_robust(raw)
        background = raw == (0 if path not in standardised else raw.min())
        assert 0.6 < background.mean() < 0.95, path.name
        assert (ranged[background] == -1).all()
        assert -0.6 < np.median(ranged[~background]) < 0.6, path.name


def test_a_real_tissue_map_and_its_image(real_data: Path) -> None:
    """Cerebrospinal fluid is darker than grey matter, and that than white matter, in T1."""
    folder = real_data / "tissue"
    image = normalize_robust(read_volume(next(folder.rglob("*T1_Brain.nii.gz")))[0])
    codes = read_label_volume(next(folder.rglob("*FAST_seg*")), {1: 1, 2: 2, 3: 3})
    fluid, grey, white = (float(image[codes == n].mean()) for n in (1, 2, 3))
    assert fluid < grey < white


def test_real_sequences_of_one_file(real_data: Path) -> None:
    """A file (X, Y, Z, 4) of the Decathlon; oedema is bright in FLAIR, the first sequence."""
    folder = real_data / "msd-brats/Task01_BrainTumour"
    image = next((folder / "imagesTr").glob("BRATS_*.nii.gz"))
    volume = read_volume(image)
    codes = read_label_volume(folder / "labelsTr" / image.name, {1: 2, 2: 1, 3: 3})
    assert volume.shape == (4, *codes.shape)
    flair = normalize_robust(volume[0])
    assert flair[codes == 2].mean() > flair[(flair > -1) & (codes == 0)].mean() + 0.2


def test_real_hippocampi_in_any_unit_have_one_range(real_data: Path) -> None:
    """Every tenth file, with maxima that differ a thousandfold: read, framed and restored."""
    files = sorted((real_data / "hippocampus/Task04_Hippocampus/imagesTr").glob("h*.nii.gz"))
    maxima, medians = [], []
    for path in files[::10]:
        volume = read_volume(path)[0]
        ranged = normalize_robust(volume)
        maxima.append(float(volume.max()))
        medians.append(float(np.median(ranged)))
        assert ranged.min() == -1
        assert ranged.max() == 1
        side = float(max(ranged.shape))
        box = compute_box(read_geometry(path), (side, side, side))
        cube = resample_box(ranged[None], box, box.shape, fill=-1.0)[0]
        assert cube.shape == (max(ranged.shape),) * 3
        restored = restore_volume(cube, box, ranged.shape)
        np.testing.assert_allclose(restored, ranged, atol=1e-6)
    assert max(maxima) > 1000 * min(maxima)
    assert np.ptp(medians) < 1.0
