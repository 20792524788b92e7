"""Volumes from files: orientation, range, labels, layouts, and refused files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

from benchbed.api.specs import DatasetSpec
from benchbed.api.types import CropBox
from benchbed.data.io import volumes
from benchbed.data.io.volumes import normalize_robust, read_label_volume, read_volume
from benchbed.data.preprocessing.native_cases import iter_references
from benchbed.data.preprocessing.prepare import (
    PreparedDataset,
    prepare_dataset,
)
from benchbed.data.preprocessing.volume_cases import restore_volume
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection, resolve_dataset_spec
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

IDENTITY = np.eye(4)

BRATS_SUFFIXES = ("t1", "t1ce", "t2", "flair")


def _write(path: Path, values: npt.NDArray[np.generic], affine: npt.ArrayLike = IDENTITY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.asarray(affine, float)), path)  # type: ignore[no-untyped-call]
    return path


def _marked() -> npt.NDArray[np.float32]:
    """Return 4 x 5 x 6 voxels (x, y, z) with a bright right, anterior, superior corner."""
    values = np.zeros((4, 5, 6), np.float32)
    values[3, 4, 5] = 9
    return values


@pytest.mark.parametrize(
    ("change", "affine"),
    [
        (lambda v: v, np.diag([1, 1, 1, 1])),
        (lambda v: v[::-1, ::-1], np.diag([-1, -1, 1, 1])),
        (lambda v: v.transpose(2, 0, 1), [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]),
        (lambda v: v, np.diag([0.5, 2, 3, 1])),
    ],
)
def test_axes_are_superior_anterior_right(
    change: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    affine: npt.ArrayLike,
    tmp_path: Path,
) -> None:
    """In any orientation of the file, the marked voxel is the last of every axis."""
    volume = read_volume(_write(tmp_path / "a.nii.gz", change(_marked()), affine))
    assert volume.shape == (1, 6, 5, 4)
    assert volume[0, -1, -1, -1] == 9


def test_two_axes_are_an_axial_slice(tmp_path: Path) -> None:
    """Anterior is the last row."""
    picture = np.arange(12.0).reshape(3, 4)
    volume = read_volume(_write(tmp_path / "a.nii.gz", picture))
    np.testing.assert_array_equal(volume[0, 0], picture[::-1])


def test_the_fourth_axis_becomes_the_channels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((4, 5, 6, 2), np.float32)
    volume = read_volume(_write(tmp_path / "a.nii", values))
    assert volume.shape == (2, 6, 5, 4)
    assert np.array_equal(volume[1], values[..., 1].T)


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        (np.full((3, 3, 3), 7, np.float32), r"\b7\b"),
        (np.where(np.eye(3)[..., None] > 0, np.nan, 1).astype(np.float32), "NaN"),
        (np.ones((3, 3, 3, 1, 2), np.float32), "3x3x3x1x2"),
        (np.ones((2, 2, 2, 2, 2), np.float32), "2x2x2x2x2"),
    ],
)
def test_files_that_are_no_volumes_are_refused(
    values: npt.NDArray[np.float32], facts: str, tmp_path: Path
) -> None:
    path = _write(tmp_path / "odd.nii.gz", values)
    with pytest.raises(BenchbedError, match=rf"odd\.nii\.gz .*{facts}"):
        read_volume(path)


@pytest.mark.parametrize("content", [b"", b"not a volume at all", None])
def test_damaged_files_are_refused(content: bytes | None, tmp_path: Path) -> None:
    path = _write(tmp_path / "bad.nii.gz", _marked())
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    with pytest.raises(BenchbedError, match=r"bad\.nii\.gz .*NIfTI"):
        read_volume(path)


def test_labels_are_mapped_to_structures(tmp_path: Path) -> None:
    values = np.zeros((4, 4, 4), np.float32)
    values.flat[:4] = [1, 2, 3, 4]
    path = _write(tmp_path / "seg.nii.gz", values)
    codes = read_label_volume(path, {1: 1, 2: 2, 3: 1, 4: 3})
    assert [int((codes == n).sum()) for n in (1, 2, 3)] == [2, 1, 1]
    with pytest.raises(BenchbedError, match=r"seg\.nii\.gz .*\b3\b.* 0, 1, 2, 4"):
        read_label_volume(path, {1: 1, 2: 2, 4: 3})


@pytest.mark.parametrize("unit", [1.0, 1e4])
@pytest.mark.parametrize("background", [0.0, -5.0])
def test_intensity_range_depends_on_the_foreground_only(unit: float, background: float) -> None:
    """Neither the unit nor the size of the background changes the values."""
    rng = np.random.default_rng(0)
    tissue = rng.normal(10, 2, 4000).clip(3).astype(np.float32)
    for padding in (1000, 20000):
        voxels = np.concatenate([tissue, np.full(padding, background)]).astype(np.float32)
        ranged = normalize_robust((voxels * unit).reshape(1, 1, -1))[0, 0]
        assert (ranged[4000:] == -1).all()
        assert ranged[:4000].max() == 1
        assert abs(float(np.median(ranged[:4000]))) < 0.1


def _brats(root: Path, cases: int, *, without: str = "") -> Path:
    rng = np.random.default_rng(0)
    for number in range(cases):
        folder = root / "brats" / "HGG" / f"case{number}"
        for suffix in BRATS_SUFFIXES:
            if suffix == without and number == cases - 1:
                continue
            values = rng.random((24, 24, 16)).astype(np.float32) + 1
            _write(folder / f"case{number}_{suffix}.nii.gz", values)
        labels = np.zeros((24, 24, 16), np.uint8)
        labels[6:12, 6:12, 4:10] = 2
        labels[8:10, 8:10, 6:8] = 4
        _write(folder / f"case{number}_seg.nii.gz", labels)
    return root


def test_cases_of_four_sequences(tmp_path: Path) -> None:
    collection = resolve_collection("brats", "real", _brats(tmp_path, 3))
    assert [path.name for path in collection.cases[0].sequences][:2] == [
        f"{collection.cases[0].id}_t1.nii.gz",
        f"{collection.cases[0].id}_t1ce.nii.gz",
    ]
    assert len(collection.cases[0].files) == 5


def test_a_case_without_a_sequence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchbedError, match=r"1 of 3 .*T2.*HGG/case2/case2_flair.*case2_t2"):
        resolve_collection("brats", "real", _brats(tmp_path, 3, without="t2"))


def test_a_single_case_without_a_sequence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchbedError, match=r"1 of 1 .*T1.*HGG/case0/case0_flair.*case0_t1"):
        resolve_collection("brats", "real", _brats(tmp_path, 1, without="t1"))


UNTIL_2021 = ("_t1", "_t1ce", "_t2", "_flair", "_seg")
SINCE_2023 = ("-t1n", "-t1c", "-t2w", "-t2f", "-seg")


@pytest.mark.parametrize(
    ("folder", "case", "names", "labels"),
    [
        (
            "BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData",
            "BraTS20_Training_001",
            UNTIL_2021,
            (1, 2, 4),
        ),
        ("BraTS2021_Training_Data", "BraTS2021_00000", UNTIL_2021, (1, 2, 4)),
        (
            "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData",
            "BraTS-GLI-00000-000",
            SINCE_2023,
            (1, 2, 3),
        ),
        ("brats", "BraTS-GLI-00000-000", SINCE_2023, (1, 2, 3)),
    ],
)
def test_file_names_of_the_challenges(
    folder: str, case: str, names: tuple[str, ...], labels: tuple[int, ...], tmp_path: Path
) -> None:
    """Under the archive's name or in brats/; the enhancing tumour is always structure 3."""
    values = np.zeros((4, 4, 4), np.uint8)
    values.flat[: len(labels)] = labels
    for number, name in enumerate(names):
        image = _marked() + number
        path = tmp_path / folder / case / f"{case}{name}.nii.gz"
        _write(path, values if "seg" in name else image)
    (found,) = resolve_collection("brats", "real", tmp_path).cases
    assert found.patient == case.removesuffix("-000")
    assert found.id == case
    assert [path.name for path in found.sequences] == [f"{case}{name}.nii.gz" for name in names[:4]]
    assert found.mask is not None
    codes = read_label_volume(found.mask, found.label_mapping)
    assert sorted(set(codes.flat)) == [0, 1, 2, 3]


