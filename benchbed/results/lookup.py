"""Look up runs by id or prefix, whether they have a folder or only a record."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbed.errors import BenchbedError, make_unknown_error
from benchbed.results.commands import add_results_option, format_command
from benchbed.results.store import ResultStore, is_locked
from benchbed.utils.content import find_content_fault
from benchbed.utils.regular_files import read_regular_file

if TYPE_CHECKING:
    from benchbed.config.run_config import RunConfig
    from benchbed.results.record import Record

MAX_RUN_FILE_BYTES = 4 * 2**20
"""Maximum size of a ``run.json`` in bytes."""

MAX_LISTED_RUNS = 6
"""Maximum number of runs named in an error about an ambiguous prefix."""


def list_run_names(store: ResultStore) -> list[str]:
    """Return the sorted ids of all runs with a record or a folder."""
    recorded = {path.stem for path in store.records_folder.glob("*.json")}
    return sorted(recorded.union(list_folder_names(store)))


def list_folder_names(store: ResultStore) -> list[str]:
    """Return the sorted ids of all runs with a folder."""
    return sorted(path.parent.name for path in store.root.glob("runs/*/run.json"))


def match_run_name(run: str, names: Iterable[str]) -> str:
    """Return the one name equal to `run` or starting with it; whole words take precedence.

    Raises:
        BenchbedError: None or several match.
    """
    known = sorted(names)
    if run in known:
        return run
    hits = [name for name in known if run and name.startswith(run)]
    # "s3" is meant to match s3, not s30.
    hits = [name for name in hits if name.startswith(f"{run}-")] or hits
    if not hits:
        raise make_unknown_error("run", run, known, "benchbed list runs")
    if len(hits) > 1:
        rest = f" and {len(hits) - MAX_LISTED_RUNS} more" if len(hits) > MAX_LISTED_RUNS else ""
        raise BenchbedError(
            f"{run!r} matches {len(hits)} runs: {', '.join(hits[:MAX_LISTED_RUNS])}{rest}. Use a "
            "longer prefix; `benchbed list runs` shows all names."
        )
    return hits[0]


def find_record(store: ResultStore, run: str) -> Record:
    """Return the record of the run with this id or unique prefix.

    Raises:
        BenchbedError: The run does not exist or has no record.
    """
    name = match_run_name(run, list_run_names(store))
    record = store.load_record(name)
    if record is None:
        raise BenchbedError(
            f"Run {name} has no record because it is {describe_state(store, name)}. Resume with: "
            f"{format_command(store, 'run', '--resume', name)}"
        )
    return record


def find_run(store: ResultStore, run: str) -> tuple[Path, dict[str, Any]]:
    """Return the folder of the run with this id or unique prefix, and its ``run.json``.

    Raises:
        BenchbedError: The run does not exist, has only a record, or its file is unreadable.
    """
    name = match_run_name(run, list_run_names(store))
    folder = store.get_run_folder(name)
    path = folder / "run.json"
    if not path.exists():
        raise BenchbedError(
            f"Run {name} has only a record here; its weights may be on the machine that trained "
            f"it. `{format_command(store, 'show', name)}` shows the command to repeat it."
        )
    content = _read_content(path)
    if not isinstance(content.get("plan"), dict):
        raise _make_broken_error(folder)
    return folder, content


def find_config(store: ResultStore, run: str) -> tuple[Path, RunConfig]:
    """Return the folder of the run with this id or unique prefix, and its configuration.

    Raises:
        BenchbedError: As `find_run`, or its plan is invalid.
    """
    from benchbed.config.run_config import RunConfig
    from benchbed.results.record import ProtocolFields

    folder, content = find_run(store, run)
    try:
        ProtocolFields.model_validate(content["plan"]["protocol"])
        return folder, RunConfig.from_plan(content["plan"])
    except BenchbedError as error:
        raise _make_broken_error(folder, f" ({str(error).rstrip('.')})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _make_broken_error(folder) from error


def _make_broken_error(folder: Path, reason: str = "") -> BenchbedError:
    return BenchbedError(
        f"{folder / 'run.json'} is damaged and does not contain a valid plan{reason}. Delete the "
        f"folder {folder} and repeat the run."
    )


def _read_content(path: Path) -> dict[str, Any]:
    """Return the content of a ``run.json``; empty if it is unreadable."""
    try:
        content = json.loads(read_regular_file(path, MAX_RUN_FILE_BYTES, root=path.parent).decode())
        if find_content_fault(content) is not None:
            return {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def describe_state(store: ResultStore, name: str) -> str:
    """Return the state of a run as text, with the reason of a failure, or ``"killed"``."""
    state = read_state(store, name)
    if state == "running" and not is_locked(store.get_run_folder(name)):
        return "killed"
    reason = (
        _read_content(store.get_run_folder(name) / "run.json").get("error")
        if state == "failed"
        else ""
    )
    return f"{state}: {reason}" if reason else state


def read_command(store: ResultStore, record: Record) -> str:
    """Return the command that repeats a run: with paths if the run was made on this machine."""
    plan = _read_content(store.get_run_folder(record.id) / "run.json").get("plan")
    command = plan.get("command") if isinstance(plan, dict) else None
    text = command if isinstance(command, str) else record.provenance.command
    return add_results_option(store, text)


def read_sources(store: ResultStore, name: str) -> dict[str, str]:
    """Return the hashes of the code that last ran, from ``run.json`` or else from the record.

    Empty if they are unknown, as for runs of older versions.
    """
    content = _read_content(store.get_run_folder(name) / "run.json")
    if "sources" not in content:
        record = store.load_record(name)
        return {} if record is None else record.provenance.sources
    sources = content["sources"]
    return sources if isinstance(sources, dict) else {}


def read_state(store: ResultStore, name: str) -> str:
    """Return the state in the run's ``run.json``; ``"unreadable"`` if it has none."""
    state = _read_content(store.get_run_folder(name) / "run.json").get("state")
    return state if isinstance(state, str) else "unreadable"
