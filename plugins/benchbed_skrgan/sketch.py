"""Sketch extraction (Zhang et al. 2019, section 2.1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import morphology

from benchbed import LUMA_WEIGHTS

Pixels = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.float64]


def compute_sketch(
    image: Pixels, *, sigma: float, area: int, morph: str = "area", ceiling: float = 100.0
) -> Pixels:
    """Extract the structures of an image: Sobel, Gaussian low-pass, opening, closing.

    The paper gives the order but no parameters. Between the steps the values are scaled to
    [0, 1], as in the public re-implementation.

    Args:
        image: uint8 ``(H, W, C)``, C of 1 or 3.
        sigma: Standard deviation of the Gaussian in pixels.
        area: Minimum area in pixels of bright and dark regions, for ``morph="area"``.
        morph: ``"area"`` for area opening and closing, ``"disk"`` for a disk of radius 1.
        ceiling: Percentile of the blurred edges that maps to white; below 100, the strong rim
            of the field of view does not suppress the structures inside it.

    Returns:
        uint8 ``(H, W)``: 0 for no edge, 255 for the strongest.

    Raises:
        ValueError: `morph` is unknown.
    """
    grey = image[..., 0] if image.shape[2] == 1 else image @ np.array(LUMA_WEIGHTS)
    smooth = apply_low_pass(detect_edges(grey / 255.0), sigma)
    cleaned = apply_open_close(normalize_range(smooth, ceiling), area, morph)
    return np.asarray(np.round(normalize_range(cleaned) * 255), dtype=np.uint8)


def detect_edges(grey: Grey) -> Grey:
    """Return the Sobel magnitude, scaled to [0, 1]."""
    return normalize_range(np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)))


def apply_low_pass(edge: Grey, sigma: float) -> Grey:
    """Apply a Gaussian filter, which removes isolated noise."""
    return np.asarray(ndimage.gaussian_filter(edge, sigma))


def apply_open_close(smooth: Grey, area: int, morph: str) -> Grey:
    """Apply grey opening, then closing: removes specks, fills vessel-like structures."""
    if morph == "area":
        opened = morphology.area_opening(smooth, area, connectivity=1)
        return np.asarray(morphology.area_closing(opened, area, connectivity=1))
    if morph == "disk":
        disk = morphology.disk(1)
        return np.asarray(morphology.closing(morphology.opening(smooth, disk), disk))
    raise ValueError(f"morph must be 'area' or 'disk', not {morph!r}")


def normalize_range(values: Grey, ceiling: float = 100.0) -> Grey:
    """Scale to [0, 1]; a constant image becomes 0."""
    low, high = float(values.min()), float(np.percentile(values, ceiling))
    if high <= low:
        return np.zeros_like(values)
    return np.clip((values - low) / (high - low), 0.0, 1.0)
