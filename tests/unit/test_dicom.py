"""DICOM files: values, headers without personal fields, and series as volumes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from benchbed.data.io.decode import read_stored_size
from benchbed.data.io.dicom import (
    is_dicom,
    read_dicom_header,
    read_dicom_values,
    read_dicom_volume,
)
from benchbed.data.io.images import (
    count_pages,
    examine_image,
    read_image,
    read_mask_values,
)
from benchbed.data.sources.folder import infer_manifest
from benchbed.errors import BenchbedError

RAMP = np.arange(600).reshape(20, 30)
SERIES = generate_uid()

ANY_TIME = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20
)


def _save(
    path: Path, pixels: npt.NDArray[Any], *, stored: int = 0, colours: int = 1, **fields: Any
) -> Path:
    """Write a DICOM file; pixels are ``(H, W)``, or with a first axis of frames."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape[-2 - (colours > 1) :][:2]
    dataset.SamplesPerPixel = colours
    dataset.PhotometricInterpretation = "MONOCHROME2" if colours == 1 else "RGB"
    if colours > 1:
        dataset.PlanarConfiguration = 0
    if pixels.ndim > 2 + (colours > 1):
        dataset.NumberOfFrames = len(pixels)
    dataset.BitsAllocated = pixels.itemsize * 8
    dataset.BitsStored = stored or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.add_new("PixelData", "OW" if pixels.itemsize > 1 else "OB", pixels.tobytes())
    for name, value in fields.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _make_item(**fields: Any) -> Dataset:
    item = Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    return item


def _make_table(depth: int, entries: Sequence[int], first: int = 0) -> Items:
    item = _make_item(LUTDescriptor=[len(entries), first, depth])
    item.add_new("LUTData", "US", list(entries))
    return Items([item])


