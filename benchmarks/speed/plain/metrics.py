"""SWD and MS-SSIM in numpy and scipy, in the order of the original code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

Floats = npt.NDArray[np.float32]
Float = npt.NDArray[np.float64]
Corners = npt.NDArray[np.int64]

FILTER = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(np.float32)[None, None] / 256
SIDE, PATCHES = 7, 128
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
C1, C2 = 6.5025, 58.5225


def make_pyramid(images: Floats) -> list[Floats]:
    """Return the Laplacian pyramid of ``(N, C, S, S)`` down to 16 px."""
    levels = [images]
    while levels[-1].shape[-1] > 16:
        finer = levels[-1]
        smaller = ndimage.convolve(finer, FILTER, mode="mirror")[:, :, ::2, ::2]
        spread = np.zeros_like(finer)
        spread[:, :, ::2, ::2] = smaller
        levels[-1] = finer - ndimage.convolve(spread, 4 * FILTER, mode="mirror")
        levels.append(smaller)
    return levels


def extract_patches(level: Floats, corners: Corners) -> Floats:
    """Return patches ``(N PATCHES, C, 7, 7)`` of images ``(N, C, S, S)``."""
    corners = corners.reshape(-1, 2, 1, 1, 1)
    image, plane, row, column = np.ogrid[: len(corners), : level.shape[1], :SIDE, :SIDE]
    patches: Floats = level[image // PATCHES, plane, row + corners[:, 0], column + corners[:, 1]]
    return patches


def normalize_patches(parts: list[Floats]) -> Floats:
    """Return all patches of a level as rows, each channel with mean 0 and deviation 1."""
    patches = np.concatenate(parts)
    patches -= np.mean(patches, axis=(0, 2, 3), keepdims=True)
    patches /= np.std(patches, axis=(0, 2, 3), keepdims=True)
    return patches.reshape(len(patches), -1)


def sliced_wasserstein(
    real: npt.NDArray[np.uint8],
    fake: npt.NDArray[np.uint8],
    draw_corners: Callable[[int, int, int], Corners],
    draw_directions: Callable[[int], Floats],
) -> float:
    """Return the mean over the levels and over 4 draws of directions.

    Corners are drawn for a set (0 or 1), a resolution and a number of images.
    """
    sides = []
    for side, images in enumerate((real, fake)):
        parts: dict[int, list[Floats]] = {}
        corners: dict[int, Corners] = {}
        for start in range(0, len(images), 16):
            for level in make_pyramid(images[start : start + 16].astype(np.float32)):
                size = level.shape[-1]
                if size not in corners:
                    corners[size] = draw_corners(side, size, len(images))
                patches = extract_patches(level, corners[size][start : start + 16])
                parts.setdefault(size, []).append(patches)
        sides.append({size: normalize_patches(part) for size, part in parts.items()})
    distances = []
    for size, first in sides[0].items():
        for _ in range(4):
            directions = draw_directions(size)
            one = np.sort(np.matmul(first, directions), axis=0)
            other = np.sort(np.matmul(sides[1][size], directions), axis=0)
            distances.append(np.mean(np.abs(one - other)))
    return float(np.mean(distances))


def compute_terms(first: Float, second: Float) -> tuple[Float, Float]:
    """Return the mean ssim and the mean cs of each pair ``(N, C, H, W)``."""
    size = min(11, *first.shape[2:])
    taps = signal.windows.gaussian(size, 1.5 * size / 11)
    window = (np.outer(taps, taps) / taps.sum() ** 2)[None, None]

    def blur(images: Float) -> Float:
        blurred: Float = signal.fftconvolve(images, window, mode="valid")
        return blurred

    mean1, mean2 = blur(first), blur(second)
    variance1 = blur(first * first) - mean1 * mean1
    variance2 = blur(second * second) - mean2 * mean2
    covariance = blur(first * second) - mean1 * mean2
    contrast = (2 * covariance + C2) / (variance1 + variance2 + C2)
    luminance = (2 * mean1 * mean2 + C1) / (mean1**2 + mean2**2 + C1)
    return (luminance * contrast).mean((1, 2, 3)), contrast.mean((1, 2, 3))


def ms_ssim(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> Float:
    """Return the similarity of each pair ``(N, C, H, W)``."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    value = np.ones(len(one))
    mean = np.full((1, 1, 2, 2), 0.25)
    for scale, weight in enumerate(WEIGHTS):
        whole, contrast = compute_terms(one, other)
        value *= np.clip(whole if scale == len(WEIGHTS) - 1 else contrast, 0, None) ** weight
        one, other = (ndimage.convolve(x, mean)[:, :, ::2, ::2] for x in (one, other))
    return value
