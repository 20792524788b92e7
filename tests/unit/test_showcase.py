"""The showcase: what a run publishes with its record, and safe reading of foreign ones."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.results.showcase import (
    MAX_CURVE_ROWS,
    MAX_PICTURE_BYTES,
    get_showcase_folder,
    read_showcase,
    write_showcase,
)
from benchbed.results.store import ResultStore


def _run(root: Path, *pictures: str, rows: int = 1000) -> ResultStore:
    """Return a store with one run, whose noisy pictures do not compress well."""
    folder = root / "runs" / "r"
    (folder / "samples").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (520, 1040, 3), dtype=np.uint8)
    for name in pictures:
        Image.fromarray(noise).save(folder / "samples" / name)
    lines = ["step,kimg,seconds,generator,late"]
    lines += [f"{n},{n / 10},{n},{1 / (n + 1)},{'nan' if n == 0 else ''}" for n in range(rows)]
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    return ResultStore(root)


def test_a_showcase_is_small_and_keeps_the_first_and_the_last_row(tmp_path: Path) -> None:
    store = _run(tmp_path, "final.png", "nearest.png")
    write_showcase(store, "r", pytest.fail)
    folder = get_showcase_folder(tmp_path, "r")
    assert sorted(p.name for p in folder.iterdir()) == ["curves.csv", "grid.jpg", "nearest.jpg"]
    for name in ("grid", "nearest"):
        assert 1000 < (folder / f"{name}.jpg").stat().st_size <= MAX_PICTURE_BYTES
        with Image.open(folder / f"{name}.jpg") as picture:
            assert picture.width == 2 * picture.height
    rows = list(csv.DictReader(io.StringIO((folder / "curves.csv").read_text())))
    assert len(rows) == MAX_CURVE_ROWS
    assert (rows[0]["step"], rows[-1]["step"]) == ("0", "999")


def test_a_published_showcase_is_read(tmp_path: Path) -> None:
    write_showcase(_run(tmp_path, "final.png", rows=3), "r", pytest.fail)
    shown = read_showcase(tmp_path, "r")
    assert set(shown.pictures) == {"grid"}
    assert shown.curves is not None
    assert shown.curves.columns == ("kimg", "generator", "late")
    assert shown.curves.rows[1] == (0.1, 0.5, None)
    assert shown.curves.rows[0][2] is None, "values that are not finite are not drawn"


def test_a_run_that_diverged_shows_its_last_preview(tmp_path: Path) -> None:
    write_showcase(_run(tmp_path, "00001.000-kimg.png", "00002.000-kimg.png"), "r", pytest.fail)
    assert set(read_showcase(tmp_path, "r").pictures) == {"grid"}


def test_publishing_again_removes_old_pictures(tmp_path: Path) -> None:
    store = _run(tmp_path, "final.png", "nearest.png")
    write_showcase(store, "r", pytest.fail)
    (tmp_path / "runs/r/samples/nearest.png").unlink()
    write_showcase(store, "r", pytest.fail)
    assert set(read_showcase(tmp_path, "r").pictures) == {"grid"}


def test_an_unreadable_picture_gives_a_message_and_no_error(tmp_path: Path) -> None:
    store = _run(tmp_path, "final.png")
    (tmp_path / "runs/r/samples/final.png").write_bytes(b"no picture")
    messages: list[str] = []
    write_showcase(store, "r", messages.append)
    (message,) = messages
    assert "final.png" in message


@pytest.mark.parametrize("name", ["../secret", "/etc", ".", "..", "a/b", "", "a\nb"])
def test_paths_outside_the_showcase_are_not_read(name: str, tmp_path: Path) -> None:
    write_showcase(_run(tmp_path, "final.png"), "r", pytest.fail)
    (tmp_path / "showcase").rename(tmp_path / "secret")
    (tmp_path / "showcase").mkdir()
    (tmp_path / "secret/r/grid.jpg").rename(tmp_path / "secret/grid.jpg")
    assert read_showcase(tmp_path, name).pictures == {}


def test_links_and_invalid_files_are_ignored(tmp_path: Path) -> None:
    write_showcase(_run(tmp_path, "final.png"), "r", pytest.fail)
    folder = get_showcase_folder(tmp_path, "r")
    (folder / "grid.jpg").rename(tmp_path / "elsewhere.jpg")
    (folder / "grid.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    (folder / "nearest.jpg").write_bytes(b"<svg onload=alert(1)>")
    (folder / "curves.csv").write_text("kimg,generator\n1,<script>\n")
    shown = read_showcase(tmp_path, "r")
    assert shown.pictures == {}
    assert shown.curves is None
