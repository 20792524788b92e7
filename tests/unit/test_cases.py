"""Cases from folders: finding layouts, pairing masks, splitting, and fingerprints."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed import DatasetSpec, Layout, LayoutPart
from benchbed.data.sources.cases import collect_cases, derive_split, derive_splits, find_layouts
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.patterns import PathPattern, list_files
from benchbed.data.sources.resolve import resolve_collection
from benchbed.errors import BenchbedError


def _write_image(path: Path, value: int = 100, size: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(hash(path.name)) % 2**32)
    noise = rng.integers(0, 20, (size, size), dtype=np.uint8)
    Image.fromarray(noise + np.uint8(value)).save(path)


def _write_mask(path: Path, size: int = 24) -> None:
    mask = np.zeros((size, size), np.uint8)
    mask[5:9, 5:9] = 255
    Image.fromarray(mask).save(path)


def _spec(layout: Layout, **more: object) -> DatasetSpec:
    return DatasetSpec(
        name="example", title="Example", modality="x", licence="x", access_instructions="ask",
        layouts=(layout,),
        **more,
    )  # type: ignore[arg-type]  # fmt: skip


PAIRED = Layout(
    folders=("Example", "example-v2"),
    parts=(
        LayoutPart(image="train/{id}_img.png", mask="train/{id}_mask.png", split="train"),
        LayoutPart(image="test/{id}_img.png", mask="test/{id}_mask.png", split="test"),
    ),
    diagram="  Example/train/1_img.png",
)


def _paired(root: Path, folder: str = "Example") -> Path:
    for split in ("train", "test"):
        for number in range(3):
            _write_image(root / folder / split / f"{number}{split[0]}_img.png")
            _write_mask(root / folder / split / f"{number}{split[0]}_mask.png")
    return root


def test_a_layout_is_found_by_any_of_its_names_in_any_case(tmp_path: Path) -> None:
    _paired(tmp_path, "EXAMPLE-V2")
    places = find_layouts(_spec(PAIRED), tmp_path)
    assert [folder.name for _, folder in places] == ["EXAMPLE-V2"]
    assert find_layouts(_spec(PAIRED), tmp_path / "EXAMPLE-V2")[0][1] == tmp_path / "EXAMPLE-V2"
    assert find_layouts(_spec(PAIRED), tmp_path / "nowhere") == []


def test_cases_are_paired_and_split_by_the_layout(tmp_path: Path) -> None:
    spec = _spec(PAIRED)
    collection = collect_cases(spec, find_layouts(spec, _paired(tmp_path)), tmp_path)
    assert collection.count_cases() == {"test": 3, "train": 3}
    for case in collection.cases:
        assert case.mask is not None
        assert case.mask.name == f"{case.id}_mask.png"


def test_a_missing_mask_is_named_with_its_expected_path(tmp_path: Path) -> None:
    spec = _spec(PAIRED)
    (_paired(tmp_path) / "Example/train/1t_mask.png").unlink()
    with pytest.raises(BenchbedError, match=r"\b1 of 3\b.*train/1t_img\.png.*train/1t_mask\.png"):
        collect_cases(spec, find_layouts(spec, tmp_path), tmp_path)


def test_a_part_without_any_mask_has_cases_without_masks(tmp_path: Path) -> None:
    """Some official downloads lack the annotations of the test part."""
    spec = _spec(PAIRED)
    _paired(tmp_path)
    for number in range(3):
        (tmp_path / f"Example/test/{number}t_mask.png").unlink()
    cases = collect_cases(spec, find_layouts(spec, tmp_path), tmp_path).cases
    assert [case.mask is None for case in cases] == [True] * 3 + [False] * 3


def test_the_error_for_an_empty_folder_shows_the_layout(tmp_path: Path) -> None:
    (tmp_path / "Example").mkdir()
    with pytest.raises(BenchbedError, match=r"/Example\b.*\n.*Example/train/1_img\.png"):
        collect_cases(_spec(PAIRED), find_layouts(_spec(PAIRED), tmp_path), tmp_path)


def test_splits_are_patient_disjoint_and_stable_under_new_cases(tmp_path: Path) -> None:
    layout = Layout(
        folders=("x",),
        parts=(LayoutPart(image="{id}.png"),),
        patient_pattern=r"(p\d+)",
        diagram="  x/p1_L.png",
    )
    for number in range(40):
        for eye in "LR":
            _write_image(tmp_path / "x" / f"p{number}_{eye}.png")
    spec = _spec(layout)
    before = {
        c.id: c.split for c in collect_cases(spec, find_layouts(spec, tmp_path), tmp_path).cases
    }
    assert set(before.values()) == {"train", "test"}
    assert all(before[f"p{n}_L"] == before[f"p{n}_R"] for n in range(40))
    _write_image(tmp_path / "x" / "p99_L.png")
    after = {
        c.id: c.split for c in collect_cases(spec, find_layouts(spec, tmp_path), tmp_path).cases
    }
    assert {name: after[name] for name in before} == before


def test_about_a_fifth_of_the_patients_is_in_the_test_split() -> None:
    share = np.mean([derive_split(f"patient-{n}") == "test" for n in range(2000)])
    assert 0.17 < share < 0.23


@pytest.mark.parametrize("count", [2, 3, 4, 7, 30])
def test_of_several_patients_one_is_in_each_split(count: int) -> None:
    """Four stacks of slices had no test split: the hash put all four patients into one."""
    for start in range(0, 600, count):
        patients = [f"stack-{number}" for number in range(start, start + count)]
        splits = derive_splits(patients)
        assert set(splits.values()) == {"train", "test"}
        hashed = {patient: derive_split(patient) for patient in patients}
        moved = sum(splits[patient] != hashed[patient] for patient in patients)
        assert moved == (len(set(hashed.values())) == 1)
        assert derive_splits(patients[::-1]) == splits


def test_a_single_patient_is_in_one_split() -> None:
    assert derive_splits(["a"]) == {"a": derive_split("a")}


def test_classes_are_folders_and_an_unknown_folder_is_named(tmp_path: Path) -> None:
    layout = Layout(
        folders=("x",), parts=(LayoutPart(image="{label}/{id}.png"),), diagram="  x/A/1.png"
    )
    spec = _spec(layout, classes=("Normal", "Sick"))
    _write_image(tmp_path / "x/NORMAL/1.png")
    _write_image(tmp_path / "x/Sick/2.png")
    cases = collect_cases(spec, find_layouts(spec, tmp_path), tmp_path).cases
    assert sorted((case.id, case.label) for case in cases) == [("1", 0), ("2", 1)]
    _write_image(tmp_path / "x/Other/3.png")
    with pytest.raises(BenchbedError, match=r"Other/3\.png.*'Other'.*example.*\bNormal, Sick\b"):
        collect_cases(spec, find_layouts(spec, tmp_path), tmp_path)


def test_equal_names_in_two_folders_are_two_cases(tmp_path: Path) -> None:
    layout = Layout(folders=("x",), parts=(LayoutPart(image="**/{id}.png"),), diagram="  x/1.png")
    _write_image(tmp_path / "x/a/1.png")
    _write_image(tmp_path / "x/b/1.png")
    spec = _spec(layout)
    assert [c.id for c in collect_cases(spec, find_layouts(spec, tmp_path), tmp_path).cases] == [
        "a/1",
        "b/1",
    ]


def test_names_that_differ_in_their_suffix_are_two_cases(tmp_path: Path) -> None:
    layout = Layout(
        folders=("x",),
        parts=(LayoutPart(image="{label}/{id}.*"),),
        patient_pattern=r"([^/.]+)[^/]*$",
        diagram="  x/a/1.png",
    )
    for name in ("a/1.png", "a/1.tif", "a/2.png"):
        _write_image(tmp_path / "x" / name)
    spec = _spec(layout, classes=("a",))
    cases = collect_cases(spec, find_layouts(spec, tmp_path), tmp_path).cases
    assert {case.id: case.patient for case in cases} == {"2": "2", "a/1.png": "1", "a/1.tif": "1"}


def test_a_compressed_copy_of_an_image_is_ignored(tmp_path: Path) -> None:
    layout = Layout(folders=("x",), parts=(LayoutPart(image="{id}.ppm*"),), diagram="  x/1.ppm.gz")
    _write_image(tmp_path / "x/1.ppm")
    for name in ("1.ppm.gz", "2.ppm.gz", "3.ppm.txt"):
        (tmp_path / "x" / name).write_bytes(gzip.compress((tmp_path / "x/1.ppm").read_bytes()))
    spec = _spec(layout)
    cases = collect_cases(spec, find_layouts(spec, tmp_path), tmp_path).cases
    assert sorted((case.id, case.image.name) for case in cases) == [
        ("1", "1.ppm"),
        ("2", "2.ppm.gz"),
    ]


def test_hidden_files_and_link_loops_are_ignored(tmp_path: Path) -> None:
    _write_image(tmp_path / "x/1.png")
    _write_image(tmp_path / "x/._1.png")
    _write_image(tmp_path / "x/__MACOSX/2.png")
    (tmp_path / "x/loop").symlink_to(tmp_path / "x")
    assert list_files(tmp_path / "x") == ["1.png"]


def test_patterns_fill_and_match_in_any_case() -> None:
    pattern = PathPattern("a/{id}_test.TIF")
    assert pattern.match_files(["a/01_test.tif", "b/02_test.tif"]) == {
        "a/01_test.tif": {"id": "01"}
    }
    assert PathPattern("m/{id}*.gif").find_files(["m/01_x.gif", "m/02.gif"], {"id": "01"}) == [
        "m/01_x.gif"
    ]
    assert pattern.format_path({"id": "7"}) == "a/7_test.TIF"
    assert PathPattern("a.b/{id}.png").match_files(["aXb/1.png"]) == {}
    restricted = PathPattern("{id:im??}.ppm*")
    assert restricted.match_files(["im01.ppm", "im01.ah.ppm", "im1.ppm"]) == {
        "im01.ppm": {"id": "im01"}
    }
    assert PathPattern("{id:p*}_{label}.png").match_files(["p_1_a.png", "q_1_a.png"]) == {
        "p_1_a.png": {"id": "p", "label": "1_a"}
    }
    assert restricted.format_path({"id": "im07"}) == "im07.ppm*"


def _find_each(
    pattern: PathPattern, images: dict[str, dict[str, str]], files: list[str]
) -> dict[str, list[str]]:
    return {name: pattern.find_files(files, fields) for name, fields in images.items()}


@pytest.mark.parametrize(
    "text",
    ["m/{id}.png", "m/{id}*.png", "m/{id}_*.png", "m/*{id}.png", "*/{id}_{label}.png", "m/{id}.*",
     "{split}/{id}_{label}.png", "**/{label}_{id}.png", "**/*{id:?}*.png"],
)  # fmt: skip
def test_companions_equal_a_search_for_each_image(text: str) -> None:
    """Also for ambiguous names and names in another letter case."""
    stems = ("1", "a", "1_2", "A_1", "12", "2_a_1")
    files = [f"{folder}/{stem}.png" for folder in ("m", "m/n", "Q") for stem in stems]
    images = {
        f"{id}-{label}": {"id": id, "label": label, "patient": "7"}
        for id in stems
        for label in ("1", "A", "2_a")
    }
    expected = _find_each(PathPattern(text), images, files)
    assert any(expected.values())
    assert {n: sorted(f) for n, f in PathPattern(text).find_companions(files, images).items()} == {
        n: sorted(f) for n, f in expected.items()
    }


def test_masks_are_paired_without_a_search_for_each_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        pytest.fail("all files are searched for one image")

    monkeypatch.setattr(PathPattern, "find_files", fail)
    images = {f"i/{n}.png": {"id": str(n)} for n in range(1000)}
    masks = [f"m/{n}_mask.png" for n in range(1000)]
    paired = PathPattern("m/{id}_mask.png").find_companions(masks, images)
    assert paired == {f"i/{n}.png": [f"m/{n}_mask.png"] for n in range(1000)}


def test_ambiguous_masks_are_paired_without_searching_all_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each image checks only files whose name contains its id."""
    searched = _count_searched_files(monkeypatch)
    images = {f"i/{n}.png": {"id": f"{n:04d}"} for n in range(1000)}
    masks = [f"m/{n:04d}_{n % 7}_mask.png" for n in range(1000)]
    paired = PathPattern("m/{id}_*.png").find_companions(masks, images)
    assert paired == {f"i/{n}.png": [masks[n]] for n in range(1000)}
    assert sum(searched) <= 2 * len(masks)


