"""Import of an archive as a run of this results folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchbed.api.specs import MethodSpec
from benchbed.errors import BenchbedError
from benchbed.files import whole
from benchbed.registry import load, registry
from benchbed.runs.archive import HISTORY, PICTURES, WEIGHTS, Archive, Refused, read_archive
from benchbed.runs.archived_record import archived_record, content_of, made_plan
from benchbed.runs.lookup import state_of
from benchbed.runs.record import Imported, Record
from benchbed.runs.showcase import publish, showcase_folder
from benchbed.settings import MethodSettings, parse
from benchbed.training.checkpoint_file import checkpoint_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from benchbed.api.method import Method
    from benchbed.runs.store import Store


@dataclass(frozen=True)
class Offer:
    """A consistent archive whose method is installed."""

    archive: Archive
    record: Record
    spec: MethodSpec
    settings: MethodSettings
    notes: tuple[str, ...]


def offered(path: Path) -> Offer:
    """Check everything in an archive except the weights; nothing is written.

    Raises:
        ArchiveError: It is not an archive of a run, is damaged, or contradicts itself.
        BenchbedError: Its method is not installed, or does not have these settings.
    """
    archive = read_archive(path)
    record = archived_record(archive)
    known = registry().specs(MethodSpec)
    trained_by = archive.manifest.plugin
    if record.method not in known:
        broken = ", ".join(plugin.name for plugin in registry().broken)
        hint = f" Broken plugins: {broken}; run `benchbed doctor` for details." if broken else ""
        raise BenchbedError(
            f"Run {record.id} needs method {record.method!r} of {trained_by}, which is not "
            f"installed. Install it and import the run again.{hint}"
        )
    spec = known[record.method]
    installed = registry().origin(spec).distribution
    notes = []
    if installed != trained_by:
        notes.append(
            f"The run was made with {trained_by}, but {spec.name} is installed here as "
            f"{installed}. The weights fit its networks, but the outputs may differ."
        )
    settings = parse(load(spec.settings), record.settings, owner=spec.name)
    parsed = settings.model_dump(mode="json")
    if any(parsed[name] != value for name, value in record.settings.items()):
        raise BenchbedError(
            f"The settings of run {record.id} have a different meaning in {installed} than in "
            f"{trained_by}. Install {trained_by} to use {spec.name}."
        )
    return Offer(archive, record, spec, settings, tuple(notes))


def install(offer: Offer, store: Store, say: Callable[[str], None] = lambda text: None) -> bool:
    """Write the run of an archive: its folder, its showcase, and its record marked as imported.

    An equal record or a showcase that exists already is not replaced.

    Returns:
        Whether something was written; False if everything exists already.

    Raises:
        ArchiveError: The weights do not fit the method.
        BenchbedError: Another run with this id exists, or the folder is not writable.
    """
    recorded = _recorded(offer, store)
    has_weights = _weights_there(offer, store, recorded=recorded)
    tensors, method = _fitted(offer)
    if has_weights:
        _demand_same_weights(offer, store, tensors)
        return False
    folder = store.run_folder(offer.record.id)
    showcase = showcase_folder(store.root, offer.record.id)
    created = [path for path in (folder, showcase) if not path.exists()]
    with store.locked(offer.record.id):
        try:
            _write_folder(offer, store, tensors, method)
            if showcase in created:
                publish(store, offer.record.id, say)
            _write_record(offer, store, recorded=recorded)
        except BaseException as error:
            # Roll back a partial import, so that it can be repeated.
            for path in created:
                shutil.rmtree(path, ignore_errors=True)
            if not recorded:
                store.record_path(offer.record.id).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise BenchbedError(
                    f"Run {offer.record.id} cannot be written: {error.strerror}. All of its "
                    "files are deleted."
                ) from error
            raise
    return True


def _recorded(offer: Offer, store: Store) -> bool:
    """Return whether an equal record exists; raise an error if a different one does."""
    existing = store.record(offer.record.id)
    if existing is None:
        return False
    first, second = (json.loads(content_of(record)) for record in (existing, offer.record))
    fields = [name for name in first if json.dumps(first[name]) != json.dumps(second[name])]
    if fields:
        raise BenchbedError(
            f"Run {existing.id} already exists and its record differs from the archive in "
            f"{', '.join(fields)}. Import to another folder with --results to have both."
        )
    return True


def _weights_there(offer: Offer, store: Store, *, recorded: bool) -> bool:
    run = offer.record.id
    folder = store.run_folder(run)
    if not (folder / "run.json").exists():
        return False
    state = state_of(store, run)
    if state != "finished" or not recorded:
        record_hint = "" if recorded else " and has no record"
        raise BenchbedError(
            f"Run {run} already exists and is {state}{record_hint}. Finish it with `benchbed run "
            f"--resume {run}`, or delete it with `benchbed runs prune --failed`."
        )
    return checkpoint_in(folder).is_file()


def _fitted(offer: Offer) -> tuple[dict[str, Tensor], Method[Any]]:
    """Return the tensors of the archive and the method that they fit.

    Raises:
        ArchiveError: They do not fit the method of the record.
    """
    from benchbed.api.types import DataShape
    from benchbed.runs import weights

    data = offer.archive.manifest.data
    shape = DataShape(data.channels, tuple(data.spatial), data.mask_channels, data.classes)
    try:
        expected = weights.wanted(offer.spec, offer.settings, shape)
    except Exception as error:  # a plugin may raise anything for a shape it does not support
        reason = f"its method cannot be built ({type(error).__name__}: {error})"
        raise _unfit(offer, reason) from error
    size = offer.archive.manifest.members[WEIGHTS].bytes
    if size > weights.largest(expected):
        raise _unfit(
            offer, f"{WEIGHTS} has {size} bytes, more than the networks of the method need"
        )
    try:
        tensors = weights.from_bytes(offer.archive.read(WEIGHTS))
    except BenchbedError as error:
        raise _unfit(offer, str(error)) from error
    if (mismatch := weights.misfit(expected, tensors)) is not None:
        raise _unfit(offer, mismatch)
    method: Method[Any] = load(offer.spec.implementation)(offer.settings)
    method.data = shape
    method.build(shape)
    return tensors, method


def _unfit(offer: Offer, reason: str) -> Refused:
    return Refused(f"Archive {offer.archive.path} is rejected: {reason}.")


def _demand_same_weights(offer: Offer, store: Store, tensors: dict[str, Tensor]) -> None:
    from benchbed.runs import weights
    from benchbed.training.state import fitting, load_checkpoint

    run = offer.record.id
    path = checkpoint_in(store.run_folder(run))
    saved = load_checkpoint(path, offer.spec.name)
    with fitting(path):
        existing = weights.to_bytes(weights.flat(saved["state"]))
    if existing != weights.to_bytes(tensors):
        raise BenchbedError(
            f"Run {run} already exists with the same record but other weights. Import to "
            "another folder with --results to have both."
        )


def _write_folder(
    offer: Offer, store: Store, tensors: dict[str, Tensor], method: Method[Any]
) -> None:
    """Write the run's folder except ``run.json``, which marks the folder as a run."""
    from benchbed.runs import weights
    from benchbed.training.state import random_states, save_checkpoint

    record, archive = offer.record, offer.archive
    folder = store.run_folder(record.id)
    for name in (HISTORY, *PICTURES):
        if name in archive.manifest.members:
            with whole(folder / name) as temporary:
                temporary.write_bytes(archive.read(name))
    content = {
        "data": asdict(method.data),
        "state": {
            **weights.nested(tensors),
            # Archives contain no optimiser state: the budget is spent, so training never continues.
            "optimizers": {name: o.state_dict() for name, o in method.optimizers.items()},
            "steps": record.training.steps,
            "updates": record.training.updates,
        },
        "random": random_states(),
        "shown": round(record.training.kimg * 1000),
        "seconds": record.training.seconds,
        "sums": {},
        "summed": {},
        "pictured": 0,
    }
    save_checkpoint(checkpoint_in(folder), record.method, record.id, content)


def _write_record(offer: Offer, store: Store, *, recorded: bool) -> None:
    """Write the record and then ``run.json``, last because it marks the run as complete."""
    record, archive = offer.record, offer.archive
    origin = Imported(
        archive=archive.path.name,
        sha256=archive.sha256,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if not recorded:
        store.write_record(record.model_copy(update={"imported": origin}))
    store.write_state(
        record.id, "finished", {"plan": made_plan(record), "imported": origin.model_dump()}
    )
