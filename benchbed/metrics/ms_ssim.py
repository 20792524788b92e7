"""Structural similarity of image pairs, at one scale and at five."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed.api.metric import MetricInputs, Terms

Float = npt.NDArray[np.float64]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first (Wang et al. 2003, section 3.2)."""

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2

_PIECE = 2**19
"""Pixels worked on at once: enough to fill vector units, few enough to stay in the cache."""


def ms_ssim(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Float:
    """Multi-scale structural similarity of image pairs.

    Wang, Simoncelli and Bovik 2003, "Multiscale structural similarity for image quality
    assessment", equation 7, in the form used for judging generated images (Odena et al. 2017,
    Karras et al. 2018): five scales, valid convolution with an 11 x 11 Gaussian window of sigma
    1.5, K1 0.01, K2 0.03, range 255, 2 x 2 mean between scales. The product of ``cs^w`` over the
    first four scales and ``ssim^w`` at the fifth, each term a mean over height, width and channels;
    a negative mean counts as 0.

    The fifth scale holds the full window from 176 pixels on. Below that the window shrinks at the
    coarse scales to the image's shorter side s, with sigma ``1.5 s / 11``: such values compare with
    each other at the same size, not with those of large images. An odd side is extended by its last
    row or column before halving.

    Args:
        first: ``(N, C, H, W)`` with values in [0, 255], uint8 or float.
        second: The partners, of the same shape.

    Returns:
        Similarities ``(N,)``, float64, in [0, 1]; 1 for equal images.

    Raises:
        ValueError: Shapes differ, are empty or not ``(N, C, H, W)``, or a side is under 16
            pixels, so that the fifth scale would be empty.
    """
    _check(first, second)
    if min(first.shape[2:]) < 2 ** (len(WEIGHTS) - 1):
        raise ValueError(
            f"Images of {first.shape[2]} x {first.shape[3]} pixels are too small for "
            f"{len(WEIGHTS)} scales; MS-SSIM needs 16 pixels on each side."
        )
    pieces = [_scales(one, other) for one, other in _pieces(first, second)]
    terms = _channel_means(pieces, first.shape).clip(min=0)
    values: Float = np.prod(terms ** np.array(WEIGHTS), axis=1)
    return values


def ssim(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Float:
    """Structural similarity of image pairs at their own scale.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity",
    equation 13, with the constants and the window of `ms_ssim`; windows that reach over the border
    are left out.

    Args:
        first: ``(N, C, H, W)`` with values in [0, 255], uint8 or float.
        second: The partners, of the same shape.

    Returns:
        Similarities ``(N,)``, float64, in [-1, 1].

    Raises:
        ValueError: Shapes differ, are empty or not ``(N, C, H, W)``.
    """
    _check(first, second)
    pieces = [_terms(one, other)[0][:, None] for one, other in _pieces(first, second)]
    values: Float = _channel_means(pieces, first.shape)[:, 0]
    return values


def gaussian_window(size: int) -> Tensor:
    """A Gaussian of `size` taps that sum to 1; its sigma is 1.5 at 11 taps and in proportion."""
    sigma = SIGMA * size / WINDOW
    offsets = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    return taps / taps.sum()


def _check(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> None:
    if first.ndim != 4 or first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"The pairs have shapes {first.shape} and {second.shape}; give two equal (N, C, H, W)."
        )


def _pieces(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of planes ``(P, H, W)`` in float64, as many at once as are fast.

    A channel is a plane of its own: every plane has the same size, so that the mean over height,
    width and channels is the mean of the planes' means.
    """
    shape = (-1, *first.shape[2:])
    planes = first.reshape(shape), second.reshape(shape)
    step = max(1, _PIECE // (shape[1] * shape[2]))
    for start in range(0, len(planes[0]), step):
        one, other = (
            torch.from_numpy(side[start : start + step].astype(np.float64)) for side in planes
        )
        yield one, other


def _channel_means(pieces: list[Tensor], shape: tuple[int, ...]) -> Float:
    """Terms of all planes ``[(P, K), ...]`` to means over channels ``(N, K)``."""
    terms: Float = torch.cat(pieces).numpy()
    means: Float = terms.reshape(shape[0], shape[1], -1).mean(axis=1)
    return means


def _scales(first: Tensor, second: Tensor) -> Tensor:
    """For planes ``(P, H, W)`` the mean cs at scales 1 to 4 and the mean ssim at 5: ``(P, 5)``."""
    terms = []
    for _ in WEIGHTS[:-1]:
        terms.append(_terms(first, second)[1])
        first, second = _halved(first), _halved(second)
    terms.append(_terms(first, second)[0])
    return torch.stack(terms, dim=1)


def _terms(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ssim and mean cs (contrast and structure) of planes ``(P, H, W)``, each ``(P,)``."""
    window = gaussian_window(min(WINDOW, *first.shape[1:]))
    mean1, mean2 = _blurred(first, window), _blurred(second, window)
    product = mean1 * mean2
    squares = mean1.square() + mean2.square()
    # Only the sum of the two variances is needed: one blur serves for both.
    variances = _blurred(first.square().addcmul_(second, second), window) - squares
    covariance = _blurred(first * second, window) - product
    contrast = (2 * covariance + C2) / (variances + C2)
    luminance = (2 * product + C1) / (squares + C1)
    return (luminance * contrast).mean((1, 2)), contrast.mean((1, 2))


def _blurred(planes: Tensor, window: Tensor) -> Tensor:
    """Valid convolution of planes ``(P, H, W)`` with the window along both axes.

    Sums of shifted views are several times faster in float64 than a convolution of the library.
    """
    for axis in (1, 2):
        length = planes.shape[axis] - len(window) + 1
        total = planes.narrow(axis, 0, length) * window[0]
        for shift, weight in enumerate(window[1:].tolist(), start=1):
            total.add_(planes.narrow(axis, shift, length), alpha=weight)
        planes = total
    return planes


def _halved(planes: Tensor) -> Tensor:
    """The mean of 2 x 2 pixels; at an odd side the last row or column counts twice."""
    # In `ceil_mode` a window that reaches over the edge is a mean of the pixels that are there.
    return F.avg_pool2d(planes[:, None], 2, ceil_mode=True)[:, 0]


def ms_ssim_realfake(inputs: MetricInputs) -> Terms:
    """MS-SSIM of each scored image and a seeded random real one, as a fidelity."""
    partners = np.random.default_rng(inputs.seed).integers(0, len(inputs.real), len(inputs.fake))
    return ms_ssim(inputs.real.images[partners], inputs.fake.images)


def ms_ssim_diversity(inputs: MetricInputs) -> Terms:
    """MS-SSIM of disjoint, seeded pairs of the scored images (Odena et al. 2017, section 4.2).

    Karras et al. 2018 take pairs among all images, as here; no real image is looked at. Its floor
    is the same among real images.
    """
    order = np.random.default_rng(inputs.seed).permutation(len(inputs.fake))
    half = len(order) // 2
    images = inputs.fake.images
    return ms_ssim(images[order[:half]], images[order[half : 2 * half]])
