"""Images that are equal byte for byte: found, and kept once where that is nobody's decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchbed.data.collection import Case, Collection
from benchbed.data.fingerprint import Facts


@dataclass(frozen=True)
class Equal:
    """Cases whose images are equal byte for byte.

    Attributes:
        kept: The cases that stay, sorted by id. Each is of an official split, or it is a single
            one.
        copies: The cases that are left out, sorted by id.
    """

    kept: tuple[Case, ...]
    copies: tuple[Case, ...]

    @property
    def ids(self) -> list[str]:
        """All of them, sorted."""
        return sorted(case.id for case in (*self.kept, *self.copies))

    @property
    def labels(self) -> set[int | None]:
        """Their classes."""
        return {case.label for case in (*self.kept, *self.copies)}


def equal_images(collection: Collection, facts: Mapping[Path, Facts]) -> list[Equal]:
    """Groups of cases with equal images.

    Of a group, cases of an official split stay: who compares with others has the same data. A
    split that the hash of the patient decides would tear a group apart, and the test images would
    be known from training; so of its cases the first by id stays, and none where an official one
    does.

    Args:
        collection: Real cases.
        facts: What is known of their files.

    Returns:
        Groups of two and more, in the order of the cases.
    """
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in collection.cases:
        groups[facts[case.image]["sha256"]].append(case)
    return [_divided(group) for group in groups.values() if len(group) > 1]


def _divided(group: list[Case]) -> Equal:
    ordered = sorted(group, key=lambda case: case.id)
    official = [case for case in ordered if case.official]
    kept = official or ordered[:1]
    return Equal(tuple(kept), tuple(case for case in ordered if case not in kept))


def without_copies(collection: Collection, groups: list[Equal]) -> Collection:
    """The cases without the copies of `groups`."""
    copies = {case.id for group in groups for case in group.copies}
    if not copies:
        return collection
    kept = tuple(case for case in collection.cases if case.id not in copies)
    return replace(collection, cases=kept, copies=tuple(sorted(copies)))


def told(collection: Collection, groups: list[Equal]) -> str:
    """One line for the user on the copies that were left out; empty where there is none."""
    torn = [group for group in groups if group.copies]
    if not torn:
        return ""
    copies = sum(len(group.copies) for group in torn)
    line = (
        f"Data: {copies} of {len(collection.cases)} images are exact duplicates and are skipped "
        f"(first: {' = '.join(torn[0].ids)})."
    )
    mixed = [group for group in torn if len(group.labels) > 1]
    if mixed:
        line += (
            " Some duplicates are in different classes; the class of the retained image is "
            "used: "
            f"{', '.join(' = '.join(group.ids) for group in mixed[:3])}{', ...' if len(mixed) > 3 else ''}."
        )
    return line
