"""Untrusted archives: any invalid byte is rejected, with a message of one line."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.results.record import Record, ShapeModel, read_record
from benchbed.runs.planner import plan_run
from benchbed.sharing import archive as format_of
from benchbed.sharing.archive import (
    ArchiveError,
    Manifest,
    read_archive,
    to_json_bytes,
    write_archive,
)
from benchbed.sharing.archived_record import derive_plan, derive_run_hash, read_archived_record
from benchbed.utils.files import hash_json

PROTOCOL = {
    "preset": "quick", "task": "synthesis", "dataset": "drive", "source": "phantom",
    "fingerprint": "f" * 16, "size": 32, "channels": 3, "framing": "fov", "augment": "none",
    "kimg": 16.0, "seconds": None, "train_split": "train", "reference_split": "train",
    "samples": 100, "selection": "last", "version": 1,
}  # fmt: skip
SETTINGS = {"batch_size": 16}
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 4, 4) + bytes(30)

RECORD: dict[str, Any] = {
    "schema_version": 1, "id": "unnamed", "state": "finished", "message": "", "method": "dcgan",
    "settings": SETTINGS, "dataset": "drive", "source": "phantom", "fingerprint": "f" * 16,
    "cases": {"train": 20}, "task": "synthesis", "protocol": PROTOCOL,
    "protocol_hash": hash_json(PROTOCOL), "seed": 0, "precision": "fp32",
    "training": {"kimg": 16, "steps": 1000, "seconds": 10.0, "images_per_second": 1600},
    "provenance": {
        "created": "2026-01-01T00:00:00+00:00", "command": "benchbed run", "commit": None,
        "dirty": None, "benchbed": "0.1.0", "plugins": {}, "libraries": {}, "python": "3.11",
        "system": "Linux", "processor": "x", "cores": 2, "threads": 1, "memory_bytes": 1,
        "device": "cpu",
    },
}  # fmt: skip
RECORD["id"] = f"dcgan-drive-32px-s0-{derive_run_hash(Record.model_validate(RECORD))}"

MEMBERS = {
    "README.md": b"# a card\n",
    "record.json": to_json_bytes(RECORD),
    "settings.json": to_json_bytes(SETTINGS),
    "protocol.json": to_json_bytes(PROTOCOL),
    "weights.safetensors": b"not real weights: no test here loads them" * 3,
    "history.csv": b"step,kimg,seconds,generator\n1,0.5,2.5,0.25\n2,1.0,5,\n3,1.5,7,nan\n",
    "samples/final.png": PNG,
}

MANIFEST = Manifest(
    run=RECORD["id"],
    method="dcgan",
    plugin="benchbed 0.1.0",
    data=ShapeModel(channels=3, spatial=[32, 32], mask_channels=0, classes=0),
    members={},
)


@pytest.fixture
def valid(tmp_path: Path) -> Path:
    """Return an archive as an export writes it."""
    write_archive(tmp_path / "valid.zip", MANIFEST, MEMBERS)
    return tmp_path / "valid.zip"


Entries = list[tuple[zipfile.ZipInfo, bytes]]


def _entries(path: Path) -> Entries:
    with zipfile.ZipFile(path) as archive:
        return [(entry, archive.read(entry)) for entry in archive.infolist()]


def _zipped(path: Path, entries: Entries) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names
        with zipfile.ZipFile(path, "w") as archive:
            for entry, content in entries:
                archive.writestr(entry, content)
    return path


def _entry(name: str, kind: int = stat.S_IFREG) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, format_of.ZIP_EPOCH)
    entry.external_attr = (kind | 0o644) << 16
    return entry


def _with_member(entries: Entries, name: str, content: bytes) -> Entries:
    """Return the entries with a member added or replaced, and listed in the manifest."""
    others = [(e, c) for e, c in entries if e.filename not in (name, "manifest.json")]
    manifest = json.loads(next(c for e, c in entries if e.filename == "manifest.json"))
    listed = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest["members"][name] = listed
    return [*others, (_entry(name), content), (_entry("manifest.json"), to_json_bytes(manifest))]


def _rejection(path: Path) -> str:
    """Return the message with which an archive is rejected, without the archive's path."""
    with pytest.raises(ArchiveError) as caught:
        read_archived_record(read_archive(path))
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text.replace(str(path), "")