def test_images_with_equal_fields_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For example names with dots that have the first part in common."""
    searched = _count_searched_files(monkeypatch)
    images = {f"i/1.2.{n}.png": {"id": "1"} for n in range(1000)}
    masks = [f"m/1.2.{n}.png" for n in range(1000)]
    paired = PathPattern("m/{id}.*").find_companions(masks, images)
    assert paired["i/1.2.7.png"] == masks
    assert paired["i/1.2.8.png"] is paired["i/1.2.7.png"]
    assert searched == [len(masks)]


def _count_searched_files(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which every search appends its number of files."""
    searched: list[int] = []
    find = PathPattern.find_files

    def counted(self: PathPattern, files: list[str], fields: dict[str, str]) -> list[str]:
        searched.append(len(files))
        return find(self, files, fields)

    monkeypatch.setattr(PathPattern, "find_files", counted)
    return searched


def test_dotted_patterns_keep_dots_in_the_name() -> None:
    pattern = PathPattern("m/**/{id}.*", stops_at_dot=True)
    names = {"1.2.3.png": "1.2.3", "a.ppm.gz": "a", "1.2.nii.gz": "1.2", "b.TIF": "b"}
    fields = {f"m/{name}": {"id": identity} for name, identity in names.items()}
    assert pattern.match_files([*fields, "m/c", "m/d.gz", "m/.e"]) == fields
    paired = pattern.find_companions(list(fields), {f"i/{n}": f for n, f in fields.items()})
    assert paired == {f"i/{name}": [name] for name in fields}