def test_scans_of_one_patient_stay_in_one_split(tmp_path: Path) -> None:
    """BraTS 2023 has several time points of some patients."""
    for scan in range(4):
        case = f"BraTS-GLI-00007-{scan:03d}"
        for name in ("t1n", "t1c", "t2w", "t2f", "seg"):
            _write(tmp_path / f"brats/{case}/{case}-{name}.nii.gz", _marked())
    cases = resolve_collection("brats", "real", tmp_path).cases
    assert len(cases) == 4
    assert {case.patient for case in cases} == {"BraTS-GLI-00007"}
    assert len({case.split for case in cases}) == 1


def test_the_misnamed_mask_of_2020_is_found(tmp_path: Path) -> None:
    for case in ("BraTS20_Training_354", "BraTS20_Training_355"):
        for name in ("t1", "t1ce", "t2", "flair"):
            _write(tmp_path / f"brats/{case}/{case}_{name}.nii", _marked())
    _write(tmp_path / "brats/BraTS20_Training_354/BraTS20_Training_354_seg.nii", _marked())
    _write(tmp_path / "brats/BraTS20_Training_355/W39_1998.09.19_Segm.nii", _marked())
    masks = [case.mask for case in resolve_collection("brats", "real", tmp_path).cases]
    assert sorted(mask.name for mask in masks if mask is not None) == [
        "BraTS20_Training_354_seg.nii",
        "W39_1998.09.19_Segm.nii",
    ]


