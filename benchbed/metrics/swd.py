"""The sliced Wasserstein distance between patches of two image sets, level by level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchbed.api.metric import MetricInputs

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

COARSEST = 16
PATCH = 7
CHANNELS = 3

_PIECE = 2**20
"""Values of images held as float32 at once, so that memory does not grow with the set."""

_ROWS = 4096
"""Patches that are scaled at once: they stay in the cache."""

_DIRECTIONS = 128
"""Directions that points are projected on at once."""

_FLAT = 1e-4
"""Grey levels; a spread below this is the rounding of float32, not content."""


@dataclass(frozen=True)
class SlicedWasserstein:
    """Distances per level of the pyramid, not multiplied by 1000.

    Attributes:
        levels: Resolution in pixels, finest first, to distance (at least 0, without unit).
        average: Their mean.
    """

    levels: dict[int, float]
    average: float


def sliced_wasserstein(
    real: Pixels,
    fake: Pixels,
    *,
    seed: int = 0,
    patches: int = 128,
    repeats: int = 4,
    directions: int = 128,
) -> SlicedWasserstein:
    """How far the patch statistics of one set are from those of another, per scale.

    Karras et al. 2018 (arXiv:1710.10196), section 5: a Laplacian pyramid of each image (Burt and
    Adelson 1983) down to 16 pixels; random 7 x 7 x 3 patches of each level; each channel of the
    patches scaled to mean 0 and standard deviation 1 over its own set; then the sliced Wasserstein
    distance (Rabin et al. 2011). Patches of the two sets are drawn independently, so that a set
    is not at distance 0 from itself. The value falls with the number of images: compare only at
    equal numbers, beside the distance between two parts of the real set.

    Level by level, patches take 75 KB of an RGB image, and the coarser levels as many bytes as the
    image. Images are read a few at a time, so that a memory map stays on the disk.

    Args:
        real: uint8 ``(N, C, S, S)``, C of 1 or 3, S a power of two of at least 16.
        fake: uint8, of the same shape.
        seed: Seed of patches and directions, at least 0.
        patches: Patches per image and level.
        repeats: How often the directions are drawn anew; the distances are averaged.
        directions: Directions per repeat.

    Returns:
        The distances. A grey image stands for three equal channels.

    Raises:
        ValueError: The sets differ in shape or are empty, or the size does not fit.
    """
    _check(real, fake)
    count, channels, size, _ = real.shape
    sides = (
        descriptors(images, _drawn_positions(seed, side, size, (count, patches)))
        for side, images in enumerate((real, fake))
    )
    distances = {}
    for (resolution, first), (_, second) in zip(*sides, strict=True):
        generator = np.random.default_rng((seed, resolution, 2))  # 0 and 1 are the sets' own
        drawn = [unit_directions(generator, directions, channels) for _ in range(repeats)]
        distances[resolution] = sliced_distance(first, second, np.concatenate(drawn, axis=1))
    return SlicedWasserstein(distances, float(np.mean(list(distances.values()))))


def resolutions(size: int) -> list[int]:
    """The sizes of the pyramid's levels, finest first, such as ``[64, 32, 16]``.

    Raises:
        ValueError: The size is no power of two, or under 16.
    """
    if size < COARSEST or size & (size - 1):
        raise ValueError(
            f"SWD does not support {size} px images: the size must be a power of two of at "
            f"least {COARSEST} (pyramid down to {COARSEST})."
        )
    return [size >> step for step in range((size // COARSEST).bit_length())]


def patch_positions(seed: tuple[int, ...], shape: tuple[int, int], size: int) -> Indices:
    """Uniform upper left corners ``(N, P, 2)``, row and column, of patches within `size` pixels."""
    return np.random.default_rng(seed).integers(0, size - PATCH + 1, (*shape, 2))


def _drawn_positions(seed: int, side: int, size: int, shape: tuple[int, int]) -> dict[int, Indices]:
    """Independent positions for each level; `side` is 0 for the real set and 1 for the fake one."""
    return {
        resolution: patch_positions((seed, resolution, side), shape, resolution)
        for resolution in resolutions(size)
    }


def unit_directions(generator: np.random.Generator, count: int, channels: int) -> Floats:
    """Directions uniform on the sphere of R^147 for descriptors of 1 or 3 channels.

    Args:
        generator: Source of randomness; the draw does not depend on `channels`.
        count: Number of directions.
        channels: Channels of the descriptors to be projected.

    Returns:
        Columns ``(channels * 49, count)``. For one channel the three blocks are summed: a grey
        descriptor stands for three equal blocks, and this gives the same projection.
    """
    columns = generator.standard_normal((CHANNELS * PATCH * PATCH, count))
    columns /= np.linalg.norm(columns, axis=0)
    if channels == 1:
        columns = columns.reshape(CHANNELS, -1, count).sum(axis=0)
    return columns.astype(np.float32)


def descriptors(images: Pixels, positions: Mapping[int, Indices]) -> Iterator[tuple[int, Floats]]:
    """Scaled patches of a set from each level of its Laplacian pyramid, finest first.

    Args:
        images: uint8 ``(N, C, S, S)``.
        positions: For each of ``resolutions(S)`` the upper left corners ``(N, P, 2)`` of patches.

    Yields:
        The resolution and its patches ``(N P, C 49)`` as `scaled` leaves them; the next ones take
        their place in memory.
    """
    level: npt.NDArray[Any] = images
    count, channels, size, _ = images.shape
    found = np.empty((count, positions[size].shape[1], channels, PATCH * PATCH), np.float32)
    for resolution in resolutions(size):
        coarser = np.empty((count, channels, resolution // 2, resolution // 2), np.float32)
        step = max(1, _PIECE // (channels * resolution**2))
        for start in range(0, count, step):
            piece = slice(start, start + step)
            pixels = torch.from_numpy(level[piece].astype(np.float32))
            if resolution > COARSEST:
                pixels, smaller = laplacian_level(pixels)
                coarser[piece] = smaller.numpy()
            found[piece] = patches_at(pixels.numpy(), positions[resolution][piece])
        yield resolution, scaled(found)
        level = coarser


def scaled(patches: Floats) -> Floats:
    """Patches ``(N, P, C, 49)`` to descriptors ``(N P, C 49)``; the patches are overwritten.

    Each channel gets mean 0 and standard deviation 1 over the set; where the set is flat it is 0.
    """
    channels = patches.shape[2]
    rows = torch.from_numpy(patches.reshape(-1, channels * PATCH * PATCH))
    means = _of_channels(rows.sum(0), channels) / len(rows)
    squares = torch.zeros(rows.shape[1], dtype=torch.float64)
    for some in rows.split(_ROWS):
        some.sub_(means.float())
        squares += some.square().sum(0)
    spreads = (_of_channels(squares, channels) / len(rows)).sqrt()
    rows /= torch.where(spreads > _FLAT, spreads, 1).float()
    found: Floats = rows.numpy()
    return found


def _of_channels(columns: Tensor, channels: int) -> Tensor:
    """Sums ``(C 49,)`` to the mean of their channel, in each place, in float64."""
    means = columns.double().view(channels, -1).mean(1)
    return means.repeat_interleave(PATCH * PATCH)


def patches_at(level: Floats, positions: Indices) -> Floats:
    """The patches of images ``(N, C, S, S)`` at corners ``(N, P, 2)``: ``(N, P, C, 49)``."""
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(2, 3))
    image = np.arange(len(level))[:, None]
    found: Floats = windows[image, :, positions[..., 0], positions[..., 1]]
    return found.reshape(*found.shape[:3], -1)


def sliced_distance(first: npt.NDArray[Any], second: npt.NDArray[Any], directions: Floats) -> float:
    """Mean Wasserstein-1 distance of two equally large point sets projected on directions.

    Args:
        first: Points ``(K, d)``.
        second: Points ``(K, d)``.
        directions: Columns ``(d, M)`` of length 1.

    Returns:
        The distance, at least 0, in units of the points.
    """
    shape, kind = (min(_DIRECTIONS, directions.shape[1]), len(first)), first.dtype
    projected = np.empty(shape, kind), np.empty(shape, kind)
    distances: list[float] = []
    # Numpy sorts without holding the interpreter's lock.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for start in range(0, directions.shape[1], _DIRECTIONS):
            # A direction is a row, so that what is sorted lies together in memory.
            rows = directions.T[start : start + _DIRECTIONS]
            one, other = (side[: len(rows)] for side in projected)
            np.matmul(rows, first.T, out=one)
            np.matmul(rows, second.T, out=other)
            distances += pool.map(_wasserstein, one, other)
    return float(np.mean(distances))


def _wasserstein(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Mean distance of two sets of as many numbers; both are overwritten."""
    one.sort()
    other.sort()
    one -= other
    return float(np.abs(one, out=one).mean(dtype=np.float64))


