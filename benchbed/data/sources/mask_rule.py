"""The rule by which the stored values of masks become classes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SPECK_TOLERANCE = 0.02
"""Distance from a level, as a share of the range, up to which a value is a speck of lossy
compression."""

MAX_LONE_SPECK_SHARE = 0.001
"""Share of specks in a file without the opposite level from which they are another coding."""

_TOLERANT_KINDS = ("grey", "alpha")

_NAMES = {"mask": "Masks", "second_mask": "Second masks", "fov": "Fields of view"}

Levels = dict[int, int]


@dataclass(frozen=True)
class MaskRule:
    """What was decided over all masks of one role.

    Attributes:
        levels: Class by stored value, 0 is the background; empty if there is a problem.
        sentence: The rule in words.
        problem: Why no rule is possible, or an empty string.
    """

    levels: Mapping[int, int]
    sentence: str = ""
    problem: str = ""


def decide_mask_rule(
    role: str,
    facts: Mapping[Path, Mapping[str, str]],
    declared: Mapping[int, int],
    *,
    are_volumes: bool,
) -> MaskRule:
    """Decide how the masks of one role are read.

    Two values are background and foreground, the smaller is the background. More values need a
    declaration, or, in volumes, to be 0, 1, 2, ... Values near one of two levels are specks.

    Args:
        role: Such as ``"mask"``, for messages.
        facts: Facts of each mask, with ``values`` and, for images, ``kind``.
        declared: Declared class by value; empty if none are declared.
        are_volumes: Whether the masks are volumes.
    """
    if many := [path for path, entry in facts.items() if entry["values"] == "many"]:
        return _refuse(role, f"{many[0].name} has thousands of different values")
    counts = {path: _read_counts(entry) for path, entry in facts.items()}
    total: Counter[int] = sum(counts.values(), Counter())
    if declared:
        return _apply_declaration(role, counts, total, {0: 0, **declared})
    values = sorted(total)
    if len(values) == 1:
        return _decide_constant(role, values[0], len(facts))
    if len(values) == 2:
        return _make_binary(role, {values[0]: 0, values[1]: 1}, len(facts))
    if are_volumes and values == list(range(len(values))):
        listed = ", ".join(map(str, values[1:]))
        return MaskRule(
            {value: value for value in values},
            f"{_name(role)}: 0 is background, {listed} are structures ({len(facts)} files).",
        )
    tolerant = all(entry.get("kind", "grey") in _TOLERANT_KINDS for entry in facts.values())
    return _decide_with_specks(role, counts, total) if tolerant else _refuse_values(role, counts)


def _read_counts(entry: Mapping[str, str]) -> Counter[int]:
    return Counter({int(value): n for value, n in json.loads(entry["values"]).items()})


def _name(role: str) -> str:
    return _NAMES.get(role, role)


def _refuse(role: str, fact: str) -> MaskRule:
    return MaskRule(
        {},
        problem=f"{_name(role)} do not show one structure: {fact}. Save them with two values, or "
        "declare the classes in a manifest with a first line such as `# classes: 1=NAME, 2=NAME`.",
    )


def _refuse_values(role: str, counts: Mapping[Path, Counter[int]]) -> MaskRule:
    """Refuse masks with more than two values; name a file that has most of them."""
    found: set[int] = set().union(*counts.values())
    path = max(counts, key=lambda path: len(counts[path]))
    listed = ", ".join(map(str, sorted(found)[:5])) + (", ..." if len(found) > 5 else "")
    return _refuse(
        role, f"they have {len(found)} different values ({listed}, such as in {path.name})"
    )


def _decide_constant(role: str, value: int, files: int) -> MaskRule:
    """A field of view may cover everything; masks of one value say nothing."""
    if role == "fov" and value > 0:
        return MaskRule({value: 1}, f"{_name(role)}: {value} everywhere ({files} files).")
    return _refuse(role, f"all pixels of all {files} files are {value}")


def _make_binary(role: str, levels: Levels, files: int, note: str = "") -> MaskRule:
    background = next(value for value, number in levels.items() if number == 0)
    foreground = next(value for value, number in levels.items() if number == 1)
    sentence = (
        f"{_name(role)}: {background} is background, {foreground} is foreground ({files} files)."
    )
    return MaskRule(levels, sentence + note)


def _decide_with_specks(
    role: str, counts: Mapping[Path, Counter[int]], total: Counter[int]
) -> MaskRule:
    """Assign values near one of the two most frequent levels to it, and count them."""
    low, high = sorted(value for value, _ in total.most_common(2))
    reach = SPECK_TOLERANCE * (high - low)
    levels = {low: 0, high: 1}
    for value in total:
        if value in levels:
            continue
        if abs(value - low) <= reach:
            levels[value] = 0
        elif abs(value - high) <= reach:
            levels[value] = 1
        else:
            return _refuse_values(role, counts)
    for path, found in counts.items():
        specks = sum(n for value, n in found.items() if value not in (low, high))
        if len({levels[v] for v in found}) == 1 and specks > MAX_LONE_SPECK_SHARE * found.total():
            # Files coded 0 and 1 among files coded 0 and 255: their foreground would vanish.
            listed = ", ".join(map(str, sorted(found)[:5]))
            return _refuse(role, f"{path.name} has the values {listed}, others {low} and {high}")
    pixels = total.total() - total[low] - total[high]
    share = 100 * pixels / total.total()
    note = (
        f" {pixels} pixels ({share:.2g} %) with values within {100 * SPECK_TOLERANCE:.0f} % of "
        "these, as from lossy compression, count as the nearer one."
    )
    return _make_binary(role, dict(sorted(levels.items(), key=lambda i: i[1])), len(counts), note)


def _apply_declaration(
    role: str, counts: Mapping[Path, Counter[int]], total: Counter[int], declared: Levels
) -> MaskRule:
    unknown = sorted(set(total) - declared.keys())
    if unknown:
        path = next(path for path, found in counts.items() if unknown[0] in found)
        return MaskRule(
            {},
            problem=f"{_name(role)} are not of the declared classes: {path.name} has the value "
            f"{unknown[0]}, but declared are {', '.join(map(str, sorted(declared)))}. Declare it, "
            "or correct the mask.",
        )
    listed = ", ".join(str(value) for value, number in sorted(declared.items()) if number)
    background = ", ".join(str(value) for value, number in sorted(declared.items()) if not number)
    return MaskRule(
        declared,
        f"{_name(role)}: {background} is background, {listed} are declared classes "
        f"({len(counts)} files).",
    )
