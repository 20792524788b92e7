"""Everything that a run checks before training: `run` refuses what `data verify` reports."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchbed import DatasetSpec, Layout, LayoutPart
from benchbed.cli.main import app
from benchbed.data.preprocessing.native_cases import iter_references
from benchbed.data.preprocessing.prepare import PreparedDataset, prepare_dataset
from benchbed.data.sources import fingerprint as facts_module
from benchbed.data.sources.cases import Collection, collect_cases, find_layouts
from benchbed.data.sources.identify import (
    Examination,
    examine_collection,
    identify_collection,
)
from benchbed.data.sources.resolve import resolve_collection
from benchbed.data.sources.verification import verify_files
from benchbed.errors import BenchbedError

Array = npt.NDArray[Any]

CASES = 6
SHAPE = (24, 32)
RUNNER = CliRunner()


def _make_image(number: int, shape: tuple[int, ...] = SHAPE) -> Array:
    return np.random.default_rng(number).integers(0, 256, shape).astype(np.uint8)


def _make_mask(number: int, shape: tuple[int, ...] = SHAPE) -> Array:
    mask = np.zeros(shape, np.uint8)
    mask[..., 4 : 10 + number % 3, 6:14] = 1
    return mask


def _save(path: Path, values: Array, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)


def _write_folder(root: Path, encode: Callable[[Array], Array] = lambda m: m * 255) -> Collection:
    """Write images and masks; `encode` gets the classes of a mask."""
    for number in range(CASES):
        _save(root / f"images/{number}.png", _make_image(number))
        _save(root / f"masks/{number}.png", encode(_make_mask(number)))
    return resolve_collection(f"folder:{root}")


def _write_volumes(root: Path, offset: float = 0, shape: tuple[int, ...] = (12, 12, 12)) -> str:
    """Write volumes with masks; `offset` and `shape` are those of the last mask."""
    for number in range(CASES):
        is_last = number == CASES - 1
        affine = np.eye(4)
        image = np.random.default_rng(number).random((12, 12, 12)).astype(np.float32)
        labels = np.zeros(shape if is_last else (12, 12, 12), np.uint8)
        labels[3:8, 3:8, 3:8] = 1
        for part, values in (("images", image), ("masks", labels)):
            path = root / part / f"case_{number}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            place = affine.copy()
            place[0, 3] = offset if is_last and part == "masks" else 0
            nibabel.save(nibabel.Nifti1Image(values, place), path)
    return f"nifti:{root}"


def _prepare(found: Examination) -> PreparedDataset:
    return prepare_dataset(
        found.collection, found.fingerprint, size=16, channels=1, framing="stretch"
    )


def _require_refusal(collection: Collection, *words: str) -> None:
    """Check that an examination, a run and a verification refuse a dataset with these words."""
    found = examine_collection(collection)
    assert len(found.problems) == 1
    assert all(word in found.problems[0] for word in words)
    with pytest.raises(BenchbedError) as caught:
        identify_collection(collection)
    assert str(caught.value) == found.problems[0]
    assert verify_files(collection).as_dict()["problems"] == list(found.problems)


CODINGS: dict[str, Callable[[Array], Array]] = {
    "0 and 1": lambda mask: mask,
    "0 and 255": lambda mask: mask * 255,
    "3 and 253": lambda mask: 3 + mask * 250,
    "transparent": lambda mask: np.stack([0 * mask, mask * 255], axis=-1),
    "red on black": lambda mask: mask[..., None] * np.asarray([255, 0, 0], np.uint8),
    "16 bits": lambda mask: mask.astype(np.uint16) * 1000,
    "grey as colours": lambda mask: np.repeat(mask[..., None] * 255, 3, axis=-1),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_masks_in_every_coding_are_the_same(tmp_path: Path, coding: str) -> None:
    """Prepared masks and those that are scored are the classes, not half of each file's range."""
    found = examine_collection(_write_folder(tmp_path / "mine", CODINGS[coding]))
    assert not found.problems
    assert any("background" in note for note in found.notes)
    prepared = _prepare(found)
    for split in prepared.splits:
        references = {case.id: case.mask for case in iter_references(prepared, split, "stretch")}
        for identity, mask in references.items():
            np.testing.assert_array_equal(mask, _make_mask(int(identity.split("/")[-1])) > 0)
        masks = prepared.get_split(split).arrays["mask"]
        assert set(np.unique(masks)) == {0, 1}


def test_an_empty_mask_stays_empty(tmp_path: Path) -> None:
    _write_folder(tmp_path / "mine")
    _save(tmp_path / "mine/masks/0.png", np.zeros(SHAPE, np.uint8))
    found = examine_collection(resolve_collection(f"folder:{tmp_path / 'mine'}"))
    assert not found.problems
    sizes = [
        int(split.arrays["mask"][place].sum())
        for split in _prepare(found).splits.values()
        for place, identity in enumerate(split.ids)
        if identity.endswith("0")
    ]
    assert sizes == [0]


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 127, 255)])
def test_masks_with_labels_are_refused(tmp_path: Path, values: tuple[int, ...]) -> None:
    def encode(mask: Array) -> Array:
        labels = mask.copy()
        labels[15:20] = 2
        return np.asarray(values, np.uint8)[labels]

    _require_refusal(_write_folder(tmp_path / "mine", encode), *map(str, values), "classes:")