def _has_all(text: str, facts: tuple[str, ...]) -> bool:
    return all(fact in text for fact in facts)


def test_a_valid_archive_is_read(valid: Path) -> None:
    archive = read_archive(valid)
    assert archive.sha256 == hashlib.sha256(valid.read_bytes()).hexdigest()
    assert {name: archive.read_member(name) for name in archive.manifest.members} == MEMBERS
    assert read_archived_record(archive).id == RECORD["id"]


def test_a_member_changed_after_opening_is_rejected(valid: Path) -> None:
    archive = read_archive(valid)
    write_archive(valid, MANIFEST, {**MEMBERS, "README.md": b"# another card\n"})
    with pytest.raises(ArchiveError, match=r"README\.md\b.*\b15\b.*\b9\b"):
        archive.read_member("README.md")


def test_equal_content_gives_equal_bytes(valid: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    sha256 = write_archive(again, MANIFEST, dict(reversed(MEMBERS.items())))
    assert again.read_bytes() == valid.read_bytes()
    assert sha256 == hashlib.sha256(valid.read_bytes()).hexdigest()
    assert {e.date_time for e, _ in _entries(again)} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("/etc/cron.d/evil", stat.S_IFREG, "absolute"),
        ("C:\\evil.png", stat.S_IFREG, "absolute"),
        ("\\\\host\\share", stat.S_IFREG, "absolute"),
        ("../evil.png", stat.S_IFREG, "outside"),
        ("samples/../../evil.png", stat.S_IFREG, "outside"),
        ("samples\\..\\evil.png", stat.S_IFREG, "outside"),
        ("samples/nearest.png", stat.S_IFLNK, "link"),
        ("samples/nearest.png", stat.S_IFIFO, "link"),
        ("samples/", stat.S_IFREG, "link"),
        ("record.json", stat.S_IFREG, "twice"),
        ("checkpoints/last.pt", stat.S_IFREG, "export"),
        ("samples/../samples/final.png", stat.S_IFREG, "outside"),
        ("SAMPLES/final.png", stat.S_IFREG, "export"),
        ("samples/final.png\0.exe", stat.S_IFREG, "export"),
    ],
)
def test_unexpected_members_are_rejected(
    valid: Path, tmp_path: Path, name: str, kind: int, reason: str
) -> None:
    entry = _entry("placeholder", kind)
    entry.filename = entry.orig_filename = name
    text = _rejection(_zipped(tmp_path / "bad.zip", [*_entries(valid), (entry, b"evil")]))
    assert _has_all(text, (repr(name), reason))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.zip", "valid.zip"]


def test_an_unlisted_member_is_rejected(valid: Path, tmp_path: Path) -> None:
    more = [*_entries(valid), (_entry("samples/nearest.png"), PNG)]
    text = _rejection(_zipped(tmp_path / "bad.zip", more))
    assert _has_all(text, ("manifest", "samples/nearest.png"))


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_a_missing_member_is_rejected(valid: Path, tmp_path: Path, name: str) -> None:
    fewer = [(e, c) for e, c in _entries(valid) if e.filename != name]
    assert repr(name) in _rejection(_zipped(tmp_path / "bad.zip", fewer))


@pytest.mark.parametrize("name", sorted(format_of.REQUIRED_MEMBERS))
def test_a_member_missing_in_the_manifest_too_is_rejected(tmp_path: Path, name: str) -> None:
    fewer = {key: content for key, content in MEMBERS.items() if key != name}
    write_archive(tmp_path / "bad.zip", MANIFEST, fewer)
    assert repr(name) in _rejection(tmp_path / "bad.zip")


def test_an_archive_without_a_manifest_is_rejected(valid: Path, tmp_path: Path) -> None:
    fewer = [(e, c) for e, c in _entries(valid) if e.filename != "manifest.json"]
    assert "manifest.json" in _rejection(_zipped(tmp_path / "bad.zip", fewer))


