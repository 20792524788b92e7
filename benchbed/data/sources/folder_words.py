"""What the names of folders and files say: images, masks, splits, classes, patients."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from benchbed.api.dataset import GZIP_SUFFIX

Role = Literal["image", "mask", "fov"]

_ROLE_WORDS: Mapping[str, Role] = {
    **dict.fromkeys(
        (
            *("images", "image", "imgs", "img", "pictures", "picture", "photos", "photographs"),
            *("scans", "scan", "volumes", "volume", "inputs", "input", "raw"),
        ),
        "image",
    ),
    **dict.fromkeys(
        (
            *("masks", "mask", "labels", "label", "annotations", "annotation", "segmentations"),
            *("segmentation", "segs", "seg", "groundtruth", "gt", "manual", "targets", "target"),
        ),
        "mask",
    ),
    **dict.fromkeys(("fov", "fovs"), "fov"),
}

SPLIT_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "ts"), "test"),
}
"""Names of splits, and what they mean."""

_CAMEL_PATTERN = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DOMAIN_PATTERN = re.compile(r"(train|val|test)_?([AB])")
_JOINED_PATTERN = re.compile(r"(images|labels|masks)(tr|ts|val)")
_MANUAL_PATTERN = re.compile(r"(1st|first)_?manual|manual_?1")
_TWO_WORDS_PATTERN = re.compile(r"(ground)[\s_\-](truth)")
_WORD_SEPARATOR = re.compile(r"[\s_\-.]+")

_MASK_WORD = (
    r"(?:masks?|segs?|segmentations?|labels?|gt|ground_?truth|annotations?|manual_?\d?"
    r"|(?:1st|2nd|3rd)_?(?:ho|manual))"
)
"""Words at the end of a mask's name; ``1stHO`` is the first human observer."""

_IMAGE_WORD = r"(?:images?|imgs?|pictures?|training|test)"
_MASK_SUFFIX_PATTERN = re.compile(
    rf"(?P<base>.+)[_\-. ]{_MASK_WORD}(?:_\d{{1,2}}|(?P<rest>[_\-. ].+))?", re.IGNORECASE
)
_AFFIX_PATTERN = re.compile(
    rf"(?:(?:{_IMAGE_WORD}|{_MASK_WORD})[_\-. ]+)?(?P<base>.+?)"
    rf"(?:[_\-. ]+(?:{_IMAGE_WORD}|{_MASK_WORD}))?",
    re.IGNORECASE,
)
_PATIENT_PATTERN = re.compile(
    r"(patients?|pat|subjects?|subj|sub|cases?|person|p|s|id|pid)[_\- ]*\d+\w*|\d{3,}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class NamedFile:
    """A file of a folder, and what its path says.

    Attributes:
        name: Path relative to the folder, with forward slashes.
        role: What its folders say that it holds, or None.
        split: The split that its folders name, or None.
        groups: Its other folders: classes, patients, or neither.
    """

    name: str
    role: Role | None
    split: str | None
    groups: tuple[str, ...]

    @property
    def stem(self) -> str:
        """Name without folders and suffixes such as ``.nii.gz``."""
        name = PurePosixPath(self.name).name
        if name.lower().endswith(GZIP_SUFFIX):
            name = name[: -len(GZIP_SUFFIX)]
        return PurePosixPath(name).stem

    @property
    def folder(self) -> str:
        """Folder relative to the root, ``"."`` for the root itself."""
        return str(PurePosixPath(self.name).parent)


def parse_path(name: str) -> NamedFile:
    """Return what the folders of a relative path say, in any letter case."""
    role: Role | None = None
    split: str | None = None
    groups: list[str] = []
    for part in PurePosixPath(name).parts[:-1]:
        if split is None and (domain := _DOMAIN_PATTERN.fullmatch(part)):
            split = SPLIT_WORDS[domain[1]]
            groups.append(domain[2])
            continue
        part_role, part_split = parse_folder(part)
        repeated = (part_role and role) or (part_split and split)
        if (part_role is None and part_split is None) or repeated:
            groups.append(part)
            continue
        role, split = role or part_role, split or part_split
    return NamedFile(name, role, split, tuple(groups))


def parse_folder(part: str) -> tuple[Role | None, str | None]:
    """Return role and split of a folder's name; both None if it is neither, or not only these."""
    lowered = part.lower().strip()
    if joined := _JOINED_PATTERN.fullmatch(lowered):
        return _ROLE_WORDS[joined[1]], SPLIT_WORDS[joined[2]]
    if _MANUAL_PATTERN.fullmatch(lowered):
        return "mask", None
    role: Role | None = None
    split: str | None = None
    for word in _WORD_SEPARATOR.split(_TWO_WORDS_PATTERN.sub(r"\1\2", lowered)):
        if word in _ROLE_WORDS and role is None:
            role = _ROLE_WORDS[word]
        elif word in SPLIT_WORDS and split is None:
            split = SPLIT_WORDS[word]
        else:
            return None, None
    return role, split


def reread_folders(files: Sequence[NamedFile]) -> list[NamedFile]:
    """Read words within the names of folders, such as ``CXR_png`` next to ``CXR_masks``.

    Folders of the same depth of which some, but not all, contain a word for masks are images and
    masks; folders that all contain the word of a split are splits. If a folder is named only by
    such a word, or no folder is, files are returned as they are.
    """
    if any(file.role == "mask" for file in files):
        return list(files)
    depth = max((len(file.groups) for file in files), default=0)
    for level in range(depth):
        names = {file.groups[level] for file in files if len(file.groups) > level}
        masks = {name for name in names if any(_ROLE_WORDS.get(w) == "mask" for w in _split(name))}
        if not masks or masks == names:
            continue
        splits = {name: _find_split(name) for name in names}
        are_splits = None not in splits.values() and len(set(splits.values())) > 1
        return [_reread(file, level, masks, splits if are_splits else {}) for file in files]
    return list(files)


def _reread(
    file: NamedFile, level: int, masks: set[str], splits: Mapping[str, str | None]
) -> NamedFile:
    if len(file.groups) <= level:
        return file
    name = file.groups[level]
    is_read = name in masks or name in splits
    groups = file.groups[:level] + file.groups[level + is_read :]
    role: Role | None = "mask" if name in masks else file.role
    return NamedFile(file.name, role, file.split or splits.get(name), groups)


def _split(name: str) -> list[str]:
    """Split a name into lower-case words, also at capitals as in ``SegmentationClass``."""
    separated = _WORD_SEPARATOR.sub(" ", _CAMEL_PATTERN.sub(" ", name)).lower()
    return _TWO_WORDS_PATTERN.sub(r"\1\2", separated).split()


def _find_split(name: str) -> str | None:
    found = {SPLIT_WORDS[word] for word in _split(name) if word in SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def split_mask_suffix(stem: str) -> str | None:
    """Return the stem of the image that a mask belongs to, or None if it is not named like one.

    Masks are named ``NAME_mask``, ``NAME_mask_1`` or, in front of the number of a slice,
    ``NAME_mask_REST``.
    """
    hit = _MASK_SUFFIX_PATTERN.fullmatch(stem)
    return hit["base"] + (hit["rest"] or "") if hit else None


def strip_affixes(stem: str) -> str:
    """Return a stem without words such as ``image_`` or ``_mask`` at its ends."""
    hit = _AFFIX_PATTERN.fullmatch(stem)
    return hit["base"] if hit else stem


def looks_like_patient(folder: str) -> bool:
    """Return whether a folder is named like a patient, such as ``patient012`` or ``0031``."""
    return _PATIENT_PATTERN.fullmatch(folder.strip()) is not None
