"""Images that are equal byte for byte: find them, and remove copies where splits are derived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchbed.data.sources.cases import Case, Collection
from benchbed.data.sources.fingerprint import FileFacts
from benchbed.utils.text import format_count


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

    @property
    def is_in_several_splits(self) -> bool:
        """Whether cases that stay are in different splits."""
        return len({case.split for case in self.unique_cases}) > 1


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
    """Describe duplicates that are removed, or are in several splits; empty if there are none."""
    reduced = [group for group in groups if group.duplicates]
    if not reduced:
        return _describe_leaks(groups)
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
    return " ".join(filter(None, (line, _describe_leaks(groups))))


def _describe_leaks(groups: list[DuplicateGroup]) -> str:
    """Describe equal images in two official splits, which stay and make scores too good."""
    leaks = [group for group in groups if group.is_in_several_splits]
    if not leaks:
        return ""
    examples = ", ".join(" = ".join(group.ids) for group in leaks[:3])
    return (
        f"Data: {format_count(len(leaks), 'image')} in more than one official split, so scores are "
        f"too good: {examples}{', ...' if len(leaks) > 3 else ''}."
    )
