"""Export of a finished run as an archive."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec
from benchbed.errors import BenchbedError
from benchbed.files import whole
from benchbed.registry import registry
from benchbed.runs.archive import (
    CARD,
    HISTORY,
    PICTURES,
    PROTOCOL,
    RECORD,
    SETTINGS,
    WEIGHTS,
    Manifest,
    Shape,
    as_json,
    file_hash,
    write_archive,
)
from benchbed.runs.archived_record import content_of
from benchbed.runs.card import model_card
from benchbed.runs.lookup import find_record, state_of
from benchbed.training.checkpoint_file import checkpoint_in

if TYPE_CHECKING:
    from benchbed.runs.record import Record
    from benchbed.runs.store import Store


@dataclass(frozen=True)
class Export:
    """A run that passed all checks that need no weights."""

    record: Record
    folder: Path
    method: MethodSpec

    @property
    def plugin(self) -> str:
        """The distribution that provided the method in training, with its version."""
        plugin = registry().origin(self.method)
        return self.record.provenance.plugins.get(plugin.name, plugin.distribution)

    @property
    def checkpoint(self) -> Path:
        """The checkpoint file."""
        return checkpoint_in(self.folder)


@dataclass(frozen=True)
class Exported:
    """An archive that was written.

    Attributes:
        path: The file.
        sha256: Its hash.
        members: Size of each member in bytes.
        stored: Names of tensors that contain training data.
    """

    path: Path
    sha256: str
    members: dict[str, int]
    stored: tuple[str, ...]


def exportable(store: Store, run: str) -> Export:
    """Return the run with this id or prefix if it can be exported.

    Raises:
        BenchbedError: The run does not exist, is not finished, has no weights here, or its method
            is not installed.
    """
    record = find_record(store, run)
    if record.state != "finished":
        raise BenchbedError(
            f"Run {record.id} {record.state} ({record.message}), so it has no final weights to "
            "export."
        )
    method = registry().spec(MethodSpec, record.method)
    found = Export(record, store.run_folder(record.id), method)
    if not method.trains:
        raise BenchbedError(f"{method.name} is not trained, so there are no weights to export.")
    state = state_of(store, record.id) if found.folder.exists() else "finished"
    if state != "finished":
        raise BenchbedError(
            f"Run {record.id} is {state}; its record is from an earlier execution. Finish it "
            f"with: benchbed run --resume {record.id}"
        )
    if not found.checkpoint.is_file():
        raise BenchbedError(
            f"The weights of run {record.id} are missing ({found.checkpoint}): they were pruned "
            f"or are on another machine. Retrain with: {record.provenance.command}"
        )
    return found


def export(found: Export, out: Path, *, pictures: bool = True) -> Exported:
    """Write the archive of a run; equal runs give equal bytes.

    Raises:
        BenchbedError: Its checkpoint is unreadable or does not match the record, or `out` exists
            with other content.
    """
    from benchbed.runs.weights import flat, stored, to_bytes
    from benchbed.training.state import fitting, load_checkpoint

    record = found.record
    saved = load_checkpoint(found.checkpoint, record.method)
    with fitting(found.checkpoint):
        _check_checkpoint(found, saved)
        data = Shape.model_validate(json.loads(json.dumps(saved["data"])))
        tensors = flat(saved["state"])
        stored_names, weights = stored(tensors), to_bytes(tensors)
    names = [HISTORY, *(PICTURES if pictures else ())]
    files = {name: found.folder / name for name in names}
    files_content = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    members = {
        CARD: model_card(
            record,
            found.method,
            registry().specs(DatasetSpec).get(record.dataset),
            registry().specs(MetricSpec),
            plugin=found.plugin,
            stored=stored_names,
            pictures=sorted(files_content.keys() - {HISTORY}),
            history=HISTORY if HISTORY in files_content else None,
        ).encode(),
        RECORD: content_of(record),
        SETTINGS: as_json(record.settings),
        PROTOCOL: as_json(record.protocol),
        WEIGHTS: weights,
        **files_content,
    }
    manifest = Manifest(
        run=record.id,
        method=record.method,
        plugin=found.plugin,
        data=data,
        members={},
    )
    sha256 = _write(out, manifest, members)
    sizes = {name: len(content) for name, content in sorted(members.items())}
    return Exported(out, sha256, sizes, tuple(stored_names))


def _check_checkpoint(found: Export, saved: dict[str, Any]) -> None:
    record = found.record
    run, steps = str(saved["run"]), saved["state"]["steps"]
    if (run, steps) != (record.id, record.training.steps):
        raise BenchbedError(
            f"The weights in {found.checkpoint} belong to {run[:80]!r} at step {steps}, but the "
            f"record is of {record.id} at step {record.training.steps}. Retrain the run or "
            "restore the matching checkpoint."
        )


def _write(out: Path, manifest: Manifest, members: dict[str, bytes]) -> str:
    """Write to a temporary file first: an existing, different file is never overwritten."""
    try:
        with whole(out) as draft:
            sha256 = write_archive(draft, manifest, members)
            if out.exists() and file_hash(out) != sha256:
                raise BenchbedError(
                    f"{out} already exists with different content. Select another file with --out."
                )
    except OSError as error:
        raise BenchbedError(f"{out} is not writable: {error.strerror}.") from error
    return sha256