def laplacian_level(images: Tensor) -> tuple[Tensor, Tensor]:
    """A step of Burt and Adelson 1983, "The Laplacian pyramid as a compact image code".

    Args:
        images: float ``(N, C, H, W)``, sides even and at least 4.

    Returns:
        What the next coarser level lacks, of the same shape, and that level,
        ``(N, C, H / 2, W / 2)``. The coarsest of all, which lacks nothing, is the smoothed image.
    """
    smaller = reduced(images)
    return images - expanded(smaller), smaller


def reduced(images: Tensor) -> Tensor:
    """Smooth with the filter [1 4 6 4 1] / 16 along both axes, border mirrored; keep each second.

    Args:
        images: float ``(N, C, H, W)``, sides even and at least 4.

    Returns:
        ``(N, C, H / 2, W / 2)``.
    """
    for axis in (2, 3):
        even, odd = torch.unflatten(images, axis, (-1, 2)).unbind(axis + 1)
        # The pixel left of the first is the second one, which is the first of the odd ones.
        odd_before = torch.cat(
            [odd.narrow(axis, 0, 1), odd.narrow(axis, 0, odd.shape[axis] - 1)], axis
        )
        outer = _before(even, axis) + _after(even, axis)
        images = outer.add_(odd + odd_before, alpha=4).add_(even, alpha=6).div_(16)
    return images