def test_a_zip_bomb_is_not_decompressed(valid: Path, tmp_path: Path) -> None:
    bomb = zipfile.ZipInfo("samples/nearest.png")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    path = _zipped(tmp_path / "bad.zip", [*_entries(valid), (bomb, bytes(50_000_000))])
    assert path.stat().st_size < 100_000
    assert _has_all(_rejection(path), ("samples/nearest.png", "compressed"))


def _patched(path: Path, change: Callable[[bytearray, int], None]) -> Path:
    """Return the archive with the central directory entry of its weights changed."""
    content = bytearray(path.read_bytes())
    offset = content.rfind(b"weights.safetensors") - 46
    assert content[offset : offset + 4] == b"PK\x01\x02"
    change(content, offset)
    path.write_bytes(content)
    return path


def _encrypted(content: bytearray, offset: int) -> None:
    content[offset + 8] |= 1


def _large(content: bytearray, offset: int) -> None:
    content[offset + 20 : offset + 28] = struct.pack("<II", 2**30, 2**30)


def _misstated(content: bytearray, offset: int) -> None:
    content[offset + 24 : offset + 28] = struct.pack("<I", 2**30)


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (_encrypted, ("weights.safetensors", "encrypted")),
        (_large, ("size", "archive")),
        (_misstated, ("weights.safetensors", str(2**30))),
    ],
)
def test_false_headers_are_rejected(
    valid: Path, change: Callable[[bytearray, int], None], facts: tuple[str, ...]
) -> None:
    assert _has_all(_rejection(_patched(valid, change)), facts)


def test_a_member_above_its_size_limit_is_rejected(valid: Path, tmp_path: Path) -> None:
    """README.md may have 1 MiB; its hash and size are listed correctly."""
    entries = _with_member(_entries(valid), "README.md", bytes(2**20 + 1))
    text = _rejection(_zipped(tmp_path / "bad.zip", entries))
    assert _has_all(text, ("README.md", str(2**20 + 1)))


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_content_unlike_the_manifest_is_rejected(valid: Path, tmp_path: Path, name: str) -> None:
    entries = [(e, c[:-1] + b"?" if e.filename == name else c) for e, c in _entries(valid)]
    text = _rejection(_zipped(tmp_path / "bad.zip", entries))
    expected = hashlib.sha256(MEMBERS[name]).hexdigest()
    found = hashlib.sha256(MEMBERS[name][:-1] + b"?").hexdigest()
    assert _has_all(text, ("SHA-256", name, expected, found))
    entries = [(e, c + b"?" if e.filename == name else c) for e, c in _entries(valid)]
    text = _rejection(_zipped(tmp_path / "bad.zip", entries))
    assert _has_all(text, (name, str(len(MEMBERS[name])), str(len(MEMBERS[name]) + 1)))


