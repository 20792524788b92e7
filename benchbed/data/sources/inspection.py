"""What is in a user's data, before anything is trained."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchbed.data.sources.cases import Case, Collection
from benchbed.data.sources.file_kinds import count_suffixes
from benchbed.data.sources.identify import Examination, examine_collection
from benchbed.data.sources.manifest import Manifest
from benchbed.data.sources.own_data import load_manifest, parse_own_path
from benchbed.data.sources.resolve import resolve_collection
from benchbed.utils.progress import ProgressCallback, ignore_progress

_COUNTED_FACTS = {
    "bits": "bits",
    "channels": "channels",
    "stored orientation": "orientation",
}
"""Facts of which every value is shown with its number of files, by title."""


@dataclass(frozen=True)
class Inspection:
    """What was found in a user's data.

    Attributes:
        manifest: The cases as listed or inferred; None for a named dataset.
        examination: The files, and the rules by which they are read.
    """

    manifest: Manifest | None
    examination: Examination

    @property
    def collection(self) -> Collection:
        """The usable cases."""
        return self.examination.collection

    def as_dict(self) -> dict[str, Any]:
        """Return what was found, in JSON types, in the order in which it is shown."""
        found, cases = self.examination, self.collection.cases
        files = [str(path) for case in cases for path in case.files.values()]
        return {
            "layout": "" if self.manifest is None else self.manifest.layout,
            "files": _join(count_suffixes(dict.fromkeys(files))),
            "not used": _list_unused(self.manifest),
            "cases": len(cases),
            "splits": _join(self.collection.count_cases()),
            "classes": _join(count_classes(self.collection)),
            "patients": _describe_patients(cases),
            **_describe_masks(found),
            "sequences": ", ".join(_list_sequences(self.collection)),
            **_describe_images([found.facts[case.image] for case in cases]),
            "values": _describe_values([found.facts[f] for c in cases for f in _list_images(c)]),
            "equal images": [" = ".join(group.ids) for group in found.duplicates],
            "read as": list(found.collection.rules.sentences),
            "remarks": [n for n in found.notes if n not in found.collection.rules.sentences],
            "problems": list(found.problems),
        }


def inspect_data(
    name: str,
    data_root: Path | None = None,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> Inspection:
    """Examine a dataset as a run does, without training.

    Args:
        name: Name of a dataset, ``folder:PATH``, ``volumes:PATH`` or ``manifest:FILE.csv``.
        data_root: Folder to search for a named dataset; None for the default.
        progress: Receives progress.
        log: Receives messages on the data in use.

    Raises:
        BenchbedError: There is no such data, or its layout has no or two readings.
    """
    manifest = None if parse_own_path(name) is None else load_manifest(name)
    collection = resolve_collection(name, "real", data_root, log)
    return Inspection(manifest, examine_collection(collection, progress=progress, log=log))


def count_classes(collection: Collection) -> dict[str, int]:
    """Return the number of cases by class; empty without classes."""
    labels = Counter(case.label for case in collection.cases if case.label is not None)
    return {name: labels[number] for number, name in enumerate(collection.spec.classes)}


def _join(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _list_sequences(collection: Collection) -> tuple[str, ...]:
    volumes = collection.spec.volumes
    return () if volumes is None else volumes.sequences


def _list_unused(manifest: Manifest | None) -> list[str]:
    return [] if manifest is None else [f"{n} ({why})" for n, why in manifest.unused.items()]


def _describe_patients(cases: Sequence[Case]) -> str:
    """Return number and cases of patients, not their names."""
    counts = Counter(case.patient for case in cases)
    if not counts or len(counts) == len(cases):
        return ""
    low, high = min(counts.values()), max(counts.values())
    return f"{len(counts)}, with {low} to {high} cases each"


def _describe_masks(found: Examination) -> dict[str, Any]:
    cases = found.collection.cases
    masks = [case.mask for case in cases if case.mask is not None]
    levels = found.collection.rules.mask_levels.get("mask", {})
    shares = [_measure_foreground(found.facts[mask], levels) for mask in dict.fromkeys(masks)]
    known = [share for share in shares if share is not None]
    facts: dict[str, Any] = {"masks": f"{len(masks)} of {len(cases)} cases" if masks else ""}
    if known:
        facts["foreground"] = (
            f"{100 * min(known):.2g} % to {100 * max(known):.2g} %, median "
            f"{100 * median(known):.2g} %"
        )
    return facts


def _measure_foreground(facts: Mapping[str, str], levels: Mapping[int, int]) -> float | None:
    if facts["values"] == "many" or not levels:
        return None
    counts = {int(value): count for value, count in json.loads(facts["values"]).items()}
    foreground = sum(count for value, count in counts.items() if levels.get(value))
    return float(foreground / sum(counts.values()))


def _describe_images(facts: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return sizes, depths, channels and positions of images or volumes."""
    sizes = Counter(" x ".join(entry["shape"].split("x")[-3:][::-1]) for entry in facts)
    listed = [f"{size} ({count})" for size, count in sizes.most_common(3)]
    more = [f"and {len(sizes) - 3} others"] if len(sizes) > 3 else []
    content: dict[str, Any] = {"sizes": ", ".join(listed + more)}
    for title, key in _COUNTED_FACTS.items():
        content[title] = _join(Counter(entry[key] for entry in facts if entry.get(key)))
    spacings = (entry["spacing"].split(",")[::-1] for entry in facts if "spacing" in entry)
    content["spacing"] = _join(Counter(f"{' x '.join(sides)} mm" for sides in spacings))
    return content


def _list_images(case: Case) -> tuple[Path, ...]:
    return case.sequences or (case.image,)


def _describe_values(facts: Sequence[Mapping[str, str]]) -> str:
    """Return the smallest and largest stored value of all images."""
    ends = [(float(entry["low"]), float(entry["high"])) for entry in facts if "low" in entry]
    if not ends:
        return ""
    lows, highs = zip(*ends, strict=True)
    return f"{min(lows):g} to {max(highs):g}"