def test_names_with_dots_pair_with_masks_of_the_same_name(tmp_path: Path) -> None:
    """DICOM names are numbers and dots, and one may be a prefix of another."""
    names = ("1.2.840.1", "1.2.840.1.7", "1.2.840.2")
    for name in names:
        _write_image(tmp_path / f"mine/images/{name}.png")
        _write_image(tmp_path / f"mine/masks/{name}.tif")
    cases = resolve_collection(f"folder:{tmp_path / 'mine'}").cases
    assert {case.image.name: case.mask.name for case in cases if case.mask is not None} == {
        f"{name}.png": f"{name}.tif" for name in names
    }
    (tmp_path / "mine/masks/1.2.840.2.tif").unlink()
    expected = r"\b1 of 3\b.*images/1\.2\.840\.2\.png\b.*masks/1\.2\.840\.2\.\*"
    with pytest.raises(BenchbedError, match=expected):
        resolve_collection(f"folder:{tmp_path / 'mine'}")


def test_images_and_masks_may_differ_after_the_first_dot(tmp_path: Path) -> None:
    for number in range(3):
        _write_image(tmp_path / f"mine/images/{number}.image.png")
        _write_image(tmp_path / f"mine/masks/{number}.mask.png")
    cases = resolve_collection(f"folder:{tmp_path / 'mine'}").cases
    assert sorted((case.id, case.mask.name) for case in cases if case.mask is not None) == [
        (f"{number}.image", f"{number}.mask.png") for number in range(3)
    ]