def _prepared(name: str, root: Path, size: int = 32) -> PreparedDataset:
    spec = get_registry().get_spec(DatasetSpec, name)
    collection, fingerprint = identify_collection(resolve_collection(name, "real", root))
    return prepare_dataset(
        collection, fingerprint, size=size, channels=spec.channels, framing=spec.framing
    )


def test_prepared_volumes_and_their_references(tmp_path: Path) -> None:
    """Volumes have the run's size; reference masks have the original size."""
    prepared = _prepared("brats", _brats(tmp_path, 6))
    name = next(iter(prepared.splits))
    split = prepared.get_split(name)
    assert split.images.shape[1:] == (4, 14, 32, 32)
    assert split.images.dtype == np.float16
    assert {0, 2} <= set(np.unique(split.arrays["mask"])) <= {0, 2, 3}
    assert split.structure_count == 3
    reference = next(iter_references(prepared, name, "center"))
    assert reference.mask.shape == (16, 24, 24)
    assert reference.mask.sum() == 6**3


def test_single_slices_are_repeated_over_the_depth(tmp_path: Path) -> None:
    """A file with two axes is an axial slice: equal at every depth, and evaluated once."""
    rng = np.random.default_rng(0)
    for number in range(6):
        folder = tmp_path / f"brats-slices2d/training/{number:06d}"
        for suffix in BRATS_SUFFIXES:
            values = rng.random((24, 24)) + 1
            _write(folder / f"brats_train_{number:03d}_{suffix}_080_w.nii.gz", values)
        labels = np.zeros((24, 24))
        labels[6:12, 6:12] = 4.0
        _write(folder / f"brats_train_{number:03d}_seg_080_w.nii.gz", labels)
    prepared = _prepared("brats", tmp_path)
    ids = [identity for split in prepared.splits.values() for identity in split.ids]
    assert sorted(ids) == [f"slice-{number:06d}" for number in range(6)]
    for name, split in prepared.splits.items():
        assert split.images.shape[1:] == (4, 14, 32, 32)
        assert np.ptp(split.images, axis=2).max() < 0.001
        assert np.ptp(split.images, axis=(3, 4)).min() > 1
        for reference in iter_references(prepared, name, "center"):
            assert reference.mask.shape == (1, 24, 24)
            assert reference.mask.sum() == 36


def test_real_slices_of_two_axes(real_data: Path, tmp_path: Path) -> None:
    """Six slices of one patient in one split; the two without labels are skipped."""
    (tmp_path / "brats-slices2d").symlink_to(real_data / "brats-slices2d")
    collection = resolve_collection("brats", "real", tmp_path)
    assert len(collection.cases) == 6
    assert {case.patient for case in collection.cases} == {"slice-brats_train_001"}
    for case in collection.cases:
        assert read_volume(case.image).shape == (1, 1, 240, 240)


