"""Whether the files of each case match: sizes, positions, pages and channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from benchbed.api.specs import DatasetSpec
from benchbed.data.io.geometry import measure_offset, parse_geometry
from benchbed.data.sources.cases import MASK_ROLES, Case, Collection
from benchbed.utils.text import format_count

Facts = Mapping[str, str]

SHOWN_CASES = 3
"""Number of cases whose mismatches are described one by one."""

MAX_OFFSET_VOXELS = 1.0
"""Maximum offset between the files of one case in voxels, since headers are rounded."""


def find_mismatches(collection: Collection, facts: Mapping[Path, Facts]) -> list[str]:
    """Return sentences on cases whose files do not match each other: the first, and how many."""
    found = [[*_check_case(case, collection.spec, facts)] for case in collection.cases]
    wrong = [sentences for sentences in found if sentences]
    problems = [sentence for sentences in wrong[:SHOWN_CASES] for sentence in sentences]
    if len(wrong) > SHOWN_CASES:
        more = format_count(len(wrong) - SHOWN_CASES, "more case")
        problems.append(f"{more} with files that do not match.")
    return problems


def find_partial_roles(collection: Collection) -> list[str]:
    """Return a sentence for every role that only some cases of a split have.

    A case without a mask would be prepared with an empty one.
    """
    problems: list[str] = []
    for split in sorted({case.split for case in collection.cases}):
        cases = [case for case in collection.cases if case.split == split]
        # A missing field of view is detected where the dataset can.
        for role in ("mask",) if collection.spec.fov_detector else ("mask", "fov"):
            missing = [case.id for case in cases if role not in case.files]
            if missing and len(missing) < len(cases):
                problems.append(
                    f"{len(missing)} of {len(cases)} images in split {split} have no {role}: "
                    f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}. Complete or "
                    "remove them."
                )
    return problems


def _check_case(case: Case, spec: DatasetSpec, facts: Mapping[Path, Facts]) -> Iterator[str]:
    image = facts[case.image]
    if spec.volumes is None:
        yield from _check_pages(case, image, facts)
    else:
        yield from _check_channels(case, spec, image)
    for role, path in case.files.items():
        if role == "image" or role.startswith("slice"):
            continue
        entry = facts[path]
        kind = "mask" if role in MASK_ROLES else "sequence"
        size, own_size = _get_size(image), _get_size(entry)
        if own_size != size:
            yield (
                f"{path} has {_format(own_size)}, but its image {case.image} has {_format(size)}. "
                f"A {kind} must have the size of its image."
            )
        elif spec.volumes is not None and "affine" in entry and "affine" in image:
            yield from _check_position(path, entry, case.image, image)


def _get_size(entry: Facts) -> list[str]:
    """Return ``(D, H, W)`` or ``(H, W)``, without channels."""
    return entry["shape"].split("x")[-3:]


def _format(size: Iterable[str]) -> str:
    lengths = [*size]
    unit = "voxels" if len(lengths) == 3 else "pixels"
    return f"{' x '.join(reversed(lengths))} {unit}"


def _check_position(path: Path, entry: Facts, image: Path, image_entry: Facts) -> Iterator[str]:
    offset = measure_offset(parse_geometry(entry), parse_geometry(image_entry))
    if offset > MAX_OFFSET_VOXELS:
        yield (
            f"{path} is offset by {offset:.3g} voxels from {image} according to the header "
            "affines. Files of one case must be aligned."
        )


def _check_pages(case: Case, image: Facts, facts: Mapping[Path, Facts]) -> Iterator[str]:
    pages = int(image.get("pages", "1"))
    if case.page is None and pages > 1:
        yield (
            f"{case.image} has {pages} pages, of which one would be read. Save each page as a "
            "file, or use --dataset folder:PATH, where each page is a case."
        )
    if case.page is not None and case.page >= pages:
        yield f"{case.image} has {pages} pages, but page {case.page} is listed (the first is 0)."
    for role in ("mask", "fov"):
        path = case.files.get(role)
        if path is not None and case.page is not None:
            count = int(facts[path].get("pages", "1"))
            if count != pages and case.page == 0:
                yield (
                    f"{path} has {count} pages, but its image {case.image} has {pages}. A {role} "
                    "must have a page for each page of its image."
                )


def _check_channels(case: Case, spec: DatasetSpec, image: Facts) -> Iterator[str]:
    assert spec.volumes is not None
    names = spec.volumes.sequences
    lengths = image["shape"].split("x")
    count = int(lengths[0]) if len(lengths) == 4 else 1
    if len(case.sequences) <= 1 and not case.channel_indices and count != len(names):
        yield (
            f"{case.image} has {count} sequences, but {spec.name} expects {len(names)}: "
            f"{', '.join(names)}."
        )
