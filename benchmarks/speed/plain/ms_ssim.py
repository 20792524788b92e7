"""MS-SSIM as it was defined for generated images: scipy's FFT, one batch of pairs at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

Float = npt.NDArray[np.float64]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
C1, C2 = 6.5025, 58.5225


def window(size: int, sigma: float) -> Float:
    """A normalised Gaussian ``(1, 1, size, size)``."""
    offsets = np.arange(size) - (size - 1) / 2
    flat = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    normalised: Float = (flat / flat.sum())[None, None]
    return normalised


def terms(first: Float, second: Float) -> tuple[Float, Float]:
    """Mean ssim and mean cs of each pair ``(N, C, H, W)``."""
    size = min(11, *first.shape[2:])
    taps = window(size, 1.5 * size / 11)

    def blurred(images: Float) -> Float:
        made: Float = signal.fftconvolve(images, taps, mode="valid")
        return made

    mean1, mean2 = blurred(first), blurred(second)
    variance1 = blurred(first * first) - mean1 * mean1
    variance2 = blurred(second * second) - mean2 * mean2
    covariance = blurred(first * second) - mean1 * mean2
    contrast = (2 * covariance + C2) / (variance1 + variance2 + C2)
    luminance = (2 * mean1 * mean2 + C1) / (mean1**2 + mean2**2 + C1)
    return (luminance * contrast).mean((1, 2, 3)), contrast.mean((1, 2, 3))


def ms_ssim(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> Float:
    """Similarity of each pair ``(N, C, H, W)``."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    value = np.ones(len(one))
    mean = np.full((1, 1, 2, 2), 0.25)
    for scale, weight in enumerate(WEIGHTS):
        whole, contrast = terms(one, other)
        value *= np.clip(whole if scale == len(WEIGHTS) - 1 else contrast, 0, None) ** weight
        one, other = (
            ndimage.convolve(images, mean, mode="reflect")[:, :, ::2, ::2]
            for images in (one, other)
        )
    return value
