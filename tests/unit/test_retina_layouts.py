"""STARE, HRF and MESSIDOR in their official layouts, with tiny images."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection
from benchbed.errors import BenchbedError
from benchbed_retina.layouts import HRF_LAYOUT, STARE_LAYOUT

STARE_IDS = sorted(name for ids in STARE_LAYOUT.official_splits.values() for name in ids)
HRF_IDS = [f"{n:02d}_{kind}" for n in range(1, 16) for kind in ("dr", "g", "h")]
BASES = [f"Base{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3, 4)]


def _eye(number: int, size: tuple[int, int]) -> Image.Image:
    """Return a bright textured disc on black, different for each number."""
    down, across = np.mgrid[0 : size[0], 0 : size[1]]
    disc = np.hypot(down - size[0] / 2, across - size[1] / 2) < 0.45 * size[0]
    grain = np.random.default_rng(number).integers(0, 30, size, dtype=np.uint8)
    red = np.where(disc, 150 + grain, 0).astype(np.uint8)
    return Image.fromarray(np.dstack([red, red // 2, red // 3]))


def _vessels(number: int, size: tuple[int, int]) -> Image.Image:
    mask = np.zeros(size, np.uint8)
    mask[:, size[1] // 2 - 1 - number % 3 : size[1] // 2 + 2] = 255
    return Image.fromarray(mask)


def _save(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        plain = path.with_suffix("")
        picture.save(plain)
        path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
        plain.unlink()
    else:
        picture.save(path)


def _stare(root: Path, suffix: str = ".ppm.gz", *, separate: bool = True) -> Path:
    places = ("stare-images", "labels-ah", "labels-vk") if separate else (".", ".", ".")
    for number, name in enumerate(STARE_IDS):
        _save(root / "STARE" / places[0] / f"{name}{suffix}", _eye(number, (61, 70)))
        for place, who in zip(places[1:], ("ah", "vk"), strict=True):
            _save(root / "STARE" / place / f"{name}.{who}{suffix}", _vessels(number, (61, 70)))
    return root


def _hrf(root: Path) -> Path:
    """Write suffixes in both cases and RGB masks of the field of view, as in the official file."""
    for number, name in enumerate(HRF_IDS):
        suffix = ".JPG" if name.endswith("_dr") else ".jpg"
        eye = _eye(number, (47, 70))
        _save(root / "HRF/images" / f"{name}{suffix}", eye)
        _save(root / "HRF/manual1" / f"{name}.tif", _vessels(number, (47, 70)))
        lit = eye.convert("L").point([0] + [255] * 255).convert("RGB")
        _save(root / "HRF/mask" / f"{name}_mask.tif", lit)
    return root


def _messidor(root: Path, *, flat: bool = False, cases: int = 3) -> Path:
    """Write the three sizes of the official files, 48 times smaller."""
    for number, base in enumerate(BASES):
        folder = root / "messidor" / ("." if flat else base)
        for k in range(cases):
            name = f"200510{number + 10}_3855{k}_0100_PP.tif"
            _save(folder / name, _eye(100 * number + k, [(20, 30), (31, 47), (32, 48)][k % 3]))
        (folder / f"Annotation_{base}.xls").write_bytes(b"a table")
    return root


def _arrays(collection: Collection) -> dict[str, np.ndarray]:
    prepared = prepare_dataset(*identify_collection(collection), size=32, channels=3, framing="fov")
    return dict(prepared.get_split("train").arrays)


@pytest.mark.parametrize("suffix", [".ppm.gz", ".ppm"])
@pytest.mark.parametrize("separate", [True, False])
def test_stare_compressed_or_not_in_three_folders_or_one(
    tmp_path: Path, suffix: str, separate: bool
) -> None:
    collection = resolve_collection("stare", "real", _stare(tmp_path, suffix, separate=separate))
    assert collection.count_cases() == {"test": 10, "train": 10}
    for case in collection.cases:
        assert case.mask is not None
        assert case.second_mask is not None
        names = (case.image.name, case.mask.name, case.second_mask.name)
        assert names == tuple(f"{case.id}{who}{suffix}" for who in ("", ".ah", ".vk"))
    train = [case.id for case in collection.cases if case.split == "train"]
    assert train == STARE_IDS[:10]


def test_stare_is_prepared_with_both_annotators_and_field_of_view(tmp_path: Path) -> None:
    arrays = _arrays(resolve_collection("stare", "real", _stare(tmp_path)))
    assert arrays["image"].shape == (10, 3, 32, 32)
    assert {"mask", "second_mask", "fov"} <= arrays.keys()
    assert arrays["mask"].any(axis=(1, 2)).all()
    assert 0.7 < arrays["fov"].mean() < 0.85, "a circle fills pi/4 of its square"


def test_stare_compressed_and_uncompressed_counts_once(tmp_path: Path) -> None:
    _stare(tmp_path, ".ppm.gz")
    collection = resolve_collection("stare", "real", _stare(tmp_path, ".ppm"))
    assert collection.count_cases() == {"test": 10, "train": 10}
    assert {case.image.suffix for case in collection.cases} == {".ppm"}


def test_a_stare_image_without_annotation_is_refused(tmp_path: Path) -> None:
    (_stare(tmp_path) / "STARE/labels-ah/im0044.ah.ppm.gz").unlink()
    with pytest.raises(BenchbedError, match=r"1 of 20 .*mask.*im0044\.ppm\.gz.*im0044\.ah\.ppm"):
        resolve_collection("stare", "real", tmp_path)


def test_a_truncated_stare_file_is_refused(tmp_path: Path) -> None:
    file = _stare(tmp_path) / "STARE/labels-vk/im0081.vk.ppm.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BenchbedError, match=r"im0081\.vk\.ppm\.gz .*gzip.*--skip-bad"):
        identify_collection(resolve_collection("stare", "real", tmp_path))


def test_hrf_with_suffixes_in_both_cases_and_fields_of_view(tmp_path: Path) -> None:
    collection = resolve_collection("hrf", "real", _hrf(tmp_path))
    assert collection.count_cases() == {"test": 30, "train": 15}
    train = {case.id for case in collection.cases if case.split == "train"}
    assert (
        train
        == {name for name in HRF_IDS if int(name[:2]) <= 5}
        == {*HRF_LAYOUT.official_splits["train"]}
    )
    for case in collection.cases:
        assert case.mask is not None
        assert case.fov is not None
        assert (case.mask.name, case.fov.name) == (f"{case.id}.tif", f"{case.id}_mask.tif")
    arrays = _arrays(collection)
    assert arrays["image"].shape == (15, 3, 32, 32)
    assert 0.7 < arrays["fov"].mean() < 0.85


def test_an_hrf_image_without_field_of_view_is_refused(tmp_path: Path) -> None:
    (_hrf(tmp_path) / "HRF/mask/07_g_mask.tif").unlink()
    with pytest.raises(BenchbedError, match=r"1 of 45 .*fov.*07_g\.jpg.*mask/07_g_mask\.tif"):
        resolve_collection("hrf", "real", tmp_path)


@pytest.mark.parametrize("flat", [False, True])
def test_messidor_in_its_twelve_folders_or_flat(tmp_path: Path, flat: bool) -> None:
    collection = resolve_collection("messidor", "real", _messidor(tmp_path, flat=flat))
    assert len(collection.cases) == 36
    assert not any(case.is_official_split for case in collection.cases)
    assert len(collection.count_cases()) == 2, "without an official split a test split is drawn"
    assert {case.id[:6] for case in collection.cases} == {"200510"}
    assert len(identify_collection(collection)[0].cases) == 36


def test_messidor_is_prepared_at_its_three_sizes(tmp_path: Path) -> None:
    arrays = _arrays(resolve_collection("messidor", "real", _messidor(tmp_path)))
    assert arrays["image"].shape[1:] == (3, 32, 32)
    assert "mask" not in arrays


def test_an_image_in_two_bases_is_used_once(tmp_path: Path) -> None:
    folder = _messidor(tmp_path) / "messidor"
    picture = next((folder / "Base33").glob("*.tif"))
    (folder / "Base34/20051299_00000_0400_PP.tif").write_bytes(picture.read_bytes())
    messages: list[str] = []
    usable, _ = identify_collection(
        resolve_collection("messidor", "real", tmp_path), log=messages.append
    )
    assert len(usable.cases) == 36
    assert "1 of 37 images" in messages[0]


def test_the_combined_dataset_contains_each_under_a_prefix(tmp_path: Path) -> None:
    """Without annotations, which do not count as images."""
    _stare(tmp_path, separate=False)
    _hrf(tmp_path)
    collection = resolve_collection("fundus", "real", _messidor(tmp_path))
    prefixes = [case.id.split("-")[0] for case in collection.cases]
    assert {name: prefixes.count(name) for name in set(prefixes)} == {
        "stare": 20,
        "hrf": 45,
        "messidor": 36,
    }
    assert all(case.mask is None for case in collection.cases)
    stare = {case.id: case.split for case in collection.cases if case.id.startswith("stare")}
    assert stare["stare-im0001"] == "train"
    assert stare["stare-im0324"] == "test"


def test_a_missing_dataset_gives_layout_options_and_source(tmp_path: Path) -> None:
    for name, folder, source in (
        ("stare", "labels-vk", "benchbed data fetch stare"),
        ("hrf", "manual1", "benchbed data fetch hrf"),
        ("messidor", "Base14", "adcis.net"),
    ):
        with pytest.raises(BenchbedError) as caught:
            resolve_collection(name, "real", tmp_path)
        for fact in (str(tmp_path), "--data-root", "$BENCHBED_DATA", folder, source):
            assert fact in str(caught.value)
