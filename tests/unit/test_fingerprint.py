"""Facts of files: found out once, kept while others are found out, and never in the way."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from benchbed.data import fingerprint as prints
from benchbed.data.collection import Case, Collection
from benchbed.data.source import dataset_spec

FILES = 2000


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """Very many small files, of which each takes a moment, and a cache of their own."""
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    cases = []
    for number in range(FILES):
        path = folder / f"{number}.png"
        path.touch()
        cases.append(Case(f"{number}", "train", f"{number}", path))

    def slowly(role: str, path: Path) -> prints.Facts:
        time.sleep(1e-4)
        return {"sha256": path.name, "shape": "1x1"}

    monkeypatch.setattr(prints, "_facts", slowly)
    return Collection(dataset_spec(f"folder:{folder}"), "real", folder, tuple(cases))


def test_facts_are_kept_while_others_are_found_out(
    many: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads go on while what they found is written: nothing breaks, and nothing is forgotten."""
    monkeypatch.setattr(prints, "_SAVE_EVERY", 50)
    facts = prints.examine(many)
    assert [found["sha256"] for found in facts.values()] == [f"{n}.png" for n in range(FILES)]
    kept = json.loads((tmp_path / "cache/index/folder.json").read_text())
    assert sorted(found["sha256"] for found in kept.values()) == sorted(
        f"{n}.png" for n in range(FILES)
    )
    monkeypatch.setattr(prints, "_facts", lambda *_: pytest.fail("a file is read again"))
    assert prints.examine(many) == facts


def test_what_cannot_be_kept_is_said_once_and_stops_nothing(
    many: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain file lies where the cache should be."""
    monkeypatch.setattr(prints, "_SAVE_EVERY", 500)
    (tmp_path / "cache").touch()
    said: list[str] = []
    assert len(prints.examine(many, say=said.append)) == FILES
    assert len(said) == 1
    assert "cache/index/folder.json" in said[0]
    assert "$BENCHBED_CACHE" in said[0]
