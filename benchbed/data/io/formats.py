"""Path patterns of official layouts, and the matching of images with their companion files."""

from __future__ import annotations

from benchbed.api.specs import DatasetSpec

GZIP_SUFFIX = ".gz"
"""Suffix of files compressed with gzip."""

VOLUME_SUFFIXES = (".nii", ".nii.gz")
"""Suffixes of volumes."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm")
"""Suffixes of images; each may be followed by that of gzip."""


def is_image_path(name: str, spec: DatasetSpec) -> bool:
    """Return whether a file name has a suffix that cases of this dataset can have."""
    if spec.volumes is not None:
        return name.lower().endswith(VOLUME_SUFFIXES)
    return name.lower().removesuffix(GZIP_SUFFIX).endswith(IMAGE_SUFFIXES)
