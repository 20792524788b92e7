"""Archives of strangers: what is not sound in every byte is refused, with one sentence."""

from __future__ import annotations

import hashlib
import json
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

from benchbed.errors import BenchbedError
from benchbed.files import digest
from benchbed.runs import archive as format_of
from benchbed.runs.archive import Manifest, Refused, Shape, as_json, read_archive, write_archive
from benchbed.runs.archived_record import archived_record, identity_of, made_plan
from benchbed.runs.plan import plan
from benchbed.runs.record import Record, read_record
from benchbed.runs.request import Request

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
    "protocol_hash": digest(PROTOCOL), "seed": 0, "precision": "fp32",
    "training": {"kimg": 16, "steps": 1000, "seconds": 10.0, "images_per_second": 1600},
    "provenance": {
        "created": "2026-01-01T00:00:00+00:00", "command": "benchbed run", "commit": None,
        "dirty": None, "benchbed": "0.1.0", "plugins": {}, "libraries": {}, "python": "3.11",
        "system": "Linux", "processor": "x", "cores": 2, "threads": 1, "memory_bytes": 1,
        "device": "cpu",
    },
}  # fmt: skip
RECORD["id"] = f"dcgan-drive-32px-s0-{identity_of(Record.model_validate(RECORD))}"

MEMBERS = {
    "README.md": b"# a card\n",
    "record.json": as_json(RECORD),
    "settings.json": as_json(SETTINGS),
    "protocol.json": as_json(PROTOCOL),
    "weights.safetensors": b"no weights, for nobody loads them here" * 3,
    "history.csv": b"step,kimg,seconds,generator\n1,0.5,2.5,0.25\n2,1.0,5,\n3,1.5,7,nan\n",
    "samples/final.png": PNG,
}

MANIFEST = Manifest(
    run=RECORD["id"],
    method="dcgan",
    plugin="benchbed 0.1.0",
    data=Shape(channels=3, spatial=[32, 32], mask_channels=0, classes=0),
    members={},
)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """An archive as an export writes it."""
    write_archive(tmp_path / "sound.zip", MANIFEST, MEMBERS)
    return tmp_path / "sound.zip"


Entries = list[tuple[zipfile.ZipInfo, bytes]]


def _entries(path: Path) -> Entries:
    with zipfile.ZipFile(path) as archive:
        return [(entry, archive.read(entry)) for entry in archive.infolist()]


def _zipped(path: Path, entries: Entries) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice
        with zipfile.ZipFile(path, "w") as archive:
            for entry, content in entries:
                archive.writestr(entry, content)
    return path


def _entry(name: str, kind: int = stat.S_IFREG) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, format_of.EPOCH)
    entry.external_attr = (kind | 0o644) << 16
    return entry


def _listed(entries: Entries, name: str, content: bytes) -> Entries:
    """The entries with another one, or with another content of one, that the manifest lists."""
    others = [(e, c) for e, c in entries if e.filename not in (name, "manifest.json")]
    manifest = json.loads(next(c for e, c in entries if e.filename == "manifest.json"))
    said = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest["members"][name] = said
    return [*others, (_entry(name), content), (_entry("manifest.json"), as_json(manifest))]


