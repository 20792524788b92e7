"""Commands and dataset names to show to the user of a results folder."""

from __future__ import annotations

import re
import shlex

from benchbed.config import paths
from benchbed.data.sources.own_data import PREFIXES
from benchbed.results.record import Record
from benchbed.results.store import ResultStore

_FINGERPRINT_SUFFIX = re.compile(r" \[[0-9a-f]{6}\]$")


def format_command(store: ResultStore, *words: str) -> str:
    """Return a command, such as ``"show", RUN``, for this results folder, ready for the shell."""
    return add_results_option(store, shlex.join(["benchbed", *words]))


def add_results_option(store: ResultStore, command: str) -> str:
    """Return a command with ``--results``, unless the folder is the default."""
    root, default = store.root.resolve(), paths.resolve_results_folder(None).resolve()
    return command if root == default else f"{command} --results {shlex.quote(str(store.root))}"


def add_fingerprint(dataset: str, fingerprint: str) -> str:
    """Return the name of a dataset with the start of its fingerprint."""
    return f"{dataset} [{fingerprint[:6]}]"


def is_own_data(dataset: str) -> bool:
    """Return whether a name in a record is a user's own data, such as ``folder:NAME``."""
    return dataset.startswith(PREFIXES)


def describe_left_out_paths(record: Record) -> str:
    """Return which paths the command of a record needs; empty for named datasets."""
    upstream = [source for source in (record.pairs, record.pseudo_labels) if source is not None]
    if record.pairs is not None and record.pairs.pseudo_labels is not None:
        upstream.append(record.pairs.pseudo_labels)
    used = [record.dataset, *(source.dataset for source in upstream if source.dataset)]
    own = [_FINGERPRINT_SUFFIX.sub("", name) for name in used if is_own_data(name)]
    if not own:
        return ""
    names = dict.fromkeys(name.partition(":")[2] for name in own)
    return (
        "Records contain no paths. Run the command in the folder that contains "
        f"{' and '.join(names)}, or add the path."
    )
