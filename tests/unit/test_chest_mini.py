"""The chest radiographs that are installed with the plugin."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path

from PIL import Image

from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection

MAX_BYTES = 3_500_000


def test_the_dataset_is_real_and_needs_no_data_root(tmp_path: Path) -> None:
    collection, _ = identify_collection(resolve_collection("chest-mini", "auto", tmp_path))
    assert collection.source == "real"
    assert collection.count_cases() == {"test": 64, "train": 230, "val": 16}
    assert not collection.duplicates
    labels = Counter((case.split, case.label) for case in collection.cases)
    assert len(set(labels.values())) == 3, "the classes of a split are equally frequent"


def test_no_patient_is_in_two_splits() -> None:
    splits: dict[str, set[str]] = {}
    for case in resolve_collection("chest-mini").cases:
        splits.setdefault(case.patient, set()).add(case.split)
    assert len(splits) == 310
    assert all(len(found) == 1 for found in splits.values())


def test_the_files_are_small_grey_and_licensed() -> None:
    folder = Path(str(files("benchbed_chest"))) / "chest_mini"
    images = sorted(folder.rglob("*.png"))
    assert len(images) == 310
    assert sum(path.stat().st_size for path in images) <= MAX_BYTES
    for path in images[::31]:
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((128, 128), "L")
    assert "CC BY 4.0" in (folder / "LICENSE-DATA").read_text(encoding="utf-8")