def _refusal(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        archived_record(read_archive(path))
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_sound_archive_is_read(sound: Path) -> None:
    archive = read_archive(sound)
    assert archive.sha256 == hashlib.sha256(sound.read_bytes()).hexdigest()
    assert {name: archive.read(name) for name in archive.manifest.members} == MEMBERS
    assert archived_record(archive).id == RECORD["id"]


def test_the_same_content_is_the_same_bytes(sound: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    sha256 = write_archive(again, MANIFEST, dict(reversed(MEMBERS.items())))
    assert again.read_bytes() == sound.read_bytes()
    assert sha256 == hashlib.sha256(sound.read_bytes()).hexdigest()
    assert {e.date_time for e, _ in _entries(again)} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("/etc/cron.d/evil", stat.S_IFREG, "an absolute path"),
        ("C:\\evil.png", stat.S_IFREG, "an absolute path"),
        ("\\\\host\\share", stat.S_IFREG, "an absolute path"),
        ("../evil.png", stat.S_IFREG, "leads out of its folder"),
        ("samples/../../evil.png", stat.S_IFREG, "leads out of its folder"),
        ("samples\\..\\evil.png", stat.S_IFREG, "leads out of its folder"),
        ("samples/nearest.png", stat.S_IFLNK, "a link, a folder or a device"),
        ("samples/nearest.png", stat.S_IFIFO, "a link, a folder or a device"),
        ("samples/", stat.S_IFREG, "a link, a folder or a device"),
        ("record.json", stat.S_IFREG, "twice"),
        ("checkpoints/last.pt", stat.S_IFREG, "no export of a run has"),
        ("samples/../samples/final.png", stat.S_IFREG, "leads out of its folder"),
        ("SAMPLES/final.png", stat.S_IFREG, "no export of a run has"),
        ("samples/final.png\0.exe", stat.S_IFREG, "no export of a run has"),
    ],
)
def test_members_that_no_export_has(
    sound: Path, tmp_path: Path, name: str, kind: int, words: str
) -> None:
    entry = _entry("placeholder", kind)
    entry.filename = entry.orig_filename = name
    assert words in _refusal(_zipped(tmp_path / "bad.zip", [*_entries(sound), (entry, b"evil")]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.zip", "sound.zip"]


def test_a_member_that_is_not_listed(sound: Path, tmp_path: Path) -> None:
    more = [*_entries(sound), (_entry("samples/nearest.png"), PNG)]
    text = _refusal(_zipped(tmp_path / "bad.zip", more))
    assert "the manifest does not list samples/nearest.png" in text


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_a_member_that_is_missing(sound: Path, tmp_path: Path, name: str) -> None:
    fewer = [(e, c) for e, c in _entries(sound) if e.filename != name]
    assert f"'{name}' is missing" in _refusal(_zipped(tmp_path / "bad.zip", fewer))


@pytest.mark.parametrize("name", sorted(format_of.REQUIRED))
def test_a_member_that_is_neither_there_nor_listed(tmp_path: Path, name: str) -> None:
    fewer = {key: content for key, content in MEMBERS.items() if key != name}
    write_archive(tmp_path / "bad.zip", MANIFEST, fewer)
    assert f"'{name}' is missing" in _refusal(tmp_path / "bad.zip")


def test_an_archive_without_a_manifest(sound: Path, tmp_path: Path) -> None:
    fewer = [(e, c) for e, c in _entries(sound) if e.filename != "manifest.json"]
    assert "no manifest.json" in _refusal(_zipped(tmp_path / "bad.zip", fewer))


def test_a_bomb_is_not_unpacked(sound: Path, tmp_path: Path) -> None:
    bomb = zipfile.ZipInfo("samples/nearest.png")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    path = _zipped(tmp_path / "bad.zip", [*_entries(sound), (bomb, bytes(50_000_000))])
    assert path.stat().st_size < 100_000
    assert "packed or encrypted" in _refusal(path)


def _patched(path: Path, change: Callable[[bytearray, int], None]) -> Path:
    """The archive with the central entry of its weights changed."""
    content = bytearray(path.read_bytes())
    place = content.rfind(b"weights.safetensors") - 46
    assert content[place : place + 4] == b"PK\x01\x02"
    change(content, place)
    path.write_bytes(content)
    return path


def _encrypted(content: bytearray, place: int) -> None:
    content[place + 8] |= 1


def _large(content: bytearray, place: int) -> None:
    content[place + 20 : place + 28] = struct.pack("<II", 2**30, 2**30)


def _lying(content: bytearray, place: int) -> None:
    content[place + 24 : place + 28] = struct.pack("<I", 2**30)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_encrypted, "packed or encrypted"),
        (_large, "larger than the archive"),
        (_lying, "too large"),
    ],
)
def test_headers_that_lie(
    sound: Path, change: Callable[[bytearray, int], None], words: str
) -> None:
    assert words in _refusal(_patched(sound, change))


def test_a_member_beyond_its_bound(sound: Path, tmp_path: Path) -> None:
    """README.md may have a mebibyte; the hash and the list are right."""
    entries = _listed(_entries(sound), "README.md", bytes(2**20 + 1))
    assert "too large" in _refusal(_zipped(tmp_path / "bad.zip", entries))


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_another_content_than_listed(sound: Path, tmp_path: Path, name: str) -> None:
    entries = [(e, c[:-1] + b"?" if e.filename == name else c) for e, c in _entries(sound)]
    assert "another SHA-256" in _refusal(_zipped(tmp_path / "bad.zip", entries))
    entries = [(e, c + b"?" if e.filename == name else c) for e, c in _entries(sound)]
    assert "as listed" in _refusal(_zipped(tmp_path / "bad.zip", entries))


