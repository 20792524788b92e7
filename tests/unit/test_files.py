"""Atomic writes, digests, writable folders, and the cache folder without a home directory."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchbed.config import paths
from benchbed.config.paths import ensure_writable
from benchbed.errors import BenchbedError
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


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user without ``$HOME`` and without an entry in the user database; returns ``$TMPDIR``."""
    for name in ("HOME", "BENCHBED_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def find_no_user(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", find_no_user)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    paths._find_default_cache.cache_clear()
    yield tmp_path
    paths._find_default_cache.cache_clear()


def test_without_a_home_the_cache_is_temporary_private_and_named_once(
    no_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = paths.get_cache_folder()
    assert cache == paths.get_cache_folder() == no_home / f"benchbed-{os.getuid()}"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert capsys.readouterr().err == (
        f"The home directory is unknown; using the temporary cache {cache}. Select another with "
        "$BENCHBED_CACHE.\n"
    )
    paths._find_default_cache.cache_clear()
    assert paths.get_cache_folder() == cache


@pytest.mark.parametrize("home", ["file", "file/inside", "closed"])
def test_an_unwritable_home_leads_to_a_temporary_cache(
    home: str, no_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (no_home / "file").touch()
    (no_home / "closed").mkdir()
    monkeypatch.setenv("HOME", str(no_home / home))
    # Root may write to every folder.
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "closed")
    assert paths.get_cache_folder() == no_home / f"benchbed-{os.getuid()}"


def test_a_read_only_cache_that_exists_is_used(
    no_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(no_home))
    monkeypatch.setattr("os.access", lambda path, mode: False)
    (no_home / ".cache/benchbed").mkdir(parents=True)
    assert paths.get_cache_folder() == no_home / ".cache/benchbed"


@pytest.mark.parametrize("kind", ["writable by others", "link", "file"])
def test_a_temporary_cache_that_others_control_is_rejected(kind: str, no_home: Path) -> None:
    cache, elsewhere = no_home / f"benchbed-{os.getuid()}", no_home / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        cache.symlink_to(elsewhere)
    elif kind == "file":
        cache.touch()
    else:
        cache.mkdir()
        cache.chmod(0o777)
    with pytest.raises(BenchbedError, match=r"\$BENCHBED_CACHE"):
        paths.get_cache_folder()


def test_a_path_in_an_unknown_home_is_named(no_home: Path) -> None:
    for path in ("~/data", "~nobody-has-this-name/data"):
        with pytest.raises(BenchbedError, match=re.escape(path)):
            paths.resolve_results_folder(Path(path))


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_commands_work_for_a_user_without_home_and_name(tmp_path: Path) -> None:
    user = ("unshare", "--user", "--map-user=54321")
    if subprocess.run([*user, "true"], check=False, capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed")
    hidden = ("HOME", "USER", "LOGNAME", "BENCHBED_CACHE", "XDG_CACHE_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    command = [*user, sys.executable, "-m", "benchbed", "doctor", "--json"]
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path,
        env={**environment, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("$BENCHBED_CACHE") == 1
    assert "Traceback" not in result.stderr
    assert (tmp_path / "benchbed-54321").is_dir()
