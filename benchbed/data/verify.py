"""Verify every file of a dataset by decoding and hashing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbed.data.collection import Collection
from benchbed.data.duplicates import equal_images, without_copies
from benchbed.data.fingerprint import examine, fingerprint, undecodable
from benchbed.data.prepare import Progress, quiet


@dataclass(frozen=True)
class Findings:
    """What `verify_files` found.

    Attributes:
        cases: Number of cases by split.
        fingerprint: Hash of the usable cases.
        undecodable: Files that cannot be decoded, with the reason.
        duplicates: Groups of cases whose images are equal byte for byte.
        classes: Those groups that span several classes.
        copies: Cases that a run skips as duplicates.
        leaks: Those groups that still span several splits after that.
    """

    cases: dict[str, int]
    fingerprint: str
    undecodable: dict[str, str]
    duplicates: list[list[str]]
    classes: list[list[str]]
    copies: tuple[str, ...]
    leaks: list[list[str]]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "cases": [f"{count} {split}" for split, count in self.cases.items()],
            "fingerprint": self.fingerprint,
            "do not decode": list(self.undecodable.values()) or "none",
            "equal images": [" = ".join(group) for group in self.duplicates] or "none",
            "equal images in two classes": [" = ".join(group) for group in self.classes] or "none",
            "left out as copies": list(self.copies) or "none",
            "equal images in two splits": [" = ".join(group) for group in self.leaks] or "none",
        }


def verify(
    collection: Collection,
    progress: Progress = quiet,
    say: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Examine every file of real cases; `say` is called if the facts cannot be cached."""
    total = sum(len(case.files) for case in collection.cases)
    done = iter(range(1, total + 1))
    facts = examine(collection, lambda: progress("checking files", next(done), total), say)
    bad = undecodable(facts)
    usable = collection.without(bad)
    equal = equal_images(usable, facts)
    usable = without_copies(usable, equal)
    return Findings(
        cases=usable.counts(),
        fingerprint=fingerprint(usable, facts),
        undecodable={Path(path).name: reason for path, reason in bad.items()},
        duplicates=[group.ids for group in equal],
        classes=[group.ids for group in equal if len(group.labels) > 1],
        copies=usable.copies,
        leaks=[group.ids for group in equal if len({case.split for case in group.kept}) > 1],
    )
