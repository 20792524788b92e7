"""Layouts on the disk become cases: found, paired and split."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed import DatasetSpec, Layout, Part
from benchbed.data.collection import collect, found, split_of
from benchbed.data.patterns import Pattern, listing
from benchbed.data.prepare import identify
from benchbed.data.source import resolve
from benchbed.errors import BenchbedError


def _picture(path: Path, value: int = 100, size: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(hash(path.name)) % 2**32)
    noise = rng.integers(0, 20, (size, size), dtype=np.uint8)
    Image.fromarray(noise + np.uint8(value)).save(path)


def _spec(layout: Layout, **more: object) -> DatasetSpec:
    return DatasetSpec(
        name="example", title="Example", modality="x", licence="x", access="ask", layouts=(layout,),
        **more,
    )  # type: ignore[arg-type]  # fmt: skip


PAIRED = Layout(
    folders=("Example", "example-v2"),
    parts=(
        Part(image="train/{id}_img.png", mask="train/{id}_mask.png", split="train"),
        Part(image="test/{id}_img.png", mask="test/{id}_mask.png", split="test"),
    ),
    picture="  Example/train/1_img.png",
)


def _paired(root: Path, folder: str = "Example") -> Path:
    for split in ("train", "test"):
        for number in range(3):
            _picture(root / folder / split / f"{number}{split[0]}_img.png")
            _picture(root / folder / split / f"{number}{split[0]}_mask.png")
    return root


def test_a_layout_is_found_under_any_of_its_names_and_in_any_case(tmp_path: Path) -> None:
    _paired(tmp_path, "EXAMPLE-V2")
    places = found(_spec(PAIRED), tmp_path)
    assert [folder.name for _, folder in places] == ["EXAMPLE-V2"]
    assert found(_spec(PAIRED), tmp_path / "EXAMPLE-V2")[0][1] == tmp_path / "EXAMPLE-V2"
    assert found(_spec(PAIRED), tmp_path / "nowhere") == []


def test_cases_pair_and_split_as_the_layout_says(tmp_path: Path) -> None:
    spec = _spec(PAIRED)
    collection = collect(spec, found(spec, _paired(tmp_path)), tmp_path)
    assert collection.counts() == {"test": 3, "train": 3}
    for case in collection.cases:
        assert case.mask is not None
        assert case.mask.name == f"{case.id}_mask.png"


def test_a_missing_mask_is_named_with_the_place_where_it_was_expected(tmp_path: Path) -> None:
    spec = _spec(PAIRED)
    (_paired(tmp_path) / "Example/train/1t_mask.png").unlink()
    with pytest.raises(BenchbedError, match=r"1 of 3 .*train/1t_img.png.*train/1t_mask.png"):
        collect(spec, found(spec, tmp_path), tmp_path)


def test_a_part_without_any_mask_has_cases_without_masks(tmp_path: Path) -> None:
    """Some official downloads lack the annotations of the test part."""
    spec = _spec(PAIRED)
    _paired(tmp_path)
    for number in range(3):
        (tmp_path / f"Example/test/{number}t_mask.png").unlink()
    cases = collect(spec, found(spec, tmp_path), tmp_path).cases
    assert [case.mask is None for case in cases] == [True] * 3 + [False] * 3


def test_an_empty_folder_is_refused_with_the_layout(tmp_path: Path) -> None:
    (tmp_path / "Example").mkdir()
    with pytest.raises(BenchbedError, match=r"holds no image.*\n.*train/1_img.png"):
        collect(_spec(PAIRED), found(_spec(PAIRED), tmp_path), tmp_path)


def test_patients_are_never_in_two_splits_and_a_new_case_moves_none(tmp_path: Path) -> None:
    layout = Layout(
        folders=("x",), parts=(Part(image="{id}.png"),), patient=r"(p\d+)", picture="  x/p1_L.png"
    )
    for number in range(40):
        for eye in "LR":
            _picture(tmp_path / "x" / f"p{number}_{eye}.png")
    spec = _spec(layout)
    before = {c.id: c.split for c in collect(spec, found(spec, tmp_path), tmp_path).cases}
    assert set(before.values()) == {"train", "test"}
    assert all(before[f"p{n}_L"] == before[f"p{n}_R"] for n in range(40))
    _picture(tmp_path / "x" / "p99_L.png")
    after = {c.id: c.split for c in collect(spec, found(spec, tmp_path), tmp_path).cases}
    assert {name: after[name] for name in before} == before


def test_about_a_fifth_of_the_patients_is_held_out() -> None:
    share = np.mean([split_of(f"patient-{n}") == "test" for n in range(2000)])
    assert 0.17 < share < 0.23


def test_classes_are_read_from_folders_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    layout = Layout(folders=("x",), parts=(Part(image="{label}/{id}.png"),), picture="  x/A/1.png")
    spec = _spec(layout, classes=("Normal", "Sick"))
    _picture(tmp_path / "x/NORMAL/1.png")
    _picture(tmp_path / "x/Sick/2.png")
    cases = collect(spec, found(spec, tmp_path), tmp_path).cases
    assert sorted((case.id, case.label) for case in cases) == [("1", 0), ("2", 1)]
    _picture(tmp_path / "x/Other/3.png")
    with pytest.raises(BenchbedError, match="'Other', but example has the classes Normal, Sick"):
        collect(spec, found(spec, tmp_path), tmp_path)


def test_equal_names_in_two_folders_stay_two_cases(tmp_path: Path) -> None:
    layout = Layout(folders=("x",), parts=(Part(image="**/{id}.png"),), picture="  x/1.png")
    _picture(tmp_path / "x/a/1.png")
    _picture(tmp_path / "x/b/1.png")
    spec = _spec(layout)
    assert [c.id for c in collect(spec, found(spec, tmp_path), tmp_path).cases] == ["a/1", "b/1"]


def test_equal_names_that_differ_in_their_suffix_stay_two_cases(tmp_path: Path) -> None:
    layout = Layout(
        folders=("x",),
        parts=(Part(image="{label}/{id}.*"),),
        patient=r"([^/.]+)[^/]*$",
        picture="  x/a/1.png",
    )
    for name in ("a/1.png", "a/1.tif", "a/2.png"):
        _picture(tmp_path / "x" / name)
    spec = _spec(layout, classes=("a",))
    cases = collect(spec, found(spec, tmp_path), tmp_path).cases
    assert {case.id: case.patient for case in cases} == {"2": "2", "a/1.png": "1", "a/1.tif": "1"}


def test_a_packed_picture_counts_once_beside_its_unpacked_copy(tmp_path: Path) -> None:
    layout = Layout(folders=("x",), parts=(Part(image="{id}.ppm*"),), picture="  x/1.ppm.gz")
    _picture(tmp_path / "x/1.ppm")
    for name in ("1.ppm.gz", "2.ppm.gz", "3.ppm.txt"):
        (tmp_path / "x" / name).write_bytes(gzip.compress((tmp_path / "x/1.ppm").read_bytes()))
    spec = _spec(layout)
    cases = collect(spec, found(spec, tmp_path), tmp_path).cases
    assert sorted((case.id, case.image.name) for case in cases) == [
        ("1", "1.ppm"),
        ("2", "2.ppm.gz"),
    ]


def test_hidden_files_and_link_loops_are_passed_over(tmp_path: Path) -> None:
    _picture(tmp_path / "x/1.png")
    _picture(tmp_path / "x/._1.png")
    _picture(tmp_path / "x/__MACOSX/2.png")
    (tmp_path / "x/loop").symlink_to(tmp_path / "x")
    assert listing(tmp_path / "x") == ["1.png"]


def test_patterns_fill_and_match_without_regard_to_case() -> None:
    pattern = Pattern("a/{id}_test.TIF")
    assert pattern.matches(["a/01_test.tif", "b/02_test.tif"]) == {"a/01_test.tif": {"id": "01"}}
    assert Pattern("m/{id}*.gif").find(["m/01_x.gif", "m/02.gif"], {"id": "01"}) == ["m/01_x.gif"]
    assert pattern.fill({"id": "7"}) == "a/7_test.TIF"
    assert Pattern("a.b/{id}.png").matches(["aXb/1.png"]) == {}
    shaped = Pattern("{id:im??}.ppm*")
    assert shaped.matches(["im01.ppm", "im01.ah.ppm", "im1.ppm"]) == {"im01.ppm": {"id": "im01"}}
    assert Pattern("{id:p*}_{label}.png").matches(["p_1_a.png", "q_1_a.png"]) == {
        "p_1_a.png": {"id": "p", "label": "1_a"}
    }
    assert shaped.fill({"id": "im07"}) == "im07.ppm*"


def _found_singly(
    pattern: Pattern, images: dict[str, dict[str, str]], files: list[str]
) -> dict[str, list[str]]:
    return {name: pattern.find(files, fields) for name, fields in images.items()}


@pytest.mark.parametrize(
    "text",
    ["m/{id}.png", "m/{id}*.png", "m/{id}_*.png", "m/*{id}.png", "*/{id}_{label}.png", "m/{id}.*",
     "{split}/{id}_{label}.png", "**/{label}_{id}.png", "**/*{id:?}*.png"],
)  # fmt: skip
def test_companions_are_those_that_each_image_would_find_alone(text: str) -> None:
    """Also where a name can be read in several ways, and in another letter case."""
    words = ("1", "a", "1_2", "A_1", "12", "2_a_1")
    files = [f"{folder}/{stem}.png" for folder in ("m", "m/n", "Q") for stem in words]
    images = {
        f"{id}-{label}": {"id": id, "label": label, "patient": "7"}
        for id in words
        for label in ("1", "A", "2_a")
    }
    expected = _found_singly(Pattern(text), images, files)
    assert any(expected.values())
    assert {n: sorted(f) for n, f in Pattern(text).companions(files, images).items()} == {
        n: sorted(f) for n, f in expected.items()
    }


def test_many_masks_are_paired_without_looking_at_all_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def searched(*_: object) -> None:
        pytest.fail("every file is looked at for one image")

    monkeypatch.setattr(Pattern, "find", searched)
    images = {f"i/{n}.png": {"id": str(n)} for n in range(1000)}
    masks = [f"m/{n}_mask.png" for n in range(1000)]
    paired = Pattern("m/{id}_mask.png").companions(masks, images)
    assert paired == {f"i/{n}.png": [f"m/{n}_mask.png"] for n in range(1000)}


def test_masks_that_can_be_read_in_several_ways_are_paired_without_looking_at_all_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each image looks at those files alone in whose name its number stands."""
    looked = _looked_at(monkeypatch)
    images = {f"i/{n}.png": {"id": f"{n:04d}"} for n in range(1000)}
    masks = [f"m/{n:04d}_{n % 7}_mask.png" for n in range(1000)]
    paired = Pattern("m/{id}_*.png").companions(masks, images)
    assert paired == {f"i/{n}.png": [masks[n]] for n in range(1000)}
    assert sum(looked) <= 2 * len(masks)


