"""The folder layouts, arrays, phantom and downloads that a dataset declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

GZIP_SUFFIX = ".gz"
"""Suffix of files compressed with gzip."""

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Suffixes of volumes."""

ARRAY_SUFFIX = ".npz"
"""Suffix of files of several arrays, as numpy writes them."""

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
_MD5_PATTERN = re.compile(r"[0-9a-f]{32}")


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
class ArrayArchive:
    """An npz file whose arrays hold the cases as rows, in place of folders of files.

    Images are uint8, ``(N, H, W)`` or ``(N, H, W, C)`` with 1 or 3 channels; volumes are uint8,
    ``(N, D, H, W)``, whose values 0 to 255 become -1 to 1. Each row counts as one patient.

    Attributes:
        files: Paths of the file in the data root, such as ``"name.npz"`` and
            ``"folder/name.npz"``; the first that exists is used.
        images: Name of the array of images or volumes by split.
        labels: Name of the array of class numbers by split, integers ``(N,)`` or ``(N, 1)``; empty
            if there are no labels.
        case_counts: Official number of cases by split; empty if unknown.
    """

    files: tuple[str, ...]
    images: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    case_counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.images:
            raise ValueError(f"archive {self.files} must name an array of images")
        if not set(self.labels) <= set(self.images):
            raise ValueError(f"archive {self.files} has labels of splits without images")

    @property
    def diagram(self) -> str:
        """Description of the file for a user who has to get it."""
        names = ", ".join([*self.images.values(), *self.labels.values()])
        return f"  {' or '.join(self.files)}\n  with the arrays {names}"


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
    """An archive or a single file that is public: no account, no form.

    Attributes:
        url: An ``https`` address, or ``http`` if ``sha256`` is given, because an ``http`` response
            can be altered in transit.
        sha256: SHA-256 of the download, 64 hexadecimal digits; None if not published. Without a
            checksum, the first download prints it, and nothing detects a wrong file.
        md5: MD5 of the download, 32 hexadecimal digits, where the source publishes nothing better.
            It detects damage, not forgery.
        target_folder: Folder below the data root to unpack into, such as ``"NAME"`` or
            ``"NAME/masks"``.
        target_file: Name in `target_folder` of a single file that is not unpacked; None for an
            archive.
    """

    url: str
    target_folder: str
    sha256: str | None = None
    md5: str | None = None
    target_file: str | None = None

    @property
    def checksum(self) -> str | None:
        """Checksum with its algorithm, such as ``"sha256:..."``, or None."""
        if self.sha256 is not None:
            return f"sha256:{self.sha256}"
        return None if self.md5 is None else f"md5:{self.md5}"

    @property
    def target(self) -> str:
        """Folder or file below the data root that the download becomes."""
        return "/".join(filter(None, (self.target_folder, self.target_file)))

    def __post_init__(self) -> None:
        if not _URL_PATTERN.fullmatch(self.url):
            raise ValueError(f"download {self.url!r} must be an http or https address")
        if self.sha256 is None and _INSECURE_URL_PATTERN.fullmatch(self.url):
            raise ValueError(
                f"download {self.url!r} needs https, or a sha256 that verifies the file"
            )
        _check_relative_path("target_folder", self.target_folder)
        if self.target_file is not None:
            _check_relative_path("target_file", self.target_file)
            if "/" in self.target_file:
                raise ValueError(f"download target_file {self.target_file!r} must be a name")
        if self.sha256 is not None and not _SHA256_PATTERN.fullmatch(self.sha256):
            raise ValueError(f"download sha256 {self.sha256!r} must be 64 hexadecimal digits")
        if self.md5 is not None and not _MD5_PATTERN.fullmatch(self.md5):
            raise ValueError(f"download md5 {self.md5!r} must be 32 hexadecimal digits")
        if self.sha256 is not None and self.md5 is not None:
            raise ValueError(f"download {self.url!r} needs one checksum: remove md5")


def _check_relative_path(field_name: str, path: str) -> None:
    if any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path:
        raise ValueError(f"download {field_name} {path!r} must be inside the data root")
