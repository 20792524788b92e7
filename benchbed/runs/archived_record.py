"""Check that the record in an archive agrees with the other members."""

from __future__ import annotations

from typing import Any

from benchbed.errors import BenchbedError
from benchbed.files import digest
from benchbed.runs.archive import PROTOCOL, RECORD, SETTINGS, Archive, Refused, as_json
from benchbed.runs.identity import identity, masks_of, pairs_of
from benchbed.runs.plan_checks import PRECISIONS
from benchbed.runs.record import LentMasks, Pairs, Record, parse_record


def archived_record(archive: Archive) -> Record:
    """Return the record of an archive.

    Raises:
        ArchiveError: It is invalid, of an unfinished run, of an unknown precision, or contradicts
            its name, the manifest, the settings or the protocol.
    """
    content = archive.json(RECORD)
    try:
        record = parse_record(content, f"in {archive.path}")
    except BenchbedError as error:
        raise Refused(str(error)) from error
    if (reason := _contradiction(archive, record)) is not None:
        raise Refused(f"Archive {archive.path} is rejected: {reason}.")
    return record


def _contradiction(archive: Archive, record: Record) -> str | None:
    manifest, protocol = archive.manifest, record.protocol
    facts = {
        "the run id": (manifest.run, record.id),
        "the method": (manifest.method, record.method),
        "the settings": (archive.json(SETTINGS), record.settings),
        "the protocol": (archive.json(PROTOCOL), protocol),
        "the protocol hash": (digest(protocol), record.protocol_hash),
        "the hash in the run id": (identity_of(record), record.id.split("-")[-1]),
        "the dataset": (protocol.get("dataset"), record.dataset),
        "the source": (protocol.get("source"), record.source),
        "the fingerprint": (protocol.get("fingerprint"), record.fingerprint),
        "the task": (protocol.get("task"), record.task),
        "the size": (protocol.get("size"), manifest.data.spatial[-1]),
        "the state": (record.state, "finished"),
    }
    for name, (first, second) in facts.items():
        if first != second:
            return f"{name} is inconsistent: {_short(first)} and {_short(second)}"
    if record.imported is not None:
        return "its record is marked as imported, which an exported record never is"
    if record.precision not in PRECISIONS:
        return f"its precision is {_short(record.precision)}, not {' or '.join(PRECISIONS)}"
    return None


def identity_of(record: Record) -> str:
    """Return the hash that ends the run id, computed from a record."""
    return identity(
        method=record.method,
        settings=record.settings,
        protocol=record.protocol_hash,
        seed=record.seed,
        precision=record.precision,
        pairs=None if record.pairs is None else _pairs(record.pairs),
        masks=None if record.masks is None else _masks(record.masks),
    )


def made_plan(record: Record) -> dict[str, Any]:
    """Return the plan for ``run.json`` from a record, without paths of any machine."""
    masks = record.masks or (None if record.pairs is None else record.pairs.masks)
    return {
        "id": record.id,
        "method": record.method,
        "settings": record.settings,
        "dataset": record.dataset,
        "task": record.task,
        "metrics": [measured.metric for measured in record.metrics],
        "protocol": record.protocol,
        "seed": record.seed,
        "precision": record.precision,
        "skip_bad": bool(record.skipped),
        "pairs": None if record.pairs is None else _pairs(record.pairs),
        "masks": None if masks is None else _masks(masks),
        "root": None,
    }


def content_of(record: Record) -> bytes:
    """Return a record as JSON bytes, without the origin of an import."""
    content = record.model_dump(mode="json")
    del content["imported"]
    return as_json(content)


def _pairs(pairs: Pairs) -> dict[str, Any]:
    masks = None if pairs.masks is None else _masks(pairs.masks)
    return pairs_of(**{**dict(pairs), "masks": masks})


def _masks(masks: LentMasks) -> dict[str, Any]:
    return masks_of(**dict(masks))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
