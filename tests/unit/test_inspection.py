"""What ``data inspect`` finds, writes and draws."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rich.text import Text

from benchbed.cli.inspect_command import show_preview
from benchbed.data.contact_sheet import OUTLINE, draw_contact_sheet
from benchbed.data.sources.identify import examine_collection
from benchbed.data.sources.inspection import inspect_data
from benchbed.data.sources.manifest_file import write_manifest
from benchbed.data.sources.resolve import resolve_collection


def _write(root: Path) -> Path:
    for number in range(12):
        for kind, value in (("images", 10 * number), ("masks", 255)):
            path = root / kind / ("ill" if number % 3 else "well") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.zeros((20, 30), np.uint8) if kind == "masks" else np.full((20, 30), value)
            pixels[5:15, 5:20] = value
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    (root / "notes.txt").write_text("text")
    return root


def test_everything_is_counted_and_named(tmp_path: Path) -> None:
    facts = inspect_data(f"folder:{_write(tmp_path)}").as_dict()
    assert facts["cases"] == 12
    assert facts["classes"] == "ill 8, well 4"
    assert facts["files"] == ".png 24"
    assert facts["masks"] == "12 of 12 cases"
    assert facts["foreground"].startswith("25 %")
    assert facts["sizes"] == "30 x 20 (12)"
    assert [name.split(" ")[0] for name in facts["not used"]] == ["notes.txt"]
    assert facts["problems"] == []


def test_a_written_manifest_has_the_same_cases(tmp_path: Path) -> None:
    found = inspect_data(f"folder:{_write(tmp_path / 'own')}")
    assert found.manifest is not None
    (tmp_path / "other").mkdir()
    write_manifest(found.manifest, tmp_path / "other/cases.csv")
    again = resolve_collection(f"manifest:{tmp_path}/other/cases.csv")
    assert {
        (case.image.resolve(), case.mask and case.mask.resolve(), case.label, case.split)
        for case in again.cases
    } == {(case.image, case.mask, case.label, case.split) for case in found.collection.cases}


def test_the_sheet_shows_masks(tmp_path: Path) -> None:
    found = inspect_data(f"folder:{_write(tmp_path)}")
    sheet = draw_contact_sheet(found.collection)
    assert sheet.shape[2] == 3
    assert (sheet == OUTLINE).all(axis=2).sum() > 9 * 50


def test_the_preview_needs_a_terminal_with_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = inspect_data(f"folder:{_write(tmp_path)}")
    texts = []
    for is_terminal in (False, True):
        stream = StringIO()
        console = Console(
            file=stream, force_terminal=is_terminal, color_system="truecolor", width=60
        )
        monkeypatch.setattr("benchbed.cli.output.create_console", lambda c=console: c)
        show_preview(found.collection)
        texts.append(stream.getvalue())
    assert texts[0] == ""
    red, green, blue = OUTLINE
    assert f"{red};{green};{blue}" in texts[1]
    assert max(Text.from_ansi(line).cell_len for line in texts[1].splitlines()) == 60


def test_mismatches_are_counted_and_pixels_without_a_number_are_named(tmp_path: Path) -> None:
    root = _write(tmp_path / "own")
    for number in range(12):
        path = next(root.glob(f"masks/*/{number}.png"))
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(path)
    problems = inspect_data(f"folder:{root}").as_dict()["problems"]
    assert any("9 more cases" in problem for problem in problems)
    assert len(problems) < 6
    values = np.linspace(-1, 1, 400, dtype=np.float32).reshape(20, 20)
    (tmp_path / "float").mkdir()
    for number in range(3):
        values[0, :number] = np.nan
        Image.fromarray(values + number).save(tmp_path / f"float/{number}.tif")
    (remark,) = inspect_data(f"folder:{tmp_path / 'float'}").as_dict()["remarks"]
    assert "2 images" in remark
    assert "1.tif has 1" in remark


def test_the_orientation_of_volumes_is_shown(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 9, (8, 9, 10)).astype(np.int16)
    for number, signs in enumerate(((1, 1), (-1, -1), (-1, -1))):
        affine = np.diag([*signs, 2.5, 1.0])
        nibabel.save(nibabel.Nifti1Image(voxels + number, affine), tmp_path / f"{number}.nii.gz")
    facts = inspect_data(f"volumes:{tmp_path}").as_dict()
    assert facts["stored orientation"] == "LPS 2, RAS 1"
    assert facts["spacing"] == "1 x 1 x 2.5 mm 3"
    assert facts["values"] == "0 to 10"


@pytest.mark.parametrize("name", ["deep", "flat"])
def test_a_problem_of_a_run_is_a_problem_here(name: str, tmp_path: Path) -> None:
    root = _write(tmp_path)
    if name == "deep":
        deep = np.full((20, 30), 60_000, np.uint16)
        Image.fromarray(deep).save(root / "images/ill/1.png")
    else:
        Image.fromarray(np.zeros((20, 31), np.uint8)).save(root / "masks/ill/1.png")
    assert len(inspect_data(f"folder:{root}").as_dict()["problems"]) == 1


def test_equal_images_in_two_official_splits_and_skipped_files_are_named(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in range(4):
            path = tmp_path / split / f"{split}{number}.png"
            path.parent.mkdir(exist_ok=True)
            shade = 9 if number == 2 else 20 * number + len(split)
            Image.fromarray(np.full((8, 8), shade, np.uint8)).save(path)
    (tmp_path / "train/bad.png").write_bytes(b"nothing")
    collection = resolve_collection(f"folder:{tmp_path}")
    notes = examine_collection(collection, skip_bad=True).notes
    assert any("test2 = train2" in note and "split" in note for note in notes)
    assert any("1 file" in note and "bad.png" in note for note in notes)


def test_a_manifest_of_single_and_several_frames_is_read_again(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8), 40 * n, np.uint8)) for n in range(4)]
    (tmp_path / "own").mkdir()
    frames[0].save(tmp_path / "own/a.tif", save_all=True, append_images=frames[1:3])
    frames[3].save(tmp_path / "own/b.tif")
    found = inspect_data(f"folder:{tmp_path / 'own'}")
    assert found.manifest is not None
    write_manifest(found.manifest, tmp_path / "cases.csv")
    again = resolve_collection(f"manifest:{tmp_path}/cases.csv")
    assert {(case.image.name, case.page or 0) for case in again.cases} == {
        ("a.tif", 0), ("a.tif", 1), ("a.tif", 2), ("b.tif", 0)
    }  # fmt: skip
