"""Untrusted files: they are read, never executed.

Pickles in place of checkpoints, arrays and weights, archives with outside paths or decompression
bombs, YAML tags, and redirects away from https.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import torch

from benchbed import DownloadSource
from benchbed.api.specs import DatasetSpec
from benchbed.config.settings import parse_assignments, read_settings_file
from benchbed.data.download import unpack as unpacking
from benchbed.data.download.http import Downloader, DownloadError
from benchbed.data.download.unpack import UnpackError, unpack_download
from benchbed.data.stored_files import read_array
from benchbed.errors import BenchbedError
from benchbed.metrics.features.cache import _read_array
from benchbed.metrics.features.inception import create_inception_extractor
from benchbed.registry.lookup import get_registry
from benchbed.sharing.archive import read_archive
from benchbed.sharing.tensors import from_bytes
from benchbed.suites.spec import read_suite
from benchbed.training.checkpoint import load_checkpoint

CountAttempt = Callable[..., None]


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def _torch_bytes(content: object, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def _pickles(mark: Path) -> dict[str, bytes]:
    evil = Evil(mark)
    whole = {"format": 1, "method": "m", "run": "r", "state": evil}
    array = io.BytesIO()
    np.save(array, np.asarray([evil], object), allow_pickle=True)
    return {
        "pickle": pickle.dumps(evil),
        "oldest pickle": pickle.dumps(evil, 0),
        "torch zip file": _torch_bytes(whole),
        "torch legacy file": _torch_bytes(whole, _use_new_zipfile_serialization=False),
        "whole network": _torch_bytes(torch.nn.Sequential(torch.nn.Linear(2, 2))),
        "array of objects": array.getvalue(),
    }


@pytest.mark.attack(
    guarantee="Untrusted checkpoints, exports and caches are read, never executed.",
    attack="malicious pickles in place of checkpoints, arrays, features and weights",
)
def test_no_pickle_is_executed(tmp_path: Path, count_attempt: CountAttempt) -> None:
    mark = tmp_path / "executed"
    for kind, content in _pickles(mark).items():
        path = tmp_path / "file.pt"
        path.write_bytes(content)
        for read in (lambda p: load_checkpoint(p, "m"), read_array, read_archive):
            with pytest.raises(BenchbedError, match=re.escape(str(tmp_path))):
                read(path)
        with pytest.raises(BenchbedError, match="safetensors"):
            from_bytes(content)
        assert _read_array(path, 1) is None
        assert not mark.exists(), kind
        count_attempt(kind, 5)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        create_inception_extractor(weights=path, hash_prefix="")  # simulates a matching hash
    assert not mark.exists()
    count_attempt("weights of a metric")
    assert pickle.loads(pickle.dumps(Evil(mark))) == 0
    assert mark.exists(), "the pickles are harmless, so the test proves nothing"


def _zip(name: str, kind: int = stat.S_IFREG, content: bytes = b"x") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (kind | 0o777) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr("fine.txt", b"fine")
        archive.writestr(entry, content)
    return file.getvalue()


def _tar(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 1) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, target, size
        archive.addfile(member, io.BytesIO(bytes(size)))
        if kind == tarfile.SYMTYPE:
            inner = tarfile.TarInfo(f"{name}/through.txt")
            inner.size = 1
            archive.addfile(inner, io.BytesIO(b"x"))
    return file.getvalue()


OUTSIDE_PATHS = (
    "../out.txt", "a/../../out.txt", "/tmp/benchbed-out.txt", "..\\out.txt", "C:\\out.txt",
    "\\\\host\\share", "a/..", "..", "./../out.txt",
)  # fmt: skip

MALICIOUS_ARCHIVES: dict[str, list[bytes]] = {
    "zip with an outside path": [_zip(name) for name in OUTSIDE_PATHS],
    "tar with an outside path": [_tar(name) for name in OUTSIDE_PATHS],
    "zip with a link or device": [
        _zip("link", kind, b"/etc/passwd") for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR)
    ],
    "tar with a link or device": [
        _tar("link", kind, target)
        for kind, target in (
            (tarfile.SYMTYPE, ".."), (tarfile.SYMTYPE, "/"), (tarfile.LNKTYPE, "../../secret"),
            (tarfile.FIFOTYPE, ""), (tarfile.CHRTYPE, ""), (tarfile.BLKTYPE, ""),
        )
    ],
    "bomb": [_zip("zeros", content=bytes(30_000_000)), _tar("zeros", size=30_000_000)],
    "overlong name": [_zip("n" * 300), _tar("n" * 300)],
}  # fmt: skip


@pytest.mark.attack(
    guarantee="Untrusted archives are unpacked inside their folder, or not at all.",
    attack="zip and tar files with outside paths, links, devices, bombs and overlong names",
)
def test_no_archive_writes_outside_its_folder(tmp_path: Path, count_attempt: CountAttempt) -> None:
    (tmp_path / "secret").write_text("secret")
    for kind, contents in MALICIOUS_ARCHIVES.items():
        for content in contents:
            archive = tmp_path / "archive"
            archive.write_bytes(content)
            with pytest.raises(UnpackError):
                unpack_download(archive, tmp_path / "in/side", lambda *_: None, lambda _: None)
            with pytest.raises(BenchbedError):
                read_archive(archive)
            inside = {p.relative_to(tmp_path / "in/side") for p in tmp_path.rglob("in/side/**/*")}
            assert inside <= {Path("fine.txt")}
            assert {p.name for p in tmp_path.iterdir()} <= {"secret", "archive", "in"}
            count_attempt(kind)
    assert not Path("/tmp/benchbed-out.txt").exists()
    assert (tmp_path / "secret").read_text() == "secret"


@pytest.mark.attack(
    guarantee="Untrusted archives are unpacked inside their folder, or not at all.",
    attack="too many members, empty members, and oversized member headers",
)
def test_archives_of_too_many_or_empty_members_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count_attempt: CountAttempt
) -> None:
    """Names take memory and disk space, too."""
    archive = tmp_path / "archive"

    def assert_rejected(kind: str, content: bytes, limit: int | str) -> None:
        archive.write_bytes(content)
        with pytest.raises(UnpackError, match=rf"(?<!\d){limit}(?!\d)"):
            unpack_download(archive, tmp_path / "inside", lambda *_: None, lambda _: None)
        assert not (tmp_path / "inside").exists()
        count_attempt(kind)

    name, comment = {"path": "n" * 2**21}, {"comment": "c" * 2**21}
    limit = unpacking.MAX_HEADER_BYTES
    assert_rejected("long name", _tar_with_header(name, tarfile.PAX_FORMAT), limit)
    assert_rejected("comment", _tar_with_header(comment, tarfile.PAX_FORMAT), limit)
    assert_rejected("long name, GNU", _tar_with_header(name, tarfile.GNU_FORMAT), limit)
    assert_rejected("negative size", _tar_with_negative_size(), limit)
    many = (_empty_tar(300), _empty_zip(300))
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "MAX_MEMBERS", 299)
        for content in many:
            assert_rejected("too many", content, 299)
    monkeypatch.setattr(unpacking, "ALLOWED_BYTES", 1000)
    monkeypatch.setattr(unpacking, "MAX_RATIO", 1)
    for content in many:
        assert_rejected("empty", content, 1)


def _tar_with_header(header: dict[str, str], kind: int) -> bytes:
    """Return a gzipped tar file with one member and this header."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=kind) as archive:
        member = tarfile.TarInfo(header.get("path", "a"))
        member.pax_headers = {name: text for name, text in header.items() if name != "path"}
        archive.addfile(member)
    return file.getvalue()


