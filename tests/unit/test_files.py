"""Files are written whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchbed.files import digest, whole, write_json
from benchbed.paths import writable


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


def test_two_processes_may_ask_at_once_whether_a_folder_can_be_written_to(tmp_path: Path) -> None:
    """Runs that go on beside each other share the cache; one must not trip over the other."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: writable(tmp_path / "shared"), range(200)))
    assert set(answers) == {tmp_path / "shared"}
    assert not list((tmp_path / "shared").iterdir())
