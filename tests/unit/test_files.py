"""Atomic writes, digests, and the check whether a folder is writable."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchbed.config.paths import ensure_writable
from benchbed.utils.files import hash_json, write_atomically, write_json


def test_a_failed_write_keeps_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    before = path.read_bytes()

    def fail() -> None:
        with write_atomically(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["value.json"]


def test_digest_depends_on_every_value_and_not_on_key_order() -> None:
    assert hash_json({"a": 1, "b": [2, 3]}) == hash_json({"b": [2, 3], "a": 1})
    assert hash_json({"a": 1, "b": [2, 3]}) != hash_json({"a": 1, "b": [3, 2]})
    assert len(hash_json("x", 8)) == 8


def test_writable_may_be_called_concurrently(tmp_path: Path) -> None:
    """Concurrent runs share the cache."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ensure_writable(tmp_path / "shared"), range(200)))
    assert set(answers) == {tmp_path / "shared"}
    assert not list((tmp_path / "shared").iterdir())
