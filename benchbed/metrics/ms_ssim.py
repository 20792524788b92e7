"""Multi-scale structural similarity of image pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed.api.metric import MetricInputs, MetricTerms

Float = npt.NDArray[np.float64]

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first (Wang et al. 2003, section 3.2)."""

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2

_PLANES, _PIXELS = 16, 2**21
"""Planes per chunk, more for small ones: enough to fill vector units, while tensors stay small
enough for the allocator to reuse their memory."""

_BAND_PIXELS = 2**18
"""Pixels of a chunk blurred at once: few enough to stay in the cache."""


def compute_ms_ssim(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Float:
    """Compute the multi-scale structural similarity of image pairs.

    Wang, Simoncelli and Bovik 2003, "Multiscale structural similarity for image quality
    assessment", equation 7, in the form used for judging generated images (Odena et al. 2017,
    Karras et al. 2018): five scales, valid convolution with an 11 x 11 Gaussian window of sigma
    1.5, K1 0.01, K2 0.03, range 255, 2 x 2 mean between scales. The product of ``cs^w`` over the
    first four scales and ``ssim^w`` at the fifth, each term a mean over height, width and channels;
    a negative mean counts as 0.

    The fifth scale fits the full window from 176 pixels on. Below that the window shrinks at the
    coarse scales to the image's shorter side s, with sigma ``1.5 s / 11``: compare such values only
    at the same size. An odd side is padded by its last row or column before halving.

    Args:
        first: ``(N, C, H, W)`` with values in [0, 255], uint8 or float.
        second: The partners, same shape.

    Returns:
        Similarities ``(N,)``, float64, in [0, 1]; 1 for equal images. Computed in float32: within
        1e-6 of float64, within 1e-4 where black planes meet white ones.

    Raises:
        ValueError: Shapes differ, are empty or not ``(N, C, H, W)``, or a side is below 16 pixels,
            so that the fifth scale would be empty.
    """
    if first.ndim != 4 or first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"The pairs have shapes {first.shape} and {second.shape}, expected two equal shapes "
            "(N, C, H, W)."
        )
    if min(first.shape[2:]) < 2 ** (len(SCALE_WEIGHTS) - 1):
        raise ValueError(
            f"Images of {first.shape[2]} x {first.shape[3]} pixels are too small for "
            f"{len(SCALE_WEIGHTS)} scales. MS-SSIM needs at least 16 pixels per side."
        )
    pieces = [_compute_scales(sides) for sides in _iter_chunks(first, second)]
    terms = _reduce_channels(pieces, first.shape).clip(min=0)
    values: Float = np.prod(terms ** np.array(SCALE_WEIGHTS), axis=1)
    return values


def make_gaussian_window(size: int) -> Tensor:
    """Return a normalised Gaussian of `size` taps; sigma is 1.5 at 11 taps."""
    sigma = SIGMA * size / WINDOW
    offsets = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    return taps / taps.sum()


class _PlaneSums(NamedTuple):
    """Centred sums and differences of the two planes of ``P`` pairs, and their means.

    With s and d the windowed variances of sum and difference of two planes, the variances of the
    planes add up to (s + d) / 2 and their covariance is (s - d) / 4; likewise the squares of their
    means. In these terms both factors of SSIM are ``1 - d / ((s + d) / 2 + C)``, which is accurate
    in float32: errors of s matter less the more similar the planes are.
    """

    total: Tensor
    """Sums ``(1, P, H, W)``, less their mean: avoids variances as differences of large numbers."""
    difference: Tensor
    """First minus second, same shape, less their mean."""
    means: Tensor
    """The means, ``(2, P, 1, 1)``."""


