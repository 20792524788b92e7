"""The folder layouts, phantom and downloads that a dataset declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

GZIP_SUFFIX = ".gz"
"""Suffix of files compressed with gzip."""

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Suffixes of volumes."""

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""Suffixes of DICOM files, which are images, several images, or slices of volumes."""

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".webp", ".tif", ".tiff"),
    *(".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".sgi"),
)
"""Suffixes of images; each may be followed by that of gzip."""

_URL_PATTERN = re.compile(r"https?://\S+")
_INSECURE_URL_PATTERN = re.compile(r"http://(?!(localhost|127\.0\.0\.1)[:/])\S+")
_SHA256_PATTERN = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class LayoutPart:
    """One folder of an official layout: its images and the files that pair with them.

    Paths are relative to the layout's folder. ``{id}``, ``{patient}``, ``{label}`` and
    ``{split}`` each match part of one path component, ``*`` anything within a component and
    ``**/`` any folders. A field may have a shape, such as ``{id:im????}``, where ``?`` is one
    character and ``*`` any. The image's fields are filled into the other patterns, which may hold
    a ``*`` that matches exactly one file. Before ``.*`` a field ends at the first dot; where
    that makes several images pair with one file, at the suffix.

    Attributes:
        image: Pattern of the images.
        mask: Pattern of the image's mask (the first annotator's).
        second_mask: Pattern of the second annotator's mask.
        fov: Pattern of the field-of-view mask.
        sequences: For volumes, the patterns of all sequences in channel order, one of which is
            ``image``; empty if one file holds them all.
        channel_indices: Which of a 4-D file's volumes are the channels; empty for all, in file
            order.
        label_mapping: From a mask value in the file to the number of its structure.
        split: The split of all these images, if the pattern does not contain it.
        id_prefix: Prefix of the id that keeps ids of different parts distinct.
    """

    image: str
    mask: str | None = None
    second_mask: str | None = None
    fov: str | None = None
    sequences: tuple[str, ...] = ()
    channel_indices: tuple[int, ...] = ()
    label_mapping: Mapping[int, int] = field(default_factory=dict)
    split: str | None = None
    id_prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class VolumeSpec:
    """Properties of a dataset whose cases are volumes.

    Axes are ``(D, H, W)``, growing towards superior, anterior and right.

    Attributes:
        sequences: Names of the image channels, in order.
        structures: Names of the mask's classes 1, 2, ..., in order.
        slices_per_pixel: Slices per in-plane pixel: a run of size S has
            ``round(slices_per_pixel * S)`` slices.
        central_slices: Number of central axial slices to use; None for all.
        framing: ``"plane"`` keeps the whole plane, ``"cube"`` the smallest cube around everything.
    """

    sequences: tuple[str, ...]
    structures: tuple[str, ...]
    slices_per_pixel: float = 1.0
    central_slices: int | None = None
    framing: Literal["plane", "cube"] = "plane"

    def as_dict(self) -> dict[str, Any]:
        """Return the description that the key of prepared data is computed from."""
        return {
            "sequences": self.sequences,
            "structures": self.structures,
            "depth": self.slices_per_pixel,
            "slices": self.central_slices,
            "framing": self.framing,
        }

    def compute_shape(self, size: int) -> tuple[int, int, int]:
        """Return ``(D, H, W)`` for an in-plane size in pixels."""
        return (round(self.slices_per_pixel * size), size, size)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """An official folder layout.

    Attributes:
        folders: Names, or paths such as ``"name/inner"``, of the folder in the data root; the
            first that exists is used.
        parts: Its image folders.
        diagram: Short drawing of the layout for a user who has to create it.
        patient_pattern: Regular expression over ``id`` whose first group is the patient; None if
            the id itself is the patient.
        official_splits: Ids of official splits, if neither folder nor field contains them; other
            ids are split by patient.
    """

    folders: tuple[str, ...]
    parts: tuple[LayoutPart, ...]
    diagram: str
    patient_pattern: str | None = None
    official_splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """Procedurally generated phantom data for a dataset.

    Attributes:
        render: ``"module:function"``; called with ``indices`` (sequence of case numbers),
            ``size`` (pixels) and ``seed``, it returns arrays whose first axis counts the cases:
            ``image`` uint8 ``(N, size, size, C)`` and optionally ``mask``, ``second_mask`` and
            ``fov`` uint8 ``(N, size, size)`` in {0, 1} and ``label`` int64 ``(N,)``. For volumes,
            ``image`` is float32 ``(N, C, D, size, size)`` in [-1, 1] and ``mask`` uint8
            ``(N, D, size, size)``, numbers of structures. A case depends only on its number and
            the seed.
        case_counts: Number of cases by split.
        seed: Random seed; part of the phantom's identity.
    """

    render: str
    case_counts: Mapping[str, int]
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class DownloadSource:
    """An archive that is public: no account, no form.

    Attributes:
        url: An ``https`` address, or ``http`` if ``sha256`` is given, because an ``http`` response
            can be altered in transit.
        sha256: SHA-256 of the archive, 64 hexadecimal digits; None if not published. Then the
            first download prints it, and nothing detects a wrong file.
        target_folder: Folder below the data root to unpack into, such as ``"NAME"`` or
            ``"NAME/masks"``.
    """

    url: str
    target_folder: str
    sha256: str | None = None

    def __post_init__(self) -> None:
        parts = self.target_folder.split("/")
        if not _URL_PATTERN.fullmatch(self.url):
            raise ValueError(f"download {self.url!r} must be an http or https address")
        if self.sha256 is None and _INSECURE_URL_PATTERN.fullmatch(self.url):
            raise ValueError(
                f"download {self.url!r} needs https, or a sha256 that verifies the file"
            )
        if any(part in ("", ".", "..") for part in parts) or "\\" in self.target_folder:
            raise ValueError(
                f"download target_folder {self.target_folder!r} must be inside the data root"
            )
        if self.sha256 is not None and not _SHA256_PATTERN.fullmatch(self.sha256):
            raise ValueError(f"download sha256 {self.sha256!r} must be 64 hexadecimal digits")
