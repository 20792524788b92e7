"""Import of an archive as a run of this results folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchbed.api.settings import MethodSettings
from benchbed.api.specs import MethodSpec
from benchbed.config.paths import get_checkpoint_path
from benchbed.config.settings import parse_settings
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry, load_object
from benchbed.results.commands import format_command
from benchbed.results.lookup import read_state
from benchbed.results.record import ImportOrigin, Record
from benchbed.results.showcase import get_showcase_folder, write_showcase
from benchbed.sharing.archive import (
    HISTORY_NAME,
    PICTURE_NAMES,
    WEIGHTS_NAME,
    Archive,
    make_archive_error,
    read_archive,
)
from benchbed.sharing.archived_record import derive_plan, dump_record, read_archived_record
from benchbed.utils.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from benchbed.api.method import Method
    from benchbed.results.store import ResultStore


@dataclass(frozen=True)
class ImportCandidate:
    """A consistent archive whose method is installed."""

    archive: Archive
    record: Record
    spec: MethodSpec
    settings: MethodSettings
    notes: tuple[str, ...]


def check_archive(path: Path) -> ImportCandidate:
    """Check everything in an archive except the weights; nothing is written.

    Raises:
        ArchiveError: It is not an archive of a run, is damaged, or contradicts itself.
        BenchbedError: Its method is not installed, or does not have these settings.
    """
    archive = read_archive(path)
    record = read_archived_record(archive)
    known = get_registry().get_specs(MethodSpec)
    trained_by = archive.manifest.plugin
    if record.method not in known:
        broken = ", ".join(plugin.name for plugin in get_registry().broken_plugins)
        hint = f" Broken plugins: {broken}; run `benchbed doctor` for details." if broken else ""
        raise BenchbedError(
            f"Run {record.id} needs method {record.method!r} of {trained_by}, which is not "
            f"installed. Install it and import the run again.{hint}"
        )
    spec = known[record.method]
    installed = get_registry().find_plugin(spec).distribution
    notes = []
    if installed != trained_by:
        notes.append(
            f"The run was made with {trained_by}, but {spec.name} is installed here as "
            f"{installed}. The weights fit its networks, but the outputs may differ."
        )
    settings = parse_settings(load_object(spec.settings), record.settings, owner=spec.name)
    parsed = settings.model_dump(mode="json")
    if any(parsed[name] != value for name, value in record.settings.items()):
        raise BenchbedError(
            f"The settings of run {record.id} have a different meaning in {installed} than in "
            f"{trained_by}. Install {trained_by} to use {spec.name}."
        )
    return ImportCandidate(archive, record, spec, settings, tuple(notes))


def import_run(
    candidate: ImportCandidate, store: ResultStore, log: Callable[[str], None] = lambda text: None
) -> bool:
    """Write the run of an archive: its folder, its showcase, and its record marked as imported.

    An equal record or a showcase that exists already is not replaced.

    Returns:
        Whether something was written; False if everything exists already.

    Raises:
        ArchiveError: The weights do not fit the method.
        BenchbedError: Another run with this id exists, or the folder is not writable.
    """
    recorded = _has_equal_record(candidate, store)
    has_weights = _has_weights(candidate, store, recorded=recorded)
    tensors, method = _load_matching_method(candidate)
    if has_weights:
        _require_same_weights(candidate, store, tensors)
        return False
    folder = store.get_run_folder(candidate.record.id)
    showcase = get_showcase_folder(store.root, candidate.record.id)
    created = [path for path in (folder, showcase) if not path.exists()]
    with store.lock_run(candidate.record.id):
        try:
            _write_folder(candidate, store, tensors, method)
            if showcase in created:
                write_showcase(store, candidate.record.id, log)
            _write_record(candidate, store, recorded=recorded)
        except BaseException as error:
            # Roll back a partial import, so that it can be repeated.
            for path in created:
                shutil.rmtree(path, ignore_errors=True)
            if not recorded:
                store.get_record_path(candidate.record.id).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise BenchbedError(
                    f"Run {candidate.record.id} cannot be written: {error.strerror}. All of its "
                    "files are deleted."
                ) from error
            raise
    return True


def _has_equal_record(candidate: ImportCandidate, store: ResultStore) -> bool:
    """Return whether an equal record exists; raise an error if a different one does."""
    existing = store.load_record(candidate.record.id)
    if existing is None:
        return False
    first, second = (json.loads(dump_record(record)) for record in (existing, candidate.record))
    fields = [name for name in first if json.dumps(first[name]) != json.dumps(second[name])]
    if fields:
        raise BenchbedError(
            f"Run {existing.id} already exists and its record differs from the archive in "
            f"{', '.join(fields)}. Import to another folder with --results to have both."
        )
    return True


def _has_weights(candidate: ImportCandidate, store: ResultStore, *, recorded: bool) -> bool:
    run = candidate.record.id
    folder = store.get_run_folder(run)
    if not (folder / "run.json").exists():
        return False
    state = read_state(store, run)
    if state != "finished" or not recorded:
        record_hint = "" if recorded else " and has no record"
        raise BenchbedError(
            f"Run {run} already exists and is {state}{record_hint}. Finish it with "
            f"`{format_command(store, 'run', '--resume', run)}`, or delete it with "
            f"`{format_command(store, 'runs', 'prune', '--failed')}`."
        )
    return get_checkpoint_path(folder).is_file()


def _load_matching_method(candidate: ImportCandidate) -> tuple[dict[str, Tensor], Method[Any]]:
    """Return the tensors of the archive and the method that they fit.

    Raises:
        ArchiveError: They do not fit the method of the record.
    """
    from benchbed.api.types import DataShape
    from benchbed.sharing import tensors as tensors_module

    path, data = candidate.archive.path, candidate.archive.manifest.data
    shape = DataShape(data.channels, tuple(data.spatial), data.mask_channels, data.classes)
    try:
        expected = tensors_module.build_expected_tensors(candidate.spec, candidate.settings, shape)
    except Exception as error:  # a plugin may raise anything for a shape it does not support
        reason = f"its method cannot be built ({type(error).__name__}: {error})"
        raise make_archive_error(path, reason) from error
    size = candidate.archive.manifest.members[WEIGHTS_NAME].bytes
    if size > tensors_module.compute_max_bytes(expected):
        raise make_archive_error(
            path, f"{WEIGHTS_NAME} has {size} bytes, more than the networks of the method need"
        )
    try:
        tensors = tensors_module.from_bytes(candidate.archive.read_member(WEIGHTS_NAME))
    except BenchbedError as error:
        raise make_archive_error(path, str(error)) from error
    if (mismatch := tensors_module.find_mismatch(expected, tensors)) is not None:
        raise make_archive_error(path, mismatch)
    method: Method[Any] = load_object(candidate.spec.implementation)(candidate.settings)
    method.data = shape
    method.build(shape)
    return tensors, method


def _require_same_weights(
    candidate: ImportCandidate, store: ResultStore, tensors: dict[str, Tensor]
) -> None:
    from benchbed.sharing import tensors as tensors_module
    from benchbed.training.checkpoint import handle_state_errors, load_checkpoint

    run = candidate.record.id
    path = get_checkpoint_path(store.get_run_folder(run))
    saved = load_checkpoint(path, candidate.spec.name)
    with handle_state_errors(path):
        existing = tensors_module.to_bytes(tensors_module.flatten_state(saved["state"]))
    if existing != tensors_module.to_bytes(tensors):
        raise BenchbedError(
            f"Run {run} already exists with the same record but other weights. Import to "
            "another folder with --results to have both."
        )


def _write_folder(
    candidate: ImportCandidate, store: ResultStore, tensors: dict[str, Tensor], method: Method[Any]
) -> None:
    """Write the run's folder except ``run.json``, which marks the folder as a run."""
    from benchbed.sharing import tensors as tensors_module
    from benchbed.training.checkpoint import get_random_states, save_checkpoint

    record, archive = candidate.record, candidate.archive
    folder = store.get_run_folder(record.id)
    for name in (HISTORY_NAME, *PICTURE_NAMES):
        if name in archive.manifest.members:
            with write_atomically(folder / name) as temporary:
                temporary.write_bytes(archive.read_member(name))
    content = {
        "data": asdict(method.data),
        "state": {
            **tensors_module.unflatten_tensors(tensors),
            # Archives contain no optimiser state: the budget is spent, so training never continues.
            "optimizers": {name: o.state_dict() for name, o in method.optimizers.items()},
            "steps": record.training.steps,
            "updates": record.training.updates,
        },
        "random": get_random_states(),
        "shown": round(record.training.kimg * 1000),
        "seconds": record.training.seconds,
        "sums": {},
        "summed": {},
        "pictured": 0,
    }
    save_checkpoint(get_checkpoint_path(folder), record.method, record.id, content)


def _write_record(candidate: ImportCandidate, store: ResultStore, *, recorded: bool) -> None:
    """Write the record and then ``run.json``, last because it marks the run as complete."""
    record, archive = candidate.record, candidate.archive
    origin = ImportOrigin(
        archive_name=archive.path.name,
        sha256=archive.sha256,
        imported_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if not recorded:
        store.write_record(record.model_copy(update={"imported": origin}))
    store.write_state(
        record.id, "finished", {"plan": derive_plan(record), "imported": origin.model_dump()}
    )