def test_images_of_the_same_fields_are_searched_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As names that hold dots are, whose first part is the same in all."""
    looked = _looked_at(monkeypatch)
    images = {f"i/1.2.{n}.png": {"id": "1"} for n in range(1000)}
    masks = [f"m/1.2.{n}.png" for n in range(1000)]
    paired = Pattern("m/{id}.*").companions(masks, images)
    assert paired["i/1.2.7.png"] == masks
    assert paired["i/1.2.8.png"] is paired["i/1.2.7.png"]
    assert looked == [len(masks)]


def _looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files every search looks at."""
    looked: list[int] = []
    find = Pattern.find

    def counted(self: Pattern, files: list[str], fields: dict[str, str]) -> list[str]:
        looked.append(len(files))
        return find(self, files, fields)

    monkeypatch.setattr(Pattern, "find", counted)
    return looked


def test_a_suffix_alone_leaves_the_dots_to_the_name() -> None:
    pattern = Pattern("m/**/{id}.*", dotted=True)
    names = {"1.2.3.png": "1.2.3", "a.ppm.gz": "a", "1.2.nii.gz": "1.2", "b.TIF": "b"}
    fields = {f"m/{name}": {"id": identity} for name, identity in names.items()}
    assert pattern.matches([*fields, "m/c", "m/d.gz", "m/.e"]) == fields
    found = pattern.companions(list(fields), {f"i/{n}": f for n, f in fields.items()})
    assert found == {f"i/{name}": [name] for name in fields}


