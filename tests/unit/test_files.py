"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbed.files import digest, whole, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    before = path.read_bytes()

    def break_off() -> None:
        with whole(path) as temporary:
            temporary.write_text("half of it")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["value.json"]


def test_digest_does_not_hang_on_the_order_of_keys_but_on_every_value() -> None:
    assert digest({"a": 1, "b": [2, 3]}) == digest({"b": [2, 3], "a": 1})
    assert digest({"a": 1, "b": [2, 3]}) != digest({"a": 1, "b": [3, 2]})
    assert len(digest("x", 8)) == 8
