"""Facts of files: computed once, and saved while others are computed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from benchbed.data.sources import fingerprint as prints
from benchbed.data.sources.cases import Case, Collection
from benchbed.data.sources.resolve import resolve_dataset_spec

FILES = 2000


@pytest.fixture
def many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """Return many small files that are slow to examine, with an empty cache."""
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    cases = []
    for number in range(FILES):
        path = folder / f"{number}.png"
        path.touch()
        cases.append(Case(f"{number}", "train", f"{number}", path))

    def slowly(role: str, path: Path) -> prints.FileFacts:
        time.sleep(1e-4)
        facts = {"shape": "1x1", "bits": "8", "low": "0", "high": "0"}
        return {"sha256": path.name, **facts}

    monkeypatch.setattr(prints, "_read_facts", slowly)
    return Collection(resolve_dataset_spec(f"folder:{folder}"), "real", folder, tuple(cases))


def test_facts_are_saved_while_others_are_computed(
    many_files: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads continue while facts are written: no error, and no fact is lost."""
    monkeypatch.setattr(prints, "_SAVE_EVERY", 50)
    facts = prints.collect_file_facts(many_files)
    assert [entry["sha256"] for entry in facts.values()] == [f"{n}.png" for n in range(FILES)]
    saved = json.loads((tmp_path / "cache/index/folder.json").read_text())
    assert sorted(entry["sha256"] for entry in saved.values()) == sorted(
        f"{n}.png" for n in range(FILES)
    )
    monkeypatch.setattr(prints, "_read_facts", lambda *_: pytest.fail("a file is read again"))
    assert prints.collect_file_facts(many_files) == facts


def test_an_unwritable_cache_gives_one_message(
    many_files: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is in the place of the cache folder."""
    monkeypatch.setattr(prints, "_SAVE_EVERY", 500)
    (tmp_path / "cache").touch()
    messages: list[str] = []
    assert len(prints.collect_file_facts(many_files, log=messages.append)) == FILES
    assert len(messages) == 1
    assert "cache/index/folder.json" in messages[0]
    assert "$BENCHBED_CACHE" in messages[0]
