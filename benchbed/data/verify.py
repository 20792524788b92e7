"""Every file of a data set, decoded and hashed: what is wrong with them?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbed.data.collection import Case, Collection
from benchbed.data.fingerprint import examine, fingerprint, undecodable
from benchbed.data.prepare import Progress, quiet


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        cases: Number of cases by split.
        fingerprint: Hash of the cases that can be used.
        undecodable: Files that do not decode, with the reason.
        duplicates: Groups of cases whose images are equal byte for byte.
        leaks: Those groups that reach over more than one split.
    """

    cases: dict[str, int]
    fingerprint: str
    undecodable: dict[str, str]
    duplicates: list[list[str]]
    leaks: list[list[str]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "cases": [f"{count} {split}" for split, count in self.cases.items()],
            "fingerprint": self.fingerprint,
            "do not decode": list(self.undecodable.values()) or "none",
            "equal images": [" = ".join(group) for group in self.duplicates] or "none",
            "equal images in two splits": [" = ".join(group) for group in self.leaks] or "none",
        }


def verify(collection: Collection, progress: Progress = quiet) -> Findings:
    """Examine every file of real cases."""
    total = sum(len(case.files) for case in collection.cases)
    done = iter(range(1, total + 1))
    facts = examine(collection, lambda: progress("checking files", next(done), total))
    bad = undecodable(facts)
    usable = collection.without(bad)
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in usable.cases:
        groups[facts[case.image]["sha256"]].append(case)
    equal = [group for group in groups.values() if len(group) > 1]
    return Findings(
        cases=usable.counts(),
        fingerprint=fingerprint(usable, facts),
        undecodable={Path(path).name: reason for path, reason in bad.items()},
        duplicates=[_names(group) for group in equal],
        leaks=[_names(group) for group in equal if len({case.split for case in group}) > 1],
    )


def _names(group: list[Case]) -> list[str]:
    return sorted(case.id for case in group)
