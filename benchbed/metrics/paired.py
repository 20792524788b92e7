"""Similarity of generated images to the real ones of their cases, in 2-D and 3-D.

Intensities are mapped to [0, 1], so the data range is always 1. SSIM and PSNR are scikit-image's,
with one definition for two and three dimensions.

Each metric exists twice. The whole image includes the empty background, which any method gets
right; the foreground excludes it, as challenges of synthesis do, which average the SSIM map over a
mask and take errors inside it (Kofler et al. 2023, arXiv:2305.08992).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchbed.api.metric import MetricTerms, PairedInputs

Float = npt.NDArray[np.float64]
RegionMask = npt.NDArray[np.bool_]
_Regions = Sequence[RegionMask | None]

WINDOW = 11
SIGMA = 1.5

MAX_PSNR = 100.0
"""PSNR of equal images in decibels; without a bound it, and every mean, would be infinite."""

_BLACK_THRESHOLD = 0.5 / 255
"""Values that round to 0 in 8 bits are background."""


def paired_metric(inputs: PairedInputs, *, measure: str, region: str) -> MetricTerms:
    """Compute a measure of each case, averaged over channels.

    Args:
        inputs: The pairs.
        measure: ``"ssim"``, ``"psnr"`` or ``"mae"``.
        region: ``"image"``, or ``"foreground"`` of the real image.
    """
    return _compute_terms(measure, inputs)[region]


@lru_cache(maxsize=3)
def _compute_terms(measure: str, inputs: PairedInputs) -> dict[str, MetricTerms]:
    """Measure both regions in one cached pass."""
    regions = [None, find_foreground(inputs)]
    whole, inside = measure_channels(measure, inputs.real, inputs.fake, regions)
    return {"image": whole.mean(axis=1), "foreground": inside.mean(axis=1)}


@lru_cache(maxsize=1)
def find_foreground(inputs: PairedInputs) -> RegionMask:
    """Find where any real channel is not black (the brain, if skull-stripped), ``(N, ...)``.

    Everywhere if none is.
    """
    cases = (np.any(_to_unit_range(image) > _BLACK_THRESHOLD, axis=0) for image in inputs.real)
    return np.stack([case if case.any() else ~case for case in cases])


def measure_channels(
    measure: str, real: npt.NDArray[Any], fake: npt.NDArray[Any], regions: _Regions
) -> list[Float]:
    """Measure every channel of every case.

    Args:
        measure: ``"ssim"``, ``"psnr"`` or ``"mae"``.
        real: ``(N, C, H, W)`` or ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
        fake: Images generated for the same cases, likewise.
        regions: Pixels (for SSIM, window centres) that count, bool ``(N, ...)``; None for all.

    Returns:
        ``(N, C)`` for each region.

    Raises:
        ValueError: Shapes differ, or have other axes.
    """
    if real.ndim not in (4, 5) or real.shape != fake.shape or real.size == 0:
        raise ValueError(
            f"The pairs have shapes {real.shape} and {fake.shape}, expected two equal shapes "
            "(N, C, H, W) or (N, C, D, H, W)."
        )
    for inside in regions:
        if inside is not None and inside.shape != (len(real), *real.shape[2:]):
            raise ValueError(
                f"The masks have shape {inside.shape}, but the images have shape {real.shape}."
            )
    result = np.empty((len(regions), *real.shape[:2]))
    # One channel at a time, since whole volumes in float64 are large.
    for case, channel in np.ndindex(real.shape[:2]):
        within = [None if inside is None else inside[case] for inside in regions]
        one, other = (_to_unit_range(side[case, channel]) for side in (real, fake))
        result[:, case, channel] = _MEASURES[measure](one, other, within)
    return list(result)


def _to_unit_range(values: npt.NDArray[Any]) -> Float:
    floats = values.astype(np.float64)
    if values.dtype == np.uint8:
        return np.asarray(floats / 255)
    return np.asarray(((floats + 1) / 2).clip(0, 1))


def _measure_ssim(real: Float, fake: Float, regions: _Regions) -> list[float]:
    """Average structural similarity, in [-1, 1].

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity",
    equation 13, with their window: Gaussian, 11 pixels on every axis, sigma 1.5; K1 0.01, K2 0.03.
    Valid windows only. If an axis is shorter than 11, the window shrinks on all axes to the longest
    odd side s that fits, with sigma ``1.5 s / 11``.
    """
    side = min(WINDOW, *real.shape)
    side -= 1 - side % 2
    _, similarity = structural_similarity(
        real,
        fake,
        data_range=1.0,
        gaussian_weights=True,
        sigma=SIGMA * side / WINDOW,
        use_sample_covariance=False,
        full=True,
    )
    margin = side // 2
    valid = tuple(slice(margin, length - margin) for length in real.shape)
    centred = similarity[valid]
    chosen = (None if inside is None else inside[valid] for inside in regions)
    return [
        float((centred if inside is None or not inside.any() else centred[inside]).mean())
        for inside in chosen
    ]


def _measure_psnr(real: Float, fake: Float, regions: _Regions) -> list[float]:
    """Compute ``-10 log10`` of the mean squared error, in decibels, at most 100."""
    values = []
    for inside in regions:
        sides = (real, fake) if inside is None else (real[inside], fake[inside])
        with np.errstate(divide="ignore"):
            values.append(min(float(peak_signal_noise_ratio(*sides, data_range=1.0)), MAX_PSNR))
    return values


def _measure_mae(real: Float, fake: Float, regions: _Regions) -> list[float]:
    errors = np.abs(real - fake)
    return [float((errors if inside is None else errors[inside]).mean()) for inside in regions]


_MEASURES = {"ssim": _measure_ssim, "psnr": _measure_psnr, "mae": _measure_mae}
