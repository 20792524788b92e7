"""The rule by which the stored values of masks become classes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchbed.api.types import LUMA_WEIGHTS

SPECK_TOLERANCE = 0.02
"""Distance from a level, as a share of the range, up to which a value is a speck of lossy
compression."""

MAX_ONE_SIDED_SHARE = 0.05
"""Number of specks, as a share of the pixels of the rarer level, up to which all may be near one
level. Compression changes both levels; labels such as 0, 1 and 255 are near one."""

LOSSY_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".webp", ".jp2")
"""Suffixes of formats that usually change values."""

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
) -> MaskRule:
    """Decide how the masks of one role are read.

    Two values are background and foreground: the smaller, or the darker colour, is the background.
    More values need a declaration. Values near one of two levels are specks.

    Args:
        role: Such as ``"mask"``, for messages.
        facts: Facts of each mask, with ``values`` and, for images, ``kind`` and ``palette``.
        declared: Declared class by value; empty if none are declared.
    """
    if many := [path for path, entry in facts.items() if entry["values"] == "many"]:
        return _refuse(role, f"{many[0].name} has thousands of different values")
    counts = {path: _read_counts(entry) for path, entry in facts.items()}
    total: Counter[int] = sum(counts.values(), Counter())
    if declared:
        return _apply_declaration(role, counts, total, {0: 0, **declared})
    if opaque := _find_opaque_black(facts, counts):
        return _refuse(role, f"{opaque.name} is black and opaque, but others have clear pixels")
    values = sorted(total)
    if len(values) <= 2:
        return _decide_binary(role, facts, counts)
    form = "#{:06x}" if _are_colours(facts) else "{}"
    tolerant = all(entry.get("kind", "grey") in _TOLERANT_KINDS for entry in facts.values())
    return (
        _decide_with_specks(role, counts, total) if tolerant else _refuse_values(role, counts, form)
    )


def _read_counts(entry: Mapping[str, str]) -> Counter[int]:
    return Counter({int(value): n for value, n in json.loads(entry["values"]).items()})


def _find_opaque_black(
    facts: Mapping[Path, Mapping[str, str]], counts: Mapping[Path, Counter[int]]
) -> Path | None:
    """Return a file that is black everywhere, if the shapes of others are in their opacity."""
    if not any(entry.get("kind") == "alpha" for entry in facts.values()):
        return None
    opaque = (path for path, entry in facts.items() if entry.get("kind") != "alpha")
    return next((path for path in opaque if set(counts[path]) == {0}), None)


def _name(role: str) -> str:
    return _NAMES.get(role, role)


def _refuse(role: str, fact: str) -> MaskRule:
    return MaskRule(
        {},
        problem=f"{_name(role)} do not show one structure: {fact}. Save them with two values, or "
        "declare the classes: in a manifest with a first line such as `# classes: 1=NAME, 2=NAME`, "
        "for volumes also in dataset.json.",
    )


def _are_colours(facts: Mapping[Path, Mapping[str, str]]) -> bool:
    return any(entry.get("kind") == "colour" for entry in facts.values())


def _refuse_values(role: str, counts: Mapping[Path, Counter[int]], form: str = "{}") -> MaskRule:
    """Refuse masks with more than two values; name a file that has most of them."""
    found: set[int] = set().union(*counts.values())
    path = max(counts, key=lambda path: len(counts[path]))
    listed = ", ".join(map(form.format, sorted(found)[:5])) + (", ..." if len(found) > 5 else "")
    is_lossy = path.suffix.lower() in LOSSY_SUFFIXES
    reason = ", which lossy compression can add" if is_lossy else ""
    return _refuse(
        role, f"they have {len(found)} different values ({listed}, such as in {path.name}){reason}"
    )


def _decide_constant(role: str, value: int, files: int) -> MaskRule:
    """A field of view may cover everything; masks of one value say nothing."""
    if role == "fov" and value > 0:
        return MaskRule({value: 1}, f"{_name(role)}: {value} everywhere ({files} files).")
    return _refuse(role, f"all pixels of all {files} files are {value}")


def _decide_binary(
    role: str, facts: Mapping[Path, Mapping[str, str]], counts: Mapping[Path, Counter[int]]
) -> MaskRule:
    """Decide which of two values is the background: the darker one in every file with both."""
    values: set[int] = set().union(*counts.values())
    if len(values) == 1:
        return _decide_constant(role, values.pop(), len(facts))
    first, second = sorted(values)
    darker: dict[int, Path] = {}
    for path, entry in facts.items():
        if len(counts[path]) == 2:
            darker.setdefault(min((first, second), key=partial(_measure_brightness, entry)), path)
    if len(darker) > 1:
        return _refuse(
            role,
            f"{first} is darker than {second} in {darker[first].name}, but lighter in "
            f"{darker[second].name}",
        )
    background = next(iter(darker), first)
    foreground = second if background == first else first
    form = "#{:06x}" if _are_colours(facts) else "{}"
    dark, bright = form.format(background), form.format(foreground)
    return MaskRule(
        {background: 0, foreground: 1}, _describe_binary(role, dark, bright, len(facts))
    )


def _measure_brightness(entry: Mapping[str, str], value: int) -> float:
    """Return the luma of a value that is a colour, else the value itself."""
    palette = json.loads(entry.get("palette", "{}"))
    if str(value) in palette:
        colour = int(palette[str(value)].removeprefix("#"), 16)
    elif entry.get("kind") == "colour":
        colour = value
    else:
        return value
    return sum(
        weight * channel
        for weight, channel in zip(LUMA_WEIGHTS, colour.to_bytes(3, "big"), strict=True)
    )


def _describe_binary(role: str, background: str, foreground: str, files: int) -> str:
    return f"{_name(role)}: {background} is background, {foreground} is foreground ({files} files)."


def _decide_with_specks(
    role: str, counts: Mapping[Path, Counter[int]], total: Counter[int]
) -> MaskRule:
    """Assign values near one of two levels to it, and count them."""
    low, high = _find_levels(total)
    reach = SPECK_TOLERANCE * (high - low)
    if any(min(abs(value - low), abs(value - high)) > reach for value in total):
        return _refuse_values(role, counts)
    levels = {value: int(abs(value - high) <= reach) for value in sorted(total)}
    specks = [0, 0]
    for value, pixels in total.items():
        if value not in (low, high):
            specks[levels[value]] += pixels
    if not all(specks) and sum(specks) > MAX_ONE_SIDED_SHARE * min(total[low], total[high]):
        return _refuse_values(role, counts)
    for path, found in counts.items():
        if len({levels[value] for value in found}) == 1 and not found.keys() <= {low, high}:
            # Files coded 0 and 1 among files coded 0 and 255: their foreground would vanish.
            listed = ", ".join(map(str, sorted(found)[:5]))
            return _refuse(role, f"{path.name} has the values {listed}, others {low} and {high}")
    note = (
        f" {sum(specks)} pixels ({100 * sum(specks) / total.total():.2g} %) with values within "
        f"{100 * SPECK_TOLERANCE:.0f} % of these, as from lossy compression, count as the nearer "
        "one."
    )
    return MaskRule(levels, _describe_binary(role, str(low), str(high), len(counts)) + note)


def _find_levels(total: Counter[int]) -> tuple[int, int]:
    """Return the most frequent value and the most frequent one that is no speck of it, sorted."""
    first = max(total, key=lambda value: total[value])
    reach = SPECK_TOLERANCE * (max(total) - min(total))
    second = max((v for v in total if abs(v - first) > reach), key=lambda value: total[value])
    return min(first, second), max(first, second)


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
