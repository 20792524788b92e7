"""Images that are equal byte for byte: find them, and remove copies where splits are derived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchbed.data.sources.cases import Case, Collection
from benchbed.data.sources.fingerprint import (
    FileFacts,
    collect_file_facts,
    compute_fingerprint,
    find_undecodable,
)
from benchbed.utils.progress import ProgressCallback, ignore_progress


@dataclass(frozen=True)
class DuplicateGroup:
    """Cases whose images are equal byte for byte.

    Attributes:
        unique_cases: Cases that stay, sorted by id: those of official splits, else the first one.
        duplicates: Cases that are removed, sorted by id.
    """

    unique_cases: tuple[Case, ...]
    duplicates: tuple[Case, ...]

    @property
    def ids(self) -> list[str]:
        """Ids of all cases, sorted."""
        return sorted(case.id for case in (*self.unique_cases, *self.duplicates))

    @property
    def labels(self) -> set[int | None]:
        """Classes of all cases."""
        return {case.label for case in (*self.unique_cases, *self.duplicates)}


def find_duplicates(
    collection: Collection, facts: Mapping[Path, FileFacts]
) -> list[DuplicateGroup]:
    """Find groups of cases with equal images.

    Cases of official splits stay, so that results compare with those of others. A derived split
    could put copies into both training and test; so only the first case by id stays, and none if
    there is an official one. Pages of one file are different images, and so are the rows of an
    archive, which are not compared.

    Returns:
        Groups of two or more, in the order of the cases.
    """
    if collection.spec.archive is not None:
        return []
    groups: dict[tuple[str, int | None], list[Case]] = defaultdict(list)
    for case in collection.cases:
        groups[facts[case.image]["sha256"], case.page].append(case)
    return [_split_group(group) for group in groups.values() if len(group) > 1]


def _split_group(group: list[Case]) -> DuplicateGroup:
    ordered = sorted(group, key=lambda case: case.id)
    official = [case for case in ordered if case.is_official_split]
    kept = official or ordered[:1]
    return DuplicateGroup(tuple(kept), tuple(case for case in ordered if case not in kept))


def remove_duplicates(collection: Collection, groups: list[DuplicateGroup]) -> Collection:
    """Remove the duplicates of `groups`."""
    copies = {case.id for group in groups for case in group.duplicates}
    if not copies:
        return collection
    unique = tuple(case for case in collection.cases if case.id not in copies)
    return replace(collection, cases=unique, duplicates=tuple(sorted(copies)))


def describe_duplicates(collection: Collection, groups: list[DuplicateGroup]) -> str:
    """Describe the removed duplicates in one line; empty if there are none."""
    reduced = [group for group in groups if group.duplicates]
    if not reduced:
        return ""
    copies = sum(len(group.duplicates) for group in reduced)
    line = (
        f"Data: {copies} of {len(collection.cases)} images are exact duplicates and are skipped "
        f"(first: {' = '.join(reduced[0].ids)})."
    )
    mixed = [group for group in reduced if len(group.labels) > 1]
    if mixed:
        examples = ", ".join(" = ".join(group.ids) for group in mixed[:3])
        line += (
            " Some duplicates are in different classes; the class of the retained image is "
            f"used: {examples}{', ...' if len(mixed) > 3 else ''}."
        )
    return line


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
            "equal images": _join_groups(self.duplicates),
            "equal images in two classes": _join_groups(self.class_conflicts),
            "left out as copies": list(self.removed_duplicates) or "none",
            "equal images in two splits": _join_groups(self.split_leaks),
        }


def _join_groups(groups: list[list[str]]) -> list[str] | str:
    return [" = ".join(group) for group in groups] or "none"


def verify_files(
    collection: Collection,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> VerificationReport:
    """Examine every file of real cases; `log` is called if the facts cannot be cached."""
    facts = collect_file_facts(collection, progress, log)
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
        split_leaks=[
            group.ids for group in equal if len({case.split for case in group.unique_cases}) > 1
        ],
    )
