"""Files of strangers: they are read, and never obeyed.

Pickles in the place of checkpoints, arrays and weights, archives that lead out of their folder or
blow up, tags in YAML, servers that lead away from https.
"""

from __future__ import annotations

import io
import os
import pickle
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
from benchbed.data.cache import read_array
from benchbed.data.download import unpack as unpacking
from benchbed.data.download.http import Downloader, DownloadError
from benchbed.data.download.unpack import UnpackError, unpack_archive
from benchbed.errors import BenchbedError
from benchbed.metrics.features.cache import _read_array
from benchbed.metrics.features.inception import create_inception_extractor
from benchbed.registry.lookup import get_registry
from benchbed.sharing.archive import read_archive
from benchbed.sharing.tensors import from_bytes
from benchbed.suites.spec import read_suite
from benchbed.training.checkpoint import load_checkpoint

Tried = Callable[..., None]


class Evil:
    """A command that whoever unpickles it carries out."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def _saved(content: object, **options: Any) -> bytes:
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
        "zip of torch": _saved(whole),
        "older file of torch": _saved(whole, _use_new_zipfile_serialization=False),
        "a whole network": _saved(torch.nn.Sequential(torch.nn.Linear(2, 2))),
        "array of objects": array.getvalue(),
    }


@pytest.mark.attack(
    promise="Checkpoints, exports and caches of strangers are read, never executed.",
    attack="hostile pickles in the place of checkpoints, arrays, features and weights",
)
def test_no_pickle_is_obeyed(tmp_path: Path, tried: Tried) -> None:
    mark = tmp_path / "executed"
    for kind, content in _pickles(mark).items():
        path = tmp_path / "file.pt"
        path.write_bytes(content)
        for read in (lambda p: load_checkpoint(p, "m"), read_array, read_archive):
            with pytest.raises(BenchbedError, match=r"file\.pt|prepared data"):
                read(path)
        with pytest.raises(BenchbedError, match="no safetensors"):
            from_bytes(content)
        assert _read_array(path, 1) is None
        assert not mark.exists(), kind
        tried(kind, 5)
    with pytest.raises(ValueError, match="does not hold the weights"):
        create_inception_extractor(weights=path, hash_prefix="")  # as if its hash were right
    assert not mark.exists()
    tried("weights of a metric")
    assert pickle.loads(pickle.dumps(Evil(mark))) == 0
    assert mark.exists(), "the pickles are harmless, and prove nothing"


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
            behind = tarfile.TarInfo(f"{name}/through.txt")
            behind.size = 1
            archive.addfile(behind, io.BytesIO(b"x"))
    return file.getvalue()


NAMES = (
    "../out.txt", "a/../../out.txt", "/tmp/benchbed-out.txt", "..\\out.txt", "C:\\out.txt",
    "\\\\host\\share", "a/..", "..", "./../out.txt",
)  # fmt: skip

HOSTILE: dict[str, list[bytes]] = {
    "zip that leads out": [_zip(name) for name in NAMES],
    "tar that leads out": [_tar(name) for name in NAMES],
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
    "name that no disk takes": [_zip("n" * 300), _tar("n" * 300)],
}  # fmt: skip


@pytest.mark.attack(
    promise="Archives of strangers unpack below their folder, or not at all.",
    attack="zip and tar files with paths that lead out, links, devices, bombs and endless names",
)
def test_no_archive_reaches_out(tmp_path: Path, tried: Tried) -> None:
    (tmp_path / "secret").write_text("secret")
    for kind, contents in HOSTILE.items():
        for content in contents:
            archive = tmp_path / "archive"
            archive.write_bytes(content)
            with pytest.raises(UnpackError):
                unpack_archive(archive, tmp_path / "in/side", lambda *_: None, lambda _: None)
            with pytest.raises(BenchbedError):
                read_archive(archive)
            inside = {p.relative_to(tmp_path / "in/side") for p in tmp_path.rglob("in/side/**/*")}
            assert inside <= {Path("fine.txt")}
            assert {p.name for p in tmp_path.iterdir()} <= {"secret", "archive", "in"}
            tried(kind)
    assert not Path("/tmp/benchbed-out.txt").exists()
    assert (tmp_path / "secret").read_text() == "secret"


@pytest.mark.attack(
    promise="Archives of strangers unpack below their folder, or not at all.",
    attack="bombs of empty members, of too many, and of what is said of one member",
)
def test_no_archive_blows_up_without_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Tried
) -> None:
    """Names take room too, in memory and on the disk."""
    archive = tmp_path / "archive"

    def refused(kind: str, content: bytes, reason: str) -> None:
        archive.write_bytes(content)
        with pytest.raises(UnpackError, match=reason):
            unpack_archive(archive, tmp_path / "inside", lambda *_: None, lambda _: None)
        assert not (tmp_path / "inside").exists()
        tried(kind)

    refused("long name", _said_of_one({"path": "n" * 2**21}, tarfile.PAX_FORMAT), "of one member")
    refused("comment", _said_of_one({"comment": "c" * 2**21}, tarfile.PAX_FORMAT), "of one member")
    refused("long name, GNU", _said_of_one({"path": "n" * 2**21}, tarfile.GNU_FORMAT), "of one")
    refused("size below zero", _below_zero(), "of one member")
    many = (_empty_tar(300), _empty_zip(300))
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "MAX_MEMBERS", 299)
        for content in many:
            refused("too many", content, "more than 299 members")
    monkeypatch.setattr(unpacking, "ALLOWED_BYTES", 1000)
    monkeypatch.setattr(unpacking, "MAX_RATIO", 1)
    for content in many:
        refused("empty", content, "more than 1 times its size")


def _said_of_one(said: dict[str, str], kind: int) -> bytes:
    """A packed tar file that says this of its one member."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=kind) as archive:
        member = tarfile.TarInfo(said.get("path", "a"))
        member.pax_headers = {name: text for name, text in said.items() if name != "path"}
        archive.addfile(member)
    return file.getvalue()


