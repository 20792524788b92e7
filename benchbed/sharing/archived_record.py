"""Check that the record in an archive agrees with the other members."""

from __future__ import annotations

from typing import Any, get_args

from benchbed.config.protocol import Precision
from benchbed.config.run_config import compute_run_hash
from benchbed.errors import BenchbedError
from benchbed.results.record import Record, parse_record, to_json_object
from benchbed.sharing.archive import (
    PROTOCOL_NAME,
    RECORD_NAME,
    SETTINGS_NAME,
    Archive,
    ArchiveError,
    make_archive_error,
    to_json_bytes,
)
from benchbed.utils.files import hash_json

_MISSING = object()


def read_archived_record(archive: Archive) -> Record:
    """Return the record of an archive.

    Raises:
        ArchiveError: It is invalid, of an unfinished run, of an unknown precision, or contradicts
            its name, the manifest, the settings or the protocol.
    """
    content = archive.read_json(RECORD_NAME)
    try:
        record = parse_record(content, f"in {archive.path}")
    except BenchbedError as error:
        raise ArchiveError(str(error)) from error
    if (reason := _find_contradiction(archive, record)) is not None:
        raise make_archive_error(archive.path, reason)
    return record


def _find_contradiction(archive: Archive, record: Record) -> str | None:
    manifest, protocol = archive.manifest, record.protocol
    facts = {
        "the run id": (manifest.run, record.id),
        "the method": (manifest.method, record.method),
        "the settings": (archive.read_json(SETTINGS_NAME), record.settings),
        "the protocol": (archive.read_json(PROTOCOL_NAME), protocol),
        "the protocol hash": (hash_json(protocol), record.protocol_hash),
        "the hash in the run id": (derive_run_hash(record), record.id.split("-")[-1]),
        "the dataset": (protocol.get("dataset"), record.dataset),
        "the source": (protocol.get("source"), record.source),
        "the fingerprint": (protocol.get("fingerprint"), record.fingerprint),
        "the task": (protocol.get("task"), record.task),
        "the size": (protocol.get("size"), manifest.data.spatial[-1]),
        "the state": (record.state, "finished"),
    }
    for name, (first, second) in facts.items():
        if first != second:
            return _describe_difference(name, first, second)
    if record.imported is not None:
        return "its record is marked as imported, which an exported record never is"
    if record.precision not in (known := get_args(Precision)):
        return f"its precision is {_clip_text(record.precision)}, not {' or '.join(known)}"
    return None


def _describe_difference(name: str, first: Any, second: Any) -> str:
    """Return the two values; in objects those of the first key that differs."""
    keys: list[str] = []
    while isinstance(first, dict) and isinstance(second, dict):
        pairs = ((k, first.get(k, _MISSING), second.get(k, _MISSING)) for k in first | second)
        key, first, second = next(pair for pair in pairs if pair[1] != pair[2])
        keys.append(key)
    place = f"{_clip_text('.'.join(keys))} in {name}" if keys else name
    return f"conflicting values of {place}: {_clip_value(first)} and {_clip_value(second)}"


def _clip_value(value: object) -> str:
    return "none" if value is _MISSING else _clip_text(value)


def derive_run_hash(record: Record) -> str:
    """Return the hash that ends the run id, computed from a record."""
    return compute_run_hash(derive_plan(record))


def derive_plan(record: Record) -> dict[str, Any]:
    """Return the plan for ``run.json`` from a record, without paths of any machine."""
    pairs = record.pairs
    masks = record.pseudo_labels or (None if pairs is None else pairs.pseudo_labels)
    same = ("id", "method", "settings", "dataset", "task", "protocol", "seed", "precision")
    return {
        **{name: getattr(record, name) for name in same},
        "metrics": [measured.metric for measured in record.metrics],
        "skip_bad": bool(record.skipped_files),
        "pairs": None if pairs is None else pairs.as_dict(),
        "masks": None if masks is None else masks.as_dict(),
        "root": None,
    }


def dump_record(record: Record) -> bytes:
    """Return a record as JSON bytes, without the origin of an import."""
    return to_json_bytes(to_json_object(record.model_copy(update={"imported": None})))


def _clip_text(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