def expanded(images: Tensor) -> Tensor:
    """Double the size: zeros between the pixels, then the filter of `reduced`, times 4.

    Half of the filter's taps fall on zeros, so that old pixels become [1 6 1] / 8 and new ones
    [1 1] / 2 of their neighbours.

    Args:
        images: float ``(N, C, H, W)``, sides at least 2.

    Returns:
        ``(N, C, 2 H, 2 W)``.
    """
    for axis in (2, 3):
        after = _after(images, axis)
        old = (_before(images, axis) + after).add_(images, alpha=6).div_(8)
        new = (images + after).div_(2)
        images = torch.stack([old, new], axis + 1).flatten(axis, axis + 1)
    return images


def _before(even: Tensor, axis: int) -> Tensor:
    """The left neighbour of each pixel among every second pixel of a mirrored row."""
    # The row is mirrored at its first pixel, which is the first even one: left of it is even 1.
    return torch.cat([even.narrow(axis, 1, 1), even.narrow(axis, 0, even.shape[axis] - 1)], axis)


def _after(even: Tensor, axis: int) -> Tensor:
    """The right neighbour of each pixel among every second pixel of a mirrored row."""
    # The row is mirrored at its last pixel, which is odd: right of it is the last even one again.
    last = even.shape[axis] - 1
    return torch.cat([even.narrow(axis, 1, last), even.narrow(axis, last, 1)], axis)


def _check(real: Pixels, fake: Pixels) -> None:
    if real.shape != fake.shape:
        raise ValueError(
            f"The real set has shape {real.shape}, the fake set {fake.shape}. SWD needs equally "
            "many images of one size."
        )
    if real.ndim != 4 or real.size == 0 or real.shape[1] not in (1, 3):
        raise ValueError(
            f"Images of shape {real.shape} are not supported. Expected (N, C, S, S) with C = 1 "
            "or 3."
        )
    if real.shape[2] != real.shape[3]:
        raise ValueError(f"Images of {real.shape[2]} x {real.shape[3]} pixels are not square.")


def swd(inputs: MetricInputs) -> float:
    """`sliced_wasserstein` between equally many seeded images of each side."""
    count = min(len(inputs.real), len(inputs.fake))
    real, fake = (_some(s.images, count, inputs.seed) for s in (inputs.real, inputs.fake))
    return sliced_wasserstein(real, fake, seed=inputs.seed).average


def _some(images: Pixels, count: int, seed: int) -> Pixels:
    if len(images) == count:
        return images
    chosen = np.random.default_rng(seed).choice(len(images), count, replace=False)
    return images[np.sort(chosen)]