def test_names_that_hold_dots_pair_with_masks_of_the_same_name(tmp_path: Path) -> None:
    """The names of DICOM are numbers and dots, and one may be the beginning of another."""
    names = ("1.2.840.1", "1.2.840.1.7", "1.2.840.2")
    for name in names:
        _picture(tmp_path / f"mine/images/{name}.png")
        _picture(tmp_path / f"mine/masks/{name}.tif")
    cases = resolve(f"folder:{tmp_path / 'mine'}").cases
    assert {case.image.name: case.mask.name for case in cases if case.mask is not None} == {
        f"{name}.png": f"{name}.tif" for name in names
    }
    (tmp_path / "mine/masks/1.2.840.2.tif").unlink()
    expected = r"1 of 3 .*images/1\.2\.840\.2\.png; .*masks/\*\*/1\.2\.840\.2\.\*"
    with pytest.raises(BenchbedError, match=expected):
        resolve(f"folder:{tmp_path / 'mine'}")


def test_what_follows_the_first_dot_may_tell_image_and_mask_apart(tmp_path: Path) -> None:
    for number in range(3):
        _picture(tmp_path / f"mine/images/{number}.image.png")
        _picture(tmp_path / f"mine/masks/{number}.mask.png")
    cases = resolve(f"folder:{tmp_path / 'mine'}").cases
    assert sorted((case.id, case.mask.name) for case in cases if case.mask is not None) == [
        (f"{number}", f"{number}.mask.png") for number in range(3)
    ]


