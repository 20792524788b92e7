"""Examine the files of a dataset and decide how they are read: what run and verify check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchbed.config.protocol import IntensityWindow
from benchbed.data.sources.cases import MASK_ROLES, Collection
from benchbed.data.sources.consistency import find_mismatches, find_partial_roles
from benchbed.data.sources.extent import compute_extent
from benchbed.data.sources.file_kinds import find_kind
from benchbed.data.sources.fingerprint import (
    FileFacts,
    collect_file_facts,
    compute_fingerprint,
    compute_phantom_fingerprint,
    find_undecodable,
)
from benchbed.data.sources.integrity import (
    DuplicateGroup,
    describe_duplicates,
    find_duplicates,
    remove_duplicates,
)
from benchbed.data.sources.mask_rule import MaskRule, decide_mask_rule
from benchbed.data.sources.own_data import PREFIXES
from benchbed.data.sources.pages import read_header
from benchbed.data.sources.rules import ReadingRules
from benchbed.data.sources.window_rule import decide_window, find_mixed_depths, is_deep
from benchbed.data.stamps import make_stamps
from benchbed.errors import BenchbedError
from benchbed.utils.progress import ProgressCallback, ignore_progress
from benchbed.utils.text import format_count


@dataclass(frozen=True)
class Examination:
    """What was found in the files of a dataset.

    Attributes:
        collection: The usable cases, with the rules by which they are read.
        facts: Facts of each file.
        fingerprint: Hash of the usable cases; empty for a problem that prevents it.
        undecodable: Files that cannot be decoded, with the reason.
        problems: Everything for which a run is refused, a sentence each.
        notes: What the user should know: skipped duplicates, rules, and remarks.
        duplicates: Groups of cases whose images are equal byte for byte.
    """

    collection: Collection
    facts: Mapping[Path, FileFacts]
    fingerprint: str
    undecodable: Mapping[Path, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    duplicates: tuple[DuplicateGroup, ...] = ()


def examine_collection(
    collection: Collection,
    *,
    skip_bad: bool = False,
    window: IntensityWindow | None = None,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> Examination:
    """Examine every file of a dataset, and decide the rules by which all are read.

    Of images equal byte for byte, one is used, unless their splits are official.

    Args:
        collection: The cases.
        skip_bad: Skip files that cannot be decoded; else they are a problem.
        window: Intensities that become black and white in images of more than 8 bits; None for
            the rule of the dataset.
        progress: Receives progress.
        log: Receives one message if the cache of file facts is not writable.

    Raises:
        BenchbedError: A phantom's plugin fails.
    """
    if collection.source == "phantom":
        assert collection.spec.phantom is not None
        return Examination(collection, {}, compute_phantom_fingerprint(collection.spec.phantom))
    # Before the files are hashed: one that changes meanwhile must not pass as the hashed one.
    files = {path for case in collection.cases for path in case.files.values()}
    collection = replace(collection, stamps=make_stamps(files))
    facts = collect_file_facts(collection, progress, log)
    undecodable = find_undecodable(facts)
    problems = [] if skip_bad or not undecodable else [_describe_undecodable(undecodable)]
    usable = collection.remove_files(undecodable) if undecodable else collection
    equal = find_duplicates(usable, facts)
    notes = [line] if (line := describe_duplicates(usable, equal)) else []
    if undecodable and skip_bad:
        listed = ", ".join(path.name for path in list(undecodable)[:3])
        more = ", ..." if len(undecodable) > 3 else ""
        skipped = format_count(len(undecodable), "file")
        notes.append(f"Data: {skipped} skipped that cannot be decoded: {listed}{more}.")
    usable = remove_duplicates(usable, equal)
    if not any(case.split == "train" for case in usable.cases):
        problems.append(f"No training images found in {collection.root}.")
    problems += find_mismatches(usable, facts) + find_partial_roles(usable)
    rules, faults = _decide_rules(usable, facts, window) if usable.cases else (ReadingRules(), [])
    usable = replace(usable, rules=rules)
    return Examination(
        usable,
        facts,
        compute_fingerprint(usable, facts, is_own=_is_own(usable)),
        undecodable,
        tuple(problems + faults),
        (*notes, *rules.sentences, *_list_remarks(usable, facts)),
        tuple(equal),
    )


def identify_collection(
    collection: Collection,
    *,
    skip_bad: bool = False,
    window: IntensityWindow | None = None,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[Collection, str]:
    """Examine a dataset for a run; for a phantom, compute the fingerprint of its recipe.

    Args:
        collection: The cases.
        skip_bad: Skip files that cannot be decoded, instead of raising.
        window: As in `examine_collection`.
        progress: Receives progress.
        log: Receives a message for each note, and one if the cache of file facts is not writable.

    Returns:
        The usable cases with their rules, and the fingerprint.

    Raises:
        BenchbedError: The dataset has a problem; the first is named, and how many more there are.
    """
    found = examine_collection(
        collection, skip_bad=skip_bad, window=window, progress=progress, log=log
    )
    if found.problems:
        more = len(found.problems) - 1
        others = f" {more} more problems: see `benchbed data verify`." if more else ""
        raise BenchbedError(found.problems[0] + others)
    for note in found.notes:
        log(note)
    return found.collection, found.fingerprint


def _describe_undecodable(undecodable: Mapping[Path, str]) -> str:
    others = len(undecodable) - 1
    more = f" {others} more cannot be decoded." if others else ""
    return f"{next(iter(undecodable.values()))}{more} Fix the files, or skip them with --skip-bad."


def _decide_rules(
    collection: Collection, facts: Mapping[Path, FileFacts], window: IntensityWindow | None
) -> tuple[ReadingRules, list[str]]:
    """Return the rules of the usable cases, and the problems that prevent one."""
    spec = collection.spec
    rules = _decide_mask_rules(collection, facts)
    levels = {role: rule.levels for role, rule in rules}
    problems = [rule.problem for _, rule in rules if rule.problem]
    sentences = [rule.sentence for _, rule in rules if rule.sentence]
    images = {case.image: facts[case.image] for case in collection.cases}
    if spec.volumes is not None:
        extent = compute_extent(list(images.values()), spec.volumes)
        sentences.append(_describe_extent(images, extent))
        return ReadingRules(None, levels, extent, tuple(sentences)), problems
    declared = window or spec.intensity_window
    if declared is None and (mixed := find_mixed_depths(images)):
        problems.append(mixed)
    problems += _find_masks_among_images(images)
    deep = [path for path, entry in images.items() if is_deep(entry)]
    chosen, sentence = decide_window([*images.values()], declared, [*map(_get_window, deep)])
    sentences += [sentence] if sentence else []
    return ReadingRules(chosen, levels, None, tuple(sentences)), problems


def _decide_mask_rules(
    collection: Collection, facts: Mapping[Path, FileFacts]
) -> list[tuple[str, MaskRule]]:
    """Return the rules of each role; that of the dataset is the last of its role."""
    return [
        (
            role,
            decide_mask_rule(role, {f: facts[f] for f in files}, declared),
        )
        for role in MASK_ROLES
        for declared, files in _group_masks(collection, role)
    ]


def _group_masks(
    collection: Collection, role: str
) -> list[tuple[Mapping[int, int], dict[Path, None]]]:
    """Group the masks of a role by the declared class of their values.

    Layouts can declare different ones; those without, whose rule is that of the dataset, are last.
    A dataset of several structures that declares none has their numbers as values.
    """
    count = collection.spec.structure_count
    default = {} if _is_own(collection) or count == 1 else {n: n for n in range(1, count + 1)}
    groups: dict[tuple[tuple[int, int], ...], dict[Path, None]] = defaultdict(dict)
    for case in collection.cases:
        if role in case.files:
            declared = (case.label_mapping or default) if role == "mask" else {}
            groups[tuple(sorted(declared.items()))][case.files[role]] = None
    return [(dict(key), groups[key]) for key in sorted(groups, reverse=True)]


def _is_own(collection: Collection) -> bool:
    return f"{collection.spec.name}:" in PREFIXES


def _get_window(path: Path) -> IntensityWindow | None:
    header = read_header(path) if find_kind(path) == "dicom" else None
    return None if header is None else header.window


def _find_masks_among_images(images: Mapping[Path, FileFacts]) -> list[str]:
    """Return a problem if some images are of 1 bit: masks whose names were not recognised."""
    binary = [path for path, entry in images.items() if entry.get("bits") == "1"]
    if not binary or len(binary) == len(images):
        return []
    return [
        f"{len(binary)} of {len(images)} images are black and white, like masks "
        f"({binary[0].name}). Move them into a folder masks/, or list the cases in a manifest."
    ]


def _describe_extent(images: Mapping[Path, FileFacts], extent: tuple[float, float, float]) -> str:
    spacings = sorted({entry["spacing"] for entry in images.values()})
    listed = " or ".join(text.replace(",", " x ") for text in spacings[:3])
    more = f" and {len(spacings) - 3} others" if len(spacings) > 3 else ""
    box = " x ".join(f"{length:g}" for length in extent)
    return (
        f"Volumes: spacing {listed} mm{more} (slice, row, column), resampled from boxes of {box} "
        "mm; each sequence is scaled between percentiles of its foreground."
    )


def _list_remarks(collection: Collection, facts: Mapping[Path, FileFacts]) -> list[str]:
    """Return remarks on what is read only in part."""
    remarks = []
    images = [case.image for case in collection.cases]
    if animated := [image for image in images if "frames" in facts[image]]:
        remarks.append(
            f"Data: {len(animated)} animations, of which the first frame is used "
            f"({animated[0].name} has {facts[animated[0]]['frames']})."
        )
    if with_nan := [image for image in images if "nan_pixels" in facts[image]]:
        remarks.append(
            f"Data: {format_count(len(with_nan), 'image')} with pixels that are no numbers, which "
            f"become black ({with_nan[0].name} has {facts[with_nan[0]]['nan_pixels']})."
        )
    return remarks