@given(st.data())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_flipped_bits_of_a_member_are_detected(
    valid: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(valid.read_bytes())
    with zipfile.ZipFile(valid) as archive:
        entries = archive.infolist()
    entry = data.draw(st.sampled_from(entries))
    start = entry.header_offset + 30 + len(entry.filename)
    offset = data.draw(st.integers(start, start + entry.file_size - 1))
    content[offset] ^= data.draw(st.integers(1, 255))
    (tmp_path / "flipped.zip").write_bytes(content)
    _rejection(tmp_path / "flipped.zip")


@given(st.data())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_changed_files_never_yield_other_content(
    valid: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """After changing, removing or inserting bytes: rejected, or every member is unchanged."""
    content = bytearray(valid.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        offset = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 8))
        content[offset : offset + length] = data.draw(st.binary(max_size=8))
    path = tmp_path / "changed.zip"
    path.write_bytes(content)
    try:
        archive = read_archive(path)
        members = {name: archive.read_member(name) for name in archive.manifest.members}
    except ArchiveError:
        return
    assert members == MEMBERS


@given(st.binary(max_size=300), st.booleans())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_bytes_are_rejected(tmp_path: Path, content: bytes, zipped: bool) -> None:
    """As the file itself, or as the manifest of an archive."""
    path = tmp_path / "any.zip"
    path.write_bytes(content)
    if zipped:
        entries = [(_entry(name), member) for name, member in MEMBERS.items()]
        _zipped(path, [*entries, (_entry("manifest.json"), content)])
    _rejection(path)


DATA = {"channels": 1, "spatial": [4, 4], "mask_channels": 0, "classes": 0}


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.zip", tmp_path):
        with pytest.raises(BenchbedError, match=re.escape(str(path))):
            read_archive(path)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"version": 3}, r"\b3\b.*\b2\b"),
        ({"format": "other"}, "'format'"),
        ({"run": "../x"}, "'run'"),
        ({"run": "x" * 300}, "'run'"),
        ({"extra": 1}, "'extra'"),
        ({"data": {**DATA, "channels": 0}}, "data.channels"),
        ({"data": {**DATA, "spatial": [4, 2**40]}}, "data.spatial"),
    ],
)
def test_invalid_manifests_are_rejected(
    valid: Path, tmp_path: Path, change: dict[str, Any], fact: str
) -> None:
    entries = [
        (e, to_json_bytes({**json.loads(c), **change}) if e.filename == "manifest.json" else c)
        for e, c in _entries(valid)
    ]
    assert re.search(fact, _rejection(_zipped(tmp_path / "bad.zip", entries)))


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (b"GIF89a" + bytes(60), ("PNG",)),
        (PNG[:20], ("PNG",)),
        (PNG[:16] + struct.pack(">II", 40_000, 10) + bytes(40), ("40000 x 10", "30000")),
        (PNG[:16] + struct.pack(">II", 0, 10) + bytes(40), ("0 x 10", " 1 to ")),
    ],
    ids=["gif", "cut", "too large", "empty"],
)
def test_invalid_images_are_rejected(
    tmp_path: Path, content: bytes, facts: tuple[str, ...]
) -> None:
    write_archive(tmp_path / "bad.zip", MANIFEST, {**MEMBERS, "samples/nearest.png": content})
    assert _has_all(_rejection(tmp_path / "bad.zip"), ("samples/nearest.png", *facts))


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "got 0"),
        (b"\xff\xfe", "0xff"),
        (b"step,kimg,seconds,loss\n1,2,3,=1+1\n", "'=1+1'"),
        (b"step,kimg,seconds,loss\n1,2,3\n", "rows"),
        (b"step,kimg,seconds,loss\n1,,3,4\n", "kimg"),
        (b"step,kimg,seconds,loss\n1,nan,3,4\n", "kimg"),
        (b"kimg,step,seconds,loss\n1,2,3,4\n", "'kimg, step, seconds'"),
        (b"step,kimg,seconds,loss,loss\n1,2,3,4,5\n", "'loss'"),
        (b"step,kimg,seconds" + b"".join(b",l%d" % n for n in range(200)), "203"),
        (b"step,kimg,seconds,\x1b[2J\n1,2,3,4\n", repr("\x1b[2J")),
    ],
)
def test_invalid_histories_are_rejected(tmp_path: Path, content: bytes, fact: str) -> None:
    write_archive(tmp_path / "bad.zip", MANIFEST, {**MEMBERS, "history.csv": content})
    assert _has_all(_rejection(tmp_path / "bad.zip"), ("history.csv", fact))