def test_real_brains_of_two_layouts(real_data: Path, tmp_path: Path) -> None:
    """Two cases each in the layouts of the challenge and the Decathlon, with equal codes."""
    (tmp_path / "brats").symlink_to(real_data / "brats")
    (tmp_path / "Task01_BrainTumour").symlink_to(real_data / "msd-brats/Task01_BrainTumour")
    prepared = _prepared("brats", tmp_path)
    assert sum(len(split) for split in prepared.splits.values()) == 4
    for name, split in prepared.splits.items():
        for reference in iter_references(prepared, name, "center"):
            assert reference.mask.any()
        # Oedema is bright in FLAIR in any order of the file's volumes.
        flair, oedema = split.images[:, 3], split.arrays["mask"] == 2
        assert flair[oedema].mean() > flair[split.images[:, 3] > -1].mean()


def test_a_real_case_without_t1_and_t2_is_refused(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "brats2015").symlink_to(real_data / "brats-t1ce-flair")
    with pytest.raises(BenchbedError, match=r"T1.*pat0004"):
        resolve_collection("brats", "real", tmp_path)


def test_real_hippocampi_in_different_units_have_one_range(real_data: Path) -> None:
    prepared = _prepared("hippocampus", real_data)
    assert sum(len(split) for split in prepared.splits.values()) == 260
    train = prepared.get_split("train")
    assert set(np.unique(train.arrays["mask"])) == {0, 1, 2}
    inside = [
        float(image[0][mask > 0].mean())
        for image, mask in zip(train.images, train.arrays["mask"], strict=True)
    ]
    assert np.std(inside) < 0.25


def _declare(root: Path, count: int = 2) -> None:
    """Write names of structures as the Decathlon does."""
    labels = {str(n): f"part {n}" if n else "background" for n in range(count + 1)}
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))


def test_a_folder_of_volumes_needs_no_plugin(tmp_path: Path) -> None:
    """The number of sequences is read from the files."""
    rng = np.random.default_rng(0)
    for number in range(8):
        labels = np.zeros((20, 18, 16), np.uint8)
        labels[5:12, 5:12, 5:12] = 1 + number % 2
        image = rng.random((20, 18, 16, 2)).astype(np.float32) + labels[..., None]
        _write(tmp_path / f"mine/images/case{number}.nii.gz", image)
        _write(tmp_path / f"mine/masks/case{number}.nii.gz", labels)
    _declare(tmp_path / "mine")
    name = f"nifti:{tmp_path / 'mine'}"
    spec = resolve_dataset_spec(name)
    assert (spec.channels, spec.structure_count, spec.dimensions) == (2, 2, 3)
    collection, fingerprint = identify_collection(resolve_collection(name))
    prepared = prepare_dataset(collection, fingerprint, size=16, channels=2, framing=spec.framing)
    assert sum(len(split) for split in prepared.splits.values()) == 8
    for split in prepared.splits.values():
        assert split.images.shape[1:] == (2, 16, 16, 16)


def _ball_folder(root: Path, step: int) -> str:
    """Write a ball of 24 mm in cubes of 32 mm, with every `step`-th slice."""
    grid = np.stack(np.mgrid[:32, :32, :32]) - 15.5
    ball = ((grid**2).sum(axis=0) < 12**2).astype(np.uint8)[..., ::step]
    noise = np.random.default_rng(0)
    for number in range(5):
        image = (100 * ball + noise.normal(50, 3, ball.shape)).astype(np.float32)
        affine = np.diag([1.0, 1.0, step, 1.0])
        _write(root / f"images/case{number}.nii.gz", image, affine)
        _write(root / f"masks/case{number}.nii.gz", ball, affine)
    return f"nifti:{root}"


