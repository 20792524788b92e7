"""How near a made image is to the real one of its case, in the plane or in space.

Intensities are taken to [0, 1], so that the data range is 1 whatever an image holds. scikit-image
gives SSIM and PSNR, one definition for two and for three dimensions.

Each metric stands twice. Over the whole image the empty background, which any method gets right,
counts as well. Inside the foreground it does not: so challenges of synthesis judge, which average
the map of SSIM over a mask and take errors inside it (Kofler et al. 2023, arXiv:2305.08992).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchbed.api.metric import PairedInputs, Terms

Float = npt.NDArray[np.float64]
Inside = npt.NDArray[np.bool_]
_Places = Sequence[Inside | None]
_Measure = Callable[[Float, Float, _Places], list[float]]
"""A measure of one channel of one case, at each of some places."""

WINDOW = 11
SIGMA = 1.5

BEST_PSNR = 100.0
"""Decibels of equal images: without a bound theirs, and every mean with it, would be infinite."""

_BLACK = 0.5 / 255
"""What rounds to 0 in 8 bits is background."""


def ssim(
    real: npt.NDArray[Any], fake: npt.NDArray[Any], inside: Inside | None = None
) -> npt.NDArray[np.float64]:
    """Structural similarity.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity",
    equation 13, with their window: Gaussian, 11 pixels on every axis, sigma 1.5; K1 0.01, K2 0.03.
    Windows that reach over the border are left out. Where an axis is shorter than 11 the window
    shrinks on all axes to the longest odd side s that fits, with sigma ``1.5 s / 11``.

    Args:
        real: ``(N, C, H, W)`` or ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
        fake: The images made for the same cases, likewise.
        inside: Where windows are centred that count, bool ``(N, ...)``; None for everywhere.

    Returns:
        ``(N, C)`` in [-1, 1]; 1 for equal images.

    Raises:
        ValueError: Shapes differ, or are of other axes.
    """
    return _each(_ssim, real, fake, [inside])[0]


def psnr(
    real: npt.NDArray[Any], fake: npt.NDArray[Any], inside: Inside | None = None
) -> npt.NDArray[np.float64]:
    """Peak signal-to-noise ratio, ``-10 log10`` of the mean squared error of the range [0, 1].

    Args:
        real: As for `ssim`.
        fake: As for `ssim`.
        inside: The pixels that count, bool ``(N, ...)``; None for all of them.

    Returns:
        ``(N, C)`` in decibels, at most 100.

    Raises:
        ValueError: Shapes differ, or are of other axes.
    """
    return _each(_psnr, real, fake, [inside])[0]


def mae(
    real: npt.NDArray[Any], fake: npt.NDArray[Any], inside: Inside | None = None
) -> npt.NDArray[np.float64]:
    """Mean absolute error as a share of the intensity range.

    Args:
        real: As for `ssim`.
        fake: As for `ssim`.
        inside: The pixels that count, bool ``(N, ...)``; None for all of them.

    Returns:
        ``(N, C)`` in [0, 1].

    Raises:
        ValueError: Shapes differ, or are of other axes.
    """
    return _each(_mae, real, fake, [inside])[0]


def foreground(real: npt.NDArray[Any]) -> Inside:
    """Where any channel of a real image is not black: of a skull-stripped volume, the brain.

    An image that is black all over counts as a whole.

    Args:
        real: ``(N, C, ...)``; float in [-1, 1] or uint8.

    Returns:
        ``(N, ...)``.
    """
    cases = (np.any(_unit(image) > _BLACK, axis=0) for image in real)
    return np.stack([case if case.any() else ~case for case in cases])


def paired_ssim(inputs: PairedInputs) -> Terms:
    """`ssim` of each case, the mean over its channels."""
    return _terms(_ssim, inputs)[0]


def paired_psnr(inputs: PairedInputs) -> Terms:
    """`psnr` of each case, the mean over its channels."""
    return _terms(_psnr, inputs)[0]


def paired_mae(inputs: PairedInputs) -> Terms:
    """`mae` of each case, the mean over its channels."""
    return _terms(_mae, inputs)[0]


def foreground_ssim(inputs: PairedInputs) -> Terms:
    """`ssim` inside the `foreground` of the real image, the mean over channels."""
    return _terms(_ssim, inputs)[1]


def foreground_psnr(inputs: PairedInputs) -> Terms:
    """`psnr` inside the `foreground` of the real image, the mean over channels."""
    return _terms(_psnr, inputs)[1]


def foreground_mae(inputs: PairedInputs) -> Terms:
    """`mae` inside the `foreground` of the real image, the mean over channels."""
    return _terms(_mae, inputs)[1]


@lru_cache(maxsize=3)
def _terms(measure: _Measure, inputs: PairedInputs) -> tuple[Terms, Terms]:
    """A measure of each case over the whole image and inside the foreground, means over channels.

    Those of all three measures are kept: a table shows both, and they are found in one pass.
    """
    whole, inside = _each(measure, inputs.real, inputs.fake, [None, _foreground(inputs)])
    return whole.mean(axis=1), inside.mean(axis=1)


@lru_cache(maxsize=1)
def _foreground(inputs: PairedInputs) -> Inside:
    return foreground(inputs.real)


def _each(
    measure: _Measure, real: npt.NDArray[Any], fake: npt.NDArray[Any], places: _Places
) -> list[Float]:
    """A measure of every channel of every case, ``(N, C)``, at each of some places ``(N, ...)``."""
    if real.ndim not in (4, 5) or real.shape != fake.shape or real.size == 0:
        raise ValueError(
            f"The pairs have shapes {real.shape} and {fake.shape}, expected two equal shapes "
            "(N, C, H, W) or (N, C, D, H, W)."
        )
    for inside in places:
        if inside is not None and inside.shape != (len(real), *real.shape[2:]):
            raise ValueError(
                f"The masks have shape {inside.shape}, but the images have shape {real.shape}."
            )
    found = np.empty((len(places), *real.shape[:2]))
    for case, (first, second) in enumerate(zip(real, fake, strict=True)):
        within = [None if inside is None else inside[case] for inside in places]
        for channel, (one, other) in enumerate(_channels(first, second)):
            found[:, case, channel] = measure(one, other, within)
    return list(found)


def _channels(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Iterator[tuple[Float, Float]]:
    """Channel by channel: volumes in float64 are large."""
    for one, other in zip(first, second, strict=True):
        yield _unit(one), _unit(other)


def _unit(values: npt.NDArray[Any]) -> Float:
    """uint8, or float in [-1, 1], to [0, 1]."""
    wide = values.astype(np.float64)
    if values.dtype == np.uint8:
        return np.asarray(wide / 255)
    return np.asarray(((wide + 1) / 2).clip(0, 1))


def _ssim(real: Float, fake: Float, places: _Places) -> list[float]:
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
    whole = tuple(slice(margin, length - margin) for length in real.shape)
    centred = similarity[whole]
    chosen = (None if inside is None else inside[whole] for inside in places)
    return [
        float((centred if inside is None or not inside.any() else centred[inside]).mean())
        for inside in chosen
    ]


def _psnr(real: Float, fake: Float, places: _Places) -> list[float]:
    return [_decibels(*(side if p is None else side[p] for side in (real, fake))) for p in places]


def _decibels(real: Float, fake: Float) -> float:
    with np.errstate(divide="ignore"):
        value = peak_signal_noise_ratio(real, fake, data_range=1.0)
    return min(float(value), BEST_PSNR)


def _mae(real: Float, fake: Float, places: _Places) -> list[float]:
    apart = np.abs(real - fake)
    return [float((apart if inside is None else apart[inside]).mean()) for inside in places]
