"""NRRD and MetaImage files: orientation, sequences, damaged data and headers, silent streams."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from benchbed.data.io.volumes import load_volume, read_label_values, read_volume
from benchbed.errors import BenchbedError

VOXELS = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
"""Slices, rows, columns."""

FILES = ("a.nrrd", "a.mha", "packed.nrrd", "packed.mha")


def _write(path: Path, values: np.ndarray = VOXELS, *, vector: bool = False) -> Path:
    image = SimpleITK.GetImageFromArray(values, isVector=vector)
    if image.GetDimension() == 3:
        image.SetSpacing((1, 2, 3))
        # ITK's axes grow towards left and posterior: this is right, anterior, superior.
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        image.SetOrigin((-5, -6, 7))
    SimpleITK.WriteImage(image, str(path), path.name.startswith("packed"))
    return path


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a file of each format, with and without compression."""
    return _write(tmp_path / request.param)


def test_values_spacing_and_position(file: Path) -> None:
    volume = load_volume(file)
    np.testing.assert_array_equal(volume.values, VOXELS[None])
    assert volume.geometry.spacing == (3, 2, 1)
    expected = [[1, 0, 0, 5], [0, 2, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.geometry.affine, expected)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_every_orientation_gives_the_same_volume(suffix: str, tmp_path: Path) -> None:
    """All 48 orders and directions of axes, as ITK itself permutes and flips them."""
    path = tmp_path / f"a{suffix}"
    image = SimpleITK.ReadImage(_write(path))
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((True, False), repeat=3):
            turned = SimpleITK.Flip(SimpleITK.PermuteAxes(image, order), flips)
            SimpleITK.WriteImage(turned, path)
            np.testing.assert_array_equal(read_volume(path), VOXELS[None])


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_several_sequences(suffix: str, tmp_path: Path) -> None:
    """As values of each voxel, or as a fourth axis."""
    values = np.stack([VOXELS, VOXELS + 1])
    volume = load_volume(_write(tmp_path / f"four{suffix}", values))
    np.testing.assert_array_equal(volume.values[:, :, ::-1, ::-1], values)
    path = _write(tmp_path / f"vector{suffix}", np.moveaxis(values, 0, -1), vector=True)
    np.testing.assert_array_equal(read_volume(path), values)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_two_axes_are_an_axial_slice_of_one_millimetre(suffix: str, tmp_path: Path) -> None:
    volume = load_volume(_write(tmp_path / f"a{suffix}", VOXELS[0]))
    np.testing.assert_array_equal(volume.values[0, 0], VOXELS[0][::-1])
    assert volume.geometry.spacing == (1, 1, 1)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64])
def test_labels_of_every_type(suffix: str, kind: type, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).choice([0, 1, 2, 100], (4, 5, 6)).astype(kind)
    path = _write(tmp_path / f"a{suffix}", labels)
    assert np.array_equal(read_label_values(path), labels)


def test_damaged_files_are_refused_in_silence(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Truncated anywhere, also in the checksum, empty, or of another kind."""
    whole = file.read_bytes()
    contents = [whole[:n] for n in (0, 5, 60, 200, len(whole) // 2, len(whole) - 1)]
    for content in (*contents, b"nothing of the kind", b"\n" * 3000):
        file.write_bytes(content)
        with pytest.raises(BenchbedError, match=re.escape(str(file))):
            read_volume(file)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["packed.nrrd", "packed.mha"])
def test_a_flipped_bit_in_compressed_voxels_is_noticed(name: str, tmp_path: Path) -> None:
    path = _write(tmp_path / name)
    content = bytearray(path.read_bytes())
    content[-300] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(BenchbedError, match=re.escape(name)):
        read_volume(path)


@pytest.mark.parametrize(
    ("field", "replacement", "fact"),
    [
        ("DimSize = 8 7 6", "DimSize = 30000 30000 30000", "30000x30000x30000"),
        ("DimSize = 8 7 6", "DimSize = 8 -7 6", "8 -7 6"),
        ("DimSize = 8 7 6", "DimSize = 8 7", "8 7"),
        ("NDims = 3", "NDims = 99", "99 axes"),
        ("ElementType = MET_FLOAT", "ElementType = MET_STRING", "MET_STRING"),
        ("ElementSpacing = 1 2 3", "ElementSpacing = 0 2 3", "0 x 2 x 3 mm"),
        ("ElementSpacing = 1 2 3", "ElementSpacing = nan 2 3", "nan 2 3"),
        ("ElementSpacing = 1 2 3", "ElementSpacing = 1 2000 3", "1 x 2000 x 3 mm"),
        ("ElementDataFile = LOCAL", "ElementDataFile = other.raw", r"other\.raw.*\.mha"),
        ("sizes: 8 7 6", "sizes: 30000 30000 30000", "30000x30000x30000"),
        ("sizes: 8 7 6", "sizes: 8 -7 6", "NRRD"),
        ("type: float", f"type: float{' 1' * 2000}", "500 characters"),
        ("encoding: raw", "encoding: raw\ndata file: other.raw", r"other\.raw.*\.nrrd"),
        ("(0,0,3)", "(0,0,0)", "mm"),
        ("(0,0,3)", "(0,0,2000)", "1 x 2 x 2000 mm"),
    ],
)
def test_false_headers_are_refused(
    field: str, replacement: str, fact: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And the memory that they declare is not allocated."""
    path = _write(tmp_path / ("a.mha" if " = " in field else "a.nrrd"))
    content = path.read_bytes()
    assert content.count(field.encode()) == 1
    path.write_bytes(content.replace(field.encode(), replacement.encode()))
    with pytest.raises(BenchbedError, match=rf"{re.escape(str(path))}.*{fact}"):
        read_volume(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_voxels_in_another_file_are_refused_by_name(suffix: str, tmp_path: Path) -> None:
    path = _write(tmp_path / f"a{suffix}")
    with pytest.raises(BenchbedError, match=r"a\.raw.*SimpleITK"):
        read_volume(path)


def test_random_changes_of_a_header_never_crash(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each gives a volume or an error that names the file."""
    whole = file.read_bytes()
    end = whole.index(b"LOCAL" if file.suffix == ".mha" else b"\n\n") + 5
    chance = random.Random(0)
    messages: list[str] = []
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 2, 5))):
            content[chance.randrange(end)] = chance.choice(b"0123456789 =-.:\nxTFnae\xff\0")
        file.write_bytes(bytes(content))
        try:
            read_volume(file)
        except BenchbedError as error:
            messages.append(str(error))
    assert messages
    assert all(str(file) in message for message in messages)
    assert capfd.readouterr() == ("", "")


def test_complex_numbers_and_colours_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.nrrd", VOXELS.astype(np.complex64))
    with pytest.raises(BenchbedError, match=r"a\.nrrd .*RGB or complex"):
        read_volume(path)
    path = _write(tmp_path / "b.nrrd", np.zeros((7, 8, 3), np.uint8), vector=True)
    with pytest.raises(BenchbedError, match=r"b\.nrrd .*RGB or complex"):
        read_volume(path)
