"""Examine the files of a dataset and decide how they are read: what `run` and `verify` check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchbed.config.protocol import IntensityWindow
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.fingerprint import (
    collect_file_facts,
    compute_fingerprint,
    compute_phantom_fingerprint,
    find_undecodable,
)
from benchbed.data.sources.integrity import describe_duplicates, find_duplicates, remove_duplicates
from benchbed.data.sources.stamps import make_stamps
from benchbed.errors import BenchbedError
from benchbed.utils.progress import ProgressCallback, ignore_progress


def identify_collection(
    collection: Collection,
    *,
    skip_bad: bool = False,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
    window: IntensityWindow | None = None,
) -> tuple[Collection, str]:
    """Examine real files and compute their fingerprint; for a phantom, that of its recipe.

    Of images equal byte for byte, one is used, unless their splits are official.

    Args:
        collection: The cases.
        skip_bad: Skip files that cannot be decoded, instead of raising.
        progress: Receives progress.
        log: Receives one message on skipped duplicates, if any, and one if the cache of file facts
            is not writable.
        window: How values of more than 8 bits are read; None for the rule of the dataset.

    Returns:
        The usable cases, and the fingerprint.

    Raises:
        BenchbedError: Files cannot be decoded (the first is named, all are counted), or no training
            images are left.
    """
    if collection.source == "phantom":
        assert collection.spec.phantom is not None
        return collection, compute_phantom_fingerprint(collection.spec.phantom)
    # Before the files are hashed: one that changes meanwhile must not pass as the hashed one.
    files = {path for case in collection.cases for path in case.files.values()}
    collection = replace(collection, stamps=make_stamps(files))
    collection = replace(collection, rules=replace(collection.rules, window=window))
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
