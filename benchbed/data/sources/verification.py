"""What ``data verify`` reports: everything that a run checks, without training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchbed.data.sources.cases import Collection
from benchbed.data.sources.identify import Examination, examine_collection
from benchbed.utils.progress import ProgressCallback, ignore_progress


@dataclass(frozen=True)
class VerificationReport:
    """What `verify_files` found.

    Attributes:
        examination: The files and the rules by which they are read.
        duplicates: Groups of cases whose images are equal byte for byte.
        class_conflicts: Those groups that span several classes.
        split_leaks: Those groups that still span several splits after duplicates are removed.
    """

    examination: Examination
    duplicates: list[list[str]]
    class_conflicts: list[list[str]]
    split_leaks: list[list[str]]

    @property
    def fingerprint(self) -> str:
        """Hash of the usable cases."""
        return self.examination.fingerprint

    @property
    def cases(self) -> dict[str, int]:
        """Number of cases by split."""
        return self.examination.collection.count_cases()

    @property
    def undecodable(self) -> dict[str, str]:
        """File names that cannot be decoded, with the reason."""
        return {path.name: reason for path, reason in self.examination.undecodable.items()}

    @property
    def removed_duplicates(self) -> tuple[str, ...]:
        """Cases that a run skips as duplicates."""
        return self.examination.collection.duplicates

    @property
    def splits_without_masks(self) -> list[str]:
        """Splits that no task on masks can use, if others have masks."""
        cases = self.examination.collection.cases
        labelled = {case.split for case in cases if case.mask is not None}
        return sorted({case.split for case in cases} - labelled) if labelled else []

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found = self.examination
        return {
            "cases": [f"{count} {split}" for split, count in self.cases.items()],
            "fingerprint": self.fingerprint,
            "do not decode": list(found.undecodable.values()) or "none",
            "equal images": _join_groups(self.duplicates),
            "equal images in two classes": _join_groups(self.class_conflicts),
            "left out as copies": list(self.removed_duplicates) or "none",
            "equal images in two splits": _join_groups(self.split_leaks),
            "splits without masks": self.splits_without_masks or "none",
            "read as": list(found.collection.rules.sentences) or "images of 8 bits",
            "problems": list(found.problems) or "none",
        }


def _join_groups(groups: list[list[str]]) -> list[str] | str:
    return [" = ".join(group) for group in groups] or "none"


def verify_files(
    collection: Collection,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> VerificationReport:
    """Examine every file of real cases; `log` is called if the facts cannot be cached."""
    found = examine_collection(collection, progress=progress, log=log)
    return VerificationReport(
        found,
        duplicates=[group.ids for group in found.duplicates],
        class_conflicts=[group.ids for group in found.duplicates if len(group.labels) > 1],
        split_leaks=[group.ids for group in found.duplicates if group.is_in_several_splits],
    )