def _below_zero() -> bytes:
    """A tar file whose header before its one member has a size below zero."""
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
    promise="Suites and settings of strangers hold plain values; no tag makes an object.",
    attack="tags of Python objects in settings files, suites and --set; aliases that blow up",
)
def test_no_tag_is_obeyed(tmp_path: Path, tried: Tried) -> None:
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
            with pytest.raises(BenchbedError, match="no YAML"):
                read(path)
        assert not mark.exists()
        tried("tags", 3)
    laughs = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    path.write_text(laughs)
    for read in (read_settings_file, read_suite):
        with pytest.raises(BenchbedError, match="more than 100000 values"):
            read(path)
        tried("bombs")
    path.write_bytes(b"# " + bytes(2**21))
    with pytest.raises(BenchbedError, match="more than 1048576 bytes"):
        read_settings_file(path)
    tried("endless files")
    for number in ("9" * 5000, f"0x{'f' * 5000}", "1" + ":1" * 100_000):
        path.write_text(f"batch_size: {number}\n")
        for read in (read_settings_file, read_suite):
            with pytest.raises(BenchbedError, match="a number has more than 100 digits"):
                read(path)
        tried("endless numbers", 2)
    merges = "a: &a {x: 1}\n" + "".join(
        f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
        for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    path.write_text(merges)
    assert "merge keys (<<) are not read" in _said_within(path, seconds=30, room=2**31)
    tried("bombs of merges")


def _said_within(path: Path, *, seconds: float, room: int) -> str:
    """What is said of a settings file by a process that may take so much time and memory."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({room}, {room}))\n"
        "from pathlib import Path\n"
        "from benchbed.errors import BenchbedError\n"
        "from benchbed.config.settings import read_file\n"
        f"try: read_file(Path({str(path)!r}))\n"
        "except BenchbedError as error: print(error)"
    )
    words = [sys.executable, "-c", code]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    assert answer.stderr == ""
    return answer.stdout


class _Answer:
    """What a server that sends on to another address answers."""

    def __init__(self, *places: str) -> None:
        self.url, self.history = places[-1], [_Answer(place) for place in places[:-1]]

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.attack(
    promise="What is downloaded comes over https, or its SHA-256 is known.",
    attack="addresses without https, servers that lead away from it, all declared downloads",
)
def test_downloads_are_guarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Tried
) -> None:
    for url in ("http://example.org/a.zip", "http://localhost.evil.example/a.zip"):
        with pytest.raises(ValueError, match="needs https, or a sha256"):
            DownloadSource(url=url, target_folder="A")
        assert DownloadSource(url=url, target_folder="A", sha256="0" * 64).url == url
        tried("http without a hash")
    for places in (
        ("https://example.org/a", "http://example.org/a"),
        ("https://example.org/a", "http://evil.example/a", "https://example.org/b"),
    ):
        monkeypatch.setattr(requests, "get", lambda *_, found=places, **__: _Answer(*found))
        download = Downloader(tmp_path / "part")
        with pytest.raises(DownloadError, match="without https"):
            download(places[0], tmp_path / "file")
        assert not list(tmp_path.iterdir())
        tried("led away from https")
    for spec in get_registry().get_specs(DatasetSpec).values():
        for declared in spec.downloads:
            assert declared.url.startswith("https://") or declared.sha256, declared.url
            tried("declared downloads")
