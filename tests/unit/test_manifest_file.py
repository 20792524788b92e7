"""Manifests: what is read, and the line and column of every fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from benchbed.data.sources.cases import Collection
from benchbed.data.sources.manifest_file import read_manifest
from benchbed.data.sources.resolve import resolve_collection
from benchbed.errors import BenchbedError


def _write(folder: Path, text: str, *, encoding: str = "utf-8") -> Path:
    for number in range(4):
        for place in ("x", "y"):
            path = folder / place / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4), number, np.uint8)).save(path)
    file = folder / "cases.csv"
    file.write_text(text, encoding=encoding)
    return file


def _collect(file: Path) -> Collection:
    return resolve_collection(f"manifest:{file}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_read_with_any_delimiter_and_with_bom(
    encoding: str, delimiter: str, tmp_path: Path
) -> None:
    lines = [
        ["Image", "mask", "label", "patient", "split"],
        ["x/0.png", "y/0.png", "gesünd", "p0", "Train"],
        ["x\\1.png", "y\\1.png", "krank", "p1", "validation"],
        ["x/2.png", "y/2.png", "krank", "p2", "test"],
    ]
    text = "\n".join(delimiter.join(line) for line in lines) + "\n\n"
    collection = _collect(_write(tmp_path, text, encoding=encoding))
    assert collection.count_cases() == {"train": 1, "val": 1, "test": 1}
    assert collection.spec.classes == ("gesünd", "krank")
    by_id = {case.id: case for case in collection.cases}
    assert by_id["x/2"].mask == tmp_path / "y/2.png"
    assert by_id["x/2"].patient == "p2"


def test_patients_without_splits_stay_together(tmp_path: Path) -> None:
    rows = "\n".join(f"{place}/{n}.png,p{n}" for n in range(4) for place in "xy")
    collection = _collect(_write(tmp_path, f"image,patient\n{rows}\n"))
    splits = {(case.patient, case.split) for case in collection.cases}
    assert len(splits) == 4


def test_classes_of_masks_can_be_declared(tmp_path: Path) -> None:
    text = "# classes: 1=tumour, 4=edema\nimage,mask\nx/0.png,y/0.png\n"
    assert read_manifest(_write(tmp_path, text)).mask_classes == {1: "tumour", 4: "edema"}


def test_the_separator_that_excel_states_is_used(tmp_path: Path) -> None:
    manifest = read_manifest(_write(tmp_path, "sep=;\nimage;label\nx/0.png;a,b\nx/1.png;c\n"))
    assert [row.label for row in manifest.rows] == ["a,b", "c"]
    with pytest.raises(BenchbedError, match="line 4"):
        read_manifest(_write(tmp_path, "sep=;\nimage;label\nx/0.png;a\nx/1.pgn;c\n"))


def test_columns_that_are_not_used_are_named(tmp_path: Path) -> None:
    manifest = read_manifest(_write(tmp_path, "image,age,sex\nx/0.png,4,f\nx/1.png,5,m\n"))
    assert set(manifest.unused) == {"column age", "column sex"}


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", ["no cases"]),
        ("image\n", ["no cases"]),
        ("img,mask\nx/0.png,\n", ["line 1", "column image", "img"]),
        ("image,lable\nx/0.png,a\n", ["line 1", "'lable'", "'label'"]),
        ("image,masks\nx/0.png,y/0.png\n", ["line 1", "'masks'", "'mask'"]),
        ("image,image\nx/0.png,x/1.png\n", ["line 1", "'image'", "twice"]),
        ("image,mask\nx/0.png,y/0.pgn\n", ["line 2", "column mask", "'y/0.pgn'", "'y/0.png'"]),
        ("image,mask\nx/0.png,y/0.png\nx/1.png,\n", ["line 3", "column mask", "line 2"]),
        ("image\nx\n", ["line 2", "column image", "folder"]),
        ("image,mask\nx/0.png,x/0.png\n", ["line 2", "column mask", "itself"]),
        ("image,label\nx/0.png,1\nx/1.png,1.0\n", ["line 3", "column label", "'1.0'", "'1'"]),
        ("image,label\nx/0.png,Cyst\nx/1.png,cyst\n", ["line 3", "column label", "'Cyst'"]),
        ("image,patient\nx/0.png,P1\nx/1.png,p1\n", ["line 3", "column patient", "'P1'"]),
        ("image,label\nx/0.png,.1\nx/1.png,.2\nx/2.png,.3\n", ["column label", "'.1'"]),
        ("image,split\nx/0.png,trian\n", ["line 2", "column split", "'trian'", "'train'"]),
        ("image\nx/0.png\nx/0.png\n", ["line 3", "column image", "line 2"]),
        ("image\n\nx/0.png,b,c\n", ["line 3", "3 values"]),
        ('image\n"x/0.png\n', ["line"]),
        ("image,page\nx/0.png,first\n", ["line 2", "column page", "'first'"]),
        ("# classes: tumour\nimage\nx/0.png\n", ["line 1", "'tumour'"]),
        (
            "image,patient,split\nx/0.png,p1,train\nx/1.png,p1,test\n",
            ["line 3", "'p1'", "line 2", "train", "test"],
        ),
    ],
)
def test_a_fault_names_line_and_column(text: str, facts: list[str], tmp_path: Path) -> None:
    file = _write(tmp_path, text)
    with pytest.raises(BenchbedError) as caught:
        read_manifest(file)
    assert str(file) in str(caught.value)
    for fact in facts:
        assert fact in str(caught.value)


def test_other_encodings_and_kinds_of_files_are_refused(tmp_path: Path) -> None:
    file = _write(tmp_path, "image,label\nx/0.png,ü\n", encoding="latin-1")
    with pytest.raises(BenchbedError, match="UTF-8"):
        read_manifest(file)
    with pytest.raises(BenchbedError, match=r"folder.*inspect"):
        _collect(tmp_path)
    with pytest.raises(BenchbedError, match="No such file"):
        _collect(tmp_path / "none.csv")
    file.write_text("image\ncases.csv\n")
    with pytest.raises(BenchbedError, match=r"cases\.csv"):
        _collect(file)


_CELLS = st.sampled_from(["x/0.png", "x/1.png", "y/0.png", "", "train", "p1", '"', "\0", "é", "#"])
_HEADERS = st.sampled_from(["image", "mask", "label", "patient", "split", "fov", "page", "age"])


@given(
    header=st.lists(_HEADERS, max_size=4),
    lines=st.lists(st.lists(_CELLS, max_size=5), max_size=4),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
@example(header=["image"], lines=[["x" * 5000]], delimiter=",")
def test_any_table_is_read_or_refused_with_the_name_of_the_file(
    header: list[str],
    lines: list[list[str]],
    delimiter: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("own")
    file = _write(folder, "\n".join(delimiter.join(line) for line in [header, *lines]))
    refusal = ""
    try:
        read_manifest(file)
    except BenchbedError as error:
        refusal = str(error)
    assert not refusal or str(file) in refusal
