"""Collect the facts about a run for ``benchbed show``."""

from __future__ import annotations

from typing import Any

from benchbed.runs.lookup import match_run_name, list_run_names, describe_state
from benchbed.runs.store import ResultStore
from benchbed.training.checkpoint_file import get_checkpoint_path


def collect_run_facts(store: ResultStore, run: str) -> dict[str, Any] | None:
    """Return the facts in a run's record and folder, or None if no run id starts with `run`.

    Raises:
        BenchbedError: Several runs match, or the record is unreadable.
    """
    names = [name for name in list_run_names(store) if run and name.startswith(run)]
    if not names:
        return None
    name = match_run_name(run, names)
    folder = store.get_run_folder(name)
    location = {"folder": str(folder)} if folder.exists() else {}
    if (record := store.load_record(name)) is None:
        return {"run": name, "state": describe_state(store, name), **location}
    # Imported late: formatting as in the tables needs modules that are slow to load.
    from benchbed.cli.console import format_duration
    from benchbed.cli.plain import escape_control_characters
    from benchbed.cli.values import build_value_rows

    training, made, protocol = record.training, record.provenance, record.protocol
    weights = get_checkpoint_path(folder).is_file()
    instructions = f" with {made.instructions}" if made.instructions else ""
    facts = {
        "run": name,
        "state": f"{record.state} {record.message}".strip(),
        "imported": _describe_origin(record.imported),
        "method": record.method,
        "data set": f"{record.dataset} ({record.source}), fingerprint {record.fingerprint}",
        "cases": [f"{count} {split}" for split, count in sorted(record.case_counts.items())],
        "trained on": "; ".join(p.label for p in (record.pairs, record.pseudo_labels) if p is not None),
        "task": record.task,
        "protocol": f"{record.protocol_hash}: preset {protocol.get('preset')}, "
        f"{protocol.get('size')} px",
        "settings": [f"{key}={value}" for key, value in record.settings.items()],
        "seed": str(record.seed),
        "precision": record.precision,
        "training": f"{training.kimg:g} kimg in {training.steps} steps, "
        f"{format_duration(training.seconds)} ({training.images_per_second:.0f} images/s)",
        "parameters": [f"{key}: {count}" for key, count in training.parameters.items()],
        "made": f"{made.created_at} with benchbed {made.benchbed}, commit {made.commit or 'unknown'}"
        + (" with local changes" if made.has_local_changes else ""),
        "machine": f"{made.processor}{instructions}, {made.cores} cores, {made.device}",
        "command": made.command,
        **location,
        "weights": "here" if weights else "not here",
        "metrics": build_value_rows(record.metrics),
    }
    return {key: escape_control_characters(value) if isinstance(value, str) else value for key, value in facts.items()}


def _describe_origin(imported: Any) -> str:
    if imported is None:
        return ""
    return f"from {imported.archive}, SHA-256 {imported.sha256}, at {imported.at}"
