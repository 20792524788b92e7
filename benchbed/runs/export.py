"""A finished run as one archive, for somebody else."""

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
    """A run that can be exported: what needs no weights is checked.

    Attributes:
        record: Its record.
        folder: Its folder.
        method: Its method.
    """

    record: Record
    folder: Path
    method: MethodSpec

    @property
    def plugin(self) -> str:
        """The distribution that the method came from when the run was made."""
        plugin = registry().origin(self.method)
        return self.record.provenance.plugins.get(plugin.name, plugin.distribution)

    @property
    def checkpoint(self) -> Path:
        """The file that holds its weights."""
        return checkpoint_in(self.folder)


@dataclass(frozen=True)
class Exported:
    """An archive that was written.

    Attributes:
        path: The file.
        sha256: Its hash.
        members: Its members with their bytes.
        stored: Tensors that keep something of the training cases.
    """

    path: Path
    sha256: str
    members: dict[str, int]
    stored: tuple[str, ...]


def exportable(store: Store, run: str) -> Export:
    """A run that can be exported.

    Args:
        store: The results.
        run: Its name, or the beginning of it.

    Raises:
        BenchbedError: There is no such run, it is not finished, has no weights here, or its method
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
    """Write the archive of a run: the same bytes for the same run.

    Args:
        found: The run.
        out: The file to write.
        pictures: Take its pictures along.

    Raises:
        BenchbedError: Its checkpoint does not read or is not of its record, or `out` is another
            file already.
    """
    from benchbed.runs.weights import flat, stored, to_bytes
    from benchbed.training.state import fitting, load_checkpoint

    record = found.record
    saved = load_checkpoint(found.checkpoint, record.method)
    with fitting(found.checkpoint):
        _check_checkpoint(found, saved)
        data = Shape.model_validate(json.loads(json.dumps(saved["data"])))
        tensors = flat(saved["state"])
        kept, weights = stored(tensors), to_bytes(tensors)
    names = [HISTORY, *(PICTURES if pictures else ())]
    files = {name: found.folder / name for name in names}
    shown = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    members = {
        CARD: model_card(
            record,
            found.method,
            registry().specs(DatasetSpec).get(record.dataset),
            registry().specs(MetricSpec),
            plugin=found.plugin,
            stored=kept,
            pictures=sorted(shown.keys() - {HISTORY}),
            history=HISTORY if HISTORY in shown else None,
        ).encode(),
        RECORD: content_of(record),
        SETTINGS: as_json(record.settings),
        PROTOCOL: as_json(record.protocol),
        WEIGHTS: weights,
        **shown,
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
    return Exported(out, sha256, sizes, tuple(kept))


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
    """Write beside `out` first: a file that is there already is never replaced by another one."""
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
