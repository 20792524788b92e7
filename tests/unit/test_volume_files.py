"""NIfTI files that lie oddly, are damaged or lie, and ranges of real files."""

from __future__ import annotations

import gzip
import itertools
import struct
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

from benchbed.api.layouts import Volumes
from benchbed.data.boxes import box_of, cut_box, put_back_box, resample, resample_codes
from benchbed.data.volume_files import read_codes, read_volume, robust_range
from benchbed.errors import BenchbedError

IDENTITY = np.eye(4)
VOXELS = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
CUBE = Volumes(sequences=("T1",), structures=("a", "b"), framing="cube")
BRAIN = Volumes(sequences=("T1",), structures=("tumour",), depth=54 / 128, slices=108)

DIMENSIONS, KIND, OFFSET, AFFINE_CODES, AFFINE = 40, 70, 108, 252, 280
"""Where fields of a NIfTI-1 header begin."""


def write(path: Path, values: npt.NDArray[np.generic], affine: npt.ArrayLike = IDENTITY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.asarray(affine, float)), path)
    return path


def with_field(path: Path, place: int, form: str, *values: float) -> Path:
    """A sound file but for one field of its header."""
    content = bytearray(write(path, VOXELS).read_bytes())
    content[place : place + struct.calcsize(form)] = struct.pack(form, *values)
    path.write_bytes(bytes(content))
    return path


def test_every_way_to_lie_is_turned_to_the_same_volume(tmp_path: Path) -> None:
    """All 48 orders and directions of axes, with voxels of 1 x 2 x 3 mm."""
    expected = VOXELS.transpose(2, 1, 0)[None]
    spacing = np.diag([1.0, 2.0, 3.0])
    for number, order in enumerate(itertools.permutations(range(3))):
        for signs in itertools.product((1, -1), repeat=3):
            lying = VOXELS.transpose(order)
            affine = np.eye(4)
            affine[:3, :3] = spacing[:, order] * signs
            lying = lying[tuple(slice(None, None, sign) for sign in signs)]
            path = write(tmp_path / f"{number}{signs}.nii", lying, affine)
            np.testing.assert_array_equal(read_volume(path), expected)


def test_an_oblique_volume_is_taken_along_its_nearest_axes(tmp_path: Path) -> None:
    """Turned by 30 degrees it keeps its voxels; nothing is resampled."""
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    affine = [[cos, -sin, 0, 5], [sin, cos, 0, -3], [0, 0, -1, 2], [0, 0, 0, 1]]
    volume = read_volume(write(tmp_path / "a.nii.gz", VOXELS[..., ::-1], affine))
    np.testing.assert_array_equal(volume[0], VOXELS.transpose(2, 1, 0))


