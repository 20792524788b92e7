"""Export of a finished run as an archive."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec
from benchbed.config.paths import get_checkpoint_path
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.results.commands import format_command
from benchbed.results.lookup import find_record, read_command, read_state
from benchbed.results.record import ShapeModel
from benchbed.sharing.archive import (
    CARD_NAME,
    HISTORY_NAME,
    MAX_MEMBER_BYTES,
    PICTURE_NAMES,
    PROTOCOL_NAME,
    RECORD_NAME,
    SETTINGS_NAME,
    WEIGHTS_NAME,
    Manifest,
    to_json_bytes,
    write_archive,
)
from benchbed.sharing.archived_record import dump_record
from benchbed.sharing.model_card import render_model_card
from benchbed.utils.files import hash_file, write_atomically
from benchbed.utils.regular_files import read_regular_file

if TYPE_CHECKING:
    from benchbed.results.record import Record
    from benchbed.results.store import ResultStore


@dataclass(frozen=True)
class ExportableRun:
    """A run that passed all checks that need no weights."""

    record: Record
    folder: Path
    method: MethodSpec

    @property
    def plugin(self) -> str:
        """The distribution that provided the method in training, with its version."""
        plugin = get_registry().find_plugin(self.method)
        return self.record.provenance.plugins.get(plugin.name, plugin.distribution)

    @property
    def checkpoint(self) -> Path:
        """The checkpoint file."""
        return get_checkpoint_path(self.folder)


@dataclass(frozen=True)
class ExportResult:
    """An archive that was written.

    Attributes:
        path: The file.
        sha256: Its hash.
        members: Size of each member in bytes.
        stored_tensors: Names of tensors that contain training data.
    """

    path: Path
    sha256: str
    members: dict[str, int]
    stored_tensors: tuple[str, ...]


def find_exportable_run(store: ResultStore, run: str) -> ExportableRun:
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
    method = get_registry().get_spec(MethodSpec, record.method)
    exportable = ExportableRun(record, store.get_run_folder(record.id), method)
    if not method.is_trainable:
        raise BenchbedError(f"{method.name} is not trained, so there are no weights to export.")
    state = read_state(store, record.id) if exportable.folder.exists() else "finished"
    if state != "finished":
        raise BenchbedError(
            f"Run {record.id} is {state}; its record is from an earlier execution. Finish it "
            f"with: {format_command(store, 'run', '--resume', record.id)}"
        )
    if not exportable.checkpoint.is_file():
        raise BenchbedError(
            f"The weights of run {record.id} are missing ({exportable.checkpoint}): they were "
            f"pruned or are on another machine. Retrain with: {read_command(store, record)}"
        )
    return exportable


def export_run(exportable: ExportableRun, out: Path, *, pictures: bool = True) -> ExportResult:
    """Write the archive of a run; equal runs give equal bytes.

    Raises:
        BenchbedError: Its checkpoint is unreadable or does not match the record, or `out` exists
            with other content.
    """
    from benchbed.sharing.tensors import find_stored_tensors, flatten_state, to_bytes
    from benchbed.training.checkpoint import handle_state_errors, load_checkpoint

    record = exportable.record
    saved = load_checkpoint(exportable.checkpoint, record.method)
    with handle_state_errors(exportable.checkpoint):
        _check_checkpoint(exportable, saved)
        data = ShapeModel.model_validate(json.loads(json.dumps(saved["data"])))
        tensors = flatten_state(saved["state"])
        stored_names, weights = find_stored_tensors(tensors), to_bytes(tensors)
    names = [HISTORY_NAME, *(PICTURE_NAMES if pictures else ())]
    files_content = _read_files(exportable.folder, names)
    members = {
        CARD_NAME: render_model_card(
            record,
            exportable.method,
            get_registry().get_specs(DatasetSpec).get(record.dataset),
            get_registry().get_specs(MetricSpec),
            plugin=exportable.plugin,
            stored=stored_names,
            pictures=sorted(files_content.keys() - {HISTORY_NAME}),
            history=HISTORY_NAME if HISTORY_NAME in files_content else None,
        ).encode(),
        RECORD_NAME: dump_record(record),
        SETTINGS_NAME: to_json_bytes(record.settings),
        PROTOCOL_NAME: to_json_bytes(record.protocol),
        WEIGHTS_NAME: weights,
        **files_content,
    }
    manifest = Manifest(
        run=record.id, method=record.method, plugin=exportable.plugin, data=data, members={}
    )
    sha256 = _write_new_archive(out, manifest, members)
    sizes = {name: len(content) for name, content in sorted(members.items())}
    return ExportResult(out, sha256, sizes, tuple(stored_names))


def _read_files(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the content of the files of a run that exist."""
    contents: dict[str, bytes] = {}
    for name in names:
        try:
            contents[name] = read_regular_file(folder / name, MAX_MEMBER_BYTES[name], root=folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise BenchbedError(
                f"{folder / name} cannot be exported: {error.strerror}. Delete it to export the "
                "run without it."
            ) from error
    return contents


def _check_checkpoint(exportable: ExportableRun, saved: dict[str, Any]) -> None:
    record = exportable.record
    run, steps = str(saved["run"]), saved["state"]["steps"]
    if (run, steps) != (record.id, record.training.steps):
        raise BenchbedError(
            f"The weights in {exportable.checkpoint} belong to {run[:80]!r} at step {steps}, but "
            f"the record is of {record.id} at step {record.training.steps}. Retrain the run or "
            "restore the matching checkpoint."
        )


def _write_new_archive(out: Path, manifest: Manifest, members: dict[str, bytes]) -> str:
    """Write to a temporary file first: an existing, different file is never overwritten."""
    try:
        with write_atomically(out) as draft:
            sha256 = write_archive(draft, manifest, members)
            if out.exists() and hash_file(out) != sha256:
                raise BenchbedError(
                    f"{out} already exists with different content. Select another file with --out."
                )
    except OSError as error:
        raise BenchbedError(f"{out} is not writable: {error.strerror}.") from error
    return sha256