def _get_shipped(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


def test_values_are_in_the_units_of_the_modality(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.dcm", RAMP.astype(np.uint16), RescaleSlope=2, RescaleIntercept=-1024)
    values = read_dicom_values(path)
    assert values.dtype == np.float32
    assert np.array_equal(values, RAMP * 2.0 - 1024)
    pixels = read_image(path, 1, (-1024, -1024 + 2 * 599))[..., 0]
    assert np.array_equal(pixels, np.round(RAMP / 599 * 255))
    facts = examine_image(path)
    assert (facts["bits"], facts["low"], facts["high"]) == ("16", "-1024", "174")


@ANY_TIME
@given(
    stored=st.integers(10, 16),
    signed=st.booleans(),
    slope=st.sampled_from([1.0, 0.5, 3.0]),
    intercept=st.sampled_from([0.0, -1024.0]),
)
def test_monochrome1_is_the_negative_in_every_depth(
    tmp_path: Path, stored: int, signed: bool, slope: float, intercept: float
) -> None:
    """The sum of a picture and its negative is the same for every picture of a depth."""
    pixels = RAMP.astype(np.int16 if signed else np.uint16)
    fields: dict[str, Any] = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    fields |= {"stored": stored, "WindowCenter": 100, "WindowWidth": 51}
    dark = _save(tmp_path / "d.dcm", pixels, **fields)
    fields["PhotometricInterpretation"] = "MONOCHROME1"
    bright = _save(tmp_path / "b.dcm", pixels, **fields)
    lowest = -(2 ** (stored - 1)) if signed else 0
    total = slope * (2 * lowest + 2**stored - 1) + 2 * intercept
    assert np.allclose(read_dicom_values(dark) + read_dicom_values(bright), total)
    windows = read_dicom_header(dark).window, read_dicom_header(bright).window
    assert windows[0] == (74.5, 124.5)
    assert windows[1] == (total - 124.5, total - 74.5)


def test_8_bits_are_used_as_they_are(tmp_path: Path) -> None:
    grey = (RAMP % 256).astype(np.uint8)
    path = _save(tmp_path / "grey.dcm", grey)
    assert np.array_equal(read_image(path, 1, (0, 9))[..., 0], grey)
    assert examine_image(path)["bits"] == "8"
    assert np.array_equal(read_mask_values(path), grey)
    colours = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)
    path = _save(tmp_path / "rgb.dcm", colours, colours=3)
    assert np.array_equal(read_image(path, 3), colours)
    assert read_dicom_values(path).dtype == np.uint8


@pytest.mark.parametrize("depth", [8, 12, 16])
@pytest.mark.parametrize("name", ["ModalityLUTSequence", "VOILUTSequence"])
def test_tables_are_applied(tmp_path: Path, name: str, depth: int) -> None:
    """Also tables of 8 bits with more than 256 entries, as X-rays have."""
    entries = [int(value) for value in np.linspace(0, 2**depth - 1, 600)]
    table = _make_table(depth, entries, first=7)
    fields: dict[str, Any] = {name: table, "WindowCenter": 1, "WindowWidth": 9}
    path = _save(tmp_path / "a.dcm", (RAMP + 7).astype(np.uint16), **fields)
    assert np.array_equal(read_dicom_values(path).ravel(), entries)
    outside = _save(tmp_path / "b.dcm", np.uint16([[0, 65535]]), **fields)
    assert read_dicom_values(outside).tolist() == [[0, 2**depth - 1]]
    assert examine_image(path)["bits"] == ("8" if depth == 8 else "16")
    assert (read_dicom_header(path).window is None) == (name == "VOILUTSequence")


def test_a_voi_table_follows_the_rescaling(tmp_path: Path) -> None:
    table = _make_table(16, range(1000, 1600), first=-1024)
    path = _save(
        tmp_path / "a.dcm",
        RAMP.astype(np.int16),
        RescaleSlope=1,
        RescaleIntercept=-1024,
        VOILUTSequence=table,
    )
    assert np.array_equal(read_dicom_values(path), RAMP + 1000)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_becomes_black(tmp_path: Path, photometric: str) -> None:
    pixels = RAMP.astype(np.int16)
    pixels[:3] = -2000
    fields: dict[str, Any] = {"PhotometricInterpretation": photometric, "PixelPaddingValue": -2000}
    values = read_dicom_values(_save(tmp_path / "a.dcm", pixels, **fields))
    assert (values[:3] == values[3:].min()).all()
    assert np.ptp(values) == 599 - 90


def test_frames_are_pages(tmp_path: Path) -> None:
    frames = np.stack([RAMP, RAMP + 1000, RAMP + 2000]).astype(np.uint16)
    path = _save(tmp_path / "a.dcm", frames)
    assert count_pages(path) == read_dicom_header(path).frames == 3
    assert np.array_equal(read_dicom_values(path, 2), frames[2])
    assert np.array_equal(read_mask_values(path, 1), frames[1])
    assert read_stored_size(path) == (30, 20)
    facts = examine_image(path)
    assert (facts["pages"], facts["low"], facts["high"]) == ("3", "0", "2599")
    for frame in (3, -1):
        with pytest.raises(BenchbedError, match=r"a\.dcm\b"):
            read_dicom_values(path, frame)


def test_frames_of_enhanced_files_have_their_own_rescaling(tmp_path: Path) -> None:
    frames = np.stack([RAMP, RAMP]).astype(np.uint16)
    groups = [
        _make_item(
            PixelValueTransformationSequence=Items(
                [_make_item(RescaleSlope=slope, RescaleIntercept=5, RescaleType="US")]
            ),
            PlanePositionSequence=Items([_make_item(ImagePositionPatient=[0, 0, 4 * slope])]),
        )
        for slope in (2, 1)
    ]
    measures = _make_item(PixelSpacing=[2, 3])
    shared = _make_item(
        PixelMeasuresSequence=Items([measures]),
        PlaneOrientationSequence=Items([_make_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
    )
    path = _save(
        tmp_path / "a.dcm",
        frames,
        PerFrameFunctionalGroupsSequence=Items(groups),
        SharedFunctionalGroupsSequence=Items([shared]),
    )
    assert np.array_equal(read_dicom_values(path, 0), RAMP * 2 + 5)
    assert np.array_equal(read_dicom_values(path, 1), RAMP + 5)
    volume, affine = read_dicom_volume([path])
    assert np.array_equal(volume[0], RAMP + 5)
    assert nibabel.affines.voxel_sizes(affine).tolist() == [4, 2, 3]


def test_ids_are_hashed_and_other_fields_stay(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"PatientName": "Doe^Jane", "PatientBirthDate": "19700101"}
    path = _save(
        tmp_path / "a.dcm",
        RAMP.astype(np.uint16),
        PatientID=" 12345 ",
        SeriesInstanceUID=SERIES,
        InstanceNumber=7,
        Modality="CT",
        **fields,
    )
    header = read_dicom_header(path)
    assert header.patient == hashlib.sha256(b"12345").hexdigest()[:12]
    assert header.series == hashlib.sha256(SERIES.encode()).hexdigest()[:12]
    assert (header.number, header.modality, header.position) == (7, "CT", None)
    everything = f"{header}{examine_image(path)}"
    for private in ("Doe", "1970", "12345", SERIES):
        assert private not in everything
    assert read_dicom_header(_save(tmp_path / "b.dcm", RAMP.astype(np.uint16))).patient == ""


def test_damaged_fields_are_not_quoted(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.dcm", RAMP.astype(np.uint16), InstanceNumber=123456)
    path.write_bytes(path.read_bytes().replace(b"123456", b"Janedo"))
    with pytest.raises(BenchbedError, match=r"a\.dcm\b") as caught:
        read_dicom_header(path)
    assert "Janedo" not in str(caught.value)


def test_dicom_is_known_by_suffix_or_signature(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.dcm", RAMP.astype(np.uint16))
    for name, expected in (
        ("IM00001", True),
        ("1.2.840.77", True),
        ("B.IMA", True),
        ("c.png", False),
    ):
        (tmp_path / name).write_bytes(path.read_bytes())
        assert is_dicom(tmp_path / name) is expected, name
    (tmp_path / "notes").write_text("text")
    assert not is_dicom(tmp_path / "notes")
    assert not is_dicom(tmp_path / "missing")
    assert not is_dicom(tmp_path)
    assert np.array_equal(read_image(tmp_path / "IM00001", 1), read_image(path, 1))


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        ("JPEGLSNearLossless_08.dcm", r"JPEG-LS.*1\.2\.840\.10008\.1\.2\.4\.81"),
        ("SC_rgb_jpeg_gdcm.dcm", r"JPEG Lossless.*1\.2\.840\.10008\.1\.2\.4\.70"),
        ("JPGExtended.dcm", r"JPEG Extended.*1\.2\.840\.10008\.1\.2\.4\.51"),
    ],
)
def test_a_transfer_syntax_that_cannot_be_decoded_is_named(name: str, syntax: str) -> None:
    with pytest.raises(BenchbedError, match=rf"{name}\b.*{syntax}"):
        read_dicom_values(_get_shipped(name))


@pytest.mark.parametrize("name", ["rtplan.dcm", "test-SR.dcm", "rtstruct.dcm", "MR_truncated.dcm"])
def test_files_without_a_whole_image_are_refused(name: str) -> None:
    with pytest.raises(BenchbedError, match=name):
        read_dicom_values(_get_shipped(name))
    with pytest.raises(BenchbedError, match=r"missing\.dcm\b"):
        read_dicom_header(Path("missing.dcm"))


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_bigendian.dcm",
     "MR_small_implicit.dcm"],
)  # fmt: skip
def test_transfer_syntaxes_give_the_same_values(name: str) -> None:
    plain = read_dicom_values(_get_shipped("MR_small.dcm"))
    assert np.array_equal(read_dicom_values(_get_shipped(name)), plain)


@pytest.mark.parametrize(
    "name", ["SC_rgb_rle_16bit.dcm", "SC_ybr_full_422_uncompressed.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"]
)
def test_colours_become_rgb_of_8_bits(name: str) -> None:
    values = read_dicom_values(_get_shipped(name))
    assert values.dtype == np.uint8
    assert np.abs(values[5, 5].astype(int) - (255, 0, 0)).max() <= 2  # the first stripe is red


def test_palettes_become_rgb() -> None:
    path = _get_shipped("examples_palette.dcm")
    assert read_dicom_values(path).shape == (350, 800, 3)
    assert examine_image(path)["channels"] == "3"


def test_doses_are_scaled_and_have_positions() -> None:
    path = _get_shipped("rtdose.dcm")
    volume, affine = read_dicom_volume([path])
    assert volume.shape == (15, 10, 10)
    assert volume.max() == np.float32(pydicom.dcmread(path).DoseGridScaling * 1254000)
    assert nibabel.affines.voxel_sizes(affine).tolist() == [5, 10, 10]


def _save_series(folder: Path, positions: Sequence[float], **fields: Any) -> list[Path]:
    """Write axial slices, 2 x 3 mm, whose values are their position."""
    folder.mkdir(exist_ok=True)
    axes = fields.pop("axes", [1, 0, 0, 0, 1, 0])
    normal = np.cross(axes[:3], axes[3:])
    paths = []
    for number, position in enumerate(positions):
        origin = [float(x) for x in np.asarray([-10.0, -20, 0]) + normal * position]
        defaults = {
            "ImagePositionPatient": origin,
            "ImageOrientationPatient": list(axes),
            "PixelSpacing": [2, 3],
            "SeriesInstanceUID": SERIES,
        }
        values = np.full((4, 5), position, np.int16)
        paths.append(_save(folder / f"{number}.dcm", values, **defaults | fields))
    return paths


@given(order=st.permutations(range(5)))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=9
)
def test_slices_are_ordered_by_position(tmp_path: Path, order: list[int]) -> None:
    paths = _save_series(tmp_path / "s", [4.0 * number for number in order])
    volume, affine = read_dicom_volume(paths)
    assert volume[:, 0, 0].tolist() == [0, 4, 8, 12, 16]
    # DICOM points to left and posterior, the affine to right and anterior.
    assert (affine @ (1, 0, 0, 1)).tolist() == [10, 20, 4, 1]
    assert (affine @ (0, 1, 1, 1)).tolist() == [7, 18, 0, 1]