def test_a_palette_of_classes_is_refused(tmp_path: Path) -> None:
    _write_folder(tmp_path / "mine")
    for number in range(CASES):
        labels = _make_mask(number)
        labels[15:20] = 4
        picture = Image.fromarray(labels)
        picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128])
        picture.save(tmp_path / f"mine/masks/{number}.png")
    _require_refusal(resolve_collection(f"folder:{tmp_path / 'mine'}"), "0, 1, 4")


def test_declared_classes_become_structures(tmp_path: Path) -> None:
    def encode(mask: Array) -> Array:
        labels = mask.copy()
        labels[15:20] = 7
        return labels

    collection = _write_folder(tmp_path / "mine", encode)
    cases = tuple(replace(case, label_mapping={1: 1, 7: 2}) for case in collection.cases)
    spec = replace(collection.spec, structures=("one", "seven"))
    found = examine_collection(replace(collection, spec=spec, cases=cases))
    assert not found.problems
    masks = _prepare(found).get_split("train").arrays["mask"]
    assert set(np.unique(masks)) == {0, 1, 2}
    cases = tuple(replace(case, label_mapping={1: 1}) for case in collection.cases)
    assert "7" in examine_collection(replace(collection, cases=cases)).problems[0]


def test_every_layout_has_its_own_declared_classes(tmp_path: Path) -> None:
    """One layout stores 4 and another 3 for the same class; 4 is unknown in the other."""
    parts = [
        LayoutPart(
            image=f"{folder}/images/{{id}}.png",
            mask=f"{folder}/masks/{{id}}.png",
            id_prefix=f"{folder}-",
            label_mapping={value: 1},
            split="train",
        )
        for folder, value in (("a", 4), ("b", 3))
    ]
    spec = DatasetSpec(
        name="example", title="Example", modality="x", licence="x", access_instructions="ask",
        layouts=(Layout(folders=("data",), parts=tuple(parts), diagram="data/"),), channels=1,
    )  # fmt: skip
    for folder, value in (("a", 4), ("b", 3)):
        for number in range(2):
            image = _make_image(10 * value + number)
            _save(tmp_path / f"data/{folder}/images/{number}.png", image)
            _save(tmp_path / f"data/{folder}/masks/{number}.png", value * _make_mask(number))

    def examine() -> Examination:
        return examine_collection(collect_cases(spec, find_layouts(spec, tmp_path), tmp_path))

    found = examine()
    assert not found.problems
    assert len(found.notes) == 2
    masks = _prepare(found).get_split("train").arrays["mask"]
    assert set(np.unique(masks)) == {0, 1}
    assert masks.any(axis=(1, 2)).all()
    _save(tmp_path / "data/b/masks/0.png", 4 * _make_mask(0))
    assert "0.png has the value 4" in examine().problems[0]


def test_structures_of_a_plugin_are_numbered_without_a_declaration(tmp_path: Path) -> None:
    """If only the second structure occurs, it stays the second."""
    collection = _write_folder(tmp_path / "mine", lambda mask: 2 * mask)
    spec = replace(collection.spec, name="example", structures=("first", "second"))
    masks = _prepare(examine_collection(replace(collection, spec=spec))).get_split("train")
    assert set(np.unique(masks.arrays["mask"])) == {0, 2}


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    collection = _write_folder(tmp_path / "mine")
    _save(tmp_path / "mine/masks/3.png", 255 * _make_mask(3, (24, 30)))
    _require_refusal(collection, "masks/3.png", "30 x 24", "32 x 24")