def test_an_archive_of_format_1_without_history_is_read(tmp_path: Path) -> None:
    members = {name: content for name, content in MEMBERS.items() if name != "history.csv"}
    write_archive(tmp_path / "old.zip", MANIFEST.model_copy(update={"version": 1}), members)
    archive = read_archive(tmp_path / "old.zip")
    assert archive.manifest.version == 1
    assert read_archived_record(archive).id == RECORD["id"]


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (b"{", ("record.json", "JSON")),
        (b"\xff\xfe", ("record.json", "JSON")),
        (b"[" * 100_000, ("record.json", "JSON")),
        (b'{"id": 1, "id": 2}', ("record.json", "JSON", "key")),
        (to_json_bytes({**RECORD, "message": "\x1b[2J"}), ("record.json", repr("\x1b[2J"))),
        (to_json_bytes({**RECORD, "settings": {"\x07": 1}}), ("record.json", repr("\x07"))),
        (to_json_bytes([]), ("Record in ", "schema_version")),
        (to_json_bytes({**RECORD, "schema_version": 9}), ("schema", "9", "1")),
        (to_json_bytes({**RECORD, "seed": "zero"}), ("'seed'",)),
        (to_json_bytes({**RECORD, "seed": 1}), ("run id", RECORD["id"].split("-")[-1])),
        (to_json_bytes({**RECORD, "id": "another-run"}), ("run id", RECORD["id"], "another-run")),
        (to_json_bytes({**RECORD, "method": "wgan"}), ("method", "'dcgan'", "'wgan'")),
        (
            to_json_bytes({**RECORD, "settings": {"batch_size": 8}}),
            ("settings", "batch_size", "16", "8"),
        ),
        (
            to_json_bytes({**RECORD, "protocol": {**PROTOCOL, "kimg": 1}}),
            ("protocol_hash", hash_json(PROTOCOL), hash_json({**PROTOCOL, "kimg": 1})),
        ),
        (
            to_json_bytes({**RECORD, "protocol_hash": "0" * 12}),
            ("protocol", "hash", hash_json(PROTOCOL), "0" * 12),
        ),
        (to_json_bytes({**RECORD, "source": "real"}), ("source", "'phantom'", "'real'")),
        (to_json_bytes({**RECORD, "fingerprint": "0"}), ("fingerprint", "f" * 16, "'0'")),
        (to_json_bytes({**RECORD, "dataset": "stare"}), ("dataset", "'drive'", "'stare'")),
        (to_json_bytes({**RECORD, "state": "diverged"}), ("state", "'finished'", "'diverged'")),
        (
            to_json_bytes({**RECORD, "imported": {"archive": "a", "sha256": "b", "at": "c"}}),
            ("imported",),
        ),
    ],
)
def test_inconsistent_records_are_rejected(
    tmp_path: Path, content: bytes, facts: tuple[str, ...]
) -> None:
    """Also where every checksum is right."""
    write_archive(tmp_path / "bad.zip", MANIFEST, {**MEMBERS, "record.json": content})
    assert _has_all(_rejection(tmp_path / "bad.zip"), facts)


def test_a_size_unlike_the_protocol_is_rejected(tmp_path: Path) -> None:
    data = ShapeModel(channels=3, spatial=[64, 64], mask_channels=0, classes=0)
    write_archive(tmp_path / "bad.zip", MANIFEST.model_copy(update={"data": data}), MEMBERS)
    assert _has_all(_rejection(tmp_path / "bad.zip"), ("size", "32", "64"))


def test_the_id_of_every_committed_run_contains_the_hash_of_its_record() -> None:
    """Including runs with synthetic pairs and with pseudo-labels."""
    paths = sorted((Path(__file__).parents[2] / "results/records").glob("*.json"))
    records = [read_record(path) for path in paths]
    assert len(records) > 50
    assert [r.id for r in records if not r.id.endswith(f"-{derive_run_hash(r)}")] == []
    assert {derive_plan(record)["id"] for record in records} == {record.id for record in records}


@pytest.mark.parametrize("share", [None, 0.5])
def test_a_record_has_the_hash_of_its_plan(share: float | None) -> None:
    """For a run on synthetic pairs, with an integer and a fractional budget."""
    planned = plan_run(
        RunConfig(
            method="unet", dataset="drive", task="augmentation", settings={}, size=64, kimg=0.5,
            regime="mixed", generator="dual-gan", generator_kimg=2.0, pairs=8, real_share=share,
        )
    )  # fmt: skip
    assert planned.pair_plan is not None
    content = {
        **RECORD, "id": planned.id, "method": "unet", "task": "augmentation",
        "settings": planned.settings.model_dump(mode="json"),
        "protocol": planned.protocol.as_dict(), "protocol_hash": planned.protocol.hash,
        "pairs": planned.as_dict()["pairs"],
    }  # fmt: skip
    record = Record.model_validate(json.loads(json.dumps(content)))
    assert planned.id.endswith(f"-{derive_run_hash(record)}")
    assert derive_plan(record)["pairs"] == planned.as_dict()["pairs"]