def test_oblique_slices_keep_their_direction(tmp_path: Path) -> None:
    paths = _save_series(tmp_path / "s", [0.0, 1.5, 3.0], axes=[0.8, 0.6, 0, 0, 0, -1])
    volume, affine = read_dicom_volume(paths[::-1])
    assert volume[:, 0, 0].tolist() == [0, 1, 3]
    assert np.allclose(nibabel.affines.voxel_sizes(affine), [1.5, 2, 3])


@pytest.mark.parametrize(
    ("positions", "named"),
    [([0, 1, 2, 4, 5], r"2\.dcm\b.*3\.dcm\b"), ([0, 1, 2, 2, 3], r"2\.dcm\b.*3\.dcm\b"),
     ([0, 1, 2, 3.4, 4], r"2\.dcm\b.*3\.dcm\b"), ([7], r"\bs\b")],
)  # fmt: skip
def test_gaps_and_duplicates_are_named(tmp_path: Path, positions: list[float], named: str) -> None:
    with pytest.raises(BenchbedError, match=named):
        read_dicom_volume(_save_series(tmp_path / "s", positions))


def test_rounded_positions_are_no_gaps(tmp_path: Path) -> None:
    volume, _ = read_dicom_volume(_save_series(tmp_path / "s", [0, 0.7, 1.4, 2.15, 2.8]))
    assert len(volume) == 5


