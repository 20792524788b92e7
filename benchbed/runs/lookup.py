"""Runs by their name, or by the beginning of it, whether they left a folder or only a record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbed.errors import BenchbedError, unknown
from benchbed.runs.store import Store, busy

if TYPE_CHECKING:
    from benchbed.runs.record import Record

SHOWN = 6
"""So many runs are named where a beginning fits several."""


def run_names(store: Store) -> list[str]:
    """Every run that has a record or a folder here, in alphabetical order."""
    recorded = {path.stem for path in store.records_folder.glob("*.json")}
    return sorted(recorded.union(folder_names(store)))


def folder_names(store: Store) -> list[str]:
    """Every run that has a folder here, in alphabetical order."""
    return sorted(path.parent.name for path in store.root.glob("runs/*/run.json"))


def one_of(run: str, names: Iterable[str]) -> str:
    """The one name that is `run`, or that begins so; whole words count more than parts of one.

    Raises:
        BenchbedError: None does, or several do.
    """
    known = sorted(names)
    if run in known:
        return run
    hits = [name for name in known if run and name.startswith(run)]
    # A seed of 3 is meant, and not 30.
    hits = [name for name in hits if name.startswith(f"{run}-")] or hits
    if not hits:
        raise unknown("run", run, known, "benchbed list runs")
    if len(hits) > 1:
        more = f" and {len(hits) - SHOWN} more" if len(hits) > SHOWN else ""
        raise BenchbedError(
            f"{run!r} matches {len(hits)} runs: {', '.join(hits[:SHOWN])}{more}. Use a longer "
            "prefix; `benchbed list runs` shows all names."
        )
    return hits[0]


def find_record(store: Store, run: str) -> Record:
    """The record of a run.

    Args:
        store: The results.
        run: Its name, or the beginning of it.

    Raises:
        BenchbedError: There is no such run, or it left no record.
    """
    name = one_of(run, run_names(store))
    record = store.record(name)
    if record is None:
        raise BenchbedError(
            f"Run {name} has no record because it is {standing_of(store, name)}. Resume with: "
            f"benchbed run --resume {name}"
        )
    return record


def find_run(store: Store, run: str) -> tuple[Path, dict[str, Any]]:
    """The folder of a run and what its ``run.json`` says.

    Args:
        store: The results.
        run: Its name, or the beginning of it where no other begins so.

    Raises:
        BenchbedError: There is no such run, it left only a record, or its file cannot be read.
    """
    name = one_of(run, run_names(store))
    folder = store.run_folder(name)
    path = folder / "run.json"
    if not path.exists():
        raise BenchbedError(
            f"Run {name} has only a record here; its weights may be on the machine that trained "
            f"it. `benchbed show {name}` shows the command to repeat it."
        )
    content = _content(path)
    if not isinstance(content.get("plan"), dict):
        raise _broken(folder)
    return folder, content


_PLAN: Mapping[str, tuple[type, ...]] = {
    "method": (str,),
    "settings": (dict,),
    "dataset": (str,),
    "task": (str,),
    "metrics": (list,),
    "protocol": (dict,),
    "seed": (int,),
    "precision": (str,),
    "skip_bad": (bool,),
    "root": (str, type(None)),
}
"""What a run is carried out again from."""

_PROTOCOL: Mapping[str, tuple[type, ...]] = {
    "preset": (str,),
    "source": (str,),
    "size": (int,),
    "kimg": (int, float, type(None)),
    "seconds": (int, float, type(None)),
    "samples": (int,),
    "augment": (str,),
}


def find_plan(store: Store, run: str) -> tuple[Path, dict[str, Any]]:
    """The folder of a run and its plan, in which all is that it can be carried out from again.

    Args:
        store: The results.
        run: Its name, or the beginning of it where no other begins so.

    Raises:
        BenchbedError: As `find_run`, or something is missing in the plan.
    """
    folder, content = find_run(store, run)
    plan: dict[str, Any] = content["plan"]
    whole = (
        all(isinstance(plan.get(name, 0.0), kinds) for name, kinds in _PLAN.items())
        and all(isinstance(metric, str) for metric in plan["metrics"])
        and all(isinstance(plan["protocol"].get(n, ...), kinds) for n, kinds in _PROTOCOL.items())
        and all(isinstance(plan.get(name) or {}, dict) for name in ("pairs", "masks"))
    )
    if not whole:
        raise _broken(folder)
    return folder, plan


def _broken(folder: Path) -> BenchbedError:
    return BenchbedError(
        f"{folder / 'run.json'} is damaged and does not contain a valid plan. Delete the folder "
        f"{folder} and repeat the run."
    )


def _content(path: Path) -> dict[str, Any]:
    """What a ``run.json`` holds; nothing where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def standing_of(store: Store, name: str) -> str:
    """The state of a run for somebody to read: why it failed, and whether it was killed."""
    state = state_of(store, name)
    if state == "running" and not busy(store.run_folder(name)):
        return "killed"
    reason = _content(store.run_folder(name) / "run.json").get("error") if state == "failed" else ""
    return f"{state}: {reason}" if reason else state


def state_of(store: Store, name: str) -> str:
    """What ``run.json`` of a run says of its state; ``"unreadable"`` where it says nothing."""
    state = _content(store.run_folder(name) / "run.json").get("state")
    return state if isinstance(state, str) else "unreadable"
