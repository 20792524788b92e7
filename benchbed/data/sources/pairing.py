"""Pair the images of a folder with their masks by name."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchbed.data.sources.folder_words import NamedFile, split_mask_suffix, strip_affixes
from benchbed.errors import BenchbedError

Key = tuple[str | None, ...]

_ADDED_PATTERN = re.compile(r"(?P<base>.+)[_\-. ](?P<word>[A-Za-z]{2,})")


def list_some(names: Sequence[str], shown: int = 3) -> str:
    """Return the first names, and ``...`` if there are more."""
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def separate_masks(
    root: Path, images: Sequence[NamedFile], find_case: Callable[[str], str]
) -> tuple[list[NamedFile], list[NamedFile]]:
    """Separate files such as ``NAME_mask`` from the images ``NAME`` next to them.

    Args:
        root: The folder, for messages.
        images: Images and masks.
        find_case: Returns the name of the case of a stem, such as ``NAME`` of ``NAME_flair``.

    Raises:
        BenchbedError: Only some files are named like masks, and not all of them have their image.
    """
    stems = {(f.folder, stem.lower()) for f in images for stem in (f.stem, find_case(f.stem))}
    bases = {file.name: split_mask_suffix(file.stem) for file in images}
    named = [file for file in images if bases[file.name] is not None]
    found = [f for f in named if (f.folder, str(bases[f.name]).lower()) in stems]
    if len(named) == len(images) or not named:
        _check_unpaired(root, images)
        return list(images), []
    orphans = [file.name for file in named if file not in found]
    if orphans:
        raise BenchbedError(
            f"{len(orphans)} of {len(images)} files in {root} are named like masks but match no "
            f"image: {list_some(orphans)}. Add their images, remove them, or list the cases in a "
            "CSV file and use --dataset manifest:FILE.csv."
        )
    masks = {file.name for file in found}
    return [file for file in images if file.name not in masks], found


def _check_unpaired(root: Path, images: Sequence[NamedFile]) -> None:
    """Raise if every second file is named like another with the same word added.

    Raises:
        BenchbedError: Such as ``NAME_overlay`` next to every ``NAME``.
    """
    stems = {(file.folder, file.stem) for file in images}
    added: dict[str, list[NamedFile]] = defaultdict(list)
    for file in images:
        if (hit := _ADDED_PATTERN.fullmatch(file.stem)) and (file.folder, hit["base"]) in stems:
            added[hit["word"]].append(file)
    for word, files in added.items():
        if len(files) > 1 and 2 * len(files) == len(images):
            raise BenchbedError(
                f"{root} has two readings: {len(images)} images, or {len(files)} images and as "
                f"many files derived from them, named {word} (such as {files[0].name}). Move the "
                "others elsewhere, or list the cases in a CSV file and use --dataset "
                "manifest:FILE.csv."
            )


def pair_masks(
    root: Path, images: Sequence[NamedFile], masks: Sequence[NamedFile], role: str
) -> dict[str, str]:
    """Return the mask of each image by name; empty if there are no masks.

    Names are compared in any letter case, first as they are, then without words such as
    ``image_`` and ``_mask``, then without folders.

    Raises:
        BenchbedError: An image has no mask or several, or a mask matches no image.
    """
    if not masks:
        return {}
    best: dict[str, list[str]] = {}
    for make_key in _KEYS:
        matches = _match(images, masks, make_key)
        if _is_complete(matches, images, masks):
            return {image: names[0] for image, names in matches.items()}
        if sum(map(len, matches.values())) > sum(map(len, best.values())):
            best = matches
    raise _make_pairing_error(root, images, masks, best, role)


def _key_by_path(file: NamedFile) -> Key:
    base = split_mask_suffix(file.stem) if file.role is None else None
    return (file.split, *map(str.lower, file.groups), (base or file.stem).lower())


def _key_without_affixes(file: NamedFile) -> Key:
    return (file.split, *map(str.lower, file.groups), strip_affixes(file.stem).lower())


def _key_by_stem(file: NamedFile) -> Key:
    return (strip_affixes(file.stem).lower(),)


_KEYS: tuple[Callable[[NamedFile], Key], ...] = (_key_by_path, _key_without_affixes, _key_by_stem)


def _match(
    images: Iterable[NamedFile], masks: Iterable[NamedFile], make_key: Callable[[NamedFile], Key]
) -> dict[str, list[str]]:
    by_key: dict[Key, list[str]] = defaultdict(list)
    for mask in masks:
        by_key[make_key(mask)].append(mask.name)
    return {image.name: by_key.get(make_key(image), []) for image in images}


def _is_complete(
    matches: Mapping[str, list[str]], images: Sequence[NamedFile], masks: Sequence[NamedFile]
) -> bool:
    used = {names[0] for names in matches.values() if len(names) == 1}
    return len(used) == len(images) == len(masks)


def _make_pairing_error(
    root: Path,
    images: Sequence[NamedFile],
    masks: Sequence[NamedFile],
    matches: Mapping[str, list[str]],
    role: str,
) -> BenchbedError:
    several = [(image, names) for image, names in matches.items() if len(names) > 1]
    if several:
        image, names = several[0]
        return BenchbedError(
            f"{image} in {root} has {len(names)} {role} files: {list_some(names)}. Keep one per "
            "image, or list the cases in a CSV file and use --dataset manifest:FILE.csv."
        )
    owners: dict[str, list[str]] = defaultdict(list)
    for image, names in matches.items():
        for name in names:
            owners[name].append(image)
    if shared := [(name, found) for name, found in owners.items() if len(found) > 1]:
        name, found = shared[0]
        return BenchbedError(
            f"{name} in {root} matches {len(found)} images: {list_some(found)}. Keep one of them, "
            "or list the cases in a CSV file and use --dataset manifest:FILE.csv."
        )
    used = set(owners)
    orphans = [mask for mask in masks if mask.name not in used]
    bare = [image for image in images if not matches.get(image.name)]
    if orphans:
        fact = f"{len(orphans)} of {len(masks)} {role} files in {root} match no image"
        named, suggestion = orphans, _suggest(orphans[0], bare or images)
    else:
        fact = f"{len(bare)} of {len(images)} images in {root} have no {role} file"
        named = bare
        suggestion = f" (expected for the first: {masks[0].folder}/{bare[0].stem}.*)"
    return BenchbedError(
        f"{fact}: {list_some([file.name for file in named])}{suggestion}. Rename or remove them, "
        "or list the cases in a CSV file and use --dataset manifest:FILE.csv."
    )


def _suggest(file: NamedFile, others: Sequence[NamedFile]) -> str:
    stems = {other.stem: other.name for other in others}
    close = difflib.get_close_matches(file.stem, stems, n=1, cutoff=0.5)
    return f" (nearest to the first: {stems[close[0]]})" if close else ""