@pytest.mark.parametrize("fault", [{"offset": 40.0}, {"shape": (12, 12, 10)}])
def test_a_mask_elsewhere_in_space_or_of_another_shape_is_refused(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    name = _write_volumes(tmp_path / "mine", **fault)
    _require_refusal(resolve_collection(name), "masks/case_5.nii.gz")


def test_different_numbers_of_pages_are_refused(tmp_path: Path) -> None:
    def save_stack(part: str, make: Callable[[int], Array], count: int) -> None:
        path = tmp_path / "mine" / part / "stack.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        pages = [Image.fromarray(make(number)) for number in range(count)]
        pages[0].save(path, save_all=True, append_images=pages[1:])

    save_stack("images", _make_image, 7)
    save_stack("masks", lambda n: 255 * _make_mask(n), 7)
    collection = resolve_collection(f"folder:{tmp_path / 'mine'}")
    found = examine_collection(collection)
    assert not found.problems
    assert len(found.collection.cases) == 7
    save_stack("masks", lambda n: 255 * _make_mask(n), 5)
    problems = examine_collection(collection).problems
    assert problems
    assert "stack.tif has 5 pages" in problems[0]


def test_mixed_depths_are_refused_unless_a_window_is_declared(tmp_path: Path) -> None:
    for number in range(CASES):
        values = _make_image(number)
        _save(tmp_path / f"mine/{number}.png", values if number else values.astype(np.uint16) * 99)
    collection = resolve_collection(f"folder:{tmp_path / 'mine'}")
    _require_refusal(collection, "0.png", "16 bits", "--window")
    found = examine_collection(collection, window=(0, 255))
    assert not found.problems
    assert found.collection.rules.window == (0, 255)


def test_a_split_that_lacks_some_masks_is_refused(tmp_path: Path) -> None:
    collection = _write_folder(tmp_path / "mine")
    cases = [replace(case, split="train") for case in collection.cases]
    cases[2] = replace(cases[2], mask=None)
    _require_refusal(replace(collection, cases=tuple(cases)), cases[2].id)


def test_a_split_without_masks_is_named(tmp_path: Path) -> None:
    collection = _write_folder(tmp_path / "mine")
    train, test = collection.cases[:4], collection.cases[4:]
    cases = (
        *(replace(case, split="test", mask=None) for case in test),
        *(replace(case, split="train") for case in train),
    )
    assert verify_files(replace(collection, cases=cases)).splits_without_masks == ["test"]


def test_a_dataset_without_training_images_is_refused(tmp_path: Path) -> None:
    collection = _write_folder(tmp_path / "mine")
    cases = tuple(replace(case, split="test") for case in collection.cases)
    _require_refusal(replace(collection, cases=cases), "training images")


def test_files_that_cannot_be_decoded_are_a_problem_or_skipped(tmp_path: Path) -> None:
    collection = _write_folder(tmp_path / "mine")
    bad = tmp_path / "mine/images/1.png"
    bad.write_bytes(b"nothing")
    found = examine_collection(collection)
    assert list(found.undecodable) == [bad]
    assert "--skip-bad" in found.problems[0]
    skipped = examine_collection(collection, skip_bad=True)
    assert not skipped.problems
    assert len(skipped.collection.cases) == CASES - 1


def test_all_problems_are_listed_and_the_first_is_raised(tmp_path: Path) -> None:
    collection = _write_folder(tmp_path / "mine")
    (tmp_path / "mine/images/1.png").write_bytes(b"nothing")
    _save(tmp_path / "mine/masks/3.png", 255 * _make_mask(3, (24, 30)))
    _save(tmp_path / "mine/masks/4.png", 100 * _make_mask(4))
    found = examine_collection(collection)
    assert len(found.problems) == 3
    with pytest.raises(BenchbedError, match=r"images/1\.png.* 2 more problems"):
        identify_collection(collection)


def test_verify_prints_rules_and_problems_and_fails_if_a_run_would(tmp_path: Path) -> None:
    _write_folder(tmp_path / "mine")
    command = ["data", "verify", f"folder:{tmp_path / 'mine'}"]
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 0
    assert "255 is foreground (6 files)" in result.stdout
    _save(tmp_path / "mine/masks/3.png", 255 * _make_mask(3, (24, 30)))
    result = RUNNER.invoke(app, [*command, "--json"])
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert "masks/3.png" in content["problems"][0]
    assert content["read as"]
    assert {"cases", "fingerprint", "do not decode", "equal images"} <= content.keys()


def test_rules_are_part_of_the_key_of_prepared_data(tmp_path: Path) -> None:
    found = examine_collection(_write_folder(tmp_path / "mine"))
    inverted = replace(found.collection.rules, mask_levels={"mask": {0: 1, 255: 0}})
    other = replace(found, collection=replace(found.collection, rules=inverted))
    first, second = (_prepare(each).get_split("train").arrays["mask"] for each in (found, other))
    assert first.mean() < 0.3
    assert second.mean() > 0.7


def test_a_changed_file_is_examined_again(tmp_path: Path) -> None:
    """Even if its size and time are those of the old file."""
    collection = _write_folder(tmp_path / "mine", lambda mask: mask * 255)
    before = examine_collection(collection)
    path = tmp_path / "mine/masks/2.png"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = facts_module.collect_file_facts(collection)
    assert path.stat().st_size == status.st_size
    assert after[path]["sha256"] != before.facts[path]["sha256"]


def test_facts_of_older_versions_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lack bits of images and values of masks."""
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    collection = _write_folder(tmp_path / "mine")
    facts = facts_module.collect_file_facts(collection)
    index = tmp_path / "cache/index/folder.json"
    old = {
        key: {"sha256": entry["sha256"], "shape": entry["shape"]}
        for key, entry in json.loads(index.read_text()).items()
    }
    index.write_text(json.dumps(old))
    assert facts_module.collect_file_facts(collection) == facts