def test_the_fingerprint_changes_with_content_name_and_split(tmp_path: Path) -> None:
    spec = _spec(PAIRED)

    def fingerprint() -> str:
        return identify_collection(collect_cases(spec, find_layouts(spec, tmp_path), tmp_path))[1]

    _paired(tmp_path)
    first = fingerprint()
    assert fingerprint() == first
    _write_image(tmp_path / "Example/train/0t_img.png", value=180)
    second = fingerprint()
    assert second != first
    for part in ("img", "mask"):
        folder = tmp_path / "Example/train"
        (folder / f"0t_{part}.png").rename(folder / f"9t_{part}.png")
    assert fingerprint() not in (first, second)


def test_an_undecodable_file_raises_or_is_skipped_and_listed(tmp_path: Path) -> None:
    spec = _spec(PAIRED)
    (_paired(tmp_path) / "Example/train/0t_img.png").write_bytes(b"not an image")
    collection = collect_cases(spec, find_layouts(spec, tmp_path), tmp_path)
    with pytest.raises(BenchbedError, match=r"train/0t_img\.png\b.*--skip-bad"):
        identify_collection(collection)
    usable, _ = identify_collection(collection, skip_bad=True)
    assert usable.count_cases() == {"test": 3, "train": 2}
    assert [Path(name).name for name in usable.skipped] == ["0t_img.png"]


def test_a_folder_of_images_is_a_dataset(tmp_path: Path) -> None:
    for number in range(6):
        _write_image(tmp_path / "mine" / f"{number}.png")
    assert sum(resolve_collection(f"folder:{tmp_path / 'mine'}").count_cases().values()) == 6
    with pytest.raises(BenchbedError, match=re.escape(str(tmp_path / "other"))):
        resolve_collection(f"folder:{tmp_path / 'other'}")


def test_a_folder_with_images_and_masks_pairs_them(tmp_path: Path) -> None:
    for number in range(3):
        _write_image(tmp_path / "mine/images" / f"{number}.png")
        _write_image(tmp_path / "mine/masks" / f"{number}.png")
    assert all(
        case.mask is not None for case in resolve_collection(f"folder:{tmp_path / 'mine'}").cases
    )
    (tmp_path / "mine/masks/1.png").unlink()
    with pytest.raises(BenchbedError, match=r"\b1 of 3\b.*images/1\.png.*masks/"):
        resolve_collection(f"folder:{tmp_path / 'mine'}")