@given(st.data())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_flip_of_any_bits_of_any_member_is_found(
    sound: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(sound.read_bytes())
    with zipfile.ZipFile(sound) as archive:
        entries = archive.infolist()
    entry = data.draw(st.sampled_from(entries))
    start = entry.header_offset + 30 + len(entry.filename)
    place = data.draw(st.integers(start, start + entry.file_size - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "flipped.zip").write_bytes(content)
    _refusal(tmp_path / "flipped.zip")


@given(st.data())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_done_to_the_file_no_other_content_is_read(
    sound: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """Bytes changed, cut out or put in anywhere: refused, or every member is as it was."""
    content = bytearray(sound.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 8))
        content[place : place + length] = data.draw(st.binary(max_size=8))
    path = tmp_path / "changed.zip"
    path.write_bytes(content)
    try:
        archive = read_archive(path)
        found = {name: archive.read(name) for name in archive.manifest.members}
    except Refused:
        return
    assert found == MEMBERS


@given(st.binary(max_size=300), st.booleans())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_at_all_are_refused(tmp_path: Path, content: bytes, zipped: bool) -> None:
    """As the file, and as the manifest of one."""
    path = tmp_path / "any.zip"
    path.write_bytes(content)
    if zipped:
        entries = [(_entry(name), made) for name, made in MEMBERS.items()]
        _zipped(path, [*entries, (_entry("manifest.json"), content)])
    _refusal(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.zip", tmp_path):
        with pytest.raises(BenchbedError, match="There is no archive"):
            read_archive(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 3}, "format 3, and this benchbed reads up to 2"),
        ({"format": "other"}, "'format'"),
        ({"run": "../x"}, "'run'"),
        ({"run": "x" * 300}, "'run'"),
        ({"extra": 1}, "'extra'"),
        ({"data": {"channels": 0, "spatial": [4, 4], "mask_channels": 0, "classes": 0}}, "channel"),
        ({"data": {"channels": 1, "spatial": [4, 2**40], "mask_channels": 0, "classes": 0}}, "spa"),
    ],
)
def test_manifests_that_are_none(
    sound: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    entries = [
        (e, as_json({**json.loads(c), **change}) if e.filename == "manifest.json" else c)
        for e, c in _entries(sound)
    ]
    assert words in _refusal(_zipped(tmp_path / "bad.zip", entries))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"GIF89a" + bytes(60), "is no PNG"),
        (PNG[:20], "is no PNG"),
        (PNG[:16] + struct.pack(">II", 40_000, 10) + bytes(40), "40000 x 10 pixels"),
        (PNG[:16] + struct.pack(">II", 0, 10) + bytes(40), "0 x 10 pixels"),
    ],
)
def test_pictures_that_are_none(tmp_path: Path, content: bytes, words: str) -> None:
    write_archive(tmp_path / "bad.zip", MANIFEST, {**MEMBERS, "samples/nearest.png": content})
    assert words in _refusal(tmp_path / "bad.zip")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no course of a run"),
        (b"\xff\xfe", "no course of a run"),
        (b"step,kimg,seconds,loss\n1,2,3,=1+1\n", "could not convert"),
        (b"step,kimg,seconds,loss\n1,2,3\n", "not equally long"),
        (b"step,kimg,seconds,loss\n1,,3,4\n", "does not say where it stands"),
        (b"step,kimg,seconds,loss\n1,nan,3,4\n", "does not say where it stands"),
        (b"kimg,step,seconds,loss\n1,2,3,4\n", "the columns of a course"),
        (b"step,kimg,seconds,loss,loss\n1,2,3,4,5\n", "the columns of a course"),
        (b"step,kimg,seconds" + b"".join(b",l%d" % n for n in range(200)), "the columns of a"),
        (b"step,kimg,seconds,\x1b[2J\n1,2,3,4\n", "control characters"),
    ],
)
def test_histories_that_are_none(tmp_path: Path, content: bytes, words: str) -> None:
    write_archive(tmp_path / "bad.zip", MANIFEST, {**MEMBERS, "history.csv": content})
    assert words in _refusal(tmp_path / "bad.zip")