@pytest.mark.parametrize(
    "other",
    [{"PixelSpacing": [2, 2]}, {"SeriesInstanceUID": generate_uid()},
     {"ImageOrientationPatient": [0, 1, 0, 0, 0, 1]}, {"ImagePositionPatient": [50.0, -20, 5]}],
)  # fmt: skip
def test_slices_of_different_volumes_are_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    paths = _save_series(tmp_path / "s", [0, 1, 2, 3, 4])
    odd = _save_series(tmp_path / "odd", [5], **other)
    with pytest.raises(BenchbedError, match=r"odd/0\.dcm\b"):
        read_dicom_volume(paths + odd)


def test_slices_of_another_size_or_without_position_are_refused(tmp_path: Path) -> None:
    paths = _save_series(tmp_path / "s", [0, 1, 2])
    path = _save(tmp_path / "odd.dcm", RAMP.astype(np.uint16))
    with pytest.raises(BenchbedError, match=r"odd\.dcm\b.*position"):
        read_dicom_volume([*paths, path])
    dataset = pydicom.dcmread(paths[0])
    dataset.Rows, dataset.Columns = 5, 4
    dataset.save_as(paths[0])
    with pytest.raises(BenchbedError, match=r"0\.dcm\b.*size"):
        read_dicom_volume(paths)


@pytest.mark.parametrize("patients", [["P1", "P2", "P3"], ["P1", "P1", "P2"]])
def test_folders_of_one_patient_each_are_no_classes(patients: list[str], tmp_path: Path) -> None:
    for number, patient in enumerate(patients):
        for scan in range(3):
            (tmp_path / f"{number}").mkdir(exist_ok=True)
            pixels = np.full((8, 8), 100 * number + scan, np.uint16)
            _save(tmp_path / f"{number}/{number}{scan}.dcm", pixels, PatientID=patient)
    rows = infer_manifest(tmp_path).rows
    assert len({row.patient for row in rows}) == len(set(patients))
    is_one_to_one = len(set(patients)) == 3
    assert {row.label for row in rows} == ({None} if is_one_to_one else {"0", "1", "2"})