def _tar_with_negative_size() -> bytes:
    """Return a tar file whose extended header has a negative size."""
    member = tarfile.TarInfo("a")
    member.type, member.size = tarfile.XHDTYPE, -512
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    return bytes(header) + tarfile.TarInfo("b").tobuf() + bytes(1024)


def _empty_tar(count: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for number in range(count):
            archive.addfile(tarfile.TarInfo(f"{number}"))
    return file.getvalue()


def _empty_zip(count: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}", b"")
    return file.getvalue()


TAGS = (
    "!!python/object/apply:os.system ['touch {mark}']",
    "!!python/object/new:os.system ['touch {mark}']",
    "!!python/object/apply:subprocess.check_output [[touch, {mark}]]",
    "!!python/name:os.system",
    "!!python/module:os",
    "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch {mark}']",
    "!!python/tuple [1, 2]",
)


@pytest.mark.attack(
    guarantee="Untrusted suites and settings contain plain values; YAML tags create no objects.",
    attack="Python object tags in settings files, suites and --set; alias bombs",
)
def test_no_yaml_tag_is_executed(tmp_path: Path, count_attempt: CountAttempt) -> None:
    mark = tmp_path / "executed"
    path = tmp_path / "mine.yaml"
    for tag in TAGS:
        text = tag.format(mark=mark)
        path.write_text(f"name: {text}\n")
        for read in (
            read_settings_file,
            read_suite,
            lambda _, given=text: parse_assignments([f"a={given}"]),
        ):
            with pytest.raises(BenchbedError, match=r"YAML"):
                read(path)
        assert not mark.exists()
        count_attempt("tags", 3)
    alias_bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    path.write_text(alias_bomb)
    for read in (read_settings_file, read_suite):
        with pytest.raises(BenchbedError, match=r"mine\.yaml.*\b100000\b"):
            read(path)
        count_attempt("bombs")
    path.write_bytes(b"# " + bytes(2**21))
    with pytest.raises(BenchbedError, match=r"mine\.yaml.*\b1048576\b"):
        read_settings_file(path)
    count_attempt("oversized files")
    for number in ("9" * 5000, f"0x{'f' * 5000}", "1" + ":1" * 100_000):
        path.write_text(f"batch_size: {number}\n")
        for read in (read_settings_file, read_suite):
            with pytest.raises(BenchbedError, match=r"mine\.yaml.*\b100\b"):
                read(path)
        count_attempt("oversized numbers", 2)
    merges = "a: &a {x: 1}\n" + "".join(
        f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
        for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    path.write_text(merges)
    assert "<<" in _read_with_limits(path, seconds=30, memory_bytes=2**31)
    count_attempt("merge bombs")


def _read_with_limits(path: Path, *, seconds: float, memory_bytes: int) -> str:
    """Return the error for a settings file from a process with limited time and memory."""
    code = (
        f"import resource\nlimits = ({memory_bytes}, {memory_bytes})\n"
        "resource.setrlimit(resource.RLIMIT_AS, limits)\n"
        "from pathlib import Path\n"
        "from benchbed.errors import BenchbedError\n"
        "from benchbed.config.settings import read_settings_file\n"
        f"try: read_settings_file(Path({str(path)!r}))\n"
        "except BenchbedError as error: print(error)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert result.stderr == ""
    return result.stdout


class _Response:
    """Response of a server that redirects to other URLs."""

    def __init__(self, *places: str) -> None:
        self.url, self.history = places[-1], [_Response(place) for place in places[:-1]]

    def __enter__(self) -> _Response:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.attack(
    guarantee="Downloads use https, or their SHA-256 is verified.",
    attack="URLs without https, redirects to http, all declared downloads",
)
def test_downloads_use_https_or_a_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count_attempt: CountAttempt
) -> None:
    for url in ("http://example.org/a.zip", "http://localhost.evil.example/a.zip"):
        with pytest.raises(ValueError, match=re.escape(url) + ".*sha256"):
            DownloadSource(url=url, target_folder="A")
        assert DownloadSource(url=url, target_folder="A", sha256="0" * 64).url == url
        count_attempt("http without SHA-256")
    for places in (
        ("https://example.org/a", "http://example.org/a"),
        ("https://example.org/a", "http://evil.example/a", "https://example.org/b"),
    ):
        monkeypatch.setattr(requests, "get", lambda *_, found=places, **__: _Response(*found))
        download = Downloader(tmp_path / "part")
        with pytest.raises(DownloadError, match="https"):
            download(places[0], tmp_path / "file")
        assert not list(tmp_path.iterdir())
        count_attempt("redirect to http")
    for spec in get_registry().get_specs(DatasetSpec).values():
        for declared in spec.downloads:
            assert declared.url.startswith("https://") or declared.sha256, declared.url
            count_attempt("declared downloads")
