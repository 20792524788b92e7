"""Examine the files of a dataset and decide how they are read: what `run` and `verify` check."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from benchbed.data.sources.cases import Collection
from benchbed.data.sources.fingerprint import (
    FileFacts,
    collect_file_facts,
    compute_fingerprint,
    compute_phantom_fingerprint,
    find_undecodable,
)
from benchbed.data.sources.integrity import describe_duplicates, find_duplicates, remove_duplicates
from benchbed.errors import BenchbedError
from benchbed.utils.progress import ProgressCallback, ignore_progress


def identify_collection(
    collection: Collection,
    *,
    skip_bad: bool = False,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[Collection, str]:
    """Examine real files and compute their fingerprint; for a phantom, that of its recipe.

    Of images equal byte for byte, one is used, unless their splits are official.

    Args:
        collection: The cases.
        skip_bad: Skip files that cannot be decoded, instead of raising.
        progress: Receives progress.
        log: Receives one message on skipped duplicates, if any, and one if the cache of file facts
            is not writable.

    Returns:
        The usable cases, and the fingerprint.

    Raises:
        BenchbedError: Files cannot be decoded (the first is named, all are counted), or no training
            images are left.
    """
    if collection.source == "phantom":
        assert collection.spec.phantom is not None
        return collection, compute_phantom_fingerprint(collection.spec.phantom)
    facts = collect_file_facts(collection, progress, log)
    bad = find_undecodable(facts)
    if bad and not skip_bad:
        more = f" {len(bad) - 1} more cannot be decoded." if len(bad) > 1 else ""
        raise BenchbedError(
            f"{next(iter(bad.values()))}{more} Fix the files, or skip them with --skip-bad."
        )
    collection = collection.remove_files(bad) if bad else collection
    equal = find_duplicates(collection, facts)
    if line := describe_duplicates(collection, equal):
        log(line)
    collection = remove_duplicates(collection, equal)
    if not any(case.split == "train" for case in collection.cases):
        raise BenchbedError(f"No training images found in {collection.root}.")
    return collection, compute_fingerprint(collection, facts)


@dataclass(frozen=True)
class Examination:
    """Stub of this branch."""

    collection: Collection
    facts: dict[Path, FileFacts]
    fingerprint: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def examine_collection(
    collection: Collection,
    *,
    skip_bad: bool = False,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
    window: tuple[float, float] | Literal["per-file"] | None = None,
) -> Examination:
    """Stub of this branch."""
    usable, fingerprint = identify_collection(
        collection, skip_bad=skip_bad, progress=progress, log=log
    )
    facts = collect_file_facts(usable)
    quantiles = [json.loads(f["quantiles"]) for f in facts.values() if "quantiles" in f]
    if quantiles and window is None:
        low, high = np.percentile(np.concatenate(quantiles), (0.5, 99.5))
        window = (float(low), float(high))
    usable = replace(usable, rules=replace(usable.rules, window=window))
    return Examination(usable, facts, fingerprint)