def test_thick_slices_give_blocks_in_the_same_proportions(tmp_path: Path) -> None:
    """With 1 x 1 x 4 mm the ball has as many slices in the block as with 1 mm."""
    heights: dict[int, int] = {}
    for step in (1, 4):
        name = _ball_folder(tmp_path / str(step), step)
        spec = resolve_dataset_spec(name)
        collection, fingerprint = identify_collection(resolve_collection(name))
        assert collection.rules.extent == (32, 32, 32)
        prepared = prepare_dataset(
            collection, fingerprint, size=32, channels=1, framing=spec.framing
        )
        split = prepared.get_split("train")
        assert split.images.shape[1:] == (1, 32, 32, 32)
        heights[step] = int(split.arrays["mask"][0].any(axis=(1, 2)).sum())
        reference = next(iter_references(prepared, "train", "center"))
        assert reference.mask.shape == (32 // step, 32, 32)
        assert isinstance(reference.region, CropBox)
        block = split.arrays["mask"][0].astype(np.float32)
        restored = restore_volume(block, reference.region, reference.mask.shape) > 0.5
        assert 2 * (restored & reference.mask).sum() / (restored.sum() + reference.mask.sum()) > 0.9
    assert heights[1] == 24
    assert abs(heights[4] - heights[1]) <= 4


def _own_folder(root: Path) -> str:
    """Write three cases of two structures."""
    rng = np.random.default_rng(0)
    for number in range(3):
        labels = rng.integers(0, 3, (12, 12, 12)).astype(np.uint8)
        _write(root / f"images/case{number}.nii.gz", rng.random((12, 12, 12)).astype(np.float32))
        _write(root / f"masks/case{number}.nii.gz", labels)
    _declare(root)
    return f"nifti:{root}"


def _planned(name: str) -> DatasetSpec:
    """Return the spec as another process would."""
    return resolve_dataset_spec(name)


def test_volumes_are_decompressed_once_for_planning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts about a file are cached until the file changes."""
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    name = _own_folder(tmp_path / "mine")
    read: list[str] = []

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(path: Path, *given: object) -> object:
            read.append(f"{path.parent.name}/{path.name[:5]}")
            return function(path, *given)

        return call

    monkeypatch.setattr(volumes, "examine_volume", counted(volumes.examine_volume))
    assert _planned(name).structure_count == 2
    assert read == ["images/case0"]
    read.clear()
    identify_collection(resolve_collection(name))
    masks = [f"masks/case{number}" for number in range(3)]
    assert sorted(read) == ["images/case1", "images/case2", *masks]
    read.clear()
    identify_collection(resolve_collection(name))
    assert read == []
    _write(tmp_path / "mine/masks/case1.nii.gz", np.ones((12, 12, 12), np.uint8))
    identify_collection(resolve_collection(name))
    assert read == ["masks/case1"]


def test_outdated_or_invalid_cached_facts_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older versions did not store the largest label; other values are not numbers."""
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    name = _own_folder(tmp_path / "mine")
    found = identify_collection(resolve_collection(name))
    index = tmp_path / "cache/index/nifti.json"
    known = json.loads(index.read_text())
    for changed in ({"largest": None}, {"largest": "many"}, {"shape": "wide"}, {"shape": "-1x2"}):
        given = {
            key: {n: v for n, v in (facts | changed).items() if v is not None}
            for key, facts in known.items()
        }
        index.write_text(json.dumps(given))
        again = identify_collection(resolve_collection(name))
        assert (again[0].rules, again[1]) == (found[0].rules, found[1])
        assert json.loads(index.read_text()) == known


def test_unreadable_files_are_refused_or_skipped(tmp_path: Path) -> None:
    """The first image and a mask are damaged; the spec is read from the others."""
    name = _own_folder(tmp_path / "mine")
    (tmp_path / "mine/masks/case2.nii.gz").write_bytes(b"nothing")
    (tmp_path / "mine/images/case0.nii.gz").write_bytes(b"nothing")
    spec = _planned(name)
    assert (spec.channels, spec.structure_count) == (1, 2)
    with pytest.raises(BenchbedError, match=r"case[02]\.nii\.gz .*NIfTI.*--skip-bad"):
        identify_collection(resolve_collection(name))
    collection, _ = identify_collection(resolve_collection(name), skip_bad=True)
    assert [case.id for case in collection.cases] == ["case1"]
    for number in (1, 2):
        (tmp_path / f"mine/images/case{number}.nii.gz").write_bytes(b"nothing")
    with pytest.raises(BenchbedError, match=r"case0\.nii\.gz .*NIfTI"):
        _planned(name)


def test_a_folder_without_volumes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchbedError, match=r"imagesTr/.*\.nii\.gz") as caught:
        resolve_dataset_spec(f"nifti:{tmp_path}")
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(BenchbedError, match=re.escape(str(tmp_path / "missing"))):
        resolve_dataset_spec(f"nifti:{tmp_path / 'missing'}")
