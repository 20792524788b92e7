"""Suffixes of images and volumes, and the range of their values."""

from __future__ import annotations

from benchbed.api.specs import DatasetSpec

GZIP_SUFFIX = ".gz"
"""Suffix of files compressed with gzip."""

VOLUME_SUFFIXES = (".nii", ".nii.gz")
"""Suffixes of volumes."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm")
"""Suffixes of images; each may be followed by that of gzip."""


ROBUST_PERCENTILES = (0.5, 99.5)
"""Percentiles that become the ends of the range where values have no agreed one: of all pixels of
an image with more than 8 bits per channel, of the foreground of a volume."""


def is_image_path(name: str, spec: DatasetSpec) -> bool:
    """Return whether a file name has a suffix that cases of this dataset can have."""
    if spec.volumes is not None:
        return name.lower().endswith(VOLUME_SUFFIXES)
    return name.lower().removesuffix(GZIP_SUFFIX).endswith(IMAGE_SUFFIXES)