def _iter_chunks(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Iterator[_PlaneSums]:
    """Iterate over chunks of plane pairs, in the size that is fastest.

    Channels are separate planes: all have the same size, so the mean over height, width and
    channels is the mean of plane means. Planes are stored as channels of one image, for which a
    depthwise convolution is fastest.
    """
    shape = (1, -1, *first.shape[2:])
    planes = first.reshape(shape), second.reshape(shape)
    step = max(_PLANES, min(3 * _PLANES, _PIXELS // (shape[2] * shape[3])))
    for start in range(0, planes[0].shape[1], step):
        one, other = (_stack_planes(side[:, start : start + step]) for side in planes)
        sides = one + other, one.sub_(other)
        means = torch.stack([_reduce_sum(side[0]) for side in sides])[..., None, None]
        means = means.div(shape[2] * shape[3]).float()
        yield _PlaneSums(sides[0].sub_(means[0]), sides[1].sub_(means[1]), means)


def _stack_planes(planes: npt.NDArray[Any]) -> Tensor:
    """Convert planes ``(1, P, H, W)`` to float32 in channels-last order."""
    # Reorder bytes before they become four times as large.
    packed = torch.from_numpy(planes.copy()).contiguous(memory_format=torch.channels_last)
    return packed.float()


def _reduce_channels(pieces: list[Tensor], shape: tuple[int, ...]) -> Float:
    terms: Float = torch.cat(pieces).numpy()
    means: Float = terms.reshape(shape[0], shape[1], -1).mean(axis=1)
    return means


def _compute_scales(sides: _PlaneSums) -> Tensor:
    """Compute mean cs at scales 1 to 4 and mean ssim at 5, of all planes: ``(P, 5)``."""
    terms = []
    for _ in SCALE_WEIGHTS[:-1]:
        terms.append(_compute_contrast(sides))
        sides = _PlaneSums(
            _shrink_by_half(sides.total), _shrink_by_half(sides.difference), sides.means
        )
    return torch.stack([*terms, _compute_mean_ssim(sides)], dim=1)


def _compute_contrast(sides: _PlaneSums) -> Tensor:
    return _reduce_mean(_compute_similarity(variances, C2) for _, variances in _iter_moments(sides))


def _compute_mean_ssim(sides: _PlaneSums) -> Tensor:
    return _reduce_mean(
        _compute_similarity(means.add_(sides.means).square_(), C1).mul_(
            _compute_similarity(variances, C2)
        )
        for means, variances in _iter_moments(sides)
    )


def _iter_moments(sides: _PlaneSums) -> Iterator[tuple[Tensor, Tensor]]:
    """Iterate over bands of windowed means and variances of sum and difference."""
    window = make_gaussian_window(min(WINDOW, *sides.total.shape[2:]))
    _, planes, height, width = sides.total.shape
    margin = len(window) - 1
    step = max(1, _BAND_PIXELS // (planes * width))
    for start in range(0, height - margin, step):
        rows = slice(start, min(start + step + margin, height))
        total = sides.total[:, :, rows]
        fields = torch.empty((4, *total.shape[1:]), memory_format=torch.channels_last)
        fields[0], fields[1] = total[0], sides.difference[0, :, rows]
        torch.mul(fields[:2], fields[:2], out=fields[2:])
        blurred = _apply_blur(fields, window)
        means, squares = blurred[:2], blurred[2:]
        yield means, squares.addcmul_(means, means, value=-1)


def _compute_similarity(moments: Tensor, constant: float) -> Tensor:
    """Compute ``1 - d / ((s + d) / 2 + C)`` from ``(2, P, h, w)``; overwrites the input."""
    total, difference = moments[0], moments[1]
    return difference.div_(total.add_(difference).div_(2).add_(constant)).neg_().add_(1)


def _reduce_mean(bands: Iterable[Tensor]) -> Tensor:
    """Average bands ``(P, h, w)`` over the pixels of each plane, in float64: ``(P,)``."""
    total, pixels = torch.zeros((), dtype=torch.float64), 0
    for band in bands:
        total, pixels = total + _reduce_sum(band), pixels + band[0].numel()
    mean: Tensor = total / pixels
    return mean


def _reduce_sum(planes: Tensor) -> Tensor:
    count, height, width = planes.shape
    # Rows are summed in float32, as contiguous memory; their sums in float64.
    rows = planes.permute(1, 2, 0).reshape(height, width * count).sum(0)
    sums: Tensor = rows.view(width, count).sum(0, dtype=torch.float64)
    return sums


def _apply_blur(planes: Tensor, window: Tensor) -> Tensor:
    taps, count = window.to(planes.dtype), planes.shape[1]
    for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
        kernels = taps.view(shape).expand(count, -1, -1, -1)
        planes = F.conv2d(planes, kernels, groups=count)
    return planes


def _shrink_by_half(planes: Tensor) -> Tensor:
    """Average 2 x 2 pixels; at an odd side the last row or column counts twice."""
    # With `ceil_mode`, a window over the edge averages only the pixels inside.
    return F.avg_pool2d(planes, 2, ceil_mode=True)


def ms_ssim_realfake(inputs: MetricInputs) -> MetricTerms:
    """Compute MS-SSIM of each scored image and a seeded random real one, as fidelity."""
    partners = np.random.default_rng(inputs.seed).integers(0, len(inputs.real), len(inputs.fake))
    return compute_ms_ssim(inputs.real.images[partners], inputs.fake.images)


def ms_ssim_diversity(inputs: MetricInputs) -> MetricTerms:
    """Compute MS-SSIM of disjoint, seeded pairs of scored images (Odena et al. 2017, section 4.2).

    Karras et al. 2018 also take pairs among all images. Real images are used only for the baseline.
    """
    order = np.random.default_rng(inputs.seed).permutation(len(inputs.fake))
    half = len(order) // 2
    images = inputs.fake.images
    return compute_ms_ssim(images[order[:half]], images[order[half : 2 * half]])