def test_scaled_integers_are_read_in_their_own_unit(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS * 1000 - 500, np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(volume[0], (VOXELS * 1000 - 500).T, atol=0.02)


def test_a_mask_may_show_nothing(tmp_path: Path) -> None:
    """A case without a tumour is a case."""
    empty = write(tmp_path / "m.nii.gz", np.zeros((6, 7, 8), np.uint8))
    assert not read_codes(empty, {1: 1, 2: 2, 4: 3}).any()
    with pytest.raises(BenchbedError, match=r"m\.nii\.gz holds nothing but the value 0"):
        read_volume(empty)


def test_a_sequence_that_is_missing_from_a_file_of_several_is_named(tmp_path: Path) -> None:
    values = np.stack([VOXELS, np.zeros_like(VOXELS)], axis=-1)
    with pytest.raises(BenchbedError, match="nothing but the value 0 in its sequence 2 of 2"):
        read_volume(write(tmp_path / "a.nii.gz", values))


@pytest.mark.parametrize(
    ("labels", "codes", "said"),
    [
        ((0, -1), {1: 1}, r"the label -1; known are 0, 1\."),
        ((0, 0.5, 2), {1: 1}, r"the labels 0\.5, 2; known are 0, 1\."),
        ((0, 300), {}, r"the label 300; known are 0 to 255\."),
    ],
)
def test_labels_that_stand_for_nothing_are_named(
    labels: tuple[float, ...], codes: dict[int, int], said: str, tmp_path: Path
) -> None:
    values = np.resize(np.asarray(labels, np.float32), (4, 4, 4))
    with pytest.raises(BenchbedError, match=rf"seg\.nii\.gz holds {said}"):
        read_codes(write(tmp_path / "seg.nii.gz", values), codes)


@pytest.mark.parametrize("codes", [{}, {1: 2, 3: 1, 255: 3}, {1: 1, 3: 2, 255: 4, 1000: 5}])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_labels_are_counted_as_sorting_would(
    codes: dict[int, int], kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes, wider whole numbers and floats, under numbers of their own or of the file's."""
    held = [0, 1, 3, 255] + ([1000] if 1000 in codes and kind is not np.uint8 else [])
    values = np.random.default_rng(0).choice(held, (5, 6, 7)).astype(kind)
    path = write(tmp_path / "seg.nii.gz", values)
    expected = np.vectorize(lambda value: ({0: 0} | codes).get(value, value))(values)
    if 1000 not in held:
        monkeypatch.setattr(np, "unique", None)
    assert np.array_equal(read_codes(path, codes), expected.transpose(2, 1, 0))


def test_a_packed_file_that_lost_any_byte_is_refused(tmp_path: Path) -> None:
    """Cut anywhere, the checksum at its end included, or with one bit turned inside."""
    path = write(tmp_path / "a.nii.gz", VOXELS)
    whole = path.read_bytes()
    middle = len(whole) // 2
    turned = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for content in (*(whole[:n] for n in (0, 5, 60, middle, len(whole) - 9, -1)), turned):
        path.write_bytes(content)
        with pytest.raises(BenchbedError, match=r"a\.nii\.gz does not read as a NIfTI volume"):
            read_volume(path)


def test_a_plain_file_that_lost_bytes_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.nii", VOXELS).read_bytes()
    for length in (0, 100, 348, 400, len(whole) - 1):
        (tmp_path / "a.nii").write_bytes(whole[:length])
        with pytest.raises(BenchbedError, match=r"a\.nii does not read as a NIfTI volume"):
            read_volume(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ((DIMENSIONS, "<4h", 3, 30000, 30000, 30000), "claims the shape 30000x30000x30000"),
        ((DIMENSIONS, "<4h", 3, -6, 7, 8), "has the shape -6x7x8"),
        ((DIMENSIONS, "<4h", 3, 0, 7, 8), "has the shape 0x7x8"),
        ((KIND, "<h", 999), "does not read as a NIfTI volume"),
        ((OFFSET, "<f", 1e9), "does not read as a NIfTI volume"),
    ],
)
def test_headers_that_lie_are_refused(
    field: tuple[int, str, float], said: str, tmp_path: Path
) -> None:
    """And none of them makes the reader ask for the memory that they speak of."""
    path = with_field(tmp_path / "odd.nii", *field)
    packed = tmp_path / "odd.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for file in (path, packed):
        with pytest.raises(BenchbedError, match=f"{file.name} {said}"):
            read_volume(file)


def test_axes_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    path = with_field(tmp_path / "flat.nii", AFFINE, "<12f", 1, 0, 0, 0, 0, 1, *[0] * 6)
    content = bytearray(path.read_bytes())
    content[AFFINE_CODES : AFFINE_CODES + 4] = struct.pack("<2h", 0, 1)
    path.write_bytes(bytes(content))
    with pytest.raises(BenchbedError, match=r"flat\.nii does not read as a NIfTI volume"):
        read_volume(path)


def test_colours_and_complex_numbers_are_refused(tmp_path: Path) -> None:
    colours = np.zeros((3, 3, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for values in (colours, VOXELS.astype(np.complex64)):
        with pytest.raises(BenchbedError, match=r"a\.nii\.gz holds colours or complex numbers"):
            read_volume(write(tmp_path / "a.nii.gz", values))


def test_values_beyond_float32_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", VOXELS.astype(np.float64) * 1e300)
    with pytest.raises(BenchbedError, match="are no numbers"):
        read_volume(path)


@pytest.mark.parametrize("name", ["none.nii.gz", ""])
def test_what_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchbedError, match=f"{name} is not there"):
        read_volume(tmp_path / name)


def test_a_standardised_brain_keeps_what_lies_below_its_mean() -> None:
    """Mean 0 in the brain and 0 around it: half of the brain is negative, and is no background."""
    brain = np.random.default_rng(1).normal(0, 1, 4000).astype(np.float32)
    ranged = robust_range(np.concatenate([brain, np.zeros(8000, np.float32)]).reshape(1, 1, -1))
    assert (ranged[0, 0, 4000:] == -1).all()
    assert np.mean(ranged[0, 0, :4000] > -0.9) > 0.95
    assert abs(float(np.median(ranged[0, 0, :4000]))) < 0.1


def test_a_foreground_of_one_value_is_white() -> None:
    voxels = np.zeros((4, 4, 4), np.float32)
    voxels[1:3] = 7
    np.testing.assert_array_equal(robust_range(voxels), np.where(voxels > 0, 1, -1))


@pytest.mark.parametrize(("have", "wanted"), [(240, 128), (108, 14), (59, 32), (10, 10), (7, 16)])
def test_resampling_shifts_nothing(have: int, wanted: int) -> None:
    """A ramp stays the ramp that it was, at the new voxels' centres.

    To 0.05 of an old voxel; means of whole voxels alone would be off by 0.3.
    """
    ramp = np.broadcast_to(np.arange(have, dtype=np.float32), (1, 2, 2, have))
    centres = (np.arange(wanted) + 0.5) * have / wanted - 0.5
    found = resample(ramp, (2, 2, wanted))[0, 0, 0]
    np.testing.assert_allclose(found, centres.clip(0, have - 1), atol=0.05)


def test_fine_stripes_become_grey() -> None:
    """What is finer than a new voxel is its mean, and no pattern of its own."""
    stripes = np.zeros((1, 12, 12, 12), np.float32)
    stripes[..., ::2] = 1
    np.testing.assert_allclose(resample(stripes, (4, 4, 3)), 0.5, atol=1e-6)


def brains(root: Path) -> list[Path]:
    files = sorted((root / "brats").glob("*/*_flair.nii.gz"))
    assert len(files) == 2
    return files


def test_real_brains_there_and_back(real_data: Path) -> None:
    """Tumours at 54 x 128 x 128 and back at 240 x 240 x 155 are where they were: Dice above 0.9.

    The mask itself, as a method that is always right would give it; Shin et al.'s resolution.
    """
    for flair in brains(real_data):
        seg = flair.with_name(flair.name.replace("flair", "seg"))
        truth = read_codes(seg, {1: 1, 2: 2, 4: 3}) > 0
        box = box_of(truth.shape, BRAIN)
        small = resample_codes(cut_box(truth.astype(np.uint8), box), BRAIN.spatial(128))
        assert small.shape == (54, 128, 128)
        back = put_back_box(small.astype(np.float32), box, truth.shape) > 0.5
        judged = np.zeros_like(truth)
        judged[box.start[0] : box.start[0] + 108] = True
        dice = 2 * (back & truth & judged).sum() / (back.sum() + (truth & judged).sum())
        assert dice > 0.9, seg.name


def test_real_brains_are_dark_around_and_grey_inside(real_data: Path) -> None:
    """Background 0, and, in the one case that was standardised, the file's least value."""
    odd = sorted((real_data / "brats-t1ce-flair").rglob("*flair*.nii.gz"))
    assert len(odd) == 1
    for path in (*brains(real_data), *odd):
        raw = read_volume(path)[0]
        ranged = robust_range(raw)
        background = raw == (0 if path not in odd else raw.min())
        assert 0.6 < background.mean() < 0.95, path.name
        assert (ranged[background] == -1).all()
        assert -0.6 < np.median(ranged[~background]) < 0.6, path.name


def test_a_real_tissue_map_and_its_image(real_data: Path) -> None:
    """Cerebrospinal fluid is darker than grey matter, and that than white matter, in T1."""
    folder = real_data / "tissue"
    image = robust_range(read_volume(next(folder.rglob("*T1_Brain.nii.gz")))[0])
    codes = read_codes(next(folder.rglob("*FAST_seg*")), {1: 1, 2: 2, 3: 3})
    fluid, grey, white = (float(image[codes == n].mean()) for n in (1, 2, 3))
    assert fluid < grey < white


def test_real_sequences_of_one_file(real_data: Path) -> None:
    """(X, Y, Z, 4) of the Decathlon; oedema is bright in its first sequence, FLAIR."""
    folder = real_data / "msd-brats/Task01_BrainTumour"
    image = next((folder / "imagesTr").glob("BRATS_*.nii.gz"))
    volume = read_volume(image)
    codes = read_codes(folder / "labelsTr" / image.name, {1: 2, 2: 1, 3: 3})
    assert volume.shape == (4, *codes.shape)
    flair = robust_range(volume[0])
    assert flair[codes == 2].mean() > flair[(flair > -1) & (codes == 0)].mean() + 0.2


def test_real_hippocampi_of_any_unit_come_out_alike(real_data: Path) -> None:
    """Every tenth file, whose maxima differ a thousandfold: read, framed and put back."""
    files = sorted((real_data / "hippocampus/Task04_Hippocampus/imagesTr").glob("h*.nii.gz"))
    maxima, medians = [], []
    for path in files[::10]:
        volume = read_volume(path)[0]
        ranged = robust_range(volume)
        maxima.append(float(volume.max()))
        medians.append(float(np.median(ranged)))
        assert ranged.min() == -1
        assert ranged.max() == 1
        box = box_of(ranged.shape, CUBE)
        cube = cut_box(ranged, box, fill=-1.0)
        assert cube.shape == (max(ranged.shape),) * 3
        np.testing.assert_array_equal(put_back_box(cube, box, ranged.shape), ranged)
    assert max(maxima) > 1000 * min(maxima)
    assert np.ptp(medians) < 1.0