def test_an_archive_of_the_first_format_is_read(tmp_path: Path) -> None:
    """It had no history."""
    members = {name: content for name, content in MEMBERS.items() if name != "history.csv"}
    write_archive(tmp_path / "old.zip", MANIFEST.model_copy(update={"version": 1}), members)
    archive = read_archive(tmp_path / "old.zip")
    assert archive.manifest.version == 1
    assert archived_record(archive).id == RECORD["id"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"id": 1, "id": 2}', "twice"),
        (as_json({**RECORD, "message": "\x1b[2J"}), "control characters"),
        (as_json({**RECORD, "settings": {"\x07": 1}}), "control characters"),
        (as_json([]), "no schema_version"),
        (as_json({**RECORD, "schema_version": 9}), "schema 9"),
        (as_json({**RECORD, "seed": "zero"}), "'seed'"),
        (as_json({**RECORD, "seed": 1}), "the run's name and what it is a hash of"),
        (as_json({**RECORD, "id": "another-run"}), "the run's name"),
        (as_json({**RECORD, "method": "wgan"}), "the method"),
        (as_json({**RECORD, "settings": {"batch_size": 8}}), "the settings"),
        (as_json({**RECORD, "protocol": {**PROTOCOL, "kimg": 1}}), "the protocol"),
        (as_json({**RECORD, "protocol_hash": "0" * 12}), "the protocol's hash"),
        (as_json({**RECORD, "source": "real"}), "the source"),
        (as_json({**RECORD, "fingerprint": "0"}), "the fingerprint"),
        (as_json({**RECORD, "dataset": "stare"}), "the data set"),
        (as_json({**RECORD, "state": "diverged"}), "the state"),
        (
            as_json({**RECORD, "imported": {"archive": "a", "sha256": "b", "at": "c"}}),
            "says that it was imported",
        ),
    ],
)
def test_records_that_contradict_the_archive(tmp_path: Path, content: bytes, words: str) -> None:
    """Every checksum is right: the archive was made so."""
    write_archive(tmp_path / "bad.zip", MANIFEST, {**MEMBERS, "record.json": content})
    assert words in _refusal(tmp_path / "bad.zip")


def test_a_size_that_is_not_the_protocols(tmp_path: Path) -> None:
    data = Shape(channels=3, spatial=[64, 64], mask_channels=0, classes=0)
    write_archive(tmp_path / "bad.zip", MANIFEST.model_copy(update={"data": data}), MEMBERS)
    assert "over the size: 32 and 64" in _refusal(tmp_path / "bad.zip")


def test_the_name_of_every_committed_run_is_the_hash_of_its_record() -> None:
    """Runs with pairs and with lent masks among them."""
    paths = sorted((Path(__file__).parents[2] / "results/records").glob("*.json"))
    records = [read_record(path) for path in paths]
    assert len(records) > 50
    assert [r.id for r in records if not r.id.endswith(f"-{identity_of(r)}")] == []
    assert {made_plan(record)["id"] for record in records} == {record.id for record in records}


@pytest.mark.parametrize("share", [None, 0.5])
def test_a_record_has_the_hash_of_its_plan(share: float | None) -> None:
    """Of a run that learns from synthetic pairs, with a budget that is no whole number, or is."""
    made = plan(
        Request(
            method="unet", dataset="drive", task="augmentation", settings={}, size=64, kimg=0.5,
            regime="mixed", generator="dual-gan", generator_kimg=2.0, pairs=8, real_share=share,
        )
    )  # fmt: skip
    assert made.pairs is not None
    content = {
        **RECORD, "id": made.id, "method": "unet", "task": "augmentation",
        "settings": made.settings.model_dump(mode="json"), "protocol": made.protocol.as_dict(),
        "protocol_hash": made.protocol.hash, "pairs": made.pairs.as_dict(),
    }  # fmt: skip
    record = Record.model_validate(json.loads(json.dumps(content)))
    assert made.id.endswith(f"-{identity_of(record)}")
    assert made_plan(record)["pairs"] == made.pairs.as_dict()
