"""Verify every file of a dataset by decoding and hashing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbed.data.collection import Collection
from benchbed.data.duplicates import find_duplicates, remove_duplicates
from benchbed.data.fingerprint import collect_file_facts, compute_fingerprint, find_undecodable
from benchbed.data.prepare import ProgressCallback, ignore_progress


@dataclass(frozen=True)
class VerificationReport:
    """What `verify_files` found.

    Attributes:
        cases: Number of cases by split.
        fingerprint: Hash of the usable cases.
        undecodable: Files that cannot be decoded, with the reason.
        duplicates: Groups of cases whose images are equal byte for byte.
        class_conflicts: Those groups that span several classes.
        removed_duplicates: Cases that a run skips as duplicates.
        split_leaks: Those groups that still span several splits after that.
    """

    cases: dict[str, int]
    fingerprint: str
    undecodable: dict[str, str]
    duplicates: list[list[str]]
    class_conflicts: list[list[str]]
    removed_duplicates: tuple[str, ...]
    split_leaks: list[list[str]]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "cases": [f"{count} {split}" for split, count in self.cases.items()],
            "fingerprint": self.fingerprint,
            "do not decode": list(self.undecodable.values()) or "none",
            "equal images": [" = ".join(group) for group in self.duplicates] or "none",
            "equal images in two classes": [" = ".join(group) for group in self.class_conflicts] or "none",
            "left out as copies": list(self.removed_duplicates) or "none",
            "equal images in two splits": [" = ".join(group) for group in self.split_leaks] or "none",
        }


def verify_files(
    collection: Collection,
    progress: ProgressCallback = ignore_progress,
    say: Callable[[str], None] = lambda _: None,
) -> VerificationReport:
    """Examine every file of real cases; `say` is called if the facts cannot be cached."""
    total = sum(len(case.files) for case in collection.cases)
    done = iter(range(1, total + 1))
    facts = collect_file_facts(collection, lambda: progress("checking files", next(done), total), say)
    bad = find_undecodable(facts)
    usable = collection.remove_files(bad)
    equal = find_duplicates(usable, facts)
    usable = remove_duplicates(usable, equal)
    return VerificationReport(
        cases=usable.count_cases(),
        fingerprint=compute_fingerprint(usable, facts),
        undecodable={Path(path).name: reason for path, reason in bad.items()},
        duplicates=[group.ids for group in equal],
        class_conflicts=[group.ids for group in equal if len(group.labels) > 1],
        removed_duplicates=usable.duplicates,
        split_leaks=[group.ids for group in equal if len({case.split for case in group.unique_cases}) > 1],
    )