def test_the_fingerprint_changes_with_content_name_and_split(tmp_path: Path) -> None:
    spec = _spec(PAIRED)

    def fingerprint() -> str:
        return identify(collect(spec, found(spec, tmp_path), tmp_path))[1]

    _paired(tmp_path)
    first = fingerprint()
    assert fingerprint() == first
    _picture(tmp_path / "Example/train/0t_img.png", value=180)
    second = fingerprint()
    assert second != first
    for part in ("img", "mask"):
        place = tmp_path / "Example/train"
        (place / f"0t_{part}.png").rename(place / f"9t_{part}.png")
    assert fingerprint() not in (first, second)


def test_a_bad_file_is_refused_or_skipped_and_said_so(tmp_path: Path) -> None:
    spec = _spec(PAIRED)
    (_paired(tmp_path) / "Example/train/0t_img.png").write_bytes(b"no picture")
    collection = collect(spec, found(spec, tmp_path), tmp_path)
    with pytest.raises(BenchbedError, match=r"0t_img.png does not decode.*--skip-bad"):
        identify(collection)
    usable, _ = identify(collection, skip_bad=True)
    assert usable.counts() == {"test": 3, "train": 2}
    assert [Path(name).name for name in usable.skipped] == ["0t_img.png"]


def test_a_folder_of_pictures_is_a_data_set(tmp_path: Path) -> None:
    for number in range(6):
        _picture(tmp_path / "mine" / f"{number}.png")
    assert sum(resolve(f"folder:{tmp_path / 'mine'}").counts().values()) == 6
    with pytest.raises(BenchbedError, match="no folder"):
        resolve(f"folder:{tmp_path / 'other'}")


def test_a_folder_with_images_and_masks_pairs_them(tmp_path: Path) -> None:
    for number in range(3):
        _picture(tmp_path / "mine/images" / f"{number}.png")
        _picture(tmp_path / "mine/masks" / f"{number}.png")
    assert all(case.mask is not None for case in resolve(f"folder:{tmp_path / 'mine'}").cases)
    (tmp_path / "mine/masks/1.png").unlink()
    with pytest.raises(BenchbedError, match="do not pair"):
        resolve(f"folder:{tmp_path / 'mine'}")
