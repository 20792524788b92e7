"""Similarity of generated images to the real ones of their cases, in 2-D and 3-D.

Intensities are mapped to [0, 1], so the data range is always 1. SSIM and PSNR are scikit-image's,
with one definition for two and three dimensions.

Each metric exists twice. The whole image includes the empty background, which any method gets
right; the foreground excludes it, as challenges of synthesis do, which average the SSIM map over a
mask and take errors inside it (Kofler et al. 2023, arXiv:2305.08992).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchbed.api.metric import MetricTerms, PairedInputs

Float = npt.NDArray[np.float64]
RegionMask = npt.NDArray[np.bool_]
_Regions = Sequence[RegionMask | None]
_Measure = Callable[[Float, Float, _Regions], list[float]]
"""Measure of one channel of one case, in each of several regions."""

WINDOW = 11
SIGMA = 1.5

MAX_PSNR = 100.0
"""PSNR of equal images in decibels; without a bound it, and every mean, would be infinite."""

_BLACK_THRESHOLD = 0.5 / 255
"""Values that round to 0 in 8 bits are background."""


def compute_ssim(
    real: npt.NDArray[Any], fake: npt.NDArray[Any], inside: RegionMask | None = None
) -> npt.NDArray[np.float64]:
    """Compute the structural similarity.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity",
    equation 13, with their window: Gaussian, 11 pixels on every axis, sigma 1.5; K1 0.01, K2 0.03.
    Valid windows only. If an axis is shorter than 11, the window shrinks on all axes to the longest
    odd side s that fits, with sigma ``1.5 s / 11``.

    Args:
        real: ``(N, C, H, W)`` or ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
        fake: Images generated for the same cases, likewise.
        inside: Window centres that count, bool ``(N, ...)``; None for all.

    Returns:
        ``(N, C)`` in [-1, 1]; 1 for equal images.

    Raises:
        ValueError: Shapes differ, or have other axes.
    """
    return _measure_channels(_measure_ssim, real, fake, [inside])[0]


def compute_psnr(
    real: npt.NDArray[Any], fake: npt.NDArray[Any], inside: RegionMask | None = None
) -> npt.NDArray[np.float64]:
    """Compute the peak signal-to-noise ratio, ``-10 log10`` of the MSE in the range [0, 1].

    Args:
        real: As for `compute_ssim`.
        fake: As for `compute_ssim`.
        inside: Pixels that count, bool ``(N, ...)``; None for all.

    Returns:
        ``(N, C)`` in decibels, at most 100.
    """
    return _measure_channels(_measure_psnr, real, fake, [inside])[0]


def compute_mae(
    real: npt.NDArray[Any], fake: npt.NDArray[Any], inside: RegionMask | None = None
) -> npt.NDArray[np.float64]:
    """Compute the mean absolute error as a share of the intensity range.

    Args:
        real: As for `compute_ssim`.
        fake: As for `compute_ssim`.
        inside: Pixels that count, bool ``(N, ...)``; None for all.

    Returns:
        ``(N, C)`` in [0, 1].
    """
    return _measure_channels(_measure_mae, real, fake, [inside])[0]


def find_foreground(real: npt.NDArray[Any]) -> RegionMask:
    """Find where any channel is not black (the brain, if skull-stripped); everywhere if none is."""
    cases = (np.any(_to_unit_range(image) > _BLACK_THRESHOLD, axis=0) for image in real)
    return np.stack([case if case.any() else ~case for case in cases])


def paired_ssim(inputs: PairedInputs) -> MetricTerms:
    """Compute `compute_ssim` of each case, averaged over channels."""
    return _compute_terms(_measure_ssim, inputs)[0]


def paired_psnr(inputs: PairedInputs) -> MetricTerms:
    """Compute `compute_psnr` of each case, averaged over channels."""
    return _compute_terms(_measure_psnr, inputs)[0]


def paired_mae(inputs: PairedInputs) -> MetricTerms:
    """Compute `compute_mae` of each case, averaged over channels."""
    return _compute_terms(_measure_mae, inputs)[0]


def foreground_ssim(inputs: PairedInputs) -> MetricTerms:
    """Compute `compute_ssim` inside the foreground of the real image, averaged over channels."""
    return _compute_terms(_measure_ssim, inputs)[1]


def foreground_psnr(inputs: PairedInputs) -> MetricTerms:
    """Compute `compute_psnr` inside the foreground of the real image, averaged over channels."""
    return _compute_terms(_measure_psnr, inputs)[1]


def foreground_mae(inputs: PairedInputs) -> MetricTerms:
    """Compute `compute_mae` inside the foreground of the real image, averaged over channels."""
    return _compute_terms(_measure_mae, inputs)[1]


@lru_cache(maxsize=3)
def _compute_terms(measure: _Measure, inputs: PairedInputs) -> tuple[MetricTerms, MetricTerms]:
    """Measure whole image and foreground in one cached pass, averaged over channels."""
    whole, inside = _measure_channels(
        measure, inputs.real, inputs.fake, [None, _find_cached_foreground(inputs)]
    )
    return whole.mean(axis=1), inside.mean(axis=1)


@lru_cache(maxsize=1)
def _find_cached_foreground(inputs: PairedInputs) -> RegionMask:
    return find_foreground(inputs.real)


def _measure_channels(
    measure: _Measure, real: npt.NDArray[Any], fake: npt.NDArray[Any], regions: _Regions
) -> list[Float]:
    """Measure every channel of every case, ``(N, C)``, in each region ``(N, ...)``."""
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
    for case, (first, second) in enumerate(zip(real, fake, strict=True)):
        within = [None if inside is None else inside[case] for inside in regions]
        for channel, (one, other) in enumerate(_iter_channels(first, second)):
            result[:, case, channel] = measure(one, other, within)
    return list(result)


def _iter_channels(
    first: npt.NDArray[Any], second: npt.NDArray[Any]
) -> Iterator[tuple[Float, Float]]:
    """Iterate over channels, since whole volumes in float64 are large."""
    for one, other in zip(first, second, strict=True):
        yield _to_unit_range(one), _to_unit_range(other)


def _to_unit_range(values: npt.NDArray[Any]) -> Float:
    floats = values.astype(np.float64)
    if values.dtype == np.uint8:
        return np.asarray(floats / 255)
    return np.asarray(((floats + 1) / 2).clip(0, 1))


def _measure_ssim(real: Float, fake: Float, regions: _Regions) -> list[float]:
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
    return [
        _compute_decibels(*(side if p is None else side[p] for side in (real, fake)))
        for p in regions
    ]


def _compute_decibels(real: Float, fake: Float) -> float:
    with np.errstate(divide="ignore"):
        value = peak_signal_noise_ratio(real, fake, data_range=1.0)
    return min(float(value), MAX_PSNR)


def _measure_mae(real: Float, fake: Float, regions: _Regions) -> list[float]:
    errors = np.abs(real - fake)
    return [float((errors if inside is None else errors[inside]).mean()) for inside in regions]
