"""Where the cases of a data set lie, and what stands in for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

_ADDRESS = re.compile(r"https?://\S+")
_UNGUARDED = re.compile(r"http://(?!(localhost|127\.0\.0\.1)[:/])\S+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One folder of an official layout: where its images are and how their companions pair.

    Paths are relative to the layout's folder and may hold the fields ``{id}``, ``{patient}``,
    ``{label}`` and ``{split}``, each standing for part of one path component, ``*`` for anything
    within a component and ``**/`` for any folders. A field may have a shape, such as
    ``{id:im????}``, where ``?`` is one character and ``*`` any. A companion's fields are filled in
    from the image's, and its path may hold a ``*`` that matches exactly one file. Before ``.*`` a
    field ends at the first dot; where more images pair so, at the suffix.

    Attributes:
        image: Pattern of the images.
        mask: Pattern of the mask that belongs to an image (the first annotator's).
        second_mask: Pattern of the second annotator's mask.
        fov: Pattern of the field-of-view mask.
        sequences: Of volumes, the patterns of all sequences in the order of the channels, one of
            which is ``image``; none where one file holds them all.
        order: Which of a 4-D file's volumes are the channels; none for all, in its order.
        codes: What a mask's numbers stand for: from a file's number to that of the structure.
        split: The split of all these images, where the pattern does not tell.
        prefix: What is set before the id, to keep ids of different parts apart.
    """

    image: str
    mask: str | None = None
    second_mask: str | None = None
    fov: str | None = None
    sequences: tuple[str, ...] = ()
    order: tuple[int, ...] = ()
    codes: Mapping[int, int] = field(default_factory=dict)
    split: str | None = None
    prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class Volumes:
    """What there is to say of a data set whose cases are volumes.

    Axes are ``(D, H, W)``, growing towards superior, anterior and right.

    Attributes:
        sequences: Names of the image channels, in their order.
        structures: Names of the mask's classes 1, 2, ..., in their order.
        depth: Slices for each in-plane pixel: a run of size S has ``round(depth * S)`` slices.
        slices: Central axial slices that are kept; None for all of them.
        framing: ``"plane"`` keeps the whole plane, ``"cube"`` the smallest cube around everything.
    """

    sequences: tuple[str, ...]
    structures: tuple[str, ...]
    depth: float = 1.0
    slices: int | None = None
    framing: Literal["plane", "cube"] = "plane"

    def spatial(self, size: int) -> tuple[int, int, int]:
        """``(D, H, W)`` of a run of this in-plane size."""
        return (round(self.depth * size), size, size)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """An official folder layout.

    Attributes:
        folders: Names, or paths such as ``"name/inner"``, under which the folder is looked for in
            the data root; the first that is there is taken.
        parts: Its image folders.
        picture: The layout as a short drawing for a user who has to build it.
        patient: Regular expression over ``id`` whose first group names the patient; None where
            the id itself is the patient.
        splits: Ids of official splits, where neither folder nor field tells; ids not named here
            are split by patient.
    """

    folders: tuple[str, ...]
    parts: tuple[Part, ...]
    picture: str
    patient: str | None = None
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """A procedural stand-in for a data set.

    Attributes:
        render: ``"module:function"``; called with ``indices`` (sequence of case numbers),
            ``size`` (pixels) and ``seed``, it returns arrays whose first axis counts the cases:
            ``image`` uint8 ``(N, size, size, C)``, and where there are any ``mask``,
            ``second_mask`` and ``fov`` uint8 ``(N, size, size)`` in {0, 1} and ``label`` int64
            ``(N,)``. Of volumes, ``image`` is float32 ``(N, C, D, size, size)`` in [-1, 1] and
            ``mask`` uint8 ``(N, D, size, size)``, numbers of structures. A case depends
            on its number and the seed alone.
        counts: Number of cases by split.
        seed: The seed; part of what the phantom is.
    """

    render: str
    counts: Mapping[str, int]
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Download:
    """An archive that anybody may download, with no account and no form.

    Attributes:
        url: Its address: ``https``, or ``http`` where its SHA-256 is known, for on the way of that
            anybody can change what comes.
        sha256: SHA-256 of the archive, 64 hexadecimal digits; None where nobody has stated it.
            Then the first fetch says it, and nothing else tells a wrong file from the right one.
        target: Folder below the data root that the archive is unpacked to, such as ``"NAME"`` or
            ``"NAME/masks"``.
    """

    url: str
    target: str
    sha256: str | None = None

    def __post_init__(self) -> None:
        parts = self.target.split("/")
        if not _ADDRESS.fullmatch(self.url):
            raise ValueError(f"download {self.url!r} must be an http or https address")
        if self.sha256 is None and _UNGUARDED.fullmatch(self.url):
            raise ValueError(
                f"download {self.url!r} needs https, or a sha256 that verifies the file"
            )
        if any(part in ("", ".", "..") for part in parts) or "\\" in self.target:
            raise ValueError(
                f"download target {self.target!r} must be a folder inside the data root"
            )
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"download sha256 {self.sha256!r} must be 64 hexadecimal digits")
