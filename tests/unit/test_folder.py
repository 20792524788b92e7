"""Layouts of folders: what is inferred, what is named, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchbed.api.specs import DatasetSpec
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.folder import infer_manifest
from benchbed.data.sources.manifest import Manifest
from benchbed.data.sources.own_data import build_own_spec, collect_manifest, load_manifest
from benchbed.data.sources.resolve import resolve_collection, resolve_dataset_spec
from benchbed.errors import BenchbedError

MakeFiles = Callable[[Iterable[str]], Path]


@pytest.fixture
def make_files(tmp_path: Path) -> MakeFiles:
    """Return a function that creates files with tiny images where the suffix is one of images."""

    def make(names: Iterable[str]) -> Path:
        for number, name in enumerate(names):
            path = tmp_path / "own" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix.lower() in (".png", ".tif"):
                Image.fromarray(np.full((4, 4), number % 250, np.uint8)).save(path)
            else:
                path.write_text("{}" if path.suffix == ".json" else "text")
        return tmp_path / "own"

    return make


def _pairs(manifest: Manifest) -> dict[str, str | None]:
    root = manifest.root
    return {
        str(row.image.relative_to(root)): None
        if row.mask is None
        else str(row.mask.relative_to(root))
        for row in manifest.rows
    }


def _collect(root: Path) -> Collection:
    name = f"folder:{root}"
    manifest = load_manifest(name)
    return collect_manifest(manifest, build_own_spec(name, manifest))


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("Images/{}.png", "Masks/{}.png"),
        ("image/{}.png", "mask/{}.png"),
        ("{}.png", "masks/{}.png"),
        ("IMG/{}.PNG", "ground truth/{}.png"),
        ("images/image_{}.png", "labels/mask_{}.png"),
        ("images/{}.png", "annotations/{}_mask.png"),
        ("{}.png", "{}_mask.png"),
        ("images/{}.png", "images/{}-seg.png"),
        ("Image_{}.png", "Image_{}_1stHO.png"),
        ("images/{}_training.tif", "masks/{}_manual1.tif"),
        ("images/{}.png", "masks/{}_ground_truth.png"),
        ("{}_083.png", "{}_seg_083.png"),
        ("{}.png", "{}_mask_1.png"),
        ("train_images/{}.png", "train_masks/{}.png"),
        ("imagesTr/{}.png", "labelsTr/{}.png"),
        ("images/x/{}.png", "masks/x/{}.png"),
        ("JPEGImages/{}.png", "SegmentationClass/{}.png"),
        ("CXR_png/{}.png", "lung masks/{}_mask.png"),
        ("Original/{}.tif", "Ground Truth/{}.tif"),
    ],
)
def test_masks_are_found_and_are_never_images(
    images: str, masks: str, make_files: MakeFiles
) -> None:
    """A folder of masks next to images was read as more images, and a GAN was trained on both."""
    names = ["a1", "b2", "c3"]
    root = make_files(pattern.format(name) for name in names for pattern in (images, masks))
    expected = {images.format(name): masks.format(name) for name in names}
    assert _pairs(infer_manifest(root)) == expected


def test_class_folders_become_labels_in_natural_order(make_files: MakeFiles) -> None:
    root = make_files(f"{grade}/{n}-{grade}.png" for grade in ("10", "2", "normal") for n in "abc")
    collection = _collect(root)
    assert collection.spec.classes == ("2", "10", "normal")
    assert {case.image.parent.name: case.label for case in collection.cases} == {
        "2": 0,
        "10": 1,
        "normal": 2,
    }


def test_split_folders_become_official_splits_above_classes_and_masks(
    make_files: MakeFiles,
) -> None:
    root = make_files(
        f"{split}/{role}/{split}{n}.png"
        for split in ("Train", "validation", "TEST")
        for role in ("images", "masks")
        for n in range(2)
    )
    collection = _collect(root)
    assert collection.count_cases() == {"train": 2, "val": 2, "test": 2}
    assert all(case.is_official_split and case.mask is not None for case in collection.cases)
    root = make_files(
        f"classes/{s}/{c}/{s}{c}{n}.png" for s in ("train", "test") for c in "xy" for n in "12"
    )
    assert _collect(root / "classes").spec.classes == ("x", "y")


def test_splits_within_longer_names_are_official_splits(make_files: MakeFiles) -> None:
    names = [
        f"Skin2018_Task1_{split}_{kind}/S_{number}{end}.png"
        for split, number in (("Training", 1), ("Training", 2), ("Validation", 3), ("Test", 4))
        for kind, end in (("Input", ""), ("GroundTruth", "_segmentation"))
    ]
    manifest = infer_manifest(make_files(names))
    assert {row.id: row.split for row in manifest.rows} == {
        "S_1": "train", "S_2": "train", "S_3": "val", "S_4": "test"
    }  # fmt: skip
    assert all(row.mask is not None and row.label is None for row in manifest.rows)


def test_domains_of_unpaired_translation_are_classes_in_splits(make_files: MakeFiles) -> None:
    names = [
        f"{split}{domain}/{domain}{split}.png" for split in ("train", "test") for domain in "AB"
    ]
    rows = infer_manifest(make_files(names)).rows
    assert {(row.label, row.split) for row in rows} == {
        ("A", "train"), ("A", "test"), ("B", "train"), ("B", "test")
    }  # fmt: skip


def test_classes_named_after_masks_are_classes(make_files: MakeFiles) -> None:
    rows = infer_manifest(make_files(["with mask/1.png", "without mask/2.png"])).rows
    assert {row.label for row in rows} == {"with mask", "without mask"}


def test_classes_that_differ_in_letter_case_are_one(make_files: MakeFiles) -> None:
    names = [
        f"{s}/{c}/{c}{s}.png" for s, c in (("train", "CYST"), ("test", "cyst"), ("train", "x"))
    ]
    assert {row.label for row in infer_manifest(make_files([*names, "test/X/1.png"])).rows} == {
        "cyst", "X"
    }  # fmt: skip


def test_hidden_files_are_counted(make_files: MakeFiles) -> None:
    names = ["a.png", "b.png", ".DS_Store", "._a.png", "__MACOSX/a.png", ".git/c"]
    manifest = infer_manifest(make_files(names))
    assert len(manifest.rows) == 2
    assert list(manifest.unused) == ["4 hidden files"]


def test_one_split_alone_is_derived_from_names(make_files: MakeFiles) -> None:
    """Folders such as ``imagesTr`` name one split only; nothing would be left to test on."""
    root = make_files(f"imagesTr/case{n}.png" for n in range(30))
    collection = _collect(root)
    assert set(collection.count_cases()) == {"train", "test"}
    assert not any(case.is_official_split for case in collection.cases)


def test_folders_of_patients_keep_patients_in_one_split(make_files: MakeFiles) -> None:
    root = make_files(f"patient{p:02}/{p}-{n}.png" for p in range(12) for n in range(4))
    collection = _collect(root)
    assert collection.spec.classes == ()
    splits: dict[str, set[str]] = {}
    for case in collection.cases:
        splits.setdefault(case.patient, set()).add(case.split)
    assert len(splits) == 12
    assert all(len(found) == 1 for found in splits.values())


def test_patients_below_classes_are_patients(make_files: MakeFiles) -> None:
    root = make_files(
        f"{c}/case_{p}/{c}{p}{n}.png" for c in ("ill", "well") for p in "123" for n in "ab"
    )
    manifest = infer_manifest(root)
    assert {row.label for row in manifest.rows} == {"ill", "well"}
    assert {row.patient for row in manifest.rows} == {"case_1", "case_2", "case_3"}


def test_a_patient_in_two_split_folders_is_refused(make_files: MakeFiles) -> None:
    root = make_files(f"{s}/patient{p}/{s}{p}.png" for s in ("train", "test") for p in "12")
    with pytest.raises(BenchbedError, match=r"patient1\b.*two splits.*\btrain\b"):
        _collect(root)


def test_every_file_is_used_or_named(make_files: MakeFiles) -> None:
    used = ["images/a.png", "images/b.png", "masks/a.png", "masks/b.png"]
    others = ["README.md", "labels.csv", "overlays/a.png", "images/notes.xyz", "images/Thumbs.db"]
    root = make_files([*used, *others])
    manifest = infer_manifest(root)
    assert set(manifest.unused) == set(others)
    assert "manifest:" in manifest.unused["labels.csv"]
    assert ".xyz" in manifest.unused["images/notes.xyz"]


_NAMES = st.lists(
    st.text("abcdefghij0123456789", min_size=2, max_size=6), min_size=2, max_size=6, unique=True
)


@given(
    names=_NAMES,
    role=st.sampled_from([("images", "masks"), ("Image", "MASK"), ("imgs", "Segmentation")]),
    splits=st.booleans(),
    others=st.lists(st.sampled_from(["a.txt", "b.csv", "x/c.docx"]), unique=True),
)
def test_no_file_is_lost(
    names: list[str],
    role: tuple[str, str],
    splits: bool,
    others: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("own")
    parents = ["train", "test"] if splits else ["."]
    files = [f"{p}/{r}/{n}.png" for p in parents for r in role for n in names] + others
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    manifest = infer_manifest(root)
    used = {path for row in manifest.rows for path in (row.image, row.mask) if path is not None}
    found = {path.relative_to(root).as_posix() for path in used} | set(manifest.unused)
    assert found == {Path(name).as_posix() for name in files}
    assert len({row.id for row in manifest.rows}) == len(manifest.rows)


@pytest.mark.parametrize(
    ("names", "facts"),
    [
        ([], ["no files"]),
        (["notes.txt"], ["notes.txt", "images/NAME"]),
        (["masks/a.png", "masks/b.png"], ["masks", "no images"]),
        (["images/a.png", "masks/a.png", "labels/a.png"], ["labels/", "masks/", "two readings"]),
        (["images/a.png", "images/b.png", "masks/a.png"], ["1 of 2 images", "images/b.png"]),
        (["images/eye1.png", "masks/eye2.png"], ["masks/eye2.png", "images/eye1.png"]),
        (["images/a.png", "masks/a.png", "masks/a.tif"], ["masks/a.png", "masks/a.tif"]),
        (["a.png", "a_mask.png", "b_mask.png"], ["b_mask.png"]),
        (["images/a.png", "images/a.tif", "masks/a.png"], ["masks/a.png", "images/a.tif"]),
        (["train/a.png", "train/b.png", "c.png"], ["train", "c.png"]),
        (["fold0/a.png", "fold0/b.png", "fold1/c.png"], ["two readings", "fold0"]),
        (["1_training.tif", "1_manual1.tif"], ["1_manual1.tif"]),
        (["a.png", "a_overlay.png", "b.png", "b_overlay.png"], ["two readings", "a_overlay.png"]),
        (["clean/a.png", "label noise/b.png"], ["label noise/b.png"]),
        (["a.png", "b.png", "c_seg_7_w.png"], ["1 of 3", "c_seg_7_w.png"]),
        (["a.png", "deep/b.png"], ["two readings", "a.png", "deep/b.png"]),
        (["a.png", "b.nii.gz"], ["a.png", "b.nii.gz", "volumes:"]),
        (["results/runs/x/run.json", "results/runs/x/samples/1.png"], ["results", "run.json"]),
        (
            [f"{n}/{n}-{k}.png" for n in map(chr, range(0x4E00, 0x4E40)) for k in "12"],
            ["classes", "patients"],
        ),
    ],
)
def test_what_has_no_or_two_readings_is_refused_by_name(
    names: list[str], facts: list[str], make_files: MakeFiles, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    root = make_files(names)
    with pytest.raises(BenchbedError) as caught:
        infer_manifest(root)
    for fact in facts:
        assert fact in str(caught.value)


def test_an_empty_path_is_not_the_current_folder() -> None:
    for name in ("folder:", "volumes:", "nifti: ", "manifest:"):
        with pytest.raises(BenchbedError, match="needs the path"):
            resolve_dataset_spec(name)


def test_images_of_a_split_without_masks_are_named(make_files: MakeFiles) -> None:
    """The test images of a challenge have no masks; read as cases, their masks would be empty."""
    root = make_files(
        [
            *(f"imagesTr/{n}.png" for n in "ab"),
            *(f"labelsTr/{n}.png" for n in "ab"),
            "imagesTs/c.png",
        ]
    )
    manifest = infer_manifest(root)
    assert set(_pairs(manifest)) == {"imagesTr/a.png", "imagesTr/b.png"}
    assert set(manifest.unused) == {"imagesTs/c.png"}


def _save_volume(path: Path, value: int) -> None:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.arange(4**3, dtype=np.int16).reshape(4, 4, 4) % (value + 1)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)


@pytest.mark.parametrize("inner", ["", "Task99_Organ/"])
def test_a_decathlon_folder_uses_the_names_of_its_description(inner: str, tmp_path: Path) -> None:
    for number in range(3):
        _save_volume(tmp_path / f"{inner}imagesTr/organ_{number:03}.nii.gz", 50 + number)
        _save_volume(tmp_path / f"{inner}labelsTr/organ_{number:03}.nii.gz", 2)
    content = {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "organ", "2": "tumour"}}
    (tmp_path / inner / "dataset.json").write_text(json.dumps(content))
    collection = resolve_collection(f"folder:{tmp_path}")
    assert collection.spec.volumes is not None
    assert collection.spec.volumes.structures == ("organ", "tumour")
    assert collection.spec.volumes.sequences == ("CT",)
    assert len(collection.cases) == 3
    assert all(case.mask is not None for case in collection.cases)


def test_nnunet_channels_are_sequences_of_one_case(tmp_path: Path) -> None:
    for case in ("liver_001", "liver_002"):
        for channel in ("0000", "0001"):
            _save_volume(tmp_path / f"imagesTr/{case}_{channel}.nii.gz", 60)
        _save_volume(tmp_path / f"labelsTr/{case}.nii.gz", 1)
    content = {"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": {"background": 0, "liver": 1}}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    spec: DatasetSpec = resolve_dataset_spec(f"folder:{tmp_path}")
    collection = resolve_collection(f"folder:{tmp_path}")
    assert spec.volumes is not None
    assert spec.volumes.sequences == ("T1", "FLAIR")
    assert {case.id for case in collection.cases} == {"liver_001", "liver_002"}
    assert [path.name[-11:-7] for path in collection.cases[0].sequences] == ["0000", "0001"]


@pytest.mark.parametrize("end", ["", "_083_w"])
def test_sequences_next_to_their_segmentation_are_one_case(end: str, tmp_path: Path) -> None:
    for case in ("A", "B"):
        for name in ("t1", "flair", "seg"):
            path = tmp_path / f"{case}/{case}_{name}{end}.nii.gz"
            _save_volume(path, 1 if name == "seg" else 60)
    manifest = infer_manifest(tmp_path)
    assert {row.id for row in manifest.rows} == {f"A{end}", f"B{end}"}
    assert manifest.sequence_names == ("flair", "t1")
    assert all(row.mask is not None and "seg" in row.mask.name for row in manifest.rows)
    (tmp_path / f"A/A_t1{end}.nii.gz").unlink()
    with pytest.raises(BenchbedError, match=rf"\bA{end}\b.*\bt1\b"):
        infer_manifest(tmp_path)


def test_a_path_without_prefix_is_refused_with_the_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "cases.csv").write_text("image\n")
    monkeypatch.chdir(tmp_path)
    for name, suggestion in (("mine", "folder:mine"), ("cases.csv", "manifest:cases.csv")):
        with pytest.raises(BenchbedError, match=suggestion):
            resolve_dataset_spec(name)
